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
    /// Admin on the one fabric.
    eve: HeaderMap,
    /// A token for the one fabric of somebody who is admin everywhere.
    part: HeaderMap,
    /// Admin everywhere: what they see shows that there would be something to see.
    admin: HeaderMap,
}

impl Two {
    async fn new() -> Self {
        let house = TestHouse::without_fabric(Yard::vlab().await, |_| ()).await;
        let foreign = marked_yard().await;
        house.register(OWN, &house.yard).await;
        house.register(FOREIGN, &foreign).await;
        for fabric in [OWN, FOREIGN] {
            for kind in [Kind::Switch, Kind::Agent, Kind::Connection] {
                let topic = format!("objects/{fabric}/{kind}");
                until_true("the kinds to be listed", || house.topic(&topic).is_listed()).await;
            }
        }
        let origin = format!("http://{}", house.address);
        let crowd = Crowd::gather(house.directory.clone(), origin).await;
        let ann = crowd.newcomer("ann", Rights::on(fabric(OWN), Role::Operator)).await;
        let eve = crowd.newcomer("eve", Rights::on(fabric(OWN), Role::Admin)).await;
        let scope = Rights::on(fabric(OWN), Role::Operator);
        let part = crowd.newcomer_within("part", Rights::everywhere(Role::Admin), scope).await;
        let admin = crowd.headers("admin").await;
        Self { house, foreign, crowd, ann, eve, part, admin }
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

/// All that can be reached from the house's doors by links, and every row that is read, as somebody.
async fn crawl(two: &Two, who: &HeaderMap) -> BTreeSet<String> {
    let doors = ["/", "/account", "/settings", "/f/alpha", "/readyz", "/metrics", "/healthz"];
    let mut waiting: VecDeque<String> = doors.map(str::to_owned).into();
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
        let answer = two.get(&path, who).await;
        assert!(!tells(&answer), "{path} tells {who:?} of it: {}", around(&answer));
        let links = answer.body.split("href=\"/").skip(1);
        let links = links.filter_map(|link| Some(format!("/{}", link.split('"').next()?)));
        waiting.extend(
            links.filter(|link| !link.starts_with("/pkg")).map(|link| link.replace("&amp;", "&")),
        );
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_and_no_answer_tells_of_a_fabric_that_one_may_not_see() {
    let two = Two::new().await;
    // Somebody else does something with it, which is told to them and written into the log.
    let path = format!("/api/v1/fabrics/{FOREIGN}/test?wait=25");
    assert_eq!(two.post(&path, &json!({}), &two.admin).await.status, 200);
    for who in [&two.ann, &two.eve, &two.part] {
        let seen = crawl(&two, who).await;
        assert!(seen.len() > 20, "{seen:?}");
        let counters = two.get("/metrics", who).await.body;
        assert!(!counters.contains("_total"), "what the whole house did is counted: {counters}");
        for path in ["/api/page/overview", "/api/page/frame"] {
            let answer = two.post(path, &json!({}), who).await;
            assert!(answer.status == 200 && !tells(&answer), "{path}: {}", around(&answer));
            assert_eq!(answer.json()["fabrics"].as_array().unwrap().len(), 1, "{path}");
        }
        let listed = two.get("/api/v1/fabrics", who).await.json();
        assert_eq!(listed["fabrics"].as_array().unwrap().len(), 1, "{listed}");
        assert!(listed["next"].is_null(), "{listed}");
        let jobs = two.get("/api/v1/jobs", who).await.json();
        assert_eq!(jobs, json!({"jobs": []}));
        for path in ["/api/v1/audit", "/api/v1/audit/export", "/api/v1/audit/verify", "/audit"] {
            let answer = two.get(path, who).await;
            assert!(answer.status == 403 && !tells(&answer), "{path}: {}", answer.status);
        }
    }
    for path in ["/", "/metrics", "/api/v1/session", "/api/v1/fabrics", "/api/v1/jobs", "/audit"] {
        let answer = two.get(path, &two.admin).await;
        assert!(
            tells(&answer),
            "{path} would tell an admin: {} {:.3000}",
            answer.status,
            answer.body
        );
    }
    for path in ["/api/page/overview", "/api/page/frame"] {
        assert!(tells(&two.post(path, &json!({}), &two.admin).await), "{path} would tell an admin");
    }
    for path in ["/", "/login", "/healthz", "/readyz", "/metrics", "/api/v1/session", "/nowhere"] {
        let answer = two.get(path, &HeaderMap::new()).await;
        let text = whole(&answer);
        assert!(!text.contains(FOREIGN) && !text.contains(OWN), "{path} tells anybody: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_to_one_person_is_told_to_nobody_else() {
    let two = Two::new().await;
    let path = format!("/api/v1/fabrics/{FOREIGN}/test?wait=25");
    assert_eq!(two.post(&path, &json!({}), &two.admin).await.status, 200);
    let told = async |who: &HeaderMap| {
        two.get("/api/v1/live/snapshot?topic=me&topic=feed/*&view=full", who).await
    };
    assert!(tells(&told(&two.admin).await), "the one who asked for the test");
    for who in [&two.ann, &two.eve, &two.part] {
        let heard = told(who).await;
        assert!(heard.status == 200 && !tells(&heard), "{}", around(&heard));
    }
    // Not even what its owner was told comes to a token that was made for another fabric.
    let heard = told(&two.part).await.json();
    let frames = heard["frames"].as_array().unwrap();
    assert!(frames.iter().any(|frame| frame["t"] == "err" && frame["topic"] == "me"), "{heard}");
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_are_shown_count_nothing_of_another_fabric() {
    let two = Two::new().await;
    let seen = async || {
        let path =
            format!("/api/v1/live/snapshot?topic=state/{OWN},feed/{OWN},objects/{OWN}/Switch");
        let frames = two.get(&path, &two.ann).await.json()["frames"].clone();
        let places = frames.as_array().unwrap().iter().filter(|frame| frame["t"] == "synced");
        places.map(|frame| (frame["topic"].to_string(), frame["at"].clone())).collect::<Vec<_>>()
    };
    let quiet = async || {
        let mut last = seen().await;
        until_quiet(&mut last, &seen).await;
        last
    };
    // What happens in one's own fabric meanwhile moves them once or twice; what leaks moves them each time.
    let mut still = false;
    for round in 0..5 {
        let before = quiet().await;
        assert!(before.len() >= 3, "{before:?}");
        let text = format!("zulu change of round {round}");
        for n in 0..40 {
            two.foreign.touch("zulu-leaf-01", &format!("zulu change {n}"));
        }
        two.foreign.touch("zulu-leaf-01", &text);
        until_true("the other fabric to have it", || {
            two.house.topic("objects/zulu/Switch").read(|log| {
                log.get("default/zulu-leaf-01")
                    .is_some_and(|entry| entry.value.full.contains(&text))
            })
        })
        .await;
        still |= quiet().await == before;
        if still {
            break;
        }
    }
    assert!(still, "places move with what happens elsewhere");
    // An epoch is no number of a start, from which the number of fabrics could be told.
    for (topic, at) in seen().await {
        let last = at[0].as_str().unwrap().rsplit('.').next().unwrap();
        assert!(last.parse::<u64>().map_or(true, |n| n > 1_000), "{topic} {at}");
    }
}

/// Asks until two answers are the same: what was under way at the start has come.
async fn until_quiet<T: PartialEq>(last: &mut T, ask: &impl AsyncFn() -> T) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let next = ask().await;
        let same = next == *last;
        *last = next;
        if same || tokio::time::Instant::now() > deadline {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn naming_a_foreign_fabric_in_a_wish_gets_the_answer_to_a_name_that_never_was() {
    let two = Two::new().await;
    let eve = Rights::on(fabric(OWN), Role::Admin);
    let eve = two.crowd.newcomer("eve-in-session", eve).await;
    for (method, path, body) in [
        ("POST", "/api/v1/fabrics", json!({"name": "NAME", "access": {"kind": "in_cluster"}})),
        ("POST", "/api/v1/connections/test", json!({"access": {"kind": "in_cluster"}})),
        (
            "POST",
            "/api/v1/tokens",
            json!({"label": "x", "rights": {"fabrics": {"NAME": "viewer"}}}),
        ),
        ("POST", "/api/v1/users", json!({"name": "x", "rights": {"fabrics": {"NAME": "viewer"}}})),
        ("PATCH", "/api/v1/users/ann", json!({"rights": {"fabrics": {"NAME": "viewer"}}})),
    ] {
        for who in [&two.eve, &eve] {
            alike(path, async |name| {
                let body: Value =
                    serde_json::from_str(&body.to_string().replace("NAME", name)).unwrap();
                let request =
                    reqwest::Client::new().request(method.parse().unwrap(), two.house.url(path));
                let answer = Answer::of(request.json(&body).headers(who.clone())).await;
                assert!(answer.status >= 400, "{path} {}", answer.body);
                answer
            })
            .await;
        }
    }
    for path in [
        "/api/v1/fabrics?cursor=NAME",
        "/settings/fabrics?done=NAME",
        "/audit?fabric=NAME",
        "/api/v1/audit?fabric=NAME",
        "/f/alpha/switches?q=NAME",
        "/login?next=%2Ff%2FNAME",
    ] {
        for who in [&two.ann, &two.part] {
            alike(path, async |name| two.get(&path.replace("NAME", name), who).await).await;
        }
    }
    let found = json!({
        "fabric": OWN, "kind": "Switch",
        "query": {"text": "zulu", "columns": {}, "labels": "", "sort": []},
    });
    let found = two.post("/api/page/list", &found, &two.ann).await;
    assert_eq!(found.status, 200);
    assert!(!found.body.contains("zulu-leaf"), "{}", found.body);
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
