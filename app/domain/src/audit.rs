//! The audit log: what was done or refused, by whom, as a chain in which no link can be changed unseen.
//!
//! An entry's digest is taken over the digest before it, its number, its time and its text. The text is the
//! JSON that is stored, never written anew, so that what is checked is what is kept.
//!
//! Invariant: no deed holds a password, a token, a key or a credential: before and after are what pages show.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{access::Means, hex::hex, topic::FabricId};

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// The first user was made through the set-up link.
    SetUp,
    /// Signed in, or tried to.
    SignIn,
    /// Signed out.
    SignOut,
    /// A user was made.
    UserCreate,
    /// A user may no longer sign in.
    UserDisable,
    /// A user may sign in again.
    UserEnable,
    /// A user was removed.
    UserDelete,
    /// A password was changed.
    PasswordChange,
    /// A role was given.
    RoleGrant,
    /// A role was taken.
    RoleRevoke,
    /// An API token was made.
    TokenCreate,
    /// An API token was revoked.
    TokenRevoke,
    /// A session was ended by somebody.
    SessionEnd,
    /// A fabric was registered.
    FabricCreate,
    /// How a fabric is connected or watched was changed.
    FabricEdit,
    /// A fabric was switched off.
    FabricDisable,
    /// A fabric was switched on.
    FabricEnable,
    /// A fabric was removed with its records.
    FabricDelete,
    /// A connection was examined.
    FabricTest,
    /// Secrets were sealed with a new key.
    KeyRotate,
    /// The database was copied.
    Backup,
    /// The database was restored.
    Restore,
    /// The audit log was exported.
    AuditExport,
    /// Something else was asked for and refused.
    Request,
}

impl Act {
    /// All of them.
    pub const ALL: [Self; 24] = [
        Self::SetUp,
        Self::SignIn,
        Self::SignOut,
        Self::UserCreate,
        Self::UserDisable,
        Self::UserEnable,
        Self::UserDelete,
        Self::PasswordChange,
        Self::RoleGrant,
        Self::RoleRevoke,
        Self::TokenCreate,
        Self::TokenRevoke,
        Self::SessionEnd,
        Self::FabricCreate,
        Self::FabricEdit,
        Self::FabricDisable,
        Self::FabricEnable,
        Self::FabricDelete,
        Self::FabricTest,
        Self::KeyRotate,
        Self::Backup,
        Self::Restore,
        Self::AuditExport,
        Self::Request,
    ];

    /// The word for it, as in the stored text and in filters.
    pub fn word(self) -> String {
        match serde_json::to_value(self) {
            Ok(Value::String(word)) => word,
            _ => String::new(),
        }
    }

    /// The act with such a word.
    pub fn from_word(word: &str) -> Option<Self> {
        serde_json::from_value(Value::String(word.to_owned())).ok()
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was not allowed.
    Refused,
    /// It was allowed and did not succeed.
    Failed,
}

/// Who does something, as far as that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doer {
    /// Name of the user; none: nobody signed in, or the server itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// How they proved it.
    pub means: Means,
    /// Which session or token, by its public id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// Address that it came from; none: this machine's command line, or the server itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// What was done or refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deed {
    /// Who.
    pub who: Doer,
    /// What.
    pub act: Act,
    /// On what: `user/ann`, `fabric/prod`, `token/3f2a…`, an address that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// On which fabric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fabric: Option<FabricId>,
    /// How it was, as pages show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// How it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, or what shows it: a reason, a count, an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

impl Deed {
    /// Something that was done.
    pub fn done(who: Doer, act: Act, on: impl Into<String>) -> Self {
        let on = Some(on.into());
        let outcome = Outcome::Done;
        Self { who, act, on, fabric: None, before: None, after: None, outcome, evidence: None }
    }

    /// Something that was refused, and why.
    pub fn refused(who: Doer, act: Act, on: impl Into<String>, why: impl Into<String>) -> Self {
        let evidence = Some(why.into());
        Self { outcome: Outcome::Refused, evidence, ..Self::done(who, act, on) }
    }

    /// On a fabric.
    #[must_use]
    pub fn on_fabric(self, fabric: &FabricId) -> Self {
        Self { fabric: Some(fabric.clone()), ..self }
    }

    /// With what it changed.
    #[must_use]
    pub fn changing(self, before: Option<Value>, after: Option<Value>) -> Self {
        Self { before, after, ..self }
    }

    /// With what shows it.
    #[must_use]
    pub fn because(self, evidence: impl Into<String>) -> Self {
        Self { evidence: Some(evidence.into()), ..self }
    }
}

/// Digest before the first entry: 64 zeros.
pub const BEGINNING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A link of the chain as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Number, from 1, without holes.
    pub seq: u64,
    /// When, Unix milliseconds.
    pub at_ms: i64,
    /// The [`Deed`] as JSON, exactly as it was first written.
    pub text: String,
    /// Digest of this link, 64 hexadecimal digits.
    pub digest: String,
}

/// The digest of a link after another.
pub fn digest(previous: &str, seq: u64, at_ms: i64, text: &str) -> String {
    let mut hash = Sha256::new();
    // Lengths first: no two different links read the same.
    hash.update(format!("hnp.audit.v1\n{previous}\n{seq}\n{at_ms}\n{}\n", text.len()));
    hash.update(text);
    hex(&hash.finalize())
}

/// Where a chain is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A number is missing or comes twice.
    #[error("entry {expected} is missing; {found} follows")]
    Missing {
        /// The number that should have come.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// A link does not belong where it is.
    #[error("entry {seq} was changed, or one before it: its digest is not that of its content")]
    Changed {
        /// Its number.
        seq: u64,
    },
    /// The end is missing, or was written by somebody without the key.
    #[error("the log ends at entry {found}, and its seal says {sealed}")]
    Cut {
        /// The last entry that is there.
        found: u64,
        /// The last entry that was sealed.
        sealed: u64,
    },
    /// The seal of the end is not ours.
    #[error(
        "the seal of entry {seq} was not made with this server's key: the log was written anew by somebody else"
    )]
    Seal {
        /// The last entry.
        seq: u64,
    },
}

/// Checks a chain link by link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checker {
    /// Number of the last link that held.
    pub seq: u64,
    /// Its digest.
    pub digest: String,
}

impl Default for Checker {
    fn default() -> Self {
        Self { seq: 0, digest: BEGINNING.to_owned() }
    }
}

impl Checker {
    /// Checks the next link.
    pub fn check(&mut self, link: &Link) -> Result<(), Broken> {
        let expected = self.seq + 1;
        if link.seq != expected {
            return Err(Broken::Missing { expected, found: link.seq });
        }
        if digest(&self.digest, link.seq, link.at_ms, &link.text) != link.digest {
            return Err(Broken::Changed { seq: link.seq });
        }
        self.seq = link.seq;
        self.digest.clone_from(&link.digest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(n: u64) -> Vec<Link> {
        let mut previous = BEGINNING.to_owned();
        (1..=n)
            .map(|seq| {
                let (at_ms, text) = (i64::try_from(seq).unwrap() * 10, format!("{{\"n\":{seq}}}"));
                let digest = digest(&previous, seq, at_ms, &text);
                previous.clone_from(&digest);
                Link { seq, at_ms, text, digest }
            })
            .collect()
    }

    fn check(chain: &[Link]) -> Result<Checker, Broken> {
        let mut checker = Checker::default();
        chain.iter().try_for_each(|link| checker.check(link))?;
        Ok(checker)
    }

    #[test]
    fn an_untouched_chain_holds_and_every_touched_one_does_not() {
        let whole = chain(5);
        assert_eq!(check(&whole).unwrap().seq, 5);
        for at in 0..5 {
            let touches: [fn(&mut Link); 4] = [
                |link| link.text = link.text.replace('n', "m"),
                |link| link.at_ms += 1,
                |link| link.digest = BEGINNING.to_owned(),
                // Even where whoever changed it made its digest anew, the next one tells.
                |link| {
                    link.text = "{}".to_owned();
                    link.digest = digest(BEGINNING, link.seq, link.at_ms, "{}");
                },
            ];
            for (n, touch) in touches.iter().enumerate() {
                let mut forged = whole.clone();
                touch(&mut forged[at]);
                assert!(check(&forged).is_err(), "link {at}, touch {n}");
            }
            let mut cut = whole.clone();
            cut.remove(at);
            assert_eq!(check(&cut).is_err(), at < 4, "a cut end is told by the seal alone");
        }
        let mut swapped = whole;
        swapped.swap(1, 2);
        assert_eq!(check(&swapped).unwrap_err(), Broken::Missing { expected: 2, found: 3 });
    }

    #[test]
    fn every_act_has_a_word_that_reads_back() {
        for act in Act::ALL {
            assert_eq!(Act::from_word(&act.word()), Some(act));
        }
        assert_eq!(Act::SignIn.word(), "sign-in");
    }
}
