//! The objects of one fabric by kind and name: what the generator fills and what the life looks at.
//!
//! Invariant: no object of a namespace other than `default` and none of an unknown kind is ever in it.

#![expect(
    clippy::indexing_slicing,
    reason = "reading a `Value` by key yields null where nothing is; it never panics"
)]

use std::collections::BTreeMap;

use domain::kind::Kind;
use serde_json::{Value, json};

/// The namespace that the fabric accepts.
pub(crate) const NAMESPACE: &str = "default";

/// What is read where nothing is.
static NOTHING: Value = Value::Null;

/// The order in which each object finds what it refers to (`VPC`s that others relay to come first among their kind).
const ORDER: &[Kind] = &[
    Kind::SwitchProfile,
    Kind::VlanNamespace,
    Kind::Ipv4Namespace,
    Kind::SwitchGroup,
    Kind::Switch,
    Kind::Server,
    Kind::GatewayGroup,
    Kind::Gateway,
    Kind::Vpc,
    Kind::Connection,
    Kind::VpcAttachment,
    Kind::VpcPeering,
    Kind::External,
    Kind::ExternalAttachment,
    Kind::ExternalPeering,
    Kind::GatewayPeering,
    Kind::Catalog,
    Kind::VpcInfo,
    Kind::DhcpSubnet,
    Kind::GatewayAgent,
    Kind::Agent,
];

/// Objects by kind and name.
#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    objects: BTreeMap<Kind, BTreeMap<String, Value>>,
}

/// The kind and the name of a whole object, if it is one that a [`World`] holds.
pub(crate) fn identity(object: &Value) -> Option<(Kind, &str)> {
    let kind = Kind::from_name(object["kind"].as_str()?)?;
    let name = object["metadata"]["name"].as_str()?;
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or(NAMESPACE);
    (namespace == NAMESPACE).then_some((kind, name))
}

/// A whole object from its parts.
pub(crate) fn object(kind: Kind, name: &str, spec: Value) -> Value {
    let about = kind.about();
    let mut object = json!({
        "apiVersion": format!("{}/{}", about.api.group, about.api.version),
        "kind": about.name,
        "metadata": { "name": name, "namespace": NAMESPACE },
    });
    set(&mut object, "spec", spec);
    object
}

/// Sets a field of an object.
pub(crate) fn set(object: &mut Value, key: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}

impl World {
    /// Puts an object in, in the place of an older one; what does not belong here is left out.
    pub(crate) fn put(&mut self, object: Value) {
        let Some((kind, name)) = identity(&object) else { return };
        let name = name.to_owned();
        self.objects.entry(kind).or_default().insert(name, object);
    }

    /// Puts in a new object made of its parts.
    pub(crate) fn add(&mut self, kind: Kind, name: &str, spec: Value) {
        self.put(object(kind, name, spec));
    }

    /// Takes an object out.
    pub(crate) fn remove(&mut self, kind: Kind, name: &str) -> Option<Value> {
        self.objects.get_mut(&kind)?.remove(name)
    }

    /// The whole object.
    pub(crate) fn get(&self, kind: Kind, name: &str) -> Option<&Value> {
        self.objects.get(&kind)?.get(name)
    }

    /// The whole object, to change it.
    pub(crate) fn get_mut(&mut self, kind: Kind, name: &str) -> Option<&mut Value> {
        self.objects.get_mut(&kind)?.get_mut(name)
    }

    /// The spec of an object, null where there is none.
    pub(crate) fn spec(&self, kind: Kind, name: &str) -> &Value {
        self.get(kind, name).map_or(&NOTHING, |object| &object["spec"])
    }

    /// All objects of a kind, by name.
    pub(crate) fn all(&self, kind: Kind) -> impl Iterator<Item = (&str, &Value)> {
        self.objects.get(&kind).into_iter().flatten().map(|(name, object)| (name.as_str(), object))
    }

    /// The specs of all objects of a kind, by name.
    pub(crate) fn specs(&self, kind: Kind) -> impl Iterator<Item = (&str, &Value)> {
        self.all(kind).map(|(name, object)| (name, &object["spec"]))
    }

    /// The names of a kind.
    pub(crate) fn names(&self, kind: Kind) -> Vec<String> {
        self.all(kind).map(|(name, _)| name.to_owned()).collect()
    }

    /// How many there are of a kind.
    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.objects.get(&kind).map_or(0, BTreeMap::len)
    }

    /// Every object, in an order in which each can be created.
    pub(crate) fn into_objects(mut self) -> Vec<Value> {
        let mut all = Vec::new();
        for kind in ORDER {
            let mut of_kind: Vec<Value> =
                self.objects.remove(kind).unwrap_or_default().into_values().collect();
            of_kind.sort_by_key(relays);
            all.append(&mut of_kind);
        }
        all
    }
}

/// Whether a VPC needs another one for its DHCP relay; stable sorting puts these last.
fn relays(object: &Value) -> bool {
    object["spec"]["subnets"].as_object().is_some_and(|subnets| {
        subnets.values().any(|subnet| subnet["dhcp"]["relayVPC"].is_string())
    })
}

impl FromIterator<Value> for World {
    fn from_iter<I: IntoIterator<Item = Value>>(objects: I) -> Self {
        let mut world = Self::default();
        for object in objects {
            world.put(object);
        }
        world
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_its_place_in_the_order() {
        let order: BTreeSet<Kind> = ORDER.iter().copied().collect();
        assert_eq!(order, Kind::ALL.iter().copied().collect());
        assert_eq!(order.len(), ORDER.len());
    }

    #[test]
    fn what_does_not_belong_is_left_out() {
        let stranger = json!({"kind": "Pod", "metadata": {"name": "a", "namespace": "default"}});
        let elsewhere =
            json!({"kind": "VPC", "metadata": {"name": "a", "namespace": "kube-system"}});
        let world: World = [stranger, elsewhere].into_iter().collect();
        assert!(world.into_objects().is_empty());
    }

    #[test]
    fn a_relay_target_comes_before_the_vpc_that_uses_it() {
        let mut world = World::default();
        world.add(Kind::Vpc, "a", json!({"subnets": {"x": {"dhcp": {"relayVPC": "b"}}}}));
        world.add(Kind::Vpc, "b", json!({"subnets": {"x": {}}}));
        let names: Vec<_> =
            world.into_objects().iter().map(|o| o["metadata"]["name"].clone()).collect();
        assert_eq!(names, ["b", "a"]);
    }
}
