//! Server-sent events: the frames of the socket over plain HTTP.

use std::{collections::BTreeMap, time::Duration};

use domain::kind::Kind;
use serde_json::{Value, json};
use testkit::account::BEARER;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::{Instant, timeout},
};

use crate::{
    house::{Answer, PATIENCE, TestHouse, Yard, key_and_version},
    socket::{Client, Wire},
    ways::Events,
};

const SWITCHES: &str = "objects/test/Switch";
const PATH: &str = "/api/v1/live/sse";

async fn get(house: &TestHouse, query: &str, last_id: Option<&str>) -> Client {
    let mut request = house.http.get(house.url(&format!("{PATH}?{query}")));
    if let Some(id) = last_id {
        request = request.header("last-event-id", id);
    }
    Client::on(Wire::Events(Events::of(request).await))
}

fn truth(house: &TestHouse, kind: Kind) -> BTreeMap<String, String> {
    house.yard.cluster.list(kind).iter().map(key_and_version).collect()
}

fn held(client: &Client) -> BTreeMap<String, String> {
    let held = client.held[SWITCHES].iter();
    held.map(|(key, (version, _))| (key.clone(), version.to_string())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_the_frames_of_the_socket_and_nothing_on_the_way_may_keep_them() {
    let house = TestHouse::vlab().await;
    let request = house
        .http
        .get(house.url(&format!("{PATH}?topic={SWITCHES}&view=row")))
        .header("accept-encoding", "gzip, br");
    let events = Events::of(request).await;
    assert_eq!(events.header("cache-control"), "no-store");
    assert_eq!(events.header("x-accel-buffering"), "no");
    assert_eq!(events.header("content-encoding"), "", "what compresses collects");
    let mut sse = Client::on(Wire::Events(events));
    assert_eq!(sse.next().await["t"], "welcome");
    let mut ws = Client::hello(house.address, json!([{"topic": SWITCHES}])).await;
    loop {
        let (one, other) = (sse.step().await, ws.step().await);
        assert_eq!(one, other);
        if one["t"] == "synced" {
            break;
        }
    }
    house.yard.touch("leaf-01", "for both");
    let (mut one, mut other) = (sse.until("ch").await, ws.until("ch").await);
    // Each was written at its own time.
    (one["ms"], other["ms"]) = (json!([]), json!([]));
    assert_eq!(one, other);
    let at = &sse.at[SWITCHES];
    assert_eq!(sse.last_id(), format!("{}:{}", at[0].as_str().unwrap(), at[1].as_str().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_event_and_the_address_resume_where_they_say() {
    let house = TestHouse::vlab().await;
    let mut client = get(&house, &format!("topic={SWITCHES}"), None).await;
    client.synced(SWITCHES).await;
    let id = client.last_id();
    client.cut();
    house.yard.touch("leaf-01", "meanwhile");
    house.agreement(Kind::Switch).await;
    for (query, last) in [
        (format!("topic={SWITCHES}"), Some(id.as_str())),
        (format!("topic={SWITCHES}@{id}"), None),
        (format!("topic={SWITCHES}@other:1"), Some(id.as_str())),
    ] {
        let mut back = get(&house, &query, last).await;
        let change = back.until("ch").await;
        assert_eq!(change["b"].as_array().unwrap().len(), 1, "{query}: {change}");
        assert_eq!(back.synced(SWITCHES).await["recovered"], "log", "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_id_resumes_several_topics_and_wildcards() {
    let house = TestHouse::vlab().await;
    let topics = "topic=objects/*/*,state/test,feed/test";
    let mut client = get(&house, topics, None).await;
    for kind in [Kind::Vpc, Kind::Switch] {
        let topic = format!("objects/test/{kind}");
        if !client.at.contains_key(&topic) {
            client.synced(&topic).await;
        }
    }
    client.synced("feed/test").await;
    let id = client.last_id();
    assert!(id.len() < 200, "{id}");
    let before = client.held.clone();
    client.cut();
    house.yard.touch("leaf-01", "meanwhile");
    house.yard.clone_of(Kind::Switch, "comes", &json!({}));
    house.agreement(Kind::Switch).await;
    let mut back = get(&house, topics, Some(&id)).await;
    back.held = before;
    assert_eq!(back.synced(SWITCHES).await["recovered"], "log");
    assert_eq!(held(&back), truth(&house, Kind::Switch));
    assert_eq!(back.synced("feed/test").await["recovered"], "log");
}

#[tokio::test(flavor = "multi_thread")]
async fn pings_come_by_the_clock_and_want_no_pong() {
    let house = TestHouse::vlab().await;
    let mut client = get(&house, "topic=state/*", None).await;
    client.synced("state/test").await;
    for _ in 0..2 {
        let ping = client.until("ping").await;
        assert!(ping["token"].is_string(), "{ping}");
    }
    house.yard.touch("leaf-01", "still here");
    assert_eq!(house.metric("hnp_live_connections{transport=\"sse\"}").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_a_problem_before_any_event() {
    let yard = Yard::empty().await;
    let house = TestHouse::on(yard, |config| {
        config.limits.total = 1;
        config.limits.topics = 2;
    })
    .await;
    for query in ["", "?view=row", "?topic=state/test@x", "?topic=state/test&wait=3"] {
        house.get(&format!("{PATH}{query}")).await.is_problem(400, "bad_query");
    }
    house.get(&format!("{PATH}?topic=a,b,c")).await.is_problem(413, "too_many_topics");
    for (body, status, code) in [
        ("{".to_owned(), 400, "bad_frame"),
        (r#"{"t":"hello","protocol":9}"#.to_owned(), 400, "unknown_protocol"),
        ("x".repeat(17 * 1024), 413, "too_large"),
    ] {
        Answer::of(house.http.post(house.url(PATH)).body(body)).await.is_problem(status, code);
    }
    let evil = house.http.get(house.url(&format!("{PATH}?topic=state/test")));
    Answer::of(evil.header("origin", "https://evil.example")).await.is_problem(403, "csrf");
    let evil = house.http.get(house.url(&format!("{PATH}?topic=state/test")));
    Answer::of(evil.header("host", "evil.example")).await.is_problem(421, "wrong_host");

    let session = house.get("/api/v1/session").await;
    assert_eq!((session.status, &session.json()["user"]), (200, &json!("admin")));
    let inside = get(&house, "topic=state/test", None).await;
    for path in [format!("{PATH}?topic=state/test"), "/api/v1/session".to_owned()] {
        let answer = house.get(&path).await;
        answer.is_problem(503, "too_many_connections");
        assert!(answer.header("retry-after").parse::<u64>().is_ok());
    }
    inside.cut();
    let begin = Instant::now();
    while house.get("/api/v1/session").await.status != 200 {
        assert!(begin.elapsed() < PATIENCE, "a place was never given back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(house.n_readers(), 0);
}

/// A stream of events over a socket of one's own, whose buffers are small.
async fn raw(house: &TestHouse, topic: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    let mut stream = socket.connect(house.address).await.unwrap();
    let request = format!(
        "GET {PATH}?topic={topic}&view=full HTTP/1.1\r\nHost: {}\r\nAuthorization: {BEARER}\r\n\r\n",
        house.address
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_at_all_is_cut_off_over_any_transport_and_is_counted() {
    let house = TestHouse::vlab().await;
    let mut events = raw(&house, SWITCHES).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    let stream = socket.connect(house.address).await.unwrap();
    let mut deaf = Client::over(stream, house.address).await;
    let wants = json!([{"topic": SWITCHES, "view": "full"}]);
    deaf.say(json!({"t": "hello", "protocol": 1, "topics": wants})).await;

    let begin = Instant::now();
    let mut round = 0;
    while house.metric("hnp_slow_clients_total").await < 2 {
        assert!(begin.elapsed() < PATIENCE, "somebody who does not read is kept");
        round += 1;
        for switch in ["leaf-01", "leaf-02", "leaf-03"] {
            let note = format!("{round} {}", "x".repeat(60_000));
            let patch = json!({"metadata": {"annotations": {"note": note}}});
            house.yard.patch(Kind::Switch, switch, patch);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let begin = Instant::now();
    while house.n_readers() > 0 {
        assert!(begin.elapsed() < PATIENCE, "its subscription stays behind");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // What lay in the kernel can still be read, and then the end: no last chunk says that this was all.
    let mut all = Vec::new();
    let _ = timeout(PATIENCE, events.read_to_end(&mut all)).await.unwrap();
    assert!(!all.ends_with(b"0\r\n\r\n"), "a stream that was cut does not pretend to be whole");
    assert!(all.len() < 2_000_000, "{} bytes lay in the kernel", all.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn some_hundreds_are_told_to_come_back_one_after_the_other() {
    let house = TestHouse::vlab_with(|config| config.limits.per_user = 400).await;
    let mut clients = Vec::new();
    for n in 0..300 {
        let topics = json!([{"topic": "state/test"}]);
        clients.push(if n % 3 == 0 {
            Client::events(house.address, topics).await
        } else {
            Client::hello(house.address, topics).await
        });
    }
    let poll = house.url("/api/v1/live/poll?topic=feed/test@other:1&wait=25");
    let poll = house.http.get(poll);
    house.end();
    let mut by_slot: BTreeMap<u64, usize> = BTreeMap::new();
    for client in &mut clients {
        let frames: Vec<Value> = client.rest().await;
        let bye = frames.last().unwrap();
        assert_eq!((&bye["t"], &bye["code"]), (&json!("bye"), &json!(1012)), "{bye}");
        let ms = bye["reconnect_in_ms"].as_u64().unwrap();
        *by_slot.entry(ms / 250).or_default() += 1;
        if let Wire::Events(events) = &client.wire {
            assert_eq!(events.retry, Some(ms), "a browser's own event source hears it too");
        }
    }
    drop(poll);
    assert_eq!(
        by_slot.keys().copied().collect::<Vec<_>>(),
        [4, 5, 6, 7, 8, 9],
        "1.5 s for 300, after a second"
    );
    assert!(by_slot.values().all(|n| (45..=55).contains(n)), "no wave: {by_slot:?}");
}
