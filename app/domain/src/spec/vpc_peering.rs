//! VPC peering: which subnets of two VPCs may talk to each other.
//!
//! Invariant: an entry may name any number of VPCs here; that it must be two is a rule.

use std::collections::BTreeMap;

use super::shape::shape;

shape! {
    /// What a VPC peering should be.
    VpcPeeringSpec {
        /// Deprecated, must be empty.
        remote: String = "remote",
        /// Permissions, each between two VPCs by name; several add up.
        #[schemars(extend("minItems" = 1, "maxItems" = 10))]
        permit: Vec<BTreeMap<String, VpcPeer>> = "permit",
    }

    /// One side of a permission.
    VpcPeer {
        /// Names of the subnets that are permitted; absent means all.
        #[schemars(extend("minItems" = 1, "maxItems" = 10))]
        subnets: Option<Vec<String>> = "subnets",
    }
}
