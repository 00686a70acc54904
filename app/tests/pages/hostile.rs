//! Texts that want to be more than text, and the rules that hold for every page.

use std::{collections::BTreeSet, sync::Arc};

use app::{
    api::ApiError,
    domain::{kind::Kind, object::ObjectKey},
};
use serde_json::json;

use crate::{
    fake::{self, World},
    html::{tags, text},
    render::{page, pages},
};

const EVIL: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u{1b}[31m\u{202e}";

/// A fabric in which every text is hostile.
fn hostile() -> World {
    let mut world = fake::connected();
    let fabric = &mut world.fabrics[0];
    fabric.state.reason = Some(EVIL.into());
    fabric.state.server = EVIL.into();
    fabric.state.version = Some(EVIL.into());
    for watch in fabric.watches.values_mut() {
        watch.reason = Some(EVIL.into());
    }
    for ready in fabric.readiness.values_mut() {
        ready.reason = EVIL.into();
    }
    let mut object = fake::switch("leaf-01");
    object["spec"]["description"] = json!(EVIL);
    object["spec"][EVIL] = json!([EVIL, { EVIL: EVIL }]);
    object["metadata"]["labels"] = json!({ EVIL: EVIL });
    world.objects.insert((Kind::Switch, fake::key("leaf-01")), object);
    let name = EVIL.replace('/', "");
    world
        .objects
        .insert((Kind::Switch, ObjectKey::new("default", &name).unwrap()), fake::switch("x"));
    for event in &mut world.events {
        event.data.manager = Some(EVIL.into());
        event.data.message = EVIL.into();
        event.data.changes[0].pointer = EVIL.into();
        event.data.changes[0].to = Some(json!(EVIL));
    }
    world
}

const ROUTES: [&str; 4] = ["/", "/f/demo", "/f/demo/switches", "/f/demo/switches/default/leaf-01"];

#[test]
fn hostile_texts_stay_texts() {
    for route in ROUTES {
        let html = page(route, hostile().backend()).html;
        let tags = tags(&html);
        assert!(
            tags.iter().all(|tag| tag.name != "img" || tag.get("src") == Some("/favicon.svg")),
            "{route}"
        );
        assert!(!html.contains("<script>"), "{route}: every script carries a nonce");
        let said = text(&html);
        assert!(said.contains("alert(1)"), "{route}: the text is shown");
        for c in ['\u{1b}', '\u{202e}'] {
            assert!(!said.contains(c), "{route}: {c:?} reaches the screen");
            for spoken in ["title", "aria-label"] {
                let hidden =
                    tags.iter().filter_map(|tag| tag.get(spoken)).any(|value| value.contains(c));
                assert!(!hidden, "{route}: {c:?} in a {spoken}");
            }
        }
    }
}

#[test]
fn the_content_security_policy_has_nothing_to_refuse() {
    for world in [fake::connected(), fake::disconnected(), hostile()] {
        for route in ROUTES {
            let html = page(route, world.clone().backend()).html;
            for tag in tags(&html) {
                for (name, value) in &tag.attributes {
                    assert_ne!(name, "style", "{route}: {tag:?}");
                    assert!(!name.starts_with("on"), "{route}: {tag:?}");
                    assert!(!value.starts_with("javascript:"), "{route}: {tag:?}");
                }
                let needs_nonce = tag.name == "script" || tag.name == "style";
                assert!(
                    !needs_nonce || tag.get("nonce").is_some_and(|nonce| nonce.len() > 20),
                    "{route}: {tag:?}"
                );
            }
        }
    }
}

#[test]
fn markup_survives_hydration() {
    for route in ROUTES {
        let html = page(route, fake::connected().backend()).html;
        let tags = tags(&html);
        let count = |name: &str| tags.iter().filter(|tag| tag.name == name).count();
        assert!(
            count("tbody") >= count("table"),
            "{route}: a table without tbody breaks hydration"
        );
        let ids: Vec<_> = tags.iter().filter_map(|tag| tag.get("id")).collect();
        assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "{route}: {ids:?}");
        for button in tags.iter().filter(|tag| tag.name == "button") {
            assert!(
                button.get("type").is_some(),
                "{route}: a button without a type sends forms: {button:?}"
            );
        }
        let targets = tags.iter().filter_map(|tag| tag.get("popovertarget"));
        for target in targets {
            assert!(ids.contains(&target), "{route}: nothing is called {target}");
        }
    }
}

#[test]
fn every_page_has_one_heading_and_a_title_in_every_state() {
    let broken =
        World { broken: Some(ApiError::Internal { message: "x".into() }), ..World::default() };
    let more = [
        "/f/other",
        "/f/demo/vpcs/default/x",
        "/f/demo/nonsense/default/x",
        "/nonsense",
        "/f/other/vpcs/default/x",
    ];
    for world in [fake::connected(), fake::disconnected(), fake::forbidden(), broken] {
        for route in ROUTES.iter().chain(&more) {
            let html = page(route, world.clone().backend()).html;
            let tags = tags(&html);
            let count = |name: &str| tags.iter().filter(|tag| tag.name == name).count();
            assert_eq!(
                (count("h1"), count("main"), count("title")),
                (1, 1, 1),
                "{route}: {}",
                text(&html)
            );
        }
    }
}

#[test]
fn pages_are_whole_when_many_are_written_at_once() {
    let backend = fake::connected().backend();
    for route in ROUTES {
        let alone = text(&page(route, Arc::clone(&backend)).html);
        for rendered in pages(route, &backend, 24) {
            assert_eq!(text(&rendered.html), alone, "{route}");
        }
    }
}

#[test]
fn the_same_page_is_written_the_same_twice() {
    let strip = |html: String| {
        let tags = tags(&html);
        let nonce = tags.iter().find_map(|tag| tag.get("nonce")).unwrap().to_owned();
        html.replace(&nonce, "")
    };
    for route in ROUTES {
        let [first, second] = [0, 1].map(|_| strip(page(route, fake::connected().backend()).html));
        assert_eq!(first, second, "{route}");
    }
}
