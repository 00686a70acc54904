//! Fifty registered fabrics in one house: some hang, some flap, some are misconfigured; the others deliver, and
//! each bad one names its reason.

use std::collections::BTreeMap;

use domain::{
    kind::Kind,
    topic::{FabricId, Topic},
};
use serde_json::{Value, json};
use sim::{Cluster, Fault, Options, Tls};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::house::{Answer, TestHouse, Yard, spawn, until};

/// Fabrics that are well.
const WELL: usize = 30;
/// Fabrics of each kind of trouble.
const OF_EACH: usize = 5;
/// Changes that must reach every good fabric while the bad ones are bad.
const ROUNDS: usize = 5;

/// What is wrong with a fabric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Nothing,
    Hangs,
    Flaps,
    WrongAuthority,
    Forbidden,
}

impl Trouble {
    /// The cause that the fabric must name, where it is bad all the time.
    fn cause(self) -> Option<&'static str> {
        match self {
            Self::Nothing | Self::Flaps => None,
            Self::Hangs => Some("timeout"),
            Self::WrongAuthority => Some("tls"),
            Self::Forbidden => Some("forbidden"),
        }
    }
}

struct Member {
    trouble: Trouble,
    cluster: Cluster,
    fabric: FabricId,
}

fn server(number: usize) -> Value {
    json!({"apiVersion": "wiring.githedgehog.com/v1beta1", "kind": "Server",
        "metadata": {"name": format!("server-{number}"), "namespace": "default"}, "spec": {}})
}

/// Starts a cluster and registers it.
async fn settle(
    house: &TestHouse,
    number: usize,
    trouble: Trouble,
    cancel: &CancellationToken,
) -> Member {
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
    let (serving, until) = (cluster.clone(), cancel.clone());
    let (scheme, authority) = if trouble == Trouble::WrongAuthority {
        let (theirs, ours) = (Tls::self_signed().unwrap(), Tls::self_signed().unwrap());
        spawn(async move {
            let _ = serving.serve_tls(listener, theirs, until).await;
        });
        ("https", Some(ours.ca_pem().to_owned()))
    } else {
        spawn(async move {
            let _ = serving.serve(listener, until).await;
        });
        ("http", None)
    };
    let fabric: FabricId = format!("f{number:02}").parse().unwrap();
    let kinds: Vec<String> = Kind::primary().map(|kind| kind.to_string()).collect();
    let body = json!({
        "name": fabric,
        "access": {
            "kind": "direct", "server": format!("{scheme}://{address}"), "authority": authority,
            "token": cluster.tokens().of_user("admin").unwrap().secret.clone(),
        },
        "watch": {"kinds": kinds},
    });
    let made = Answer::of(house.http.post(house.url("/api/v1/fabrics")).json(&body)).await;
    assert_eq!(made.status, 201, "{}", made.body);
    Member { trouble, cluster, fabric }
}

/// All fabrics, as one request tells them.
async fn told(house: &TestHouse) -> BTreeMap<String, Value> {
    let answer = house.get("/api/v1/fabrics?limit=100").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let all = answer.json()["fabrics"].as_array().unwrap().clone();
    all.into_iter().map(|one| (one["name"].as_str().unwrap().to_owned(), one)).collect()
}

/// Waits until what one request tells holds of every fabric that it should hold of.
async fn come(
    house: &TestHouse,
    what: &str,
    members: &[Member],
    holds: fn(Trouble, &Value) -> bool,
) {
    let begun = tokio::time::Instant::now();
    loop {
        let told = told(house).await;
        let lacking: Vec<_> = members
            .iter()
            .map(|member| (member.trouble, told.get(member.fabric.as_str())))
            .filter(|(trouble, one)| !one.is_some_and(|one| holds(*trouble, one)))
            .collect();
        if lacking.is_empty() {
            return;
        }
        assert!(begun.elapsed() < 4 * crate::house::PATIENCE, "{what}: {lacking:?}");
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }
}

/// Changes reach the good ones while the bad ones are bad; some are switched off and on all the while.
async fn deliver(house: &TestHouse, members: &[Member]) {
    for round in 1..=ROUNDS {
        for member in members {
            match member.trouble {
                Trouble::Flaps => {
                    let fault = if round % 2 == 1 { Fault::Refuse } else { Fault::Heal };
                    member.cluster.fault(&fault).unwrap();
                }
                Trouble::Nothing => drop(member.cluster.apply(server(round)).unwrap()),
                Trouble::Hangs | Trouble::WrongAuthority | Trouble::Forbidden => {}
            }
        }
        let key = format!("default/server-{round}");
        until(&format!("change {round} to reach the good ones"), || {
            let holds = |member: &&Member| {
                let topic = Topic::Objects(member.fabric.clone(), Kind::Server);
                let topic = house.hub.keyed(&topic);
                topic.is_some_and(|topic| topic.read(|log| log.get(&key).is_some()))
            };
            let good = members.iter().filter(|member| member.trouble == Trouble::Nothing);
            let lacking: Vec<_> = good.filter(|m| !holds(m)).map(|m| m.fabric.clone()).collect();
            if lacking.is_empty() { Ok(()) } else { Err(lacking) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_bad_fabrics_cost_thirty_good_ones_nothing_and_each_names_its_reason() {
    let house = TestHouse::without_fabric(Yard::empty().await, |_| ()).await;
    let cancel = CancellationToken::new();
    let _end = cancel.clone().drop_guard();
    let bad = [Trouble::Hangs, Trouble::Flaps, Trouble::WrongAuthority, Trouble::Forbidden];
    let all = bad.into_iter().flat_map(|trouble| [trouble; OF_EACH]);
    let mut members = Vec::new();
    for (number, trouble) in all.chain([Trouble::Nothing; WELL]).enumerate() {
        members.push(settle(&house, number, trouble, &cancel).await);
    }
    come(&house, "the good ones are connected", &members, |trouble, one| {
        trouble != Trouble::Nothing
            || (one["connectivity"] == "connected" && one["kinds"]["live"] == 12)
    })
    .await;
    come(&house, "each bad one names its reason", &members, |trouble, one| {
        let named = || one["cause"].as_str() == trouble.cause();
        let said = || one["reason"].as_str().is_some_and(|reason| reason.len() > 20);
        trouble.cause().is_none() || (named() && said())
    })
    .await;
    deliver(&house, &members).await;
    // All of them are on the overview, in one page, and the bad ones say why.
    let page = house.get("/").await;
    assert_eq!(page.status, 200);
    for member in &members {
        let card = format!("data-fabric=\"{}\"", member.fabric);
        assert!(page.body.contains(&card), "{}", member.fabric);
    }
    // A bad one goes alone and at once.
    let gone = Answer::of(house.http.delete(house.url("/api/v1/fabrics/f00"))).await;
    assert_eq!(gone.status, 200, "{}", gone.body);
    let first: FabricId = "f00".parse().unwrap();
    until("the first one to be gone", || {
        if house.hub.fabrics().contains(&first) { Err(()) } else { Ok(()) }
    })
    .await;
    assert_eq!(house.hub.fabrics().len(), members.len() - 1);
}
