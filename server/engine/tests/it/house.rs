//! A fabric under test: an engine on some cluster, and ways to wait for what it should come to know.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use domain::{
    kind::Kind,
    state::{FabricState, KindCount, KindWatch, Lag, RecordState, WatchState},
    topic::{FabricId, Topic},
};
use engine::{
    cluster::kubeconfig,
    fabric,
    hub::{Hub, keyed::KeyedTopic},
    recorder::{self, clerk::Pace},
    store::Store,
};
use serde_json::{Value, json};
use sim::{Cluster, ContextEntry, Fault, Options};
use tokio::{net::TcpListener, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Longest wait for anything: a loaded machine is no failure.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// An engine on a cluster.
pub(crate) struct Watched {
    pub(crate) hub: Arc<Hub>,
    pub(crate) fabric: FabricId,
    running: Option<fabric::Running>,
    cancel: CancellationToken,
    tasks: TaskTracker,
}

impl Watched {
    pub(crate) async fn new(kubeconfig: &Path) -> Self {
        Self::start(kubeconfig, None, false).await
    }

    async fn start(kubeconfig: &Path, records: Option<recorder::Opened>, canary: bool) -> Self {
        let target = kubeconfig::target(kubeconfig, None).await.unwrap();
        let fabric: FabricId = "test".parse().unwrap();
        let plan = fabric::Plan { records, canary, ..fabric::Plan::new(fabric, target) };
        Self::begin(plan)
    }

    /// Whatever the plan says.
    pub(crate) fn begin(plan: fabric::Plan) -> Self {
        let (hub, cancel, tasks) =
            (Arc::new(Hub::new()), CancellationToken::new(), TaskTracker::new());
        let fabric = plan.id.clone();
        let running = Some(fabric::start(plan, &hub, "process", &tasks, &cancel));
        Self { hub, fabric, running, cancel, tasks }
    }

    /// Stops it and starts another one of the same name in the same house.
    pub(crate) async fn replace(&mut self, plan: fabric::Plan) {
        self.stop().await;
        self.fabric = plan.id.clone();
        self.running = Some(fabric::start(plan, &self.hub, "process", &self.tasks, &self.cancel));
    }

    /// Stops it alone.
    pub(crate) async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
    }

    /// Delivery lag, as the state says it.
    pub(crate) fn lag(&self) -> Option<Lag> {
        self.state("lag")
    }

    /// Whether it is recorded, as its state says; none before the first word.
    pub(crate) fn records(&self) -> Option<RecordState> {
        self.state("records")
    }

    pub(crate) fn objects(&self, kind: Kind) -> Arc<KeyedTopic> {
        self.hub.keyed(&Topic::Objects(self.fabric.clone(), kind)).unwrap()
    }

    fn state<T: serde::de::DeserializeOwned>(&self, key: &str) -> Option<T> {
        let topic = self.hub.keyed(&Topic::State(self.fabric.clone())).unwrap();
        topic.read(|log| log.get(key).map(|entry| serde_json::from_str(&entry.value.row).unwrap()))
    }

    pub(crate) fn connectivity(&self) -> FabricState {
        self.state("connectivity").unwrap()
    }

    pub(crate) fn kind(&self, kind: Kind) -> KindWatch {
        self.state(&format!("watch/{kind}")).unwrap()
    }

    pub(crate) fn count(&self, kind: Kind) -> Option<KindCount> {
        self.state(&format!("counts/{kind}"))
    }

    /// Key to version of what is held of a kind.
    pub(crate) fn held(&self, kind: Kind) -> BTreeMap<String, String> {
        self.objects(kind).read(|log| {
            log.iter().map(|entry| (entry.key.to_string(), entry.version.to_string())).collect()
        })
    }

    pub(crate) fn full(&self, kind: Kind, key: &str) -> Option<Value> {
        self.objects(kind)
            .read(|log| log.get(key).map(|entry| serde_json::from_str(&entry.value.full).unwrap()))
    }

    pub(crate) fn live_kinds(&self) -> Vec<Kind> {
        Kind::ALL
            .iter()
            .copied()
            .filter(|kind| self.kind(*kind).state == WatchState::Live)
            .collect()
    }

    /// Every message of the feed, oldest first.
    pub(crate) fn messages(&self) -> Vec<String> {
        self.hub
            .feed(&self.fabric)
            .unwrap()
            .newest(10_000)
            .1
            .iter()
            .map(|event| event.data.message.clone())
            .collect()
    }

    pub(crate) async fn twelve_live(&self) {
        until("all twelve kinds to be live", || {
            let missing: Vec<_> = Kind::primary()
                .filter(|kind| self.kind(*kind).state != WatchState::Live)
                .map(|kind| (kind, self.kind(kind)))
                .collect();
            if missing.is_empty() { Ok(()) } else { Err(missing) }
        })
        .await;
    }

    pub(crate) async fn end(self) {
        self.cancel.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// An embedded cluster on a port, with an engine on it.
pub(crate) struct Embedded {
    pub(crate) cluster: Cluster,
    pub(crate) engine: Watched,
    cancel: CancellationToken,
    folder: PathBuf,
}

impl Embedded {
    /// A cluster with the demo's objects.
    pub(crate) async fn vlab() -> Self {
        Self::start(Options { crds: domain::crd::crds(), ..Options::default() }, None, true).await
    }

    /// The same, where something is wrong from the start.
    pub(crate) async fn with_fault(fault: &Fault) -> Self {
        Self::start(Options { crds: domain::crd::crds(), ..Options::default() }, Some(fault), true)
            .await
    }

    pub(crate) async fn start(options: Options, fault: Option<&Fault>, populated: bool) -> Self {
        let cluster = Cluster::new(options);
        if populated {
            sim::life::ground::populate(
                &cluster,
                sim::seed::fabric(sim::seed::Scale::Vlab, 7, engine::clock::now_ms()),
            )
            .unwrap();
        }
        if let Some(fault) = fault {
            cluster.fault(fault).unwrap();
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        let cancel = CancellationToken::new();
        let serving = cluster.clone();
        let until = cancel.clone();
        #[expect(clippy::disallowed_methods, reason = "ends with the test's token")]
        tokio::spawn(async move { serving.serve(listener, until).await });
        let token = cluster.tokens().of_user("admin").unwrap().secret.clone();
        let entry = ContextEntry {
            name: "test".into(),
            server,
            ca_pem: None,
            token,
            namespace: "default".into(),
        };
        let folder = std::env::temp_dir().join(format!(
            "hnp-engine-{}-{:x}",
            std::process::id(),
            rand::random::<u64>()
        ));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("kubeconfig");
        std::fs::write(&path, sim::kubeconfig(&[entry])).unwrap();
        let engine = Watched::new(&path).await;
        Self { cluster, engine, cancel, folder }
    }

    /// The cluster, as its kubeconfig says.
    pub(crate) async fn target(&self) -> kubeconfig::Target {
        kubeconfig::target(&self.folder.join("kubeconfig"), None).await.unwrap()
    }

    /// Another engine on the same cluster, which measures delivery lag.
    pub(crate) async fn measured(&self) -> Watched {
        Watched::start(&self.folder.join("kubeconfig"), None, true).await
    }

    /// Another engine on the same cluster, which records.
    pub(crate) async fn recorded(
        &self,
        store: &Arc<dyn Store>,
        holder: &str,
        pace: Pace,
    ) -> Watched {
        let fabric: FabricId = "test".parse().unwrap();
        let opened = recorder::open(Arc::clone(store), &fabric, holder.to_owned(), pace).await;
        Watched::start(&self.folder.join("kubeconfig"), Some(opened.unwrap()), false).await
    }

    pub(crate) fn fault(&self, fault: &Fault) {
        self.cluster.fault(fault).unwrap();
    }

    /// Key to version of what the cluster holds.
    pub(crate) fn truth(&self, kind: Kind) -> BTreeMap<String, String> {
        self.cluster.list(kind).iter().map(key_and_version).collect()
    }

    /// Waits until what is held equals what is there, for every kind.
    pub(crate) async fn agreement(&self) {
        until("the engine to hold what the cluster holds", || {
            for kind in Kind::ALL {
                let (truth, held) = (self.truth(*kind), self.engine.held(*kind));
                if truth != held {
                    return Err(format!(
                        "{kind}: {truth:?} is there, {held:?} is held, {:?}",
                        self.engine.kind(*kind)
                    ));
                }
            }
            Ok(())
        })
        .await;
    }

    /// Changes the description of a switch.
    pub(crate) fn touch(&self, name: &str, text: &str) {
        self.cluster
            .patch_merge(Kind::Switch, "default", name, json!({"spec": {"description": text}}))
            .unwrap();
    }

    pub(crate) async fn end(self) {
        self.engine.end().await;
        self.cancel.cancel();
        let _ = std::fs::remove_dir_all(self.folder);
    }
}

pub(crate) fn key_and_version(object: &Value) -> (String, String) {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
    (
        format!("{}/{}", text("/metadata/namespace"), text("/metadata/name")),
        text("/metadata/resourceVersion"),
    )
}

/// Waits for a condition, and says what was lacking if it never comes.
pub(crate) async fn until<E: Debug>(
    what: &str,
    mut holds: impl FnMut() -> Result<(), E>,
) -> Duration {
    let begin = Instant::now();
    loop {
        match holds() {
            Ok(()) => return begin.elapsed(),
            Err(lacking) if begin.elapsed() > PATIENCE => {
                panic!("waited {PATIENCE:?} for {what}: {lacking:?}")
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// As [`until`], for a condition that has nothing to tell.
pub(crate) async fn until_true(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    until(what, || if holds() { Ok(()) } else { Err(()) }).await
}
