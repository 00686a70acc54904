//! Two fabrics in one house, and somebody with rights on one of them: of the other there is not one byte for
//! them, wherever they look, and its name gets the answer of a name that never was.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use domain::{
    access::{Rights, Role},
    kind::Kind,
};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use server::web::map::{Needs, ROWS};
use sim::Options;

use crate::{
    crowd::{Crowd, fabric, link},
    house::{Answer, PATIENCE, TestHouse, Yard, until_true},
};

/// The fabric that may be seen.
const OWN: &str = "alpha";
/// The one that may not. In all that belongs to it there is this word, and nowhere else.
const FOREIGN: &str = "zulu";
/// A name of the same length that never was.
const NEVER: &str = "qqqq";
/// Most pages of a crawl.
const MOST_PAGES: usize = 80;

/// A cluster in which every name, label and text has the word in it.
async fn marked_yard() -> Yard {
    let yard =
        Yard::start(Options { crds: domain::crd::crds(), ..Options::default() }, false).await;
    let objects = sim::seed::fabric(sim::seed::Scale::Vlab, 7, engine::clock::now_ms());
    let text = serde_json::to_string(&objects).unwrap();
    let mut marked = text;
    for part in ["leaf-", "spine-"] {
        marked = marked.replace(part, &format!("{FOREIGN}-{part}"));
    }
    sim::life::ground::populate(&yard.cluster, serde_json::from_str(&marked).unwrap()).unwrap();
    yard
}

struct Two {
    house: TestHouse,
    foreign: Yard,
    crowd: Crowd,
    /// Operator on the one fabric.
    ann: HeaderMap,
    /// Admin everywhere: what they see shows that there would be something to see.
    admin: HeaderMap,
}

impl Two {
    async fn new() -> Self {
        let house = TestHouse::without_fabric(Yard::vlab().await, |_| ()).await;
        let foreign = marked_yard().await;
        house.join(OWN).await;
        house.join_yard(FOREIGN, &foreign).await;
        for fabric in [OWN, FOREIGN] {
            for kind in [Kind::Switch, Kind::Agent, Kind::Connection] {
                let topic = format!("objects/{fabric}/{kind}");
                until_true("the kinds to be listed", || house.topic(&topic).is_listed()).await;
            }
        }
        let origin = format!("http://{}", house.address);
        let crowd = Crowd::gather(house.directory.clone(), origin).await;
        let ann = crowd.newcomer("ann", Rights::on(fabric(OWN), Role::Operator)).await;
        let admin = crowd.headers("admin").await;
        Self { house, foreign, crowd, ann, admin }
    }

    async fn get(&self, path: &str, who: &HeaderMap) -> Answer {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let http = http.build().unwrap();
        Answer::of(http.get(self.house.url(path)).headers(who.clone())).await
    }

    async fn post(&self, path: &str, body: &Value, who: &HeaderMap) -> Answer {
        let request = reqwest::Client::new().post(self.house.url(path)).json(body);
        Answer::of(request.headers(who.clone())).await
    }
}

/// All of an answer that somebody could read.
fn whole(answer: &Answer) -> String {
    let mut headers = answer.headers.clone();
    // Made from the body, which is looked at itself.
    headers.remove("etag");
    format!("{} {headers:?} {}", answer.status, answer.body).to_lowercase()
}

fn tells(answer: &Answer) -> bool {
    whole(answer).contains(FOREIGN)
}

/// Without what differs from one answer to the next: nonces, times, counters.
fn steady(answer: &Answer) -> String {
    let text = whole(answer);
    let mut out = text;
    // `nonce="…"` of a page, `nonce-…'` of its policy, and what is said of preloads.
    for marker in ["nonce", "crossorigin"] {
        let mut without = String::new();
        let mut rest = out.as_str();
        while let Some((before, after)) = rest.split_once(marker) {
            without.push_str(before);
            let value = after.trim_start_matches(['=', '-', '\\', '"']);
            let end = value.find(['"', '\'', '\\', '>']).unwrap_or(value.len());
            rest = &value[end..];
        }
        without.push_str(rest);
        out = without;
    }
    let mut steady = String::new();
    for c in out.chars() {
        match c {
            '0'..='9' if steady.ends_with('#') => {}
            '0'..='9' => steady.push('#'),
            c => steady.push(c),
        }
    }
    steady
}

/// The same answer for the foreign name and for one that never was, but for the name. What tells of ages may
/// differ once, when a second ends between the two.
async fn alike(what: &str, ask: impl AsyncFn(&str) -> Answer) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let foreign = steady(&ask(FOREIGN).await).replace(FOREIGN, NEVER);
        let never = steady(&ask(NEVER).await);
        if foreign == never {
            return;
        }
        let differs = foreign.lines().zip(never.lines()).find(|(one, other)| one != other);
        assert!(
            tokio::time::Instant::now() < deadline,
            "{what} is told apart: {:.2000?}",
            differs.unwrap_or((&foreign, &never)),
        );
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_and_no_answer_tells_of_a_fabric_that_one_may_not_see() {
    let two = Two::new().await;
    let mut waiting: VecDeque<String> =
        ["/", "/account", "/settings", "/f/alpha", "/readyz", "/metrics", "/healthz"]
            .map(str::to_owned)
            .into();
    for row in ROWS.iter().filter(|row| row.method == "GET" && row.path.starts_with("/api/v1/")) {
        let streams = matches!(row.path, "/api/v1/live" | "/api/v1/live/sse" | "/api/v1/live/poll");
        if !streams {
            waiting.push_back(address(row.path, OWN));
        }
    }
    let mut seen = BTreeSet::new();
    while let Some(path) = waiting.pop_front() {
        if seen.len() >= MOST_PAGES || !seen.insert(path.clone()) {
            continue;
        }
        let answer = two.get(&path, &two.ann).await;
        assert!(!tells(&answer), "{path} tells of it: {}", around(&answer));
        let links = answer.body.split("href=\"/").skip(1);
        let links = links.filter_map(|link| Some(format!("/{}", link.split('"').next()?)));
        waiting.extend(
            links.filter(|link| !link.starts_with("/pkg")).map(|link| link.replace("&amp;", "&")),
        );
    }
    assert!(seen.len() > 20, "{seen:?}");
    let counters = two.get("/metrics", &two.ann).await.body;
    assert!(!counters.contains("_total"), "what the whole house did is counted: {counters}");
    for (path, who) in
        [("/", &two.admin), ("/metrics", &two.admin), ("/api/v1/session", &two.admin)]
    {
        let answer = two.get(path, who).await;
        assert!(
            tells(&answer),
            "{path} would tell an admin: {} {:.3000}",
            answer.status,
            answer.body
        );
    }
    for path in ["/api/page/overview", "/api/page/frame"] {
        let answer = two.post(path, &json!({}), &two.ann).await;
        assert!(answer.status == 200 && !tells(&answer), "{path}: {}", around(&answer));
        assert!(tells(&two.post(path, &json!({}), &two.admin).await), "{path} would tell an admin");
    }
    for path in ["/api/v1/audit", "/api/v1/audit/export", "/audit"] {
        let answer = two.get(path, &two.ann).await;
        assert!(answer.status == 403 && !tells(&answer), "{path}: {}", answer.status);
    }
}

/// What stands around the word in an answer.
fn around(answer: &Answer) -> String {
    let text = whole(answer);
    let at = text.find(FOREIGN).unwrap_or_default();
    text.chars().skip(at.saturating_sub(200)).take(400).collect()
}

/// A row's address on a fabric.
fn address(path: &str, fabric: &str) -> String {
    let path = path
        .replace("{fabric}", fabric)
        .replace("{kind}", "Switch")
        .replace("{plural}", "switches")
        .replace("{namespace}", "default")
        .replace("{name}", "leaf-01");
    let path = path.split('{').next().unwrap().to_owned();
    match path.as_str() {
        at if at.ends_with("/objects") => format!("{path}?kind=Switch"),
        at if at.starts_with("/api/v1/live/") => {
            format!("{path}?topic=state/{fabric},objects/{fabric}/Switch")
        }
        _ => path,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_a_foreign_fabric_gets_the_answer_of_one_that_never_was() {
    let two = Two::new().await;
    let rows = ROWS.iter().filter(|row| row.method == "GET" && row.path.contains("{fabric}"));
    for row in rows {
        alike(row.path, async |name| two.get(&address(row.path, name), &two.ann).await).await;
        if matches!(row.needs, Needs::Fabric(_)) {
            two.get(&address(row.path, FOREIGN), &two.ann).await.is_problem(404, "no_fabric");
        }
    }
    for row in ROWS.iter().filter(|row| row.method != "GET" && row.path.contains("{fabric}")) {
        alike(row.path, async |name| {
            let method = row.method.parse().unwrap();
            let url = two.house.url(&address(row.path, name));
            let request = reqwest::Client::new().request(method, url).json(&json!({}));
            Answer::of(request.headers(two.ann.clone())).await
        })
        .await;
    }
    for path in ["/api/page/list", "/api/page/object", "/api/page/relations"] {
        alike(path, async |name| {
            let query = json!({"text": "", "columns": {}, "labels": "", "sort": []});
            let key = "default/zulu-leaf-01".replace(FOREIGN, name);
            let body = json!({"fabric": name, "kind": "Switch", "key": key, "query": query});
            two.post(path, &body, &two.ann).await
        })
        .await;
    }
    for query in [
        "topic=state/NAME",
        "topic=objects/NAME/Switch",
        "topic=feed/NAME",
        "topic=objects/NAME/*",
        "topic=objects/NAME/Switch@abc:7",
    ] {
        for path in ["/api/v1/live/snapshot", "/api/v1/live/poll"] {
            let wait = if path.ends_with("poll") { "&wait=0" } else { "" };
            alike(query, async |name| {
                two.get(&format!("{path}?{}{wait}", query.replace("NAME", name)), &two.ann).await
            })
            .await;
        }
    }
}

const WILDCARDS: [&str; 4] = ["state/*", "objects/*/*", "objects/*/Switch", "feed/*"];

#[tokio::test(flavor = "multi_thread")]
async fn no_frame_of_a_live_link_tells_of_it_whatever_is_asked_for() {
    let two = Two::new().await;
    let session = two.crowd.headers("session").await;
    let wants: Vec<Value> =
        WILDCARDS.iter().map(|topic| json!({"topic": topic, "view": "full"})).collect();
    let guessed: Vec<Value> = ["state/zulu", "objects/zulu/Switch", "feed/zulu"]
        .iter()
        .map(|topic| json!({"topic": topic}))
        .collect();
    for (n, (who, sees)) in
        [(&two.ann, false), (&two.admin, true), (&session, true)].into_iter().enumerate()
    {
        let mut client = link(two.house.address, who).await.unwrap();
        client.say(json!({"t": "hello", "protocol": 1, "client": "it/1", "topics": wants})).await;
        let mut told = String::new();
        // What changes meanwhile is told to whom it concerns: here first, so that the other came before.
        let text = format!("change {n} of what all may see");
        client
            .until_that(|frame| {
                told.push_str(&frame.to_string());
                frame["t"] == "synced" && frame["topic"] == format!("objects/{OWN}/Switch")
            })
            .await;
        two.foreign.touch("zulu-leaf-01", "zulu secret");
        until_true("the engine to know of it", || {
            two.house.topic("objects/zulu/Switch").read(|log| {
                log.get("default/zulu-leaf-01")
                    .is_some_and(|entry| entry.value.full.contains("zulu secret"))
            })
        })
        .await;
        two.house.yard.touch("leaf-01", &text);
        client
            .until_that(|frame| {
                told.push_str(&frame.to_string());
                frame["t"] == "ch" && frame.to_string().contains(&text)
            })
            .await;
        assert_eq!(told.contains(FOREIGN), sees, "{who:?}");
        if !sees {
            client.say(json!({"t": "sub", "topics": guessed})).await;
            client.say(json!({"t": "ping", "n": 1})).await;
            let mut refused = 0;
            client
                .until_that(|frame| {
                    refused += usize::from(frame["t"] == "err" && frame["code"] == "unknown_topic");
                    frame["t"] == "pong"
                })
                .await;
            assert_eq!(refused, guessed.len());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wildcards_over_http_hold_nothing_of_it() {
    let two = Two::new().await;
    for topic in WILDCARDS {
        for way in ["snapshot", "poll"] {
            let wait = if way == "poll" { "&wait=0" } else { "" };
            let path = format!("/api/v1/live/{way}?topic={topic}&view=full{wait}");
            let answer = two.get(&path, &two.ann).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.body);
            assert!(!tells(&answer), "{path}: {}", around(&answer));
        }
    }
    let admin = two.get("/api/v1/live/snapshot?topic=objects/*/Switch", &two.admin).await;
    assert!(tells(&admin), "an admin is told");
    let url = two.house.url("/api/v1/live/sse?topic=objects/*/*&topic=state/*");
    let mut stream = reqwest::Client::new().get(url).headers(two.ann.clone()).send().await.unwrap();
    let mut told = String::new();
    while !told.contains("\"t\":\"synced\",\"topic\":\"state/alpha\"") {
        let piece = tokio::time::timeout(PATIENCE, stream.chunk()).await.unwrap().unwrap();
        told.push_str(&String::from_utf8_lossy(&piece.expect("the stream goes on")));
    }
    assert!(!told.to_lowercase().contains(FOREIGN));
}
