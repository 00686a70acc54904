//! Nothing that a client sends or leaves out harms the server or anybody else.

use std::time::Duration;

use domain::kind::Kind;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};
use testkit::account::BEARER;
use tokio::{io::AsyncWriteExt as _, net::TcpStream, time::Instant};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    house::{PATIENCE, TestHouse},
    socket::{Client, kinds},
};

/// Asserts that others are still served, and that nothing of those who went is left.
async fn unharmed(house: &TestHouse) {
    // Upgrades may still be under way: wait for the count to be and stay what it should be.
    let begin = Instant::now();
    let mut calm = 0;
    while calm < 5 {
        let gone = house.metric("hnp_live_connections").await == 0 && house.n_readers() == 0;
        calm = if gone { calm + 1 } else { 0 };
        assert!(begin.elapsed() < PATIENCE, "{} readers stay behind", house.n_readers());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut client = Client::hello(house.address, json!([{"topic": "objects/test/Switch"}])).await;
    client.synced("objects/test/Switch").await;
    house.yard.touch("leaf-01", "still served");
    client.until("ch").await;
}

/// Sends messages after hello, and returns what came until the end and the close code.
async fn after_hello(house: &TestHouse, messages: Vec<Message>) -> (Vec<Value>, Option<u16>) {
    let mut client = Client::hello(house.address, json!([])).await;
    for message in messages {
        client.send(message).await;
    }
    let frames = client.rest().await;
    (frames, client.closed)
}

fn said_goodbye(frames: &[Value], code: u16) {
    let bye = frames.last().unwrap();
    assert_eq!((&bye["t"], &bye["code"]), (&json!("bye"), &json!(code)), "{frames:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_frame_is_answered_with_what_and_where_and_too_much_of_it_ends_the_link() {
    let house = TestHouse::vlab().await;
    let mut client = Client::hello(house.address, json!([])).await;
    let bad = [
        Message::text("{"),
        Message::text(r#"{"t":"dance"}"#),
        Message::text(r#"{"t":"sub","topics":[{"topic":7}]}"#),
        Message::binary(vec![0, 159, 146, 150]),
    ];
    for message in bad {
        client.send(message.clone()).await;
        let error = client.until("err").await;
        assert_eq!(error["code"], "bad_frame", "{message}");
        assert!(error["message"].as_str().unwrap().len() > 20, "{error}");
    }
    client.say(json!({"t": "ping", "n": 1})).await;
    assert_eq!(client.next().await["t"], "pong", "four bad frames are forgiven");
    client.send(Message::text("[]")).await;
    client.send(Message::text("null")).await;
    let frames = client.rest().await;
    said_goodbye(&frames, 4501);
    assert_eq!(client.closed, Some(4501));
    assert!(house.metric("hnp_bad_frames_total").await >= 5);
    unharmed(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_nesting_and_odd_values_are_bad_frames_and_no_more() {
    let house = TestHouse::vlab().await;
    let deep = "[".repeat(8_000);
    let odd = [
        deep.clone(),
        format!(r#"{{"t":"sub","topics":{deep}"#),
        r#"{"t":"pong","ts":-1}"#.to_owned(),
        r#"{"t":"sub","topics":[{"topic":"objects/test/Switch","at":["e","99999999999999999999999"]}]}"#
            .to_owned(),
        "\u{0}\u{ffff}".to_owned(),
    ];
    let (frames, code) = after_hello(&house, odd.into_iter().map(Message::text).collect()).await;
    said_goodbye(&frames, 4501);
    assert_eq!(code, Some(4501));
    unharmed(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_too_much_or_too_many_ends_with_its_own_code() {
    let house = TestHouse::vlab().await;
    let (frames, code) = after_hello(&house, vec![Message::text("x".repeat(17 * 1024))]).await;
    said_goodbye(&frames, 4508);
    assert_eq!(code, Some(4508));

    let (_, code) = after_hello(&house, vec![Message::text("x".repeat(300 * 1024))]).await;
    assert!(matches!(code, Some(4508) | None), "{code:?}");

    let pings = (0..100).map(|n| Message::text(json!({"t": "ping", "n": n}).to_string()));
    let (frames, code) = after_hello(&house, pings.collect()).await;
    said_goodbye(&frames, 4013);
    assert_eq!(code, Some(4013));
    let answered = frames.iter().filter(|frame| frame["t"] == "pong").count();
    assert!((35..80).contains(&answered), "a burst of 40 is answered, not all: {answered}");

    let topic = |n: usize| json!({"topic": "objects/*/*", "keys": [n.to_string()]});
    let many: Vec<Value> = (0..300).map(topic).collect();
    let sub = json!({"t": "sub", "topics": many}).to_string();
    assert!(sub.len() < 16 * 1024);
    let mut client = Client::hello(house.address, json!([])).await;
    client.send(Message::text(sub)).await;
    client.say(json!({"t": "ping", "n": 1})).await;
    client.until("pong").await;
    assert!(
        house.n_readers() <= Kind::ALL.len(),
        "one subscription, however often it is asked for"
    );
    client.cut();
    unharmed(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_topics_are_too_many() {
    let house = TestHouse::without_fabric(crate::house::Yard::empty().await, |_| ()).await;
    // Topics of many fabrics, which nobody need fill.
    for n in 0..30 {
        let cells = Kind::ALL.iter().map(|kind| {
            let topic = format!("objects/f{n}/{kind}").parse().unwrap();
            let keyed = engine::hub::keyed::KeyedTopic::new("e".into(), true);
            (topic, engine::hub::Cell::Keyed(std::sync::Arc::new(keyed)))
        });
        house.hub.add(cells);
    }
    let mut topics: Vec<Value> = Vec::new();
    for n in 0..30 {
        topics
            .extend(Kind::ALL.iter().map(|kind| json!({"topic": format!("objects/f{n}/{kind}")})));
    }
    topics.truncate(300);
    assert_eq!(topics.len(), 300);
    let sub = json!({"t": "sub", "topics": topics}).to_string();
    assert!(sub.len() < 16 * 1024, "{}", sub.len());
    let (frames, code) = after_hello(&house, vec![Message::text(sub)]).await;
    said_goodbye(&frames, 4508);
    assert_eq!(code, Some(4508));
    assert!(frames.iter().any(|frame| frame["code"] == "too_many"), "{:?}", kinds(&frames));
    let synced = frames.iter().filter(|frame| frame["t"] == "synced").count();
    assert_eq!(synced, 256);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_protocol_is_refused_and_hello_comes_first_and_once() {
    let house = TestHouse::vlab().await;
    let mut client = Client::open(house.address).await;
    client.say(json!({"t": "hello", "protocol": 2})).await;
    let frames = client.rest().await;
    said_goodbye(&frames, 4509);
    assert_eq!(client.closed, Some(4509));

    let mut client = Client::open(house.address).await;
    client.say(json!({"t": "sub", "topics": [{"topic": "objects/test/Switch"}]})).await;
    assert_eq!(client.next().await["code"], "bad_frame");
    client.say(json!({"t": "hello", "protocol": 1})).await;
    assert_eq!(client.next().await["t"], "welcome");
    client.say(json!({"t": "hello", "protocol": 1})).await;
    assert_eq!(client.next().await["code"], "bad_frame");
    client.cut();
    unharmed(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_says_hello_is_shown_the_door() {
    let house = TestHouse::vlab().await;
    let mut client = Client::open(house.address).await;
    let frames = client.rest().await;
    said_goodbye(&frames, 4012);
    unharmed(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_websocket_pings_is_a_flood() {
    let house = TestHouse::vlab().await;
    let pings = (0..1_000).map(|_| Message::Ping(Vec::new().into())).collect();
    let (frames, code) = after_hello(&house, pings).await;
    said_goodbye(&frames, 4013);
    assert_eq!(code, Some(4013));
    unharmed(&house).await;
}

/// A masked frame of a client.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80 | opcode];
    match payload.len() {
        short @ 0..=125 => bytes.push(0x80 | u8::try_from(short).unwrap()),
        long => {
            bytes.push(0x80 | 0x7e);
            bytes.extend(u16::try_from(long).unwrap().to_be_bytes());
        }
    }
    let mask = [7, 77, 177, 17];
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

fn conversation(house: &TestHouse) -> Vec<u8> {
    let mut bytes = format!(
        "GET /api/v1/live HTTP/1.1\r\nHost: {}\r\nAuthorization: {BEARER}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: hnp.live.v1\r\n\r\n",
        house.address
    )
    .into_bytes();
    let hello =
        json!({"t": "hello", "protocol": 1, "topics": [{"topic": "objects/*/*", "view": "full"}]});
    bytes.extend(frame(1, hello.to_string().as_bytes()));
    bytes.extend(frame(9, b"ping"));
    bytes.extend(frame(
        1,
        json!({"t": "resync", "topic": "objects/test/VPC"}).to_string().as_bytes(),
    ));
    bytes.extend(frame(8, &1000_u16.to_be_bytes()));
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_or_garbling_at_any_byte_leaves_nothing_behind() {
    let house = TestHouse::vlab().await;
    let bytes = conversation(&house);
    let mut dice = StdRng::seed_from_u64(7);
    for round in 0..120 {
        let mut said = bytes.clone();
        let cut = dice.random_range(0..=said.len());
        said.truncate(cut);
        if round % 3 == 0 && cut > 0 {
            let at = dice.random_range(0..cut);
            said[at] = dice.random();
        }
        let mut stream = TcpStream::connect(house.address).await.unwrap();
        // The server may hang up before all was said.
        let _ = stream.write_all(&said).await;
        if round % 2 == 0 {
            let _ = stream.shutdown().await;
        }
    }
    unharmed(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_links_opened_and_dropped_leave_nothing_behind() {
    let house = TestHouse::vlab_with(|config| config.limits.per_user = 300).await;
    let mut clients = Vec::new();
    for n in 0..200 {
        let mut client = Client::hello(house.address, json!([{"topic": "objects/*/*"}])).await;
        if n % 2 == 0 {
            client.synced("objects/test/Switch").await;
        }
        clients.push(client);
    }
    assert_eq!(house.metric("hnp_live_connections").await, 200);
    house.yard.touch("leaf-01", "for all of them");
    for client in &mut clients {
        client.until("ch").await;
    }
    clients.into_iter().for_each(Client::cut);
    unharmed(&house).await;
    assert_eq!(house.metric("hnp_live_connections_total").await, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_house_answers_503_and_empties_again() {
    let yard = crate::house::Yard::empty().await;
    let house = TestHouse::on(yard, |config| config.limits.total = 2).await;
    let one = Client::hello(house.address, json!([])).await;
    let _two = Client::hello(house.address, json!([])).await;
    let upgrade = || crate::guard::upgrade(&house, &[]);
    upgrade().await.is_problem(503, "too_many_connections");
    one.cut();
    let begin = Instant::now();
    while upgrade().await.status != 101 {
        assert!(begin.elapsed() < PATIENCE, "a place was never given back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
