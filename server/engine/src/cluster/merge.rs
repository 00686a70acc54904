//! One kind watched in several namespaces: a watch for each, put together into one stream of observations.
//!
//! A cluster counts versions once for all namespaces, but its watches are not in step: a change of one may
//! arrive after a later change of another. Topics need versions that only grow, so what arrives out of step is
//! given the next number instead of its own; such numbers mean something in this process only, which is why
//! the topic's epoch is this process' own too (see `fabric`).
//!
//! Invariant: versions given out grow; nothing is said before every namespace was listed (or is forbidden);
//! the same change is said once.

use std::{collections::BTreeMap, sync::Arc};

use domain::{door::Admitted, kind::Kind, object::ObjectKey, state::WatchState};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{
    gate::Gate,
    request::{Extent, Scope},
    seen::{Event, Outlet, Seen, WatchReport},
    target::Target,
    watch::KindWatcher,
};
use crate::clock::Stamp;

/// Most observations that wait to be put together; beyond, watches wait, and the API server is their buffer.
const WAITING: usize = 256;

/// The watch of one namespace.
#[derive(Debug, Default)]
struct Part {
    report: Option<WatchReport>,
    /// Newest version that it told, as the cluster counts.
    place: u64,
    /// Objects of the first list, until everybody's is there.
    first: Option<BTreeMap<ObjectKey, Admitted>>,
    refused: usize,
}

/// What is to be done after an observation was taken.
#[derive(Debug, Default)]
pub struct Say {
    /// Said to the keeper, in this order.
    pub seen: Vec<Seen>,
    /// Whether all watches must begin anew: what they know belongs to a storage that is gone.
    pub anew: bool,
}

impl Say {
    fn one(seen: Seen) -> Self {
        Self { seen: vec![seen], anew: false }
    }
}

/// Puts the parts together. Pure.
#[derive(Debug)]
pub struct Merge {
    names: Vec<String>,
    parts: Vec<Part>,
    /// Newest version given out; none before everything was listed.
    newest: Option<u64>,
    said: Option<WatchReport>,
}

impl Merge {
    /// Of these namespaces; nothing was seen.
    pub fn new(names: Vec<String>) -> Self {
        let parts = names.iter().map(|_| Part::default()).collect();
        Self { names, parts, newest: None, said: None }
    }

    /// Takes what the watch of a namespace saw.
    pub fn take(&mut self, number: usize, seen: Seen) -> Say {
        match seen {
            Seen::Watch(report) => self.report(number, report),
            Seen::Listed { version, objects, refused, stamp, .. } => {
                self.listed(number, &version, objects, refused, stamp)
            }
            Seen::Put(admitted, stamp) => self.put(number, *admitted, stamp),
            Seen::Gone { key, uid, version, stamp } => self.gone(number, key, uid, &version, stamp),
            Seen::Bookmark(version) => self.bookmark(number, &version),
        }
    }

    /// The version to give out for one of the cluster's; grows.
    fn next(&mut self, raw: u64) -> String {
        let next = self.newest.map_or(raw, |newest| raw.max(newest + 1));
        self.newest = Some(next);
        next.to_string()
    }

    fn listed(
        &mut self,
        number: usize,
        version: &str,
        mut objects: Vec<Admitted>,
        refused: usize,
        stamp: Stamp,
    ) -> Say {
        let raw = version.parse().unwrap_or_default();
        let complete = self.newest.is_some();
        let Some(part) = self.parts.get_mut(number) else { return Say::default() };
        if raw < part.place {
            // The storage went back. The others may not have noticed.
            return Say { seen: Vec::new(), anew: true };
        }
        part.place = raw;
        part.refused = refused;
        if !complete {
            let listed = objects.into_iter().map(|object| (object.key.clone(), object));
            part.first = Some(listed.collect());
            return self.complete(stamp).map(Say::one).unwrap_or_default();
        }
        let version = self.next(raw);
        // What was missed is known to be no newer than the list; of each, that is all that is known here.
        for object in &mut objects {
            object.version.clone_from(&version);
        }
        let refused = self.parts.iter().map(|part| part.refused).sum();
        let namespace = self.names.get(number).cloned();
        Say::one(Seen::Listed { version, objects, refused, stamp, namespace })
    }

    /// Everything, once every namespace was listed or is forbidden, and one was listed at least.
    fn complete(&mut self, stamp: Stamp) -> Option<Seen> {
        let settled = |part: &Part| {
            let forbidden =
                part.report.as_ref().is_some_and(|report| report.state == WatchState::Forbidden);
            part.first.is_some() || forbidden
        };
        if self.newest.is_some()
            || !self.parts.iter().all(settled)
            || self.parts.iter().all(|part| part.first.is_none())
        {
            return None;
        }
        let version = self.parts.iter().map(|part| part.place).max().unwrap_or_default();
        self.newest = Some(version);
        let objects = self.parts.iter_mut().filter_map(|part| part.first.take());
        let objects = objects.flat_map(BTreeMap::into_values).collect();
        let refused = self.parts.iter().map(|part| part.refused).sum();
        Some(Seen::Listed {
            version: version.to_string(),
            objects,
            refused,
            stamp,
            namespace: None,
        })
    }

    /// Whether a part was told this already; if not, it is remembered.
    fn is_old(part: &mut Part, raw: Option<u64>) -> bool {
        match raw {
            Some(raw) if raw <= part.place => true,
            Some(raw) => {
                part.place = raw;
                false
            }
            // What is no number is taken as it comes.
            None => false,
        }
    }

    fn put(&mut self, number: usize, mut admitted: Admitted, stamp: Stamp) -> Say {
        let raw = admitted.version.parse().ok();
        let Some(part) = self.parts.get_mut(number) else { return Say::default() };
        if Self::is_old(part, raw) {
            return Say::default();
        }
        if let Some(first) = &mut part.first {
            first.insert(admitted.key.clone(), admitted);
            return Say::default();
        }
        if self.newest.is_none() {
            return Say::default();
        }
        admitted.version = self.next(raw.unwrap_or_default());
        Say::one(Seen::Put(Box::new(admitted), stamp))
    }

    fn gone(
        &mut self,
        number: usize,
        key: ObjectKey,
        uid: String,
        version: &str,
        stamp: Stamp,
    ) -> Say {
        let raw = version.parse().ok();
        let Some(part) = self.parts.get_mut(number) else { return Say::default() };
        if Self::is_old(part, raw) {
            return Say::default();
        }
        if let Some(first) = &mut part.first {
            first.remove(&key);
            return Say::default();
        }
        if self.newest.is_none() {
            return Say::default();
        }
        let version = self.next(raw.unwrap_or_default());
        Say::one(Seen::Gone { key, uid, version, stamp })
    }

    /// Nothing changed up to a version: true for all only as far as all have come.
    fn bookmark(&mut self, number: usize, version: &str) -> Say {
        let Some(part) = self.parts.get_mut(number) else { return Say::default() };
        part.place = part.place.max(version.parse().unwrap_or_default());
        let least = self.parts.iter().map(|part| part.place).min().unwrap_or_default();
        match self.newest {
            Some(newest) if least > newest => {
                self.newest = Some(least);
                Say::one(Seen::Bookmark(least.to_string()))
            }
            _ => Say::default(),
        }
    }

    fn report(&mut self, number: usize, report: WatchReport) -> Say {
        if let Some(part) = self.parts.get_mut(number) {
            part.report = Some(report);
        }
        let mut say = Say::default();
        say.seen.extend(self.complete(Stamp::received_now()));
        let report = self.worst();
        if self.said.as_ref() != Some(&report) {
            // The keeper forgets what it holds of a kind that is not served: so must we.
            say.anew = report.state == WatchState::Missing && self.newest.is_some();
            self.said = Some(report.clone());
            say.seen.push(Seen::Watch(report));
        }
        say
    }

    /// How the namespace stands that stands worst.
    fn worst(&self) -> WatchReport {
        let rank = |state| match state {
            WatchState::Live => 0,
            WatchState::Paused | WatchState::Starting => 1,
            WatchState::Listing => 2,
            WatchState::Retrying => 3,
            WatchState::Forbidden => 4,
            WatchState::Missing => 5,
        };
        let state =
            |part: &Part| part.report.as_ref().map_or(WatchState::Starting, |report| report.state);
        let worst = self.parts.iter().map(state).max_by_key(|state| rank(*state));
        let worst = worst.unwrap_or(WatchState::Starting);
        let mut named = self.names.iter().zip(&self.parts).filter(|(_, part)| state(part) == worst);
        let first = named.next();
        let others = named.count();
        let report = first.and_then(|(_, part)| part.report.as_ref());
        let reason = report.and_then(|report| report.reason.as_deref()).map(|reason| {
            let name = first.map(|(name, _)| name.as_str()).unwrap_or_default();
            let more = if others > 0 { format!(" and {others} more") } else { String::new() };
            format!("in namespace `{name}`{more}: {reason}")
        });
        WatchReport {
            state: worst,
            reason,
            attempt: report.map_or(0, |report| report.attempt),
            next_try_ms: report.and_then(|report| report.next_try_ms),
            namespace: Some(self.names.join(", ")),
        }
    }
}

/// Follows one kind in several namespaces until cancelled.
#[derive(Debug)]
pub struct MergedWatcher {
    target: Target,
    kind: Kind,
    names: Vec<String>,
    labels: Option<Arc<str>>,
    gate: watch::Receiver<Gate>,
    keeper: mpsc::Sender<Event>,
}

/// Why the watches of one round ended.
enum End {
    /// Nobody listens, or we are to end.
    Over,
    /// They must begin anew.
    Anew,
}

impl MergedWatcher {
    /// A watcher that has seen nothing yet.
    pub fn new(
        target: Target,
        kind: Kind,
        (names, labels): (Vec<String>, Option<Arc<str>>),
        gate: watch::Receiver<Gate>,
        keeper: mpsc::Sender<Event>,
    ) -> Self {
        Self { target, kind, names, labels, gate, keeper }
    }

    /// Follows until cancelled.
    pub async fn run(self, cancel: CancellationToken) {
        loop {
            let end = tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                end = self.round(&cancel) => end,
            };
            if matches!(end, End::Over) {
                return;
            }
        }
    }

    /// Watches of all namespaces, until they must begin anew. They end when this is dropped.
    async fn round(&self, cancel: &CancellationToken) -> End {
        let mut gate = self.gate.clone();
        let Some(identity) = opened(&mut gate).await else { return End::Over };
        let (merge, mut parts) = mpsc::channel(WAITING);
        let mut watchers = JoinSet::new();
        for (number, name) in self.names.iter().enumerate() {
            let scope = Scope::Namespace(name.clone());
            let extent = Extent { scope, labels: self.labels.clone() };
            let outlet = Outlet::Part(number, merge.clone());
            let watcher =
                KindWatcher::new(self.target.clone(), self.kind, extent, self.gate.clone(), outlet);
            watchers.spawn(watcher.run(cancel.child_token()));
        }
        drop(merge);
        let mut merge = Merge::new(self.names.clone());
        let is_other = |gate: &Gate| matches!(gate, Gate::Open(open) if open.identity != identity);
        loop {
            let (number, seen) = tokio::select! {
                biased;
                changed = gate.wait_for(is_other) => {
                    return if changed.is_ok() { End::Anew } else { End::Over };
                }
                seen = parts.recv() => match seen {
                    Some(seen) => seen,
                    None => return End::Over,
                },
            };
            let Say { seen, anew } = merge.take(number, seen);
            for seen in seen {
                if self.keeper.send(Event::Kind(self.kind, seen)).await.is_err() {
                    return End::Over;
                }
            }
            if anew {
                return End::Anew;
            }
        }
    }
}

/// Waits until the cluster answers; says which one it is.
async fn opened(gate: &mut watch::Receiver<Gate>) -> Option<String> {
    let open = gate.wait_for(|gate| matches!(gate, Gate::Open(_))).await.ok()?;
    match &*open {
        Gate::Open(open) => Some(open.identity.clone()),
        Gate::Unknown | Gate::Shut(_) => None,
    }
}

#[cfg(test)]
mod tests;
