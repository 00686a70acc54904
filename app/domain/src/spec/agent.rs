//! Agent: what the controller tells a switch to be, and what the switch says of itself.
//!
//! The spec is typed as far as it may pass the door; the rest of it (users, registries, monitoring
//! targets) has no type here on purpose.
//!
//! Invariant: no field here can hold a credential.

pub mod health;
pub mod status;

use std::collections::BTreeMap;

use super::{
    catalog::CatalogSpec,
    connection::ConnectionSpec,
    external::ExternalSpec,
    external_attachment::ExternalAttachmentSpec,
    external_peering::ExternalPeeringSpec,
    ipv4_namespace::Ipv4NamespaceSpec,
    shape::shape,
    switch::{SwitchRole, SwitchSpec},
    switch_profile::SwitchProfileSpec,
    vlan_namespace::VlanNamespaceSpec,
    vpc::VpcSpec,
    vpc_peering::VpcPeeringSpec,
};

shape! {
    /// What a switch is told to be: copies of all it needs.
    #[schemars(extend("x-open" = true, "x-kubernetes-map-type" = "atomic"))]
    AgentSpec {
        /// Role of the switch.
        role: SwitchRole = "role",
        /// For people.
        description: String = "description",
        /// Fabric-wide numbers.
        config: Option<AgentConfig> = "config",
        /// Which agent should run.
        version: Option<AgentVersion> = "version",
        /// Numbers given to names.
        catalog: Option<CatalogSpec> = "catalog",
        /// The switch itself.
        switch: Option<SwitchSpec> = "switch",
        /// Its model.
        switch_profile: Option<SwitchProfileSpec> = "switchProfile",
        /// The switches it is connected to, by name.
        switches: BTreeMap<String, SwitchSpec> = "switches",
        /// Names of the other members of its redundancy group.
        redundancy_group_peers: Vec<String> = "redundancyGroupPeers",
        /// Connections that end at it, by name.
        connections: BTreeMap<String, ConnectionSpec> = "connections",
        /// VPCs that are present on it, by name.
        vpcs: BTreeMap<String, VpcSpec> = "vpcs",
        /// VPC attachments on it, by name.
        vpc_attachments: BTreeMap<String, AgentVpcAttachment> = "vpcAttachments",
        /// VPC peerings that concern it, by name.
        vpc_peers: BTreeMap<String, VpcPeeringSpec> = "vpcPeers",
        /// All `IPv4Namespaces`, by name.
        ipv4_namespaces: BTreeMap<String, Ipv4NamespaceSpec> = "ipv4Namespaces",
        /// The `VLANNamespaces` it serves, by name.
        vlan_namespaces: BTreeMap<String, VlanNamespaceSpec> = "vlanNamespaces",
        /// All externals, by name.
        externals: BTreeMap<String, ExternalSpec> = "externals",
        /// External attachments on it, by name.
        external_attachments: BTreeMap<String, ExternalAttachmentSpec> = "externalAttachments",
        /// External peerings that concern it, by name.
        external_peerings: BTreeMap<String, ExternalPeeringSpec> = "externalPeerings",
        /// Subnets that are configured on it, `vpc/subnet`.
        configured_vpc_subnets: BTreeMap<String, bool> = "configuredVPCSubnets",
        /// VPCs that are attached on it.
        attached_vpcs: BTreeMap<String, bool> = "attachedVPCs",
        /// Boot id at which a reboot is wanted.
        reboot: String = "reboot",
        /// Boot id at which a power reset is wanted.
        power_reset: String = "powerReset",
        /// Install id at which a reinstallation is wanted.
        reinstall: String = "reinstall",
        /// Objects whose status the agent reports.
        status_updates: Vec<AgentStatusUpdate> = "statusUpdates",
    }

    /// Which agent should run.
    #[schemars(extend("x-open" = true))]
    AgentVersion {
        /// Of the fabric.
        default: String = "default",
        /// Of this switch; wins.
        instead: String = "override",
    }

    /// Fabric-wide numbers.
    #[schemars(extend("x-open" = true))]
    AgentConfig {
        /// Name of the installation.
        deployment_id: String = "deploymentID",
        /// Virtual address of the control plane, CIDR.
        control_vip: String = "controlVIP",
        /// Base of the communities of VPCs.
        base_vpc_community: String = "baseVPCCommunity",
        /// Pool of the loopback work-around, CIDR.
        vpc_loopback_subnet: String = "vpcLoopbackSubnet",
        /// Pool of link addresses, CIDR.
        fabric_subnet: String = "fabricSubnet",
        /// Pool of router ids, CIDR.
        protocol_subnet: String = "protocolSubnet",
        /// Pool of VTEP addresses, CIDR.
        vtep_subnet: String = "vtepSubnet",
        /// Pool of proxied static externals, CIDR.
        proxy_external_subnet: String = "proxyExternalSubnet",
        /// Pool of MCLAG sessions, CIDR.
        mclag_session_subnet: String = "mclagSessionSubnet",
        /// MTU of fabric links, bytes.
        fabric_mtu: u16 = "fabricMTU",
        /// What server-facing ports have less, bytes.
        server_facing_mtu_offset: u16 = "serverFacingMTUOffset",
        /// First MAC address of ESLAG groups.
        eslag_mac_base: String = "eslagMACBase",
        /// Prefix of the segment ids of ESLAG groups.
        eslag_esi_prefix: String = "eslagESIPrefix",
        /// Most paths of one eBGP route.
        default_max_paths_ebgp: u32 = "defaultMaxPathsEBGP",
        /// ASN of all spines.
        spine_asn: u32 = "spineASN",
        /// ASN of gateways.
        gateway_asn: u32 = "gatewayASN",
        /// Community of each priority of a gateway.
        gateway_communities: BTreeMap<String, String> = "gatewayCommunities",
        /// Whether gateways use BFD.
        gateway_bfd: bool = "gatewayBFD",
        /// Whether BFD is off.
        disable_bfd: bool = "disableBFD",
        /// Whether the loopback work-around is on.
        loopback_workaround: bool = "loopbackWorkaround",
        /// Whether VPC peering is refused altogether.
        vpc_peering_disabled: bool = "vpcPeeringDisabled",
        /// There if the fabric has spines and leaves.
        spine_leaf: Option<AgentSpineLeaf> = "spineLeaf",
    }

    /// A fabric of spines and leaves has no settings.
    AgentSpineLeaf {}

    /// A VPC attachment with the annotations that mean something.
    AgentVpcAttachment {
        /// `vpc/subnet`.
        subnet: String = "subnet",
        /// Name of the connection.
        connection: String = "connection",
        /// Whether the subnet is untagged.
        native_vlan: bool = "nativeVLAN",
        /// Annotations of the fabric.
        annotations: BTreeMap<String, String> = "annotations",
    }

    /// An object whose status the agent reports.
    AgentStatusUpdate {
        /// API version.
        api_version: String = "apiVersion",
        /// Kind.
        kind: String = "kind",
        /// Name.
        name: String = "name",
        /// Namespace.
        namespace: String = "namespace",
        /// Generation.
        generation: Option<i64> = "generation",
    }
}
