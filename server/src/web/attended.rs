//! The standing of whoever a live link belongs to, as its loop waits for it and acts on it.
//!
//! Invariant: once a standing has ended, nothing but the goodbye is said.

use domain::wire::Close;
use engine::hub::session::Session;
use tokio::sync::watch;

use super::Front;
use crate::registrar::{caller::Caller, standing::Standing};

/// See the module.
#[derive(Debug)]
pub(super) struct Attended(watch::Receiver<Standing>);

impl Attended {
    /// Attends a caller's link from now on.
    pub(super) async fn new(front: &Front, caller: &Caller) -> Self {
        Self(front.registrar.attend(caller).await)
    }

    /// Waits until the standing changes.
    ///
    /// # Cancel safety
    /// Dropped half way, it can be called again.
    pub(super) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody looks after standings any more: the house ends, which others say.
            std::future::pending::<()>().await;
        } else {
            self.0.mark_changed();
        }
    }

    /// Lets the session follow the standing; the goodbye, if it ended.
    pub(super) fn settle(&mut self, session: &mut Session) -> Option<Close> {
        if !self.0.has_changed().unwrap_or(false) {
            return None;
        }
        match self.0.borrow_and_update().clone() {
            Standing::Good(viewer) => {
                session.look_for(viewer);
                None
            }
            Standing::Ended(close) => {
                session.silence();
                Some(close)
            }
        }
    }
}
