//! Tests of connections: begun here, followed as jobs, and told to who asked for them.
//!
//! Invariant: a test that somebody began ends with the process at the latest; its result is in the audit log
//! and holds no credential.

use domain::{
    account::UserName,
    audit::Doer,
    connection::{Access, Examination, Outcome, Stage, Step, WatchPlan},
    state::{Cause, Severity},
    topic::FabricId,
};
use engine::{
    clock::now_ms,
    cluster::{
        access::{self, AccessError},
        examine::{Asked, PROGRESS, examine},
        target::Target,
    },
};
use tokio::sync::mpsc;

use super::{
    Fabrics, Origin, Sight,
    jobs::{Crowded, Progress},
    register::{Entry, Register},
};
use crate::registrar::{notices::Word, secret};

/// Hexadecimal digits of a job's id.
const ID: usize = 24;

/// A cluster to be tested.
#[derive(Debug)]
pub enum Made {
    /// Of an access, if it can be used.
    Of(Result<Target, AccessError>),
    /// Its credentials could not be unsealed: why.
    Sealed(String),
}

/// What is to be tested.
#[derive(Debug)]
pub struct Trial {
    /// The fabric; none: it is not registered yet.
    pub fabric: Option<FabricId>,
    /// Its cluster, or why it cannot be asked.
    pub made: Made,
    /// What would be watched.
    pub watch: WatchPlan,
}

impl Fabrics {
    /// A test of a connection that is not registered.
    pub async fn trial_of(&self, access: &Access, watch: WatchPlan) -> Trial {
        let made = Made::Of(access::target(access, self.register.permissions()).await);
        Trial { fabric: None, made, watch }
    }

    /// A test of a fabric, with what would be changed of it.
    pub async fn trial(
        &self,
        sight: &Sight,
        access: Option<Access>,
        watch: Option<WatchPlan>,
    ) -> Trial {
        let fabric = Some(sight.id.clone());
        match (&sight.origin, access) {
            (Origin::Given(given), None) => Trial {
                fabric,
                made: Made::Of(Ok(given.target.clone())),
                watch: watch.unwrap_or_default(),
            },
            (Origin::Given(_), Some(access)) => {
                Trial { fabric, ..self.trial_of(&access, watch.unwrap_or_default()).await }
            }
            (Origin::Registered(entry), access) => {
                let mut watch = watch.unwrap_or_else(|| entry.settings.watch.clone());
                // What is switched off may be tested all the same.
                watch.enabled = true;
                let access = access.map_or_else(|| self.register.access(&entry.fabric), Ok);
                let trial = match access {
                    Ok(access) => self.trial_of(&access, watch).await,
                    Err(reason) => Trial { fabric: None, made: Made::Sealed(reason), watch },
                };
                Trial { fabric, ..trial }
            }
        }
    }
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
        let Trial { fabric, made, watch } = trial;
        let asked = Asked { plan: &watch, canary: self.register.measures() };
        let found = look(made, asked, &progress).await;
        let (severity, words) = verdict(fabric.as_ref(), &found);
        self.register.examined(fabric.as_ref(), who, &words).await;
        let link = fabric.map(|id| format!("/settings/fabrics/{id}?job={}", progress.id()));
        progress.done(found);
        let word = Word { severity, message: words, link };
        self.register.registrar().tell_person(&owner, word).await;
    }
}

/// Tests a registered fabric for somebody at the command line.
pub async fn registered(register: &Register, entry: &Entry, who: Doer) -> Examination {
    let mut watch = entry.settings.watch.clone();
    watch.enabled = true;
    let made = match register.access(&entry.fabric) {
        Ok(access) => Made::Of(access::target(&access, register.permissions()).await),
        Err(reason) => Made::Sealed(reason),
    };
    let found = match made {
        Made::Of(made) => {
            examine(&made, Asked { plan: &watch, canary: register.measures() }, None).await
        }
        Made::Sealed(reason) => sealed(&reason),
    };
    let (_, words) = verdict(Some(&entry.fabric.id), &found);
    register.examined(Some(&entry.fabric.id), who, &words).await;
    found
}

/// Looks at the cluster, step by step.
async fn look(made: Made, asked: Asked<'_>, progress: &Progress) -> Examination {
    let made = match made {
        Made::Of(made) => made,
        Made::Sealed(reason) => return sealed(&reason),
    };
    let (steps, mut taken) = mpsc::channel(PROGRESS);
    let looking = async move {
        let found = examine(&made, asked, Some(&steps)).await;
        drop(steps);
        found
    };
    let showing = async {
        while let Some(step) = taken.recv().await {
            progress.step(step);
        }
    };
    tokio::join!(looking, showing).0
}

/// What is found of a fabric whose credentials cannot be unsealed: nothing else can be asked.
fn sealed(reason: &str) -> Examination {
    let steps = Stage::ALL.iter().map(|stage| match stage {
        Stage::Configuration => Step::new(*stage, Outcome::Failed, reason)
            .because(Cause::Config, "enter the connection again"),
        _ => Step::new(*stage, Outcome::Skipped, "not asked: an earlier step failed"),
    });
    Examination {
        at_ms: now_ms(),
        server: None,
        version: None,
        steps: steps.collect(),
        kinds: Vec::new(),
        grant: None,
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
