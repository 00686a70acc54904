//! Many fabrics in one house: some hang, some flap, some are misconfigured; the others do not notice.

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    connection::{Access, Secret, WatchPlan},
    kind::Kind,
    state::{Cause, Connectivity, FabricState, KindWatch, WatchState},
    topic::{FabricId, Topic},
};
use engine::{
    cluster::{access, kubeconfig::Permissions},
    fabric::{self, Plan, Reach, Running},
    hub::Hub,
};
use serde_json::json;
use sim::{Cluster, Fault, Options, Tls};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::house::until;

/// Fabrics that are well.
const WELL: usize = 30;
/// Fabrics of each kind of trouble.
const OF_EACH: usize = 5;

/// What is wrong with a fabric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    Nothing,
    Hangs,
    Flaps,
    WrongAuthority,
    Forbidden,
}

/// A cluster, and the fabric that is made of it.
struct Member {
    trouble: Trouble,
    cluster: Cluster,
    fabric: FabricId,
    running: Running,
}

/// Everything, in one process and one hub.
struct Town {
    hub: Arc<Hub>,
    members: Vec<Member>,
    servers: JoinSet<()>,
    cancel: CancellationToken,
    tasks: TaskTracker,
}

impl Town {
    async fn new() -> Self {
        let mut town = Self {
            hub: Arc::new(Hub::new()),
            members: Vec::new(),
            servers: JoinSet::new(),
            cancel: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        let bad = [Trouble::Hangs, Trouble::Flaps, Trouble::WrongAuthority, Trouble::Forbidden];
        for trouble in bad.into_iter().flat_map(|trouble| [trouble; OF_EACH]) {
            town.settle(trouble).await;
        }
        for _ in 0..WELL {
            town.settle(Trouble::Nothing).await;
        }
        town
    }

    /// Starts a cluster and the fabric of it.
    async fn settle(&mut self, trouble: Trouble) {
        let number = self.members.len();
        let cluster = Cluster::new(Options { crds: domain::crd::crds(), ..Options::default() });
        cluster.apply(server(0)).unwrap();
        match trouble {
            Trouble::Hangs => cluster.fault(&Fault::Hang { resource: None }).unwrap(),
            Trouble::Forbidden => {
                for kind in Kind::ALL {
                    cluster.fault(&Fault::Forbid { user: None, resource: (*kind).into() }).unwrap();
                }
            }
            Trouble::Nothing | Trouble::Flaps | Trouble::WrongAuthority => {}
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (serving, until) = (cluster.clone(), self.cancel.clone());
        let (scheme, ca_pem) = if trouble == Trouble::WrongAuthority {
            let (theirs, ours) = (Tls::self_signed().unwrap(), Tls::self_signed().unwrap());
            self.servers.spawn(async move {
                let _ = serving.serve_tls(listener, theirs, until).await;
            });
            ("https", Some(ours.ca_pem().to_owned()))
        } else {
            self.servers.spawn(async move {
                let _ = serving.serve(listener, until).await;
            });
            ("http", None)
        };
        let access = Access::Direct {
            server: format!("{scheme}://{address}").parse().unwrap(),
            ca_pem,
            token: Secret::new(cluster.tokens().of_user("admin").unwrap().secret.clone()),
            tls_server_name: None,
        };
        let reach = Reach::from(access::target(&access, Permissions::NONE).await);
        let fabric: FabricId = format!("f{number}").parse().unwrap();
        let twelve: Vec<Kind> = Kind::primary().collect();
        let plan = Plan::of(fabric.clone(), reach, WatchPlan::default()).only(&twelve);
        let running = fabric::start(plan, &self.hub, "process", &self.tasks, &self.cancel);
        self.members.push(Member { trouble, cluster, fabric, running });
    }

    fn state<T: serde::de::DeserializeOwned>(&self, fabric: &FabricId, key: &str) -> Option<T> {
        let topic = self.hub.keyed(&Topic::State(fabric.clone()))?;
        topic.read(|log| serde_json::from_str(&log.get(key)?.value.row).ok())
    }

    fn connectivity(&self, fabric: &FabricId) -> Option<FabricState> {
        self.state(fabric, "connectivity")
    }

    fn with(&self, trouble: Trouble) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(move |member| member.trouble == trouble)
    }

    /// Fabrics among the healthy of which something does not hold, with what they say.
    fn lacking(&self, holds: impl Fn(&Member) -> bool) -> Result<(), Vec<String>> {
        let lacking: Vec<String> = self
            .with(Trouble::Nothing)
            .filter(|member| !holds(member))
            .map(|member| format!("{}: {:?}", member.fabric, self.connectivity(&member.fabric)))
            .collect();
        if lacking.is_empty() { Ok(()) } else { Err(lacking) }
    }

    fn is_live(&self, fabric: &FabricId) -> bool {
        Kind::primary().all(|kind| {
            self.state::<KindWatch>(fabric, &format!("watch/{kind}"))
                .is_some_and(|watch| watch.state == WatchState::Live)
        })
    }

    fn holds(&self, fabric: &FabricId, key: &str) -> bool {
        let topic = self.hub.keyed(&Topic::Objects(fabric.clone(), Kind::Server));
        topic.is_some_and(|topic| topic.read(|log| log.get(key).is_some()))
    }

    /// Every fabric that is bad, in the words that it uses.
    fn reasons(&self) -> BTreeMap<&str, (Trouble, Option<Cause>, Connectivity, String)> {
        let bad = self.members.iter().filter(|member| member.trouble != Trouble::Nothing);
        let said = bad.filter_map(|member| {
            let state = self.connectivity(&member.fabric)?;
            let reason = state.reason.unwrap_or_default();
            Some((member.fabric.as_str(), (member.trouble, state.cause, state.state, reason)))
        });
        said.collect()
    }
}

fn server(number: usize) -> serde_json::Value {
    json!({"apiVersion": "wiring.githedgehog.com/v1beta1", "kind": "Server",
        "metadata": {"name": format!("server-{number}"), "namespace": "default"}, "spec": {}})
}

/// Which cause a trouble must have, once it is named; none: it comes and goes.
fn expected(trouble: Trouble) -> Option<Cause> {
    match trouble {
        Trouble::Nothing | Trouble::Flaps => None,
        Trouble::Hangs => Some(Cause::Timeout),
        Trouble::WrongAuthority => Some(Cause::Tls),
        Trouble::Forbidden => Some(Cause::Forbidden),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_bad_fabrics_cost_thirty_good_ones_nothing_and_each_names_its_reason() {
    let mut town = Town::new().await;
    until("the good ones to be live", || town.lacking(|member| town.is_live(&member.fabric))).await;
    until("each bad one to name its reason", || {
        let reasons = town.reasons();
        let wrong: Vec<_> = reasons
            .iter()
            .filter(|(_, (trouble, cause, _, reason))| {
                let expected = expected(*trouble);
                expected.is_some() && (*cause != expected || reason.is_empty())
            })
            .map(|(fabric, said)| format!("{fabric}: {said:?}"))
            .collect();
        if wrong.is_empty() && reasons.len() == 4 * OF_EACH { Ok(()) } else { Err(wrong) }
    })
    .await;
    // Changes reach the good ones while the bad ones are bad: some are switched off and on all the while.
    for round in 1..=20 {
        for member in town.with(Trouble::Flaps) {
            let fault = if round % 2 == 1 { Fault::Refuse } else { Fault::Heal };
            member.cluster.fault(&fault).unwrap();
        }
        for member in town.with(Trouble::Nothing) {
            member.cluster.apply(server(round)).unwrap();
        }
        let key = format!("default/server-{round}");
        until(&format!("change {round} to reach the good ones"), || {
            town.lacking(|member| town.holds(&member.fabric, &key))
        })
        .await;
    }
    until("the good ones to be connected", || {
        town.lacking(|member| {
            let state = town.connectivity(&member.fabric).map(|state| state.state);
            state == Some(Connectivity::Connected) && town.is_live(&member.fabric)
        })
    })
    .await;
    for (fabric, (trouble, cause, state, reason)) in town.reasons() {
        if expected(trouble).is_some() {
            assert_eq!(cause, expected(trouble), "{fabric} is as bad as before: {reason}");
            assert_ne!(state, Connectivity::Connected, "{fabric}");
        }
    }
    // Any of them goes alone.
    let hanging = town.members.remove(0);
    assert_eq!(hanging.trouble, Trouble::Hangs);
    hanging.running.stop().await;
    assert_eq!(town.hub.fabrics().len(), town.members.len());
    town.cancel.cancel();
    town.tasks.close();
    town.tasks.wait().await;
    town.servers.shutdown().await;
}
