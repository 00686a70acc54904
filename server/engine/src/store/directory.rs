//! The directory: who may use the house, which fabrics are registered, what was done, and what each
//! person should be told.
//!
//! A seam ([`Directory`]) beside [`super::Store`], on the same database. Every change is an [`Order`] that is
//! carried out together with the [`Deed`] that tells of it in the audit log: both or neither.
//!
//! Invariant: no password, session key, token or credential is ever kept in clear: passwords as argon2id
//! strings, keys and tokens as digests, credentials sealed; nothing here decides who may give an order.

use std::{collections::BTreeMap, fmt};

use async_trait::async_trait;
use domain::{
    access::{Rights, Role},
    account::{Label, UserName},
    audit::{Deed, Link, Outcome},
    topic::FabricId,
};
use serde::{Deserialize, Serialize};

use super::StoreError;

/// Why an order was not carried out; nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// The name is taken.
    #[error("{what} exists already; choose another name")]
    Exists {
        /// `user/ann`, `fabric/prod`.
        what: String,
    },
    /// There is no such thing.
    #[error("there is no {what}")]
    Missing {
        /// `user/ann`, `token/3f2a`, …
        what: String,
    },
    /// It was changed since it was read.
    #[error("{what} was changed by somebody else since you read it; read it again")]
    Changed {
        /// What.
        what: String,
        /// Its revision now.
        revision: u64,
    },
    /// Nobody would be left who can manage users.
    #[error(
        "this would leave nobody with the role admin everywhere who can sign in; make another admin first"
    )]
    LastAdmin,
    /// The set-up link was used, replaced or never given.
    #[error(
        "this set-up link is used up or was replaced; the newest one is on the server's console"
    )]
    SetUpUsed,
    /// A bound was reached.
    #[error("{what}: {most} at most; remove some first")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        most: usize,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Most users.
pub const MOST_USERS: usize = 10_000;
/// Most tokens of one user that are not revoked or expired.
pub const MOST_TOKENS: usize = 100;
/// Most sessions of one user; the one unused for longest goes when one more is opened.
pub const MOST_SESSIONS: usize = 50;
/// Most registered fabrics.
pub const MOST_FABRICS: usize = 1_000;
/// Most notices kept per user; the oldest go.
pub const MOST_NOTICES: usize = 500;

/// SHA-256 of a session key or of a token, 64 hexadecimal digits. Its first 12 digits are its public id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(pub String);

impl Digest {
    /// The id by which people and the audit log name it.
    pub fn id(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Name.
    pub name: UserName,
    /// Whether they may sign in.
    pub enabled: bool,
    /// What they may do.
    pub rights: Rights,
    /// argon2id string; none: cannot sign in with a password (comes through OIDC).
    pub password: Option<String>,
    /// `issuer subject` of an OIDC identity, if they come from there.
    pub oidc: Option<String>,
    /// When made, Unix milliseconds.
    pub created_ms: i64,
    /// When last signed in, Unix milliseconds.
    pub seen_ms: Option<i64>,
    /// Grows with each change of the user, their rights or their password.
    pub revision: u64,
}

/// A user to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUser {
    /// Name.
    pub name: UserName,
    /// argon2id string.
    pub password: Option<String>,
    /// `issuer subject`.
    pub oidc: Option<String>,
    /// What they may do.
    pub rights: Rights,
}

/// A session of a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Digest of its key.
    pub digest: Digest,
    /// Whose.
    pub user: UserName,
    /// When opened, Unix milliseconds.
    pub created_ms: i64,
    /// When last used, Unix milliseconds.
    pub seen_ms: i64,
    /// When it ends at the latest, Unix milliseconds.
    pub expires_ms: i64,
    /// Address that it was opened from.
    pub from: Option<String>,
    /// What the browser said it is, cut to 200 characters.
    pub agent: Option<String>,
    /// What the session layer keeps in it, JSON of at most 16 KiB.
    pub data: String,
}

/// An API token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Digest of the token.
    pub digest: Digest,
    /// Whose.
    pub user: UserName,
    /// What its owner calls it.
    pub label: Label,
    /// The most that it may do; its owner's rights bound it further.
    pub scope: Rights,
    /// When made, Unix milliseconds.
    pub created_ms: i64,
    /// When it ends, Unix milliseconds.
    pub expires_ms: i64,
    /// When last used, Unix milliseconds, to the minute.
    pub used_ms: Option<i64>,
    /// When revoked, Unix milliseconds.
    pub revoked_ms: Option<i64>,
}

/// A registered fabric. What pages may see of it is `settings`; what nobody may see is `sealed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fabric {
    /// Name.
    pub id: FabricId,
    /// How it is connected (without credentials) and watched, JSON.
    pub settings: String,
    /// The credentials, sealed by the vault; none: it needs none.
    pub sealed: Option<Vec<u8>>,
    /// Whether it is watched.
    pub enabled: bool,
    /// When registered, Unix milliseconds.
    pub created_ms: i64,
    /// When last changed, Unix milliseconds.
    pub changed_ms: i64,
    /// Grows with each change and is never that of an earlier fabric of this name; the `ETag`.
    pub revision: u64,
}

/// A change of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Makes the first user, admin everywhere, against the set-up token.
    SetUp {
        /// Digest of the set-up token.
        token: Digest,
        /// The user.
        user: NewUser,
    },
    /// Makes a user.
    CreateUser(NewUser),
    /// Sets a password and ends all of the user's sessions but one.
    SetPassword {
        /// Whose.
        user: UserName,
        /// argon2id string.
        password: String,
        /// The session that stays.
        keep: Option<Digest>,
    },
    /// Lets somebody sign in or not; one who may not loses their sessions.
    SetEnabled {
        /// Who.
        user: UserName,
        /// Whether.
        enabled: bool,
    },
    /// Removes a user with their sessions, tokens and notices.
    DeleteUser(UserName),
    /// Replaces a user's rights.
    SetRights {
        /// Whose.
        user: UserName,
        /// What they may do from now on.
        rights: Rights,
        /// The revision that the change was made on; none: whatever it is.
        expected: Option<u64>,
    },
    /// An order about a user, if they are as they were read.
    OnRevision {
        /// Who.
        user: UserName,
        /// The revision that was read.
        revision: u64,
        /// What is done then.
        order: Box<Order>,
    },
    /// Ends a session.
    EndSession(Digest),
    /// Ends all sessions of a user, but one.
    EndSessions {
        /// Whose.
        user: UserName,
        /// The session that stays.
        keep: Option<Digest>,
    },
    /// Makes a token.
    CreateToken(Token),
    /// Revokes a token, by its public id or whole digest; only that of an owner, where one is named.
    RevokeToken {
        /// Id or digest.
        id: String,
        /// Whose it must be.
        owner: Option<UserName>,
    },
    /// Registers a fabric. Its revision and times are given by the directory.
    CreateFabric(Fabric),
    /// Changes a fabric. `sealed: None` keeps the credentials.
    ChangeFabric {
        /// Which.
        id: FabricId,
        /// The new settings; none: as they are.
        settings: Option<String>,
        /// The new credentials; none: as they are; some none: removed.
        sealed: Option<Option<Vec<u8>>>,
        /// Whether it is watched; none: as it is.
        enabled: Option<bool>,
        /// The revision that the change was made on.
        expected: Option<u64>,
    },
    /// Removes a fabric with the roles and token scopes that name it and all that was recorded of it. Who still
    /// records it loses its claim; call [`super::Store::forget`] once more when its tasks have ended.
    DeleteFabric {
        /// Which.
        id: FabricId,
        /// The revision that was seen.
        expected: Option<u64>,
    },
    /// Changes nothing: the deed is all there is to tell.
    Tell,
}

/// How often somebody failed to sign in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Failures {
    /// In a row.
    pub count: u32,
    /// The last one, Unix milliseconds.
    pub last_ms: i64,
}

/// Which entries of the audit log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Before this number; none: from the newest.
    pub before: Option<u64>,
    /// By this user.
    pub user: Option<String>,
    /// Of this act, by its word.
    pub act: Option<String>,
    /// On this fabric.
    pub fabric: Option<FabricId>,
    /// That ended so.
    pub outcome: Option<Outcome>,
    /// That hold this text anywhere, case-insensitive.
    pub text: Option<String>,
    /// From this time on, Unix milliseconds.
    pub since_ms: Option<i64>,
    /// Up to this time, Unix milliseconds.
    pub until_ms: Option<i64>,
    /// At most so many.
    pub limit: usize,
}

/// The end of the audit chain, sealed with the server's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// Number of the last entry.
    pub seq: u64,
    /// HMAC-SHA256 of its number and digest under a key that is not in the database, hexadecimal.
    pub mac: String,
    /// Which key of the ring.
    pub key: String,
}

/// Something addressed to one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Place in that person's list, growing.
    pub position: u64,
    /// When, Unix milliseconds.
    pub at_ms: i64,
    /// The CloudEvents envelope, JSON; its `id` is the position.
    pub text: String,
}

/// A person's list of notices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeList {
    /// Identity of the list.
    pub epoch: String,
    /// Position of the newest notice; 0 before the first.
    pub head: u64,
    /// Those that were asked for, oldest first.
    pub notices: Vec<Notice>,
}

/// What an order did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done {
    /// Number of the audit entry.
    pub seq: u64,
    /// Revision of what was changed, where it has one.
    pub revision: u64,
}

/// Makes the seal of the audit chain's end: `(seq, digest) -> (key id, mac)`. Given by the vault; without one
/// the end is not sealed.
pub type Sealer = dyn Fn(u64, &str) -> (String, String) + Send + Sync;

/// See the module. Every method is one transaction with a deadline of 5 s ([`Directory::copy_to`]: 30 min);
/// after an error nothing of it was done, unless the deadline passed while the disk was at it.
#[async_trait]
pub trait Directory: Send + Sync + fmt::Debug {
    /// Carries out an order and writes its deed, both or neither. The number of [`Self::generation`] grows.
    async fn order(&self, order: Order, deed: &Deed, now_ms: i64) -> Result<Done, OrderError>;

    /// Grows with every order that another process might have to notice (all but [`Order::Tell`]), with
    /// each session saved or ended, and with each notice. Cheap enough to be asked several times a second.
    async fn generation(&self) -> Result<u64, StoreError>;

    /// All users, by name.
    async fn users(&self) -> Result<Vec<User>, StoreError>;
    /// A user.
    async fn user(&self, name: &UserName) -> Result<Option<User>, StoreError>;
    /// The user with such an OIDC identity (`issuer subject`).
    async fn user_of_oidc(&self, identity: &str) -> Result<Option<User>, StoreError>;
    /// Whether there is any user at all.
    async fn has_users(&self) -> Result<bool, StoreError>;
    /// Replaces the set-up token by another.
    async fn set_up_token(&self, token: &Digest) -> Result<(), StoreError>;
    /// Whether this is the set-up token, and there is no user yet.
    async fn is_set_up_token(&self, token: &Digest) -> Result<bool, StoreError>;

    /// Opens a session or writes it anew; the owner's `seen_ms` moves when it is opened. `false`: nothing was
    /// kept, since the session was ended (it stays so, whoever still holds it) or its user may not sign in.
    async fn save_session(&self, session: &Session) -> Result<bool, StoreError>;
    /// A session with its user; expired ones too, until they are swept.
    async fn session(&self, digest: &Digest) -> Result<Option<(Session, User)>, StoreError>;
    /// Notes that a session is in use.
    async fn touch_session(&self, digest: &Digest, now_ms: i64) -> Result<(), StoreError>;
    /// Ends a session, where the session layer wants it.
    async fn end_session(&self, digest: &Digest) -> Result<(), StoreError>;
    /// Sessions of a user, or of all, the newest use first.
    async fn sessions(&self, user: Option<&UserName>) -> Result<Vec<Session>, StoreError>;

    /// A token with its owner; revoked and expired ones too.
    async fn token(&self, digest: &Digest) -> Result<Option<(Token, User)>, StoreError>;
    /// Notes that a token was used.
    async fn touch_token(&self, digest: &Digest, now_ms: i64) -> Result<(), StoreError>;
    /// Tokens of a user, or of all, the newest first.
    async fn tokens(&self, user: Option<&UserName>) -> Result<Vec<Token>, StoreError>;

    /// How often signing in failed under a key (`user/ann`, `from/192.0.2.1`).
    async fn failures(&self, key: &str) -> Result<Failures, StoreError>;
    /// Counts one failure more; a count older than `forget_after_ms` begins anew.
    async fn fail(
        &self,
        key: &str,
        now_ms: i64,
        forget_after_ms: i64,
    ) -> Result<Failures, StoreError>;
    /// Forgets failures.
    async fn forgive(&self, key: &str) -> Result<(), StoreError>;

    /// All registered fabrics, by name.
    async fn fabrics(&self) -> Result<Vec<Fabric>, StoreError>;
    /// A registered fabric.
    async fn fabric(&self, id: &FabricId) -> Result<Option<Fabric>, StoreError>;
    /// How much of a fabric would be lost with it: events, changes, bytes.
    async fn recorded(&self, id: &FabricId) -> Result<(u64, u64, u64), StoreError>;
    /// Puts sealed credentials in place of others, where they still are those (rotation of the key).
    async fn reseal(&self, id: &FabricId, old: &[u8], new: &[u8]) -> Result<bool, StoreError>;

    /// Entries of the audit log, newest first.
    async fn audit(&self, query: &AuditQuery) -> Result<Vec<Link>, StoreError>;
    /// Links of the chain after a number, oldest first, to be checked.
    async fn links(&self, after: u64, limit: usize) -> Result<Vec<Link>, StoreError>;
    /// The seal of the chain's end.
    async fn seal(&self) -> Result<Option<Seal>, StoreError>;

    /// Tells a person something: `make` gets the position and gives the envelope.
    async fn tell(
        &self,
        user: &UserName,
        now_ms: i64,
        make: &(dyn for<'a> Fn(u64) -> String + Send + Sync),
    ) -> Result<Notice, StoreError>;
    /// Notices of a person after a position, the newest `limit` of them, oldest first.
    async fn notices(
        &self,
        user: &UserName,
        after: u64,
        limit: usize,
    ) -> Result<NoticeList, StoreError>;

    /// Sweeps what has ended: sessions past their time, failures and tokens long over.
    async fn sweep(&self, now_ms: i64, idle_ms: i64) -> Result<(), StoreError>;

    /// A consistent copy of everything into a new file, while others write.
    async fn copy_to(&self, file: &std::path::Path) -> Result<(), StoreError>;

    /// Small facts about the house by name, for example the id of the key that seals: never a secret.
    async fn fact(&self, name: &str) -> Result<Option<String>, StoreError>;
    /// Sets such a fact.
    async fn set_fact(&self, name: &str, value: &str) -> Result<(), StoreError>;
}

/// Roles on fabrics as rows: for implementations that keep them so.
pub fn rows(rights: &Rights) -> BTreeMap<Option<FabricId>, Role> {
    let everywhere = rights.everywhere.map(|role| (None, role));
    let single = rights.fabrics.iter().map(|(fabric, role)| (Some(fabric.clone()), *role));
    everywhere.into_iter().chain(single).collect()
}
