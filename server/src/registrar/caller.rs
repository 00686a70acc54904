//! Who asks, as handlers and live links know them.

use std::net::IpAddr;

use domain::{
    access::{Action, Means, Rights, Role, Subject, Verdict, Who, decide},
    account::UserName,
    audit::Doer,
};
use engine::{hub::session::Viewer, store::directory::Digest};

/// What somebody came with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Credential {
    /// Nothing.
    None,
    /// The cookie of a session.
    Session(Digest),
    /// An API token.
    Token(Digest),
}

/// Somebody who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Their name; none: nobody signed in.
    pub user: Option<UserName>,
    /// What they may do.
    pub who: Who,
    /// What they came with.
    pub credential: Credential,
    /// Where they came from.
    pub from: Option<IpAddr>,
    /// When what they came with ends, Unix milliseconds.
    pub expires_ms: Option<i64>,
}

impl Caller {
    /// Nobody in particular.
    pub fn nobody(from: Option<IpAddr>) -> Self {
        Self {
            user: None,
            who: Who::nobody(),
            credential: Credential::None,
            from,
            expires_ms: None,
        }
    }

    /// Whoever reaches the address for metrics: they see every fabric, and do nothing.
    pub fn of_metrics() -> Self {
        let who = Who { rights: Rights::everywhere(Role::Viewer), means: Means::Console };
        Self { who, ..Self::nobody(None) }
    }

    /// Whether they signed in, in whatever way.
    pub fn is_somebody(&self) -> bool {
        self.credential != Credential::None
    }

    /// What the policy says of them.
    pub fn verdict(&self, action: Action, subject: Subject<'_>) -> Verdict {
        decide(&self.who, action, subject)
    }

    /// For whom their live links and pages look.
    pub fn viewer(&self) -> Viewer {
        Viewer { user: self.user.clone(), who: self.who.clone(), expires_ms: self.expires_ms }
    }

    /// Who they are in the audit log.
    pub fn doer(&self) -> Doer {
        let credential = match &self.credential {
            Credential::None => None,
            Credential::Session(digest) | Credential::Token(digest) => Some(digest.id().to_owned()),
        };
        Doer {
            user: self.user.as_ref().map(ToString::to_string),
            // Which token it was says what it is for.
            means: match self.who.means {
                Means::ScopedToken => Means::Token,
                means => means,
            },
            credential,
            from: self.from.map(|from| from.to_string()),
        }
    }
}
