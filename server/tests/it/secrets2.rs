//! The secrets of people and of their fabrics: after a whole scenario on the real binary none of them is in a file,
//! in the log, in an answer, on a page, in a frame, in a measurement, in what a command prints or in a backup.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{
    Client, Method,
    header::{COOKIE, HeaderMap, HeaderValue, ORIGIN},
    redirect::Policy,
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    crowd::link,
    house::{Folder, PATIENCE, Yard, spawn},
    process::{Ended, Hnp},
    scanner::Scanner,
    socket::Client as Link,
    ways::Way,
};

/// Of ann, who is first.
const PASSWORD: &str = "planted password of ann's";
/// Of ann, later.
const NEXT_PASSWORD: &str = "planted later words & <of> \"ann\"";
const WRONG_PASSWORD: &str = "planted wrong guess of ann's";
const TOO_SHORT: &str = "Qz7!vK2";
/// Typed where the name belongs, and could be one.
const AS_A_NAME: &str = "planted-hunter2-typed-as-a-name";
/// Of ben, from ann, from ann again, and from the command line.
const BENS: [&str; 3] = ["planted words for ben", "planted words anew", "planted on the console"];
const CLUSTER_TOKEN: &str = "planted-token-of-a-cluster-4411";
const CLIENT_KEY: &str = "planted-client-key-8207";
const BASIC_PASSWORD: &str = "planted-basic-password-5512";
const EXEC_SECRET: &str = "planted-secret-of-a-program-9034";
const WRONG_TOKEN: &str = "hnp_planted-token-that-never-was";
const OIDC_SECRET: &str = "planted-secret-of-the-identity-provider";

/// What was told on live links, as text.
type Told = Arc<Mutex<String>>;

/// A person at the console, all of whose answers are kept.
struct Person {
    http: Client,
    base: String,
    cookie: String,
    /// All cookies that there were.
    cookies: BTreeSet<String>,
    heard: String,
}

impl Person {
    fn at(base: String) -> Self {
        let http = Client::builder().redirect(Policy::none()).build().unwrap();
        let (cookie, cookies) = (String::new(), BTreeSet::new());
        Self { http, base, cookie, cookies, heard: String::new() }
    }

    async fn ask(&mut self, method: Method, path: &str, body: Option<Value>) -> (u16, String) {
        let request = self.http.request(method, format!("{}{path}", self.base));
        let mut request = request.header("cookie", &self.cookie).header("origin", &self.base);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = self.hear(path, request).await;
        let _ = writeln!(self.heard, "{}", answer.1);
        answer
    }

    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        let request = self.http.post(format!("{}{path}", self.base)).header("cookie", &self.cookie);
        let request = request.header("origin", &self.base);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = self.hear(path, request.body(body.finish())).await;
        let _ = writeln!(self.heard, "{}", answer.1);
        answer
    }

    /// Something asked with a token instead.
    async fn bearing(&mut self, token: &str, path: &str) -> u16 {
        let request = self.http.get(format!("{}{path}", self.base)).bearer_auth(token);
        let (status, body) = self.hear(path, request).await;
        let _ = writeln!(self.heard, "{body}");
        status
    }

    /// An answer; its head is kept, its body is the caller's to keep.
    async fn hear(&mut self, path: &str, request: reqwest::RequestBuilder) -> (u16, String) {
        let response = request.timeout(PATIENCE).send().await.unwrap();
        let status = response.status().as_u16();
        let mut headers = response.headers().clone();
        if let Some(set) = headers.remove("set-cookie") {
            let cookie = set.to_str().unwrap().split(';').next().unwrap().to_owned();
            let key = cookie.rsplit('=').next().unwrap().to_owned();
            if !key.is_empty() {
                self.cookies.insert(key);
                self.cookie = cookie;
            }
        }
        let _ = writeln!(self.heard, "{path} {status} {headers:?}");
        (status, response.text().await.unwrap())
    }

    /// With what a browser comes.
    fn headers(&self) -> HeaderMap {
        let value = |text: &str| HeaderValue::from_str(text).unwrap();
        HeaderMap::from_iter([(COOKIE, value(&self.cookie)), (ORIGIN, value(&self.base))])
    }
}

/// A kubeconfig with a token that works and a client key of somebody else.
fn kubeconfig(yard: &Yard) -> String {
    with_user(
        yard,
        &json!({"client-key-data": STANDARD.encode(CLIENT_KEY), "token": CLUSTER_TOKEN}),
    )
}

/// A kubeconfig of which one user is this.
fn with_user(yard: &Yard, user: &Value) -> String {
    let text = std::fs::read_to_string(yard.kubeconfig()).unwrap();
    let mut config: Value = serde_norway::from_str(&text).unwrap();
    config["users"].as_array_mut().unwrap().push(json!({"name": "other", "user": user}));
    serde_norway::to_string(&config).unwrap()
}

/// The same with the only context that of the odd user.
fn odd(yard: &Yard, user: &Value) -> String {
    let mut config: Value = serde_norway::from_str(&with_user(yard, user)).unwrap();
    config["contexts"][0]["context"]["user"] = json!("other");
    serde_norway::to_string(&config).unwrap()
}

/// Listens to a link until it ends.
fn listen(mut link: Link, told: &Told) {
    let told = Arc::clone(told);
    spawn(async move {
        while let Some(frame) = link.try_next().await {
            if frame["t"] == "ping" && matches!(link.wire, crate::socket::Wire::Socket(_)) {
                link.say(json!({"t": "pong", "ts": frame["ts"]})).await;
            }
            told.lock().unwrap().push_str(&frame.to_string());
        }
    });
}

/// Follows everything by socket and by stream from now on.
async fn follow(person: &Person) -> Told {
    let topics = json!([
        {"topic": "objects/*/*", "view": "full"}, {"topic": "state/*"}, {"topic": "feed/*"},
        {"topic": "me"},
    ]);
    let address = person.base.strip_prefix("http://").unwrap().parse().unwrap();
    let told = Told::default();
    for way in [Way::Socket, Way::Sse] {
        listen(way.hello_as(address, topics.clone(), &person.headers()).await, &told);
    }
    told
}

/// What people do to people: passwords and tokens, good and bad.
async fn people(person: &mut Person, scanner: &mut Scanner) {
    for (user, password) in [("ann", WRONG_PASSWORD), (AS_A_NAME, "planted, of nobody")] {
        let wrong = json!({"user": user, "password": password});
        assert_eq!(person.ask(Method::POST, "/api/v1/session", Some(wrong)).await.0, 401);
        let form = [("user", user), ("password", password)];
        assert_eq!(person.post("/login", &form).await.0, 401);
    }
    // The form keeps the name for who typed it.
    person.heard = person.heard.replace(&format!("name=\"user\" value=\"{AS_A_NAME}\""), "");
    let ben = json!({"name": "ben", "password": BENS[0], "rights": {"everywhere": "viewer"}});
    assert_eq!(person.ask(Method::POST, "/api/v1/users", Some(ben)).await.0, 201);
    let cat = json!({"name": "cat", "password": TOO_SHORT, "rights": {}});
    assert_eq!(person.ask(Method::POST, "/api/v1/users", Some(cat)).await.0, 422);
    let cat = json!({"name": "cat", "password": {"is": BENS[1]}, "rights": {}});
    assert_eq!(person.ask(Method::POST, "/api/v1/users", Some(cat)).await.0, 422);
    let form = [("name", "dan"), ("password", TOO_SHORT), ("everywhere", "viewer")];
    assert_eq!(person.post("/settings/users", &form).await.0, 422);
    let anew = json!({"password": BENS[1]});
    assert_eq!(person.ask(Method::PATCH, "/api/v1/users/ben", Some(anew)).await.0, 200);
    for (current, new, status) in [
        (WRONG_PASSWORD, NEXT_PASSWORD, 422),
        (PASSWORD, TOO_SHORT, 422),
        (PASSWORD, NEXT_PASSWORD, 204),
    ] {
        let change = json!({"current": current, "new": new});
        let done = person.ask(Method::PUT, "/api/v1/password", Some(change)).await;
        assert_eq!(done.0, status, "{}", done.1);
    }
    let form = [("current", WRONG_PASSWORD), ("new", TOO_SHORT), ("again", TOO_SHORT)];
    assert_eq!(person.post("/account/password", &form).await.0, 422);
    tokens(person, scanner).await;
}

/// Tokens are made, used in every way in which they may come, and revoked.
async fn tokens(person: &mut Person, scanner: &mut Scanner) {
    // Each is told once, to who made it: these two bodies are not kept.
    let new = json!({"label": "a script", "rights": {"everywhere": "viewer"}});
    let request = person.http.post(format!("{}/api/v1/tokens", person.base)).json(&new);
    let request = request.headers(person.headers());
    let (status, body) = person.hear("/api/v1/tokens", request).await;
    assert_eq!(status, 201, "{body}");
    let made: Value = serde_json::from_str(&body).unwrap();
    let token = made["token"].as_str().unwrap().to_owned();
    scanner.plant("an API token", &token);
    assert_eq!(person.bearing(&token, "/api/v1/session").await, 200);
    assert_eq!(person.bearing(WRONG_TOKEN, "/api/v1/session").await, 401);
    let address = person.base.strip_prefix("http://").unwrap().parse().unwrap();
    for (offered, opens) in [(token.as_str(), true), (WRONG_TOKEN, false)] {
        let offer = format!("hnp.live.v1, hnp.token.{offered}");
        let offer = HeaderValue::from_str(&offer).unwrap();
        let headers = HeaderMap::from_iter([("sec-websocket-protocol".parse().unwrap(), offer)]);
        assert_eq!(link(address, &headers).await.is_ok(), opens);
    }
    let path = format!("/api/v1/tokens/{}", made["id"].as_str().unwrap());
    assert_eq!(person.ask(Method::DELETE, &path, None).await.0, 204);
    assert_eq!(person.bearing(&token, "/api/v1/session").await, 401);
}

/// What people do to fabrics, and some of what goes wrong.
async fn fabrics(person: &mut Person, yard: &Yard) {
    let access = json!({"kind": "kubeconfig", "kubeconfig": kubeconfig(yard)});
    let body = json!({"name": "prod", "access": access});
    assert_eq!(person.ask(Method::POST, "/api/v1/fabrics", Some(body)).await.0, 201);
    let direct = |server: &str| json!({"kind": "direct", "server": server, "token": CLUSTER_TOKEN});
    let body = json!({"name": "away", "access": direct("https://127.0.0.1:1")});
    assert_eq!(person.ask(Method::POST, "/api/v1/fabrics", Some(body)).await.0, 201);
    let pasted = |text: String| json!({"kind": "kubeconfig", "kubeconfig": text});
    let exec = json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": "get-token",
        "interactiveMode": "Never", "args": [EXEC_SECRET],
        "env": [{"name": "SECRET", "value": EXEC_SECRET}],
    }});
    let basic = json!({"username": "root", "password": BASIC_PASSWORD});
    let damaged =
        json!({"client-certificate-data": "%%%", "client-key-data": STANDARD.encode(CLIENT_KEY)});
    // What is refused repeats nothing.
    for access in [
        direct("no address"),
        pasted(format!("users: [{CLUSTER_TOKEN}")),
        pasted(format!("{{\"users\": \"{CLUSTER_TOKEN}\"}}")),
        pasted(
            kubeconfig(yard).replace(
                "clusters:",
                &format!("{CLUSTER_TOKEN}: x\nclusters: {CLUSTER_TOKEN}\nc:"),
            ),
        ),
        pasted(odd(yard, &exec)),
        pasted(odd(yard, &basic)),
        pasted(odd(yard, &damaged)),
        json!({"kind": "direct", "server": "https://a", "token": {"is": CLUSTER_TOKEN}}),
        json!({"kind": "direct", "server": "https://a", "token": CLUSTER_TOKEN, "authority": CLIENT_KEY}),
        json!({"kind": CLUSTER_TOKEN}),
        json!({"kind": "direct", "server": format!("https://root:{BASIC_PASSWORD}@a"), "token": "x"}),
    ] {
        let body = json!({"name": "wrong", "access": access});
        let refused = person.ask(Method::POST, "/api/v1/fabrics", Some(body)).await;
        assert_eq!(refused.0, 422, "{access}: {}", refused.1);
        let form = [
            ("way", "kubeconfig"),
            ("kubeconfig", access["kubeconfig"].as_str().unwrap_or("x: [")),
            ("name", "wrong"),
            ("do", "save"),
        ];
        assert_eq!(person.post("/settings/fabrics/new", &form).await.0, 422);
    }
    let body = json!({"access": direct("https://127.0.0.1:1")});
    person.ask(Method::POST, "/api/v1/connections/test?wait=20", Some(body)).await;
    person.ask(Method::POST, "/api/v1/fabrics/prod/test?wait=20", None).await;
    let change = json!({"access": {"kind": "kubeconfig", "kubeconfig": kubeconfig(yard)}});
    assert_eq!(person.ask(Method::PATCH, "/api/v1/fabrics/prod", Some(change)).await.0, 200);
    let text = kubeconfig(yard);
    let form =
        [("way", "kubeconfig"), ("kubeconfig", text.as_str()), ("name", "No"), ("do", "save")];
    assert_eq!(person.post("/settings/fabrics/new", &form).await.0, 422);
    let form = [("way", "direct"), ("server", "x"), ("token", CLUSTER_TOKEN), ("do", "test")];
    assert_eq!(person.post("/settings/fabrics/new", &form).await.0, 422);
}

/// The token was used, and everything is looked at.
async fn look(person: &mut Person) {
    let until = Instant::now() + PATIENCE;
    let connected = loop {
        let (_, body) = person.ask(Method::GET, "/api/v1/fabrics/prod", None).await;
        let connected = body.contains("\"connected\"");
        if connected || Instant::now() > until {
            break connected;
        }
        sleep(Duration::from_millis(200)).await;
    };
    assert!(connected, "the token was used");
    let all = "topics=objects/*/*,state/*,feed/*,me&view=full";
    let (snapshot, poll) =
        (format!("/api/v1/live/snapshot?{all}"), format!("/api/v1/live/poll?{all}&wait=0"));
    for path in [
        "/",
        "/f/prod",
        "/f/prod/agents/default/leaf-01",
        "/account",
        "/audit",
        "/settings/users",
        "/settings/users/ben",
        "/settings/tokens",
        "/settings/fabrics",
        "/settings/fabrics/new",
        "/settings/fabrics/prod",
        "/settings/fabrics/away",
        "/settings/fabrics/prod/connection",
        "/settings/fabrics/prod/delete",
        "/api/v1/session",
        "/api/v1/sessions",
        "/api/v1/users",
        "/api/v1/users/ben",
        "/api/v1/users/ann/sessions",
        "/api/v1/tokens?user=*",
        "/api/v1/fabrics",
        "/api/v1/fabrics/away",
        "/api/v1/jobs",
        "/api/v1/fabrics/prod/events",
        "/api/v1/fabrics/prod/objects?kind=Agent",
        "/api/v1/audit",
        "/api/v1/audit/export?format=json",
        "/api/v1/audit/export?format=csv",
        "/api/v1/audit/verify",
        "/api/v1/openapi.json",
        &snapshot,
        &poll,
        "/readyz",
        "/metrics",
    ] {
        let (status, body) = person.ask(Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}: {body:.300}");
    }
}

/// Every file of the house but its key.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.file_name().is_some_and(|name| name != "secret.key") {
            let bytes = std::fs::read(&path).unwrap();
            if !bytes.is_empty() {
                found.push((path.display().to_string(), bytes));
            }
        }
    }
    found
}

/// Everything that is known before it begins.
fn planted(yard: &Yard) -> Scanner {
    let mut scanner = Scanner::default();
    for (what, secret) in [
        ("ann's password", PASSWORD),
        ("ann's later password", NEXT_PASSWORD),
        ("a wrong password", WRONG_PASSWORD),
        ("a password that is too short", TOO_SHORT),
        ("a password in the wrong field", AS_A_NAME),
        ("ben's first password", BENS[0]),
        ("ben's second password", BENS[1]),
        ("ben's third password", BENS[2]),
        ("the token of a cluster", CLUSTER_TOKEN),
        ("a client key", CLIENT_KEY),
        ("a password of a cluster", BASIC_PASSWORD),
        ("the secret of a program", EXEC_SECRET),
        ("a token that is none", WRONG_TOKEN),
        ("the secret of the identity provider", OIDC_SECRET),
        ("the token that works", &yard.cluster.tokens().of_user("admin").unwrap().secret),
    ] {
        scanner.plant(what, secret);
    }
    scanner
}

/// The keys of a house, as texts and as bytes.
fn plant_keys(scanner: &mut Scanner, file: &Path) {
    let text = std::fs::read_to_string(file).unwrap();
    let keys: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("hnp1:")).collect();
    assert!(!keys.is_empty());
    for key in keys {
        let key = key.rsplit(':').next().unwrap().trim();
        scanner.plant("the server's key", key);
        let digits = key.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        let bytes: Vec<u8> = digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
        assert_eq!(bytes.len(), 32);
        scanner.plant_bytes("the server's key", &bytes);
    }
}

/// Commands beside the running server, and what they print.
async fn commands(home: &Path, scanner: &mut Scanner) {
    let passwd = ["user", "passwd", "ben", "--password-stdin"];
    let printed = [
        Hnp::run_with_input(home, &passwd, BENS[2]).await,
        Hnp::run(home, &["user", "list", "--json"]).await,
        Hnp::run(home, &["fabric", "list"]).await,
        Hnp::run(home, &["fabric", "show", "prod", "--json"]).await,
        Hnp::run(home, &["fabric", "test", "prod", "--json"]).await,
        Hnp::run(home, &["audit", "verify", "--json"]).await,
        Hnp::run(home, &["backup", "house.tar", "--json"]).await,
        Hnp::run(home, &["restore", "house.tar", "--data-dir", "elsewhere/data"]).await,
    ];
    let made = ["token", "create", "--user", "ben", "--label", "console", "--role", "viewer"];
    let token = Hnp::run(home, &made).await;
    assert_eq!(token.code, Some(0), "{}", token.err);
    scanner.plant("a token of the command line", token.out.trim());
    let listed = Hnp::run(home, &["token", "list", "--json"]).await;
    for Ended { code, out, err } in printed.iter().chain([&listed]) {
        assert_eq!(*code, Some(0), "{out} {err}");
        scanner.clean("the command line", format!("{out}{err}").as_bytes());
    }
    // Nothing is served with these: they are shown as set, and masked.
    std::fs::write(home.join("oidc-secret"), OIDC_SECRET).unwrap();
    let key = STANDARD.encode([0x5a; 32]);
    scanner.plant("a key of the environment", &key);
    for env in [
        &[("HNP_SECRET_KEY", key.as_str())][..],
        &[
            ("HNP_OIDC_ISSUER", "https://id.example"),
            ("HNP_OIDC_CLIENT_ID", "hnp"),
            ("HNP_OIDC_CLIENT_SECRET_FILE", "oidc-secret"),
            ("HNP_PUBLIC_URL", "https://hnp.example"),
        ],
    ] {
        let printed = Hnp::start_with(home, &["serve", "--print-config"], env).end().await;
        assert_eq!(printed.code, Some(0), "{}", printed.err);
        scanner.clean("--print-config", format!("{}{}", printed.out, printed.err).as_bytes());
    }
    std::fs::remove_file(home.join("oidc-secret")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_whole_scenario_no_secret_is_anywhere_but_where_it_was_entered() {
    let yard = Yard::vlab().await;
    let home = Folder::new();
    let mut scanner = planted(&yard);
    let arguments = ["serve", "--listen", "127.0.0.1:0"];
    let mut hnp = Hnp::start_with(home.path(), &arguments, &[("HNP_LOG", "trace")]);
    let address = hnp.address().await;
    let link = hnp.until(|line| line.contains("/setup/")).await;
    let set_up = format!("/setup/{}", link.trim().rsplit('/').next().unwrap());
    plant_keys(&mut scanner, &home.path().join("data/secret.key"));
    let mut person = Person::at(format!("http://{address}"));
    // The set-up token stands in the address of the page that it opens, for who holds it already.
    assert_eq!(person.ask(Method::GET, &set_up, None).await.0, 200);
    person.heard = person.heard.replace(&set_up, "");
    let form = [("user", "ann"), ("password", TOO_SHORT), ("again", TOO_SHORT)];
    assert_eq!(person.post(&set_up, &form).await.0, 422);
    let form = [("user", "ann"), ("password", PASSWORD), ("again", PASSWORD)];
    assert_eq!(person.post(&set_up, &form).await.0, 303);
    person.heard = person.heard.replace(&set_up, "");
    scanner.plant("the set-up link", set_up.rsplit('/').next().unwrap());

    let told = follow(&person).await;
    people(&mut person, &mut scanner).await;
    fabrics(&mut person, &yard).await;
    look(&mut person).await;
    let running = files(&home.path().join("data"));
    assert!(running.iter().any(|(name, _)| name.ends_with("hnp.db-wal")), "while it runs");
    commands(home.path(), &mut scanner).await;
    look(&mut person).await;
    for cookie in &person.cookies {
        scanner.plant("a session's key", cookie);
    }

    hnp.terminate();
    let ended = hnp.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err.chars().rev().take(2_000).collect::<String>());
    assert!(ended.err.len() > 10_000, "at `trace` there is much to say");
    scanner.clean("the log", ended.err.as_bytes());
    scanner.clean("the console", format!("{} .", ended.out).as_bytes());
    scanner.clean("an answer or a page", person.heard.as_bytes());
    let told = told.lock().unwrap().clone();
    for words in ["\"t\":\"evt\"", "\"topic\":\"me\"", "leaf-01", "\"topic\":\"state/prod\""] {
        assert!(told.contains(words), "the links said {words}");
    }
    scanner.clean("a frame", told.as_bytes());
    let ended = files(home.path());
    assert!(ended.iter().any(|(name, _)| name.ends_with("house.tar")));
    assert!(ended.iter().any(|(name, _)| name.ends_with("elsewhere/data/hnp.db")));
    for (name, bytes) in running.iter().chain(&ended) {
        scanner.clean(name, bytes);
    }
}
