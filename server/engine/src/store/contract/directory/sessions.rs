//! Clauses about sessions.

use std::sync::Arc;

use domain::access::Rights;

use super::{BEGAN, Both, digest, missing, name, order_at, ordered, session, token, two_users};
use crate::store::directory::{MOST_SESSIONS, Order, Session};

/// Keys of the sessions of a user that are open.
async fn open(both: &dyn Both, user: &str) -> Vec<String> {
    let sessions = both.sessions(Some(&name(user))).await.unwrap();
    sessions.into_iter().map(|session| session.digest.0).collect()
}

pub(super) async fn a_session_lives_until_it_is_ended(both: Arc<dyn Both>) {
    two_users(&*both, Rights::default()).await;
    let one = session("one", "ann", BEGAN);
    assert!(both.save_session(&one).await.unwrap());
    let (kept, user) = both.session(&digest("one")).await.unwrap().unwrap();
    assert_eq!((&kept, user.name, user.seen_ms), (&one, name("ann"), Some(BEGAN)));
    let changed = Session {
        data: r#"{"theme":"dark"}"#.to_owned(),
        expires_ms: one.expires_ms + 5,
        agent: Some("ä".repeat(500)),
        ..one.clone()
    };
    assert!(both.save_session(&changed).await.unwrap());
    both.touch_session(&digest("one"), BEGAN + 7).await.unwrap();
    let (kept, _) = both.session(&digest("one")).await.unwrap().unwrap();
    assert_eq!(kept.agent, Some("ä".repeat(200)));
    let agent = changed.agent.clone();
    assert_eq!(Session { agent, ..kept }, Session { seen_ms: BEGAN + 7, ..changed });
    assert!(both.save_session(&session("two", "ann", BEGAN + 9)).await.unwrap());
    assert!(both.save_session(&session("other", "root", BEGAN)).await.unwrap());
    assert_eq!(open(&*both, "ann").await, [digest("two").0, digest("one").0], "newest use first");
    assert_eq!(both.sessions(None).await.unwrap().len(), 3);
    both.end_session(&digest("one")).await.unwrap();
    both.end_session(&digest("one")).await.unwrap();
    assert_eq!(both.session(&digest("one")).await.unwrap(), None);
    ordered(&*both, Order::EndSession(digest("two"))).await;
    let gone = order_at(&*both, Order::EndSession(digest("two")), BEGAN).await;
    assert!(missing(&gone, &format!("session/{}", digest("two").id())), "{gone:?}");
    assert!(open(&*both, "ann").await.is_empty());
    assert_eq!(open(&*both, "root").await.len(), 1);
    let huge = Session { data: "x".repeat(20_000), ..session("huge", "ann", BEGAN) };
    assert!(both.save_session(&huge).await.is_err());
}

pub(super) async fn an_ended_session_never_comes_back(both: Arc<dyn Both>) {
    two_users(&*both, Rights::default()).await;
    let one = session("one", "ann", BEGAN);
    assert!(both.save_session(&one).await.unwrap());
    both.end_session(&one.digest).await.unwrap();
    // A request under way when it was ended writes it anew at its end.
    assert!(!both.save_session(&one).await.unwrap());
    both.touch_session(&one.digest, BEGAN + 1).await.unwrap();
    both.sweep(BEGAN + 1, 1_000_000).await.unwrap();
    assert!(!both.save_session(&one).await.unwrap());
    assert_eq!(both.session(&one.digest).await.unwrap(), None);
    // Nor does a session change hands.
    assert!(both.save_session(&session("two", "ann", BEGAN)).await.unwrap());
    assert!(!both.save_session(&session("two", "root", BEGAN)).await.unwrap());
    assert_eq!(both.session(&digest("two")).await.unwrap().unwrap().0.user, name("ann"));
}

pub(super) async fn a_new_password_ends_the_other_sessions(both: Arc<dyn Both>) {
    two_users(&*both, Rights::default()).await;
    for key in ["one", "two", "three"] {
        assert!(both.save_session(&session(key, "ann", BEGAN)).await.unwrap());
    }
    assert!(both.save_session(&session("root", "root", BEGAN)).await.unwrap());
    let before = both.user(&name("ann")).await.unwrap().unwrap();
    let order = |keep: Option<&str>| Order::SetPassword {
        user: name("ann"),
        password: "$argon2id$new".to_owned(),
        keep: keep.map(digest),
    };
    ordered(&*both, order(Some("two"))).await;
    assert_eq!(open(&*both, "ann").await, [digest("two").0]);
    let ann = both.user(&name("ann")).await.unwrap().unwrap();
    assert_eq!(ann.password.as_deref(), Some("$argon2id$new"));
    assert!(ann.revision > before.revision);
    ordered(&*both, order(None)).await;
    assert!(open(&*both, "ann").await.is_empty());
    for key in ["four", "five"] {
        assert!(both.save_session(&session(key, "ann", BEGAN)).await.unwrap());
    }
    ordered(&*both, Order::EndSessions { user: name("ann"), keep: Some(digest("five")) }).await;
    assert_eq!(open(&*both, "ann").await, [digest("five").0]);
    assert_eq!(open(&*both, "root").await.len(), 1, "others' stay");
    let nobody = Order::EndSessions { user: name("nobody"), keep: None };
    assert!(missing(&order_at(&*both, nobody, BEGAN).await, "user/nobody"));
}

pub(super) async fn who_may_not_sign_in_has_no_session(both: Arc<dyn Both>) {
    two_users(&*both, Rights::default()).await;
    assert!(both.save_session(&session("one", "ann", BEGAN)).await.unwrap());
    ordered(&*both, Order::SetEnabled { user: name("ann"), enabled: false }).await;
    assert_eq!(both.session(&digest("one")).await.unwrap(), None);
    assert!(!both.save_session(&session("two", "ann", BEGAN)).await.unwrap());
    assert!(!both.save_session(&session("three", "nobody", BEGAN)).await.unwrap());
    ordered(&*both, Order::SetEnabled { user: name("ann"), enabled: true }).await;
    assert_eq!(both.session(&digest("one")).await.unwrap(), None, "what ended stays so");
    assert!(both.save_session(&session("four", "ann", BEGAN)).await.unwrap());
}

pub(super) async fn the_session_unused_for_longest_makes_room(both: Arc<dyn Both>) {
    two_users(&*both, Rights::default()).await;
    for n in 0..MOST_SESSIONS {
        let at = BEGAN + i64::try_from(n).unwrap();
        assert!(both.save_session(&session(&n.to_string(), "ann", at)).await.unwrap());
    }
    assert!(both.save_session(&session("root", "root", BEGAN)).await.unwrap());
    assert_eq!(open(&*both, "ann").await.len(), MOST_SESSIONS);
    both.touch_session(&digest("0"), BEGAN + 1_000).await.unwrap();
    assert!(both.save_session(&session("more", "ann", BEGAN)).await.unwrap());
    let left = open(&*both, "ann").await;
    assert_eq!(left.len(), MOST_SESSIONS);
    assert!(left.contains(&digest("more").0) && left.contains(&digest("0").0));
    assert!(!left.contains(&digest("1").0), "the one unused for longest went");
    assert_eq!(open(&*both, "root").await.len(), 1);
}

pub(super) async fn what_is_over_is_swept_and_nothing_else(both: Arc<dyn Both>) {
    two_users(&*both, Rights::default()).await;
    let (hour, month) = (3_600_000, 30 * 24 * 3_600_000_i64);
    let mut past = session("past", "ann", BEGAN);
    past.expires_ms = BEGAN + hour;
    assert!(both.save_session(&past).await.unwrap());
    let mut idle = session("idle", "ann", BEGAN);
    idle.expires_ms = BEGAN + 3 * hour;
    assert!(both.save_session(&idle).await.unwrap());
    let mut used = idle.clone();
    used.digest = digest("used");
    assert!(both.save_session(&used).await.unwrap());
    both.touch_session(&digest("used"), BEGAN + hour).await.unwrap();
    ordered(&*both, Order::CreateToken(token("over", "ann", BEGAN))).await;
    both.fail("user/ann", BEGAN, hour).await.unwrap();
    both.sweep(BEGAN + hour, 2 * hour).await.unwrap();
    assert_eq!(both.session(&past.digest).await.unwrap(), None);
    assert!(both.session(&idle.digest).await.unwrap().is_some());
    both.sweep(BEGAN + 2 * hour, 2 * hour).await.unwrap();
    assert_eq!(both.session(&idle.digest).await.unwrap(), None);
    assert!(both.session(&digest("used")).await.unwrap().is_some());
    both.sweep(BEGAN + month, 2 * hour).await.unwrap();
    assert!(both.token(&digest("over")).await.unwrap().is_some(), "its end is still news");
    assert_eq!(both.failures("user/ann").await.unwrap().count, 0);
    both.sweep(BEGAN + month + 10_000_000, 2 * hour).await.unwrap();
    assert_eq!(both.token(&digest("over")).await.unwrap(), None);
}
