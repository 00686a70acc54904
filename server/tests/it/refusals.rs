//! Refusals as a person meets them: a page that says why, whoever refused.

use axum::http::Method;
use domain::access::{Rights, Role};

use crate::house::{Answer, TestHouse, Yard};

const VIEWER: &str = "hnp_of-one-who-looks-on";
const A_PAGE: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

/// What a viewer gets who asks as a browser does that follows a link or sends a form.
async fn looks_at(house: &TestHouse, method: Method, path: &str, body: Vec<u8>) -> Answer {
    let request = reqwest::Client::new().request(method, house.url(path));
    Answer::of(request.header("accept", A_PAGE).bearer_auth(VIEWER).body(body)).await
}

fn says(answer: &Answer, status: u16, words: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert!(answer.header("content-type").starts_with("text/html"), "{:?}", answer.headers);
    assert!(answer.body.contains(words), "{status}: no {words:?} in {}", answer.body);
    assert!(answer.body.contains("<h1"), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_a_page_reads_why() {
    let house = TestHouse::on(Yard::empty().await, |config| config.limits.body_bytes = 4_096).await;
    let rights = Rights::on("test".parse().unwrap(), Role::Viewer);
    testkit::account::user(&*house.directory, "ann", rights.clone()).await.unwrap();
    testkit::account::token(&*house.directory, VIEWER, "ann", rights).await.unwrap();
    let get = async |path| looks_at(&house, Method::GET, path, Vec::new()).await;

    says(&get("/audit").await, 403, "needs the role admin");
    says(&get("/settings/users").await, 403, "needs the role admin");
    says(&get("/settings/fabrics/nowhere").await, 404, "there is no fabric of this name");
    says(&get("/nonsense").await, 404, "There is no such page");
    let form = looks_at(&house, Method::POST, "/login", vec![b'x'; 5_000]).await;
    says(&form, 413, "larger than 4096 bytes");
    says(&looks_at(&house, Method::POST, "/f/test", Vec::new()).await, 405, "method");
    let foreign = reqwest::Client::new().get(house.url("/")).header("host", "evil.example");
    says(
        &Answer::of(foreign.header("accept", A_PAGE)).await,
        421,
        "does not answer to that host name",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_gets_the_same_as_a_problem() {
    let house = TestHouse::on(Yard::empty().await, |config| config.limits.body_bytes = 4_096).await;
    let post = |path: &str| house.http.post(house.url(path)).body(vec![b'x'; 5_000]);
    Answer::of(post("/login")).await.is_problem(413, "too_large");
    let api = post("/api/v1/session").header("accept", A_PAGE);
    Answer::of(api).await.is_problem(413, "too_large");
}
