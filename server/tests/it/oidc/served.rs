//! The real binary before an identity provider: what it says at start and when it is asked to check, and the
//! first person who comes.

use std::{collections::BTreeMap, os::unix::fs::PermissionsExt as _};

use serde_json::Value;

use super::{
    HOME, claims, is_refused,
    provider::{CLIENT, Lie, Provider, SECRET},
    set_by, with_cookie,
};
use crate::{
    house::{Answer, Folder},
    process::Hnp,
};

/// The environment of a server before a provider.
fn env<'a>(provider: &'a Provider, secret: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("HNP_LISTEN", "127.0.0.1:0"),
        ("HNP_PUBLIC_URL", HOME),
        ("HNP_OIDC_ISSUER", &provider.issuer),
        ("HNP_OIDC_CLIENT_ID", CLIENT),
        ("HNP_OIDC_CLIENT_SECRET_FILE", secret),
        ("HNP_OIDC_VIEWER_VALUES", "all"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_says_what_is_wrong_with_a_provider() {
    let provider = Provider::start().await;
    let folder = Folder::new();
    folder.write("secret", SECRET.as_bytes());
    let mode = |mode| {
        let path = folder.path().join("secret");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(0o604);
    let start = |command: &[&str], secret: &str| {
        Hnp::start_with(folder.path(), command, &env(&provider, secret))
    };
    for (secret, word) in [("secret", "mode 604"), ("nowhere", "could not read nowhere")] {
        let ended = start(&["serve"], secret).end().await;
        assert_ne!(ended.code, Some(0));
        assert!(ended.err.contains(word), "{word} in {}", ended.err);
    }
    mode(0o600);
    let found = async |word: &str, outcome: &str| {
        let ended = start(&["check", "--json"], "secret").end().await;
        let report: Value = serde_json::from_str(&ended.out).unwrap();
        let findings = report["findings"].as_array().unwrap();
        let found = findings.iter().find(|found| found["area"] == "identity provider").unwrap();
        assert_eq!(found["outcome"], outcome, "{found}");
        assert!(found["says"].as_str().unwrap().contains(word), "{word} in {found}");
    };
    found("answers, keys: 1", "ok").await;
    provider.lies(Lie::DiscoveryIssuer);
    found("not the issuer", "failed").await;
    let ended = start(&["serve", "--print-config"], "secret").end().await;
    assert!(!ended.out.contains(SECRET) && ended.out.contains("oidc.issuer"), "{}", ended.out);
    let without = [("HNP_OIDC_ISSUER", "https://id.example"), ("HNP_OIDC_CLIENT_ID", "hnp")];
    let ended = Hnp::start_with(folder.path(), &["serve"], &without).end().await;
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("public_url"), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn before_there_is_anybody_only_an_admin_of_the_provider_comes_in() {
    let provider = Provider::start().await;
    let folder = Folder::new();
    folder.write("secret", SECRET.as_bytes());
    let path = folder.path().join("secret");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut env = env(&provider, "secret");
    env.push(("HNP_OIDC_ADMIN_VALUES", "bosses"));
    let mut hnp = Hnp::start_with(folder.path(), &["serve"], &env);
    let address = hnp.address().await;
    let stay = reqwest::redirect::Policy::none();
    let http = reqwest::Client::builder().redirect(stay).build().unwrap();
    let come = async |claims: Value| {
        let url = format!("http://{address}/login/oidc");
        let answer = Answer::of(http.get(&url)).await;
        let (_, query) = answer.header("location").split_once('?').unwrap();
        let asked: BTreeMap<_, _> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let code = provider.grant(&asked["nonce"], &asked["code_challenge"], claims);
        let cookie = set_by(&answer, "hnp_oidc").unwrap();
        let back = format!("{url}/callback?code={code}&state={}", asked["state"]);
        Answer::of(http.get(back).headers(with_cookie(&cookie))).await
    };
    is_refused(&come(claims("7", "ann", &["all"])).await, 403, "nobody has an account here yet");
    assert_eq!(come(claims("8", "bob", &["bosses"])).await.status, 303);
    assert_eq!(come(claims("7", "ann", &["all"])).await.status, 303);
    hnp.terminate();
    assert_eq!(hnp.end().await.code, Some(0));
}
