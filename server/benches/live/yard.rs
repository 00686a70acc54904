//! An embedded cluster in this process, for loads that no client of its API could make.
//!
//! Invariant: its listener and its folder go with it.

use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::json;
use sim::{Cluster, ContextEntry, Options};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// See the module.
#[derive(Debug)]
pub(crate) struct Yard {
    /// The cluster.
    pub(crate) cluster: Cluster,
    /// Path of a kubeconfig for it.
    pub(crate) kubeconfig: PathBuf,
    folder: PathBuf,
    /// Parent of the listener.
    _serving: JoinSet<()>,
}

impl Yard {
    /// A cluster with so many servers and nothing else.
    pub(crate) async fn servers(n: usize) -> anyhow::Result<Self> {
        let cluster = Cluster::new(Options { crds: domain::crd::crds(), ..Options::default() });
        for at in 0..n {
            let object = json!({"apiVersion": "wiring.githedgehog.com/v1beta1", "kind": "Server",
                "metadata": {"name": format!("server-{at:05}"), "namespace": "default"},
                "spec": {"description": "one of many"}});
            let made = cluster.apply(object);
            made.map_err(|status| anyhow::anyhow!("the cluster refuses a server: {status}"))?;
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.context("could not listen")?;
        let server = format!("http://{}", listener.local_addr().context("no address")?);
        let mut serving = JoinSet::new();
        let one = cluster.clone();
        serving.spawn(async move { drop(one.serve(listener, CancellationToken::new()).await) });
        let admin = cluster.tokens().of_user("admin");
        let entry = ContextEntry {
            name: "bench".to_owned(),
            server,
            ca_pem: None,
            token: admin.map(|token| token.secret.clone()).unwrap_or_default(),
            namespace: "default".to_owned(),
        };
        let name = format!("hnp-yard-{}-{:x}", std::process::id(), rand::random::<u64>());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).context("could not make a folder")?;
        let kubeconfig = folder.join("kubeconfig");
        std::fs::write(&kubeconfig, sim::kubeconfig(&[entry])).context("write the kubeconfig")?;
        Ok(Self { cluster, kubeconfig, folder, _serving: serving })
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
