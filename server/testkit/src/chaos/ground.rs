//! What stays while everything else fails: the cluster (whose faults are orders), a proxy, a folder.
//!
//! Invariant: all of it is gone with its handle.

use std::path::{Path, PathBuf};

use anyhow::Context;
use sim::{Cluster, ContextEntry, Fault, Options};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::FABRIC;
use crate::{account, proxy::Proxy};

/// See the module.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) cluster: Cluster,
    pub(crate) proxy: Proxy,
    folder: PathBuf,
    /// Parent of the cluster's listener.
    _tasks: JoinSet<()>,
}

impl Ground {
    /// A cluster with the demo's objects and a kubeconfig for it, and a proxy that leads nowhere yet.
    pub(crate) async fn start(seed: u64) -> anyhow::Result<Self> {
        let cluster = Cluster::new(Options { crds: domain::crd::crds(), ..Options::default() });
        let objects = sim::seed::fabric(sim::seed::Scale::Vlab, seed, 0);
        sim::life::ground::populate(&cluster, objects)
            .map_err(|status| anyhow::anyhow!("the cluster refuses its seed: {status}"))?;
        let listener = TcpListener::bind("127.0.0.1:0").await.context("open a port")?;
        let server = format!("http://{}", listener.local_addr().context("read the port")?);
        let mut tasks = JoinSet::new();
        let serving = cluster.clone();
        tasks.spawn(async move { drop(serving.serve(listener, CancellationToken::new()).await) });
        let token =
            cluster.tokens().of_user("admin").map(|token| token.secret.clone()).unwrap_or_default();
        let entry = ContextEntry {
            name: FABRIC.to_owned(),
            server,
            ca_pem: None,
            token,
            namespace: "default".to_owned(),
        };
        let unique = format!("hnp-chaos-{}-{:x}", std::process::id(), rand::random::<u64>());
        let folder = std::env::temp_dir().join(unique);
        std::fs::create_dir_all(&folder).context("make a folder")?;
        std::fs::write(folder.join("kubeconfig"), sim::kubeconfig(&[entry]))
            .context("write the kubeconfig")?;
        account::admin_at(&folder.join("data/hnp.db")).await?;
        let proxy = Proxy::start().await.context("start the proxy")?;
        Ok(Self { cluster, proxy, folder, _tasks: tasks })
    }

    /// The folder in which the server works.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the server wrote last into its log.
    pub(crate) fn last_words(&self) -> String {
        let text = std::fs::read_to_string(self.folder.join("hnp.log")).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines.get(lines.len().saturating_sub(10)..).unwrap_or_default().join("\n")
    }

    /// Lets the cluster fail, or heals it.
    pub(crate) fn fault(&self, fault: &Fault) {
        // Refused only for a resource that does not exist, and we name none of our own.
        let _ = self.cluster.fault(fault);
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
