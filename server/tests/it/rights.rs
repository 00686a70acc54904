//! Who gets what from every route and for every live frame: the reviewed table `server/tests/rights.txt`.
//!
//! Every row of the map is asked for as everybody, over real HTTP; a route that is not on the map, or a row
//! without a route, is a failure, whoever made it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Arc,
};

use domain::{kind::Kind, topic::Topic};
use engine::{store::sqlite::SqliteStore, vault::KeySource};
use leptos::server_fn::axum::server_fn_paths;
use reqwest::{
    Method,
    header::{HeaderMap, HeaderValue},
    redirect::Policy,
};
use serde_json::{Value, json};
use server::{
    cli::serve,
    config::{self, Flags},
    records::Kept,
    run::House,
    web::{
        self,
        map::{Needs, ROWS, Row},
    },
};
use tokio::net::TcpListener;

use crate::{
    crowd::{Crowd, EVERYBODY, fabric},
    house::{PATIENCE, TestHouse, Yard, until_true},
};

mod frames;

/// Answer, and who got it.
type Answers = BTreeMap<String, Vec<&'static str>>;

/// A house with the registered fabrics `here` and `there`, and everybody before it.
async fn crowded() -> (TestHouse, Crowd) {
    let yard = Yard::vlab().await;
    // A file: a link that is cut in the middle of a look-up may take a database in memory with it.
    let database = format!("sqlite://{}", yard.folder.path().join("rights.db").display());
    let house =
        TestHouse::without_fabric(yard, |config| config.database_url = Some(database)).await;
    for name in ["here", "there"] {
        house.register(name, &house.yard).await;
    }
    for name in ["here", "there"] {
        let topic = Topic::Objects(fabric(name), Kind::Switch);
        let held = || house.hub.keyed(&topic).is_some_and(|topic| topic.is_listed());
        until_true("the switches to be listed", held).await;
    }
    let origin = format!("http://{}", house.address);
    let crowd = Crowd::gather(Arc::clone(&house.directory), origin).await;
    (house, crowd)
}

/// The address of a row, on a fabric.
fn address(row: &Row, fabric: &str) -> String {
    let given = [
        ("{fabric}", fabric),
        ("{kind}", "Switch"),
        ("{plural}", "switches"),
        ("{namespace}", "default"),
        ("{name}", "leaf-01"),
        ("{token}", "never-given"),
        ("{user}", "never-there"),
        ("{id}", "0123456789ab"),
        ("{job}", "0123456789ab"),
        ("{*any}", "never-there"),
    ];
    let mut path = row.path.to_owned();
    for (name, value) in given {
        path = path.replace(name, value);
    }
    assert!(!path.contains('{'), "say what stands for the parameters of {}", row.path);
    let query = match row.path {
        "/api/v1/fabrics/{fabric}/objects" => "?kind=Switch".to_owned(),
        // Said, not done: the fabric is needed by the rows that follow.
        "/api/v1/fabrics/{fabric}" if row.method == "DELETE" => "?dryRun=true".to_owned(),
        // Once it is over, so that nobody finds too many under way.
        "/api/v1/fabrics/{fabric}/test" => "?wait=25".to_owned(),
        path if row.method == "GET" && path.starts_with("/api/v1/live/") => {
            format!("?topic=state/{fabric}")
        }
        _ => String::new(),
    };
    let wait = if row.path.ends_with("/poll") && row.method == "GET" { "&wait=0" } else { "" };
    format!("{path}{query}{wait}")
}

/// What is sent to a row: enough to be let in, and never enough to change anything.
fn body(row: &Row, fabric: &str, who: &str) -> Value {
    let key = "default/leaf-01";
    let query = json!({"text": "", "columns": {}, "labels": "", "sort": []});
    match row.path {
        // Each with a name of their own, so that nobody has to wait for another's failures.
        "/api/v1/session" => json!({"user": format!("{who}-mistyped"), "password": "wrong"}),
        "/api/page/list" => json!({"fabric": fabric, "kind": "Switch", "query": query}),
        "/api/page/object" | "/api/page/relations" => {
            json!({"fabric": fabric, "kind": "Switch", "key": key})
        }
        // What it is already.
        "/api/v1/fabrics/{fabric}" => json!({"enabled": true}),
        path if path.starts_with("/api/v1/live/") => {
            json!({"t": "hello", "protocol": 1, "topics": [{"topic": format!("state/{fabric}")}]})
        }
        _ => json!({}),
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().redirect(Policy::none()).timeout(PATIENCE).build().unwrap()
}

/// What somebody gets: the status, with the code of a problem, or where they are sent.
async fn ask(
    http: &reqwest::Client,
    house: &TestHouse,
    row: &Row,
    fabric: &str,
    who: &str,
    mut headers: HeaderMap,
) -> String {
    let method: Method = row.method.parse().unwrap();
    let reads = method == Method::GET;
    let mut request = http.request(method, house.url(&address(row, fabric)));
    if row.path == "/api/v1/live" {
        for (name, value) in [
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    if !reads {
        let page = matches!(row.needs, Needs::Page | Needs::HousePage(_) | Needs::FabricPage(_))
            || is_door(row.path);
        request = if page {
            headers.insert("content-type", "application/x-www-form-urlencoded".parse().unwrap());
            // `do=enable` is understood by the page of a fabric alone, which is what it is already.
            request.body(format!("user={who}-mistyped&password=wrong&do=enable"))
        } else {
            request.json(&body(row, fabric, who))
        };
    }
    let response = request.headers(headers).send().await.unwrap();
    let status = response.status().as_u16();
    let header = |name: &str| {
        response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned()
    };
    if (300..400).contains(&status) {
        let to = header("location");
        return format!("{status} to {}", to.split('?').next().unwrap_or_default());
    }
    if header("content-type") == "application/problem+json" {
        let problem: Value = response.json().await.unwrap();
        return format!("{status} {}", problem["code"].as_str().unwrap());
    }
    assert!(status < 400 || !row.path.starts_with("/api/v1/"), "{status} is no problem: {row:?}");
    if status >= 400 && !row.path.starts_with("/api/") {
        let body = response.text().await.unwrap();
        let says = body.contains("<h1") && body.contains("</html>");
        assert!(says, "{status} is no page that says anything: {row:?} to {who}: {body:.300}");
        return status.to_string();
    }
    // Whatever streams is let go; what was answered is known by now.
    status.to_string()
}

fn is_door(path: &str) -> bool {
    matches!(path, "/login" | "/logout" | "/setup/{token}")
        || path.starts_with("/settings/")
        || path.starts_with("/account")
}

fn write(out: &mut String, title: &str, answers: &Answers) {
    let _ = writeln!(out, "{title}");
    for (answer, who) in answers {
        let _ = writeln!(out, "  {answer:<28} {}", who.join(" "));
    }
}

/// The answers of a row to everybody.
async fn row_answers(house: &TestHouse, crowd: &Crowd, row: &Row, fabric: &str) -> Answers {
    let http = client();
    let mut answers = Answers::new();
    for who in EVERYBODY {
        let headers = crowd.headers(who).await;
        let answer = ask(&http, house, row, fabric, who, headers).await;
        answers.entry(answer).or_default().push(who);
    }
    answers
}

/// Who got an answer that begins so.
fn whom(answers: &Answers, begins: &str) -> BTreeSet<&'static str> {
    answers
        .iter()
        .filter(|(answer, _)| answer.starts_with(begins))
        .flat_map(|(_, who)| who.clone())
        .collect()
}

/// What must hold whatever the table says.
fn judge(row: &Row, answers: &Answers) {
    let name = format!("{} {}", row.method, row.path);
    for code in ["unlisted_route", "wrong_method", "no_route", "page_failed"] {
        let got = answers.keys().find(|answer| answer.ends_with(code));
        assert!(got.is_none(), "{name} answers {got:?}: the map and the router differ");
    }
    assert!(whom(answers, "5").is_empty(), "{name} fails: {answers:?}");
    let got_in = whom(answers, "2");
    for who in ["expired-token", "revoked-token"] {
        assert!(whom(answers, "401 unauthorized").contains(who), "{name} lets {who} in");
    }
    if row.needs != Needs::Open {
        for who in ["nobody", "disabled-session"] {
            assert!(!got_in.contains(who), "{name} lets {who} in");
        }
    }
    if row.method != "GET" || row.path.starts_with("/api/v1/live") {
        let csrf = whom(answers, "403 csrf");
        assert!(csrf.contains("session-foreign-origin"), "{name}: a foreign origin gets in");
        let matters = row.method != "GET" || row.path == "/api/v1/live";
        assert!(!matters || csrf.contains("session-no-origin"), "{name}: no origin gets in");
    }
    if let Needs::Fabric(_) = row.needs {
        let hidden = whom(answers, "404 no_fabric");
        assert!(hidden.contains("admin-there"), "{name} shows a foreign fabric");
    }
    if let Needs::FabricPage(_) = row.needs {
        let hidden = whom(answers, "404");
        assert!(hidden.contains("admin-there"), "{name} shows a foreign fabric");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_gets_what_the_reviewed_table_says_from_every_route_and_frame() {
    let (house, crowd) = crowded().await;
    let mut table = String::new();
    for row in ROWS {
        let answers = row_answers(&house, &crowd, row, "here").await;
        judge(row, &answers);
        write(&mut table, &format!("{} {}", row.method, row.path), &answers);
        if names_a_fabric(row) {
            let never = row_answers(&house, &crowd, row, "never").await;
            write(
                &mut table,
                &format!("{} {}  of a fabric that never was", row.method, row.path),
                &never,
            );
            let foreign = answers.iter().find(|(_, who)| who.contains(&"admin-there"));
            let unknown = never.iter().find(|(_, who)| who.contains(&"admin-there"));
            assert_eq!(
                foreign.map(|(answer, _)| answer),
                unknown.map(|(answer, _)| answer),
                "{row:?}"
            );
        }
    }
    frames::tell(&house, &crowd, &mut table).await;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rights.txt");
    if option_env!("HNP_WRITE_SNAPSHOTS").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    let reviewed = std::fs::read_to_string(path).unwrap_or_default();
    let differs = table.lines().zip(reviewed.lines()).find(|(is, was)| is != was);
    assert!(
        table == reviewed,
        "rights changed, first at {differs:?}; review the difference after building the test with HNP_WRITE_SNAPSHOTS=1"
    );
}

fn names_a_fabric(row: &Row) -> bool {
    row.path.contains("{fabric}")
        || row.path.starts_with("/api/v1/live/")
        || matches!(row.path, "/api/page/list" | "/api/page/object" | "/api/page/relations")
}

/// The paths of the router, as it tells them itself.
async fn routed() -> BTreeSet<String> {
    let (config, _) = config::load(&Flags::default(), |_| None).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let database = SqliteStore::in_memory().await.unwrap();
    let kept = Kept::unlock(database, KeySource::Value("ab".repeat(32).into())).await.unwrap();
    let (_, front) = serve::open(&config, &listener, &House::default(), kept).unwrap();
    let told = format!("{:?}", web::router(front));
    // RouterAsService…PathRouter { routes: …, node: Node { paths: {RouteId(0): "/healthz", …} } }
    let paths = told.split("paths: {").nth(1).unwrap().split('}').collect::<String>();
    let ids = paths.split("RouteId(").skip(1);
    ids.filter_map(|entry| Some(entry.split('"').nth(1)?.to_owned())).collect()
}

#[tokio::test]
async fn the_map_and_the_router_know_the_same_routes() {
    let mapped: BTreeSet<String> =
        ROWS.iter().map(|row| row.path.replace(['{', '}'], "")).collect();
    let routed: BTreeSet<String> =
        routed().await.into_iter().map(|path| path.replace(['{', '}'], "")).collect();
    assert!(routed.len() > 10, "{routed:?}");
    let (unlisted, dead): (Vec<_>, Vec<_>) =
        (routed.difference(&mapped).collect(), mapped.difference(&routed).collect());
    assert!(
        unlisted.is_empty() && dead.is_empty(),
        "not on the map: {unlisted:?}; no route: {dead:?}"
    );
    let functions = server_fn_paths().map(|(path, method)| (method.to_string(), path.to_owned()));
    let functions: BTreeSet<(String, String)> = functions.collect();
    let listed = ROWS.iter().filter(|row| row.path.starts_with("/api/page/"));
    let listed = listed.map(|row| (row.method.to_owned(), row.path.to_owned())).collect();
    assert_eq!(functions, listed, "server functions, and those on the map");
    let rows: BTreeSet<_> = ROWS.iter().map(|row| (row.method, row.path)).collect();
    assert_eq!(rows.len(), ROWS.len(), "a row comes twice");
}
