//! IPv4 namespace: a pool of addresses; no two VPC subnets in it overlap.
//!
//! Invariant: the order of the blocks is kept, although it means nothing.

use super::shape::shape;

shape! {
    /// What an `IPv4Namespace` should be.
    Ipv4NamespaceSpec {
        /// Blocks of addresses, CIDR.
        #[schemars(extend("minItems" = 1, "maxItems" = 20))]
        subnets: Vec<String> = "subnets",
    }
}
