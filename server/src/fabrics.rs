//! Fabrics as people manage them: registered ones with their credentials sealed, and those of the command line.
//!
//! Invariant: who does not see a fabric learns nothing of it here; credentials come in and never go out;
//! nothing waits for a cluster but a test.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domain::{
    access::{Action, Subject},
    connection::{AccessKind, AccessView, Credential},
    kind::Kind,
    state::{FabricState, KindWatch, WatchState},
    topic::{FabricId, Topic},
};
use engine::hub::Hub;
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub mod drafts;
pub mod examine;
pub mod input;
pub mod jobs;
pub mod register;
pub mod running;
pub mod settings;

use self::{
    drafts::Drafts,
    jobs::Jobs,
    register::{Entry, Register, RegisterError},
};
use crate::registrar::caller::Caller;

/// Longest wait until a fabric that was just registered runs.
const APPEARS: Duration = Duration::from_secs(3);

/// A fabric that was given on the command line.
#[derive(Debug, Clone)]
pub struct Given {
    /// How it is reached.
    pub target: engine::cluster::kubeconfig::Target,
}

/// Where a fabric comes from.
#[derive(Debug, Clone)]
pub enum Origin {
    /// People registered it.
    Registered(Box<Entry>),
    /// It was given on the command line.
    Given(Given),
}

/// A fabric and what is known of it now.
#[derive(Debug, Clone)]
pub struct Sight {
    /// Its name.
    pub id: FabricId,
    /// Where it comes from.
    pub origin: Origin,
    /// Its connectivity; none: it is being started.
    pub state: Option<FabricState>,
    /// Kinds whose watch is live.
    pub live: usize,
    /// Kinds that are to be live: neither switched off nor company that the cluster does not serve.
    pub kinds: usize,
}

impl Sight {
    /// Whether it is watched.
    pub fn enabled(&self) -> bool {
        match &self.origin {
            Origin::Registered(entry) => entry.fabric.enabled,
            Origin::Given(_) => true,
        }
    }

    /// How it is reached, without credentials.
    pub fn access(&self) -> AccessView {
        match &self.origin {
            Origin::Registered(entry) => entry.settings.access.clone(),
            Origin::Given(given) => AccessView {
                kind: AccessKind::CommandLine,
                server: Some(given.target.server.clone()),
                context: Some(given.target.context.clone()),
                contexts: Vec::new(),
                namespace: Some(given.target.namespace.clone()),
                credential: Credential::None,
                authorities: Vec::new(),
                tls_server_name: None,
                verified: true,
                problem: None,
            },
        }
    }
}

/// See the module; cheap to clone.
#[derive(Debug, Clone)]
pub struct Fabrics {
    /// What people registered.
    pub register: Register,
    /// Tests under way.
    pub jobs: Jobs,
    /// Forms that are being filled in.
    pub drafts: Drafts,
    given: Arc<BTreeMap<FabricId, Given>>,
    hub: Arc<Hub>,
    tracker: TaskTracker,
    cancel: CancellationToken,
}

impl Fabrics {
    /// The fabrics of a process.
    pub fn new(
        register: Register,
        hub: Arc<Hub>,
        tracker: TaskTracker,
        cancel: CancellationToken,
    ) -> Self {
        let given = Arc::default();
        let (jobs, drafts) = (Jobs::default(), Drafts::default());
        Self { register, jobs, drafts, given, hub, tracker, cancel }
    }

    /// With the fabrics of the command line; their names are taken.
    #[must_use]
    pub fn giving(self, given: BTreeMap<FabricId, Given>) -> Self {
        let register = self.register.giving(given.keys().cloned().collect());
        Self { register, given: Arc::new(given), ..self }
    }

    /// Waits until a fabric that was just registered is there, or some seconds: whoever goes to its page next
    /// should find it.
    pub async fn appeared(&self, id: &FabricId) {
        let mut changes = self.hub.set_changes();
        let topic = Topic::State(id.clone());
        let there =
            async { while self.hub.keyed(&topic).is_none() && changes.changed().await.is_ok() {} };
        if timeout(APPEARS, there).await.is_err() {
            tracing::warn!(fabric = %id, "it was registered but is not running yet");
        }
    }

    /// All fabrics that somebody sees, by name.
    pub async fn all(&self, caller: &Caller) -> Result<Vec<Sight>, RegisterError> {
        let registered = self.register.all().await?.into_iter();
        let registered = registered
            .filter(|entry| !self.given.contains_key(&entry.fabric.id))
            .map(|entry| (entry.fabric.id.clone(), Origin::Registered(Box::new(entry))));
        let given = self.given.iter().map(|(id, given)| (id.clone(), Origin::Given(given.clone())));
        let all: BTreeMap<FabricId, Origin> = registered.chain(given).collect();
        let seen = all.into_iter().filter(|(id, _)| caller.who.sees(id));
        Ok(seen.map(|(id, origin)| self.sight(id, origin)).collect())
    }

    /// A fabric, if there is such a one for who asks.
    pub async fn one(&self, caller: &Caller, id: &FabricId) -> Result<Sight, RegisterError> {
        if !caller.who.sees(id) {
            return Err(RegisterError::Missing(id.clone()));
        }
        let origin = match self.given.get(id) {
            Some(given) => Origin::Given(given.clone()),
            None => Origin::Registered(Box::new(self.register.one(id).await?)),
        };
        Ok(self.sight(id.clone(), origin))
    }

    /// Whether somebody may know how a fabric is connected.
    pub fn may_read(caller: &Caller, id: &FabricId) -> bool {
        caller.who.may(Action::ReadConnection, Subject::Fabric(id))
    }

    fn sight(&self, id: FabricId, origin: Origin) -> Sight {
        let Some(topic) = self.hub.keyed(&Topic::State(id.clone())) else {
            return Sight { id, origin, state: None, live: 0, kinds: 0 };
        };
        let (state, watches) = topic.read(|log| {
            let read = |key: &str| log.get(key).map(|entry| Arc::clone(&entry.value.row));
            let watches = Kind::ALL.iter().filter_map(|kind| {
                let watch: KindWatch =
                    serde_json::from_str(&read(&format!("watch/{kind}"))?).ok()?;
                Some((*kind, watch.state))
            });
            let state = read("connectivity")
                .and_then(|text| serde_json::from_str::<FabricState>(&text).ok());
            (state, watches.collect::<Vec<_>>())
        });
        let live = watches.iter().filter(|(_, state)| *state == WatchState::Live).count();
        let meant = |(kind, state): &&(Kind, WatchState)| match state {
            WatchState::Paused => false,
            WatchState::Missing => kind.is_primary(),
            _ => true,
        };
        let kinds = watches.iter().filter(meant).count();
        Sight { id, origin, state, live, kinds }
    }
}
