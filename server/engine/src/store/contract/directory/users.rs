//! Clauses about users and what they may do.

use std::sync::Arc;

use domain::access::{Rights, Role};

use super::{
    BEGAN, Both, digest, fabric, missing, name, new_user, order_at, ordered, session, token,
    two_users,
};
use crate::store::directory::{NewUser, Order, OrderError};

fn set_up(link: &str, user: &str) -> Order {
    // Whatever rights are asked for: the first user is admin everywhere.
    Order::SetUp { token: digest(link), user: new_user(user, Rights::default()) }
}

pub(super) async fn the_first_user_is_made_once_through_the_newest_link(both: Arc<dyn Both>) {
    assert!(!both.has_users().await.unwrap());
    let never = order_at(&*both, set_up("a", "ann"), BEGAN).await;
    assert!(matches!(never, Err(OrderError::SetUpUsed)), "none was given: {never:?}");
    both.set_up_token(&digest("a")).await.unwrap();
    both.set_up_token(&digest("b")).await.unwrap();
    assert!(!both.is_set_up_token(&digest("a")).await.unwrap());
    assert!(both.is_set_up_token(&digest("b")).await.unwrap());
    let replaced = order_at(&*both, set_up("a", "ann"), BEGAN).await;
    assert!(matches!(replaced, Err(OrderError::SetUpUsed)), "{replaced:?}");
    let nameless = NewUser { password: None, ..new_user("ann", Rights::default()) };
    let order = Order::SetUp { token: digest("b"), user: nameless };
    let locked_out = order_at(&*both, order, BEGAN).await;
    assert!(matches!(locked_out, Err(OrderError::LastAdmin)), "{locked_out:?}");
    ordered(&*both, set_up("b", "ann")).await;
    let ann = both.user(&name("ann")).await.unwrap().unwrap();
    assert_eq!(ann.rights, Rights::everywhere(Role::Admin));
    assert!(both.has_users().await.unwrap());
    assert!(!both.is_set_up_token(&digest("b")).await.unwrap());
    both.set_up_token(&digest("c")).await.unwrap();
    assert!(!both.is_set_up_token(&digest("c")).await.unwrap(), "there is somebody");
    for link in ["b", "c"] {
        let again = order_at(&*both, set_up(link, "bob"), BEGAN).await;
        assert!(matches!(again, Err(OrderError::SetUpUsed)), "{again:?}");
    }
    assert_eq!(both.users().await.unwrap().len(), 1);
}

pub(super) async fn a_user_is_made_read_and_removed(both: Arc<dyn Both>) {
    let rights = Rights::on(fabric("prod"), Role::Operator).with(None, Role::Viewer);
    two_users(&*both, rights.clone()).await;
    let ann = both.user(&name("ann")).await.unwrap().unwrap();
    assert_eq!((&ann.rights, ann.enabled, ann.created_ms), (&rights, true, BEGAN));
    assert_eq!(ann.password.as_deref(), Some("$argon2id$of-ann"));
    assert_eq!((ann.seen_ms, ann.oidc.clone()), (None, None));
    let names: Vec<String> =
        both.users().await.unwrap().into_iter().map(|user| user.name.into()).collect();
    assert_eq!(names, ["ann", "root"]);
    assert!(both.save_session(&session("s", "ann", BEGAN)).await.unwrap());
    ordered(&*both, Order::CreateToken(token("t", "ann", BEGAN))).await;
    both.tell(&name("ann"), BEGAN, &|n| n.to_string()).await.unwrap();
    ordered(&*both, Order::DeleteUser(name("ann"))).await;
    assert_eq!(both.user(&name("ann")).await.unwrap(), None);
    assert_eq!(both.session(&digest("s")).await.unwrap(), None);
    assert_eq!(both.token(&digest("t")).await.unwrap(), None);
    assert!(both.sessions(None).await.unwrap().is_empty());
    assert!(both.tokens(None).await.unwrap().is_empty());
    let again = order_at(&*both, Order::DeleteUser(name("ann")), BEGAN).await;
    assert!(missing(&again, "user/ann"), "{again:?}");
    // Whoever gets the name later begins with what they are given, and no old revision fits them.
    order_at(&*both, Order::CreateUser(new_user("ann", Rights::default())), BEGAN + 1)
        .await
        .unwrap();
    let later = both.user(&name("ann")).await.unwrap().unwrap();
    assert!(later.rights.is_empty());
    assert_ne!(later.revision, ann.revision);
}

pub(super) async fn rights_are_replaced_whole_and_only_as_they_were_read(both: Arc<dyn Both>) {
    two_users(&*both, Rights::on(fabric("prod"), Role::Admin)).await;
    let ann = both.user(&name("ann")).await.unwrap().unwrap();
    let rights = Rights::on(fabric("lab"), Role::Viewer);
    let order = |expected| Order::SetRights { user: name("ann"), rights: rights.clone(), expected };
    let done = ordered(&*both, order(Some(ann.revision))).await;
    let changed = both.user(&name("ann")).await.unwrap().unwrap();
    assert_eq!(changed.rights, rights);
    assert!(changed.revision > ann.revision);
    assert_eq!(done.revision, changed.revision);
    let late = order_at(&*both, order(Some(ann.revision)), BEGAN).await;
    let Err(OrderError::Changed { what, revision }) = late else { panic!("{late:?}") };
    assert_eq!((what.as_str(), revision), ("user/ann", changed.revision));
    ordered(&*both, order(None)).await;
}

pub(super) async fn a_user_is_changed_in_any_way_only_as_they_were_read(both: Arc<dyn Both>) {
    two_users(&*both, Rights::on(fabric("prod"), Role::Admin)).await;
    let read = both.user(&name("ann")).await.unwrap().unwrap().revision;
    let on =
        |revision, order| Order::OnRevision { user: name("ann"), revision, order: Box::new(order) };
    let password = "$argon2id$other".to_owned();
    let set = Order::SetPassword { user: name("ann"), password, keep: None };
    let off = Order::SetEnabled { user: name("ann"), enabled: false };
    let now = ordered(&*both, on(read, set.clone())).await.revision;
    for order in [set, off.clone(), Order::DeleteUser(name("ann"))] {
        let late = order_at(&*both, on(read, order.clone()), BEGAN).await;
        let changed = matches!(late, Err(OrderError::Changed { revision, .. }) if revision == now);
        assert!(changed, "{order:?}: {late:?}");
    }
    let ann = both.user(&name("ann")).await.unwrap().unwrap();
    assert!(ann.enabled && ann.revision == now, "{ann:?}");
    let now = ordered(&*both, on(now, off)).await.revision;
    ordered(&*both, on(now, Order::DeleteUser(name("ann")))).await;
    let gone = order_at(&*both, on(now, Order::DeleteUser(name("ann"))), BEGAN).await;
    assert!(missing(&gone, "user/ann"), "{gone:?}");
}

pub(super) async fn somebody_who_can_manage_users_stays(both: Arc<dyn Both>) {
    two_users(&*both, Rights::on(fabric("prod"), Role::Admin)).await;
    let less = |user: &str| Order::SetRights {
        user: name(user),
        rights: Rights::everywhere(Role::Operator),
        expected: None,
    };
    let off = |user: &str| Order::SetEnabled { user: name(user), enabled: false };
    for order in [less("root"), off("root"), Order::DeleteUser(name("root"))] {
        let done = order_at(&*both, order.clone(), BEGAN).await;
        assert!(matches!(done, Err(OrderError::LastAdmin)), "{order:?}: {done:?}");
    }
    // An admin who has nothing to sign in with, or may not, manages nothing.
    let keyless = NewUser { password: None, ..new_user("ghost", Rights::everywhere(Role::Admin)) };
    ordered(&*both, Order::CreateUser(keyless)).await;
    ordered(&*both, Order::CreateUser(new_user("bob", Rights::everywhere(Role::Admin)))).await;
    ordered(&*both, off("bob")).await;
    let done = order_at(&*both, less("root"), BEGAN).await;
    assert!(matches!(done, Err(OrderError::LastAdmin)), "{done:?}");
    let root = both.user(&name("root")).await.unwrap().unwrap();
    assert_eq!(root.rights, Rights::everywhere(Role::Admin), "nothing of it was done");
    // One who comes through OIDC does.
    let oidc = NewUser {
        oidc: Some("https://id.example 17".to_owned()),
        password: None,
        ..new_user("eve", Rights::everywhere(Role::Admin))
    };
    ordered(&*both, Order::CreateUser(oidc)).await;
    ordered(&*both, Order::DeleteUser(name("root"))).await;
    let done = order_at(&*both, off("eve"), BEGAN).await;
    assert!(matches!(done, Err(OrderError::LastAdmin)), "{done:?}");
}

pub(super) async fn a_name_and_an_identity_belong_to_one(both: Arc<dyn Both>) {
    two_users(&*both, Rights::default()).await;
    let same = order_at(&*both, Order::CreateUser(new_user("ann", Rights::default())), BEGAN).await;
    assert!(matches!(&same, Err(OrderError::Exists { what }) if what == "user/ann"), "{same:?}");
    let identity = Some("https://id.example 17".to_owned());
    let eve = |user| NewUser { oidc: identity.clone(), ..new_user(user, Rights::default()) };
    ordered(&*both, Order::CreateUser(eve("eve"))).await;
    let same = order_at(&*both, Order::CreateUser(eve("mallory")), BEGAN).await;
    assert!(matches!(same, Err(OrderError::Exists { .. })), "{same:?}");
    let found = both.user_of_oidc("https://id.example 17").await.unwrap().unwrap();
    assert_eq!(found.name, name("eve"));
    assert_eq!(both.user_of_oidc("https://id.example 1").await.unwrap(), None);
}
