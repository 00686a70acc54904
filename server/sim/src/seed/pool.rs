//! The pools that a fabric draws its numbers from: the installer's defaults, each number handed out once.
//!
//! Invariant: no address or number leaves its pool twice.

use std::net::Ipv4Addr;

/// AS number of every spine.
pub(crate) const SPINE_ASN: u32 = 65_100;
/// First AS number of the leaves.
const LEAF_ASN: u32 = 65_101;
/// AS number of every gateway.
pub(crate) const GATEWAY_ASN: u32 = 65_534;
/// First address that we give to a switch on the management network (172.30.0.0/21); lower ones are for servers.
const MANAGEMENT: Ipv4Addr = Ipv4Addr::new(172, 30, 0, 20);
/// First router id (172.30.8.0/22).
const PROTOCOL: Ipv4Addr = Ipv4Addr::new(172, 30, 8, 4);
/// First tunnel end (172.30.12.0/22).
const VTEP: Ipv4Addr = Ipv4Addr::new(172, 30, 12, 4);
/// First address of the links between switches (172.30.128.0/17).
const LINKS: Ipv4Addr = Ipv4Addr::new(172, 30, 128, 0);

/// What has been handed out so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pools {
    management: u32,
    protocol: u32,
    vtep: u32,
    links: u32,
    leaves: u32,
}

/// The address `steps` after another one.
fn after(first: Ipv4Addr, steps: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(first.to_bits().wrapping_add(steps))
}

/// The counter's value, and one more from now on.
fn take(counter: &mut u32) -> u32 {
    let value = *counter;
    *counter += 1;
    value
}

impl Pools {
    /// Next management address, `address/21`.
    pub(crate) fn management(&mut self) -> String {
        format!("{}/21", after(MANAGEMENT, take(&mut self.management)))
    }

    /// Next router id, `/32`.
    pub(crate) fn protocol(&mut self) -> String {
        format!("{}/32", after(PROTOCOL, take(&mut self.protocol)))
    }

    /// Next tunnel end, `/32`.
    pub(crate) fn vtep(&mut self) -> String {
        format!("{}/32", after(VTEP, take(&mut self.vtep)))
    }

    /// Next AS number of a leaf.
    pub(crate) fn leaf_asn(&mut self) -> u32 {
        LEAF_ASN + take(&mut self.leaves)
    }

    /// Both addresses of the next link, `/31`, the even one first.
    pub(crate) fn link(&mut self) -> (String, String) {
        let even = 2 * take(&mut self.links);
        (format!("{}/31", after(LINKS, even)), format!("{}/31", after(LINKS, even + 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_of_a_link_are_one_pair() {
        let mut pools = Pools::default();
        assert_eq!(pools.link(), ("172.30.128.0/31".into(), "172.30.128.1/31".into()));
        assert_eq!(pools.link(), ("172.30.128.2/31".into(), "172.30.128.3/31".into()));
    }

    #[test]
    fn a_counter_carries_into_the_next_octet() {
        let mut pools = Pools::default();
        let last = (0..300).map(|_| pools.protocol()).last().unwrap();
        assert_eq!(last, "172.30.9.47/32");
    }
}
