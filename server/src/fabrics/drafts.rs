//! Forms of new fabrics that are being filled in: kept here between two requests, so that what was pasted is
//! never written back into a page.
//!
//! Invariant: a draft is its owner's alone; it is kept in memory only, for `KEPT_MS` and no longer; there are
//! never more than `MOST_OF_ONE` of one person and `MOST` in all.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::{account::UserName, connection::Secret};
use engine::clock::now_ms;

/// A draft that nobody touches is forgotten after this time, in milliseconds.
const KEPT_MS: i64 = 30 * 60_000;
/// Most drafts of one person; the oldest goes.
const MOST_OF_ONE: usize = 4;
/// Most drafts in all, of at most some 1 MiB each; the oldest goes.
const MOST: usize = 64;

/// A form as far as it is filled in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// `kubeconfig`, `direct` or `in_cluster`.
    pub way: String,
    /// Name.
    pub name: String,
    /// The pasted kubeconfig.
    pub kubeconfig: Secret,
    /// The chosen context.
    pub context: String,
    /// Address of the API server.
    pub server: String,
    /// PEM of authorities.
    pub authority: String,
    /// The token.
    pub token: Secret,
    /// Name that the certificate must carry.
    pub tls_server_name: String,
    /// Kinds to watch; none: all.
    pub kinds: Option<Vec<String>>,
    /// Namespaces, as written.
    pub namespaces: String,
    /// A label selector, as written.
    pub labels: String,
    /// The test of it, if there was one.
    pub job: Option<String>,
}

struct Held {
    owner: UserName,
    touched_ms: i64,
    draft: Draft,
}

/// See the module; cheap to clone.
#[derive(Clone, Default)]
pub struct Drafts(Arc<Mutex<BTreeMap<String, Held>>>);

impl std::fmt::Debug for Drafts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Drafts")
    }
}

impl Drafts {
    fn held(&self) -> MutexGuard<'_, BTreeMap<String, Held>> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now_ms();
        held.retain(|_, kept| now - kept.touched_ms < KEPT_MS);
        held
    }

    /// Somebody's draft.
    pub fn of(&self, owner: &UserName, id: &str) -> Option<Draft> {
        let held = self.held();
        held.get(id).filter(|kept| kept.owner == *owner).map(|kept| kept.draft.clone())
    }

    /// Keeps a draft, in the place of the one with this id if that is its owner's.
    pub fn keep(&self, owner: &UserName, id: String, draft: Draft) {
        let mut held = self.held();
        if held.get(&id).is_some_and(|kept| kept.owner != *owner) {
            return;
        }
        held.remove(&id);
        let own = held.values().filter(|kept| kept.owner == *owner).count();
        if own >= MOST_OF_ONE {
            forget_oldest(&mut held, |kept| kept.owner == *owner);
        } else if held.len() >= MOST {
            forget_oldest(&mut held, |_| true);
        }
        held.insert(id, Held { owner: owner.clone(), touched_ms: now_ms(), draft });
    }

    /// Forgets somebody's draft.
    pub fn forget(&self, owner: &UserName, id: &str) {
        let mut held = self.held();
        if held.get(id).is_some_and(|kept| kept.owner == *owner) {
            held.remove(id);
        }
    }
}

fn forget_oldest(held: &mut BTreeMap<String, Held>, of: impl Fn(&Held) -> bool) {
    let oldest = held.iter().filter(|(_, kept)| of(kept)).min_by_key(|(_, kept)| kept.touched_ms);
    if let Some(id) = oldest.map(|(id, _)| id.clone()) {
        held.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Draft {
        Draft { name: name.to_owned(), token: Secret::new("planted"), ..Draft::default() }
    }

    #[test]
    fn a_draft_is_its_owners_and_shows_no_secret() {
        let (ann, bob) = ("ann".parse().unwrap(), "bob".parse().unwrap());
        let drafts = Drafts::default();
        drafts.keep(&ann, "1".to_owned(), named("a"));
        drafts.keep(&bob, "1".to_owned(), named("b"));
        drafts.forget(&bob, "1");
        assert_eq!(drafts.of(&bob, "1"), None);
        assert_eq!(drafts.of(&ann, "1"), Some(named("a")));
        assert!(!format!("{drafts:?} {:?}", named("a")).contains("planted"));
    }

    #[test]
    fn there_are_never_more_than_there_may_be() {
        let drafts = Drafts::default();
        for user in 0..2 * MOST {
            for n in 0..2 * MOST_OF_ONE {
                let owner = format!("u{user}").parse().unwrap();
                drafts.keep(&owner, format!("{user}-{n}"), named("x"));
                let own = drafts.held().values().filter(|kept| kept.owner == owner).count();
                assert!((1..=MOST_OF_ONE).contains(&own));
            }
        }
        assert_eq!(drafts.held().len(), MOST);
    }
}
