//! Examinations under way and lately over: each belongs to who asked for it.
//!
//! Invariant: nobody sees another's job; there are never more than [`MOST_RUNNING`] under way and
//! [`MOST_KEPT`] kept; no credential is in one.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::{
    account::UserName,
    connection::{Examination, Outcome, Step},
    topic::FabricId,
};
use engine::clock::now_ms;
use serde::Serialize;
use tokio::{sync::watch, time::timeout};

/// Most examinations of one person under way.
const MOST_OF_ONE: usize = 4;
/// Most examinations under way: each holds a connection or two for some seconds.
pub const MOST_RUNNING: usize = 32;
/// Most jobs kept; the oldest go.
pub const MOST_KEPT: usize = 200;
/// A job that is over is forgotten after this time, in milliseconds.
const FORGET_MS: i64 = 3_600_000;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Under way.
    Running,
    /// Over; its report says what was found.
    Done,
    /// Ended without a report: the server was stopped, or something broke.
    Failed,
}

/// A job as its owner sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub state: Standing,
    /// The fabric that is examined; none: a connection that is not registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fabric: Option<FabricId>,
    /// When it began, Unix milliseconds.
    pub started_ms: i64,
    /// When it was over, Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<i64>,
    /// Steps taken so far.
    pub steps: Vec<Step>,
    /// The worst outcome, once it is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// What was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<Examination>,
}

impl Job {
    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.state != Standing::Running
    }
}

/// Too many are under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} tests are under way; wait until one is over")]
pub struct Crowded(usize);

struct Held {
    owner: UserName,
    job: watch::Sender<Job>,
}

/// See the module; cheap to clone.
#[derive(Clone, Default)]
pub struct Jobs(Arc<Mutex<BTreeMap<String, Held>>>);

impl std::fmt::Debug for Jobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Jobs")
    }
}

impl Jobs {
    fn held(&self) -> MutexGuard<'_, BTreeMap<String, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a job.
    pub fn begin(
        &self,
        id: String,
        owner: UserName,
        fabric: Option<FabricId>,
    ) -> Result<Progress, Crowded> {
        let now = now_ms();
        let mut held = self.held();
        held.retain(|_, kept| {
            kept.job.borrow().ended_ms.is_none_or(|ended| now - ended < FORGET_MS)
        });
        let running = held.values().filter(|kept| !kept.job.borrow().is_over());
        let (mut all, mut own) = (0, 0);
        for kept in running {
            all += 1;
            own += usize::from(kept.owner == owner);
        }
        if own >= MOST_OF_ONE {
            return Err(Crowded(own));
        }
        if all >= MOST_RUNNING {
            return Err(Crowded(all));
        }
        while held.len() >= MOST_KEPT {
            let over = held.iter().filter(|(_, kept)| kept.job.borrow().is_over());
            let oldest = over.min_by_key(|(_, kept)| kept.job.borrow().started_ms);
            let Some(oldest) = oldest.map(|(id, _)| id.clone()) else { break };
            held.remove(&oldest);
        }
        let job = watch::Sender::new(Job {
            id: id.clone(),
            state: Standing::Running,
            fabric,
            started_ms: now,
            ended_ms: None,
            steps: Vec::new(),
            outcome: None,
            report: None,
        });
        held.insert(id, Held { owner, job: job.clone() });
        Ok(Progress(job))
    }

    /// A job of somebody's.
    pub fn of(&self, owner: &UserName, id: &str) -> Option<Job> {
        let held = self.held();
        let kept = held.get(id).filter(|kept| kept.owner == *owner)?;
        Some(kept.job.borrow().clone())
    }

    /// All jobs of somebody's, the newest first.
    pub fn all_of(&self, owner: &UserName) -> Vec<Job> {
        let held = self.held();
        let own = held.values().filter(|kept| kept.owner == *owner);
        let mut jobs: Vec<Job> = own.map(|kept| kept.job.borrow().clone()).collect();
        jobs.sort_by_key(|job| std::cmp::Reverse(job.started_ms));
        jobs
    }

    /// A job of somebody's, once it is over or the time is up.
    pub async fn wait(&self, owner: &UserName, id: &str, most: Duration) -> Option<Job> {
        let mut job = {
            let held = self.held();
            held.get(id).filter(|kept| kept.owner == *owner)?.job.subscribe()
        };
        // A sender that is gone has told its last.
        let _ = timeout(most, job.wait_for(Job::is_over)).await;
        let job = job.borrow().clone();
        Some(job)
    }
}

/// The end of a job at which it is done.
#[derive(Debug)]
pub struct Progress(watch::Sender<Job>);

impl Progress {
    /// Its id.
    pub fn id(&self) -> String {
        self.0.borrow().id.clone()
    }

    /// One step more was taken.
    pub fn step(&self, step: Step) {
        self.0.send_modify(|job| job.steps.push(step));
    }

    /// It is over.
    pub fn done(self, report: Examination) {
        self.0.send_modify(|job| {
            job.state = Standing::Done;
            job.ended_ms = Some(now_ms());
            job.outcome = Some(report.outcome());
            job.steps.clone_from(&report.steps);
            job.report = Some(report);
        });
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.send_if_modified(|job| {
            let cut = !job.is_over();
            if cut {
                job.state = Standing::Failed;
                job.ended_ms = Some(now_ms());
            }
            cut
        });
    }
}

#[cfg(test)]
mod tests {
    use domain::connection::Stage;

    use super::*;

    fn report() -> Examination {
        Examination {
            at_ms: 0,
            server: None,
            version: None,
            steps: vec![Step::new(Stage::Name, Outcome::Ok, "found")],
            kinds: Vec::new(),
            grant: None,
        }
    }

    fn ann() -> UserName {
        "ann".parse().unwrap()
    }

    #[tokio::test]
    async fn a_job_is_its_owners_and_ends_with_its_report() {
        let jobs = Jobs::default();
        let progress = jobs.begin("1".to_owned(), ann(), None).unwrap();
        assert_eq!(jobs.of(&"bob".parse().unwrap(), "1"), None);
        assert_eq!(jobs.of(&ann(), "1").unwrap().state, Standing::Running);
        progress.done(report());
        let job = jobs.wait(&ann(), "1", Duration::from_secs(30)).await.unwrap();
        assert_eq!(
            (job.state, job.outcome, job.steps.len()),
            (Standing::Done, Some(Outcome::Ok), 1)
        );
    }

    #[test]
    fn what_is_dropped_half_way_is_not_left_running() {
        let jobs = Jobs::default();
        drop(jobs.begin("1".to_owned(), ann(), None).unwrap());
        assert_eq!(jobs.of(&ann(), "1").unwrap().state, Standing::Failed);
    }

    #[test]
    fn there_are_never_more_than_there_may_be() {
        let jobs = Jobs::default();
        let running: Vec<_> =
            (0..MOST_OF_ONE).map(|n| jobs.begin(format!("r{n}"), ann(), None).unwrap()).collect();
        assert!(jobs.begin("x".to_owned(), ann(), None).is_err());
        drop(running);
        for n in 0..2 * MOST_KEPT {
            jobs.begin(format!("{n}"), ann(), None).unwrap().done(report());
        }
        assert_eq!(jobs.all_of(&ann()).len(), MOST_KEPT);
    }
}
