//! VPC attachment: one subnet of a VPC on one server-facing connection.
//!
//! Invariant: the subnet is kept as it is written, with or without its VPC's default.

use super::shape::shape;

shape! {
    /// What a VPC attachment should be.
    VpcAttachmentSpec {
        /// `vpc/subnet`; a VPC alone means its subnet `default`.
        subnet: String = "subnet",
        /// Name of the connection.
        connection: String = "connection",
        /// Whether the subnet is untagged on the connection.
        native_vlan: bool = "nativeVLAN",
    }
}
