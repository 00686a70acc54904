//! Polling: one request, answered as soon as there is news.

use std::time::Duration;

use domain::kind::Kind;
use serde_json::{Value, json};
use sim::Fault;
use testkit::account;
use tokio::time::Instant;

use crate::{
    house::{Answer, PATIENCE, TestHouse, Yard, until_true},
    socket::kinds,
};

const SWITCHES: &str = "objects/test/Switch";
const PATH: &str = "/api/v1/live/poll";

async fn poll(house: &TestHouse, wait: u64, topics: Value) -> Value {
    let hello = json!({"t": "hello", "protocol": 1, "topics": topics});
    let answer =
        Answer::of(house.http.post(house.url(&format!("{PATH}?wait={wait}"))).json(&hello)).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.json()
}

fn frames(answer: &Value) -> Vec<Value> {
    answer["frames"].as_array().unwrap().clone()
}

/// Answers from nothing, and the place reached.
async fn first(house: &TestHouse) -> Value {
    let frames = frames(&poll(house, 25, json!([{"topic": SWITCHES}])).await);
    assert_eq!(kinds(&frames), ["snapshot", "synced"], "no welcome, no ping");
    frames[1]["at"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_is_answered_when_something_lies_beyond_its_places_and_not_before() {
    let house = TestHouse::vlab().await;
    let at = first(&house).await;
    let begin = Instant::now();
    let answer = poll(&house, 1, json!([{"topic": SWITCHES, "at": at}])).await;
    assert_eq!(answer, json!({"frames": []}));
    assert!(begin.elapsed() >= Duration::from_secs(1), "it waited");

    let waiting = poll(&house, 25, json!([{"topic": SWITCHES, "at": at}]));
    let change = async {
        until_true("the poll to be followed", || house.n_readers() == 1).await;
        assert_eq!(house.metric("hnp_live_connections{transport=\"poll\"}").await, 1);
        house.yard.touch("leaf-01", "news");
    };
    let (answer, ()) = tokio::join!(waiting, change);
    let heard = frames(&answer);
    assert_eq!(kinds(&heard), ["synced", "ch"], "{heard:?}");
    assert_eq!(heard[1]["b"].as_array().unwrap().len(), 1);
    assert_eq!(heard[1]["n"], 1, "each answer counts anew");

    // By the address, from before that change: at once.
    let place = format!("{}:{}", at[0].as_str().unwrap(), at[1].as_str().unwrap());
    let answer = house.get(&format!("{PATH}?topic={SWITCHES}@{place}&wait=25")).await.json();
    assert_eq!(kinds(&frames(&answer)), ["ch", "synced"]);
    let answer = house.get(&format!("{PATH}?topic={SWITCHES}&wait=0")).await;
    assert_eq!(kinds(&frames(&answer.json())), ["snapshot", "synced"]);
    until_true("nothing to stay behind", || house.n_readers() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wildcard_goes_on_by_the_token_of_the_answer() {
    let house = TestHouse::vlab().await;
    let wants = |token: Option<&Value>| {
        let at = token.cloned().unwrap_or_default();
        let want = |topic: &str| {
            if at.is_null() { json!({"topic": topic}) } else { json!({"topic": topic, "at": at}) }
        };
        json!([want("objects/test/*"), want("feed/*")])
    };
    let answer = poll(&house, 25, wants(None)).await;
    assert!(kinds(&frames(&answer)).contains(&"synced".to_owned()));
    let mut token = answer["token"].clone();
    // What happened since is news until nothing happens any more.
    let begin = Instant::now();
    loop {
        let answer = poll(&house, 1, wants(Some(&token))).await;
        token = answer["token"].clone();
        if frames(&answer).is_empty() {
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "always news: {:?}", kinds(&frames(&answer)));
    }
    house.yard.touch("leaf-01", "news");
    let heard = frames(&poll(&house, 25, wants(Some(&token))).await);
    assert!(
        heard.iter().any(|frame| frame["t"] == "ch" && frame["topic"] == SWITCHES),
        "{heard:?}"
    );
    let synced = heard.iter().filter(|frame| frame["t"] == "synced");
    assert!(synced.clone().count() > 12 && synced.clone().all(|frame| frame["recovered"] == "log"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_not_listed_yet_is_waited_for() {
    let yard = Yard::vlab().await;
    yard.fault(&Fault::Forbid { user: None, resource: Kind::Vpc.into() });
    let house = TestHouse::on(yard, |_| ()).await;
    until_true("switches to be live", || house.objects(Kind::Switch).is_listed()).await;
    let topics = json!([{"topic": "objects/test/VPC"}]);
    assert_eq!(poll(&house, 1, topics.clone()).await, json!({"frames": []}));
    let permit = async {
        until_true("the poll to be followed", || house.n_readers() == 1).await;
        house.yard.fault(&Fault::Permit { user: None, resource: Kind::Vpc.into() });
    };
    let answer = async {
        loop {
            let heard = frames(&poll(&house, 25, topics.clone()).await);
            if !heard.is_empty() {
                return heard;
            }
        }
    };
    let (heard, ()) = tokio::join!(answer, permit);
    assert_eq!(kinds(&heard).last().unwrap(), "synced");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_and_a_server_that_ends_are_not_waited_for() {
    let house = TestHouse::vlab().await;
    let at = first(&house).await;
    let hello = json!({"t": "hello", "protocol": 1, "topics": [{"topic": SWITCHES, "at": at}]});
    let url = house.url(&format!("{PATH}?wait=25"));
    let gone = tokio::time::timeout(
        Duration::from_secs(1),
        account::http().post(&url).json(&hello).send(),
    );
    assert!(gone.await.is_err());
    until_true("the subscription to go with its client", || house.n_readers() == 0).await;

    let begin = Instant::now();
    let waiting = Answer::of(house.http.post(&url).json(&hello));
    let end = async {
        until_true("the poll to be followed", || house.n_readers() == 1).await;
        house.end();
    };
    let (answer, ()) = tokio::join!(waiting, end);
    let heard = frames(&answer.json());
    let bye = heard.last().unwrap();
    assert_eq!((&bye["t"], &bye["code"]), (&json!("bye"), &json!(1012)));
    assert!(bye["reconnect_in_ms"].as_u64().unwrap() < 1_100, "one guest is not held up");
    assert!(begin.elapsed() < Duration::from_secs(20), "at once, not after the wait");
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_a_problem_and_what_is_not_there_is_told_within_a_second_or_so() {
    let house = TestHouse::on(Yard::empty().await, |config| config.limits.topics = 2).await;
    for query in [
        "",
        "?wait=1",
        "?topic=state/test&wait=soon",
        "?topic=state/test&wait=-1",
        "?topic=state/test&wait=1e9",
    ] {
        house.get(&format!("{PATH}{query}")).await.is_problem(400, "bad_query");
    }
    house.get(&format!("{PATH}?topic=a,b,c")).await.is_problem(413, "too_many_topics");
    let post = |query: &str, body: String| {
        Answer::of(house.http.post(house.url(&format!("{PATH}{query}"))).body(body))
    };
    let hello = r#"{"t":"hello","protocol":1,"topics":[]}"#.to_owned();
    post("?wait=x", hello.clone()).await.is_problem(400, "bad_query");
    post("?topic=state/test", hello).await.is_problem(400, "bad_query");
    post("", "{".to_owned()).await.is_problem(400, "bad_frame");
    post("", r#"{"t":"hello","protocol":9}"#.to_owned()).await.is_problem(400, "unknown_protocol");
    post("", "x".repeat(17 * 1024)).await.is_problem(413, "too_large");

    let answer = poll(&house, 25, json!([{"topic": "objects/nowhere/Switch"}])).await;
    assert_eq!(answer["frames"][0]["code"], "unknown_topic");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_arrives_whole_when_it_is_compressed_as_browsers_ask() {
    let house = TestHouse::vlab().await;
    first(&house).await;
    let hello = json!({"t": "hello", "protocol": 1, "topics": [{"topic": SWITCHES}]});
    for coding in ["gzip", "br"] {
        let request = house.http.post(house.url(&format!("{PATH}?wait=0")));
        let answer = Answer::of(request.header("accept-encoding", coding).json(&hello)).await;
        assert_eq!((answer.status, answer.header("content-encoding")), (200, coding));
    }
}
