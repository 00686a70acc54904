//! The server under test, and short ways to talk to it.

use std::{
    pin::Pin,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context, ensure};
use futures::{AsyncBufRead, AsyncBufReadExt};
use http::{HeaderMap, Method, Request};
use kube::{
    Client, Config,
    client::Body,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use sim::{Cluster, ContextEntry, Fault, Options, Tls, kubeconfig};
use testkit::{RealServer, User, Variant};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::difference::{self, Difference};

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
/// Where the objects of the contract live.
pub(crate) const WIDGETS: &str = "/apis/contract.hnp.example/v1/namespaces/default/widgets";

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    Sim,
    Full,
    Crd,
}

enum Behind {
    Sim(Cluster, #[expect(dead_code, reason = "ends the server when dropped")] DropGuard),
    Real(RealServer),
}

/// A server and three clients of it.
pub(crate) struct Subject {
    pub(crate) server: Server,
    pub(crate) admin: Client,
    pub(crate) reader: Client,
    pub(crate) nobody: Client,
    pub(crate) stranger: Client,
    behind: Behind,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Value,
}

impl Reply {
    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.json.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn version(&self) -> &str {
        self.text("/metadata/resourceVersion")
    }

    /// The reply, if it has this status.
    pub(crate) fn expect(self, code: u16) -> anyhow::Result<Self> {
        let body: String = self.json.to_string().chars().take(600).collect();
        ensure!(self.code == code, "expected {code}, got {}: {body}", self.code);
        Ok(self)
    }

    /// The reply, if it is this refusal.
    pub(crate) fn refused(self, code: u16, reason: &str) -> anyhow::Result<Self> {
        let reply = self.expect(code)?;
        ensure!(reply.text("/kind") == "Status", "no Status: {}", reply.json);
        ensure!(reply.text("/reason") == reason, "expected {reason}: {}", reply.json);
        Ok(reply)
    }
}

/// The lines of a watch.
pub(crate) struct Lines(Pin<Box<dyn AsyncBufRead + Send>>);

impl Lines {
    /// The next event; none when the watch has ended.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Value>> {
        let mut line = String::new();
        let read = tokio::time::timeout(PATIENCE, self.0.read_line(&mut line))
            .await
            .context("no event came")?;
        if read.context("the watch broke")? == 0 {
            return Ok(None);
        }
        Ok(Some(serde_json::from_str(&line).with_context(|| format!("line {line:?}"))?))
    }

    /// The next event as its type and the name of its object.
    pub(crate) async fn event(&mut self) -> anyhow::Result<(String, String)> {
        let event = self.next().await?.context("the watch ended")?;
        let text = |pointer: &str| {
            event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        Ok((text("/type"), text("/object/metadata/name")))
    }
}

impl Subject {
    pub(crate) async fn simulator() -> anyhow::Result<Self> {
        let cluster = Cluster::new(Options::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let server = format!("https://{}", listener.local_addr()?);
        let (tls, cancel) = (Tls::self_signed()?, CancellationToken::new());
        let ca_pem = tls.ca_pem().to_owned();
        let serving = cluster.clone().serve_tls(listener, tls, cancel.clone());
        #[expect(
            clippy::disallowed_methods,
            reason = "ends with the guard, at the end of the test"
        )]
        drop(tokio::spawn(serving));
        let client = async |token: &str| {
            let entry = ContextEntry {
                name: "sim".to_owned(),
                server: server.clone(),
                ca_pem: Some(ca_pem.clone()),
                token: token.to_owned(),
                namespace: "default".to_owned(),
            };
            client(Kubeconfig::from_yaml(&kubeconfig(&[entry]))?).await
        };
        let subject = Self {
            server: Server::Sim,
            admin: client("sim-admin").await?,
            reader: client("sim-reader").await?,
            nobody: client("sim-nobody").await?,
            stranger: client("not-a-token").await?,
            behind: Behind::Sim(cluster, cancel.drop_guard()),
        };
        subject.prepare().await
    }

    pub(crate) async fn real(server: RealServer) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(server.kubeconfig(User::Nobody))?;
        let stranger =
            client(Kubeconfig::from_yaml(&text.replace("token: ", "token: not-"))?).await?;
        let which = match server.variant() {
            Variant::Full => Server::Full,
            Variant::Crd => Server::Crd,
        };
        let subject = Self {
            server: which,
            admin: server.client(User::Admin).await?,
            reader: server.client(User::Reader).await?,
            nobody: server.client(User::Nobody).await?,
            stranger,
            behind: Behind::Real(server),
        };
        subject.prepare().await
    }

    /// Installs what the cases need; the definitions of our kinds too, which shows that a server takes them.
    async fn prepare(self) -> anyhow::Result<Self> {
        let mut crds = vec![widgets("contract.hnp.example")];
        if self.server != Server::Sim {
            crds.extend(domain::crd::crds());
        }
        for crd in &crds {
            self.define(crd).await?;
        }
        self.let_readers_read().await?;
        Ok(self)
    }

    /// Makes a definition and waits until its resource is served.
    pub(crate) async fn define(&self, crd: &Value) -> anyhow::Result<()> {
        let base = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        self.post(base, crd)
            .await?
            .expect(201)
            .with_context(|| format!("{}", crd["metadata"]["name"]))?;
        let (group, version) = (&crd["spec"]["group"], &crd["spec"]["versions"][0]["name"]);
        let names = &crd["spec"]["names"];
        let part = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let list = format!("/apis/{}/{}/{}", part(group), part(version), part(&names["plural"]));
        self.until(async || Ok(self.get(&list).await?.code == 200)).await.context(list.clone())
    }

    /// On a server with roles, gives the group of readers what the simulator's reader has.
    async fn let_readers_read(&self) -> anyhow::Result<()> {
        if self.server != Server::Full {
            return Ok(());
        }
        let rbac = "/apis/rbac.authorization.k8s.io/v1";
        let rule =
            json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]});
        let readers = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": "readers"}, "rules": [rule]});
        let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": "readers"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "readers"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "readers"}]});
        self.post(&format!("{rbac}/clusterroles"), &readers).await?.expect(201)?;
        self.post(&format!("{rbac}/clusterrolebindings"), &binding).await?.expect(201)?;
        self.until(async || {
            Ok(self.ask(&self.reader, Method::GET, WIDGETS, "", &Value::Null).await?.code == 200)
        })
        .await
    }

    /// Whether the server differs here; says so.
    pub(crate) fn differs(&self, difference: Difference) -> bool {
        let reason = difference::reason(self.server, difference);
        if let Some(reason) = reason {
            println!("{:?}: {difference:?}: {reason}", self.server);
        }
        reason.is_some()
    }

    /// Waits for something, with a deadline.
    pub(crate) async fn until(
        &self,
        mut done: impl AsyncFnMut() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !done().await? {
            ensure!(tokio::time::Instant::now() < deadline, "it did not come about");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        Ok(())
    }

    /// Makes the server forget its history.
    pub(crate) async fn compact(&self) -> anyhow::Result<()> {
        match &self.behind {
            Behind::Sim(cluster, _) => Ok(cluster.fault(&Fault::Compact)?),
            Behind::Real(server) => server.compact().await,
        }
    }

    /// One request of a client.
    pub(crate) async fn ask(
        &self,
        client: &Client,
        method: Method,
        path: &str,
        mime: &str,
        body: &Value,
    ) -> anyhow::Result<Reply> {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let mut request =
            Request::builder().method(method).uri(path).header("accept", "application/json");
        if !mime.is_empty() {
            request = request.header("content-type", mime);
        }
        self.send(client, request.body(Body::from(bytes))?).await
    }

    pub(crate) async fn send(
        &self,
        client: &Client,
        request: Request<Body>,
    ) -> anyhow::Result<Reply> {
        let response = client.send(request).await?;
        let (parts, body) = response.into_parts();
        let bytes = body.collect_bytes().await?;
        let json = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Ok(Reply { code: parts.status.as_u16(), headers: parts.headers, json })
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Reply> {
        self.ask(&self.admin, Method::GET, path, "", &Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Reply> {
        self.ask(&self.admin, Method::POST, path, "application/json", body).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Reply> {
        self.ask(&self.admin, Method::PUT, path, "application/json", body).await
    }

    pub(crate) async fn delete(&self, path: &str) -> anyhow::Result<Reply> {
        self.ask(&self.admin, Method::DELETE, path, "", &Value::Null).await
    }

    pub(crate) async fn merge(&self, path: &str, body: &Value) -> anyhow::Result<Reply> {
        self.ask(&self.admin, Method::PATCH, path, "application/merge-patch+json", body).await
    }

    pub(crate) async fn apply(
        &self,
        path: &str,
        manager: &str,
        body: &Value,
    ) -> anyhow::Result<Reply> {
        let mark = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{mark}fieldManager={manager}");
        self.ask(&self.admin, Method::PATCH, &path, "application/apply-patch+yaml", body).await
    }

    /// Opens a watch; `query` begins after `watch=true`.
    pub(crate) async fn watch(&self, path: &str, query: &str) -> anyhow::Result<Lines> {
        let request = Request::get(format!("{path}?watch=true{query}")).body(Vec::new())?;
        Ok(Lines(Box::pin(self.admin.request_stream(request).await?)))
    }

    /// A name that no other case uses.
    #[expect(clippy::unused_self, reason = "reads as the other short ways do")]
    pub(crate) fn name(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        format!("w{}", COUNT.fetch_add(1, Ordering::Relaxed))
    }

    /// Makes a widget and gives its path.
    pub(crate) async fn make(&self, name: &str, spec: Value) -> anyhow::Result<(String, Reply)> {
        let reply = self.post(WIDGETS, &widget(name, spec)).await?.expect(201)?;
        Ok((format!("{WIDGETS}/{name}"), reply))
    }
}

async fn client(file: Kubeconfig) -> anyhow::Result<Client> {
    Ok(Client::try_from(
        Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?,
    )?)
}

/// A widget.
#[expect(clippy::needless_pass_by_value, reason = "specs are written in place")]
pub(crate) fn widget(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "contract.hnp.example/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec})
}

/// The definition of widgets: a bit of everything that a schema can say.
pub(crate) fn widgets(group: &str) -> Value {
    let port = json!({"type": "object", "required": ["name"], "properties": {
        "name": {"type": "string"}, "vlan": {"type": "integer"}}});
    let spec = json!({"type": "object", "required": ["size"], "properties": {
        "size": {"type": "integer", "format": "int32", "minimum": 1, "maximum": 100},
        "color": {"type": "string", "enum": ["red", "green"]},
        "code": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5},
        "note": {"type": "string"},
        "mode": {"type": "string", "default": "auto"},
        "tags": {"type": "array", "maxItems": 2, "items": {"type": "string"}},
        "extra": {"type": "object", "additionalProperties": {"type": "string"}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        "target": {"x-kubernetes-int-or-string": true},
        "ports": {"type": "array", "items": port,
            "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    }});
    let status = json!({"type": "object", "properties": {"phase": {"type": "string"}}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("widgets.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "status": status}}},
            }],
        },
    })
}
