//! Connectivity, from the gate and the kinds: the word, the cause, and a reason that a person can act on.
//!
//! Invariant: company may be absent; what is switched off does not fail.

use domain::{
    kind::Kind,
    state::{Cause, Connectivity, KindWatch, WatchState},
};

use super::Keeper;
use crate::cluster::gate::MOST_SKEW_MS;

impl Keeper {
    /// Says how the fabric stands, unless the probe has the word.
    pub(super) fn judge(&mut self) {
        if matches!(
            self.fabric_state.state,
            Connectivity::Disconnected | Connectivity::Disabled | Connectivity::Unknown
        ) {
            return;
        }
        let watched: Vec<(Kind, &KindWatch)> = self
            .kinds
            .iter()
            .filter(|(kind, book)| kind.is_primary() && book.watch.state != WatchState::Paused)
            .map(|(kind, book)| (*kind, &book.watch))
            .collect();
        let all_live = watched.iter().all(|(_, watch)| watch.state == WatchState::Live);
        if let Some((cause, reason)) = failing(&watched) {
            self.set_connectivity(Connectivity::Degraded, cause, Some(reason), None);
        } else if let Some(reason) = self.ahead_ms.and_then(skewed).filter(|_| all_live) {
            let cause = Some(Cause::ClockSkew);
            self.set_connectivity(Connectivity::Degraded, cause, Some(reason), None);
        } else if all_live {
            self.set_connectivity(Connectivity::Connected, None, None, None);
        } else if self.fabric_state.state == Connectivity::Degraded {
            self.set_connectivity(Connectivity::Connecting, None, None, None);
        }
    }
}

/// What fails, if anything does: which kinds, and why the first of them.
fn failing(watched: &[(Kind, &KindWatch)]) -> Option<(Option<Cause>, String)> {
    let fails =
        |state| matches!(state, WatchState::Retrying | WatchState::Forbidden | WatchState::Missing);
    let failing: Vec<_> = watched.iter().filter(|(_, watch)| fails(watch.state)).collect();
    let (_, first) = failing.first()?;
    let named: Vec<String> =
        failing.iter().map(|(kind, watch)| format!("{kind} {}", watch.state.word())).collect();
    let all = |state| failing.iter().all(|(_, watch)| watch.state == state);
    let cause = if all(WatchState::Forbidden) {
        Some(Cause::Forbidden)
    } else if all(WatchState::Missing) {
        Some(Cause::Version)
    } else {
        None
    };
    let why = first.reason.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
    let (count, of) = (failing.len(), watched.len());
    // What is true of all needs no list.
    let reason = if count == of && all(first.state) {
        format!("all {of} kinds are {}{why}", first.state.word())
    } else {
        format!("{count} of {of} kinds fail: {}{why}", named.join(", "))
    };
    Some((cause, reason))
}

/// Words for clocks that differ too much.
fn skewed(ahead_ms: i64) -> Option<String> {
    if ahead_ms.abs() <= MOST_SKEW_MS {
        return None;
    }
    let way = if ahead_ms > 0 { "ahead of" } else { "behind" };
    let seconds = ahead_ms.abs() / 1_000;
    Some(format!(
        "the API server's clock is {seconds} s {way} ours, so heartbeats cannot be judged; synchronise both clocks"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(state: WatchState, reason: Option<&str>) -> KindWatch {
        KindWatch {
            state,
            since: 0,
            reason: reason.map(str::to_owned),
            attempt: 0,
            next_try: None,
            namespace: None,
            as_of: None,
        }
    }

    #[test]
    fn what_fails_alike_has_a_cause_and_the_first_reason_is_said() {
        let (live, no) = (watch(WatchState::Live, None), watch(WatchState::Forbidden, Some("why")));
        let (cause, reason) = failing(&[(Kind::Vpc, &no), (Kind::Switch, &live)]).unwrap();
        assert_eq!(cause, Some(Cause::Forbidden));
        assert_eq!(reason, "1 of 2 kinds fail: VPC forbidden (why)");
        let missing = watch(WatchState::Missing, None);
        let (cause, _) = failing(&[(Kind::Vpc, &no), (Kind::Switch, &missing)]).unwrap();
        assert_eq!(cause, None);
        assert_eq!(failing(&[(Kind::Vpc, &live)]), None);
        let (cause, reason) = failing(&[(Kind::Vpc, &no), (Kind::Switch, &no)]).unwrap();
        assert_eq!(
            (cause, reason.as_str()),
            (Some(Cause::Forbidden), "all 2 kinds are forbidden (why)")
        );
    }

    #[test]
    fn clocks_that_differ_much_are_a_reason() {
        assert_eq!(skewed(MOST_SKEW_MS), None);
        assert!(skewed(90_000).unwrap().contains("90 s ahead"));
        assert!(skewed(-90_000).unwrap().contains("90 s behind"));
    }
}
