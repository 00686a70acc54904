//! The edges that an operator sees.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::sample;

fn of(kind: Kind, object: &Value) -> Vec<String> {
    let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("self");
    let key = ObjectKey::new("default", name).unwrap();
    outgoing(kind, &key, object)
        .into_iter()
        .map(|found| match found.part {
            Some(part) => format!("{} {} {part}", found.field, found.to),
            None => format!("{} {}", found.field, found.to),
        })
        .collect()
}

#[test]
fn an_attachment_names_a_subnet_and_a_connection() {
    let object = json!({ "spec": { "subnet": "vpc-01/web", "connection": "c" } });
    assert_eq!(
        of(Kind::VpcAttachment, &object),
        ["/spec/subnet VPC/default/vpc-01 web", "/spec/connection Connection/default/c"]
    );
    let alone = json!({ "spec": { "subnet": "vpc-01" } });
    assert_eq!(of(Kind::VpcAttachment, &alone), ["/spec/subnet VPC/default/vpc-01 default"]);
}

#[test]
fn a_connection_names_the_devices_and_ports_of_its_links() {
    let object = json!({ "spec": { "eslag": { "links": [
        { "server": { "port": "s-1/enp2s1" }, "switch": { "port": "leaf-01/E1/55/2" } },
    ] } } });
    let mut found = of(Kind::Connection, &object);
    found.sort();
    assert_eq!(
        found,
        [
            "/spec/eslag/links/0/server/port Server/default/s-1 enp2s1",
            "/spec/eslag/links/0/switch/port Switch/default/leaf-01 E1/55/2",
        ]
    );
}

#[test]
fn a_peering_names_vpcs_and_the_subnets_it_permits() {
    let object = json!({ "spec": { "permit": [{ "a": { "subnets": ["x"] }, "b": {} }] } });
    assert_eq!(
        of(Kind::VpcPeering, &object),
        [
            "/spec/permit/0/a VPC/default/a",
            "/spec/permit/0/b VPC/default/b",
            "/spec/permit/0/a/subnets/0 VPC/default/a x",
        ]
    );
}

#[test]
fn a_gateway_peering_tells_vpcs_from_externals() {
    let object = json!({ "spec": { "gatewayGroup": "g", "peering": {
        "v": { "expose": [{ "ips": [{ "vpcSubnet": "s" }] }] }, "ext.e": {} } } });
    let mut found = of(Kind::GatewayPeering, &object);
    found.sort();
    assert_eq!(
        found,
        [
            "/spec/gatewayGroup GatewayGroup/default/g",
            "/spec/peering/ext.e External/default/e",
            "/spec/peering/v VPC/default/v",
            "/spec/peering/v/expose/0/ips/0/vpcSubnet VPC/default/v s",
        ]
    );
}

#[test]
fn a_pool_that_is_not_named_is_the_default_one() {
    let object = json!({ "spec": { "role": "spine" } });
    assert_eq!(of(Kind::Switch, &object), ["/spec/vlanNamespaces VLANNamespace/default/default"]);
}

#[test]
fn mirrors_name_what_they_mirror_by_their_own_name() {
    let named = |name: &str| json!({ "metadata": { "name": name } });
    assert_eq!(of(Kind::Agent, &named("leaf-01")), ["/metadata/name Switch/default/leaf-01"]);
    assert_eq!(of(Kind::VpcInfo, &named("ext.e")), ["/metadata/name External/default/e"]);
    assert_eq!(of(Kind::Catalog, &named("switch.l")), ["/metadata/name Switch/default/l"]);
    assert_eq!(of(Kind::Catalog, &named("vpcs")), [""; 0]);
}

#[test]
fn a_key_with_a_slash_is_escaped_in_the_pointer() {
    let object = json!({ "spec": { "subnets": { "a/b~": { "dhcp": { "relayVPC": "v" } } } } });
    let found = of(Kind::Vpc, &object);
    assert!(found.contains(&"/spec/subnets/a~1b~0/dhcp/relayVPC VPC/default/v".to_owned()));
}

#[test]
fn both_directions_of_the_table_agree() {
    for &kind in Kind::ALL {
        for to in may_refer_to(kind) {
            assert!(may_be_named_by(to).contains(&kind), "{kind} -> {to}");
        }
        for from in may_be_named_by(kind) {
            assert!(may_refer_to(from).contains(&kind), "{from} -> {kind}");
        }
    }
}

proptest! {
    #[test]
    fn the_field_of_an_edge_leads_to_it_and_its_kind_is_foretold(spec in sample::json()) {
        for &kind in Kind::ALL {
            let key = ObjectKey::new("default", "self").unwrap();
            let object = json!({ "metadata": { "name": "self" }, "spec": spec });
            let foretold: BTreeSet<_> = may_refer_to(kind).into_iter().collect();
            for found in outgoing(kind, &key, &object) {
                prop_assert!(foretold.contains(&found.to.kind));
                prop_assert!(object.pointer(&found.field).is_some() || found.to.key.name() == "default");
            }
        }
    }
}
