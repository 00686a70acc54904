//! What every directory does, as functions over `dyn Directory`.
//!
//! Invariant: nothing here knows an implementation; times are made up, so nothing depends on a clock.

mod chain;
mod fabrics;
mod notices;
mod sessions;
mod tokens;
mod users;

use std::{pin::Pin, sync::Arc};

use domain::{
    access::{Means, Rights, Role},
    account::UserName,
    audit::{Act, Deed, Doer},
};

use super::{BEGAN, fabric};
use crate::store::{
    Store,
    directory::{Digest, Directory, Done, NewUser, Order, OrderError, Session, Token},
};

/// An implementation of both seams over the same database.
pub(crate) trait Both: Store + Directory {}
impl<T: Store + Directory> Both for T {}

/// A clause of the contract, to be run with an empty directory.
pub(crate) type Clause = fn(Arc<dyn Both>) -> Pin<Box<dyn Future<Output = ()> + Send>>;

macro_rules! clauses {
    ($($room:ident: $($name:ident),+;)+) => {
        /// All clauses, by name.
        pub(crate) const CLAUSES: &[(&str, Clause)] =
            &[$($((stringify!($name), |both| Box::pin($room::$name(both)))),+),+];
    };
}

clauses! {
    users: the_first_user_is_made_once_through_the_newest_link, a_user_is_made_read_and_removed,
        a_user_is_changed_in_any_way_only_as_they_were_read, rights_are_replaced_whole_and_only_as_they_were_read, somebody_who_can_manage_users_stays,
        a_name_and_an_identity_belong_to_one;
    sessions: a_session_lives_until_it_is_ended, an_ended_session_never_comes_back,
        a_new_password_ends_the_other_sessions, who_may_not_sign_in_has_no_session,
        the_session_unused_for_longest_makes_room, what_is_over_is_swept_and_nothing_else;
    tokens: a_token_is_found_used_and_revoked, a_token_is_revoked_by_its_owner_only,
        there_are_no_more_valid_tokens_than_may_be, failures_count_until_they_are_forgotten;
    fabrics: a_fabric_is_registered_changed_and_removed, a_change_of_a_fabric_leaves_the_rest_of_it,
        nothing_is_left_to_a_later_fabric_of_the_same_name,
        a_lost_update_of_a_fabric_is_refused,
        credentials_are_resealed_only_where_they_are_still_those, what_would_be_lost_is_told;
    chain: each_order_leaves_its_deed_and_a_refused_one_leaves_nothing,
        the_log_is_searched_newest_first, orders_that_race_leave_one_chain,
        whatever_others_must_notice_moves_the_generation;
    notices: a_person_is_told_in_order, old_notices_make_room, a_later_person_of_the_same_name_reads_nothing;
}

pub(crate) fn name(text: &str) -> UserName {
    text.parse().unwrap()
}

pub(crate) fn digest(text: &str) -> Digest {
    use sha2::Digest as _;
    Digest(domain::hex::hex(&sha2::Sha256::digest(text)))
}

pub(crate) fn deed(act: Act, on: &str) -> Deed {
    let who = Doer {
        user: Some("root".to_owned()),
        means: Means::Session,
        credential: None,
        from: Some("192.0.2.1".to_owned()),
    };
    Deed::done(who, act, on)
}

pub(crate) fn new_user(user: &str, rights: Rights) -> NewUser {
    let password = Some(format!("$argon2id$of-{user}"));
    NewUser { name: name(user), password, oidc: None, rights }
}

pub(crate) fn session(key: &str, user: &str, created_ms: i64) -> Session {
    Session {
        digest: digest(key),
        user: name(user),
        created_ms,
        seen_ms: created_ms,
        expires_ms: created_ms + 10_000_000,
        from: Some("192.0.2.1".to_owned()),
        agent: Some("a browser".to_owned()),
        data: "{}".to_owned(),
    }
}

pub(crate) fn token(key: &str, user: &str, created_ms: i64) -> Token {
    Token {
        digest: digest(key),
        user: name(user),
        label: "grafana".parse().unwrap(),
        scope: Rights::everywhere(Role::Viewer),
        created_ms,
        expires_ms: created_ms + 10_000_000,
        used_ms: None,
        revoked_ms: None,
    }
}

/// An order at a time, with some deed.
pub(crate) async fn order_at(
    both: &dyn Both,
    order: Order,
    now_ms: i64,
) -> Result<Done, OrderError> {
    both.order(order, &deed(Act::Request, "something"), now_ms).await
}

/// An order that must be carried out.
pub(crate) async fn ordered(both: &dyn Both, order: Order) -> Done {
    order_at(both, order, BEGAN).await.unwrap()
}

/// Users `root` (admin everywhere) and `ann` (with these rights).
async fn two_users(both: &dyn Both, rights: Rights) {
    let root = new_user("root", Rights::everywhere(Role::Admin));
    ordered(both, Order::CreateUser(root)).await;
    ordered(both, Order::CreateUser(new_user("ann", rights))).await;
}

fn missing(done: &Result<Done, OrderError>, of: &str) -> bool {
    matches!(done, Err(OrderError::Missing { what }) if what == of)
}
