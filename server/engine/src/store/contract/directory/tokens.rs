//! Clauses about API tokens, and about failures to sign in.

use std::sync::Arc;

use domain::access::{Rights, Role};

use super::{BEGAN, Both, digest, fabric, missing, name, order_at, ordered, token, two_users};
use crate::store::directory::{Failures, MOST_TOKENS, Order, OrderError, Token};

pub(super) async fn a_token_is_found_used_and_revoked(both: Arc<dyn Both>) {
    two_users(&*both, Rights::everywhere(Role::Operator)).await;
    let scope = Rights::on(fabric("prod"), Role::Operator).with(None, Role::Viewer);
    let made = Token { scope, ..token("t", "ann", BEGAN) };
    ordered(&*both, Order::CreateToken(made.clone())).await;
    let (kept, owner) = both.token(&digest("t")).await.unwrap().unwrap();
    assert_eq!((&kept, owner.name), (&made, name("ann")));
    both.touch_token(&digest("t"), BEGAN + 61_000).await.unwrap();
    let used = both.token(&digest("t")).await.unwrap().unwrap().0.used_ms.unwrap();
    assert!(used > BEGAN && used <= BEGAN + 61_000 && used % 60_000 == 0, "{used}");
    ordered(&*both, Order::CreateToken(token("later", "ann", BEGAN + 1))).await;
    ordered(&*both, Order::CreateToken(token("other", "root", BEGAN))).await;
    let of_ann = both.tokens(Some(&name("ann"))).await.unwrap();
    let digests: Vec<_> = of_ann.iter().map(|token| token.digest.clone()).collect();
    assert_eq!(digests, [digest("later"), digest("t")], "the newest first");
    assert_eq!(of_ann[1].scope, made.scope);
    assert_eq!(both.tokens(None).await.unwrap().len(), 3);
    let revoke = |id: &str| Order::RevokeToken { id: id.to_owned(), owner: None };
    order_at(&*both, revoke(digest("t").id()), BEGAN + 5).await.unwrap();
    order_at(&*both, revoke(&digest("t").0), BEGAN + 9).await.unwrap();
    let (revoked, _) = both.token(&digest("t")).await.unwrap().unwrap();
    assert_eq!(revoked.revoked_ms, Some(BEGAN + 5), "the first time counts");
    assert_eq!(both.token(&digest("nothing")).await.unwrap(), None);
    let same = order_at(&*both, Order::CreateToken(made), BEGAN).await;
    assert!(matches!(same, Err(OrderError::Exists { .. })), "{same:?}");
    let of_nobody = order_at(&*both, Order::CreateToken(token("n", "nobody", BEGAN)), BEGAN).await;
    assert!(missing(&of_nobody, "user/nobody"), "{of_nobody:?}");
}

pub(super) async fn a_token_is_revoked_by_its_owner_only(both: Arc<dyn Both>) {
    two_users(&*both, Rights::everywhere(Role::Operator)).await;
    ordered(&*both, Order::CreateToken(token("t", "ann", BEGAN))).await;
    let id = digest("t").id().to_owned();
    let by = |owner: &str| Order::RevokeToken { id: id.clone(), owner: Some(name(owner)) };
    let other = order_at(&*both, by("root"), BEGAN).await;
    assert!(missing(&other, &format!("token/{id}")), "{other:?}");
    assert_eq!(both.token(&digest("t")).await.unwrap().unwrap().0.revoked_ms, None);
    for id in ["", "3", "' OR 1=1"] {
        let order = Order::RevokeToken { id: id.to_owned(), owner: None };
        assert!(missing(&order_at(&*both, order, BEGAN).await, &format!("token/{id}")));
    }
    ordered(&*both, by("ann")).await;
    assert!(both.token(&digest("t")).await.unwrap().unwrap().0.revoked_ms.is_some());
}

pub(super) async fn there_are_no_more_valid_tokens_than_may_be(both: Arc<dyn Both>) {
    two_users(&*both, Rights::everywhere(Role::Operator)).await;
    for n in 0..MOST_TOKENS {
        ordered(&*both, Order::CreateToken(token(&n.to_string(), "ann", BEGAN))).await;
    }
    let one = |key: &str, user: &str| Order::CreateToken(token(key, user, BEGAN));
    let more = order_at(&*both, one("more", "ann"), BEGAN).await;
    assert!(matches!(more, Err(OrderError::TooMany { most: MOST_TOKENS, .. })), "{more:?}");
    ordered(&*both, one("other", "root")).await;
    let id = digest("3").0;
    ordered(&*both, Order::RevokeToken { id, owner: None }).await;
    ordered(&*both, one("more", "ann")).await;
    let more = order_at(&*both, one("again", "ann"), BEGAN).await;
    assert!(matches!(more, Err(OrderError::TooMany { .. })), "{more:?}");
    order_at(&*both, one("again", "ann"), BEGAN + 10_000_000).await.unwrap();
}

pub(super) async fn failures_count_until_they_are_forgotten(both: Arc<dyn Both>) {
    let hour = 3_600_000;
    assert_eq!(both.failures("user/ann").await.unwrap(), Failures::default());
    for n in 1..=5 {
        let failures = both.fail("user/ann", BEGAN + i64::from(n), hour).await.unwrap();
        assert_eq!(failures, Failures { count: n, last_ms: BEGAN + i64::from(n) });
    }
    assert_eq!(both.failures("user/ann").await.unwrap().count, 5);
    assert_eq!(both.failures("from/192.0.2.1").await.unwrap().count, 0);
    assert_eq!(both.fail("user/ann", BEGAN + 5 + hour, hour).await.unwrap().count, 6);
    assert_eq!(both.fail("user/ann", BEGAN + 6 + 2 * hour, hour).await.unwrap().count, 1);
    both.forgive("user/ann").await.unwrap();
    assert_eq!(both.failures("user/ann").await.unwrap(), Failures::default());
}
