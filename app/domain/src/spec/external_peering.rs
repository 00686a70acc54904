//! External peering: which subnets of a VPC may talk to which prefixes of an external.
//!
//! Invariant: an empty list permits nothing, unlike in a VPC peering.

use super::shape::shape;

shape! {
    /// What an external peering should be.
    ExternalPeeringSpec {
        /// Who may talk to whom.
        permit: Option<ExternalPeeringPermit> = "permit",
    }

    /// Both sides of a permission.
    ExternalPeeringPermit {
        /// The VPC's side.
        vpc: Option<ExternalPeeringVpc> = "vpc",
        /// The external's side.
        external: Option<ExternalPeeringExternal> = "external",
    }

    /// The VPC's side.
    ExternalPeeringVpc {
        /// Name of the VPC.
        name: String = "name",
        /// Names of its subnets that are announced.
        subnets: Vec<String> = "subnets",
    }

    /// The external's side.
    ExternalPeeringExternal {
        /// Name of the external.
        name: String = "name",
        /// Prefixes that are permitted.
        prefixes: Vec<ExternalPeeringPrefix> = "prefixes",
    }

    /// A permitted prefix.
    ExternalPeeringPrefix {
        /// CIDR; permits everything inside it.
        prefix: String = "prefix",
    }
}
