//! The pools and limits of a fabric, from the `ConfigMap` `fab/fabric-ctrl-config`.
//!
//! Invariant: nothing passes that is not a field of [`FabricConfig`]; users, registries and
//! monitoring targets have none.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// Namespace of the `ConfigMap`.
pub const NAMESPACE: &str = "fab";
/// Name of the `ConfigMap`.
pub const NAME: &str = "fabric-ctrl-config";

/// The document in the `ConfigMap`, YAML. Parse it, give it to [`fabric_config`], forget it: it
/// holds password hashes.
pub fn document(config_map: &Value) -> Option<&str> {
    config_map.get("data")?.get("config.yaml")?.as_str()
}

/// A range of VLAN ids, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VlanSpan {
    /// First id.
    pub from: u16,
    /// Last id; absent or 0 means the first alone.
    #[serde(default)]
    pub to: u16,
}

macro_rules! config {
    ($($(#[doc = $doc:literal])+ $field:ident: $type:ty = $name:literal,)+) => {
        /// What a fabric was installed with: pools and limits. A field that the document lacks, or
        /// that does not read, is absent.
        #[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
        pub struct FabricConfig {
            $(
                $(#[doc = $doc])+
                #[serde(rename = $name, default, skip_serializing_if = "Option::is_none")]
                pub $field: Option<$type>,
            )+
            /// Fields that are known but did not read, by their name in the document.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            pub unread: Vec<String>,
        }

        /// Reads the harmless part of the document `config.yaml` of the `ConfigMap`, already parsed
        /// from YAML.
        pub fn fabric_config(document: &Value) -> FabricConfig {
            let mut unread = Vec::new();
            $(let $field = read(document, $name, &mut unread);)+
            FabricConfig { $($field,)+ unread }
        }
    };
}

config! {
    /// Subnets that neither VPCs nor namespaces may overlap, CIDR.
    reserved_subnets: Vec<String> = "reservedSubnets",
    /// Virtual address of the control plane, CIDR.
    control_vip: String = "controlVIP",
    /// Management network of switches, CIDR.
    management_subnet: String = "managementSubnet",
    /// First address that management DHCP hands out.
    management_dhcp_start: String = "managementDHCPStart",
    /// Last address that management DHCP hands out.
    management_dhcp_end: String = "managementDHCPEnd",
    /// Pool of router ids, CIDR.
    protocol_subnet: String = "protocolSubnet",
    /// Pool of VTEP addresses, CIDR.
    vtep_subnet: String = "vtepSubnet",
    /// Pool of link addresses, CIDR.
    fabric_subnet: String = "fabricSubnet",
    /// Pool of proxied static externals, CIDR.
    proxied_external_subnet: String = "l2ProxyExternalSubnet",
    /// Pool of the old loopback work-around, CIDR.
    vpc_loopback_subnet: String = "vpcLoopbackSubnet",
    /// Pool of old MCLAG sessions, CIDR.
    mclag_session_subnet: String = "mclagSessionSubnet",
    /// VLANs that the fabric takes for routing.
    vpc_irb_vlans: Vec<VlanSpan> = "vpcIRBVLANRange",
    /// VLANs that the fabric takes for the Tomahawk 5 work-around.
    th5_workaround_vlans: Vec<VlanSpan> = "th5WorkaroundVLANRange",
    /// ASN of all spines.
    spine_asn: u32 = "spineASN",
    /// First ASN of leaves.
    leaf_asn_start: u32 = "leafASNStart",
    /// Last ASN of leaves.
    leaf_asn_end: u32 = "leafASNEnd",
    /// ASN of gateways.
    gateway_asn: u32 = "gatewayASN",
    /// MTU of fabric links, bytes.
    fabric_mtu: u16 = "fabricMTU",
    /// What server-facing ports have less than the fabric, bytes.
    server_facing_mtu_offset: u16 = "serverFacingMTUOffset",
    /// Most paths of one eBGP route.
    default_max_paths_ebgp: u32 = "defaultMaxPathsEBGP",
    /// `spine-leaf`.
    fabric_mode: String = "fabricMode",
    /// Base of the communities of VPCs.
    base_vpc_community: String = "baseVPCCommunity",
    /// First MAC address of ESLAG groups.
    eslag_mac_base: String = "eslagMACBase",
    /// Prefix of the segment ids of ESLAG groups.
    eslag_esi_prefix: String = "eslagESIPrefix",
    /// Whether the fabric has gateways.
    enable_gateway: bool = "enableGateway",
    /// Whether VPC peering is refused altogether.
    vpc_peering_disabled: bool = "vpcPeeringDisabled",
    /// Whether the loopback work-around is on.
    loopback_workaround: bool = "loopbackWorkaround",
    /// Name of the installation.
    deployment_id: String = "deploymentID",
}

fn read<T: DeserializeOwned>(document: &Value, name: &str, unread: &mut Vec<String>) -> Option<T> {
    let value = document.get(name).filter(|value| !value.is_null())?;
    let found = T::deserialize(value).ok();
    if found.is_none() {
        unread.push(name.to_owned());
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pools_pass_and_logins_do_not() {
        let document = json!({
            "spineASN": 65100,
            "reservedSubnets": ["172.30.0.0/21"],
            "vpcIRBVLANRange": [{ "from": 3000, "to": 3899 }],
            "users": [{ "name": "admin", "password": "s3cret" }],
            "agentRepo": "user:s3cret@registry",
            "registry": { "password": "s3cret" },
            "alloy": { "targets": { "loki": { "x": { "bearerToken": "s3cret" } } } },
        });
        let config = fabric_config(&document);
        assert_eq!(config.spine_asn, Some(65100));
        assert_eq!(config.vpc_irb_vlans, Some(vec![VlanSpan { from: 3000, to: 3899 }]));
        assert!(!serde_json::to_string(&config).unwrap().contains("s3cret"));
    }

    #[test]
    fn a_field_that_does_not_read_is_named_and_spoils_no_other() {
        let document = json!({ "spineASN": "many", "fabricMTU": 9100, "leafASNEnd": null });
        let config = fabric_config(&document);
        assert_eq!((config.spine_asn, config.fabric_mtu), (None, Some(9100)));
        assert_eq!(config.unread, ["spineASN"]);
    }

    #[test]
    fn the_document_is_found_in_its_config_map() {
        let config_map = json!({ "data": { "config.yaml": "spineASN: 65100" } });
        assert_eq!(document(&config_map), Some("spineASN: 65100"));
        assert_eq!(document(&json!({ "data": [] })), None);
    }

    #[test]
    fn what_is_no_document_has_no_pools() {
        assert_eq!(fabric_config(&json!("text")), FabricConfig::default());
    }
}
