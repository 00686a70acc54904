//! The only part of the life that waits: it carries steps to a store and news back.
//!
//! Invariant: it holds no state of its own; what it does not know it asks the machine.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Change, Life, Step};

/// How long a change by somebody else may go unseen. In-process reading costs next to nothing.
const LOOK: Duration = Duration::from_millis(250);
/// The shortest rest between two rounds, so that a fabric under load leaves room for its readers.
const REST: Duration = Duration::from_millis(10);

/// The store that a life is connected with.
pub trait Ground: Send {
    /// Carries out a step; a refusal is for the store to log, the life goes on.
    fn apply(&mut self, step: Step);

    /// What has changed since the last call, by anyone: the newest state of each object, once.
    fn changes(&mut self) -> Vec<Change>;
}

/// Lives until it is cancelled. `clock` gives milliseconds since the Unix epoch.
///
/// Not to be dropped for cancelling: `cancel` ends it between two rounds, with nothing half done.
pub async fn live<G: Ground>(
    mut ground: G,
    mut life: Life,
    clock: impl Fn() -> i64 + Send,
    cancel: CancellationToken,
) {
    loop {
        let now = clock();
        for change in ground.changes() {
            life.observe(change, now);
        }
        for step in life.step(now) {
            ground.apply(step);
            // A round of planning may be long; those who read the store want to run in between.
            tokio::task::yield_now().await;
        }
        let rest = life.next_due().map_or(LOOK, |due| {
            Duration::from_millis(u64::try_from(due.saturating_sub(clock())).unwrap_or(0))
                .clamp(REST, LOOK)
        });
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(rest) => {}
        }
    }
}
