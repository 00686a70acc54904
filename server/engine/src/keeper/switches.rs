//! Readiness of each switch, from its Agent, published where it changed.

use domain::{
    kind::Kind,
    object::ObjectKey,
    readiness::{Assessment, Readiness, readiness},
    state::{SwitchReadiness, WatchState},
};

use super::Keeper;

/// Starts of an agent count for ten minutes.
pub(super) const STARTS_WINDOW_MS: i64 = 10 * 60 * 1000;
/// Where readiness lies in the state topic.
const PREFIX: &str = "readiness/";

impl Keeper {
    pub(super) fn publish_readiness(&mut self, now: i64) {
        let keys: Vec<ObjectKey> = match self.kinds.get(&Kind::Switch) {
            Some(switches) if switches.is_listed() => switches.topic.read(|log| {
                log.iter()
                    .filter_map(|entry| entry.value.meta.as_ref())
                    .map(|meta| meta.key.clone())
                    .collect()
            }),
            _ => Vec::new(),
        };
        let blind = self.why_blind();
        for key in &keys {
            let name = format!("{PREFIX}{key}");
            let next = if let Some(reason) = &blind {
                SwitchReadiness { state: Readiness::Unknown, reason: reason.clone(), since: None }
            } else {
                let Assessment { state, reason, since_ms, .. } =
                    readiness(self.agents.get(key), now);
                SwitchReadiness { state, reason, since: since_ms }
            };
            let since = next.since.or_else(|| self.since_same(&name, next.state)).or(Some(now));
            self.state.set(&name, &SwitchReadiness { since, ..next });
        }
        let wanted: std::collections::BTreeSet<String> =
            keys.iter().map(|key| format!("{PREFIX}{key}")).collect();
        for gone in self.state.keys_under(PREFIX) {
            if !wanted.contains(&*gone) {
                self.state.unset(&gone);
            }
        }
    }

    /// Why Agents say nothing that counts now, if so: old heartbeats of a silent watch are no observation.
    fn why_blind(&self) -> Option<String> {
        let watch = &self.kinds.get(&Kind::Agent)?.watch;
        match watch.state {
            WatchState::Live => None,
            state => {
                let why = watch.reason.as_deref().unwrap_or("no answer yet");
                Some(format!("Agents are not watched ({}): {why}", state.word()))
            }
        }
    }

    fn since_same(&self, name: &str, state: Readiness) -> Option<i64> {
        let before: SwitchReadiness = serde_json::from_str(self.state.text(name)?).ok()?;
        (before.state == state).then_some(before.since).flatten()
    }
}
