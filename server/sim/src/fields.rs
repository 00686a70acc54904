//! A set of fields of an object, as in `managedFields`: a tree of path elements.
//!
//! Elements are spelled as in `fieldsV1`: `f:name`, `k:{"key":"value"}` for an item of a keyed list, `v:value`
//! for an item of a set.
//!
//! Invariant: no empty branch: a node is a member or has a member below it.

pub(crate) mod diff;
pub(crate) mod merge;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::schema::{ListType, Schema};

/// A set of fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fields {
    /// Whether this very path belongs to the set.
    member: bool,
    children: BTreeMap<String, Fields>,
}

impl Fields {
    /// A set of exactly this path.
    pub(crate) fn leaf() -> Self {
        Self { member: true, children: BTreeMap::new() }
    }

    /// Whether nothing is in it.
    pub(crate) fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }

    /// Puts a branch in, if it is not empty.
    pub(crate) fn put(&mut self, element: String, child: Self) {
        if !child.is_empty() {
            self.children.insert(element, child);
        }
    }

    /// The branch of an element.
    pub(crate) fn child(&self, element: &str) -> Option<&Self> {
        self.children.get(element)
    }

    /// Everything in either.
    pub(crate) fn union(&self, other: &Self) -> Self {
        let mut all = self.clone();
        all.member |= other.member;
        for (element, child) in &other.children {
            let joined =
                all.children.get(element).map_or_else(|| child.clone(), |mine| mine.union(child));
            all.children.insert(element.clone(), joined);
        }
        all
    }

    /// What is in this and not in the other.
    pub(crate) fn minus(&self, other: &Self) -> Self {
        self.combine(other, |mine, other| mine && !other, Self::clone)
    }

    /// What is in both.
    pub(crate) fn intersection(&self, other: &Self) -> Self {
        self.combine(other, |mine, other| mine && other, |_| Self::default())
    }

    fn combine(
        &self,
        other: &Self,
        member: fn(bool, bool) -> bool,
        alone: fn(&Self) -> Self,
    ) -> Self {
        let mut left =
            Self { member: member(self.member, other.member), children: BTreeMap::new() };
        for (element, child) in &self.children {
            let child = match other.children.get(element) {
                Some(other) => child.combine(other, member, alone),
                None => alone(child),
            };
            left.put(element.clone(), child);
        }
        left
    }

    /// Only the branch below `f:key`.
    pub(crate) fn only(&self, key: &str) -> Self {
        let element = format!("f:{key}");
        let mut only = Self::default();
        if let Some(child) = self.children.get(&element) {
            only.put(element, child.clone());
        }
        only
    }

    /// Without the branch below `f:key`.
    pub(crate) fn without(mut self, key: &str) -> Self {
        self.children.remove(&format!("f:{key}"));
        self
    }

    /// Without what the system owns: names, versions, times.
    pub(crate) fn without_system(mut self) -> Self {
        /// Fields of metadata that no manager owns.
        const SYSTEM: [&str; 10] = [
            "f:name",
            "f:namespace",
            "f:uid",
            "f:resourceVersion",
            "f:generation",
            "f:creationTimestamp",
            "f:deletionTimestamp",
            "f:deletionGracePeriodSeconds",
            "f:managedFields",
            "f:selfLink",
        ];
        self.member = false;
        self.children.remove("f:apiVersion");
        self.children.remove("f:kind");
        if let Some(mut metadata) = self.children.remove("f:metadata") {
            metadata.member = false;
            metadata.children.retain(|element, _| !SYSTEM.contains(&element.as_str()));
            self.put("f:metadata".to_owned(), metadata);
        }
        self
    }

    /// With every named field above a member being a member too, so that emptied structs go with their fields.
    pub(crate) fn with_parents(&self) -> Self {
        let children = self.children.iter().map(|(element, child)| {
            let mut child = child.with_parents();
            child.member |= element.starts_with("f:");
            (element.clone(), child)
        });
        Self { member: self.member, children: children.collect() }
    }

    /// Every member as a path for people: `.spec.links[name="a"].vlan`.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect("", &mut paths);
        paths
    }

    fn collect(&self, path: &str, paths: &mut Vec<String>) {
        if self.member {
            paths.push(path.to_owned());
        }
        for (element, child) in &self.children {
            child.collect(&format!("{path}{}", shown(element)), paths);
        }
    }

    /// `fieldsV1`.
    pub(crate) fn to_json(&self) -> Value {
        let mut map = Map::new();
        if self.member && !self.children.is_empty() {
            map.insert(".".to_owned(), Value::Object(Map::new()));
        }
        for (element, child) in &self.children {
            map.insert(element.clone(), child.to_json());
        }
        Value::Object(map)
    }

    /// From `fieldsV1`; the root itself is no member.
    pub(crate) fn from_json(json: &Value) -> Self {
        let mut fields = Self::node(json);
        fields.member = false;
        fields
    }

    fn node(json: &Value) -> Self {
        let Some(map) = json.as_object().filter(|map| !map.is_empty()) else { return Self::leaf() };
        let children = map.iter().filter(|(element, _)| *element != ".");
        Self {
            member: map.contains_key("."),
            children: children
                .map(|(element, child)| (element.clone(), Self::node(child)))
                .collect(),
        }
    }

    /// The fields that an applied object names: its leaves, and the items and keys that hold them.
    pub(crate) fn of(schema: &Schema, value: &Value) -> Self {
        let mut fields = Self::default();
        match value {
            Value::Object(map) if !schema.atomic_map => {
                for (key, value) in map {
                    let below = schema.below(key);
                    let mut child = Self::of(below, value);
                    let is_struct_field = schema.properties.contains_key(key);
                    let is_bare = value.as_object().is_some_and(Map::is_empty);
                    child.member |= !is_struct_field || is_bare;
                    fields.put(format!("f:{key}"), child);
                }
            }
            Value::Array(list) if schema.list_type != ListType::Atomic => {
                let below = schema.item();
                for item in list {
                    let mut child = Self::of(below, item);
                    child.member = true;
                    fields.put(element(&schema.list_type, item), child);
                }
            }
            Value::Object(_)
            | Value::Array(_)
            | Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_) => {
                fields.member = true;
            }
        }
        fields
    }
}

/// The path element of a list item.
pub(crate) fn element(list_type: &ListType, item: &Value) -> String {
    match list_type {
        ListType::Map(keys) => {
            let key = |key: &String| (key.clone(), item.get(key).cloned().unwrap_or(Value::Null));
            let keys: Map<String, Value> = keys.iter().map(key).collect();
            format!("k:{}", Value::Object(keys))
        }
        ListType::Set | ListType::Atomic => format!("v:{item}"),
    }
}

fn shown(element: &str) -> String {
    match element.split_at_checked(2) {
        Some(("f:", name)) => format!(".{name}"),
        Some(("v:", value)) => format!("[={value}]"),
        Some(("k:", keys)) => match serde_json::from_str::<Map<String, Value>>(keys) {
            Ok(keys) => {
                let keys: Vec<_> =
                    keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
                format!("[{}]", keys.join(","))
            }
            Err(_) => format!("[{keys}]"),
        },
        _ => element.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn fields() -> impl Strategy<Value = Fields> {
        let leaf = Just(Fields::leaf());
        leaf.prop_recursive(3, 24, 4, |inner| {
            (any::<bool>(), proptest::collection::btree_map("f:[a-d]", inner, 1..4))
                .prop_map(|(member, children)| Fields { member, children })
        })
        .prop_map(|mut fields| {
            fields.member = false;
            fields
        })
    }

    proptest! {
        #[test]
        fn fields_read_back_as_they_were_written(fields in fields()) {
            prop_assume!(!fields.children.is_empty());
            prop_assert_eq!(Fields::from_json(&fields.to_json()), fields);
        }

        #[test]
        fn a_set_splits_into_what_is_shared_and_what_is_not(a in fields(), b in fields()) {
            prop_assert_eq!(a.minus(&b).union(&a.intersection(&b)), a.clone());
            prop_assert!(a.minus(&b).intersection(&b).is_empty());
            prop_assert!(a.minus(&a).is_empty());
        }
    }

    #[test]
    fn an_applied_object_owns_its_leaves() {
        let schema = Schema::of_object(&json!({"properties": {"spec": {"properties": {
            "boot": {"properties": {"mac": {"type": "string"}}},
            "ports": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                "items": {"properties": {"name": {"type": "string"}, "vlan": {"type": "integer"}}}},
        }}}}));
        let value = json!({"metadata": {"name": "x", "labels": {"a": "b"}},
            "spec": {"boot": {"mac": "m"}, "ports": [{"name": "p", "vlan": 1}]}});
        assert_eq!(
            Fields::of(&schema, &value).without_system().to_json(),
            json!({"f:metadata": {"f:labels": {"f:a": {}}}, "f:spec": {"f:boot": {"f:mac": {}},
                "f:ports": {"k:{\"name\":\"p\"}": {".": {}, "f:name": {}, "f:vlan": {}}}}})
        );
    }
}
