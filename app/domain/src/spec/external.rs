//! External: a network outside the fabric.
//!
//! Invariant: an external is static because `static` is there, even if it is empty.

use super::shape::shape;

shape! {
    /// What an external should be.
    ExternalSpec {
        /// Name of the `IPv4Namespace` that it belongs to.
        ipv4_namespace: String = "ipv4Namespace",
        /// Community that marks routes from it, for example `65102:5000`.
        inbound_community: String = "inboundCommunity",
        /// Community that all routes to it are stamped with, for example `50000:50001`.
        outbound_community: String = "outboundCommunity",
        /// Reached by fixed prefixes instead of BGP.
        fixed: Option<ExternalStatic> = "static",
    }

    /// An external that is reached by fixed prefixes.
    ExternalStatic {
        /// Prefixes behind it, CIDR.
        prefixes: Vec<String> = "prefixes",
    }
}
