//! Snapshots, probes, errors and files over HTTP.

use domain::{kind::Kind, state::Connectivity};
use serde_json::{Value, json};
use sim::Fault;
use testkit::account::BEARER;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    house::{Answer, PATIENCE, TestHouse, Yard, until_true},
    socket::{Client, kinds},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_says_what_the_socket_says() {
    let house = TestHouse::vlab().await;
    let topics = ["objects/test/Switch", "objects/test/VPC", "feed/test"];
    for view in ["row", "full"] {
        let wants: Vec<Value> =
            topics.iter().map(|topic| json!({"topic": topic, "view": view})).collect();
        let hello = json!({"t": "hello", "protocol": 1, "topics": wants});
        let request = house.http.post(house.url("/api/v1/live/snapshot")).json(&hello);
        let posted = Answer::of(request).await;
        assert_eq!((posted.status, posted.header("content-type")), (200, "application/json"));
        let query = format!("/api/v1/live/snapshot?topics={}&view={view}", topics.join(","));
        let got = house.get(&query).await;
        assert_eq!(got.json(), posted.json());

        let mut client = Client::hello(house.address, json!(wants)).await;
        let mut frames = Vec::new();
        let expected = posted.json()["frames"].as_array().unwrap().len();
        while frames.len() < expected {
            frames.push(client.next().await);
        }
        assert_eq!(json!({"frames": frames}), posted.json(), "{view}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_not_sent_twice_and_a_place_gets_only_what_follows() {
    let house = TestHouse::vlab().await;
    let path = "/api/v1/live/snapshot?topic=objects/test/Switch";
    let first = house.get(path).await;
    let again = |tag: &str| house.http.get(house.url(path)).header("if-none-match", tag.to_owned());
    let tag = first.header("etag").to_owned();
    let answer = Answer::of(again(&tag)).await;
    assert_eq!(
        (answer.status, answer.body.as_str(), answer.header("etag")),
        (304, "", tag.as_str())
    );

    house.yard.touch("leaf-01", "news");
    house.agreement(Kind::Switch).await;
    let changed = Answer::of(again(&tag)).await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), tag);

    let at = first.json()["frames"].as_array().unwrap().last().unwrap()["at"].clone();
    let place = format!("{path}@{}:{}", at[0].as_str().unwrap(), at[1].as_str().unwrap());
    let frames = house.get(&place).await.json()["frames"].as_array().unwrap().clone();
    assert_eq!(kinds(&frames), ["ch", "synced"]);
    assert_eq!(frames[0]["b"].as_array().unwrap().len(), 1);
    assert_eq!(frames[1]["recovered"], "log");

    let request = house.http.get(house.url(path)).header("accept-encoding", "gzip");
    assert_eq!(Answer::of(request).await.header("content-encoding"), "gzip");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_answered_is_a_problem_that_says_what_to_do() {
    let house = TestHouse::on(Yard::empty().await, |_| ()).await;
    for query in [
        "",
        "?view=row",
        "?topic=state/test&view=all",
        "?topic=state/test@x",
        "?x=1&topic=state/test",
    ] {
        house.get(&format!("/api/v1/live/snapshot{query}")).await.is_problem(400, "bad_query");
    }
    for (body, status, code) in [
        ("{".to_owned(), 400, "bad_frame"),
        (r#"{"t":"ping","n":1}"#.to_owned(), 400, "bad_frame"),
        (r#"{"t":"hello","protocol":9}"#.to_owned(), 400, "unknown_protocol"),
        ("x".repeat(17 * 1024), 413, "too_large"),
    ] {
        let request = house.http.post(house.url("/api/v1/live/snapshot")).body(body);
        Answer::of(request).await.is_problem(status, code);
    }
    let answer = house.get("/api/v1/live/snapshot?topic=objects/nowhere/Switch").await;
    assert_eq!(answer.json()["frames"][0]["code"], "unknown_topic");
    for path in ["/api/", "/api/v1/nonsense", "/api/v1/live/nonsense", "/api/page/nonsense"] {
        house.get(path).await.is_problem(404, "no_route");
    }
    for path in ["/healthz", "/api/v1/live", "/api/v1/live/snapshot"] {
        let request = house.http.delete(house.url(path));
        Answer::of(request).await.is_problem(405, "wrong_method");
    }
    house.get("/api/v1/live").await.is_problem(426, "no_upgrade");
    let page = house.get("/nonsense").await;
    assert_eq!(page.status, 404);
    assert!(page.header("content-type").starts_with("text/html"), "{:?}", page.headers);
    assert!(page.body.contains("<html"));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_ready_once_a_state_is_known_even_if_that_state_is_away() {
    let yard = Yard::vlab().await;
    yard.fault(&Fault::Hang { resource: None });
    let house = TestHouse::on(yard, |_| ()).await;
    assert_eq!(house.get("/healthz").await.body, "ok\n");
    house.get("/readyz").await.is_problem(503, "starting");
    until_true("the cluster to be away", || {
        house.connectivity().state == Connectivity::Disconnected
    })
    .await;
    let answer = house.get("/readyz").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"));
    assert!(house.get("/metrics").await.body.contains("hnp_fabric_connected{fabric=\"test\"} 0\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_have_the_promised_series_each_in_one_group() {
    let house = TestHouse::vlab().await;
    house.join("second").await;
    let mut client = Client::hello(house.address, json!([{"topic": "objects/*/*"}])).await;
    client.synced("objects/second/Switch").await;
    house.yard.touch("leaf-01", "measured");
    client.until("ch").await;
    until_true("switches to be ready", || {
        house.state::<Value>("readiness/default/leaf-01").is_some()
    })
    .await;
    let answer = house.get("/metrics").await;
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4");
    for series in [
        "hnp_event_latency_seconds_bucket{stage=\"watch_to_hub\",le=\"+Inf\"} ",
        "hnp_event_latency_seconds_count{stage=\"hub_to_socket\"} ",
        "hnp_changes_total ",
        "hnp_changes_sent_total ",
        "hnp_changes_folded_total ",
        "hnp_event_latency_seconds_count{stage=\"socket_to_pixel\"} 0\n",
        "hnp_live_connections 1\n",
        "hnp_live_connections{transport=\"ws\"} 1\n",
        "hnp_live_connections{transport=\"sse\"} 0\n",
        "hnp_live_connections_total{transport=\"poll\"} 0\n",
        "hnp_live_resumes_total{recovered=\"keys\"} 0\n",
        "hnp_live_folded_total ",
        "hnp_live_gaps_total 0\n",
        "hnp_slow_clients_total 0\n",
        "hnp_bad_frames_total 0\n",
        "hnp_fabric_connected{fabric=\"test\"} 1\n",
        "hnp_watch_state{fabric=\"test\",kind=\"Switch\",state=\"live\"} 1\n",
        "hnp_objects{fabric=\"test\",kind=\"Switch\"} 7\n",
        "hnp_switch_ready{fabric=\"test\",switch=\"default/leaf-01\"} ",
    ] {
        assert!(answer.body.contains(series), "{series} in {}", answer.body);
    }
    // Prometheus wants all lines of a metric together.
    let names: Vec<&str> = answer
        .body
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(['{', ' ']).next().unwrap())
        .map(|name| {
            name.trim_end_matches("_bucket").trim_end_matches("_sum").trim_end_matches("_count")
        })
        .collect();
    let mut groups = names.clone();
    groups.dedup();
    let distinct: std::collections::BTreeSet<&str> = names.into_iter().collect();
    assert_eq!(groups.len(), distinct.len(), "{groups:?}");
}

/// A site as the build makes it, and a secret beside it.
async fn with_site() -> TestHouse {
    let yard = Yard::empty().await;
    for (name, content) in [
        ("site/hash.txt", "js: 0123456789abcdef\nwasm: 0123456789abcdef\ncss: 0123456789abcdef\n"),
        ("site/pkg/hnp.0123456789abcdef.js", "plain"),
        ("site/pkg/hnp.0123456789abcdef.js.br", "brotli"),
        ("site/pkg/hnp.0123456789abcdef.js.gz", "gzip"),
        ("site/pkg/snippets/helper.js", "helper"),
        ("site/favicon.svg", "<svg/>"),
        ("secret.txt", "SECRET"),
    ] {
        yard.folder.write(name, content.as_bytes());
    }
    TestHouse::on(yard, |_| ()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn files_come_compressed_as_wanted_and_are_cached_for_good_only_by_a_hashed_name() {
    let house = with_site().await;
    let script = "/pkg/hnp.0123456789abcdef.js";
    for (wanted, encoding, body) in
        [("br, gzip", "br", "brotli"), ("gzip", "gzip", "gzip"), ("identity", "", "plain")]
    {
        let request = house.http.get(house.url(script)).header("accept-encoding", wanted);
        let answer = Answer::of(request).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, body), "{wanted}");
        assert_eq!(answer.header("content-encoding"), encoding);
        assert!(answer.header("content-type").contains("javascript"));
        assert!(answer.header("cache-control").contains("immutable"));
        assert_eq!(
            answer.header("vary").to_lowercase(),
            "accept-encoding",
            "caches must tell them apart"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
    for path in ["/pkg/snippets/helper.js", "/favicon.svg"] {
        let answer = house.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.header("cache-control").contains("immutable"), "{path}");
        assert!(!answer.header("last-modified").is_empty(), "{path}");
    }
    for path in ["/pkg/hnp.fedcba9876543210.js", "/pkg/nothing.js"] {
        let answer = house.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(!answer.header("cache-control").contains("immutable"), "{path}");
    }
    let page = house.get("/").await.body;
    assert!(page.contains(script), "the page names its script by the hash: {page:.3000}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_leads_out_of_the_site() {
    let house = with_site().await;
    for path in [
        "/../secret.txt",
        "/pkg/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/pkg/%2e%2e%2f%2e%2e%2fsecret.txt",
        "/pkg/..%5c..%5csecret.txt",
        "/pkg/....//....//secret.txt",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
        "/pkg/%00/../../secret.txt",
        "/pkg/%ff%fe",
    ] {
        // Nobody is led to the door instead, and finds out as little.
        for (who, statuses) in [(BEARER, ["400", "404"]), ("", ["404", "303"])] {
            let mut stream = TcpStream::connect(house.address).await.unwrap();
            let request = format!(
                "GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: {who}\r\nConnection: close\r\n\r\n",
                house.address
            );
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
            let answer = String::from_utf8_lossy(&answer);
            assert!(!answer.contains("SECRET") && !answer.contains("root:"), "{path}: {answer}");
            let status = answer.split(' ').nth(1).unwrap_or_default();
            assert!(statuses.contains(&status), "{path} as `{who}`: {status}");
        }
    }
}
