//! Bounds and headers of every answer, over real sockets.

use std::time::Duration;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout},
};

use testkit::account::TOKEN;

use crate::house::{Answer, PATIENCE, TestHouse, Yard};

/// Sends these bytes and returns what comes until the end.
async fn raw(house: &TestHouse, parts: &[&[u8]]) -> String {
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    for part in parts {
        // Whoever is cut off cannot write on; what was answered counts.
        let _ = stream.write_all(part).await;
    }
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an end");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Every route, and ways to be refused: method, path, headers.
/// Headers of a request.
type Headers = &'static [(&'static str, &'static str)];

const ASKED: [(&str, &str, Headers); 20] = [
    ("GET", "/", &[]),
    ("GET", "/f/test", &[]),
    ("GET", "/f/test/switches", &[]),
    ("GET", "/f/nowhere", &[]),
    ("GET", "/nonsense", &[]),
    ("GET", "/pkg/absent.js", &[]),
    ("GET", "/healthz", &[]),
    ("GET", "/readyz", &[]),
    ("GET", "/metrics", &[]),
    ("DELETE", "/healthz", &[]),
    ("GET", "/api/v1/session", &[]),
    ("GET", "/api/v1/live", &[]),
    ("GET", "/api/v1/live/poll?topic=state/test&wait=0", &[]),
    ("GET", "/api/v1/live/snapshot?topic=state/test", &[]),
    ("GET", "/api/v1/live/snapshot", &[]),
    ("GET", "/api/v1/fabrics/test/objects?kind=Switch", &[]),
    ("GET", "/api/v1/fabrics/test/events?since=x", &[]),
    ("GET", "/api/v1/nonsense", &[]),
    ("POST", "/api/page/overview", &[("origin", "https://evil.example")]),
    ("GET", "/", &[("host", "evil.example")]),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_carries_the_headers_that_keep_other_pages_out_refusals_too() {
    let house = TestHouse::on(Yard::empty().await, |_| ()).await;
    for (method, path, headers) in ASKED {
        let mut request = house.http.request(method.parse().unwrap(), house.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = Answer::of(request).await;
        let asked = format!("{method} {path} {headers:?} -> {}", answer.status);
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), value, "{asked}");
        }
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'"), "{asked}: {policy}");
        assert!(policy.contains("base-uri 'none'"), "{asked}: {policy}");
        assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"), "{policy}");
        if !answer.header("content-type").starts_with("text/html") {
            assert!(policy.starts_with("default-src 'none'"), "{asked}: {policy}");
        }
        assert!(answer.headers.contains_key("cache-control"), "{asked}");
        assert!(!answer.headers.contains_key("strict-transport-security"), "{asked}: no TLS here");
        assert!(!answer.headers.contains_key("server"), "{asked}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_password_is_typed_no_script_runs() {
    let house = TestHouse::on(Yard::empty().await, |_| ()).await;
    for path in ["/login", "/setup/anything"] {
        let answer = Answer::of(reqwest::Client::new().get(house.url(path))).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("script-src 'nonce-"), "{path}: {policy}");
        assert!(policy.contains("form-action 'self'"), "{path}: {policy}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_refused_whether_it_says_so_or_not() {
    let house = TestHouse::on(Yard::empty().await, |config| {
        config.limits.body_bytes = 20_000;
        config.limits.inbound_bytes = 100_000;
    })
    .await;
    let hello = json!({"t": "hello", "protocol": 1, "topics": []}).to_string();
    let padded = |bytes: usize| hello.clone() + &" ".repeat(bytes - hello.len());
    for path in ["/api/v1/live/snapshot", "/api/page/overview"] {
        let request = house.http.post(house.url(path)).body(padded(20_001));
        Answer::of(request).await.is_problem(413, "too_large");
        // In chunks, without a length.
        let body = padded(30_000);
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n",
            house.address
        );
        let chunk = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        let answer = raw(&house, &[head.as_bytes(), chunk.as_bytes()]).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{path}: {answer}");
        assert!(answer.contains("\"code\":\"too_large\""), "{path}: {answer}");
    }
    let request = house.http.post(house.url("/api/v1/live/snapshot")).body(padded(20_000));
    assert_eq!(Answer::of(request).await.status, 200, "as large as allowed");
    // A length that lies about what follows.
    let head = format!(
        "POST /api/v1/live/snapshot HTTP/1.1\r\nhost: {}\r\ncontent-length: 99999999999\r\n\r\n",
        house.address
    );
    let answer = raw(&house, &[head.as_bytes()]).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_slowly_is_told_or_cut_off_and_keeps_nobody_waiting() {
    let house = TestHouse::on(Yard::empty().await, |config| {
        config.limits.head_time = Duration::from_secs(2);
        config.limits.body_time = Duration::from_secs(2);
    })
    .await;
    // Heads that never end, one byte now and then.
    let mut slow = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(house.address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nx-a: ").await.unwrap();
        slow.push(stream);
    }
    assert_eq!(house.get("/healthz").await.status, 200, "others are served meanwhile");
    let begin = Instant::now();
    for mut stream in slow {
        let ended = timeout(PATIENCE, async {
            while stream.write_all(b"x").await.is_ok() {
                let read = timeout(Duration::from_millis(50), stream.read(&mut [0; 512])).await;
                if matches!(read, Ok(Ok(0) | Err(_))) {
                    return;
                }
            }
        });
        ended.await.expect("a head that never ends is cut off, however it dribbles");
    }
    assert!(begin.elapsed() < PATIENCE);

    let head = format!(
        "POST /api/v1/live/snapshot HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: 100\r\n\r\n{{",
        house.address
    );
    let answer = raw(&house, &[head.as_bytes()]).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("\"code\":\"too_slow\""), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_too_large_is_refused() {
    let house = TestHouse::on(Yard::empty().await, |_| ()).await;
    let begin =
        format!("GET /healthz HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", house.address);
    let long = format!("{begin}x-a: {}\r\n\r\n", "x".repeat(70_000));
    let many = format!("{begin}{}\r\n", "x-a: b\r\n".repeat(200));
    for head in [long, many] {
        let answer = raw(&house, &[head.as_bytes()]).await;
        assert!(answer.starts_with("HTTP/1.1 431") || answer.is_empty(), "{answer}");
    }
    let fine = format!("{begin}x-a: {}\r\n\r\n", "x".repeat(8_000));
    assert!(raw(&house, &[fine.as_bytes()]).await.starts_with("HTTP/1.1 200"));
    // Two lengths, or a length and chunks: no proxy before us may see another request than we do.
    for smuggled in [
        "content-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        "content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\nhost: x\r\n\r\n",
    ] {
        let request = format!(
            "POST /api/v1/live/snapshot HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {TOKEN}\r\n{smuggled}",
            house.address
        );
        let answer = raw(&house, &[request.as_bytes()]).await;
        assert_eq!(
            answer.matches("HTTP/1.1 ").count(),
            usize::from(!answer.is_empty()),
            "{answer}"
        );
        assert!(!answer.contains("hnp_"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_another_address_by_saying_so_unless_a_trusted_proxy_says_it() {
    let flood = async |house: &TestHouse, spread: bool| {
        let mut refused = 0;
        for n in 0..60 {
            let address =
                if spread { format!("198.51.100.{n}") } else { "198.51.100.7".to_owned() };
            let request = house.http.get(house.url("/api/v1/live/poll?topic=state/test&wait=0"));
            let answer = Answer::of(request.header("x-forwarded-for", address)).await;
            refused += usize::from(answer.status == 429);
        }
        refused
    };
    let believed = |config: &mut server::config::Config| {
        config.proxies.networks = vec!["127.0.0.0/8".parse().unwrap()];
        config.limits.rate = 2;
    };
    let house = TestHouse::on(Yard::empty().await, believed).await;
    assert!(flood(&house, false).await > 0, "one client behind the proxy floods");
    let house = TestHouse::on(Yard::empty().await, believed).await;
    assert_eq!(flood(&house, true).await, 0, "many clients do not");
    let house = TestHouse::on(Yard::empty().await, |config| config.limits.rate = 2).await;
    assert_eq!(
        flood(&house, false).await,
        0,
        "not believed: it is this machine, which is not counted"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_trusted_proxy_with_https_the_host_and_scheme_are_the_clients() {
    let house = TestHouse::on(Yard::empty().await, |config| {
        config.public_url = Some("https://hnp.example".into());
        config.proxies.networks = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await;
    let ask = |pairs: &[(&str, &str)]| {
        let mut request = house.http.get(house.url("/api/v1/session"));
        for (name, value) in pairs {
            request = request.header(*name, *value);
        }
        Answer::of(request)
    };
    let answer = ask(&[("x-forwarded-host", "hnp.example"), ("x-forwarded-proto", "https")]).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("strict-transport-security").contains("max-age"));
    ask(&[("x-forwarded-host", "evil.example")]).await.is_problem(421, "wrong_host");
    let plain = ask(&[("x-forwarded-proto", "http")]).await;
    assert!(!plain.headers.contains_key("strict-transport-security"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_with_a_session_cookie_must_come_from_our_own_page() {
    let house = TestHouse::on(Yard::empty().await, |_| ()).await;
    let (own, anybody) = (format!("http://{}", house.address), reqwest::Client::new());
    let post = |pairs: &[(&str, &str)]| {
        let mut request = anybody.post(house.url("/api/page/overview")).json(&json!({}));
        for (name, value) in pairs {
            request = request.header(*name, *value);
        }
        Answer::of(request)
    };
    let cookie = ("cookie", "theme=dark; hnp_session=anything");
    post(&[cookie]).await.is_problem(403, "csrf");
    post(&[cookie, ("origin", "null")]).await.is_problem(403, "csrf");
    post(&[cookie, ("origin", &own), ("sec-fetch-site", "cross-site")])
        .await
        .is_problem(403, "csrf");
    post(&[("authorization", "Basic eDp5"), cookie]).await.is_problem(403, "csrf");
    let refused = post(&[cookie, ("origin", &own), ("sec-fetch-site", "same-origin")]).await;
    assert_ne!(refused.status, 403, "{}", refused.body);
    let token = post(&[cookie, ("authorization", "Bearer anything")]).await;
    assert!(!token.body.contains("csrf"), "{}", token.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_at_an_address_of_their_own_are_nowhere_else() {
    let yard = Yard::empty().await;
    let free = async || {
        let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        taken.local_addr().unwrap()
    };
    let at = free().await.to_string();
    let env = [("HNP_METRICS_LISTEN", at.as_str())];
    let arguments = ["serve", "--listen", "127.0.0.1:0"];
    let mut hnp = crate::process::Hnp::start_with(yard.folder.path(), &arguments, &env);
    let address = hnp.address().await;
    let http = reqwest::Client::new();
    let get = |place: String| Answer::of(http.get(place).header("accept", "text/plain"));
    let metrics = get(format!("http://{at}/metrics")).await;
    assert!(metrics.status == 200 && metrics.body.contains("hnp_"), "{}", metrics.body);
    assert_eq!(get(format!("http://{at}/")).await.status, 404, "nothing else is there");
    assert_eq!(get(format!("http://{at}/healthz")).await.status, 200);
    let elsewhere = get(format!("http://{address}/metrics")).await;
    assert!(!elsewhere.body.contains("# TYPE"), "{}", elsewhere.body);
    hnp.terminate();
    assert_eq!(hnp.end().await.code, Some(0));
}
