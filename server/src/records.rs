//! Where records are kept: opened from the configuration, looked after while the process runs.
//!
//! Invariant: nothing is recorded anywhere but where the configuration says.

use std::{sync::Arc, time::Duration};

use domain::topic::FabricId;
use engine::{
    clock::now_ms,
    store::{
        EventQuery, Retention, Store, StoreError, StoredEvent, directory::Directory,
        sqlite::SqliteStore,
    },
    vault::{KeySource, Vault, VaultError},
};
use tokio::{
    runtime::Handle,
    time::{MissedTickBehavior, interval},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    cli::Failure,
    config::{self, Config},
    registrar::Terms,
};

/// How often checkpoints are made and what is too old or too much is let go.
const UPKEEP: Duration = Duration::from_mins(1);

/// What is kept in one database: records of fabrics, and the directory.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Records.
    pub store: Arc<dyn Store>,
    /// Users, fabrics, audit.
    pub directory: Arc<dyn Directory>,
    /// Seals what is secret in it.
    pub vault: Arc<Vault>,
}

impl Kept {
    /// What is kept in a database, with its keys.
    pub async fn unlock(database: SqliteStore, keys: KeySource) -> Result<Self, VaultError> {
        let vault = Vault::unlock(&database, keys).await?;
        let database = database.sealing(vault.sealer());
        Ok(Self { store: Arc::new(database.clone()), directory: Arc::new(database), vault })
    }
}

/// Records as pages read them: on the runtime of the process, wherever the page itself is written.
///
/// A page's own runtime ends with the page, and with it whatever a connection to the database had still to do
/// when it was given back: each page would cost a connection.
#[derive(Debug, Clone)]
pub struct Archive {
    /// Records.
    pub store: Arc<dyn Store>,
    /// The runtime of the process.
    pub home: Handle,
    /// Parent of what is under way.
    pub tracker: TaskTracker,
}

impl Archive {
    /// See [`Store::events`].
    pub async fn events(
        &self,
        fabric: &FabricId,
        query: EventQuery,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let (store, fabric) = (Arc::clone(&self.store), fabric.clone());
        let reading = async move { store.events(&fabric, &query).await };
        let read = self.tracker.spawn_on(reading, &self.home).await;
        let what = "read events for a page";
        read.unwrap_or_else(|error| Err(StoreError::Failed { what, message: error.to_string() }))
    }
}

/// Opens the database that the configuration names.
pub async fn open(config: &Config) -> Result<Kept, Failure> {
    let database = SqliteStore::open(&place(config)).await.map_err(failure)?;
    Kept::unlock(database, keys(config)).await.map_err(locked)
}

/// Where keys come from, as the vault takes it.
pub fn keys(config: &Config) -> KeySource {
    match &config.key {
        config::KeySource::File(path) => KeySource::File(path.clone()),
        config::KeySource::Value(value) => KeySource::Value(value.reveal().to_owned().into()),
    }
}

/// Why a vault could not be opened, as the command line says it.
pub fn locked(error: VaultError) -> Failure {
    let advice = match &error {
        VaultError::Exposed { .. } => "chmod 600 the key file",
        VaultError::Missing { .. } | VaultError::Unknown { .. } => {
            "put the key file back, or name it by `secret_key_file`"
        }
        VaultError::Value => "mend HNP_SECRET_KEY, or unset it",
        VaultError::Environment => "set HNP_SECRET_KEY=new,old and run it again",
        _ => "mend what the error names",
    };
    Failure::new(anyhow::Error::new(error).context("the house's keys cannot be used"), advice)
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
        let failure = open(&with("postgres://hnp:secret@db/hnp")).await.unwrap_err();
        let error = format!("{:#}", failure.error);
        assert!(error.contains("sqlite") && !error.contains("secret"), "{error}");
    }
}
