//! The table of kinds: every custom resource the application knows, once.
//!
//! Everything generic (watches, routes, topics, pages, stores, tests) is driven from [`Kind`] and
//! [`About`]; a new kind is one row here, one spec file and one fixture.
//! Source of the facts: the custom resource definitions of the Hedgehog fabric, `v1beta1`.
//!
//! Invariant: nothing outside this file spells a group, a version or a plural.

use serde::{Deserialize, Serialize};

/// `apiVersion` parts of the VPC group.
const VPC: Api = Api { group: "vpc.githedgehog.com", version: "v1beta1" };
/// `apiVersion` parts of the wiring group.
const WIRING: Api = Api { group: "wiring.githedgehog.com", version: "v1beta1" };
/// `apiVersion` parts of the agent group.
const AGENT: Api = Api { group: "agent.githedgehog.com", version: "v1beta1" };
/// `apiVersion` parts of the DHCP group.
const DHCP: Api = Api { group: "dhcp.githedgehog.com", version: "v1beta1" };
/// `apiVersion` parts of the gateway group.
const GATEWAY: Api = Api { group: "gateway.githedgehog.com", version: "v1alpha1" };
/// `apiVersion` parts of the gateway-internal group.
const GWINT: Api = Api { group: "gwint.githedgehog.com", version: "v1alpha1" };

/// A Kubernetes API group and the version of it that we read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Api {
    /// API group, for example `wiring.githedgehog.com`.
    pub group: &'static str,
    /// API version, for example `v1beta1`.
    pub version: &'static str,
}

/// What a kind is to an operator, and where the console lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// One of the twelve that people write: tenant networks.
    Vpc,
    /// One of the twelve that people write: devices and cables.
    Wiring,
    /// Company that is watched where the cluster serves it: written by controllers and devices.
    Sight,
}

/// The facts of one row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// `kind` as the API spells it.
    pub name: &'static str,
    /// Group and version.
    pub api: Api,
    /// Lower-case plural, as in URLs.
    pub plural: &'static str,
    /// Short names that `kubectl` accepts.
    pub short_names: &'static [&'static str],
    /// Display name, plural, for headings and the rail.
    pub label: &'static str,
    /// Where the console lists it.
    pub class: Class,
    /// Key after `g` that opens its list, or none.
    pub hotkey: Option<char>,
}

macro_rules! kinds {
    ($($kind:ident { name: $name:literal, api: $api:expr, plural: $plural:literal, short: $short:expr,
        label: $label:literal, class: $class:ident, key: $key:expr })+) => {
        /// Every custom resource the application knows, in display order.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Kind {
            $(#[doc = $label] #[serde(rename = $name)] $kind),+
        }

        impl Kind {
            /// All kinds, in display order: the twelve first, then what is only watched.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// The row of the table.
            pub const fn about(self) -> About {
                match self {
                    $(Self::$kind => About {
                        name: $name, api: $api, plural: $plural, short_names: $short, label: $label,
                        class: Class::$class, hotkey: $key,
                    }),+
                }
            }
        }
    };
}

kinds! {
    Vpc { name: "VPC", api: VPC, plural: "vpcs", short: &[], label: "VPCs", class: Vpc, key: Some('v') }
    VpcAttachment { name: "VPCAttachment", api: VPC, plural: "vpcattachments", short: &["vpcattach"], label: "VPC attachments", class: Vpc, key: Some('a') }
    VpcPeering { name: "VPCPeering", api: VPC, plural: "vpcpeerings", short: &["vpcpeer"], label: "VPC peerings", class: Vpc, key: Some('p') }
    External { name: "External", api: VPC, plural: "externals", short: &["ext"], label: "Externals", class: Vpc, key: Some('e') }
    ExternalAttachment { name: "ExternalAttachment", api: VPC, plural: "externalattachments", short: &["extattach"], label: "External attachments", class: Vpc, key: None }
    ExternalPeering { name: "ExternalPeering", api: VPC, plural: "externalpeerings", short: &["extpeering", "extpeer"], label: "External peerings", class: Vpc, key: None }
    Ipv4Namespace { name: "IPv4Namespace", api: VPC, plural: "ipv4namespaces", short: &["ipns"], label: "IPv4 namespaces", class: Vpc, key: Some('i') }
    Switch { name: "Switch", api: WIRING, plural: "switches", short: &["sw"], label: "Switches", class: Wiring, key: Some('s') }
    Server { name: "Server", api: WIRING, plural: "servers", short: &["srv"], label: "Servers", class: Wiring, key: Some('r') }
    Connection { name: "Connection", api: WIRING, plural: "connections", short: &["conn"], label: "Connections", class: Wiring, key: Some('c') }
    SwitchGroup { name: "SwitchGroup", api: WIRING, plural: "switchgroups", short: &["sg"], label: "Switch groups", class: Wiring, key: None }
    VlanNamespace { name: "VLANNamespace", api: WIRING, plural: "vlannamespaces", short: &["vlanns"], label: "VLAN namespaces", class: Wiring, key: Some('l') }
    Agent { name: "Agent", api: AGENT, plural: "agents", short: &["ag"], label: "Agents", class: Sight, key: None }
    SwitchProfile { name: "SwitchProfile", api: WIRING, plural: "switchprofiles", short: &["sp"], label: "Switch profiles", class: Sight, key: None }
    Catalog { name: "Catalog", api: AGENT, plural: "catalogs", short: &[], label: "Catalogs", class: Sight, key: None }
    DhcpSubnet { name: "DHCPSubnet", api: DHCP, plural: "dhcpsubnets", short: &["dhcp"], label: "DHCP subnets", class: Sight, key: None }
    Gateway { name: "Gateway", api: GATEWAY, plural: "gateways", short: &["gw"], label: "Gateways", class: Sight, key: None }
    GatewayGroup { name: "GatewayGroup", api: GATEWAY, plural: "gatewaygroups", short: &["gwgr"], label: "Gateway groups", class: Sight, key: None }
    GatewayPeering { name: "GatewayPeering", api: GATEWAY, plural: "gatewaypeerings", short: &["gwpeer"], label: "Gateway peerings", class: Sight, key: None }
    VpcInfo { name: "VPCInfo", api: GATEWAY, plural: "vpcinfos", short: &["gwvpc"], label: "VPC infos", class: Sight, key: None }
    GatewayAgent { name: "GatewayAgent", api: GWINT, plural: "gatewayagents", short: &["gwag"], label: "Gateway agents", class: Sight, key: None }
}

impl Kind {
    /// Whether it is one of the twelve that people write.
    pub const fn is_primary(self) -> bool {
        !matches!(self.about().class, Class::Sight)
    }

    /// The twelve that people write, in display order.
    pub fn primary() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|kind| kind.is_primary())
    }

    /// The kind of this name, as in topics and the API (`VPC`).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.about().name == name)
    }

    /// The kind of this plural, as in URLs (`vpcs`).
    pub fn from_plural(plural: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.about().plural == plural)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.about().name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn twelve_kinds_are_written_by_people() {
        assert_eq!(Kind::primary().count(), 12);
    }

    #[test]
    fn names_and_plurals_find_their_kind_again() {
        for &kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.about().name), Some(kind));
            assert_eq!(Kind::from_plural(kind.about().plural), Some(kind));
            let json = serde_json::to_value(kind).unwrap();
            assert_eq!(json, kind.about().name, "serde and the table spell one name");
        }
        assert_eq!(Kind::from_name("vpc"), None);
    }

    #[test]
    fn hotkeys_are_unique() {
        let keys: Vec<_> = Kind::ALL.iter().filter_map(|kind| kind.about().hotkey).collect();
        assert_eq!(keys.len(), keys.iter().collect::<BTreeSet<_>>().len());
    }
}
