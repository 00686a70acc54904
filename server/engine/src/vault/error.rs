//! Why the vault did not do what was asked.
//!
//! Invariant: no key and no secret is in a message.

use std::{io, path::PathBuf};

use crate::store::{StoreError, directory::OrderError};

/// Why the vault did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The key file cannot be read.
    #[error("could not read the key file {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The key file cannot be written.
    #[error("could not write the key file {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Others may read the key file.
    #[error(
        "the key file {path} may be read by others (mode {mode:o}); make it the owner's alone: chmod 600 {path}"
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It is gone.
    #[error(
        "the key file {path} is not there, but the database holds secrets sealed with key {id}; put the file back, or restore a backup without its key (`hnp restore` says how)"
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// The key that sealed.
        id: String,
    },
    /// It holds no key.
    #[error(
        "line {line} of the key file {path} is no key: each is `hnp1:` and 64 hexadecimal digits; put the right file back"
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Which line.
        line: usize,
    },
    /// It holds no key at all.
    #[error("the key file {path} holds no key; put the right file back")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The key from the environment is none.
    #[error(
        "the secret key from the environment is no key: it is 32 bytes as 64 hexadecimal digits or as base64, for example from `openssl rand -hex 32`; several are parted by commas, the newest first"
    )]
    Value,
    /// Sealed with a key that is not in the ring.
    #[error(
        "secrets are sealed with key {id}, which is not in {place}; put that key back, behind the newest"
    )]
    Unknown {
        /// The key.
        id: String,
        /// Where keys come from.
        place: String,
    },
    /// The key was lost.
    #[error("the credentials of {what} were lost with their key; enter them again")]
    Lost {
        /// Of what, `fabric/prod`.
        what: String,
    },
    /// It was changed, or is the secret of something else.
    #[error(
        "the credentials of {what} do not open: they were damaged or changed in the database; enter them again"
    )]
    Spoilt {
        /// Of what, `fabric/prod`.
        what: String,
    },
    /// Too long a secret.
    #[error("the secret is too long to be sealed")]
    TooLong,
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random,
    /// A key from the environment cannot be changed from here.
    #[error(
        "the key comes from the environment, where this command cannot change it; put a new one before it (`HNP_SECRET_KEY=new,old`, a new one is made by `openssl rand -hex 32`), start the server with both, and run this again"
    )]
    Environment,
    /// The audit log is not sealed with the new key.
    #[error("the audit log was not sealed with the new key; the old one stays in the ring")]
    Unsealed,
    /// Secrets go on being sealed with the old key.
    #[error("another process goes on sealing with the old key; end it, and run this again")]
    Restless,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database did not take the deed.
    #[error(transparent)]
    Order(#[from] OrderError),
}
