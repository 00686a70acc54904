//! What counts as a change of an Agent: its state, not its pulse.
//!
//! An Agent is written whole every 15 s; heartbeats, counters, temperatures and uptimes change each
//! time and tell a timeline nothing.
//!
//! Invariant: a change is kept because this file names its place, never because it was not known.

use serde_json::Value;

use super::{Changes, Limits, Walk};

/// Places whose changes count, `*` for any one step. A change above or below such a place counts
/// too: an interface that appears, a condition that changes its reason.
const COUNTS: &[&str] = &[
    "/metadata/generation",
    "/metadata/deletionTimestamp",
    "/spec/role",
    "/spec/description",
    "/spec/version",
    "/spec/reboot",
    "/spec/powerReset",
    "/spec/reinstall",
    "/status/version",
    "/status/installID",
    "/status/bootID",
    "/status/runID",
    "/status/lastAppliedGen",
    "/status/lastAttemptGen",
    "/status/rebootRequired",
    "/status/conditions/*/type",
    "/status/conditions/*/status",
    "/status/conditions/*/reason",
    "/status/conditions/*/message",
    "/status/state/interfaces/*/enabled",
    "/status/state/interfaces/*/admin",
    "/status/state/interfaces/*/oper",
    "/status/state/interfaces/*/speed",
    "/status/state/interfaces/*/fec",
    "/status/state/interfaces/*/errDisabled",
    "/status/state/interfaces/*/linkFlapCount",
    "/status/state/interfaces/*/lldpNeighbors",
    "/status/state/breakouts/*/mode",
    "/status/state/breakouts/*/status",
    "/status/state/transceivers/*/present",
    "/status/state/transceivers/*/oper",
    "/status/state/transceivers/*/serial",
    "/status/state/bgpNeighbors/*/*/state",
    "/status/state/bgpNeighbors/*/*/enabled",
    "/status/state/bgpNeighbors/*/*/lastResetReason",
    "/status/state/bfdPeers/*/*/state",
    "/status/state/platform/fans/*/presence",
    "/status/state/platform/fans/*/status",
    "/status/state/platform/psus/*/presence",
    "/status/state/platform/psus/*/status",
    "/status/state/platform/temps/*/alarms",
    "/status/state/nos/softwareVersion",
    "/status/state/nos/serialNumber",
    "/status/state/firmware",
    "/status/state/roce",
    // What a gateway's agent says beyond that.
    "/spec/agentVersion",
    "/status/agentVersion",
    "/status/state/dataplane/version",
    "/status/state/frr/lastAppliedGen",
    "/status/state/bgp/vrfs/*/neighbors/*/enabled",
    "/status/state/bgp/vrfs/*/neighbors/*/sessionState",
    "/status/state/bgp/vrfs/*/neighbors/*/lastResetReason",
];

/// Whether a change at a JSON pointer of an Agent is one of state.
pub fn counts_for_agent(pointer: &str) -> bool {
    COUNTS.iter().any(|place| {
        let mut steps = pointer.split('/');
        let mut wanted = place.split('/');
        loop {
            match (steps.next(), wanted.next()) {
                (Some(step), Some(want)) if want == "*" || want == step => {}
                (Some(_), Some(_)) => return false,
                (None, _) | (_, None) => return true,
            }
        }
    })
}

/// Of an Agent, what counts as its state, and besides who it is: `apiVersion`, `kind`, `metadata`.
/// What is above a place that counts is kept as far as it is there: an interface without a state is
/// still an interface.
pub fn agent_state(agent: &Value) -> Value {
    let who = ["apiVersion", "kind", "metadata"];
    let places = COUNTS.iter().filter_map(|place| place.strip_prefix('/')).chain(who);
    cut_to(agent, &places.collect::<Vec<_>>())
}

/// A value cut to some places, each the rest of a way from here.
fn cut_to(value: &Value, places: &[&str]) -> Value {
    let inside = |name: &str, child: &Value| {
        let mut rest = Vec::new();
        for place in places {
            let (step, further) = place.split_once('/').unwrap_or((place, ""));
            if step != "*" && step != name {
                continue;
            }
            if further.is_empty() {
                return Some(child.clone());
            }
            rest.push(further);
        }
        (!rest.is_empty()).then(|| cut_to(child, &rest))
    };
    match value {
        Value::Object(members) => members
            .iter()
            .filter_map(|(name, child)| Some((name.clone(), inside(name, child)?)))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .filter_map(|(place, item)| inside(&place.to_string(), item))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// Of the changes of an Agent, those of state.
pub fn agent_state_changes(changes: Changes) -> Changes {
    let Changes { mut items, truncated } = changes;
    items.retain(|change| counts_for_agent(&change.pointer));
    Changes { items, truncated }
}

/// The changes of state between two versions of an Agent. Limits count these alone, so counters
/// never crowd them out.
pub fn agent_changes(old: Option<&Value>, new: Option<&Value>, limits: Limits) -> Changes {
    let keep = &counts_for_agent;
    let mut walk = Walk { pointer: String::new(), limits, keep, found: Changes::default() };
    walk.compare(old, new);
    walk.found
}
