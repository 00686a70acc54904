//! The labels that the fabric's admission puts on objects.
//!
//! Invariant: no label is longer than Kubernetes takes; nothing else reads these labels for structure.

#![expect(
    clippy::indexing_slicing,
    reason = "reading a `Value` by key yields null where nothing is; it never panics"
)]

use std::collections::BTreeMap;

use domain::kind::Kind;
use serde_json::Value;

use super::{
    link,
    world::{World, set},
};

/// Domain of the fabric's own labels.
const OWN: &str = "fabric.githedgehog.com";

/// Puts the labels of the real admission on every object.
pub(crate) fn stick(world: &mut World) {
    for &kind in Kind::ALL {
        for name in world.names(kind) {
            if let Some(object) = world.get_mut(kind, &name) {
                stick_on(kind, object);
            }
        }
    }
}

/// Puts the labels of the real admission on one object.
pub(crate) fn stick_on(kind: Kind, object: &mut Value) {
    let labels = of(kind, &object["spec"]);
    if let (false, Some(metadata)) = (labels.is_empty(), object.get_mut("metadata")) {
        set(metadata, "labels", serde_json::json!(labels));
    }
}

/// The labels of an object.
fn of(kind: Kind, spec: &Value) -> BTreeMap<String, String> {
    let mut labels = Labels::default();
    match kind {
        Kind::Vpc => {
            labels.own("ipv4ns", &spec["ipv4Namespace"]).own("vlanns", &spec["vlanNamespace"])
        }
        Kind::VpcAttachment => {
            let (vpc, subnet) =
                spec["subnet"].as_str().and_then(|text| text.split_once('/')).unwrap_or_default();
            labels.text("vpc", vpc).text("subnet", subnet).own("connection", &spec["connection"]);
            if spec["nativeVLAN"] == true { labels.text("nativevlan", "true") } else { &mut labels }
        }
        Kind::VpcPeering => peering(&mut labels, spec),
        Kind::External => labels.own("ipv4ns", &spec["ipv4Namespace"]),
        Kind::ExternalAttachment => {
            labels.own("connection", &spec["connection"]).own("external", &spec["external"])
        }
        Kind::ExternalPeering => {
            let permit = &spec["permit"];
            labels.own("vpc", &permit["vpc"]["name"]).own("external", &permit["external"]["name"])
        }
        Kind::Connection => connection(&mut labels, spec),
        Kind::Switch => labels
            .each("switchgroup", &spec["groups"])
            .each("vlanns", &spec["vlanNamespaces"])
            .own("profile", &spec["profile"]),
        Kind::Ipv4Namespace
        | Kind::Server
        | Kind::SwitchGroup
        | Kind::VlanNamespace
        | Kind::Agent
        | Kind::SwitchProfile
        | Kind::Catalog
        | Kind::DhcpSubnet
        | Kind::Gateway
        | Kind::GatewayGroup
        | Kind::GatewayPeering
        | Kind::VpcInfo
        | Kind::GatewayAgent => &mut labels,
    };
    labels.0
}

/// Labels in the making.
#[derive(Debug, Default)]
struct Labels(BTreeMap<String, String>);

impl Labels {
    /// `fabric.githedgehog.com/<key>: <value>`
    fn text(&mut self, key: &str, value: &str) -> &mut Self {
        self.0.insert(format!("{OWN}/{key}"), value.to_owned());
        self
    }

    /// The same for a field, where it is a text.
    fn own(&mut self, key: &str, value: &Value) -> &mut Self {
        if let Some(value) = value.as_str() {
            self.text(key, value);
        }
        self
    }

    /// `<what>.fabric.githedgehog.com/<name>: true`
    fn mark(&mut self, what: &str, name: &str) -> &mut Self {
        self.0.insert(format!("{what}.{OWN}/{name}"), "true".to_owned());
        self
    }

    /// The same for each text of a list.
    fn each(&mut self, what: &str, names: &Value) -> &mut Self {
        for name in names.as_array().into_iter().flatten().filter_map(Value::as_str) {
            self.mark(what, name);
        }
        self
    }
}

/// A peering is found by either of its VPCs.
fn peering<'a>(labels: &'a mut Labels, spec: &Value) -> &'a mut Labels {
    let names = spec["permit"][0].as_object().into_iter().flatten().map(|(name, _)| name);
    for (name, key) in names.zip(["vpc1", "vpc2"]) {
        labels.mark("vpc", name).text(key, name);
    }
    labels
}

/// A connection is found by its type and its ends.
fn connection<'a>(labels: &'a mut Labels, spec: &Value) -> &'a mut Labels {
    if let Some(union) = link::union(spec) {
        labels.text("connection-type", union.label());
    }
    for link in link::links(spec) {
        labels.mark("switch", &link.near.device);
        let what = match link.union {
            link::Union::Fabric | link::Union::Mesh => "switch",
            link::Union::Unbundled | link::Union::Bundled | link::Union::Eslag => "server",
            link::Union::Gateway | link::Union::External | link::Union::StaticExternal => continue,
        };
        if let Some(far) = &link.far {
            labels.mark(what, &far.device);
        }
    }
    labels.own("vpc", &spec["staticExternal"]["withinVPC"])
}
