//! What the list of each kind shows beside name, namespace and age: one table.
//!
//! A row of the table is a column and how its cell is read: a JSON pointer for what stands in the
//! object as it is shown, a small function for what has to be put together.
//!
//! Invariant: no cell is invented; where the object says nothing, the cell is absent.
//! Invariant: reading a cell never fails because another field of the object is malformed.

mod computed;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    kind::Kind,
    object::{Cell, Column, Form},
};
use computed as c;

/// How the cell of a column is read from an object.
#[derive(Clone, Copy)]
enum Read {
    /// The value at a JSON pointer, as the form of the column wants it.
    At(&'static str),
    /// The names of the members at a JSON pointer.
    Keys(&'static str),
    /// How many items or members are at a JSON pointer.
    Count(&'static str),
    /// A member of each item at a JSON pointer, for example the name of each group.
    Each(&'static str, &'static str),
    /// Put together from several fields.
    By(fn(&Value) -> Option<Cell>),
}

use Read::{At, By, Count, Each, Keys};

macro_rules! tables {
    ($($kind:ident { $($id:literal $label:literal $form:ident $read:expr;)* })+) => {
        /// The columns of a kind's list, in the order of a wide screen: what matters most first.
        pub const fn columns(kind: Kind) -> &'static [Column] {
            match kind {
                $(Kind::$kind => const {
                    &[$(Column { id: $id, label: $label, form: Form::$form }),*]
                }),+
            }
        }

        const fn reads(kind: Kind) -> &'static [Read] {
            match kind { $(Kind::$kind => const { &[$($read),*] }),+ }
        }
    };
}

tables! {
    Vpc {
        "mode" "Mode" Text By(c::vpc_mode);
        "subnets" "Subnets" List By(c::vpc_subnets);
        "dhcp" "DHCP" List By(c::vpc_dhcp);
        "ipns" "IPv4 namespace" Mono At("/spec/ipv4Namespace");
        "vlanns" "VLAN namespace" Mono At("/spec/vlanNamespace");
        "isolated" "Isolated" Flag At("/spec/defaultIsolated");
        "routes" "Static routes" Number Count("/spec/staticRoutes");
    }
    VpcAttachment {
        "vpc" "VPC" Mono By(c::attached_vpc);
        "subnet" "Subnet" Mono By(c::attached_subnet);
        "connection" "Connection" Mono At("/spec/connection");
        "nativeVLAN" "Native VLAN" Flag At("/spec/nativeVLAN");
    }
    VpcPeering {
        "vpcs" "VPCs" List By(c::peered_vpcs);
        "permits" "Permits" Number Count("/spec/permit");
        "remote" "Remote" Mono At("/spec/remote");
    }
    External {
        "type" "Type" Text By(c::external_type);
        "ipns" "IPv4 namespace" Mono At("/spec/ipv4Namespace");
        "inbound" "Inbound community" Mono At("/spec/inboundCommunity");
        "outbound" "Outbound community" Mono At("/spec/outboundCommunity");
        "prefixes" "Static prefixes" List At("/spec/static/prefixes");
    }
    ExternalAttachment {
        "external" "External" Mono At("/spec/external");
        "connection" "Connection" Mono At("/spec/connection");
        "vlan" "VLAN" Number By(c::external_vlan);
        "switchIP" "Switch IP" Mono By(c::external_switch_ip);
        "neighborASN" "Neighbour ASN" Number At("/spec/neighbor/asn");
        "neighborIP" "Neighbour IP" Mono At("/spec/neighbor/ip");
        "remoteIP" "Static next hop" Mono At("/spec/static/remoteIP");
        "proxy" "Proxy" Flag At("/spec/static/proxy");
        "acl" "Inbound rules" Number Count("/spec/inboundACL/statements");
    }
    ExternalPeering {
        "vpc" "VPC" Mono At("/spec/permit/vpc/name");
        "subnets" "VPC subnets" List At("/spec/permit/vpc/subnets");
        "external" "External" Mono At("/spec/permit/external/name");
        "prefixes" "Prefixes" List Each("/spec/permit/external/prefixes", "prefix");
    }
    Ipv4Namespace {
        "subnets" "Subnets" List At("/spec/subnets");
    }
    Switch {
        "role" "Role" Text At("/spec/role");
        "profile" "Profile" Mono At("/spec/profile");
        "description" "Description" Text At("/spec/description");
        "groups" "Groups" List At("/spec/groups");
        "redundancy" "Redundancy" Text By(c::redundancy);
        "asn" "ASN" Number At("/spec/asn");
        "ip" "Management IP" Mono At("/spec/ip");
        "vtepIP" "VTEP IP" Mono At("/spec/vtepIP");
        "protocolIP" "Protocol IP" Mono At("/spec/protocolIP");
        "vlanns" "VLAN namespaces" List At("/spec/vlanNamespaces");
        "boot" "Boot identity" Mono By(c::boot);
        "roce" "RoCE" Flag At("/spec/roce");
    }
    Server {
        "description" "Description" Text At("/spec/description");
        "profile" "Profile" Mono At("/spec/profile");
    }
    Connection {
        "type" "Type" Text By(c::connection_type);
        "ends" "Ends" List By(c::connection_ends);
        "ports" "Ports" List By(c::connection_ports);
        "links" "Links" Number By(c::connection_links);
        "mtu" "MTU" Number By(c::connection_mtu);
        "vpc" "Within VPC" Mono At("/spec/staticExternal/withinVPC");
    }
    SwitchGroup {}
    VlanNamespace {
        "ranges" "VLAN ranges" List By(c::vlan_ranges);
    }
    Agent {
        "role" "Role" Text At("/spec/role");
        "description" "Description" Text At("/spec/description");
        "applied" "Applied generation" Number At("/status/lastAppliedGen");
        "generation" "Generation" Number At("/metadata/generation");
        "attempted" "Attempted generation" Number At("/status/lastAttemptGen");
        "heartbeat" "Heartbeat" Time At("/status/lastHeartbeat");
        "appliedAt" "Applied" Time At("/status/lastAppliedTime");
        "version" "Agent version" Mono At("/status/version");
        "reboot" "Reboot required" Flag At("/status/rebootRequired");
        "conditions" "Conditions" List By(c::conditions);
        "nos" "NOS version" Mono At("/status/state/nos/softwareVersion");
        "hwsku" "Hardware" Mono At("/status/state/nos/hwskuVersion");
        "serial" "Serial number" Mono At("/status/state/nos/serialNumber");
    }
    SwitchProfile {
        "displayName" "Model" Text At("/spec/displayName");
        "otherNames" "Other names" List At("/spec/otherNames");
        "ports" "Ports" Number Count("/spec/ports");
        "features" "Features" List By(c::features);
        "silicon" "Silicon" Text At("/spec/switchSilicon");
        "nos" "NOS" Mono At("/spec/nosType");
        "platform" "Platform" Mono At("/spec/platform");
    }
    Catalog {
        "vnis" "VPC VNIs" Number Count("/spec/vpcVNIs");
        "connections" "Connection ids" Number Count("/spec/connectionIDs");
        "irbVLANs" "Routing VLANs" Number Count("/spec/irbVLANs");
        "portChannels" "Port channels" Number Count("/spec/portChannelIDs");
        "externals" "External ids" Number Count("/spec/externalIDs");
        "subnets" "Subnet ids" Number Count("/spec/subnetIDs");
    }
    DhcpSubnet {
        "subnet" "Subnet" Mono At("/spec/subnet");
        "cidr" "Block" Mono At("/spec/cidrBlock");
        "gateway" "Gateway" Mono At("/spec/gateway");
        "startIP" "First address" Mono At("/spec/startIP");
        "endIP" "Last address" Mono At("/spec/endIP");
        "leases" "Leases" Number Count("/status/allocated");
        "static" "Fixed leases" Number Count("/spec/static");
        "vrf" "VRF" Mono At("/spec/vrf");
        "circuit" "Circuit" Mono At("/spec/circuitID");
    }
    Gateway {
        "asn" "ASN" Number At("/spec/asn");
        "protocolIP" "Protocol IP" Mono At("/spec/protocolIP");
        "vtepIP" "VTEP IP" Mono At("/spec/vtepIP");
        "groups" "Groups" List Each("/spec/groups", "name");
        "interfaces" "Interfaces" List Keys("/spec/interfaces");
        "neighbors" "Neighbours" List Each("/spec/neighbors", "ip");
        "workers" "Workers" Number At("/spec/workers");
    }
    GatewayGroup {}
    GatewayPeering {
        "group" "Gateway group" Mono At("/spec/gatewayGroup");
        "parties" "Parties" List Keys("/spec/peering");
        "rules" "Rules" Number Count("/spec/acl/rules");
    }
    VpcInfo {
        "vni" "VNI" Number At("/spec/vni");
        "internalID" "Internal id" Mono At("/status/internalID");
        "subnets" "Subnets" List By(c::info_subnets);
    }
    GatewayAgent {
        "applied" "Applied generation" Number At("/status/lastAppliedGen");
        "frrApplied" "FRR generation" Number At("/status/state/frr/lastAppliedGen");
        "generation" "Generation" Number At("/metadata/generation");
        "heartbeat" "Heartbeat" Time At("/status/lastHeartbeat");
        "appliedAt" "Applied" Time At("/status/lastAppliedTime");
        "version" "Agent version" Mono At("/status/agentVersion");
        "protocolIP" "Protocol IP" Mono At("/spec/gateway/protocolIP");
        "vtepIP" "VTEP IP" Mono At("/spec/gateway/vtepIP");
    }
}

/// The cells of an object's row, by column id.
pub fn cells(kind: Kind, object: &Value) -> BTreeMap<String, Cell> {
    let columns = columns(kind).iter().zip(reads(kind));
    let mut cells = BTreeMap::new();
    // Collecting would sort first, by code of its own.
    cells.extend(columns.filter_map(|(column, read)| {
        let cell = match *read {
            At(pointer) => in_form(column.form, object.pointer(pointer)?),
            Keys(pointer) => names(object.pointer(pointer)?),
            Count(pointer) => count(object.pointer(pointer)?),
            Each(pointer, member) => each(object.pointer(pointer)?, member),
            By(compute) => compute(object),
        };
        Some((column.id.to_owned(), cell?))
    }));
    cells
}

/// A value as a form wants it. A value of another type is shown as it stands: an operator must see
/// what is wrong, not an empty cell. What Go leaves out when it writes (empty texts and lists) is
/// absent.
fn in_form(form: Form, value: &Value) -> Option<Cell> {
    match (form, value) {
        (_, Value::Null) => None,
        (_, Value::String(text)) if text.is_empty() => None,
        (_, Value::Array(items)) if items.is_empty() => None,
        (_, Value::Object(members)) if members.is_empty() => None,
        (Form::List, Value::Array(items)) => Some(Cell::List(items.iter().map(shown).collect())),
        (Form::Flag, Value::Bool(flag)) => Some(Cell::Flag(*flag)),
        (Form::Number, Value::Number(number)) => {
            Some(number.as_i64().map_or_else(|| Cell::Text(number.to_string()), Cell::Number))
        }
        (Form::List, other) => Some(Cell::List(vec![shown(other)])),
        (_, other) => Some(Cell::Text(shown(other))),
    }
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn names(value: &Value) -> Option<Cell> {
    let members = value.as_object().filter(|members| !members.is_empty())?;
    Some(Cell::List(members.keys().cloned().collect()))
}

fn count(value: &Value) -> Option<Cell> {
    let len = match value {
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
    };
    Some(Cell::Number(i64::try_from(len).unwrap_or(i64::MAX)))
}

fn each(value: &Value, member: &str) -> Option<Cell> {
    let items = value.as_array().filter(|items| !items.is_empty())?;
    Some(Cell::List(items.iter().filter_map(|item| item.get(member)).map(shown).collect()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn column_ids_are_unique_and_fit_a_url() {
        for &kind in Kind::ALL {
            let ids: Vec<_> = columns(kind).iter().map(|column| column.id).collect();
            assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "{kind}");
            assert_eq!(columns(kind).len(), reads(kind).len());
            for id in ids {
                assert!(id.chars().all(|c| c.is_ascii_alphanumeric()), "{kind} {id}");
                assert!(!["name", "namespace", "age"].contains(&id), "{kind} has it anyway");
            }
        }
    }

    #[test]
    fn a_malformed_value_is_shown_as_it_stands() {
        let object =
            json!({ "spec": { "role": 5, "asn": "many", "groups": "one", "roce": "yes" } });
        let cells = cells(Kind::Switch, &object);
        assert_eq!(cells.get("role"), Some(&Cell::Text("5".into())));
        assert_eq!(cells.get("asn"), Some(&Cell::Text("many".into())));
        assert_eq!(cells.get("groups"), Some(&Cell::List(vec!["one".into()])));
        assert_eq!(cells.get("roce"), Some(&Cell::Text("yes".into())));
    }

    fn told(kind: Kind, spec: &Value) -> BTreeMap<String, String> {
        let cells = cells(kind, &json!({ "spec": spec }));
        cells.into_iter().map(|(id, cell)| (id, cell.to_string())).collect()
    }

    fn expect(kind: Kind, spec: &Value, wanted: &[(&str, &str)]) {
        let wanted = wanted.iter().map(|(id, cell)| ((*id).to_owned(), (*cell).to_owned()));
        assert_eq!(told(kind, spec), wanted.collect(), "{kind}");
    }

    #[test]
    fn a_vpc_shows_its_subnets_at_a_glance() {
        let spec = json!({ "ipv4Namespace": "default", "vlanNamespace": "", "staticRoutes": [],
            "subnets": {
                "db": { "subnet": "10.0.2.0/24", "vlan": 1002, "dhcp": { "relay": "10.9.0.1/32" } },
                "host": { "subnet": "10.0.3.0/24", "hostBGP": true },
                "web": { "subnet": "10.0.1.0/24", "vlan": 1001, "dhcp": { "enable": true } } } });
        expect(
            Kind::Vpc,
            &spec,
            &[
                ("mode", "l2vni"),
                (
                    "subnets",
                    "db 10.0.2.0/24 vlan 1002, host 10.0.3.0/24 host BGP, web 10.0.1.0/24 vlan 1001",
                ),
                ("dhcp", "db relay 10.9.0.1/32, web server"),
                ("ipns", "default"),
                ("routes", "0"),
            ],
        );
    }

    #[test]
    fn a_connection_shows_its_ends_and_ports_whatever_its_shape() {
        let link = |server: &str, switch: &str| json!({ "server": { "port": server }, "switch": { "port": switch } });
        let spec = json!({ "eslag": { "mtu": 9000,
            "links": [link("s-1/a", "leaf-1/E1/1"), link("s-1/b", "leaf-2/E1/55/2")] } });
        expect(
            Kind::Connection,
            &spec,
            &[
                ("type", "eslag"),
                ("ends", "s-1, leaf-1, leaf-2"),
                ("ports", "s-1/a, leaf-1/E1/1, s-1/b, leaf-2/E1/55/2"),
                ("links", "2"),
                ("mtu", "9000"),
            ],
        );
        let spec = json!({ "staticExternal": { "withinVPC": "vpc-1",
            "link": { "switch": { "port": "leaf-1/E1/9" } } } });
        expect(
            Kind::Connection,
            &spec,
            &[
                ("type", "staticExternal"),
                ("ends", "leaf-1"),
                ("ports", "leaf-1/E1/9"),
                ("links", "1"),
                ("vpc", "vpc-1"),
            ],
        );
        let spec = json!({ "mclagDomain": {
            "peerLinks": [{ "switch1": { "port": "a/1" }, "switch2": { "port": "b/1" } }],
            "sessionLinks": [{ "switch1": { "port": "a/2" }, "switch2": { "port": "b/2" } }] } });
        assert_eq!(told(Kind::Connection, &spec)["ports"], "a/1, b/1, a/2, b/2");
    }

    #[test]
    fn what_is_put_together_reads_well() {
        let check = |kind, spec: Value, id: &str, wanted: &str| {
            assert_eq!(told(kind, &spec)[id], wanted, "{kind} {id}");
        };
        check(Kind::VpcAttachment, json!({ "subnet": "v/web" }), "vpc", "v");
        check(Kind::VpcAttachment, json!({ "subnet": "v" }), "subnet", "default");
        let peering = json!({ "permit": [{ "b": {}, "a": {} }, { "a": {}, "b": {} }] });
        check(Kind::VpcPeering, peering, "vpcs", "a, b");
        check(Kind::External, json!({ "static": {} }), "type", "static");
        check(Kind::External, json!({}), "type", "bgp");
        let redundancy = json!({ "redundancy": { "type": "eslag", "group": "g" } });
        check(Kind::Switch, redundancy, "redundancy", "eslag g");
        check(Kind::Switch, json!({ "boot": { "mac": "m" } }), "boot", "m");
        let ranges =
            json!({ "ranges": [{ "from": 1, "to": 9 }, { "from": 20 }, { "from": 3, "to": 3 }] });
        check(Kind::VlanNamespace, ranges, "ranges", "1-9, 20, 3");
        let fixed = json!({ "switch": {}, "static": { "vlan": 20, "ip": "1.1.1.2/24" } });
        check(Kind::ExternalAttachment, fixed, "vlan", "20");
        let groups = json!({ "groups": [{ "name": "a", "priority": 1 }, { "name": "b" }] });
        check(Kind::Gateway, groups, "groups", "a, b");
    }

    proptest! {
        #[test]
        fn cells_are_only_ever_those_of_the_columns(object in crate::sample::json()) {
            for &kind in Kind::ALL {
                let known: BTreeSet<_> = columns(kind).iter().map(|column| column.id).collect();
                for id in cells(kind, &object).keys() {
                    prop_assert!(known.contains(id.as_str()));
                }
            }
        }
    }
}
