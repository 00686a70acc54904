//! VLAN namespace: a pool of VLAN ids.
//!
//! Invariant: a range may be backwards here; that it must not is a rule.

use super::shape::shape;

shape! {
    /// What a `VLANNamespace` should be.
    VlanNamespaceSpec {
        /// Ranges of VLAN ids.
        #[schemars(extend("minItems" = 1, "maxItems" = 20))]
        ranges: Vec<VlanRange> = "ranges",
    }

    /// A range of VLAN ids, both ends included.
    VlanRange {
        /// First id.
        from: u16 = "from",
        /// Last id; absent means the first alone.
        to: u16 = "to",
    }
}
