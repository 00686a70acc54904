//! The pure model of a list: which rows a query selects, in which order, and how that changes with one row.
//!
//! The server makes the first page with [`select`], the browser keeps the order with [`model::TableModel`];
//! both use the comparison in [`query`].
//!
//! Invariant: no signal, no DOM, no clock; the incremental order always equals the order computed anew.

use std::sync::Arc;

use domain::{
    object::{ObjectKey, Row},
    readiness::Readiness,
};

pub mod model;
pub mod natural;
pub mod query;
pub mod search;

use query::Query;

/// What a list knows of one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// `namespace/name`.
    pub key: ObjectKey,
    /// Its row.
    pub row: Arc<Row>,
    /// Readiness, of a switch that was observed.
    pub readiness: Option<Readiness>,
}

/// What [`select`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Selected {
    /// Lines that the query selects.
    pub matched: usize,
    /// The first of them, in the query's order.
    pub first: Vec<Line>,
}

/// The first `most` lines that a query selects, in its order; `most` smaller than what matches costs no full sort.
pub fn select(lines: impl IntoIterator<Item = Line>, query: &Query, most: usize) -> Selected {
    let mut first: Vec<Line> = lines.into_iter().filter(|line| query.matches(line)).collect();
    let matched = first.len();
    if matched > most {
        if most > 0 {
            first.select_nth_unstable_by(most - 1, |a, b| query.compare(a, b));
        }
        first.truncate(most);
    }
    first.sort_unstable_by(|a, b| query.compare(a, b));
    Selected { matched, first }
}

#[cfg(test)]
mod tests;
