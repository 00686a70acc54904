//! `hnp user` and `hnp token` with the real binary, beside a server that runs and without one.

use std::path::Path;

use serde_json::Value;

use crate::{
    cli::is_error,
    house::{Answer, Folder},
    process::{Ended, Hnp},
};

const PASSWORD: &str = "four words make one";

/// Runs a command that reads a password from stdin.
async fn with_password(folder: &Path, arguments: &[&str], password: &str) -> Ended {
    let arguments = [arguments, &["--password-stdin"]].concat();
    Hnp::run_with_input(folder, &arguments, &format!("{password}\n")).await
}

async fn add(folder: &Path, name: &str, more: &[&str]) -> Ended {
    with_password(folder, &[&["user", "add", name], more].concat(), PASSWORD).await
}

async fn json_of(folder: &Path, arguments: &[&str]) -> Value {
    let ended = Hnp::run(folder, arguments).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    serde_json::from_str(&ended.out).unwrap()
}

async fn well(folder: &Path, arguments: &[&str]) {
    let ended = Hnp::run(folder, arguments).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_kept_from_the_command_line_without_a_server() {
    let folder = Folder::new();
    let at = folder.path();
    assert_eq!(add(at, "Root", &["--role", "admin"]).await.code, Some(0));
    let more = ["--on", "prod=operator", "--on", "lab=viewer"];
    assert_eq!(add(at, "ann", &more).await.code, Some(0));
    well(at, &["user", "grant", "ann", "viewer"]).await;
    well(at, &["user", "revoke", "ann", "--fabric", "lab"]).await;
    well(at, &["user", "disable", "ann"]).await;
    let users = json_of(at, &["user", "list", "--json"]).await;
    assert_eq!(users[0]["name"], "ann");
    assert_eq!(users[0]["enabled"], false);
    assert_eq!(users[0]["roles"], serde_json::json!(["viewer", "operator:prod"]));
    assert_eq!(users[1]["roles"], serde_json::json!(["admin"]));
    well(at, &["user", "enable", "ann"]).await;
    let table = Hnp::run(at, &["user", "list"]).await.out;
    assert!(table.contains("viewer, operator on prod") && table.contains("enabled"), "{table}");
    well(at, &["user", "remove", "ann"]).await;
    assert_eq!(json_of(at, &["user", "list", "--json"]).await.as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_says_why_and_what_would_help() {
    let folder = Folder::new();
    let at = folder.path();
    assert_eq!(add(at, "root", &["--role", "admin"]).await.code, Some(0));
    is_error(&add(at, "root", &[]).await, 1, &["user/root exists"]);
    is_error(&add(at, "a b", &[]).await, 1, &["a b", "letters"]);
    let weak = with_password(at, &["user", "add", "ann"], "short").await;
    is_error(&weak, 1, &["at least", "another password"]);
    assert!(!weak.err.contains("short;"), "{}", weak.err);
    is_error(&Hnp::run(at, &["user", "add", "ann"]).await, 1, &["terminal", "--password-stdin"]);
    is_error(&Hnp::run(at, &["user", "disable", "root"]).await, 1, &["admin", "--role admin"]);
    is_error(&Hnp::run(at, &["user", "remove", "ben"]).await, 1, &["user/ben", "hnp user list"]);
    is_error(&Hnp::run(at, &["token", "revoke", "123"]).await, 1, &["token/123"]);
    let wider = ["token", "create", "--user", "ben", "--label", "x"];
    is_error(&Hnp::run(at, &wider).await, 1, &["user/ben"]);
    // No password is taken from an argument.
    let argument = Hnp::run(at, &["user", "add", "ann", "--password", PASSWORD]).await;
    assert_eq!(argument.code, Some(2), "{argument:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_knows_at_once_what_the_command_line_did() {
    let folder = Folder::new();
    let at = folder.path();
    assert_eq!(add(at, "root", &["--role", "admin"]).await.code, Some(0));
    let mut server = Hnp::start(at, &["serve", "--listen", "127.0.0.1:0"]);
    let address = server.address().await;
    let ask = async |token: &str| {
        let request = reqwest::Client::new().get(format!("http://{address}/api/v1/session"));
        Answer::of(request.header("authorization", format!("Bearer {token}"))).await
    };
    assert_eq!(add(at, "ann", &["--on", "prod=operator"]).await.code, Some(0));
    let create = ["token", "create", "--user", "ann", "--label", "ci", "--expires", "1h"];
    let made = Hnp::run(at, &create).await;
    let token = made.out.trim();
    assert!(token.starts_with("hnp_") && !made.err.contains(token), "the token alone is on stdout");
    let who = ask(token).await;
    assert_eq!(who.json()["roles"], serde_json::json!(["operator:prod"]), "{}", who.body);

    let listed = json_of(at, &["token", "list", "--user", "ann", "--json"]).await;
    assert!(!listed.to_string().contains(token));
    let id = listed[0]["id"].as_str().unwrap();
    well(at, &["token", "revoke", id]).await;
    ask(token).await.is_problem(401, "unauthorized");

    // A forgotten password: the way back in.
    assert_eq!(
        with_password(at, &["user", "passwd", "root"], "a fresh new phrase").await.code,
        Some(0)
    );
    let enter = reqwest::Client::new()
        .post(format!("http://{address}/api/v1/session"))
        .json(&serde_json::json!({"user": "root", "password": "a fresh new phrase"}));
    assert_eq!(Answer::of(enter).await.status, 200);
    server.terminate();
    assert_eq!(server.end().await.code, Some(0));
}
