//! The custom resource definitions that a cluster starts with: those of our kinds.
//!
//! Invariant: nothing here is per kind; the definitions come from the domain.

use serde_json::Value;

/// One definition per kind, in the order of the table.
pub fn all() -> Vec<Value> {
    domain::crd::crds()
}
