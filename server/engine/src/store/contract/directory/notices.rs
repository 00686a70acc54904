//! Clauses about what people are told.

use std::sync::Arc;

use domain::access::Rights;

use super::{BEGAN, Both, name, new_user, ordered, two_users};
use crate::store::directory::{MOST_NOTICES, Order};

fn text(position: u64) -> String {
    format!(r#"{{"id":"{position}"}}"#)
}

/// Positions that are read after one.
async fn read(both: &dyn Both, user: &str, after: u64, limit: usize) -> Vec<u64> {
    let list = both.notices(&name(user), after, limit).await.unwrap();
    list.notices.into_iter().map(|notice| notice.position).collect()
}

pub(super) async fn a_person_is_told_in_order(both: Arc<dyn Both>) {
    two_users(&*both, Rights::default()).await;
    let empty = both.notices(&name("ann"), 0, 10).await.unwrap();
    assert_eq!((empty.head, empty.notices.len()), (0, 0));
    for n in 1..=5 {
        let notice = both.tell(&name("ann"), BEGAN + n, &text).await.unwrap();
        assert_eq!((notice.position, notice.at_ms), (n.unsigned_abs(), BEGAN + n));
        assert_eq!(notice.text, text(n.unsigned_abs()));
    }
    both.tell(&name("root"), BEGAN, &text).await.unwrap();
    assert_eq!(read(&*both, "ann", 0, 10).await, [1, 2, 3, 4, 5]);
    assert_eq!(read(&*both, "ann", 3, 10).await, [4, 5]);
    assert_eq!(read(&*both, "ann", 0, 2).await, [4, 5], "the newest of them");
    assert_eq!(read(&*both, "ann", u64::MAX, 2).await, [0; 0]);
    assert_eq!(read(&*both, "root", 0, 10).await, [1]);
    let list = both.notices(&name("ann"), 4, 10).await.unwrap();
    assert_eq!((list.head, &list.epoch), (5, &empty.epoch));
    assert_ne!(list.epoch, both.notices(&name("root"), 0, 1).await.unwrap().epoch);
    assert_eq!(list.notices[0].text, text(5));
    assert!(both.tell(&name("nobody"), BEGAN, &text).await.is_err());
}

pub(super) async fn old_notices_make_room(both: Arc<dyn Both>) {
    two_users(&*both, Rights::default()).await;
    let most = u64::try_from(MOST_NOTICES).unwrap();
    for _ in 0..most + 3 {
        both.tell(&name("ann"), BEGAN, &text).await.unwrap();
    }
    let left = read(&*both, "ann", 0, MOST_NOTICES * 2).await;
    assert_eq!(
        (left.len(), left.first(), left.last()),
        (MOST_NOTICES, Some(&4), Some(&(most + 3)))
    );
}

pub(super) async fn a_later_person_of_the_same_name_reads_nothing(both: Arc<dyn Both>) {
    two_users(&*both, Rights::default()).await;
    both.tell(&name("ann"), BEGAN, &text).await.unwrap();
    let before = both.notices(&name("ann"), 0, 10).await.unwrap();
    ordered(&*both, Order::DeleteUser(name("ann"))).await;
    let gone = both.notices(&name("ann"), 0, 10).await.unwrap();
    assert_eq!((gone.head, gone.notices.len()), (0, 0));
    ordered(&*both, Order::CreateUser(new_user("ann", Rights::default()))).await;
    let later = both.notices(&name("ann"), 0, 10).await.unwrap();
    assert_eq!((later.head, later.notices.len()), (0, 0));
    assert_ne!(later.epoch, before.epoch, "a cursor of the old list means nothing in the new one");
}
