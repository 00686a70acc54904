//! Many embedded clusters in this process, some of them bad, and their registration with a console.
//!
//! Invariant: their listeners end with the town; a cluster that flaps does so only while it is told to.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use domain::kind::Kind;
use serde_json::{Value, json};
use sim::{Cluster, Fault, Options, Tls};
use tokio::{net::TcpListener, task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

/// Servers on each cluster.
const SERVERS: usize = 20;
/// How long a cluster that flaps is there, and how long it is not.
const FLAPS_EVERY: Duration = Duration::from_secs(1);

/// What is wrong with a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nothing.
    None,
    /// It takes requests and answers none.
    Hangs,
    /// Its port closes, with all connections, and opens again.
    Flaps,
    /// Its certificate is signed by another authority than the one that was given.
    WrongAuthority,
    /// Every list and watch is answered 403.
    Forbids,
}

impl Trouble {
    /// All that is bad.
    pub(crate) const BAD: [Self; 4] =
        [Self::Hangs, Self::Flaps, Self::WrongAuthority, Self::Forbids];

    /// The causes that a console may name for it; none of them: the reason is missing or untrue.
    pub(crate) const fn causes(self) -> &'static [&'static str] {
        match self {
            Self::None => &[],
            Self::Hangs => &["timeout"],
            Self::Flaps => &["tcp"],
            Self::WrongAuthority => &["tls"],
            Self::Forbids => &["forbidden"],
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::None => "good",
            Self::Hangs => "hangs",
            Self::Flaps => "flaps",
            Self::WrongAuthority => "wrong-ca",
            Self::Forbids => "forbids",
        }
    }
}

/// A cluster.
#[derive(Debug)]
pub(crate) struct Member {
    /// The name of the fabric that is made of it.
    pub(crate) name: String,
    /// What is wrong with it.
    pub(crate) trouble: Trouble,
    /// The cluster.
    pub(crate) cluster: Cluster,
    /// The connection, as the HTTP API takes it.
    access: Value,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Town {
    /// All clusters.
    pub(crate) members: Vec<Member>,
    /// Parent of their listeners.
    serving: JoinSet<()>,
}

impl Town {
    /// Starts so many clusters with this trouble.
    pub(crate) async fn settle(&mut self, trouble: Trouble, n: usize) -> anyhow::Result<()> {
        for number in 0..n {
            let cluster = Cluster::new(Options { crds: domain::crd::crds(), ..Options::default() });
            for at in 0..SERVERS {
                let object = json!({"apiVersion": "wiring.githedgehog.com/v1beta1", "kind": "Server",
                    "metadata": {"name": format!("server-{at:05}"), "namespace": "default"},
                    "spec": {"description": "one of some"}});
                let made = cluster.apply(object);
                made.map_err(|status| anyhow::anyhow!("a server is refused: {status}"))?;
            }
            spoil(&cluster, trouble)?;
            let tls = Tls::self_signed().context("a certificate")?;
            let authority = if trouble == Trouble::WrongAuthority {
                Tls::self_signed().context("another certificate")?.ca_pem().to_owned()
            } else {
                tls.ca_pem().to_owned()
            };
            let listener = TcpListener::bind("127.0.0.1:0").await.context("could not listen")?;
            let server = format!("https://{}", listener.local_addr().context("no address")?);
            let one = cluster.clone();
            self.serving.spawn(async move {
                drop(one.serve_tls(listener, tls, CancellationToken::new()).await);
            });
            let admin = cluster.tokens().of_user("admin").context("no admin")?;
            let access = json!({"kind": "direct", "server": server, "authority": authority, "token": admin.secret});
            let name = format!("{}-{number}", trouble.word());
            self.members.push(Member { name, trouble, cluster, access });
        }
        Ok(())
    }

    /// Those that are well.
    pub(crate) fn good(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.trouble == Trouble::None)
    }

    /// Those that are not.
    pub(crate) fn bad(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.trouble != Trouble::None)
    }

    /// Lets those that flap do so, each in its own time, until the set is dropped.
    pub(crate) fn flap(&self) -> JoinSet<()> {
        let mut flapping = JoinSet::new();
        let all = self.members.iter().filter(|member| member.trouble == Trouble::Flaps);
        for (at, member) in (0_u32..).zip(all) {
            let cluster = member.cluster.clone();
            flapping.spawn(async move {
                sleep(FLAPS_EVERY * at / 5).await;
                for fault in [Fault::Refuse, Fault::Heal].iter().cycle() {
                    // A fault that is not taken shows as a reason that is never named.
                    drop(cluster.fault(fault));
                    sleep(FLAPS_EVERY).await;
                }
            });
        }
        flapping
    }
}

/// Makes a cluster bad.
fn spoil(cluster: &Cluster, trouble: Trouble) -> anyhow::Result<()> {
    let fault = |fault: Fault| {
        cluster.fault(&fault).map_err(|status| anyhow::anyhow!("a fault is not taken: {status}"))
    };
    match trouble {
        Trouble::Hangs => fault(Fault::Hang { resource: None }),
        Trouble::Forbids => Kind::ALL
            .iter()
            .try_for_each(|kind| fault(Fault::Forbid { user: None, resource: (*kind).into() })),
        Trouble::None | Trouble::Flaps | Trouble::WrongAuthority => Ok(()),
    }
}

/// Registers a fabric.
pub(crate) async fn register(
    http: &reqwest::Client,
    address: &str,
    member: &Member,
) -> anyhow::Result<()> {
    let body = json!({"name": member.name, "access": member.access});
    let url = format!("http://{address}/api/v1/fabrics");
    send(http.post(url).json(&body)).await.with_context(|| format!("register {}", member.name))
}

/// Switches a registered fabric on or off.
pub(crate) async fn enable(
    http: &reqwest::Client,
    address: &str,
    member: &Member,
    enabled: bool,
) -> anyhow::Result<()> {
    let url = format!("http://{address}/api/v1/fabrics/{}", member.name);
    let request = http.patch(url).json(&json!({"enabled": enabled}));
    send(request).await.with_context(|| format!("switch {}", member.name))
}

async fn send(request: reqwest::RequestBuilder) -> anyhow::Result<()> {
    let answer = request.send().await.context("send")?;
    let (status, text) = (answer.status(), answer.text().await.unwrap_or_default());
    ensure!(status.is_success(), "{status}: {text}");
    Ok(())
}
