//! What rewrites objects before they are stored, as the operator's webhooks do.
//!
//! Invariant: applying it twice gives the same as applying it once; kinds it does not know pass untouched.

use serde_json::Value;

use crate::{resource::Resource, status::Status};

/// Which webhooks are installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Admission {
    /// None.
    #[default]
    None,
    /// Those of the Hedgehog operator: normal form of the spec, its labels, only the namespace `default`.
    Hedgehog,
}

impl Admission {
    /// Rewrites an object, or refuses it.
    pub fn admit(self, _resource: &Resource, _namespace: &str, _object: &mut Value) -> Result<(), Status> {
        Ok(())
    }
}
