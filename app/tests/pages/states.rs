//! What the pages say in the states that a fabric can be in.

use app::{
    api::ApiError,
    domain::{kind::Kind, state::WatchState},
};

use crate::{
    fake::{self, World},
    html::{main_part, tags, text},
    render::page,
};

/// One page of each route.
const ROUTES: [&str; 5] = [
    "/",
    "/f/demo",
    "/f/demo/switches",
    "/f/demo/switches/default/leaf-01",
    "/f/demo/vpcs/default/vpc-1",
];

#[test]
fn the_overview_says_at_a_glance_what_is_wrong() {
    let rendered = page("/", fake::connected().backend());
    let said = text(&rendered.html);
    assert_eq!(rendered.status, 200);
    for part in [
        "connected",
        "https://127.0.0.1:6443 · v1.35.0",
        "6 of 7 ready",
        "1 stuck",
        "by kubectl",
        "/spec/asn",
    ] {
        assert!(said.contains(part), "{part:?} in {said}");
    }
    let badges: Vec<_> = tags(&rendered.html)
        .into_iter()
        .filter(|tag| tag.get("data-watch") == Some("live"))
        .collect();
    assert_eq!(badges.len(), Kind::ALL.len(), "a badge per kind");
    assert!(
        rendered.html.contains(r#"href="/f/demo/switches/default/leaf-01""#),
        "events lead to their object"
    );
    assert!(rendered.html.contains("<title>Overview · HNP</title>"), "{}", &rendered.html[..1_500]);
}

#[test]
fn a_fabric_that_never_answered_shows_nothing_green_and_no_number() {
    for route in ROUTES {
        let rendered = page(route, fake::disconnected().backend());
        let main = main_part(&rendered.html);
        let said = text(main);
        for tag in tags(&rendered.html) {
            assert_ne!(tag.get("data-tone"), Some("ok"), "{route}: {tag:?}");
            assert_ne!(tag.get("data-live"), Some("live"), "{route}: {tag:?}");
        }
        for word in said.split(' ') {
            assert!(
                !["0", "none", "None", "no", "empty"].contains(&word),
                "{route}: {word:?} in {said}"
            );
        }
        assert_eq!(rendered.status, 200, "{route}: not known is not missing");
    }
    let said = text(&page("/", fake::disconnected().backend()).html);
    for part in [
        "disconnected",
        "refuses the credentials (401); check the token",
        "next try in 3 s",
        "readiness unknown",
        "not observed",
    ] {
        assert!(said.contains(part), "{part:?} in {said}");
    }
}

#[test]
fn the_rail_counts_what_was_listed_and_only_that() {
    let rail = |world: World| {
        let html = page("/", world.backend()).html;
        let rail = html.split_once("rail-foot").unwrap().0.to_owned();
        text(&rail)
    };
    let connected = rail(fake::connected());
    assert!(connected.contains("Sw Switches 7"), "{connected}");
    let disconnected = rail(fake::disconnected());
    assert!(disconnected.contains("Sw Switches –"), "{disconnected}");
}

#[test]
fn an_object_page_reads_without_script() {
    let rendered = page("/f/demo/switches/default/leaf-01", fake::connected().backend());
    let said = text(&rendered.html);
    for part in [
        "ready",
        "ASN 65101",
        "Resource version 77",
        "zone=a",
        "Needs",
        "absent",
        "Needed by",
        "not known for: Gateways",
        "65100 → 65101",
    ] {
        assert!(said.contains(part), "{part:?} in {said}");
    }
    assert!(said.contains("description : \"on\""), "{said}");
    let absent = tags(&rendered.html)
        .into_iter()
        .filter(|tag| tag.get("data-presence") == Some("absent"))
        .count();
    assert_eq!(absent, 1);
}

#[test]
fn missing_and_not_known_are_two_things() {
    let missing = page("/f/demo/vpcs/default/vpc-1", fake::connected().backend());
    assert_eq!(missing.status, 404);
    assert!(text(&missing.html).contains("There is no such object"));
    let unknown = page("/f/demo/vpcs/default/vpc-1", fake::forbidden().backend());
    let said = text(&unknown.html);
    assert_eq!(unknown.status, 200);
    assert!(
        said.contains("its watch is forbidden") && said.contains("grant it list and watch"),
        "{said}"
    );
}

#[test]
fn what_there_is_not_answers_404() {
    for path in [
        "/f/other",
        "/f/other/switches/default/x",
        "/f/demo/nonsense/default/x",
        "/f/Not A Fabric",
        "/nonsense",
    ] {
        let rendered = page(path, fake::connected().backend());
        assert_eq!(rendered.status, 404, "{path}");
        assert!(
            text(&rendered.html).contains("There is no such"),
            "{path}: {}",
            text(&rendered.html)
        );
    }
}

#[test]
fn a_server_without_fabrics_says_what_to_do() {
    let rendered = page("/", World::default().backend());
    let said = text(&rendered.html);
    assert!(said.contains("No fabric to see") && said.contains("hnp serve --kubeconfig"), "{said}");
}

#[test]
fn a_server_that_fails_is_said_to_fail_and_nothing_is_green() {
    let broken = World {
        broken: Some(ApiError::Internal { message: "the store is gone".into() }),
        ..World::default()
    };
    for route in ROUTES {
        let rendered = page(route, broken.clone().backend());
        let said = text(main_part(&rendered.html));
        assert!(said.contains("the store is gone"), "{route}: {said}");
        assert_eq!(rendered.status, 500, "{route}");
        assert!(
            tags(&rendered.html).iter().all(|tag| tag.get("data-tone") != Some("ok")),
            "{route}"
        );
        assert!(!said.contains("yet"), "{route}: a failure is not an empty server: {said}");
    }
}

#[test]
fn before_the_page_wakes_the_link_is_connecting() {
    let html = page("/", fake::connected().backend()).html;
    let tags = tags(&html);
    let pill = tags.iter().find(|tag| tag.get("data-live").is_some()).unwrap();
    assert_eq!(
        (pill.get("data-live"), pill.get("data-transport")),
        (Some("connecting"), Some("ws"))
    );
}

#[test]
fn each_kind_shows_its_own_watch() {
    let html = page("/f/demo", fake::forbidden().backend()).html;
    let state = |kind: Kind| {
        let tags = tags(&html);
        let badge = tags.iter().find(|tag| {
            tag.get("data-kind") == Some(kind.about().name) && tag.get("data-watch").is_some()
        });
        badge.unwrap().get("data-watch").unwrap().to_owned()
    };
    assert_eq!(state(Kind::Vpc), WatchState::Forbidden.word());
    assert_eq!(state(Kind::Switch), WatchState::Live.word());
}
