//! A simulator on a socket and a client of it.

use std::{pin::Pin, time::Duration};

use futures::{AsyncBufRead, AsyncBufReadExt};
use http::{HeaderMap, Method, Request};
use kube::{
    Client, Config,
    client::Body,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use sim::{Cluster, ContextEntry, Fault, Options, kubeconfig};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// Where servers are.
pub(crate) const SERVERS: &str = "/apis/wiring.githedgehog.com/v1beta1/namespaces/default/servers";

/// A server object.
pub(crate) fn server(name: &str, description: &str) -> Value {
    json!({"apiVersion": "wiring.githedgehog.com/v1beta1", "kind": "Server",
        "metadata": {"namespace": "default", "name": name}, "spec": {"description": description}})
}

pub(crate) struct House {
    pub(crate) cluster: Cluster,
    client: Client,
    url: String,
    _serving: DropGuard,
}

/// The lines of a watch.
pub(crate) struct Watch(Pin<Box<dyn AsyncBufRead + Send>>);

impl Watch {
    /// The next event; an error where the line is broken, none at the end.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Value>> {
        let mut line = String::new();
        if tokio::time::timeout(PATIENCE, self.0.read_line(&mut line)).await?? == 0 {
            return Ok(None);
        }
        Ok(Some(serde_json::from_str(&line)?))
    }
}

type Reply = (u16, HeaderMap, Value);

impl House {
    pub(crate) async fn open() -> Self {
        Self::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let cluster = Cluster::new(options);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let cancel = CancellationToken::new();
        #[expect(
            clippy::disallowed_methods,
            reason = "ends with the guard, at the end of the test"
        )]
        drop(tokio::spawn(cluster.clone().serve(listener, cancel.clone())));
        let client = Self::client(&url, "sim-admin").await;
        Self { cluster, client, url, _serving: cancel.drop_guard() }
    }

    async fn client(url: &str, token: &str) -> Client {
        let entry = ContextEntry {
            name: "sim".to_owned(),
            server: url.to_owned(),
            ca_pem: None,
            token: token.to_owned(),
            namespace: "default".to_owned(),
        };
        let file = Kubeconfig::from_yaml(&kubeconfig(&[entry])).unwrap();
        Client::try_from(
            Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap(),
        )
        .unwrap()
    }

    #[expect(clippy::needless_pass_by_value, reason = "faults are written in place")]
    pub(crate) fn fault(&self, fault: Fault) {
        self.cluster.fault(&fault).unwrap();
    }

    pub(crate) fn server(&self, name: &str, description: &str) {
        self.cluster.apply(server(name, description)).unwrap();
    }

    async fn send(
        client: &Client,
        method: Method,
        path: &str,
        mime: &str,
        body: &Value,
    ) -> Option<Reply> {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = Request::builder().method(method).uri(path).header("content-type", mime);
        let response = client.send(request.body(Body::from(bytes)).unwrap()).await.ok()?;
        let (parts, body) = response.into_parts();
        let bytes = body.collect_bytes().await.ok()?;
        Some((
            parts.status.as_u16(),
            parts.headers,
            serde_json::from_slice(&bytes).unwrap_or_default(),
        ))
    }

    pub(crate) async fn try_get(&self, path: &str) -> Option<Reply> {
        Self::send(&self.client, Method::GET, path, "application/json", &Value::Null).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.try_get(path).await.unwrap()
    }

    /// The head of an answer, in small letters, without a client that tries again by itself on a 429.
    pub(crate) async fn head(&self, path: &str) -> String {
        let address = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: sim\r\nauthorization: Bearer sim-admin\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let read = tokio::time::timeout(PATIENCE, stream.read_u8()).await.unwrap();
            head.push(read.unwrap());
        }
        String::from_utf8(head).unwrap().to_lowercase()
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Reply {
        Self::send(&self.client, Method::PATCH, path, "application/merge-patch+json", body)
            .await
            .unwrap()
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: &Value) -> Reply {
        let client = Self::client(&self.url, token).await;
        Self::send(&client, Method::POST, path, "application/json", body).await.unwrap()
    }

    pub(crate) async fn anonymous(&self, path: &str) -> u16 {
        let client = Client::try_from(Config::new(self.url.parse().unwrap())).unwrap();
        Self::send(&client, Method::GET, path, "application/json", &Value::Null).await.unwrap().0
    }

    pub(crate) async fn watch(&self, query: &str) -> Watch {
        let request =
            Request::get(format!("{SERVERS}?watch=true{query}")).body(Vec::new()).unwrap();
        Watch(Box::pin(self.client.request_stream(request).await.unwrap()))
    }

    pub(crate) async fn until(&self, done: impl Fn() -> bool) {
        self.until_async(async || done()).await;
    }

    pub(crate) async fn until_async(&self, mut done: impl AsyncFnMut() -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !done().await {
            assert!(tokio::time::Instant::now() < deadline, "it did not come about");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
