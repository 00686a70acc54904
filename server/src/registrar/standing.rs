//! The standing of everybody who has a live link: looked up again when anything changes, told at once.
//!
//! One task asks the directory's generation a few times a second, so that what another process on the same
//! database does is noticed as fast as what this one does.
//!
//! Invariant: an ended standing never becomes good again; who is attended twice has one standing; nobody who
//! left is remembered.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::{account::UserName, wire::Close};
use engine::{clock::now_ms, hub::session::Viewer, store::StoreError};
use tokio::{
    sync::{Notify, watch},
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{
    Registrar, Unknown,
    caller::{Caller, Credential},
};

/// How often the directory is asked whether anything changed: changes of rights act within a second.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often the use of a session by an open link is noted, in milliseconds.
const NOTE_EVERY_MS: i64 = 60_000;

/// What somebody with a live link is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// They may look, as this viewer.
    Good(Viewer),
    /// Their link ends.
    Ended(Close),
}

/// See the module.
#[derive(Debug, Default)]
pub struct Standings {
    /// A lock, held for a map operation: links come and go in handlers.
    attended: Mutex<BTreeMap<Credential, watch::Sender<Standing>>>,
    stirred: Notify,
}

impl Standings {
    fn attended(&self) -> MutexGuard<'_, BTreeMap<Credential, watch::Sender<Standing>>> {
        self.attended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something changed: look now.
    pub(super) fn stir(&self) {
        self.stirred.notify_one();
    }

    fn attend(&self, caller: &Caller) -> watch::Receiver<Standing> {
        let mut attended = self.attended();
        let standing = attended
            .entry(caller.credential.clone())
            .or_insert_with(|| watch::Sender::new(Standing::Good(caller.viewer())));
        standing.subscribe()
    }

    /// Forgets those whose links are all gone, and says who is left.
    fn present(&self) -> Vec<Credential> {
        let mut attended = self.attended();
        attended.retain(|_, standing| standing.receiver_count() > 0);
        attended.keys().cloned().collect()
    }

    /// Whose links are attended.
    fn people(&self) -> BTreeSet<UserName> {
        let attended = self.attended();
        let good = attended.values().filter_map(|standing| match &*standing.borrow() {
            Standing::Good(viewer) => viewer.user.clone(),
            Standing::Ended(_) => None,
        });
        good.collect()
    }

    fn set(&self, credential: &Credential, standing: Standing) {
        if let Some(sender) = self.attended().get(credential) {
            sender.send_if_modified(|held| {
                let changes = *held != standing && !matches!(held, Standing::Ended(_));
                if changes {
                    *held = standing;
                }
                changes
            });
        }
    }
}

/// Why a link ends whose credential is not known any more.
fn farewell(unknown: Unknown) -> Close {
    match unknown {
        Unknown::Absent => Close::LoggedOut,
        Unknown::Expired => Close::SessionExpired,
        Unknown::Revoked => Close::Forbidden,
    }
}

impl Registrar {
    /// Attends somebody's live link: what they are from now on, for as long as the receiver is held.
    ///
    /// What changed between their request and this call is found at the next look.
    pub async fn attend(&self, caller: &Caller) -> watch::Receiver<Standing> {
        let standing = self.standings.attend(caller);
        if let Some(user) = &caller.user
            && let Err(error) = self.catch_up(user).await
        {
            tracing::warn!(%error, "what is addressed to somebody could not be read");
        }
        self.standings.stir();
        standing
    }

    /// Looks after the standings until the process ends.
    pub async fn watch_over(self, cancel: CancellationToken) -> anyhow::Result<()> {
        let mut due = interval(LOOK_EVERY);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut known = None;
        let mut noted = now_ms();
        loop {
            let stirred = tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                _ = due.tick() => false,
                () = self.standings.stirred.notified() => true,
            };
            let present = self.standings.present();
            if present.is_empty() {
                continue;
            }
            let note = now_ms() - noted > NOTE_EVERY_MS;
            if note {
                noted = now_ms();
            }
            match self.look(&present, &mut known, stirred, note).await {
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(%error, "the standing of live links could not be looked up");
                }
            }
        }
    }

    async fn look(
        &self,
        present: &[Credential],
        known: &mut Option<u64>,
        stirred: bool,
        note: bool,
    ) -> Result<(), StoreError> {
        let generation = self.directory.generation().await?;
        let changed = stirred || *known != Some(generation);
        for credential in present {
            // A link that is open is use.
            if note && let Credential::Session(digest) = credential {
                self.directory.touch_session(digest, now_ms()).await?;
            }
            if !changed && !self.is_due(credential) {
                continue;
            }
            let standing = match self.again(credential).await? {
                Ok(caller) => Standing::Good(caller.viewer()),
                Err(unknown) => Standing::Ended(farewell(unknown)),
            };
            self.standings.set(credential, standing);
        }
        if changed {
            self.deliver(&self.standings.people()).await?;
        }
        // Only once all of it was looked at: an error above looks again.
        *known = Some(generation);
        Ok(())
    }

    /// Whether a credential ended by itself since.
    fn is_due(&self, credential: &Credential) -> bool {
        let attended = self.standings.attended();
        let Some(standing) = attended.get(credential) else { return false };
        match &*standing.borrow() {
            Standing::Ended(_) => false,
            Standing::Good(viewer) => viewer.expires_ms.is_some_and(|at| at <= now_ms()),
        }
    }
}
