//! A real API server with its etcd.
//!
//! Invariant: nothing is reused between two runs; ports are free ones, and another try is made when one was taken.

use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use http::Request;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};

use crate::{assets, pki::Pki, process::Process};

/// How long a server may take to become ready: ten seconds on a quiet machine.
const READY_WITHIN: Duration = Duration::from_mins(2);
/// How often to ask.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// How often to start anew with other ports.
const TRIES: u32 = 3;

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// `kube-apiserver`: namespaces, rights, leases.
    Full,
    /// `crdserver`: custom resources alone, of a newer release.
    Crd,
}

impl Variant {
    /// Name of the program.
    pub const fn program(self) -> &'static str {
        match self {
            Self::Full => "kube-apiserver",
            Self::Crd => "crdserver",
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// May do everything.
    Admin,
    /// In the group `readers`; on the full server without rights until somebody binds a role.
    Reader,
    /// Without rights.
    Nobody,
}

impl User {
    /// Name of the user.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Reader => "reader",
            Self::Nobody => "nobody",
        }
    }
}

/// A running server.
#[derive(Debug)]
pub struct RealServer {
    variant: Variant,
    folder: PathBuf,
    pki: Pki,
    ports: [u16; 3],
    extra: Vec<String>,
    etcd: Option<Process>,
    api: Option<Process>,
}

impl RealServer {
    /// Starts a server, or says in one line that its programs are absent.
    pub async fn start(variant: Variant) -> anyhow::Result<Option<Self>> {
        Self::start_with(variant, &[]).await
    }

    /// Starts a server with more flags.
    pub async fn start_with(variant: Variant, flags: &[&str]) -> anyhow::Result<Option<Self>> {
        let programs = (assets::program("etcd")?, assets::program(variant.program())?);
        let (Some(_), Some(_)) = programs else {
            say(&format!(
                "skipped: tests against a real {}: neither KUBEBUILDER_ASSETS nor the folder beside the repository has etcd and {0}",
                variant.program()
            ));
            return Ok(None);
        };
        let mut outcome = Err(anyhow::anyhow!("never tried"));
        for _ in 0..TRIES {
            let mut server = Self::prepare(variant, flags)?;
            outcome = server.start_again().await.map(|()| Some(server));
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    fn prepare(variant: Variant, flags: &[&str]) -> anyhow::Result<Self> {
        /// Tells the servers of one process apart.
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("hnp-testkit-{}-{count}", std::process::id()));
        let pki = Pki::make(&folder.join("pki"))?;
        let server = Self {
            variant,
            pki,
            ports: free_ports()?,
            extra: flags.iter().map(|&flag| flag.to_owned()).collect(),
            etcd: None,
            api: None,
            folder,
        };
        for user in [User::Admin, User::Reader, User::Nobody] {
            let text = server.pki.kubeconfig(&server.url(), user.name());
            fs::write(server.kubeconfig(user), text).context("write a kubeconfig")?;
        }
        Ok(server)
    }

    /// Which server it is.
    pub fn variant(&self) -> Variant {
        self.variant
    }

    /// For example `https://127.0.0.1:34567`.
    pub fn url(&self) -> String {
        let [api, ..] = self.ports;
        format!("https://127.0.0.1:{api}")
    }

    /// Path of the kubeconfig of a user.
    pub fn kubeconfig(&self, user: User) -> PathBuf {
        self.folder.join(format!("kubeconfig.{}", user.name()))
    }

    /// A client for a user.
    pub async fn client(&self, user: User) -> anyhow::Result<Client> {
        let file = Kubeconfig::read_from(self.kubeconfig(user))?;
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
        Ok(Client::try_from(config)?)
    }

    /// Starts what does not run, on the same ports with the same data, and waits until it is ready.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        if self.etcd.is_none() {
            let program = assets::program("etcd")?.context("etcd is gone")?;
            self.etcd =
                Some(Process::start(&program, &self.etcd_flags(), &self.folder.join("etcd.log"))?);
        }
        if self.api.is_none() {
            let program = assets::program(self.variant.program())?.context("the server is gone")?;
            self.api =
                Some(Process::start(&program, &self.api_flags(), &self.folder.join("api.log"))?);
        }
        self.ready().await
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        let client = self.client(User::Admin).await?;
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            for process in [&mut self.etcd, &mut self.api].into_iter().flatten() {
                ensure!(
                    process.is_alive(),
                    "a server ended while it started:\n{}",
                    process.last_words()
                );
            }
            let asked = client.request_text(Request::get("/readyz").body(Vec::new())?).await;
            if matches!(asked.as_deref(), Ok("ok")) {
                return Ok(());
            }
            let words = self.api.as_ref().map(Process::last_words).unwrap_or_default();
            ensure!(Instant::now() < deadline, "the server did not become ready:\n{words}");
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    fn etcd_flags(&self) -> Vec<String> {
        let [_, client, peer] = self.ports.map(|port| format!("http://127.0.0.1:{port}"));
        let data = self.folder.join("etcd").display().to_string();
        vec![
            "--name=t".to_owned(),
            format!("--data-dir={data}"),
            "--unsafe-no-fsync".to_owned(),
            "--log-level=warn".to_owned(),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=t={peer}"),
        ]
    }

    fn api_flags(&self) -> Vec<String> {
        let [api, etcd, _] = self.ports;
        let file = |name: &str| self.pki.file(name);
        let mut flags = vec![
            format!("--etcd-servers=http://127.0.0.1:{etcd}"),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={api}"),
            format!("--tls-cert-file={}", file("server.crt")),
            format!("--tls-private-key-file={}", file("server.key")),
            format!("--client-ca-file={}", file("ca.crt")),
            format!("--token-auth-file={}", file("tokens.csv")),
        ];
        if self.variant == Variant::Full {
            flags.extend([
                "--advertise-address=127.0.0.1".to_owned(),
                "--endpoint-reconciler-type=none".to_owned(),
                "--authorization-mode=RBAC".to_owned(),
                "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
                "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
                format!("--service-account-signing-key-file={}", file("sa.key")),
                format!("--service-account-key-file={}", file("sa.pub")),
                "--api-audiences=https://kubernetes.default.svc".to_owned(),
                "--disable-admission-plugins=ServiceAccount".to_owned(),
                "--profiling=false".to_owned(),
            ]);
        }
        flags.extend(self.extra.iter().cloned());
        flags
    }

    /// Stops the API server in good order; etcd keeps the data.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        self.api.take().map_or(Ok(()), Process::stop)
    }

    /// Kills the API server.
    pub fn kill(&mut self) {
        drop(self.api.take());
    }

    /// Makes the API server hold still: connections stay open, nothing answers.
    pub fn pause(&mut self) -> anyhow::Result<()> {
        self.api.as_mut().map_or(Ok(()), |api| api.signal("STOP"))
    }

    /// Lets it go on.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        self.api.as_mut().map_or(Ok(()), |api| api.signal("CONT"))
    }

    /// Makes etcd forget its history: older versions answer 410.
    pub async fn compact(&self) -> anyhow::Result<()> {
        let [_, etcd, _] = self.ports;
        let client = Client::try_from(Config::new(format!("http://127.0.0.1:{etcd}").parse()?))?;
        let ask = |path: &str, body: Value| {
            Request::post(path.to_owned()).body(body.to_string().into_bytes())
        };
        let range: Value = client.request(ask("/v3/kv/range", json!({"key": "AA=="}))?).await?;
        let revision = range.pointer("/header/revision").context("etcd names no revision")?;
        let body = json!({"revision": revision, "physical": true});
        client.request::<Value>(ask("/v3/kv/compaction", body)?).await.context("compact etcd")?;
        Ok(())
    }

    /// Installs definitions and waits until their resources are served.
    pub async fn install_crds(&self, crds: &[Value]) -> anyhow::Result<()> {
        let client = self.client(User::Admin).await?;
        let base = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        for crd in crds {
            client
                .request::<Value>(Request::post(base).body(crd.to_string().into_bytes())?)
                .await?;
        }
        for crd in crds {
            let text =
                |pointer: &str| crd.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let (group, version) = (text("/spec/group"), text("/spec/versions/0/name"));
            let list = format!("/apis/{group}/{version}/{}", text("/spec/names/plural"));
            wait_for(&client, &list).await?;
        }
        Ok(())
    }
}

/// Waits until a list is served; right after a definition was made it can be refused for a while.
async fn wait_for(client: &Client, path: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        match client.request::<Value>(Request::get(path).body(Vec::new())?).await {
            Ok(_) => return Ok(()),
            Err(cause) if Instant::now() > deadline => bail!("{path} is not served: {cause}"),
            Err(_) => tokio::time::sleep(ASK_EVERY).await,
        }
    }
}

/// Ports that were free a moment ago.
fn free_ports() -> anyhow::Result<[u16; 3]> {
    let listeners: Vec<_> =
        (0..3).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    let ports: Vec<_> = listeners.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
    ports
        .iter()
        .map(std::net::SocketAddr::port)
        .collect::<Vec<_>>()
        .try_into()
        .ok()
        .context("three ports")
}

#[expect(clippy::print_stdout, reason = "a skipped test says so, in one line")]
fn say(line: &str) {
    println!("{line}");
}

impl Drop for RealServer {
    fn drop(&mut self) {
        drop(self.api.take());
        drop(self.etcd.take());
        // What is left in the temporary folder harms nobody.
        drop(fs::remove_dir_all(&self.folder));
    }
}
