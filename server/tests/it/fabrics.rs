//! Fabrics over HTTP: registered, tested, changed and removed, by those who may.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use domain::{
    access::{Means, Rights, Role},
    audit::{Act, Deed, Doer},
    connection::LARGEST_KUBECONFIG,
    topic::FabricId,
};
use engine::{
    clock::now_ms,
    store::directory::{AuditQuery, Fabric, NewUser, Order, Token},
};
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use server::{config::Canary, registrar::secret, web::api::form::LARGEST_CONNECTION};
use tokio::time::{Instant, sleep};

use crate::{
    house::{PATIENCE, TestHouse, Yard},
    socket::Client,
};

/// A text that must never come back.
const PLANTED: &str = "planted-secret-7c1f";

/// An answer, read.
struct Answer {
    status: StatusCode,
    headers: header::HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| json!({"text": self.text}))
    }

    fn tag(&self) -> String {
        self.headers.get("etag").map(|tag| tag.to_str().unwrap().to_owned()).unwrap_or_default()
    }
}

async fn ask(house: &TestHouse, method: Method, path: &str, body: Option<Value>) -> Answer {
    ask_with(house, method, path, body, &[]).await
}

async fn ask_with(
    house: &TestHouse,
    method: Method,
    path: &str,
    body: Option<Value>,
    headers: &[(&'static str, String)],
) -> Answer {
    let mut request = house.http.request(method, format!("http://{}{path}", house.address));
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    Answer { status, headers, text: response.text().await.unwrap() }
}

/// Waits until a fabric is in a state; says whether it came to that.
async fn comes_to(house: &TestHouse, fabric: &str, connectivity: &str) -> Value {
    let until = Instant::now() + PATIENCE;
    let mut last = Value::Null;
    while Instant::now() < until {
        last = ask(house, Method::GET, &format!("/api/v1/fabrics/{fabric}"), None).await.json();
        if last.get("connectivity").and_then(Value::as_str) == Some(connectivity) {
            return last;
        }
        sleep(Duration::from_millis(100)).await;
    }
    panic!("{fabric} did not come to {connectivity}: {last}");
}

fn pasted(house: &TestHouse) -> Value {
    let text = std::fs::read_to_string(house.yard.kubeconfig()).unwrap();
    json!({"kind": "kubeconfig", "kubeconfig": text})
}

fn direct(server: &str) -> Value {
    json!({"kind": "direct", "server": server, "token": PLANTED})
}

/// A house in which nothing is watched yet.
async fn house() -> TestHouse {
    TestHouse::without_fabric(Yard::vlab().await, |_| ()).await
}

async fn acts(house: &TestHouse, fabric: &str) -> Vec<String> {
    let query = AuditQuery { limit: 50, fabric: fabric.parse().ok(), ..AuditQuery::default() };
    let links = house.fabrics.register.registrar().directory().audit(&query).await.unwrap();
    let acts = links.iter().rev().map(|link| {
        let deed: Deed = serde_json::from_str(&link.text).unwrap();
        deed.act.word()
    });
    acts.collect()
}

#[tokio::test]
async fn a_fabric_is_registered_watched_switched_off_and_on_and_removed() {
    let house = house().await;
    let body = json!({"name": "prod", "access": pasted(&house)});
    let made = ask(&house, Method::POST, "/api/v1/fabrics", Some(body.clone())).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.headers["location"], "/api/v1/fabrics/prod");
    assert_eq!(made.json()["access"]["context"], "test");
    let again = ask(&house, Method::POST, "/api/v1/fabrics", Some(body)).await;
    assert_eq!((again.status.as_u16(), again.json()["code"].as_str()), (409, Some("exists")));
    let there = comes_to(&house, "prod", "connected").await;
    assert!(there["kinds"]["live"].as_u64() >= Some(12), "{there}");

    let path = "/api/v1/fabrics/prod";
    let seen = ask(&house, Method::GET, path, None).await;
    let off = Some(json!({"enabled": false}));
    let if_match = |tag: String| [("if-match", tag)];
    let stale = ask_with(&house, Method::PATCH, path, off.clone(), &if_match("\"0\"".into())).await;
    assert_eq!((stale.status.as_u16(), stale.json()["code"].as_str()), (412, Some("changed")));
    let done = ask_with(&house, Method::PATCH, path, off, &if_match(seen.tag())).await;
    assert_eq!(done.status, 200, "{}", done.text);
    comes_to(&house, "prod", "disabled").await;
    let on = json!({"enabled": true, "watch": {"kinds": ["Switch"], "namespaces": ["default"]}});
    assert_eq!(ask(&house, Method::PATCH, path, Some(on)).await.status, 200);
    let there = comes_to(&house, "prod", "connected").await;
    assert_eq!(there["kinds"], json!({"live": 1, "watched": 1}));

    let lost = ask(&house, Method::DELETE, &format!("{path}?dryRun=true"), None).await;
    assert!(lost.json()["lost"]["events"].is_u64() && lost.status == 200, "{}", lost.text);
    assert_eq!(ask(&house, Method::GET, path, None).await.status, 200);
    let gone = ask(&house, Method::DELETE, path, None).await;
    assert_eq!(gone.status, 200, "{}", gone.text);
    assert_eq!(ask(&house, Method::GET, path, None).await.status, 404);
    let id: FabricId = "prod".parse().unwrap();
    let until = Instant::now() + PATIENCE;
    while house.hub.fabrics().contains(&id) && Instant::now() < until {
        sleep(Duration::from_millis(50)).await;
    }
    assert!(house.hub.fabrics().is_empty());
    let told = acts(&house, "prod").await;
    let expected = ["fabric-create", "fabric-disable", "fabric-edit", "fabric-delete"];
    assert_eq!(told, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fabric_that_is_changed_is_never_said_to_be_gone_and_its_state_counts_anew() {
    let house = house().await;
    let body = json!({"name": "prod", "access": pasted(&house)});
    assert_eq!(ask(&house, Method::POST, "/api/v1/fabrics", Some(body)).await.status, 201);
    comes_to(&house, "prod", "connected").await;
    let topics = json!([{"topic": "state/*"}, {"topic": "objects/*/*"}, {"topic": "feed/*"}]);
    let mut client = Client::hello(house.address, topics).await;
    for (change, comes) in [
        (json!({"enabled": false}), "disabled"),
        (json!({"enabled": true}), "connected"),
        (json!({"enabled": false, "watch": {"kinds": ["Switch"]}}), "disabled"),
    ] {
        let done = ask(&house, Method::PATCH, "/api/v1/fabrics/prod", Some(change)).await;
        assert_eq!(done.status, 200, "{}", done.text);
        comes_to(&house, "prod", comes).await;
    }
    // Each start counts its state anew, so each has an epoch of its own.
    let mut epochs = BTreeSet::new();
    while epochs.len() < 4 {
        let frame = client.next().await;
        assert_ne!(frame["t"], "revoke", "{frame}");
        if frame["t"] == "synced" && frame["topic"] == "state/prod" {
            epochs.insert(frame["at"][0].as_str().unwrap().to_owned());
        }
    }
}

#[tokio::test]
async fn registering_never_needs_the_cluster_and_what_is_wrong_is_said() {
    let house = house().await;
    let body = json!({"name": "away", "access": direct("https://127.0.0.1:1")});
    let made = ask(&house, Method::POST, "/api/v1/fabrics", Some(body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let there = comes_to(&house, "away", "disconnected").await;
    assert_eq!(there["cause"], "tcp", "{there}");
    assert!(there["reason"].as_str().unwrap().len() > 20);
    for path in
        ["/api/v1/fabrics", "/api/v1/fabrics/away", "/settings/fabrics", "/settings/fabrics/away"]
    {
        let shown = ask(&house, Method::GET, path, None).await;
        assert_eq!(shown.status, 200, "{path}");
        assert!(!shown.text.contains(PLANTED), "{path}");
    }
}

#[tokio::test]
async fn every_mistake_names_its_field_and_repeats_no_secret() {
    let house = house().await;
    let broken = json!({"kind": "kubeconfig", "kubeconfig": format!("users: [{PLANTED}")});
    let file = json!({"kind": "kubeconfig", "kubeconfig": "apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters: [{name: c, cluster: {server: \"https://a\"}}]\ncontexts: [{name: a, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {tokenFile: /etc/passwd}}]"});
    for (name, access, watch, field) in [
        ("Bad Name", pasted(&house), json!({}), "name"),
        ("a", broken, json!({}), "kubeconfig"),
        ("a", file, json!({}), "kubeconfig"),
        ("a", direct("10.0.0.1"), json!({}), "server"),
        ("a", pasted(&house), json!({"kinds": ["Toaster"]}), "kinds"),
        ("a", pasted(&house), json!({"namespaces": ["UP"]}), "namespaces"),
        ("a", pasted(&house), json!({"labels": "a in"}), "labels"),
    ] {
        let body = json!({"name": name, "access": access, "watch": watch});
        let answer = ask(&house, Method::POST, "/api/v1/fabrics", Some(body)).await;
        assert_eq!(answer.status, 422, "{field}: {}", answer.text);
        let body = answer.json();
        let errors = body["errors"].as_array().unwrap();
        assert_eq!(errors[0]["field"], field, "{body}");
        assert!(errors[0]["remedy"].as_str().unwrap().len() > 10, "{body}");
        assert!(!answer.text.contains(PLANTED), "{}", answer.text);
    }
    for body in [json!({"name": "a"}), json!({"name": "a", "access": direct("https://a"), "x": 1})]
    {
        let answer = ask(&house, Method::POST, "/api/v1/fabrics", Some(body)).await;
        assert_eq!(answer.status, 422, "{}", answer.text);
        assert!(!answer.text.contains(PLANTED), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_name_that_means_something_else_is_taken_by_no_fabric() {
    let house = house().await;
    for name in ["new", "all", "everywhere"] {
        let body = json!({"name": name, "access": direct("https://127.0.0.1:1")});
        let answer = ask(&house, Method::POST, "/api/v1/fabrics", Some(body)).await;
        assert_eq!(answer.status, 422, "{}", answer.text);
        assert_eq!(answer.json()["errors"][0]["field"], "name");
        assert!(answer.text.contains(&format!("{name}-fabric")), "{}", answer.text);
        let form = format!(
            "way=direct&server=https%3A%2F%2F127.0.0.1%3A1&token=t&name={name}&kinds=all&do=save"
        );
        let page = house.http.post(format!("http://{}/settings/fabrics/new", house.address));
        let page = page.header("content-type", "application/x-www-form-urlencoded").body(form);
        let page = page.send().await.unwrap();
        assert_eq!(page.status(), 422);
        let text = page.text().await.unwrap();
        assert!(text.contains("means something else"), "{text:.3000}");
    }
    assert!(house.fabrics.register.all().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_largest_kubeconfig_comes_in_by_api_and_form_and_a_larger_one_is_refused_in_words() {
    let house = house().await;
    let text = std::fs::read_to_string(house.yard.kubeconfig()).unwrap();
    let filled = |bytes: usize| {
        let comment = "# a line of a comment with \"quotes\"\n";
        let lines = (bytes - text.len() - 2) / comment.len();
        let rest = bytes - text.len() - 2 - lines * comment.len();
        let filled = format!("#{}\n{}{text}", "x".repeat(rest), comment.repeat(lines));
        assert_eq!(filled.len(), bytes);
        filled
    };
    let whole = filled(LARGEST_KUBECONFIG);
    let access = json!({"kind": "kubeconfig", "kubeconfig": whole});
    let body = json!({"name": "by-api", "access": access});
    let made = ask(&house, Method::POST, "/api/v1/fabrics", Some(body)).await;
    assert_eq!(made.status, 201, "{:.300}", made.text);
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs([("way", "kubeconfig"), ("kubeconfig", &whole), ("name", "by-form")]);
    form.extend_pairs([("kinds", "all"), ("do", "save")]);
    let page = house.http.post(format!("http://{}/settings/fabrics/new", house.address));
    let page = page.header("content-type", "application/x-www-form-urlencoded");
    let page = page.body(form.finish()).send().await.unwrap();
    assert_eq!(page.url().path(), "/f/by-form", "{}", page.status());
    for (bytes, status, code) in [
        (LARGEST_KUBECONFIG + 1, 422, "invalid"),
        (LARGEST_CONNECTION, 413, "too_large"),
        (3 * 1024 * 1024, 413, "too_large"),
    ] {
        let access = json!({"kind": "kubeconfig", "kubeconfig": filled(bytes)});
        let body = json!({"name": "larger", "access": access});
        let answer = ask(&house, Method::POST, "/api/v1/fabrics", Some(body)).await;
        let problem = answer.json();
        assert_eq!((answer.status.as_u16(), problem["code"].as_str()), (status, Some(code)));
        assert!(problem["detail"].as_str().unwrap().len() > 20, "{problem}");
    }
}

#[tokio::test]
async fn a_test_reports_each_step_and_is_its_owners_job() {
    let house = house().await;
    let body = json!({"access": pasted(&house)});
    let answer = ask(&house, Method::POST, "/api/v1/connections/test?wait=25", Some(body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let job = answer.json();
    assert_eq!(job["state"], "done", "{job}");
    assert_eq!(job["steps"].as_array().unwrap().len(), 9, "{job}");
    assert_ne!(job["outcome"], "failed", "{job}");
    let path = job["url"].as_str().unwrap();
    assert_eq!(ask(&house, Method::GET, path, None).await.json()["state"], "done");
    let bob = someone(&house, "bob", Rights::everywhere(Role::Admin)).await;
    let foreign = as_(&house, &bob, Method::GET, path, None).await;
    assert_eq!(foreign.status, 404, "{}", foreign.text);

    let body = json!({"access": direct("https://127.0.0.1:1")});
    let answer = ask(&house, Method::POST, "/api/v1/connections/test?wait=25", Some(body)).await;
    let job = answer.json();
    assert_eq!(job["outcome"], "failed", "{job}");
    let failed: Vec<&str> = job["steps"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|step| step["outcome"] == "failed")
        .map(|step| step["stage"].as_str().unwrap())
        .collect();
    assert_eq!(failed, ["connection"], "{job}");
    assert!(!answer.text.contains(PLANTED));
}

#[tokio::test]
async fn a_test_names_the_rights_on_the_lease_only_where_delivery_lag_is_measured() {
    for (canary, asked) in [(Canary::Off, false), (Canary::Lease, true)] {
        let yard = Yard::empty().await;
        let forbid =
            json!({"fault": "forbid", "user": null, "resource": "leases.coordination.k8s.io"});
        yard.fault(&serde_json::from_value(forbid).unwrap());
        let house = TestHouse::without_fabric(yard, |config| config.canary = canary).await;
        let body = json!({"access": pasted(&house)});
        let answer =
            ask(&house, Method::POST, "/api/v1/connections/test?wait=25", Some(body)).await;
        let job = answer.json();
        assert_eq!(job["state"], "done", "{job}");
        for words in ["hnp-canary", "\\\"leases\\\"", "\\\"create\\\"", "\\\"patch\\\""] {
            assert_eq!(answer.text.contains(words), asked, "{words}: {}", answer.text);
        }
    }
}

/// Makes a user with a token; gives the token.
async fn someone(house: &TestHouse, name: &str, rights: Rights) -> String {
    let directory = house.fabrics.register.registrar().directory();
    let token = format!("hnp_{name}-of-the-test");
    let user = NewUser {
        name: name.parse().unwrap(),
        password: None,
        oidc: Some(format!("test {name}")),
        rights: rights.clone(),
    };
    let kept = Token {
        digest: secret::digest(&token),
        user: user.name.clone(),
        label: "test".parse().unwrap(),
        scope: rights,
        created_ms: 0,
        expires_ms: i64::MAX,
        used_ms: None,
        revoked_ms: None,
    };
    for (order, act) in
        [(Order::CreateUser(user), Act::UserCreate), (Order::CreateToken(kept), Act::TokenCreate)]
    {
        directory.order(order, &Deed::done(console(), act, "test"), now_ms()).await.unwrap();
    }
    token
}

fn console() -> Doer {
    Doer { user: None, means: Means::Console, credential: None, from: None }
}

async fn as_(
    house: &TestHouse,
    token: &str,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Answer {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build();
    let request = client.unwrap().request(method, format!("http://{}{path}", house.address));
    let mut request = request.bearer_auth(token);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    Answer { status, headers, text: response.text().await.unwrap() }
}

#[tokio::test]
async fn who_has_no_right_on_a_fabric_finds_nothing_of_it_and_who_has_few_may_do_little() {
    let house = house().await;
    for name in ["mine", "theirs"] {
        let body = json!({"name": name, "access": pasted(&house)});
        assert_eq!(ask(&house, Method::POST, "/api/v1/fabrics", Some(body)).await.status, 201);
    }
    let viewer = someone(&house, "vera", Rights::on("mine".parse().unwrap(), Role::Viewer)).await;
    let listed = as_(&house, &viewer, Method::GET, "/api/v1/fabrics", None).await;
    assert!(listed.text.contains("mine") && !listed.text.contains("theirs"), "{}", listed.text);
    assert!(!listed.text.contains("kubeconfig"), "a viewer does not read connections");
    let page = as_(&house, &viewer, Method::GET, "/settings/fabrics", None).await;
    assert!(page.text.contains("mine") && !page.text.contains("theirs"));
    assert!(page.text.contains("needs the role operator on this fabric"));
    for (method, path) in [
        (Method::GET, "/api/v1/fabrics/{}"),
        (Method::PATCH, "/api/v1/fabrics/{}"),
        (Method::DELETE, "/api/v1/fabrics/{}"),
        (Method::POST, "/api/v1/fabrics/{}/test"),
        (Method::GET, "/settings/fabrics/{}"),
        (Method::GET, "/settings/fabrics/{}/connection"),
        (Method::GET, "/settings/fabrics/{}/delete"),
    ] {
        let body = (method == Method::PATCH).then(|| json!({"enabled": false}));
        let mut answers = Vec::new();
        for name in ["theirs", "never"] {
            let path = path.replace("{}", name);
            let answer = as_(&house, &viewer, method.clone(), &path, body.clone()).await;
            answers.push((answer.status, said(&answer.text).replace(name, "…")));
        }
        assert_eq!(answers[0], answers[1], "{method} {path}");
        assert!(answers[0].0.is_client_error(), "{method} {path}: {answers:?}");
        if method != Method::GET || path.contains("settings") {
            let own = as_(&house, &viewer, method.clone(), &path.replace("{}", "mine"), body).await;
            assert_eq!(own.status, 403, "{method} {path}: {}", own.text);
        }
    }
    let body = json!({"name": "new-one", "access": pasted(&house)});
    let made = as_(&house, &viewer, Method::POST, "/api/v1/fabrics", Some(body)).await;
    assert_eq!(made.status, 403);
}

/// What a page says of itself; around it is the console, whose clock and nonces differ each time.
fn said(text: &str) -> &str {
    let main = text.split_once("<main").and_then(|(_, rest)| rest.split_once("</main>"));
    main.map_or(text, |(main, _)| main)
}

#[tokio::test]
async fn what_another_process_does_to_the_directory_is_noticed() {
    let house = house().await;
    let directory = house.fabrics.register.registrar().directory();
    // As a restored database has it whose key was lost.
    let fabric = Fabric {
        id: "lost".parse().unwrap(),
        settings: "{}".to_owned(),
        sealed: Some(Vec::new()),
        enabled: true,
        created_ms: 0,
        changed_ms: 0,
        revision: 0,
    };
    let deed = Deed::done(console(), Act::FabricCreate, "fabric/lost");
    directory.order(Order::CreateFabric(fabric), &deed, now_ms()).await.unwrap();
    let there = comes_to(&house, "lost", "disconnected").await;
    assert!(there["reason"].as_str().unwrap().contains("lost with their key"), "{there}");
    // Its connection is entered again.
    let body = json!({"access": pasted(&house)});
    let done = ask(&house, Method::PATCH, "/api/v1/fabrics/lost", Some(body)).await;
    assert_eq!(done.status, 200, "{}", done.text);
    comes_to(&house, "lost", "connected").await;
    let deed = Deed::done(console(), Act::FabricDelete, "fabric/lost");
    let order = Order::DeleteFabric { id: "lost".parse().unwrap(), expected: None };
    directory.order(order, &deed, now_ms()).await.unwrap();
    let until = Instant::now() + PATIENCE;
    while !house.hub.fabrics().is_empty() && Instant::now() < until {
        sleep(Duration::from_millis(50)).await;
    }
    assert!(house.hub.fabrics().is_empty());
}

#[tokio::test]
async fn it_is_not_ready_before_a_registered_fabric_was_begun() {
    let house = house().await;
    assert_eq!(ask(&house, Method::GET, "/readyz", None).await.status, 200);
    house.yard.fault(&sim::Fault::Hang { resource: None });
    let body = json!({"name": "gone", "access": pasted(&house), "enabled": false});
    assert_eq!(ask(&house, Method::POST, "/api/v1/fabrics", Some(body)).await.status, 201);
    comes_to(&house, "gone", "disabled").await;
    let directory = house.fabrics.register.registrar().directory();
    let fabric = directory.fabrics().await.unwrap().pop().unwrap();
    let late = Fabric { id: "late".parse().unwrap(), enabled: true, ..fabric };
    // As another process registers it: nobody here has heard of it yet.
    let deed = Deed::done(console(), Act::FabricCreate, "fabric/late");
    directory.order(Order::CreateFabric(late), &deed, now_ms()).await.unwrap();
    let answer = ask(&house, Method::GET, "/readyz", None).await;
    assert_eq!((answer.status.as_u16(), answer.json()["code"].as_str()), (503, Some("starting")));
    assert!(answer.text.contains("late") && !answer.text.contains("gone"), "{}", answer.text);
    comes_to(&house, "late", "disconnected").await;
    assert_eq!(ask(&house, Method::GET, "/readyz", None).await.status, 200);
}

#[tokio::test]
async fn a_form_keeps_what_was_pasted_without_writing_it_back() {
    let house = house().await;
    let text = std::fs::read_to_string(house.yard.kubeconfig()).unwrap();
    let token = house.yard.cluster.tokens().of_user("admin").unwrap().secret.clone();
    let base = format!("http://{}", house.address);
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let client = client.build().unwrap();
    let post = |fields: BTreeMap<&'static str, String>| {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields.iter());
        let request = client.post(format!("{base}/settings/fabrics/new"));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        request.bearer_auth(testkit::account::TOKEN).body(body.finish())
    };
    let fields = |more: &[(&'static str, &str)]| {
        let mut fields = BTreeMap::from([("way", "kubeconfig".to_owned())]);
        fields.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        fields
    };
    // A wrong name beside a good kubeconfig: said, and what was pasted is kept.
    let wrong = post(fields(&[("kubeconfig", &text), ("name", "Bad Name"), ("do", "save")]));
    let wrong = wrong.send().await.unwrap();
    assert_eq!(wrong.status(), 422);
    let page = wrong.text().await.unwrap();
    assert!(page.contains("is no fabric name") && !page.contains(&token));
    let draft = page.split("name=\"draft\" value=\"").nth(1).unwrap();
    let draft = draft.split('"').next().unwrap().to_owned();
    assert_eq!(draft.len(), 32, "{draft}");
    // A test of it leads back to the form with what was found.
    let tested = post(fields(&[("draft", &draft), ("name", "prod"), ("do", "test")]));
    let tested = tested.send().await.unwrap();
    assert_eq!(tested.status(), 303);
    let way = tested.headers()["location"].to_str().unwrap().to_owned();
    let until = Instant::now() + PATIENCE;
    let page = loop {
        let page = client.get(format!("{base}{way}")).bearer_auth(testkit::account::TOKEN);
        let page = page.send().await.unwrap().text().await.unwrap();
        if page.contains("data-test=\"over\"") || Instant::now() > until {
            break page;
        }
        sleep(Duration::from_millis(200)).await;
    };
    assert!(page.contains("data-test=\"over\"") && page.contains("TLS and certificate"));
    assert!(!page.contains(&token));
    // Saved without pasting it again: the fabric is there at once.
    let saved = post(fields(&[("draft", &draft), ("name", "prod"), ("do", "save")]));
    let saved = saved.send().await.unwrap();
    assert_eq!(saved.status(), 303);
    assert_eq!(saved.headers()["location"], "/f/prod");
    let page = client.get(format!("{base}/f/prod")).bearer_auth(testkit::account::TOKEN);
    assert_eq!(page.send().await.unwrap().status(), 200);
}
