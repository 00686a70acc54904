//! The house as commands open it that work beside a server, or without one: database, vault, and who acts.
//!
//! Invariant: a command that reads or changes a house never makes one.

use std::{path::PathBuf, sync::Arc};

use clap::Args as ClapArgs;
use domain::{
    access::Means,
    audit::{Act, Deed, Doer},
};
use engine::{
    store::{Store as _, sqlite::SqliteStore},
    vault::Vault,
};

use super::{Failure, configure};
use crate::{
    config::{Config, Flags},
    records,
};

/// Where the house is.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Place {
    /// Where data lies
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
}

impl Place {
    /// The configuration of the house.
    pub(super) fn config(&self, file: Option<PathBuf>) -> Result<Config, Failure> {
        let flags = Flags { file, data_dir: self.data_dir.clone(), ..Flags::default() };
        Ok(configure(&flags)?.0)
    }
}

/// A house that is there.
pub(super) struct Opened {
    /// Its database, sealing its audit log.
    pub(super) database: SqliteStore,
    /// Its keys.
    pub(super) vault: Arc<Vault>,
}

impl Opened {
    /// Closes its files, so that all of the database is in one where nobody else uses it.
    pub(super) async fn close(self) {
        self.database.close().await;
    }
}

/// Opens a house.
pub(super) async fn open(config: &Config) -> Result<Opened, Failure> {
    let place = records::place(config);
    let file = SqliteStore::file_of(&place).map_err(records::failure)?;
    let Some(file) = file.filter(|file| file.exists()) else {
        let error = anyhow::anyhow!("there is no file {place}");
        let error = error.context("there is no database to work on");
        return Err(Failure::new(error, "name the right `--data-dir`, or start `hnp serve` once"));
    };
    let place = file.display().to_string();
    let database = SqliteStore::open(&place).await.map_err(records::failure)?;
    let vault = Vault::unlock(&database, records::keys(config)).await.map_err(records::locked)?;
    Ok(Opened { database: database.sealing(vault.sealer()), vault })
}

/// What somebody does at this machine's command line.
pub(super) fn deed(act: Act, on: impl Into<String>) -> Deed {
    let who = Doer { user: None, means: Means::Console, credential: None, from: None };
    Deed::done(who, act, on)
}
