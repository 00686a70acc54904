//! Tests of connections: begun here, followed as jobs, and told to who asked for them.
//!
//! Invariant: a test that somebody began ends with the process at the latest; its result is in the audit log
//! and holds no credential.

use std::sync::Arc;

use domain::{
    account::UserName,
    audit::Doer,
    connection::{Access, Examination, Outcome, WatchPlan},
    state::Severity,
    topic::FabricId,
};
use engine::{
    cluster::{access, examine, kubeconfig::Target},
    fabric::Reach,
};
use tokio::sync::mpsc;

use super::{
    Fabrics,
    jobs::{Crowded, Progress},
};
use crate::registrar::{notices::Word, secret};

/// Steps that wait to be shown: there are nine, so none ever waits.
const STEPS: usize = 16;
/// Hexadecimal digits of a job's id.
const ID: usize = 24;

/// What is to be tested.
#[derive(Debug)]
pub struct Trial {
    /// The fabric; none: it is not registered yet.
    pub fabric: Option<FabricId>,
    /// Its connection, or why there is none.
    pub reach: Result<Access, String>,
    /// What would be watched.
    pub watch: WatchPlan,
}

impl Fabrics {
    /// Begins a test for somebody; gives the job's id.
    pub fn test(&self, owner: &UserName, who: Doer, trial: Trial) -> Result<String, Crowded> {
        let id: String = secret::fresh().chars().take(ID).collect();
        let progress = self.jobs.begin(id.clone(), owner.clone(), trial.fabric.clone())?;
        let (fabrics, owner, cancel) = (self.clone(), owner.clone(), self.cancel.clone());
        self.tracker.spawn(async move {
            let testing = fabrics.tested(owner, who, trial, progress);
            // Dropped half way it says so itself.
            let _ = cancel.run_until_cancelled(testing).await;
        });
        Ok(id)
    }

    async fn tested(&self, owner: UserName, who: Doer, trial: Trial, progress: Progress) {
        let Trial { fabric, reach, watch } = trial;
        let found = self.look(reach, &watch, Some(&progress)).await;
        let (severity, words) = verdict(fabric.as_ref(), &found);
        self.register.examined(fabric.as_ref(), who, &words).await;
        let link = fabric.map(|id| format!("/settings/fabrics/{id}?job={}", progress.id()));
        progress.done(found);
        let word = Word { severity, message: words, link };
        self.register.registrar().tell_person(&owner, word).await;
    }
}

/// What a test found, in a sentence.
fn verdict(fabric: Option<&FabricId>, found: &Examination) -> (Severity, String) {
    let of = fabric.map_or_else(|| "the new connection".to_owned(), |id| format!("fabric {id}"));
    let says = found.trouble().map(|step| format!("{}: {}", step.stage.word(), step.says));
    let says = says.unwrap_or_default();
    match found.outcome() {
        Outcome::Failed => (Severity::Error, format!("test of {of} failed at {says}")),
        Outcome::Warning => (Severity::Warning, format!("test of {of}: it works, but {says}")),
        Outcome::Ok | Outcome::Skipped => (Severity::Info, format!("test of {of}: all is well")),
    }
}
