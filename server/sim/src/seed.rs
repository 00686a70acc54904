//! The fabrics of the demo: complete, valid objects of every kind, made from a seed.
//!
//! Start at [`fabric`]. `yard` lays out devices and cables, `tenant` the networks on them, `controller` writes what
//! the fabric's own controller would (plans, catalogs, DHCP), `device` what the switches would report.
//!
//! Invariant: nothing here asks for the time or for randomness of its own; the same arguments give the same objects.
//! Invariant: no fabric made here breaks a rule of the real one.

pub(crate) mod clock;
pub(crate) mod controller;
pub(crate) mod device;
pub(crate) mod label;
pub(crate) mod link;
pub(crate) mod pool;
pub(crate) mod profile;
pub(crate) mod tenant;
pub(crate) mod world;
pub(crate) mod yard;

#[cfg(test)]
pub(crate) mod audit;

use domain::kind::Kind;
use serde_json::Value;

use self::{world::World, yard::Yard};

/// How big a demo fabric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// 3 virtual switches and a handful of servers.
    Small,
    /// 7 switches and 25 connections: the size of the vendor's virtual lab.
    Vlab,
    /// More than 10,000 objects: 8 spines, 96 leaves, 2,000 servers.
    Large,
}

/// Every object of a fabric, in an order in which each can be created; Agents and DHCP subnets carry their status.
///
/// `now_ms`: milliseconds since the Unix epoch, the moment at which the switches last reported.
/// `metadata` holds name, namespace and the labels that the fabric's admission would set, nothing of the server's own.
pub fn fabric(scale: Scale, seed: u64, now_ms: i64) -> Vec<Value> {
    let mut yard = Yard::new(scale, seed);
    yard.lay_out();
    tenant::settle(&mut yard, scale);
    let (mut world, mut rng) = yard.into_parts();
    for object in controller::company(&world) {
        world.put(object);
    }
    let index = controller::Index::of(&world);
    for name in world.names(Kind::Switch) {
        world.add(Kind::Agent, &name, controller::plan(&world, &index, &name));
    }
    report(&mut world, &index, &mut rng, now_ms);
    label::stick(&mut world);
    world.into_objects()
}

/// Adds the statuses: what switches and the DHCP server tell.
fn report(
    world: &mut World,
    index: &controller::Index,
    rng: &mut rand_chacha::ChaCha8Rng,
    now_ms: i64,
) {
    for name in world.names(Kind::Agent) {
        let status = device::status(world, index, &name, now_ms, rng);
        set_status(world, Kind::Agent, &name, status);
    }
    for name in world.names(Kind::DhcpSubnet) {
        let status = device::leases(world, index, &name, now_ms, rng);
        set_status(world, Kind::DhcpSubnet, &name, status);
    }
}

/// Gives an object its status.
fn set_status(world: &mut World, kind: Kind, name: &str, status: Value) {
    if let Some(object) = world.get_mut(kind, name).and_then(Value::as_object_mut) {
        object.insert("status".into(), status);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// 2026-11-24, some time in the morning.
    const NOW: i64 = 1_795_501_300_000;

    /// How many objects of each kind.
    fn count(objects: &[Value]) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for object in objects {
            *counts.entry(object["kind"].as_str().unwrap()).or_default() += 1;
        }
        counts
    }

    #[test]
    fn the_middle_fabric_is_the_size_of_the_virtual_lab() {
        let objects = fabric(Scale::Vlab, 1, NOW);
        let counts = count(&objects);
        assert_eq!((counts["Switch"], counts["Connection"], counts["Agent"]), (7, 25, 7));
        let shown = Kind::ALL.iter().filter(|kind| counts.contains_key(kind.about().name));
        assert_eq!(
            shown.count(),
            Kind::ALL.len() - 1,
            "of every kind but the gateway agents there is something to see"
        );
    }

    #[test]
    fn the_small_fabric_has_three_switches_and_the_large_one_ten_thousand_objects() {
        assert_eq!(count(&fabric(Scale::Small, 1, NOW))["Switch"], 3);
        let large = fabric(Scale::Large, 1, NOW);
        assert!(large.len() >= 10_000, "{}", large.len());
        assert_eq!(count(&large)["Switch"], 104);
    }

    #[test]
    fn objects_carry_the_labels_that_the_fabric_selects_by() {
        let objects = fabric(Scale::Vlab, 1, NOW);
        let labels = |kind: &str, name: &str| {
            let mut all = objects.iter();
            let found = all.find(|o| o["kind"] == kind && o["metadata"]["name"] == name).unwrap();
            found["metadata"]["labels"].clone()
        };
        let cable = labels("Connection", "spine-01--fabric--leaf-02");
        assert_eq!(cable["fabric.githedgehog.com/connection-type"], "fabric");
        assert_eq!(cable["switch.fabric.githedgehog.com/leaf-02"], "true");
        let peering = labels("VPCPeering", "ops--shop");
        assert_eq!(peering["fabric.githedgehog.com/vpc1"], "ops");
        assert_eq!(peering["vpc.fabric.githedgehog.com/shop"], "true");
        assert_eq!(labels("VPC", "acme")["fabric.githedgehog.com/vlanns"], "partner");
    }

    #[test]
    fn a_seed_gives_the_same_fabric_each_time_and_another_seed_another() {
        assert_eq!(fabric(Scale::Vlab, 5, NOW), fabric(Scale::Vlab, 5, NOW));
        assert_ne!(fabric(Scale::Vlab, 5, NOW), fabric(Scale::Vlab, 6, NOW));
    }
}
