//! Catalog: numbers that the fabric has given to names.
//!
//! Invariant: an empty catalog is a catalog.

use std::collections::BTreeMap;

use super::shape::shape;

shape! {
    /// Numbers by name.
    CatalogSpec {
        /// Connection to id, of the whole fabric.
        connection_ids: BTreeMap<String, u32> = "connectionIDs",
        /// VPC (and external, behind `ext@`) to VNI, of the whole fabric.
        vpc_vnis: BTreeMap<String, u32> = "vpcVNIs",
        /// VPC to subnet to VNI, of the whole fabric.
        vpc_subnet_vnis: BTreeMap<String, BTreeMap<String, u32>> = "vpcSubnetVNIs",
        /// VPC or external to id, for gateways.
        vpc_info_ids: BTreeMap<String, u32> = "vpcInfoIDs",
        /// VPC (and external, behind `ext@`) to routing VLAN, of a switch or group.
        irb_vlans: BTreeMap<String, u16> = "irbVLANs",
        /// Connection to port channel, of a switch or group.
        port_channel_ids: BTreeMap<String, u16> = "portChannelIDs",
        /// External to id, of a switch.
        external_ids: BTreeMap<String, u16> = "externalIDs",
        /// Need of a loopback to the link that serves it, of a switch.
        loopback_workaround_links: BTreeMap<String, String> = "loopbackWorkaroundLinks",
        /// Need of a loopback to VLAN, of a switch.
        loopback_workaround_vlans: BTreeMap<String, u16> = "loopbackWorkaroundVLANs",
        /// Static external attachment to the offset of its addresses, of a switch.
        static_external_subnet_offsets: BTreeMap<String, u16> = "staticExternalSubnetOffsets",
        /// Subnet to id, of a switch.
        subnet_ids: BTreeMap<String, u32> = "subnetIDs",
        /// Mesh link to VLAN, of a switch.
        th5_workaround_vlans: BTreeMap<String, u16> = "th5WorkaroundVLANs",
    }
}
