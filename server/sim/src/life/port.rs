//! Cables that lose their light for some seconds.
//!
//! Invariant: no cable stays dark: whatever goes down is asked to come up in the same act.
//! Invariant: both switches of a cable tell the same.

#![expect(
    clippy::indexing_slicing,
    reason = "reading a `Value` by key yields null where nothing is; it never panics"
)]

use domain::kind::Kind;
use rand::{Rng, seq::IndexedRandom};
use serde_json::{Value, json};

use super::{Life, Step, Task};
use crate::seed::{
    clock::rfc3339,
    device,
    link::{Link, address, links},
    profile,
};

/// A cable of a connection that may no longer be there when it comes back.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cable {
    connection: String,
    link: Link,
}

/// One switch's end of a cable.
struct Own {
    switch: String,
    /// Port as the agent names it.
    port: String,
    /// Address of the other end, on routed cables.
    peer_ip: Option<String>,
    /// What LLDP says while there is light.
    neighbour: Value,
}

impl Life {
    /// Takes the light from one cable, and asks for the next time.
    pub(super) fn flap(&mut self, now: i64, steps: &mut Vec<Step>) {
        self.soon(now, 25_000..70_000, Task::Flap);
        let names = self.world.names(Kind::Connection);
        let Some(connection) = names.choose(&mut self.rng).cloned() else { return };
        let Some(link) =
            links(self.world.spec(Kind::Connection, &connection)).choose(&mut self.rng).cloned()
        else {
            return;
        };
        let cable = Cable { connection, link };
        let ends = self.ends(&cable);
        if ends.is_empty() || ends.iter().any(|own| !self.is_lit(own)) {
            return;
        }
        for own in &ends {
            self.dark.insert((own.switch.clone(), own.port.clone()));
            let state = self.without_light(own, now);
            self.report(&own.switch, json!({ "state": state }), steps);
        }
        let lasts = self.rng.random_range(3_000..12_000);
        self.at(now + lasts, Task::Restore(cable));
    }

    /// Gives the light back, where the cable is still there.
    pub(super) fn restore(&mut self, cable: &Cable, now: i64, steps: &mut Vec<Step>) {
        let there =
            links(self.world.spec(Kind::Connection, &cable.connection)).contains(&cable.link);
        for own in self.ends(cable) {
            self.dark.remove(&(own.switch.clone(), own.port.clone()));
            let known =
                self.status(&own.switch)["state"]["interfaces"][own.port.as_str()].is_object();
            if there && known {
                let state = self.with_light(&own, now);
                self.report(&own.switch, json!({ "state": state }), steps);
            }
        }
    }

    /// The ends of a cable that are on switches with an Agent.
    fn ends(&self, cable: &Cable) -> Vec<Own> {
        let devices = [Some(&cable.link.near), cable.link.far.as_ref()];
        devices
            .into_iter()
            .flatten()
            .filter_map(|end| {
                let spec = &self.world.get(Kind::Switch, &end.device)?["spec"];
                self.world.get(Kind::Agent, &end.device)?;
                let model = self.world.spec(Kind::SwitchProfile, spec["profile"].as_str()?);
                let ports = profile::ports(model, spec);
                let (port, _) = profile::interface(&ports, &end.port)?;
                let (_, peer) = cable.link.seen_from(&end.device)?;
                Some(Own {
                    switch: end.device.clone(),
                    port: port.to_owned(),
                    peer_ip: peer
                        .and_then(|peer| peer.ip.as_deref())
                        .map(|ip| address(ip).to_owned()),
                    neighbour: device::neighbour(
                        &self.world,
                        &cable.connection,
                        cable.link.union,
                        peer,
                    ),
                })
            })
            .collect()
    }

    /// Whether a port is up and not already at it.
    fn is_lit(&self, own: &Own) -> bool {
        self.status(&own.switch)["state"]["interfaces"][own.port.as_str()]["oper"] == "up"
    }

    /// What a switch says when a port has gone dark.
    fn without_light(&self, own: &Own, now: i64) -> Value {
        let state = &self.status(&own.switch)["state"];
        let flaps =
            state["interfaces"][own.port.as_str()]["linkFlapCount"].as_u64().unwrap_or(0) + 1;
        let port = json!({
            "oper": "down", "change": rfc3339(now), "linkFlapCount": flaps, "lldpNeighbors": [],
            "counters": { "inbps": 0, "outbps": 0, "inpbs": 0, "outpps": 0, "inu": 0, "outu": 0 },
        });
        let Some(ip) =
            own.peer_ip.as_deref().filter(|ip| state["bgpNeighbors"]["default"][*ip].is_object())
        else {
            return json!({ "interfaces": { own.port.as_str(): port } });
        };
        let dropped = state["bgpNeighbors"]["default"][ip]["connDropped"].as_u64().unwrap_or(0) + 1;
        let fails = state["bfdPeers"]["default"][ip]["fails"].as_u64().unwrap_or(0) + 1;
        json!({
            "interfaces": { own.port.as_str(): port },
            "bgpNeighbors": { "default": { ip: {
                "state": "idle", "connDropped": dropped, "lastReset": rfc3339(now), "lastResetReason": "Interface down",
            } } },
            "bfdPeers": { "default": { ip: { "state": "down", "fails": fails } } },
        })
    }

    /// What a switch says when the light is back.
    fn with_light(&mut self, own: &Own, now: i64) -> Value {
        let state = self.status(&own.switch)["state"].clone();
        let now = rfc3339(now);
        let rate = self.rng.random_range(10_000_000_u64..200_000_000);
        let port = json!({
            "oper": "up", "change": now, "lldpNeighbors": [own.neighbour], "counters": { "inbps": rate, "outbps": rate },
        });
        let Some(ip) =
            own.peer_ip.as_deref().filter(|ip| state["bgpNeighbors"]["default"][*ip].is_object())
        else {
            return json!({ "interfaces": { own.port.as_str(): port } });
        };
        let times = state["bgpNeighbors"]["default"][ip]["estabTrans"].as_u64().unwrap_or(0) + 1;
        json!({
            "interfaces": { own.port.as_str(): port },
            "bgpNeighbors": { "default": { ip: { "state": "established", "lastEstab": now, "estabTrans": times } } },
            "bfdPeers": { "default": { ip: { "state": "up", "lastUpTime": now } } },
        })
    }
}
