//! Clauses about registered fabrics.

use std::sync::Arc;

use domain::{
    access::{Rights, Role},
    kind::Kind,
};
use serde_json::json;

use super::{BEGAN, Both, digest, fabric, missing, name, order_at, ordered, token, two_users};
use crate::store::{
    contract::{changes, claimed, event, put},
    directory::{Fabric, Order, OrderError, Token},
};

fn made(id: &str) -> Fabric {
    Fabric {
        id: fabric(id),
        settings: r#"{"server":"https://k8s.example"}"#.to_owned(),
        sealed: Some(vec![0, 1, 255]),
        enabled: true,
        created_ms: 0,
        changed_ms: 0,
        revision: 0,
    }
}

fn change(id: &str, expected: Option<u64>) -> Order {
    Order::ChangeFabric { id: fabric(id), settings: None, sealed: None, enabled: None, expected }
}

pub(super) async fn a_fabric_is_registered_changed_and_removed(both: Arc<dyn Both>) {
    ordered(&*both, Order::CreateFabric(made("prod"))).await;
    ordered(&*both, Order::CreateFabric(Fabric { sealed: None, ..made("lab") })).await;
    let prod = both.fabric(&fabric("prod")).await.unwrap().unwrap();
    let revision = prod.revision;
    let expected = Fabric { created_ms: BEGAN, changed_ms: BEGAN, revision, ..made("prod") };
    assert_eq!(prod, expected);
    let ids: Vec<String> =
        both.fabrics().await.unwrap().into_iter().map(|fabric| fabric.id.into()).collect();
    assert_eq!(ids, ["lab", "prod"]);
    let same = order_at(&*both, Order::CreateFabric(made("prod")), BEGAN).await;
    assert!(matches!(&same, Err(OrderError::Exists { what }) if what == "fabric/prod"), "{same:?}");
    ordered(&*both, Order::DeleteFabric { id: fabric("prod"), expected: None }).await;
    assert_eq!(both.fabric(&fabric("prod")).await.unwrap(), None);
    assert!(both.fabric(&fabric("lab")).await.unwrap().is_some());
    for order in [change("prod", None), Order::DeleteFabric { id: fabric("prod"), expected: None }]
    {
        assert!(missing(&order_at(&*both, order, BEGAN).await, "fabric/prod"));
    }
}

pub(super) async fn a_change_of_a_fabric_leaves_the_rest_of_it(both: Arc<dyn Both>) {
    ordered(&*both, Order::CreateFabric(made("prod"))).await;
    let mut expected = both.fabric(&fabric("prod")).await.unwrap().unwrap();
    let text = |text: &str| Some(text.to_owned());
    for (n, (settings, sealed, enabled)) in [
        (None, None, None),
        (text("{}"), None, Some(false)),
        (None, Some(Some(vec![9])), None),
        (None, Some(None), Some(true)),
        (text("[]"), Some(Some(vec![])), None),
    ]
    .into_iter()
    .enumerate()
    {
        let at = BEGAN + 10 + i64::try_from(n).unwrap();
        let order = Order::ChangeFabric {
            id: fabric("prod"),
            settings: settings.clone(),
            sealed: sealed.clone(),
            enabled,
            expected: Some(expected.revision),
        };
        let done = order_at(&*both, order, at).await.unwrap();
        assert!(done.revision > expected.revision);
        expected = Fabric {
            settings: settings.unwrap_or(expected.settings),
            sealed: sealed.unwrap_or(expected.sealed),
            enabled: enabled.unwrap_or(expected.enabled),
            revision: done.revision,
            changed_ms: at,
            ..expected
        };
        assert_eq!(both.fabric(&fabric("prod")).await.unwrap().unwrap(), expected);
    }
}

pub(super) async fn nothing_is_left_to_a_later_fabric_of_the_same_name(both: Arc<dyn Both>) {
    let (prod, lab) = (fabric("prod"), fabric("lab"));
    let rights = Rights::on(prod.clone(), Role::Admin).with(Some(lab.clone()), Role::Viewer);
    two_users(&*both, rights.clone()).await;
    ordered(&*both, Order::CreateToken(Token { scope: rights, ..token("t", "ann", BEGAN) })).await;
    ordered(&*both, Order::CreateFabric(made("prod"))).await;
    let old = both.fabric(&prod).await.unwrap().unwrap().revision;
    let claim = claimed(&*both, &prod, "a", BEGAN).await;
    let mut batch = changes(vec![put(Kind::Vpc, "v", 1, BEGAN, json!({ "a": 1 }))]);
    batch.events = vec![event(1, BEGAN)];
    both.append(&prod, claim, &batch).await.unwrap();
    let ann = both.user(&name("ann")).await.unwrap().unwrap();

    let remove = Order::DeleteFabric { id: prod.clone(), expected: Some(old) };
    order_at(&*both, remove, BEGAN + 1).await.unwrap();
    order_at(&*both, Order::CreateFabric(made("prod")), BEGAN + 2).await.unwrap();
    let left = Rights::on(lab, Role::Viewer);
    let after = both.user(&name("ann")).await.unwrap().unwrap();
    assert_eq!(after.rights, left);
    assert!(after.revision > ann.revision, "what was read of her is out of date");
    assert_eq!(both.token(&digest("t")).await.unwrap().unwrap().0.scope, left);
    assert_ne!(both.fabric(&prod).await.unwrap().unwrap().revision, old);
    assert_eq!(both.recorded(&prod).await.unwrap(), (0, 0, 0));
    assert!(both.append(&prod, claim, &batch).await.is_err(), "nor may who recorded it go on");
}

pub(super) async fn a_lost_update_of_a_fabric_is_refused(both: Arc<dyn Both>) {
    ordered(&*both, Order::CreateFabric(made("prod"))).await;
    let read = both.fabric(&fabric("prod")).await.unwrap().unwrap().revision;
    let done = ordered(&*both, change("prod", Some(read))).await;
    for order in [
        change("prod", Some(read)),
        Order::DeleteFabric { id: fabric("prod"), expected: Some(read) },
    ] {
        let late = order_at(&*both, order, BEGAN).await;
        let Err(OrderError::Changed { what, revision }) = late else { panic!("{late:?}") };
        assert_eq!((what.as_str(), revision), ("fabric/prod", done.revision));
    }
    assert!(both.fabric(&fabric("prod")).await.unwrap().is_some());
}

pub(super) async fn credentials_are_resealed_only_where_they_are_still_those(both: Arc<dyn Both>) {
    let prod = fabric("prod");
    ordered(&*both, Order::CreateFabric(made("prod"))).await;
    let before = both.fabric(&prod).await.unwrap().unwrap();
    assert!(!both.reseal(&prod, b"other", b"new").await.unwrap());
    assert!(!both.reseal(&fabric("lab"), &[0, 1, 255], b"new").await.unwrap());
    assert!(both.reseal(&prod, &[0, 1, 255], b"new").await.unwrap());
    let after = both.fabric(&prod).await.unwrap().unwrap();
    assert_eq!(after, Fabric { sealed: Some(b"new".to_vec()), ..before });
}

pub(super) async fn what_would_be_lost_is_told(both: Arc<dyn Both>) {
    let prod = fabric("prod");
    assert_eq!(both.recorded(&prod).await.unwrap(), (0, 0, 0));
    for (fabric, n) in [(&prod, 3_u64), (&fabric("lab"), 1)] {
        let claim = claimed(&*both, fabric, "a", BEGAN).await;
        for position in 1..=n {
            let value = json!({ "x": "x".repeat(100) });
            let mut batch = changes(vec![put(Kind::Vpc, "v", position, BEGAN, value)]);
            batch.events = vec![event(position, BEGAN)];
            both.append(fabric, claim, &batch).await.unwrap();
        }
    }
    let (events, changes, bytes) = both.recorded(&prod).await.unwrap();
    assert_eq!((events, changes), (3, 3));
    assert!((300..3_000).contains(&bytes), "{bytes}");
}
