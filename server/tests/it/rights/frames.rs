//! What everybody hears on a live link: every frame that a client may say, by every way, about one's own
//! fabric, one that is another's, one that never was, all at once, and oneself.

use std::collections::BTreeSet;

use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::{Answers, client, write};
use crate::{
    crowd::{Crowd, EVERYBODY, link},
    house::TestHouse,
    socket::Client,
    ways::Way,
};

/// Topics that are asked for one by one.
const TOPICS: [&str; 7] = [
    "state/here",
    "objects/here/Switch",
    "feed/here",
    "state/never",
    "objects/never/Switch",
    "feed/never",
    "me",
];

/// Selections: what they hold is what somebody may see.
const SELECTIONS: [&str; 4] = ["state/*", "objects/*/Switch", "objects/*/*", "feed/*"];

/// What is said after the greeting, or in it.
const SAYINGS: [&str; 8] = [
    "hello",
    "hello with a place",
    "sub",
    "unsub",
    "resync",
    "resync of what is followed",
    "need",
    "need of what is followed",
];

/// Who sees one of the two fabrics only: nothing of the other may come to them.
const ONLY_HERE: [&str; 5] =
    ["viewer-here", "operator-here", "admin-here", "scoped-here", "session-here"];

/// Adds what everybody hears to the table.
pub(super) async fn tell(house: &TestHouse, crowd: &Crowd, table: &mut String) {
    for topic in TOPICS {
        for saying in SAYINGS {
            let mut answers = Answers::new();
            for who in EVERYBODY {
                let headers = crowd.headers(who).await;
                let heard = say(house, &headers, (who, saying, topic)).await;
                answers.entry(heard).or_default().push(who);
            }
            write(table, &format!("live: {saying} {topic}"), &answers);
        }
    }
    for selection in SELECTIONS {
        for saying in ["hello", "sub"] {
            let mut answers = Answers::new();
            for who in EVERYBODY {
                let headers = crowd.headers(who).await;
                let heard = say(house, &headers, (who, saying, selection)).await;
                answers.entry(heard).or_default().push(who);
            }
            write(table, &format!("live: {saying} {selection}"), &answers);
        }
    }
    for way in ["poll", "snapshot", "sse"] {
        for topic in TOPICS.iter().chain(SELECTIONS.iter().filter(|_| way != "sse")) {
            let mut answers = Answers::new();
            for who in EVERYBODY {
                let headers = crowd.headers(who).await;
                let heard = ask(house, &headers, (who, way, topic)).await;
                answers.entry(heard).or_default().push(who);
            }
            write(table, &format!("live by {way}: hello {topic}"), &answers);
        }
    }
}

/// What somebody heard: places that something was said about, and refusals.
#[derive(Debug, Default)]
struct Heard(BTreeSet<String>);

impl Heard {
    /// Takes a frame in; whoever may not know of a fabric hears no word of it.
    fn take(&mut self, who: &str, frame: &Value) {
        let kind = frame["t"].as_str().unwrap();
        if kind == "err" {
            self.0.insert(format!("err {}", frame["code"].as_str().unwrap()));
            return;
        }
        let text = frame.to_string();
        for (hidden, from) in [("/there", &ONLY_HERE[..]), ("/here", &["admin-there"])] {
            assert!(!(from.contains(&who) && text.contains(hidden)), "{who} hears {text}");
        }
        assert_ne!(kind, "bye", "{who} hears {text}");
        if let Some(topic) = frame["topic"].as_str() {
            let place = topic.split('/').nth(1).unwrap_or(topic);
            self.0.insert(format!("sees {place}"));
        }
    }

    fn told(&self) -> String {
        let all: Vec<&str> = self.0.iter().map(String::as_str).collect();
        if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
    }
}

/// Says something on a link of one's own; what comes of it, up to the answer to a ping that follows.
async fn say(
    house: &TestHouse,
    headers: &HeaderMap,
    (who, saying, topic): (&str, &str, &str),
) -> String {
    let mut client = match link(house.address, headers).await {
        Ok(client) => client,
        Err(refused) => return refused,
    };
    let wants = json!([{"topic": topic}]);
    let greeted = match saying {
        "hello" | "resync of what is followed" | "need of what is followed" => wants.clone(),
        "hello with a place" => json!([{"topic": topic, "at": ["0123456789abcdef", "1"]}]),
        _ => json!([]),
    };
    client.say(json!({"t": "hello", "protocol": 1, "client": "rights/1", "topics": greeted})).await;
    let frame = match saying.split(' ').next() {
        Some("sub") => json!({"t": "sub", "topics": wants}),
        Some("unsub") => json!({"t": "unsub", "topics": [topic]}),
        Some("resync") => json!({"t": "resync", "topic": topic}),
        Some("need") => json!({"t": "need", "topic": topic, "key": "default/leaf-01"}),
        _ => json!({"t": "ping", "n": 1}),
    };
    client.say(frame).await;
    client.say(json!({"t": "ping", "n": 7})).await;
    let mut heard = Heard::default();
    while let Some(frame) = client.try_next().await {
        if frame["t"] == "pong" && frame["n"] == 7 {
            break;
        }
        heard.take(who, &frame);
    }
    heard.told()
}

/// The same over HTTP, where each answer is a greeting's.
async fn ask(
    house: &TestHouse,
    headers: &HeaderMap,
    (who, way, topic): (&str, &str, &str),
) -> String {
    let wants = json!([{"topic": topic}]);
    let path = if way == "poll" { "poll?wait=0" } else { way };
    let hello = json!({"t": "hello", "protocol": 1, "client": "rights/1", "topics": wants});
    let request = client().post(house.url(&format!("/api/v1/live/{path}"))).json(&hello);
    let mut heard = Heard::default();
    if way == "sse" {
        let refused = request.headers(headers.clone()).send().await.unwrap();
        if refused.status() != 200 {
            let (status, body) = (refused.status().as_u16(), refused.json::<Value>().await);
            return format!("{status} {}", body.unwrap()["code"].as_str().unwrap());
        }
        let mut client = Way::Sse.hello_as(house.address, wants, headers).await;
        until_answered(&mut client, who, &mut heard).await;
        return heard.told();
    }
    let response = request.headers(headers.clone()).send().await.unwrap();
    let (status, body) = (response.status().as_u16(), response.json::<Value>().await.unwrap());
    if status != 200 {
        return format!("{status} {}", body["code"].as_str().unwrap());
    }
    for frame in body["frames"].as_array().unwrap() {
        heard.take(who, frame);
    }
    heard.told()
}

/// Listens until the one topic that was asked for is complete or refused.
async fn until_answered(client: &mut Client, who: &str, heard: &mut Heard) {
    while let Some(frame) = client.try_next().await {
        heard.take(who, &frame);
        if frame["t"] == "synced" || frame["t"] == "err" {
            return;
        }
    }
}
