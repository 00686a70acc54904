//! The house: the tasks of the process, started here and stopped together.

use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Time that tasks have to end once they are asked to.
const SHUTDOWN: Duration = Duration::from_secs(20);

/// The long-lived tasks of the process; the first to end, for any reason, ends all.
#[derive(Debug, Default)]
pub struct House {
    tasks: JoinSet<(&'static str, anyhow::Result<()>)>,
    cancel: CancellationToken,
    tracker: TaskTracker,
}

impl House {
    /// Starts a task of the house.
    pub fn add<F>(&mut self, name: &'static str, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let task = task(self.cancel.child_token());
        self.tasks.spawn(async move { (name, task.await) });
    }

    /// Ends everything when cancelled.
    pub fn cancel(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// Parent of shorter tasks.
    pub fn tracker(&self) -> TaskTracker {
        self.tracker.clone()
    }

    /// Runs until the first task ends, then ends the others.
    pub async fn run(mut self) -> anyhow::Result<()> {
        let mut outcome = Ok(());
        let ending = async {
            while let Some(joined) = self.tasks.join_next().await {
                self.cancel.cancel();
                let (name, result) = joined.context("a task panicked")?;
                if outcome.is_ok() {
                    outcome = result.context(name);
                }
            }
            self.tracker.close();
            self.tracker.wait().await;
            outcome
        };
        let overdue = async {
            self.cancel.cancelled().await;
            tokio::time::sleep(SHUTDOWN).await;
        };
        tokio::select! {
            outcome = ending => outcome,
            () = overdue => anyhow::bail!("some tasks did not end within {} s", SHUTDOWN.as_secs()),
        }
    }
}

/// Ends when a person or the system asks the process to stop.
pub async fn asked_to_stop(cancel: CancellationToken) -> anyhow::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .context("could not listen for SIGTERM")?;
    tokio::select! {
        () = cancel.cancelled() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted.context("could not listen for Ctrl-C")?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
