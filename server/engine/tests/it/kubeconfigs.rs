//! Kubeconfigs as people have them, against an embedded cluster over TLS.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use domain::{kind::Kind, state::Cause};
use serde_json::{Value, json};
use sim::{Cluster, Options, Tls};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

use crate::house::{Watched, until_true};

/// A cluster over TLS and a folder for kubeconfigs.
struct Secured {
    cluster: Cluster,
    url: String,
    ca: PathBuf,
    folder: PathBuf,
    cancel: CancellationToken,
}

impl Secured {
    async fn start() -> Self {
        let cluster = Cluster::new(Options { crds: domain::crd::crds(), ..Options::default() });
        let tls = Tls::self_signed().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let folder = std::env::temp_dir().join(format!(
            "hnp-kubeconfigs-{}-{:x}",
            std::process::id(),
            rand::random::<u64>()
        ));
        std::fs::create_dir_all(&folder).unwrap();
        let ca = folder.join("ca.pem");
        std::fs::write(&ca, tls.ca_pem()).unwrap();
        let (serving, cancel) = (cluster.clone(), CancellationToken::new());
        let until = cancel.clone();
        #[expect(clippy::disallowed_methods, reason = "ends with the test's token")]
        tokio::spawn(async move { serving.serve_tls(listener, tls, until).await });
        Self { cluster, url, ca, folder, cancel }
    }

    fn token(&self) -> String {
        self.cluster.tokens().of_user("admin").unwrap().secret.clone()
    }

    /// Writes a kubeconfig with this user and these further keys of its cluster.
    fn kubeconfig(&self, user: &Value, cluster: &Value) -> PathBuf {
        let mut entry = json!({"server": self.url, "certificate-authority": self.ca});
        entry.as_object_mut().unwrap().extend(cluster.as_object().unwrap().clone());
        let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": entry}], "users": [{"name": "u", "user": user}]});
        let path = self.folder.join("kubeconfig");
        std::fs::write(&path, config.to_string()).unwrap();
        path
    }

    async fn comes_live(&self, path: &Path) {
        let engine = Watched::new(path).await;
        engine.twelve_live().await;
        engine.end().await;
    }
}

impl Drop for Secured {
    fn drop(&mut self) {
        self.cancel.cancel();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_file_is_read() {
    let secured = Secured::start().await;
    let file = secured.folder.join("token");
    std::fs::write(&file, secured.token()).unwrap();
    secured.comes_live(&secured.kubeconfig(&json!({"tokenFile": file}), &json!({}))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exec_plugin_is_asked() {
    let secured = Secured::start().await;
    let plugin = secured.folder.join("plugin");
    let answer = json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": secured.token()}});
    std::fs::write(&plugin, format!("#!/bin/sh\necho '{answer}'\n")).unwrap();
    std::fs::set_permissions(&plugin, std::fs::Permissions::from_mode(0o755)).unwrap();
    let exec = json!({"apiVersion": "client.authentication.k8s.io/v1", "command": plugin, "interactiveMode": "Never"});
    secured.comes_live(&secured.kubeconfig(&json!({"exec": exec}), &json!({}))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_gone_through() {
    let secured = Secured::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    let passed = Arc::new(AtomicUsize::new(0));
    let (counter, cancel) = (Arc::clone(&passed), secured.cancel.clone());
    #[expect(clippy::disallowed_methods, reason = "ends with the test's token")]
    tokio::spawn(async move {
        let serving = async {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connect(stream, Arc::clone(&counter)));
            }
        };
        tokio::select! { () = cancel.cancelled() => {}, () = serving => {} }
    });
    let path = secured.kubeconfig(&json!({"token": secured.token()}), &json!({"proxy-url": proxy}));
    secured.comes_live(&path).await;
    assert!(passed.load(Ordering::Relaxed) > 0, "nothing went through the proxy");
}

/// Serves one `CONNECT`.
async fn connect(mut client: TcpStream, passed: Arc<AtomicUsize>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if client.read_exact(&mut byte).await.is_err() {
            return;
        }
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let Some(target) = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()) else {
        return;
    };
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    passed.fetch_add(1, Ordering::Relaxed);
    if client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.is_ok() {
        let _ = copy_bidirectional(&mut client, &mut server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_authority_is_named_as_the_reason() {
    let secured = Secured::start().await;
    std::fs::write(&secured.ca, Tls::self_signed().unwrap().ca_pem()).unwrap();
    let engine =
        Watched::new(&secured.kubeconfig(&json!({"token": secured.token()}), &json!({}))).await;
    until_true("the reason", || engine.connectivity().cause == Some(Cause::Tls)).await;
    assert!(engine.connectivity().reason.unwrap().contains("certificate"));
    assert!(engine.count(Kind::Switch).is_none());
    engine.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_named_as_the_reason() {
    let secured = Secured::start().await;
    let engine =
        Watched::new(&secured.kubeconfig(&json!({"token": "not-the-token"}), &json!({}))).await;
    until_true("the reason", || engine.connectivity().cause == Some(Cause::Unauthorized)).await;
    assert!(!engine.connectivity().reason.unwrap().contains("not-the-token"));
    engine.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_does_not_resolve_is_named_as_the_reason() {
    let secured = Secured::start().await;
    let path = secured.kubeconfig(
        &json!({"token": "t"}),
        &json!({"server": "https://no-such-host.invalid:6443"}),
    );
    let engine = Watched::new(&path).await;
    until_true("the reason", || engine.connectivity().cause == Some(Cause::Dns)).await;
    engine.end().await;
}
