//! Signing in and out, as people and programs do it, and what ends it.

use std::time::Duration;

use domain::{
    access::{Rights, Role},
    audit::Act,
};
use engine::store::directory::Order;
use reqwest::header::{COOKIE, HeaderMap, ORIGIN};
use serde_json::{Value, json};
use testkit::account::{self, PASSWORD, deed};
use tokio::time::{Instant, sleep};

use crate::{
    guard::{is_nobody, upgrade},
    house::{Answer, Folder, PATIENCE, TestHouse, Yard, cookie, sign_in},
    process::Hnp,
};

/// A house without a cluster worth mentioning, with `ann`, who may look at everything.
async fn with_ann() -> TestHouse {
    let house = TestHouse::on(Yard::empty().await, |_| ()).await;
    let directory = house.registrar.directory();
    account::user(&**directory, "ann", Rights::everywhere(Role::Viewer)).await.unwrap();
    house
}

/// What somebody with these headers is told of themselves.
async fn who(house: &TestHouse, headers: &HeaderMap) -> Answer {
    let http = account::http_as(headers.clone());
    Answer::of(http.get(house.url("/api/v1/session"))).await
}

async fn is_ann(house: &TestHouse, headers: &HeaderMap) {
    let answer = who(house, headers).await;
    assert_eq!((answer.status, &answer.json()["user"]), (200, &json!("ann")), "{}", answer.body);
}

/// Tries to sign in.
async fn attempt(house: &TestHouse, user: &str, password: &str) -> Answer {
    let form = json!({"user": user, "password": password});
    let request = reqwest::Client::new().post(house.url("/api/v1/session")).json(&form);
    Answer::of(request).await
}

async fn order(house: &TestHouse, order: Order) {
    house.registrar.order(order, &deed(Act::Request, "test")).await.unwrap();
}

fn bearer(token: &str) -> HeaderMap {
    HeaderMap::from_iter([(
        reqwest::header::AUTHORIZATION,
        format!("Bearer {token}").parse().unwrap(),
    )])
}

/// A page as whoever comes with these headers gets it, without being led anywhere.
async fn page(house: &TestHouse, path: &str, headers: &HeaderMap) -> Answer {
    let stay = reqwest::redirect::Policy::none();
    let http = reqwest::Client::builder().redirect(stay).build().unwrap();
    Answer::of(http.get(house.url(path)).headers(headers.clone())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_opens_what_signing_out_closes() {
    let house = with_ann().await;
    let path = "/f/test/switches?q=leaf";
    let away = page(&house, path, &HeaderMap::new()).await;
    assert_eq!(away.status, 303);
    let way = away.header("location");
    assert!(way.starts_with("/login?next=%2Ff%2Ftest%2Fswitches%3Fq%3Dleaf"), "and back: {way}");
    is_nobody(&who(&house, &HeaderMap::new()).await);

    let answer = attempt(&house, "ann", PASSWORD).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let told = answer.json();
    assert_eq!((&told["user"], &told["roles"]), (&json!("ann"), &json!(["viewer"])));
    assert!(told["expires"].as_str().unwrap().ends_with('Z'), "{told}");
    assert_eq!(answer.header("cache-control"), "no-store");

    let ann = sign_in(house.address, "ann", PASSWORD).await;
    is_ann(&house, &ann).await;
    assert_eq!(page(&house, path, &ann).await.status, 200);

    let out = account::http_as(ann.clone()).delete(house.url("/api/v1/session"));
    let out = Answer::of(out).await;
    assert_eq!(out.status, 204, "{}", out.body);
    assert!(out.header("set-cookie").contains("Max-Age=0"), "{:?}", out.headers);
    is_nobody(&who(&house, &ann).await);
    assert_eq!(page(&house, path, &ann).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cookie_is_for_this_host_and_not_for_scripts_and_encrypted_where_the_house_is() {
    for (public_url, secure) in [(None, false), (Some("https://hnp.example"), true)] {
        let house = TestHouse::without_fabric(Yard::empty().await, |config| {
            config.public_url = public_url.map(str::to_owned);
        })
        .await;
        let answer = attempt(&house, "admin", PASSWORD).await;
        let cookie = answer.header("set-cookie");
        let parts: Vec<&str> = cookie.split("; ").collect();
        for part in ["HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(parts.contains(&part), "{part} in {cookie}");
        }
        assert_eq!(parts.contains(&"Secure"), secure, "{cookie}");
        assert!(!cookie.contains("Domain"), "{cookie}");
        assert!(!cookie.contains("admin"), "it says nothing: {cookie}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_finds_out_who_exists_by_the_answer_or_by_how_long_it_takes() {
    let house = with_ann().await;
    let directory = house.registrar.directory();
    account::user(&**directory, "gone", Rights::everywhere(Role::Admin)).await.unwrap();
    order(&house, Order::SetEnabled { user: "gone".parse().unwrap(), enabled: false }).await;
    let cases = [("ann", "wrong"), ("nobody-here", "wrong"), ("gone", PASSWORD), ("N/A?", "x")];
    let mut fastest = [Duration::MAX; 4];
    let mut bodies = Vec::new();
    for _ in 0..2 {
        for ((user, password), fastest) in cases.iter().zip(&mut fastest) {
            let begin = Instant::now();
            let answer = attempt(&house, user, password).await;
            *fastest = begin.elapsed().min(*fastest);
            answer.is_problem(401, "bad_credentials");
            assert!(answer.header("set-cookie").is_empty());
            bodies.push(answer.body);
        }
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    // Without the work of a comparison an answer would be a hundred times as fast.
    for fast in fastest {
        assert!(fast * 5 > fastest[0], "{fastest:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_has_to_wait_as_long_as_is_said_and_then_gets_in() {
    let house = with_ann().await;
    for _ in 0..5 {
        attempt(&house, "ann", "a guess").await.is_problem(401, "bad_credentials");
    }
    let begin = Instant::now();
    let answer = attempt(&house, "ann", PASSWORD).await;
    answer.is_problem(429, "throttled");
    let seconds: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=30).contains(&seconds), "{seconds}");
    assert_eq!(attempt(&house, "admin", PASSWORD).await.status, 200, "others are not kept out");
    loop {
        let answer = attempt(&house, "ann", PASSWORD).await;
        if answer.status == 200 {
            break;
        }
        answer.is_problem(429, "throttled");
        assert!(begin.elapsed() < PATIENCE, "never let in again");
        sleep(Duration::from_millis(500)).await;
    }
    assert!(begin.elapsed() + Duration::from_secs(2) > Duration::from_secs(seconds), "too soon");
    attempt(&house, "ann", "a guess").await.is_problem(401, "bad_credentials");
    assert_eq!(attempt(&house, "ann", PASSWORD).await.status, 200, "the count began anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_there_before_never_becomes_that_of_who_signs_in() {
    let house = with_ann().await;
    let origin = format!("http://{}", house.address);
    let again = async |with: &HeaderMap| {
        let form = json!({"user": "ann", "password": PASSWORD});
        let request = reqwest::Client::new().post(house.url("/api/v1/session")).json(&form);
        let held = with[COOKIE].clone();
        let answer = Answer::of(request.header("origin", &origin).header("cookie", held)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        cookie(house.address, &answer)
    };
    // One that somebody else planted.
    let mut planted = HeaderMap::new();
    planted.insert(COOKIE, "hnp_session=AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap());
    let ann = again(&planted).await;
    assert_ne!(ann[COOKIE], planted[COOKIE]);
    is_nobody(&who(&house, &planted).await);
    is_ann(&house, &ann).await;
    // One that somebody else signed in with.
    let admin = sign_in(house.address, "admin", PASSWORD).await;
    let ann = again(&admin).await;
    assert_ne!(ann[COOKIE], admin[COOKIE]);
    is_nobody(&who(&house, &admin).await);
    is_ann(&house, &ann).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_changes_nothing_and_opens_no_socket_but_from_our_own_pages() {
    let house = with_ann().await;
    let ann = sign_in(house.address, "ann", PASSWORD).await;
    let mut bare = ann.clone();
    bare.remove(ORIGIN);
    let mut foreign = ann.clone();
    foreign.insert(ORIGIN, "https://evil.example".parse().unwrap());
    for headers in [&bare, &foreign] {
        let http = account::http_as(headers.clone());
        let post = http.post(house.url("/api/page/overview")).json(&json!({}));
        Answer::of(post).await.is_problem(403, "csrf");
        Answer::of(http.delete(house.url("/api/v1/session"))).await.is_problem(403, "csrf");
        let mut socket = headers.clone();
        socket.insert("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==".parse().unwrap());
        let http = account::http_as(socket);
        Answer::of(http.get(house.url("/api/v1/live"))).await.is_problem(403, "csrf");
    }
    is_ann(&house, &bare).await;
    let http = account::http_as(ann);
    let post = http.post(house.url("/api/page/overview")).json(&json!({}));
    assert_eq!(Answer::of(post).await.status, 200);
    // A token is never sent by itself: no origin is wanted.
    let post = house.http.post(house.url("/api/page/overview")).json(&json!({}));
    assert_eq!(Answer::of(post).await.status, 200);
    assert_eq!(upgrade(&house, &[]).await.status, 101);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_ends_every_session_but_the_one_that_set_it() {
    let house = with_ann().await;
    let here = sign_in(house.address, "ann", PASSWORD).await;
    let there = sign_in(house.address, "ann", PASSWORD).await;
    let (_, key) = here[COOKIE].to_str().unwrap().split_once('=').unwrap();
    let password = house.registrar.passwords().hash("another long password").await.unwrap();
    let keep = Some(account::digest(key));
    order(&house, Order::SetPassword { user: "ann".parse().unwrap(), password, keep }).await;
    is_ann(&house, &here).await;
    is_nobody(&who(&house, &there).await);
    attempt(&house, "ann", PASSWORD).await.is_problem(401, "bad_credentials");
    assert_eq!(attempt(&house, "ann", "another long password").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_disabled_is_nobody_and_after_that_has_only_their_tokens_back() {
    let house = with_ann().await;
    let directory = house.registrar.directory();
    account::token(&**directory, "hnp_anns", "ann", Rights::everywhere(Role::Viewer))
        .await
        .unwrap();
    let (session, token) = (sign_in(house.address, "ann", PASSWORD).await, bearer("hnp_anns"));
    is_ann(&house, &token).await;
    let enabled = |enabled| Order::SetEnabled { user: "ann".parse().unwrap(), enabled };
    order(&house, enabled(false)).await;
    for headers in [&session, &token] {
        is_nobody(&who(&house, headers).await);
    }
    attempt(&house, "ann", PASSWORD).await.is_problem(401, "bad_credentials");
    order(&house, enabled(true)).await;
    is_ann(&house, &token).await;
    is_nobody(&who(&house, &session).await);
    is_ann(&house, &sign_in(house.address, "ann", PASSWORD).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_holds_until_it_expires_or_is_revoked_and_one_that_was_never_given_not_at_all() {
    let house = with_ann().await;
    let directory = house.registrar.directory();
    let scope = || Rights::everywhere(Role::Viewer);
    account::token(&**directory, "hnp_revoked", "ann", scope()).await.unwrap();
    account::token_until(&**directory, "hnp_expired", "ann", scope(), 1_000).await.unwrap();
    let digest = account::digest("hnp_revoked");
    is_ann(&house, &bearer("hnp_revoked")).await;
    order(&house, Order::RevokeToken { id: digest.id().to_owned(), owner: None }).await;
    for (token, word) in
        [("hnp_revoked", "revoked"), ("hnp_expired", "expired"), ("hnp_never", "not known")]
    {
        // Also where nobody would be let in: who shows a token wants it to count.
        for path in ["/api/v1/session", "/", "/healthz", "/login"] {
            let answer = page(&house, path, &bearer(token)).await;
            is_nobody(&answer);
            let detail = answer.json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.contains(word), "{path} with {token}: {detail}");
        }
    }
}

/// The set-up link on a server's console.
async fn link(hnp: &mut Hnp) -> String {
    hnp.until(|line| line.contains("/setup/")).await.trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_admin_comes_by_the_newest_link_and_nobody_else_does() {
    let folder = Folder::new();
    let arguments = ["serve", "--listen", "127.0.0.1:0"];
    let mut hnp = Hnp::start(folder.path(), &arguments);
    hnp.address().await;
    let old = link(&mut hnp).await;
    hnp.terminate();
    assert_eq!(hnp.end().await.code, Some(0));

    let mut hnp = Hnp::start(folder.path(), &arguments);
    let address = hnp.address().await;
    let new = link(&mut hnp).await;
    let (_, old) = old.split_once("/setup/").unwrap();
    let stay = reqwest::redirect::Policy::none();
    let http = reqwest::Client::builder().redirect(stay).build().unwrap();
    let submit = async |url: &str, password: &str| {
        let form = format!("user=root&password={password}&again={password}");
        let request = http.post(url).header("content-type", "application/x-www-form-urlencoded");
        Answer::of(request.header("origin", format!("http://{address}")).body(form)).await
    };
    assert_eq!(
        submit(&format!("http://{address}/setup/{old}"), "a-long-password").await.status,
        410
    );
    assert_eq!(submit(&format!("http://{address}/setup/x"), "a-long-password").await.status, 410);
    assert_eq!(submit(&new, "short").await.status, 422, "a weak password does not use it up");
    assert_eq!(Answer::of(http.get(&new)).await.status, 200);
    let made = submit(&new, "a-long-password").await;
    assert_eq!(made.status, 303, "{}", made.body);
    let root = account::http_as(cookie(address, &made));
    let told = Answer::of(root.get(format!("http://{address}/api/v1/session"))).await.json();
    assert_eq!((&told["user"], &told["roles"]), (&json!("root"), &json!(["admin"])));
    assert_eq!(submit(&new, "a-long-password").await.status, 410, "once");
    assert_eq!(Answer::of(http.get(&new)).await.status, 410);
    hnp.terminate();
    hnp.end().await;

    let mut hnp = Hnp::start(folder.path(), &arguments);
    let address = hnp.address().await;
    let again = sign_in(address, "root", "a-long-password").await;
    let told = account::http_as(again).get(format!("http://{address}/api/v1/session"));
    assert_eq!(Answer::of(told).await.json()["user"], json!("root"));
    hnp.terminate();
    let ended = hnp.end().await;
    assert!(!ended.out.contains("/setup/"), "no link once there is somebody: {}", ended.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn before_there_is_anybody_nothing_is_answered_but_the_door_and_the_probes() {
    let folder = Folder::new();
    let mut hnp = Hnp::start(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    let address = hnp.address().await;
    let stay = reqwest::redirect::Policy::none();
    let http = reqwest::Client::builder().redirect(stay).build().unwrap();
    for (path, status) in [
        ("/", 303),
        ("/f/any", 303),
        ("/nonsense", 303),
        ("/api/v1/live", 401),
        ("/api/v1/live/sse?topic=state/*", 401),
        ("/api/v1/live/poll?topic=state/*", 401),
        ("/api/v1/live/snapshot?topic=state/*", 401),
        ("/api/v1/fabrics/any/events", 401),
        ("/api/v1/session", 401),
        ("/login", 200),
        ("/healthz", 200),
        ("/readyz", 200),
        ("/metrics", 200),
    ] {
        let answer = Answer::of(http.get(format!("http://{address}{path}"))).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
    }
    let body: Value = json!({"user": "admin", "password": "admin"});
    let try_it = http.post(format!("http://{address}/api/v1/session")).json(&body);
    Answer::of(try_it).await.is_problem(401, "bad_credentials");
    hnp.terminate();
    assert_eq!(hnp.end().await.code, Some(0));
}
