//! The register: fabrics that people made, changed and removed, with their credentials sealed.
//!
//! The HTTP API, the pages and the command line do all of it here, so that the same thing is refused, sealed
//! and written into the audit log wherever it is asked for. Whether it may be asked for is said elsewhere
//! (`domain::access`).
//!
//! Invariant: a credential is in nothing that is given out but [`Register::access`]; no cluster is asked.

use std::{collections::BTreeSet, sync::Arc};

use domain::{
    account::{Label, UserName},
    audit::{Act, Deed, Doer},
    connection::{Access, Secret, WatchPlan},
    topic::FabricId,
};
use engine::{
    cluster::{access, kubeconfig::Permissions},
    store::{
        EventQuery, Store, StoreError,
        directory::{Done, Fabric, Order, OrderError},
    },
    vault::{Vault, VaultError},
};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{input::Complaint, settings::Settings};
use crate::registrar::Registrar;

/// Why the register did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// What was entered is wrong.
    #[error("{}", sentences(.0))]
    Wrong(Vec<Complaint>),
    /// There is no such fabric.
    #[error("there is no fabric {0}; `hnp fabric list` and the overview name those there are")]
    Missing(FabricId),
    /// It is not ours to change.
    #[error(
        "fabric {0} was given on the command line of the server; change it there, or register a fabric under another name"
    )]
    Given(FabricId),
    /// The order was not carried out.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// Credentials could not be sealed or unsealed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl From<StoreError> for RegisterError {
    fn from(error: StoreError) -> Self {
        Self::Order(error.into())
    }
}

fn sentences(complaints: &[Complaint]) -> String {
    let all = complaints.iter().map(|found| format!("{}: {}", found.field, found.sentence()));
    all.collect::<Vec<_>>().join("; ")
}

/// A registered fabric, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// As the directory keeps it.
    pub fabric: Fabric,
    /// Its settings.
    pub settings: Settings,
}

impl From<Fabric> for Entry {
    fn from(fabric: Fabric) -> Self {
        let settings = Settings::of(&fabric);
        Self { fabric, settings }
    }
}

/// A fabric to be registered.
#[derive(Debug)]
pub struct New {
    /// Name.
    pub id: FabricId,
    /// How it is reached.
    pub access: Access,
    /// What is watched.
    pub watch: WatchPlan,
    /// Whether it is watched at all.
    pub enabled: bool,
}

/// What is to be changed; none: as it is.
#[derive(Debug, Default)]
pub struct Change {
    /// How it is reached.
    pub access: Option<Access>,
    /// What is watched.
    pub watch: Option<WatchPlan>,
    /// Whether it is watched at all.
    pub enabled: Option<bool>,
}

/// What goes with a fabric that is removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lost {
    /// Recorded events.
    pub events: u64,
    /// Recorded changes of objects.
    pub changes: u64,
    /// Bytes of both.
    pub bytes: u64,
    /// Time of the oldest event, Unix milliseconds.
    pub since_ms: Option<i64>,
    /// Users with a role on it.
    pub users: Vec<UserName>,
    /// Tokens whose scope names it: owner and label.
    pub tokens: Vec<(UserName, Label)>,
}

/// See the module; cheap to clone.
#[derive(Debug, Clone)]
pub struct Register {
    registrar: Registrar,
    records: Arc<dyn Store>,
    vault: Arc<Vault>,
    permissions: Permissions,
    /// Whether delivery lag is measured by writing a Lease.
    canary: bool,
    given: Arc<BTreeSet<FabricId>>,
    /// Counts orders of this process: whoever runs fabrics looks at once.
    stirred: watch::Sender<u64>,
}

impl Register {
    /// A register.
    pub fn new(
        registrar: Registrar,
        records: Arc<dyn Store>,
        vault: Arc<Vault>,
        permissions: Permissions,
    ) -> Self {
        let given = Arc::default();
        let stirred = watch::Sender::new(0);
        Self { registrar, records, vault, permissions, canary: false, given, stirred }
    }

    /// The same where delivery lag is measured, or not: it takes rights on a Lease.
    #[must_use]
    pub fn measuring(self, canary: bool) -> Self {
        Self { canary, ..self }
    }

    /// Whether delivery lag is measured.
    pub(super) fn measures(&self) -> bool {
        self.canary
    }

    /// With the names of the command line's fabrics taken.
    #[must_use]
    pub(super) fn giving(self, given: BTreeSet<FabricId>) -> Self {
        Self { given: Arc::new(given), ..self }
    }

    /// What kubeconfigs may ask of this machine.
    pub fn permissions(&self) -> Permissions {
        self.permissions
    }

    /// Who is who.
    pub fn registrar(&self) -> &Registrar {
        &self.registrar
    }

    /// Where fabrics are recorded.
    pub fn records(&self) -> &Arc<dyn Store> {
        &self.records
    }

    /// Whether a fabric was given on the command line.
    pub fn is_given(&self, id: &FabricId) -> bool {
        self.given.contains(id)
    }

    /// Wakes after each order of this process.
    pub(super) fn orders(&self) -> watch::Receiver<u64> {
        self.stirred.subscribe()
    }

    /// All registered fabrics, by name.
    pub async fn all(&self) -> Result<Vec<Entry>, RegisterError> {
        let fabrics = self.registrar.directory().fabrics().await?;
        Ok(fabrics.into_iter().map(Entry::from).collect())
    }

    /// A registered fabric.
    pub async fn one(&self, id: &FabricId) -> Result<Entry, RegisterError> {
        let found = self.registrar.directory().fabric(id).await?;
        match found {
            Some(fabric) => Ok(fabric.into()),
            None if self.is_given(id) => Err(RegisterError::Given(id.clone())),
            None => Err(RegisterError::Missing(id.clone())),
        }
    }

    /// Registers a fabric.
    pub async fn create(&self, new: New, who: Doer) -> Result<Entry, RegisterError> {
        let New { id, access, watch, enabled } = new;
        if self.is_given(&id) {
            return Err(RegisterError::Given(id));
        }
        let view = access::view(&access, self.permissions);
        let settings = Settings { access: view, watch };
        let fabric = Fabric {
            id: id.clone(),
            settings: settings.text(),
            sealed: Some(self.seal(&id, &access)?),
            enabled,
            created_ms: 0,
            changed_ms: 0,
            revision: 0,
        };
        let deed = Deed::done(who, Act::FabricCreate, format!("fabric/{id}"))
            .on_fabric(&id)
            .changing(None, Some(told(&settings, enabled)));
        self.order(Order::CreateFabric(fabric), &deed).await?;
        self.one(&id).await
    }

    /// Changes a fabric.
    pub async fn change(
        &self,
        id: &FabricId,
        change: Change,
        expected: Option<u64>,
        who: Doer,
    ) -> Result<Entry, RegisterError> {
        let Entry { fabric, settings: before } = self.one(id).await?;
        let mut after = before.clone();
        if let Some(access) = &change.access {
            after.access = access::view(access, self.permissions);
        }
        if let Some(watch) = change.watch {
            after.watch = watch;
        }
        let sealed = change.access.as_ref().map(|access| self.seal(id, access)).transpose()?;
        let enabled = change.enabled.unwrap_or(fabric.enabled);
        let switched = (enabled != fabric.enabled).then_some(enabled);
        let (act, evidence) = called(switched, after != before, sealed.is_some());
        let mut deed = Deed::done(who, act, format!("fabric/{id}"))
            .on_fabric(id)
            .changing(Some(told(&before, fabric.enabled)), Some(told(&after, enabled)));
        if !evidence.is_empty() {
            deed = deed.because(evidence);
        }
        let order = Order::ChangeFabric {
            id: id.clone(),
            settings: (after != before).then(|| after.text()),
            sealed: sealed.map(Some),
            enabled: change.enabled,
            // What was read above is what is changed, whoever else is at it.
            expected: Some(expected.unwrap_or(fabric.revision)),
        };
        self.order(order, &deed).await?;
        self.one(id).await
    }

    /// Removes a fabric with all that was recorded of it; gives what that was.
    pub async fn remove(
        &self,
        id: &FabricId,
        expected: Option<u64>,
        who: Doer,
    ) -> Result<Lost, RegisterError> {
        let Entry { fabric, settings } = self.one(id).await?;
        let lost = self.lost(id).await?;
        let evidence = format!(
            "{} events and {} changes were lost; roles of {} users and scopes of {} tokens named it",
            lost.events,
            lost.changes,
            lost.users.len(),
            lost.tokens.len()
        );
        let deed = Deed::done(who, Act::FabricDelete, format!("fabric/{id}"))
            .on_fabric(id)
            .changing(Some(told(&settings, fabric.enabled)), None)
            .because(evidence);
        self.order(Order::DeleteFabric { id: id.clone(), expected }, &deed).await?;
        Ok(lost)
    }

    /// What would be lost with a fabric.
    pub async fn lost(&self, id: &FabricId) -> Result<Lost, RegisterError> {
        let directory = self.registrar.directory();
        let (events, changes, bytes) = directory.recorded(id).await?;
        let oldest = EventQuery { limit: 1, ..EventQuery::default() };
        let oldest = self.records.events(id, &oldest).await?;
        let users = directory.users().await?.into_iter();
        let tokens = directory.tokens(None).await?.into_iter();
        Ok(Lost {
            events,
            changes,
            bytes,
            since_ms: oldest.first().map(|event| event.at_ms),
            users: users
                .filter(|user| user.rights.fabrics.contains_key(id))
                .map(|user| user.name)
                .collect(),
            tokens: tokens
                .filter(|token| token.revoked_ms.is_none() && token.scope.fabrics.contains_key(id))
                .map(|token| (token.user, token.label))
                .collect(),
        })
    }

    /// How a fabric is reached, credentials included: for those who connect, not for those who show it.
    pub fn access(&self, fabric: &Fabric) -> Result<Access, String> {
        let Some(sealed) = &fabric.sealed else {
            return Err("this fabric has no credentials; enter its connection again".to_owned());
        };
        let opened = self.vault.unseal(&what(&fabric.id), sealed);
        let opened = opened.map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&opened);
        Access::from_sealable(&Secret::new(text)).map_err(|error| error.to_string())
    }

    /// Writes down that a connection was examined.
    pub(super) async fn examined(&self, on: Option<&FabricId>, who: Doer, found: &str) {
        let subject = on.map_or_else(|| "fabric/?".to_owned(), |id| format!("fabric/{id}"));
        let deed = Deed::done(who, Act::FabricTest, subject).because(found);
        let deed = match on {
            Some(id) => deed.on_fabric(id),
            None => deed,
        };
        self.registrar.tell(&deed).await;
    }

    fn seal(&self, id: &FabricId, access: &Access) -> Result<Vec<u8>, VaultError> {
        self.vault.seal(&what(id), access.to_sealable().expose().as_bytes())
    }

    async fn order(&self, order: Order, deed: &Deed) -> Result<Done, OrderError> {
        let done = self.registrar.order(order, deed).await?;
        self.stirred.send_modify(|count| *count += 1);
        Ok(done)
    }
}

/// What a change is called in the audit log, by what it changes and not by how it was asked for, and what the
/// name of it does not say.
fn called(switched: Option<bool>, settings: bool, credentials: bool) -> (Act, String) {
    let act = match (switched, settings || credentials) {
        (Some(true), false) => Act::FabricEnable,
        (Some(false), false) => Act::FabricDisable,
        _ => Act::FabricEdit,
    };
    let switched = switched.filter(|_| act == Act::FabricEdit);
    let switched = switched.map(|on| if on { "it was switched on" } else { "it was switched off" });
    let credentials = credentials.then_some("its credentials were replaced");
    let evidence: Vec<&str> = switched.into_iter().chain(credentials).collect();
    (act, evidence.join("; "))
}

/// What credentials are sealed as: moved to another fabric they do not open.
fn what(id: &FabricId) -> String {
    format!("fabric/{id}")
}

/// A fabric as the audit log tells it.
fn told(settings: &Settings, enabled: bool) -> Value {
    let mut told = settings.told();
    if let Some(map) = told.as_object_mut() {
        map.insert("enabled".to_owned(), json!(enabled));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_called_what_it_does() {
        for (switched, settings, credentials, act, evidence) in [
            (Some(false), false, false, Act::FabricDisable, ""),
            (Some(true), false, false, Act::FabricEnable, ""),
            (None, false, false, Act::FabricEdit, ""),
            (None, true, false, Act::FabricEdit, ""),
            (Some(true), true, false, Act::FabricEdit, "it was switched on"),
            (None, false, true, Act::FabricEdit, "its credentials were replaced"),
            (
                Some(false),
                true,
                true,
                Act::FabricEdit,
                "it was switched off; its credentials were replaced",
            ),
        ] {
            assert_eq!(called(switched, settings, credentials), (act, evidence.to_owned()));
        }
    }
}
