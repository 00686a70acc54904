//! A slow client costs itself, and ends with the truth.

use std::collections::BTreeMap;

use domain::kind::Kind;
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};

use crate::{
    house::{TestHouse, key_and_version},
    socket::{Client, Wire, text, version},
    ways::{Events, Way},
};

const SWITCHES: &str = "objects/test/Switch";
const ROUNDS: usize = 40;
const OBJECTS: usize = 50;

/// A socket whose kernel holds little.
async fn narrow(house: &TestHouse) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    socket.connect(house.address).await.unwrap()
}

async fn slow(way: Way, house: &TestHouse) -> Client {
    let stream = narrow(house).await;
    let mut slow = match way {
        Way::Sse => {
            let query = format!("topic={SWITCHES}&view=full");
            Client::on(Wire::Events(Events::over(stream, house.address, &query).await))
        }
        Way::Socket | Way::Poll => {
            let mut slow = Client::over(stream, house.address).await;
            let wants = json!([{"topic": SWITCHES, "view": "full"}]);
            slow.say(json!({"t": "hello", "protocol": 1, "topics": wants})).await;
            slow
        }
    };
    slow.synced(SWITCHES).await;
    slow
}

fn truth(house: &TestHouse) -> BTreeMap<String, u64> {
    let all = house.yard.cluster.list(Kind::Switch);
    all.iter().map(key_and_version).map(|(key, version)| (key, version.parse().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_gets_one_change_per_object_afterwards_and_the_truth() {
    let house = TestHouse::vlab().await;
    for n in 0..OBJECTS {
        house.yard.clone_of(Kind::Switch, &format!("busy-{n}"), &json!({}));
    }
    house.agreement(Kind::Switch).await;
    let mut sleepers = [slow(Way::Socket, &house).await, slow(Way::Sse, &house).await];
    let mut quick = Client::hello(house.address, json!([{"topic": SWITCHES}])).await;
    quick.synced(SWITCHES).await;

    // Each change is larger than a frame of the network, so that the kernel holds few of them.
    let ballast = "x".repeat(4_000);
    let mut half = 0;
    for round in 0..ROUNDS {
        for n in 0..OBJECTS {
            let note = format!("{round} {ballast}");
            let patch = json!({"metadata": {"annotations": {"note": note}}});
            house.yard.patch(Kind::Switch, &format!("busy-{n}"), patch);
        }
        if round == ROUNDS / 2 {
            half = house.yard.cluster.revision();
        }
        tokio::task::yield_now().await;
    }
    house.agreement(Kind::Switch).await;

    let truth = truth(&house);
    let mut folded = 0;
    for sleeper in &mut sleepers {
        folded += wake(sleeper, &truth, half).await;
    }
    assert!(house.metric("hnp_live_folded_total").await >= folded);
    assert_eq!(house.metric("hnp_slow_clients_total").await, 0, "they came back in time");
    while !reached(&quick, &truth) {
        quick.step().await;
    }
}

fn reached(client: &Client, truth: &BTreeMap<String, u64>) -> bool {
    let held = &client.held[SWITCHES];
    held.len() == truth.len()
        && held.iter().all(|(key, (version, _))| truth.get(key) == Some(version))
}

/// Reads until the truth is reached; returns how many changes were folded.
async fn wake(slow: &mut Client, truth: &BTreeMap<String, u64>, half: u64) -> u64 {
    let (mut late, mut all, mut folded) = (BTreeMap::<String, usize>::new(), 0, 0);
    while !reached(slow, truth) {
        let frame = slow.step().await;
        for op in frame["b"].as_array().unwrap_or(&Vec::<Value>::new()) {
            all += 1;
            folded += op["folded"].as_u64().unwrap_or_default();
            if version(&op["v"]) > half {
                *late.entry(text(&op["k"])).or_default() += 1;
            }
        }
    }
    assert_eq!(late.len(), OBJECTS, "each object's newest change came");
    assert!(late.values().all(|n| *n == 1), "at most one change per object waits: {late:?}");
    assert_eq!(all + usize::try_from(folded).unwrap(), ROUNDS * OBJECTS, "what was folded is told");
    assert!(folded > 1_000, "{folded} of {} were folded", ROUNDS * OBJECTS);
    folded
}
