//! From where the server may be asked: `Host` and `Origin`, over real HTTP.

use serde_json::json;

use crate::house::{Answer, TestHouse, Yard};

/// Asserts that nobody was let in, and told what would be accepted.
pub(crate) fn is_nobody(answer: &Answer) {
    assert_eq!(answer.status, 401, "{}", answer.body);
    assert_eq!(answer.json()["code"], "unauthorized");
    assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"hnp\"");
}

/// Asks for a WebSocket with these headers; 101 means that it was given.
pub(crate) async fn upgrade(house: &TestHouse, headers: &[(&str, &str)]) -> Answer {
    let mut request = house
        .http
        .get(house.url("/api/v1/live"))
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    if response.status() == 101 {
        let (status, headers) = (101, response.headers().clone());
        return Answer { status, headers, body: String::new() };
    }
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, body: response.text().await.unwrap() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_host_gets_421_from_every_route() {
    let house = TestHouse::on(Yard::empty().await, |_| ()).await;
    for path in
        ["/", "/f/test", "/metrics", "/healthz", "/readyz", "/api/v1/live/snapshot", "/pkg/x.js"]
    {
        for host in ["evil.example", "127.0.0.1:1", "localhost"] {
            let request = house.http.get(house.url(path)).header("host", host);
            Answer::of(request).await.is_problem(421, "wrong_host");
        }
    }
    upgrade(&house, &[("host", "evil.example")]).await.is_problem(421, "wrong_host");
    let own = format!("localhost:{}", house.address.port());
    let answer = Answer::of(house.http.get(house.url("/healthz")).header("host", own)).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_origin_gets_neither_socket_nor_post_and_ones_own_or_none_both() {
    let house = TestHouse::on(Yard::empty().await, |_| ()).await;
    let own = format!("http://{}", house.address);
    let post = async |path: &str, origin: Option<&str>| {
        let mut request = house.http.post(house.url(path));
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        Answer::of(request.json(&json!({"t": "hello", "protocol": 1, "topics": []}))).await
    };
    for origin in
        ["https://evil.example", "null", "http://127.0.0.1:1", &format!("{own}.evil.example")]
    {
        upgrade(&house, &[("origin", origin)]).await.is_problem(403, "csrf");
        for path in ["/api/v1/live/snapshot", "/api/page/overview", "/api/page/list"] {
            post(path, Some(origin)).await.is_problem(403, "csrf");
        }
    }
    // Nobody gets neither, from whatever origin.
    for origin in [None, Some(own.as_str())] {
        let with = |request: reqwest::RequestBuilder| match origin {
            Some(origin) => request.header("origin", origin),
            None => request,
        };
        for path in ["/api/v1/live/snapshot", "/api/page/overview"] {
            let request = with(reqwest::Client::new().post(house.url(path))).json(&json!({}));
            is_nobody(&Answer::of(request).await);
        }
        let request = with(reqwest::Client::new().get(house.url("/api/v1/live")));
        is_nobody(&Answer::of(request).await);
    }
    for origin in [None, Some(own.as_str())] {
        let headers: Vec<(&str, &str)> = origin.iter().map(|own| ("origin", *own)).collect();
        assert_eq!(upgrade(&house, &headers).await.status, 101, "{origin:?}");
        for path in ["/api/v1/live/snapshot", "/api/page/overview"] {
            let answer = post(path, origin).await;
            assert_eq!(answer.status, 200, "{path} {origin:?}: {}", answer.body);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_the_public_address_and_the_allowed_origins_count() {
    let house = TestHouse::on(Yard::empty().await, |config| {
        config.public_url = Some("https://hnp.example".into());
        config.allowed_origins = vec!["https://portal.example".into()];
    })
    .await;
    for origin in ["https://hnp.example", "https://portal.example"] {
        let answer = upgrade(&house, &[("host", "hnp.example"), ("origin", origin)]).await;
        assert_eq!(answer.status, 101, "{origin}");
    }
    for origin in ["http://hnp.example", "https://portal.example:444", "https://evil.example"] {
        let answer = upgrade(&house, &[("host", "hnp.example"), ("origin", origin)]).await;
        answer.is_problem(403, "csrf");
    }
    let page = Answer::of(house.http.get(house.url("/")).header("host", "hnp.example")).await;
    assert_eq!(page.status, 200);
    upgrade(&house, &[("host", "portal.example")]).await.is_problem(421, "wrong_host");
}
