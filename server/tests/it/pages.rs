//! Pages as the server writes them: whole without scripts, safe with hostile objects, honest without a cluster.

use domain::{kind::Kind, state::Connectivity};
use serde_json::json;
use sim::{Fault, fault::Answer as Instead};

use crate::house::{TestHouse, Yard, until_true};

const PAGES: [&str; 8] = [
    "/",
    "/f/test",
    "/f/test/switches",
    "/f/test/connections?q=leaf",
    "/f/test/agents",
    "/f/test/switches/default/leaf-01",
    "/f/test/agents/default/leaf-01",
    "/nonsense",
];

/// The tags of a page, each without its angle brackets.
fn tags(html: &str) -> impl Iterator<Item = &str> {
    html.split('<').skip(1).filter_map(|rest| Some(rest.split_once('>')?.0))
}

/// The texts that a person sees, trimmed.
fn texts(html: &str) -> Vec<String> {
    let mut out = Vec::new();
    for part in html.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap_or((part, ""));
        let name = tag.split([' ', '/']).next().unwrap();
        let hidden = ["script", "style", "template"].contains(&name);
        if !hidden && !text.trim().is_empty() {
            out.push(text.trim().to_owned());
        }
    }
    out
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    tag.split_once(&format!(" {name}=\""))?.1.split('"').next()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_and_an_object_are_readable_without_javascript() {
    let house = TestHouse::vlab().await;
    let page = house.get("/f/test/switches").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"));
    assert_eq!(page.header("cache-control"), "no-store");
    for object in house.yard.cluster.list(Kind::Switch) {
        let name = object["metadata"]["name"].as_str().unwrap();
        let row = format!("data-key=\"default/{name}\"");
        assert!(page.body.contains(&row), "{row}");
        assert!(texts(&page.body).iter().any(|text| text == name), "{name}");
    }
    let page = house.get("/f/test/switches/default/leaf-01").await;
    let switch = house.yard.cluster.get(Kind::Switch, "default", "leaf-01").unwrap();
    let profile = switch["spec"]["profile"].as_str().unwrap();
    assert!(page.body.contains(profile), "what it is made of: {profile}");
    let filtered = house.get("/f/test/switches?q=leaf-01").await.body;
    assert!(filtered.contains("data-key=\"default/leaf-01\""));
    assert!(!filtered.contains("data-key=\"default/spine-01\""), "the server filters as well");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_has_a_policy_with_the_nonce_of_its_scripts_and_no_inline_style() {
    let house = TestHouse::vlab().await;
    let mut nonces = std::collections::BTreeSet::new();
    for path in PAGES {
        let page = house.get(path).await;
        let expected = if path == "/nonsense" { 404 } else { 200 };
        assert_eq!(page.status, expected, "{path}");
        let policy = page.header("content-security-policy");
        let nonce = policy.split("script-src 'nonce-").nth(1).unwrap().split('\'').next().unwrap();
        assert!(nonce.len() >= 16, "{policy}");
        assert!(policy.contains("'strict-dynamic'") && policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"), "{policy}");
        let mut scripts = 0;
        for tag in tags(&page.body) {
            assert!(!tag.contains(" style="), "{path}: <{tag}>");
            assert!(!tag.contains(" onclick=") && !tag.contains(" onload="), "{path}: <{tag}>");
            if tag == "script" || tag.starts_with("script ") {
                scripts += 1;
                assert_eq!(attribute(tag, "nonce"), Some(nonce), "{path}: <{tag}>");
            }
        }
        assert!(scripts > 0);
        assert!(nonces.insert(nonce.to_owned()), "a nonce is used once");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_texts_in_objects_and_addresses_stay_texts() {
    let yard = Yard::vlab().await;
    let house = TestHouse::on(yard, |_| ()).await;
    house.twelve_live().await;
    let evil =
        "</script></textarea><script>alert(1)</script><img src=x onerror=alert(2)>\"'`{{7*7}}";
    house.yard.patch(
        Kind::Switch,
        "leaf-01",
        json!({"spec": {"description": evil}, "metadata": {"annotations": {"note": evil}}}),
    );
    house.agreement(Kind::Switch).await;
    let address = "%3C%2Fscript%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    for path in [
        "/".to_owned(),
        "/f/test".to_owned(),
        "/f/test/switches".to_owned(),
        "/f/test/switches/default/leaf-01".to_owned(),
        format!("/f/test/switches?q={address}"),
        format!("/f/test/switches?sort={address}"),
        format!("/f/test/switches/default/{address}"),
        format!("/f/{address}"),
        format!("/{address}"),
    ] {
        let page = house.get(&path).await;
        assert!(page.status == 200 || page.status == 404, "{path}: {}", page.status);
        assert!(!page.body.contains("<script>"), "{path}: a script without nonce");
        assert!(!page.body.contains("</script><script>alert"), "{path}");
        assert!(!page.body.contains("<img src=x"), "{path}");
        if path.ends_with("leaf-01") {
            assert!(page.body.contains("alert(2)"), "it is shown, as a text");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_refuses_fails_or_hangs_has_nothing_live_ready_or_counted_on_any_page() {
    for fault in [
        Fault::AnswerAll { with: Instead::Unauthorized },
        Fault::AnswerAll { with: Instead::ServerError },
        Fault::Hang { resource: None },
    ] {
        let yard = Yard::vlab().await;
        yard.fault(&fault);
        let house = TestHouse::on(yard, |_| ()).await;
        honest(&house, "at once").await;
        until_true("a known state", || {
            !matches!(house.connectivity().state, Connectivity::Unknown | Connectivity::Connecting)
        })
        .await;
        honest(&house, &format!("{fault:?}")).await;
    }
}

async fn honest(house: &TestHouse, when: &str) {
    for path in
        ["/", "/f/test", "/f/test/switches", "/f/test/vpcs", "/f/test/switches/default/leaf-01"]
    {
        let page = house.get(path).await;
        assert_eq!(page.status, 200, "{when} {path}: not known is not missing");
        for lie in ["data-watch=\"live\"", "data-live=\"live\"", "data-readiness=\"ready\""] {
            assert!(!page.body.contains(lie), "{when} {path}: {lie}");
        }
        for text in texts(&page.body) {
            assert!(text != "0" && text != "ready" && text != "live", "{when} {path}: {text}");
            assert!(!text.contains(" ready"), "{when} {path}: {text}");
            assert!(!text.starts_with("0 "), "{when} {path}: {text}");
        }
    }
}
