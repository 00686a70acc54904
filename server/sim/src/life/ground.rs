//! The cluster of this process as the ground on which a fabric lives.
//!
//! Invariant: reading news never takes the history from others, and costs nothing while nothing has changed.

use std::{collections::BTreeMap, sync::Arc};

use domain::kind::Kind;
use serde_json::Value;

use super::{Change, Life, LifeOptions, Step, drive::Ground};
use crate::{
    Cluster, Status,
    core::parse,
    seed::world::NAMESPACE,
    store::{Event, What},
};

/// A cluster, and how far its news have been read.
#[derive(Debug)]
pub struct Land {
    cluster: Cluster,
    cursor: u64,
}

/// Puts objects into a cluster, statuses with them, in the order given. An object that is there keeps its uid.
pub fn populate(cluster: &Cluster, objects: Vec<Value>) -> Result<(), Status> {
    for mut object in objects {
        let status = object.as_object_mut().and_then(|object| object.remove("status"));
        let mut stored = cluster.apply(object)?;
        if let (Some(status), Some(stored_fields)) = (status, stored.as_object_mut()) {
            stored_fields.insert("status".to_owned(), status);
            cluster.apply_status(stored)?;
        }
    }
    Ok(())
}

impl Land {
    /// Takes a cluster as it is now, with a life for what is on it.
    ///
    /// `now_ms`: milliseconds since the Unix epoch.
    pub fn settle(cluster: Cluster, seed: u64, options: LifeOptions, now_ms: i64) -> (Self, Life) {
        // Read first: what changes while we list is then told once more, which does no harm.
        let cursor = cluster.revision();
        let objects: Vec<Value> = Kind::ALL.iter().flat_map(|kind| cluster.list(*kind)).collect();
        let life = Life::new(objects, seed, options, now_ms);
        (Self { cluster, cursor }, life)
    }

    /// The newest event of each object of a kind since the cursor, or nothing where the history has forgotten some.
    fn news(&self, kind: Kind) -> Option<BTreeMap<String, Arc<Event>>> {
        let core = self.cluster.core();
        let (events, _) = core.store.since(&kind.into(), self.cursor, usize::MAX).ok()?;
        let here = events.into_iter().filter(|event| event.object.namespace == NAMESPACE);
        Some(here.map(|event| (event.object.name.clone(), event)).collect())
    }
}

impl Ground for Land {
    fn apply(&mut self, step: Step) {
        let done = match step {
            Step::Merge { kind, namespace, name, patch } => {
                self.cluster.patch_merge(kind, &namespace, &name, patch).map(drop)
            }
            Step::MergeStatus { kind, namespace, name, patch } => {
                self.cluster.patch_status(kind, &namespace, &name, patch).map(drop)
            }
            Step::Create(object) => self.cluster.apply(object).map(drop),
            Step::Delete { kind, namespace, name } => self.cluster.delete(kind, &namespace, &name),
        };
        if let Err(status) = done {
            // Somebody was faster, or a fault is on: the next news will tell how it is.
            tracing::debug!(error = %status, "the demo could not do what it wanted");
        }
    }

    fn changes(&mut self) -> Vec<Change> {
        let latest = self.cluster.revision();
        if latest == self.cursor {
            return Vec::new();
        }
        let mut changes = Vec::new();
        for &kind in Kind::ALL {
            match self.news(kind) {
                Some(events) => changes.extend(
                    events.into_iter().filter_map(|(name, event)| tell(kind, name, &event)),
                ),
                None => changes.push(Change::Whole { kind, objects: self.cluster.list(kind) }),
            }
        }
        self.cursor = latest;
        changes
    }
}

/// An event as the life wants it.
fn tell(kind: Kind, name: String, event: &Event) -> Option<Change> {
    match event.what {
        What::Added | What::Modified => parse(&event.object).ok().map(Change::Put),
        What::Deleted => Some(Change::Gone { kind, name }),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicI64, Ordering},
        time::{Duration, Instant},
    };

    use serde_json::json;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{
        Options,
        life::drive::live,
        seed::{Scale, audit::complaints, fabric},
    };

    /// 2026-11-24, some time in the morning.
    const NOW: i64 = 1_795_501_300_000;
    /// Nothing by itself.
    const STILL: LifeOptions = LifeOptions { heartbeat: None, churn_per_second: Some(0.0) };

    fn all(cluster: &Cluster) -> Vec<Value> {
        Kind::ALL.iter().flat_map(|kind| cluster.list(*kind)).collect()
    }

    #[test]
    fn a_fabric_passes_the_schemas_and_stays_what_it_was() {
        for scale in [Scale::Small, Scale::Vlab] {
            let cluster = Cluster::new(Options::default());
            let objects = fabric(scale, 5, NOW);
            populate(&cluster, objects.clone()).unwrap();
            assert_eq!(all(&cluster).len(), objects.len());
            assert_eq!(complaints(&all(&cluster)), Vec::<String>::new());
            for object in objects {
                let kind = Kind::from_name(object["kind"].as_str().unwrap()).unwrap();
                let stored = cluster
                    .get(kind, "default", object["metadata"]["name"].as_str().unwrap())
                    .unwrap();
                assert_eq!(
                    (&stored["spec"], stored.get("status")),
                    (&object["spec"], object.get("status")),
                    "nothing was pruned"
                );
            }
        }
    }

    /// Steps through simulated time until something is so.
    fn until(land: &mut Land, life: &mut Life, now: &mut i64, done: impl Fn(&Cluster) -> bool) {
        let end = *now + 90_000;
        while !done(&land.cluster) {
            assert!(*now < end, "not within 90 simulated seconds");
            *now += 1_000;
            for change in land.changes() {
                life.observe(change, *now);
            }
            for step in life.step(*now) {
                land.apply(step);
            }
        }
    }

    fn converged(cluster: &Cluster) -> bool {
        cluster
            .list(Kind::Agent)
            .iter()
            .all(|agent| agent["status"]["lastAppliedGen"] == agent["metadata"]["generation"])
    }

    #[test]
    fn an_edit_through_the_cluster_lands_on_its_switches_even_when_the_history_is_short() {
        for history in [10_000, 2] {
            let cluster = Cluster::new(Options { history, ..Options::default() });
            populate(&cluster, fabric(Scale::Vlab, 5, NOW)).unwrap();
            let (mut land, mut life) = Land::settle(cluster.clone(), 5, STILL, NOW);
            assert_eq!(land.changes(), Vec::new());
            let mut now = NOW;
            for (name, text) in
                [("leaf-01", "one"), ("leaf-02", "two"), ("leaf-03", "three"), ("leaf-04", "four")]
            {
                cluster
                    .patch_merge(
                        Kind::Switch,
                        "default",
                        name,
                        json!({ "spec": { "description": text } }),
                    )
                    .unwrap();
            }
            cluster.delete(Kind::VpcAttachment, "default", "shop--web--server-02").unwrap();
            until(&mut land, &mut life, &mut now, |cluster| {
                let agent = cluster.get(Kind::Agent, "default", "leaf-01").unwrap();
                agent["spec"]["description"] == "one"
                    && agent["spec"]["vpcAttachments"]["shop--web--server-02"].is_null()
            });
            until(&mut land, &mut life, &mut now, converged);
            assert_eq!(complaints(&all(&cluster)), Vec::<String>::new(), "history {history}");
        }
    }

    #[tokio::test]
    async fn the_driver_lives_until_it_is_cancelled() {
        let cluster = Cluster::new(Options::default());
        populate(&cluster, fabric(Scale::Small, 5, NOW)).unwrap();
        let options =
            LifeOptions { heartbeat: Some(Duration::from_millis(50)), churn_per_second: Some(0.0) };
        let (land, life) = Land::settle(cluster.clone(), 5, options, NOW);
        let cancel = CancellationToken::new();
        let clock = AtomicI64::new(NOW);
        let living = live(land, life, || clock.fetch_add(40, Ordering::Relaxed), cancel.clone());
        let watching = async {
            let (before, start) = (cluster.revision(), Instant::now());
            while cluster.revision() < before + 20 {
                assert!(start.elapsed() < Duration::from_mins(1), "no heartbeats");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            cancel.cancel();
        };
        tokio::join!(living, watching);
    }
}
