//! The registrar: who is who, how they prove it, and how long that holds.
//!
//! Requests are resolved one by one; live links are attended: their standing is looked up again as soon as
//! anything in the directory changes, by this process or another one on the same database.
//!
//! Invariant: nothing is decided here about rights (that is `domain::access`); no password, key or token
//! leaves this module in clear or is logged; where the directory cannot be asked, nobody new is let in.

use std::{net::IpAddr, sync::Arc};

use domain::{
    access::{Means, Rights, Who},
    account::{PasswordProblem, SHORTEST_PASSWORD, UserName, judge},
    audit::{Act, Deed},
};
use engine::{
    clock::now_ms,
    hub::Hub,
    store::{
        StoreError,
        directory::{Digest, Directory, Done, Failures, Order, OrderError, Session, Token, User},
    },
};

pub mod caller;
pub mod notices;
pub mod password;
pub mod secret;
pub mod sessions;
pub mod standing;

use self::{
    caller::{Caller, Credential},
    password::{PasswordError, Passwords},
    standing::Standings,
};

/// Failures of one person from one address before they have to wait.
const OF_BOTH: u32 = 5;
/// Failures of one person from anywhere before they have to wait.
const OF_USER: u32 = 50;
/// Failures from one address before it has to wait.
const OF_ADDRESS: u32 = 30;
/// First wait, in milliseconds; it doubles with each further failure.
const FIRST_WAIT_MS: i64 = 30_000;
/// Longest wait, in milliseconds.
const LONGEST_WAIT_MS: i64 = 15 * 60_000;
/// After this time without a failure the count begins anew, in milliseconds.
const FORGET_MS: i64 = 60 * 60_000;
/// Uses of a session or token are noted this often at most, in milliseconds.
const NOTE_EVERY_MS: i64 = 60_000;

/// How long sessions hold, and what passwords must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// A session ends after this time, in milliseconds.
    pub ttl_ms: i64,
    /// A session that nobody uses ends after this time, in milliseconds.
    pub idle_ms: i64,
    /// Characters that a new password has at least.
    pub shortest_password: usize,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            ttl_ms: 12 * 3_600_000,
            idle_ms: 2 * 3_600_000,
            shortest_password: SHORTEST_PASSWORD,
        }
    }
}

/// Why somebody could not sign in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The name and the password do not go together, or the user may not sign in. Which, nobody is told.
    #[error("user name or password is wrong, or this user may not sign in")]
    BadCredentials,
    /// Too many failures.
    #[error("too many failed attempts; wait {seconds} s")]
    Throttled {
        /// Until one may try again, in seconds.
        seconds: u64,
    },
    /// The directory failed.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// Passwords could not be compared.
    #[error(transparent)]
    Password(#[from] PasswordError),
}

impl From<StoreError> for SignInError {
    fn from(error: StoreError) -> Self {
        Self::Order(error.into())
    }
}

/// Why a credential does not say who somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// It was never given, or is gone: signed out, or the password was changed.
    #[error("this credential is not known here; sign in again, or make a new token")]
    Absent,
    /// It ended by itself.
    #[error("this credential has expired; sign in again, or make a new token")]
    Expired,
    /// It was taken back, or its owner may not sign in.
    #[error("this credential was revoked, or its owner may not sign in; ask an admin")]
    Revoked,
}

/// See the module; cheap to clone.
#[derive(Debug, Clone)]
pub struct Registrar {
    directory: Arc<dyn Directory>,
    hub: Arc<Hub>,
    passwords: Passwords,
    standings: Arc<Standings>,
    terms: Terms,
}

impl Registrar {
    /// A registrar before this directory, who tells people through the hub.
    pub fn new(directory: Arc<dyn Directory>, hub: Arc<Hub>, terms: Terms) -> Self {
        Self { directory, hub, passwords: Passwords::new(), standings: Arc::default(), terms }
    }

    /// The directory.
    pub fn directory(&self) -> &Arc<dyn Directory> {
        &self.directory
    }

    /// How long sessions hold.
    pub fn terms(&self) -> Terms {
        self.terms
    }

    /// Judges a new password.
    pub fn judge(&self, password: &str, user: &UserName) -> Result<(), PasswordProblem> {
        judge(password, user, self.terms.shortest_password)
    }

    /// Makes and compares passwords.
    pub fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    /// Has an order carried out; live links whose standing it changes hear of it at once.
    pub async fn order(&self, order: Order, deed: &Deed) -> Result<Done, OrderError> {
        let done = self.directory.order(order, deed, now_ms()).await;
        self.standings.stir();
        done
    }

    /// Writes down what was refused or tried; a log that cannot be written refuses nothing twice.
    pub async fn tell(&self, deed: &Deed) {
        if let Err(error) = self.directory.order(Order::Tell, deed, now_ms()).await {
            tracing::error!(%error, act = ?deed.act, "a deed could not be written to the audit log");
        }
    }

    /// Signs somebody in with a password.
    pub async fn sign_in(
        &self,
        name: &str,
        password: &str,
        from: Option<IpAddr>,
    ) -> Result<User, SignInError> {
        self.prove(Act::SignIn, name, password, from).await
    }

    /// Has somebody prove who they are, for an act; guesses are slowed down alike whatever it is for.
    pub async fn prove(
        &self,
        act: Act,
        name: &str,
        password: &str,
        from: Option<IpAddr>,
    ) -> Result<User, SignInError> {
        let user = name.parse::<UserName>().ok();
        let keys = throttle_keys(user.as_ref(), from);
        let now = now_ms();
        for (key, allowed) in &keys {
            let failures = self.directory.failures(key).await?;
            let wait = wait_ms(failures, *allowed, now);
            if wait > 0 {
                return Err(SignInError::Throttled {
                    seconds: wait.unsigned_abs().div_ceil(1_000),
                });
            }
        }
        let known = match &user {
            Some(name) => self.directory.user(name).await?,
            None => None,
        };
        // Somebody unknown takes as long as somebody known.
        let stored = known.as_ref().and_then(|known| known.password.clone());
        let right = self.passwords.verify(password, stored.as_deref()).await?;
        let doer = Caller::nobody(from).doer();
        match known {
            Some(known) if right && known.enabled => {
                for (key, _) in &keys {
                    self.directory.forgive(key).await?;
                }
                Ok(known)
            }
            known => {
                for (key, _) in &keys {
                    self.directory.fail(key, now, FORGET_MS).await?;
                }
                let why = match &known {
                    None => "no such user",
                    Some(known) if !known.enabled => "the user may not sign in",
                    Some(_) => "wrong password",
                };
                // What names nobody may be a password in the wrong field: it is written down nowhere.
                let name = known.map_or_else(|| "?".to_owned(), |known| known.name.to_string());
                let on = format!("user/{name}");
                self.tell(&Deed::refused(doer, act, on, why)).await;
                Err(SignInError::BadCredentials)
            }
        }
    }

    /// Whether an address has failed too often to be heard now: in seconds, how long it has to wait.
    pub async fn is_slowed(&self, from: Option<IpAddr>) -> Result<Option<u64>, StoreError> {
        let Some(key) = address_key(from) else { return Ok(None) };
        let wait = wait_ms(self.directory.failures(&key).await?, OF_ADDRESS, now_ms());
        Ok((wait > 0).then(|| wait.unsigned_abs().div_ceil(1_000)))
    }

    /// Counts a failure of an address, whoever it was.
    pub async fn slow_down(&self, from: Option<IpAddr>) -> Result<(), StoreError> {
        if let Some(key) = address_key(from) {
            self.directory.fail(&key, now_ms(), FORGET_MS).await?;
        }
        Ok(())
    }

    /// Whether something that counts once is used for the first time, by whichever process; it is remembered
    /// for an hour.
    pub async fn is_first_use(&self, key: &str) -> Result<bool, StoreError> {
        Ok(self.directory.fail(key, now_ms(), FORGET_MS).await?.count == 1)
    }

    /// Who holds a session; the use is noted.
    pub async fn session(
        &self,
        key: &str,
        from: Option<IpAddr>,
    ) -> Result<Result<Caller, Unknown>, StoreError> {
        let digest = secret::digest(key);
        let now = now_ms();
        let Some((session, user)) = self.directory.session(&digest).await? else {
            return Ok(Err(Unknown::Absent));
        };
        if let Err(unknown) = self.holds(&session, &user, now) {
            return Ok(Err(unknown));
        }
        if now - session.seen_ms > NOTE_EVERY_MS {
            noted(self.directory.touch_session(&digest, now).await);
        }
        Ok(Ok(in_session(&session, &user, from)))
    }

    /// Who holds a token; the use is noted.
    pub async fn token(
        &self,
        token: &str,
        from: Option<IpAddr>,
    ) -> Result<Result<Caller, Unknown>, StoreError> {
        let digest = secret::digest(token);
        let now = now_ms();
        let Some((token, user)) = self.directory.token(&digest).await? else {
            return Ok(Err(Unknown::Absent));
        };
        if let Err(unknown) = token_holds(&token, &user, now) {
            return Ok(Err(unknown));
        }
        if token.used_ms.is_none_or(|used| now - used > NOTE_EVERY_MS) {
            noted(self.directory.touch_token(&digest, now).await);
        }
        Ok(Ok(by_token(&token, &user, from)))
    }

    /// Whether a session holds.
    fn holds(&self, session: &Session, user: &User, now: i64) -> Result<(), Unknown> {
        if !user.enabled {
            return Err(Unknown::Revoked);
        }
        let idle_until = session.seen_ms.saturating_add(self.terms.idle_ms);
        if now >= session.expires_ms || now >= idle_until {
            return Err(Unknown::Expired);
        }
        Ok(())
    }

    /// Who somebody is now who came with a credential: what live links ask again.
    async fn again(&self, credential: &Credential) -> Result<Result<Caller, Unknown>, StoreError> {
        let now = now_ms();
        Ok(match credential {
            Credential::None => Err(Unknown::Absent),
            Credential::Session(digest) => match self.directory.session(digest).await? {
                None => Err(Unknown::Absent),
                Some((session, user)) => {
                    self.holds(&session, &user, now).map(|()| in_session(&session, &user, None))
                }
            },
            Credential::Token(digest) => match self.directory.token(digest).await? {
                None => Err(Unknown::Revoked),
                Some((token, user)) => {
                    token_holds(&token, &user, now).map(|()| by_token(&token, &user, None))
                }
            },
        })
    }
}

/// A use that could not be noted is no reason to keep somebody out: a full disk shall not lock the house.
fn noted(done: Result<(), StoreError>) {
    if let Err(error) = done {
        tracing::warn!(%error, "the use of a session or token could not be noted");
    }
}

fn in_session(session: &Session, user: &User, from: Option<IpAddr>) -> Caller {
    Caller {
        user: Some(user.name.clone()),
        who: Who::session(user.rights.clone()),
        credential: Credential::Session(session.digest.clone()),
        from,
        expires_ms: Some(session.expires_ms),
    }
}

fn token_holds(token: &Token, user: &User, now: i64) -> Result<(), Unknown> {
    if token.revoked_ms.is_some() || !user.enabled {
        Err(Unknown::Revoked)
    } else if now >= token.expires_ms {
        Err(Unknown::Expired)
    } else {
        Ok(())
    }
}

fn by_token(token: &Token, user: &User, from: Option<IpAddr>) -> Caller {
    let rights: Rights = user.rights.within(&token.scope);
    let means = if rights.cover(&user.rights) { Means::Token } else { Means::ScopedToken };
    Caller {
        user: Some(user.name.clone()),
        who: Who { rights, means },
        credential: Credential::Token(token.digest.clone()),
        from,
        expires_ms: Some(token.expires_ms),
    }
}

/// Under which keys failures are counted, and how many of each are let pass. A person is slowed down where
/// the guesses come from long before they are slowed down everywhere: else anybody could lock anybody out.
fn throttle_keys(user: Option<&UserName>, from: Option<IpAddr>) -> Vec<(String, u32)> {
    // As a digest: it may name nobody, and be a password in the wrong field.
    let digest = user.map(|user| secret::digest(user.as_str()));
    let user = digest.as_ref().map_or("?", Digest::id);
    let mut keys = vec![(format!("user/{user}"), OF_USER)];
    if let Some(from) = from {
        keys.push((format!("user/{user} from/{from}"), OF_BOTH));
    }
    keys.extend(address_key(from).map(|key| (key, OF_ADDRESS)));
    keys
}

/// Under which key failures of an address are counted, whoever they are of; none: they are not.
fn address_key(from: Option<IpAddr>) -> Option<String> {
    // Behind a proxy or a tunnel of this machine there may be many.
    from.filter(|from| !from.is_loopback()).map(|from| format!("from/{from}"))
}

/// How long somebody has to wait, in milliseconds.
fn wait_ms(failures: Failures, allowed: u32, now: i64) -> i64 {
    let Some(beyond) = failures.count.checked_sub(allowed) else { return 0 };
    let wait = FIRST_WAIT_MS.saturating_mul(1 << beyond.min(10)).min(LONGEST_WAIT_MS);
    (failures.last_ms + wait - now).max(0)
}

/// The digest under which a key or token is kept; for those who made one.
pub fn kept_as(secret: &str) -> Digest {
    secret::digest(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_gets_slower_and_is_forgiven_in_time() {
        let failures = |count| Failures { count, last_ms: 1_000 };
        assert_eq!(wait_ms(failures(4), OF_BOTH, 1_000), 0);
        assert_eq!(wait_ms(failures(5), OF_BOTH, 1_000), 30_000);
        assert_eq!(wait_ms(failures(6), OF_BOTH, 1_000), 60_000);
        assert_eq!(wait_ms(failures(6), OF_BOTH, 31_000), 30_000);
        assert_eq!(wait_ms(failures(u32::MAX), OF_BOTH, 1_000), LONGEST_WAIT_MS);
        assert_eq!(wait_ms(failures(5), OF_BOTH, 31_000), 0);
    }

    #[test]
    fn loopback_alone_is_no_guesser() {
        let keys = |from: &str| throttle_keys("ann".parse().ok().as_ref(), from.parse().ok()).len();
        assert_eq!((keys("127.0.0.1"), keys("192.0.2.1")), (2, 3));
    }
}
