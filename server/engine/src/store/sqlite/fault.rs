//! Why a call failed, before it is known what the call was; SQLite's codes as errors of the seam.
//!
//! Invariant: no code of SQLite is shown to anyone without what to do about it, where anything can be done.

use domain::topic::FabricId;

use super::super::StoreError;

/// Why a call failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// The database said so.
    Sql(sqlx::Error),
    /// The claim is not the present one.
    Lost(FabricId),
    /// What was read makes no sense.
    Nonsense(String),
    /// What was asked cannot be done.
    Impossible(String),
    /// Not done in time.
    Slow,
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl Fault {
    /// Something that should be there in what was read is not.
    pub(super) fn nonsense(what: &str, value: impl std::fmt::Display) -> Self {
        Self::Nonsense(format!("{what}: {value}"))
    }

    /// The error of the seam.
    pub(super) fn told(self, what: &'static str) -> StoreError {
        match self {
            Self::Lost(fabric) => StoreError::LeaseLost { fabric },
            Self::Nonsense(message) => StoreError::Damaged { what, message },
            Self::Impossible(message) => StoreError::Failed { what, message },
            Self::Slow => StoreError::Failed {
                what,
                message: format!(
                    "it took longer than {} s; is the disk slow or the machine overloaded?",
                    super::CALL.as_secs()
                ),
            },
            Self::Sql(error) => sql(what, &error),
        }
    }

    /// SQLite's primary result code, if the database said something; 0 if not.
    pub(super) fn code(&self) -> i32 {
        match self {
            Self::Sql(error) => code(error),
            _ => 0,
        }
    }
}

/// The primary result code of SQLite; 0 if it is no error of SQLite.
fn code(error: &sqlx::Error) -> i32 {
    extended(error) & 0xff
}

fn extended(error: &sqlx::Error) -> i32 {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.and_then(|code| code.parse().ok()).unwrap_or_default()
}

/// `SQLITE_BUSY`: another process has the lock.
pub(super) const BUSY: i32 = 5;
/// `SQLITE_LOCKED`: another connection of this process has it.
const LOCKED: i32 = 6;
/// `SQLITE_READONLY`.
pub(super) const READ_ONLY: i32 = 8;
/// `SQLITE_CORRUPT`.
const CORRUPT: i32 = 11;
/// `SQLITE_FULL`.
const FULL: i32 = 13;
/// `SQLITE_CANTOPEN`.
const CANNOT_OPEN: i32 = 14;
/// `SQLITE_NOTADB`.
pub(super) const NO_DATABASE: i32 = 26;
/// `SQLITE_READONLY_DBMOVED`: the file is no longer where it was.
const MOVED: i32 = 1032;

fn sql(what: &'static str, error: &sqlx::Error) -> StoreError {
    let message = match error {
        sqlx::Error::Database(said) => said.message().to_owned(),
        sqlx::Error::PoolTimedOut => "all connections are busy".to_owned(),
        sqlx::Error::PoolClosed => "the database was closed".to_owned(),
        other => other.to_string(),
    };
    if extended(error) == MOVED {
        let message = "the file was moved or removed while it was in use; start again".to_owned();
        return StoreError::Failed { what, message };
    }
    match code(error) {
        BUSY | LOCKED => StoreError::Locked { what },
        READ_ONLY => StoreError::ReadOnly { what },
        FULL => StoreError::Full { what },
        CORRUPT | NO_DATABASE => StoreError::Damaged { what, message },
        CANNOT_OPEN => StoreError::Failed {
            what,
            message: format!("{message}; is the folder still there, and may it be written?"),
        },
        _ => StoreError::Failed { what, message },
    }
}

/// A number as SQLite holds it.
pub(super) fn signed(number: u64) -> Result<i64, Fault> {
    i64::try_from(number).map_err(|_| Fault::Impossible(format!("{number} is too large a number")))
}

/// A number that was written by [`signed`].
pub(super) fn unsigned(number: i64) -> Result<u64, Fault> {
    u64::try_from(number).map_err(|_| Fault::nonsense("a number is negative", number))
}

/// A length as SQLite holds it, cut to what it can hold.
pub(super) fn length(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
