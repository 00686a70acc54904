//! Where records are kept: opened from the configuration, looked after while the process runs.
//!
//! Invariant: nothing is recorded anywhere but where the configuration says.

use std::{sync::Arc, time::Duration};

use engine::{
    clock::now_ms,
    store::{Retention, Store, StoreError, directory::Directory, sqlite::SqliteStore},
};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{cli::Failure, config::Config, registrar::Terms};

/// How often checkpoints are made and what is too old or too much is let go.
const UPKEEP: Duration = Duration::from_mins(1);

/// What is kept in one database: records of fabrics, and the directory.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Records.
    pub store: Arc<dyn Store>,
    /// Users, fabrics, audit.
    pub directory: Arc<dyn Directory>,
}

impl From<SqliteStore> for Kept {
    fn from(database: SqliteStore) -> Self {
        Self { store: Arc::new(database.clone()), directory: Arc::new(database) }
    }
}

/// Opens the database that the configuration names.
pub async fn open(config: &Config) -> Result<Kept, StoreError> {
    Ok(SqliteStore::open(&place(config)).await?.into())
}

/// Why records could not be opened, as the command line says it.
pub fn failure(error: StoreError) -> Failure {
    match error {
        StoreError::Open { place, message } => Failure::new(
            anyhow::Error::msg(message).context(format!("could not open the database {place}")),
            "mend what the cause names, or choose another `database_url` or `--data-dir`",
        ),
        other => Failure::new(
            other,
            "restore a backup, or choose another `database_url` or `--data-dir`",
        ),
    }
}

/// Where they lie.
pub fn place(config: &Config) -> String {
    let usual = || config.data_dir.join("hnp.db").display().to_string();
    config.database_url.clone().unwrap_or_else(usual)
}

/// Looks after the records until the process ends, then closes them.
pub async fn look_after(
    kept: Kept,
    retention: Retention,
    terms: Terms,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let mut due = interval(UPKEEP);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = cancel.cancelled() => return Ok(()),
            _ = due.tick() => {}
        }
        if let Err(error) = kept.directory.sweep(now_ms(), terms.idle_ms).await {
            tracing::warn!(%error, "ended sessions could not be swept");
        }
        match kept.store.upkeep(retention, now_ms()).await {
            Ok(done) => tracing::debug!(?done, "records looked after"),
            Err(error) => tracing::warn!(%error, "records could not be looked after"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flags, load};

    fn with(url: &'static str) -> Config {
        let env = move |name: &str| (name == "HNP_DATABASE_URL").then(|| url.to_owned());
        load(&Flags::default(), env).unwrap().0
    }

    #[test]
    fn records_lie_in_the_data_folder_unless_an_address_says_where() {
        assert_eq!(place(&with("")), "./data/hnp.db");
        assert_eq!(place(&with("sqlite://data/x.db")), "sqlite://data/x.db");
    }

    #[tokio::test]
    async fn an_address_that_cannot_be_opened_is_refused_without_its_password() {
        let error = open(&with("postgres://hnp:secret@db/hnp")).await.unwrap_err().to_string();
        assert!(error.contains("sqlite") && !error.contains("secret"), "{error}");
    }
}
