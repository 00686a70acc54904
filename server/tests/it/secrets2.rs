//! The secrets of people and of their fabrics: after a whole scenario on the real binary none of them is in a file,
//! in the log, in an answer, on a page, in an event or in a measurement.

use std::{fmt::Write as _, path::Path, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{Client, Method, redirect::Policy};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    house::{Folder, PATIENCE, Yard},
    process::Hnp,
};

const PASSWORD: &str = "planted password of ann's";
const WRONG_PASSWORD: &str = "planted wrong guess of ann's";
const CLUSTER_TOKEN: &str = "planted-token-of-a-cluster-4411";
const CLIENT_KEY: &str = "planted-client-key-8207";

/// A person at the console, all of whose answers are kept.
struct Person {
    http: Client,
    base: String,
    cookie: String,
    heard: String,
}

impl Person {
    async fn ask(&mut self, method: Method, path: &str, body: Option<Value>) -> (u16, String) {
        let request = self.http.request(method, format!("{}{path}", self.base));
        let mut request = request.header("cookie", &self.cookie).header("origin", &self.base);
        if let Some(body) = body {
            request = request.json(&body);
        }
        self.hear(path, request).await
    }

    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        let request = self.http.post(format!("{}{path}", self.base)).header("cookie", &self.cookie);
        let request = request.header("origin", &self.base);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        self.hear(path, request.body(body.finish())).await
    }

    async fn hear(&mut self, path: &str, request: reqwest::RequestBuilder) -> (u16, String) {
        let response = request.timeout(PATIENCE).send().await.unwrap();
        let status = response.status().as_u16();
        let cookie = response.headers().get("set-cookie").map(|set| set.to_str().unwrap());
        if let Some(cookie) = cookie.and_then(|set| set.split(';').next()) {
            cookie.clone_into(&mut self.cookie);
        }
        let place = response.headers().get("location").map(|way| way.to_str().unwrap().to_owned());
        let body = response.text().await.unwrap();
        let _ = writeln!(self.heard, "{path} {place:?}\n{body}");
        (status, body)
    }
}

/// The ways in which a secret might be written down.
fn forms(secret: &str) -> Vec<String> {
    let hex = secret.bytes().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let url: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    // Base64 of a longer text holds a part of it in one of three alignments; of the whole it is this.
    vec![secret.to_owned(), STANDARD.encode(secret), hex, url]
}

fn clean(place: &str, bytes: &[u8], secrets: &[String]) {
    assert!(!bytes.is_empty(), "{place} says something");
    for secret in secrets {
        for form in forms(secret) {
            let found = bytes.windows(form.len()).position(|window| window == form.as_bytes());
            let before = found
                .map(|at| String::from_utf8_lossy(&bytes[at.saturating_sub(100)..at]).into_owned());
            assert_eq!(before, None, "{place} tells a secret that begins with {}", &secret[..7]);
        }
    }
}

/// A kubeconfig with a token that works and a client key of somebody else.
fn kubeconfig(yard: &Yard) -> String {
    let text = std::fs::read_to_string(yard.kubeconfig()).unwrap();
    let mut config: Value = serde_norway::from_str(&text).unwrap();
    let key = STANDARD.encode(CLIENT_KEY);
    let users = config["users"].as_array_mut().unwrap();
    users.push(json!({"name": "other", "user": {"client-key-data": key, "token": CLUSTER_TOKEN}}));
    serde_norway::to_string(&config).unwrap()
}

/// Everything that people do to fabrics, and some of what goes wrong.
async fn scenario(person: &mut Person, yard: &Yard, set_up: &str) {
    let form = [("user", "ann"), ("password", PASSWORD), ("again", PASSWORD)];
    assert_eq!(person.post(set_up, &form).await.0, 303);
    let wrong = json!({"user": "ann", "password": WRONG_PASSWORD});
    assert_eq!(person.ask(Method::POST, "/api/v1/session", Some(wrong)).await.0, 401);
    let access = json!({"kind": "kubeconfig", "kubeconfig": kubeconfig(yard)});
    let body = json!({"name": "prod", "access": access});
    assert_eq!(person.ask(Method::POST, "/api/v1/fabrics", Some(body)).await.0, 201);
    let direct = |server: &str| json!({"kind": "direct", "server": server, "token": CLUSTER_TOKEN});
    let body = json!({"name": "away", "access": direct("https://127.0.0.1:1")});
    assert_eq!(person.ask(Method::POST, "/api/v1/fabrics", Some(body)).await.0, 201);
    // What is refused repeats nothing.
    for access in [
        direct("no address"),
        json!({"kind": "kubeconfig", "kubeconfig": format!("users: [{CLUSTER_TOKEN}")}),
        json!({"kind": "direct", "server": "https://a", "token": {"is": CLUSTER_TOKEN}}),
        json!({"kind": CLUSTER_TOKEN}),
    ] {
        let body = json!({"name": "wrong", "access": access});
        assert_eq!(person.ask(Method::POST, "/api/v1/fabrics", Some(body)).await.0, 422);
    }
    let body = json!({"access": direct("https://127.0.0.1:1")});
    person.ask(Method::POST, "/api/v1/connections/test?wait=20", Some(body)).await;
    person.ask(Method::POST, "/api/v1/fabrics/prod/test?wait=20", None).await;
    let text = kubeconfig(yard);
    let form =
        [("way", "kubeconfig"), ("kubeconfig", text.as_str()), ("name", "No"), ("do", "save")];
    assert_eq!(person.post("/settings/fabrics/new", &form).await.0, 422);
    let form = [("way", "direct"), ("server", "x"), ("token", CLUSTER_TOKEN), ("do", "test")];
    assert_eq!(person.post("/settings/fabrics/new", &form).await.0, 422);
    look(person).await;
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
    for path in [
        "/",
        "/f/prod",
        "/f/prod/agents/default/leaf-01",
        "/settings/fabrics",
        "/settings/fabrics/prod",
        "/settings/fabrics/away",
        "/settings/fabrics/prod/connection",
        "/settings/fabrics/prod/delete",
        "/api/v1/session",
        "/api/v1/fabrics",
        "/api/v1/fabrics/away",
        "/api/v1/jobs",
        "/api/v1/fabrics/prod/events",
        "/api/v1/live/snapshot?topics=objects/*/*,state/*,feed/*&view=full",
        "/metrics",
    ] {
        let (status, _) = person.ask(Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}");
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

#[tokio::test(flavor = "multi_thread")]
async fn after_a_whole_scenario_no_secret_is_in_a_file_a_log_an_answer_or_a_page() {
    let yard = Yard::vlab().await;
    let home = Folder::new();
    let arguments = ["serve", "--listen", "127.0.0.1:0"];
    let mut hnp = Hnp::start_with(home.path(), &arguments, &[("HNP_LOG", "trace")]);
    let address = hnp.address().await;
    let link = hnp.until(|line| line.contains("/setup/")).await;
    let set_up = format!("/setup/{}", link.trim().rsplit('/').next().unwrap());
    let http = Client::builder().redirect(Policy::none()).build().unwrap();
    let base = format!("http://{address}");
    let mut person = Person { http, base, cookie: String::new(), heard: String::new() };
    scenario(&mut person, &yard, &set_up).await;

    let secrets = [
        PASSWORD.to_owned(),
        WRONG_PASSWORD.to_owned(),
        CLUSTER_TOKEN.to_owned(),
        CLIENT_KEY.to_owned(),
        yard.cluster.tokens().of_user("admin").unwrap().secret.clone(),
        person.cookie.rsplit('=').next().unwrap().to_owned(),
        set_up.rsplit('/').next().unwrap().to_owned(),
    ];
    // The set-up token stands in the address of the page that it opens, for who holds it already.
    clean("an answer or a page", person.heard.replace(&set_up, "").as_bytes(), &secrets);
    let running = files(&home.path().join("data"));
    assert!(running.iter().any(|(name, _)| name.ends_with("hnp.db")));
    hnp.terminate();
    let ended = hnp.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err.chars().rev().take(2_000).collect::<String>());
    assert!(ended.err.len() > 10_000, "at `trace` there is much to say");
    clean("the log", ended.err.as_bytes(), &secrets);
    for (name, bytes) in running.iter().chain(&files(&home.path().join("data"))) {
        clean(name, bytes, &secrets);
    }
    let printed = Hnp::run(home.path(), &["serve", "--print-config"]).await;
    clean("--print-config", printed.out.as_bytes(), &secrets);
    for arguments in [&["fabric", "list"][..], &["fabric", "show", "prod", "--json"]] {
        let printed = Hnp::run(home.path(), arguments).await;
        assert_eq!(printed.code, Some(0), "{arguments:?}: {}", printed.err);
        clean("the command line", printed.out.as_bytes(), &secrets);
    }
}
