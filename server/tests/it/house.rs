//! A whole product under test, in this process: an embedded cluster, an engine on it, and the real router
//! on a port of its own.

use std::{
    fmt::Debug,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use domain::{
    access::Means,
    audit::Doer,
    connection::{Access, Secret, WatchPlan},
    kind::Kind,
    state::{FabricState, KindWatch, WatchState},
    topic::{FabricId, Topic},
};
use engine::{
    cluster::kubeconfig,
    fabric,
    hub::{Hub, keyed::KeyedTopic},
    recorder::{self, clerk::Pace},
    store::{Store, directory::Directory, sqlite::SqliteStore},
    vault::KeySource,
};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use server::{
    cli::serve,
    config::{self, Config, Flags},
    fabrics::{Fabrics, register::New},
    records::{self, Kept},
    registrar::Registrar,
    run::House,
    web::tls::Certificate,
};
use sim::{Cluster, ContextEntry, Fault, Options};
use testkit::account;
use tokio::{net::TcpListener, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Longest wait for anything: a loaded machine is no failure.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// The fabric of every house.
pub(crate) const FABRIC: &str = "test";

/// A folder that goes with its test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let name = format!("hnp-server-{}-{:x}", std::process::id(), rand::random::<u64>());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An embedded cluster on a port, without any engine.
pub(crate) struct Yard {
    pub(crate) cluster: Cluster,
    pub(crate) folder: Folder,
    cancel: CancellationToken,
}

impl Yard {
    /// A cluster with the demo's objects.
    pub(crate) async fn vlab() -> Self {
        Self::start(Options { crds: domain::crd::crds(), ..Options::default() }, true).await
    }

    /// A cluster with our CRDs and nothing in them.
    pub(crate) async fn empty() -> Self {
        Self::start(Options { crds: domain::crd::crds(), ..Options::default() }, false).await
    }

    pub(crate) async fn start(options: Options, populated: bool) -> Self {
        let cluster = Cluster::new(options);
        if populated {
            let objects = sim::seed::fabric(sim::seed::Scale::Vlab, 7, engine::clock::now_ms());
            sim::life::ground::populate(&cluster, objects).unwrap();
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        let cancel = CancellationToken::new();
        let (serving, until) = (cluster.clone(), cancel.clone());
        spawn(async move {
            let _ = serving.serve(listener, until).await;
        });
        let token = cluster.tokens().of_user("admin").unwrap().secret.clone();
        let entry = ContextEntry {
            name: FABRIC.into(),
            server,
            ca_pem: None,
            token,
            namespace: "default".into(),
        };
        let folder = Folder::new();
        folder.write("kubeconfig", sim::kubeconfig(&[entry]).as_bytes());
        Self { cluster, folder, cancel }
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    pub(crate) fn fault(&self, fault: &Fault) {
        self.cluster.fault(fault).unwrap();
    }

    /// Changes the description of a switch.
    pub(crate) fn touch(&self, name: &str, text: &str) {
        self.patch(Kind::Switch, name, json!({"spec": {"description": text}}));
    }

    pub(crate) fn patch(&self, kind: Kind, name: &str, patch: Value) {
        self.cluster.patch_merge(kind, "default", name, patch).unwrap();
    }

    /// A new object of a kind, made from one that is there.
    pub(crate) fn clone_of(&self, kind: Kind, name: &str, labels: &Value) {
        let mut object = self.cluster.list(kind)[0].clone();
        object["metadata"] = json!({"name": name, "namespace": "default", "labels": labels});
        self.cluster.apply(object).unwrap();
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// The whole product.
pub(crate) struct TestHouse {
    pub(crate) yard: Arc<Yard>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) fabrics: Fabrics,
    pub(crate) address: SocketAddr,
    pub(crate) http: reqwest::Client,
    pub(crate) records: Arc<dyn Store>,
    /// The certificate that it serves, if it speaks TLS.
    pub(crate) tls: Option<Arc<Certificate>>,
    pub(crate) registrar: Registrar,
    pub(crate) directory: Arc<dyn Directory>,
    cancel: CancellationToken,
    tracker: TaskTracker,
}

impl TestHouse {
    /// On the demo's fabric, all twelve kinds live.
    pub(crate) async fn vlab() -> Self {
        Self::vlab_with(|_| ()).await
    }

    /// The same with a configuration of one's own.
    pub(crate) async fn vlab_with(adjust: impl FnOnce(&mut Config)) -> Self {
        let house = Self::on(Yard::vlab().await, adjust).await;
        house.twelve_live().await;
        house
    }

    /// On a cluster, with a configuration of one's own; nothing is waited for.
    pub(crate) async fn on(yard: impl Into<Arc<Yard>>, adjust: impl FnOnce(&mut Config)) -> Self {
        let house = Self::without_fabric(yard, adjust).await;
        house.join(FABRIC).await;
        house
    }

    /// No fabric is watched yet.
    pub(crate) async fn without_fabric(
        yard: impl Into<Arc<Yard>>,
        adjust: impl FnOnce(&mut Config),
    ) -> Self {
        let yard = yard.into();
        let flags = Flags { listen: Some("127.0.0.1:0".into()), ..Flags::default() };
        let (mut config, _) = config::load(&flags, |_| None).unwrap();
        config.data_dir = yard.folder.path().join("data");
        config.key = config::KeySource::File(config.data_dir.join("secret.key"));
        config.site = Some(yard.folder.path().join("site"));
        adjust(&mut config);
        let listener = TcpListener::bind(config.listen).await.unwrap();
        let mut house = House::default();
        let (cancel, tracker) = (house.cancel(), house.tracker());
        let kept = if config.database_url.is_some() {
            records::open(&config).await.unwrap()
        } else {
            let database = SqliteStore::in_memory().await.unwrap();
            let key = KeySource::Value("ab".repeat(32).into());
            Kept::unlock(database, key).await.unwrap()
        };
        let (records, directory) = (Arc::clone(&kept.store), Arc::clone(&kept.directory));
        account::admin(&*kept.directory).await.unwrap();
        let (address, front) = serve::open(&config, &listener, &house, kept).unwrap();
        let (hub, tls) = (Arc::clone(&front.hub), front.tls.clone());
        let (registrar, fabrics) = (front.registrar.clone(), front.fabrics.clone());
        serve::keep_registered(&front, &mut house, "test".into(), false);
        serve::answer(listener, front, &mut house);
        spawn(async move {
            let _ = house.run().await;
        });
        let http = account::http();
        Self {
            yard,
            hub,
            fabrics,
            address,
            http,
            records,
            tls,
            registrar,
            directory,
            cancel,
            tracker,
        }
    }

    /// Another process on the same cluster.
    pub(crate) async fn twin(&self) -> Self {
        Self::on(Arc::clone(&self.yard), |_| ()).await
    }

    /// Asks the server to end.
    pub(crate) fn end(&self) {
        self.cancel.cancel();
    }

    /// Watches the cluster as one more fabric.
    pub(crate) async fn join(&self, fabric: &str) {
        self.join_yard(fabric, &self.yard).await;
    }

    /// Watches a cluster as one more fabric.
    pub(crate) async fn join_yard(&self, fabric: &str, yard: &Yard) {
        let target = kubeconfig::target(&yard.kubeconfig(), None).await.unwrap();
        let fabric: FabricId = fabric.parse().unwrap();
        let records = Arc::clone(&self.records);
        let opened =
            recorder::open(records, &fabric, "test".into(), Pace::default()).await.unwrap();
        let plan = fabric::Plan { records: Some(opened), ..fabric::Plan::new(fabric, target) };
        fabric::start(plan, &self.hub, "process", &self.tracker, &self.cancel);
    }

    /// Registers a cluster, as people do, and waits until it runs.
    pub(crate) async fn register(&self, fabric: &str, yard: &Yard) {
        let text = std::fs::read_to_string(yard.kubeconfig()).unwrap();
        let access = Access::Kubeconfig { text: Secret::new(text), context: None };
        let id: FabricId = fabric.parse().unwrap();
        let new = New { id: id.clone(), access, watch: WatchPlan::default(), enabled: true };
        let doer = Doer { user: None, means: Means::Console, credential: None, from: None };
        self.fabrics.register.create(new, doer).await.unwrap();
        let topic = Topic::Objects(id, Kind::Switch);
        until_true("the fabric to run", || self.hub.keyed(&topic).is_some()).await;
    }

    pub(crate) fn topic(&self, text: &str) -> Arc<KeyedTopic> {
        self.hub.keyed(&text.parse().unwrap()).unwrap()
    }

    pub(crate) fn objects(&self, kind: Kind) -> Arc<KeyedTopic> {
        self.topic(&format!("objects/{FABRIC}/{kind}"))
    }

    pub(crate) fn state<T: serde::de::DeserializeOwned>(&self, key: &str) -> Option<T> {
        let fabric: FabricId = FABRIC.parse().unwrap();
        let topic = self.hub.keyed(&Topic::State(fabric))?;
        topic.read(|log| log.get(key).map(|entry| serde_json::from_str(&entry.value.row).unwrap()))
    }

    pub(crate) fn connectivity(&self) -> FabricState {
        self.state("connectivity").unwrap()
    }

    pub(crate) fn kind(&self, kind: Kind) -> KindWatch {
        self.state(&format!("watch/{kind}")).unwrap()
    }

    /// Readers of all keyed topics.
    pub(crate) fn n_readers(&self) -> usize {
        let mut selections = vec![format!("state/{FABRIC}")];
        selections.extend(Kind::ALL.iter().map(|kind| format!("objects/{FABRIC}/{kind}")));
        selections.iter().map(|topic| self.topic(topic).n_readers()).sum()
    }

    pub(crate) async fn twelve_live(&self) {
        until("all twelve kinds to be live", || {
            let missing: Vec<_> = Kind::primary()
                .map(|kind| (kind, self.kind(kind)))
                .filter(|(_, watch)| watch.state != WatchState::Live)
                .collect();
            if missing.is_empty() { Ok(()) } else { Err(missing) }
        })
        .await;
        until_true("every kind to be settled", || {
            Kind::ALL.iter().all(|kind| self.kind(*kind).state != WatchState::Starting)
        })
        .await;
    }

    /// Waits until the engine holds the cluster's newest version of every object of a kind.
    pub(crate) async fn agreement(&self, kind: Kind) {
        until(&format!("{kind} to agree"), || {
            let there: Vec<(String, String)> =
                self.yard.cluster.list(kind).iter().map(key_and_version).collect();
            let held: Vec<(String, String)> = self.objects(kind).read(|log| {
                log.iter().map(|e| (e.key.to_string(), e.version.to_string())).collect()
            });
            let same = there.len() == held.len() && there.iter().all(|one| held.contains(one));
            if same { Ok(()) } else { Err((there, held)) }
        })
        .await;
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.http.get(self.url(path))).await
    }

    /// Value of a metric without labels.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let text = self.get("/metrics").await.body;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    }
}

impl Drop for TestHouse {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.timeout(PATIENCE).send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = String::from_utf8_lossy(&response.bytes().await.unwrap()).into_owned();
        Self { status, headers, body }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.body))
    }

    /// Asserts that this is an RFC 9457 problem with this status and code.
    pub(crate) fn is_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.body);
        let body = self.json();
        assert_eq!((&body["status"], &body["code"]), (&json!(status), &json!(code)));
        assert!(body["detail"].as_str().unwrap().len() > 20, "a person can act on it: {body}");
    }
}

pub(crate) fn key_and_version(object: &Value) -> (String, String) {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
    let key = format!("{}/{}", text("/metadata/namespace"), text("/metadata/name"));
    (key, text("/metadata/resourceVersion"))
}

/// Signs in as a browser does; the headers with which its pages come from then on.
pub(crate) async fn sign_in(address: SocketAddr, user: &str, password: &str) -> HeaderMap {
    let origin = format!("http://{address}");
    let form = json!({"user": user, "password": password});
    let request = reqwest::Client::new().post(format!("{origin}/api/v1/session")).json(&form);
    let answer = Answer::of(request.header("origin", &origin)).await;
    assert_eq!(answer.status, 200, "{user} signs in: {}", answer.body);
    cookie(address, &answer)
}

/// The headers with which our pages come after an answer that opened a session.
pub(crate) fn cookie(address: SocketAddr, answer: &Answer) -> HeaderMap {
    let (cookie, _) = answer.header("set-cookie").split_once(';').unwrap();
    HeaderMap::from_iter([
        (reqwest::header::COOKIE, cookie.parse().unwrap()),
        (reqwest::header::ORIGIN, format!("http://{address}").parse().unwrap()),
    ])
}

/// Starts a task that ends with its house.
#[expect(clippy::disallowed_methods, reason = "ends with the test's token")]
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

/// Waits for a condition, and says what was lacking if it never comes.
pub(crate) async fn until<E: Debug>(what: &str, mut holds: impl FnMut() -> Result<(), E>) {
    let begin = Instant::now();
    loop {
        match holds() {
            Ok(()) => return,
            Err(lacking) if begin.elapsed() > PATIENCE => {
                panic!("waited {PATIENCE:?} for {what}: {lacking:?}")
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// As [`until`], for a condition that has nothing to tell.
pub(crate) async fn until_true(what: &str, mut holds: impl FnMut() -> bool) {
    until(what, || if holds() { Ok(()) } else { Err(()) }).await;
}
