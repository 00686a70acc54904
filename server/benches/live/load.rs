//! Changes at a given rate, and when each was answered.
//!
//! Invariant: nothing is retried; what was refused is counted and said.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use domain::kind::Kind;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use sim::Cluster;
use tokio::{task::JoinSet, time::sleep_until};

use crate::clients::{Fleet, MARK, us_since};

/// How long clients may take over what is under way once the last change was answered.
const DRAINED_WITHIN: Duration = Duration::from_secs(5);
/// Where servers of the fabric are, on its API server.
pub(crate) const SERVERS: &str = "/apis/wiring.githedgehog.com/v1beta1/namespaces/default/servers";
/// The same for connections.
pub(crate) const CONNECTIONS: &str =
    "/apis/wiring.githedgehog.com/v1beta1/namespaces/default/connections";
/// Objects that are made at the same time.
const AT_ONCE: usize = 16;

/// Where a change goes.
#[derive(Clone)]
enum Target {
    /// Merge patches of objects on a Kubernetes API server, and the field that carries the number.
    Objects { client: Client, paths: Vec<String>, field: Field },
    /// The same on clusters in this process, in turn.
    Near { clusters: Vec<Cluster>, kind: Kind, names: Vec<String> },
    /// One POST of one text to the peer.
    Peer { http: reqwest::Client, url: String },
}

impl Target {
    /// Makes a change; whether it was taken.
    async fn change(self, number: usize, padding: usize) -> bool {
        let mark = format!("{}{number}{} {}", MARK.0, MARK.1, "x".repeat(padding));
        match self {
            Self::Peer { http, url } => {
                let request = http.post(url).body(format!(r#"{{"t":"ch","o":"{mark}"}}"#));
                request.send().await.is_ok_and(|answer| answer.status().is_success())
            }
            Self::Near { clusters, kind, names } => {
                let n = clusters.len().max(1);
                let name = names.get(number / n % names.len().max(1));
                let cluster = clusters.get(number % n);
                let patch = json!({"spec": {"description": mark}});
                let change = |(cluster, name): (&Cluster, &String)| {
                    cluster.patch_merge(kind, "default", name, patch).is_ok()
                };
                cluster.zip(name).is_some_and(change)
            }
            Self::Objects { client, paths, field } => {
                let body = match field {
                    Field::Description => json!({"spec": {"description": mark}}),
                    Field::Annotation => {
                        json!({"metadata": {"annotations": {"bench.hnp.dev/change": mark}}})
                    }
                };
                let path = paths.get(number % paths.len()).map(String::as_str).unwrap_or_default();
                let request = http::Request::patch(path)
                    .header("content-type", "application/merge-patch+json")
                    .body(body.to_string().into_bytes());
                match request {
                    Ok(request) => client.request_text(request).await.is_ok(),
                    Err(_) => false,
                }
            }
        }
    }
}

/// Which field carries the number of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    /// `spec.description`: part of the row.
    Description,
    /// An annotation: part of the whole object alone.
    Annotation,
}

/// Makes changes.
pub(crate) struct Load {
    target: Target,
    /// Letters beside the number, to give a change its size.
    padding: usize,
    next: usize,
    /// The moment that all times count from.
    pub(crate) zero: Instant,
}

/// What a run of changes gave.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Milliseconds from the answer to a change until a client had it; one per client and change.
    pub(crate) latencies: Vec<f64>,
    /// Share of clients times changes that arrived.
    pub(crate) delivered: f64,
    /// Changes that were refused.
    pub(crate) refused: usize,
    /// Changes per second that were really made.
    pub(crate) rate: f64,
}

impl Load {
    /// Changes of all objects at a path of the server that a kubeconfig names.
    pub(crate) async fn objects(
        kubeconfig: &Path,
        base: &str,
        field: Field,
        padding: usize,
    ) -> anyhow::Result<Self> {
        let client = client(kubeconfig).await?;
        let list: Value = client.request(http::Request::get(base).body(Vec::new())?).await?;
        let items = list.get("items").and_then(Value::as_array).context("no list")?;
        let names = items.iter().filter_map(|item| item.pointer("/metadata/name")?.as_str());
        let paths: Vec<String> = names.map(|name| format!("{base}/{name}")).collect();
        if paths.is_empty() {
            bail!("nothing to change at {base}");
        }
        let target = Target::Objects { client, paths, field };
        Ok(Self { target, padding, next: 0, zero: Instant::now() })
    }

    /// Changes of the descriptions of all objects of a kind on a cluster in this process.
    pub(crate) fn near(cluster: &Cluster, kind: Kind) -> Self {
        Self::near_all(std::slice::from_ref(cluster), kind)
    }

    /// The same on several clusters that hold the same objects, in turn.
    pub(crate) fn near_all(clusters: &[Cluster], kind: Kind) -> Self {
        let objects = clusters.first().map(|cluster| cluster.list(kind)).unwrap_or_default();
        let names = objects.iter().filter_map(|one| one.pointer("/metadata/name")?.as_str());
        let names = names.map(str::to_owned).collect();
        let target = Target::Near { clusters: clusters.to_vec(), kind, names };
        Self { target, padding: 0, next: 0, zero: Instant::now() }
    }

    /// Texts for the peer.
    pub(crate) fn peer(address: &str, padding: usize) -> Self {
        let url = format!("http://{address}/publish");
        let target = Target::Peer { http: reqwest::Client::new(), url };
        Self { target, padding, next: 0, zero: Instant::now() }
    }

    /// Makes changes at a rate for some seconds, with clients or without.
    pub(crate) async fn run(
        &mut self,
        rate: f64,
        seconds: f64,
        fleet: Option<&Fleet>,
    ) -> anyhow::Result<Ran> {
        if let Some(fleet) = fleet {
            fleet.take();
        }
        let first = self.next;
        let mut under_way: JoinSet<Option<(usize, u64)>> = JoinSet::new();
        let begun = tokio::time::Instant::now();
        let n = n_of(rate * seconds);
        for at in 0..n {
            sleep_until(begun + Duration::from_secs_f64(at as f64 / rate)).await;
            let change = self.target.clone().change(self.next, self.padding);
            let (number, zero) = (self.next, self.zero);
            self.next += 1;
            under_way.spawn(async move { change.await.then(|| (number, us_since(zero))) });
        }
        let mut answered = vec![None; n];
        while let Some(done) = under_way.join_next().await {
            if let Some((number, us)) = done.ok().flatten()
                && let Some(slot) = answered.get_mut(number - first)
            {
                *slot = Some(us);
            }
        }
        let rate = n as f64 / begun.elapsed().as_secs_f64();
        let made = answered.iter().flatten().count();
        let Some(fleet) = fleet else {
            return Ok(Ran { latencies: Vec::new(), delivered: 1.0, refused: n - made, rate });
        };
        let drained = Instant::now();
        while fleet.n_seen() < made * fleet.len() && drained.elapsed() < DRAINED_WITHIN {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let mut latencies = Vec::with_capacity(made * fleet.len());
        for seen in fleet.take() {
            for (number, came) in seen {
                let answered = number.checked_sub(first).and_then(|at| answered.get(at)).copied();
                if let Some(answered) = answered.flatten() {
                    latencies.push(came.saturating_sub(answered) as f64 / 1e3);
                }
            }
        }
        let delivered = latencies.len() as f64 / (made * fleet.len()).max(1) as f64;
        Ok(Ran { latencies, delivered, refused: n - made, rate })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a small positive number"
)]
fn n_of(changes: f64) -> usize {
    changes.round() as usize
}

/// A client of the API server that a kubeconfig names.
pub(crate) async fn client(kubeconfig: &Path) -> anyhow::Result<Client> {
    let file = Kubeconfig::read_from(kubeconfig).context("could not read the kubeconfig")?;
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

/// Makes servers, as many as there is time for; how many were made.
pub(crate) async fn servers(client: &Client, n: usize, within: Duration) -> anyhow::Result<usize> {
    let begun = Instant::now();
    let (mut made, mut under_way) = (0, JoinSet::new());
    for at in 0..n {
        if begun.elapsed() > within {
            break;
        }
        while under_way.len() >= AT_ONCE {
            made += usize::from(matches!(under_way.join_next().await, Some(Ok(true))));
        }
        let body = json!({"apiVersion": "wiring.githedgehog.com/v1beta1", "kind": "Server",
            "metadata": {"name": format!("more-{at:05}"), "namespace": "default"},
            "spec": {"description": "one more for the bench"}});
        let request = http::Request::post(SERVERS)
            .header("content-type", "application/json")
            .body(body.to_string().into_bytes())?;
        let client = client.clone();
        under_way.spawn(async move { client.request_text(request).await.is_ok() });
    }
    while let Some(done) = under_way.join_next().await {
        made += usize::from(matches!(done, Ok(true)));
    }
    Ok(made)
}
