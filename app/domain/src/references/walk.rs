//! Visits the places of an object that a path with `*` leads to.
//!
//! Invariant: a path that does not fit the object leads nowhere and is no error.

use std::fmt::Write as _;

use serde_json::Value;

/// One step of the way to a place.
#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Member(&'a str),
    Item(usize),
}

/// A place in an object: the value there and the way to it.
pub(super) struct Place<'a, 'w> {
    pub(super) value: &'a Value,
    way: &'w [Step<'a>],
}

impl<'a> Place<'a, '_> {
    /// The JSON pointer of the place.
    pub(super) fn pointer(&self) -> String {
        let mut pointer = String::new();
        for step in self.way {
            pointer.push('/');
            match step {
                Step::Member(name) if name.contains(['~', '/']) => {
                    pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
                }
                Step::Member(name) => pointer.push_str(name),
                // Writing to a String does not fail.
                Step::Item(index) => drop(write!(pointer, "{index}")),
            }
        }
        pointer
    }

    /// The name of the member this many levels up; 0 is the place itself. None for an item.
    pub(super) fn key(&self, up: usize) -> Option<&'a str> {
        match self.way.iter().rev().nth(up)? {
            Step::Member(name) => Some(name),
            Step::Item(_) => None,
        }
    }
}

/// Calls `visit` for each place that `path` leads to, in the order of the object.
pub(super) fn each<'a>(
    object: &'a Value,
    path: &'static str,
    visit: &mut dyn FnMut(&Place<'a, '_>),
) {
    // No path of the table is longer.
    let mut way = Vec::with_capacity(8);
    descend(object, path.strip_prefix('/').unwrap_or(path), &mut way, visit);
}

fn descend<'a>(
    value: &'a Value,
    rest: &'a str,
    way: &mut Vec<Step<'a>>,
    visit: &mut dyn FnMut(&Place<'a, '_>),
) {
    let (step, rest) = rest.split_once('/').map_or((rest, None), |(step, rest)| (step, Some(rest)));
    let mut enter = |step: Step<'a>, inner: &'a Value| {
        way.push(step);
        match rest {
            Some(rest) => descend(inner, rest, way, visit),
            None => visit(&Place { value: inner, way }),
        }
        way.pop();
    };
    match value {
        Value::Object(members) if step == "*" => {
            for (name, inner) in members {
                enter(Step::Member(name), inner);
            }
        }
        Value::Array(items) if step == "*" => {
            for (index, inner) in items.iter().enumerate() {
                enter(Step::Item(index), inner);
            }
        }
        Value::Object(members) => {
            if let Some((name, inner)) = members.get_key_value(step) {
                enter(Step::Member(name), inner);
            }
        }
        Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
