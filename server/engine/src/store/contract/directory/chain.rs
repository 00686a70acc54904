//! Clauses about the audit log, and about what others must notice.

use std::sync::Arc;

use domain::{
    access::{Rights, Role},
    audit::{Act, Checker, Deed, Outcome},
};
use serde_json::json;

use super::{
    BEGAN, Both, deed, digest, fabric, name, new_user, order_at, ordered, session, token, two_users,
};
use crate::store::directory::{AuditQuery, Order, OrderError};

const ALL: AuditQuery = AuditQuery {
    before: None,
    user: None,
    act: None,
    fabric: None,
    outcome: None,
    text: None,
    since_ms: None,
    until_ms: None,
    limit: 1_000,
};

/// The numbers of the entries that a query finds.
async fn found(both: &dyn Both, query: AuditQuery) -> Vec<u64> {
    both.audit(&query).await.unwrap().into_iter().map(|link| link.seq).collect()
}

pub(super) async fn each_order_leaves_its_deed_and_a_refused_one_leaves_nothing(
    both: Arc<dyn Both>,
) {
    let make = |user| Order::CreateUser(new_user(user, Rights::everywhere(Role::Admin)));
    let told = deed(Act::UserCreate, "user/ann").changing(None, Some(json!({ "role": "admin" })));
    let done = both.order(make("ann"), &told, BEGAN).await.unwrap();
    assert_eq!(done.seq, 1);
    for order in [make("ann"), Order::DeleteUser(name("bob")), Order::DeleteUser(name("ann"))] {
        assert!(both.order(order, &told, BEGAN).await.is_err());
    }
    let done = both.order(Order::Tell, &deed(Act::SignIn, "user/ann"), BEGAN + 5).await.unwrap();
    assert_eq!(done.seq, 2);
    let links = both.links(0, 100).await.unwrap();
    let mut checker = Checker::default();
    for link in &links {
        checker.check(link).unwrap();
    }
    assert_eq!(checker.seq, 2);
    assert_eq!(serde_json::from_str::<Deed>(&links[0].text).unwrap(), told);
    assert_eq!(links[1].at_ms, BEGAN + 5);
    assert_eq!(both.links(1, 100).await.unwrap(), links[1..]);
    assert_eq!(both.links(0, 1).await.unwrap(), links[..1]);
    let long = told.clone().changing(Some(json!("x".repeat(200_000))), Some(json!(1)));
    both.order(Order::Tell, &long, BEGAN).await.unwrap();
    let [link] = &both.links(2, 9).await.unwrap()[..] else { panic!() };
    assert!(link.text.len() < 2_000 && link.text.contains("too long"), "{}", link.text.len());
}

pub(super) async fn the_log_is_searched_newest_first(both: Arc<dyn Both>) {
    let (prod, lab) = (fabric("prod"), fabric("lab"));
    let mut by_ann = deed(Act::FabricTest, "fabric/prod").on_fabric(&prod);
    by_ann.who.user = Some("ann".to_owned());
    let mut nobody = deed(Act::SignIn, "user/ann");
    nobody.who.user = None;
    let refused =
        Deed::refused(nobody.who.clone(), Act::SignIn, "user/Ünal", "the Password is WRONG");
    let failed = Deed { outcome: Outcome::Failed, ..deed(Act::FabricTest, "x").on_fabric(&lab) };
    for (n, deed) in [by_ann, nobody, refused, failed].iter().enumerate() {
        let at = BEGAN + i64::try_from(n).unwrap();
        both.order(Order::Tell, deed, at).await.unwrap();
    }
    let some = |text: &str| Some(text.to_owned());
    for (query, expected) in [
        (ALL, vec![4, 3, 2, 1]),
        (AuditQuery { limit: 2, ..ALL }, vec![4, 3]),
        (AuditQuery { before: Some(3), ..ALL }, vec![2, 1]),
        (AuditQuery { before: Some(u64::MAX), ..ALL }, vec![4, 3, 2, 1]),
        (AuditQuery { user: some("ann"), ..ALL }, vec![1]),
        (AuditQuery { user: some("an"), ..ALL }, vec![]),
        (AuditQuery { act: some("sign-in"), ..ALL }, vec![3, 2]),
        (AuditQuery { act: some("fabric-test"), user: some("root"), ..ALL }, vec![4]),
        (AuditQuery { fabric: Some(prod), ..ALL }, vec![1]),
        (AuditQuery { outcome: Some(Outcome::Refused), ..ALL }, vec![3]),
        (AuditQuery { outcome: Some(Outcome::Failed), ..ALL }, vec![4]),
        (AuditQuery { text: some("password is wrong"), ..ALL }, vec![3]),
        (AuditQuery { text: some("%"), ..ALL }, vec![]),
        (AuditQuery { text: some("192.0.2.1"), ..ALL }, vec![4, 3, 2, 1]),
        (AuditQuery { since_ms: Some(BEGAN + 1), until_ms: Some(BEGAN + 2), ..ALL }, vec![3, 2]),
    ] {
        assert_eq!(found(&*both, query.clone()).await, expected, "{query:?}");
    }
}

pub(super) async fn orders_that_race_leave_one_chain(both: Arc<dyn Both>) {
    let all = (0..40).map(|n| {
        let both = Arc::clone(&both);
        async move {
            let user = new_user(&format!("user-{}", n / 2), Rights::default());
            order_at(&*both, Order::CreateUser(user), BEGAN).await
        }
    });
    let done = futures::future::join_all(all).await;
    let mut numbers: Vec<u64> =
        done.iter().filter_map(|done| done.as_ref().ok().map(|done| done.seq)).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=20).collect::<Vec<u64>>(), "one of each two, without holes");
    let exists = |done: &&Result<_, OrderError>| matches!(done, Err(OrderError::Exists { .. }));
    assert_eq!(done.iter().filter(exists).count(), 20);
    let mut checker = Checker::default();
    for link in both.links(0, 100).await.unwrap() {
        checker.check(&link).unwrap();
    }
    assert_eq!(checker.seq, 20);
}

pub(super) async fn whatever_others_must_notice_moves_the_generation(both: Arc<dyn Both>) {
    two_users(&*both, Rights::default()).await;
    let mut last = both.generation().await.unwrap();
    let mut moved = async |expected: bool, what: &str| {
        let now = both.generation().await.unwrap();
        assert_eq!(now > last, expected, "{what}");
        last = now;
    };
    both.order(Order::Tell, &deed(Act::SignIn, "user/ann"), BEGAN).await.unwrap();
    moved(false, "what was only told").await;
    both.save_session(&session("s", "ann", BEGAN)).await.unwrap();
    moved(true, "a session opened").await;
    both.touch_session(&digest("s"), BEGAN + 1).await.unwrap();
    moved(false, "a session in use").await;
    both.end_session(&digest("s")).await.unwrap();
    moved(true, "a session ended").await;
    ordered(&*both, Order::CreateToken(token("t", "ann", BEGAN))).await;
    moved(true, "a token made").await;
    both.touch_token(&digest("t"), BEGAN).await.unwrap();
    moved(false, "a token used").await;
    ordered(&*both, Order::SetEnabled { user: name("ann"), enabled: false }).await;
    moved(true, "a user disabled").await;
    assert!(order_at(&*both, Order::DeleteUser(name("nobody")), BEGAN).await.is_err());
    moved(false, "an order that was refused").await;
    assert_eq!(both.fact("colour").await.unwrap(), None);
    both.set_fact("colour", "red").await.unwrap();
    both.set_fact("colour", "blue").await.unwrap();
    assert_eq!(both.fact("colour").await.unwrap().as_deref(), Some("blue"));
    moved(false, "a fact").await;
}
