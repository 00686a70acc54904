//! Live links follow what becomes of whoever opened them, over every way in, whoever ordered it.

use std::{sync::Arc, time::Duration};

use domain::{
    access::{Rights, Role},
    audit::Act,
};
use engine::{clock::now_ms, store::directory::Order};
use reqwest::header::{AUTHORIZATION, COOKIE, HeaderMap};
use serde_json::{Value, json};
use server::{
    records,
    registrar::{Registrar, Terms},
};
use testkit::account::{self, PASSWORD, deed};
use tokio::time::{Instant, sleep_until};

use crate::{
    guard::is_nobody,
    house::{Answer, TestHouse, Yard, sign_in},
    socket::{Client, Wire},
    ways::Way,
};

const SWITCHES: &str = "objects/test/Switch";
/// By when a link has ended or narrowed after the order's return.
const PROMISED: Duration = Duration::from_secs(1);
/// Tries of which one has to keep the promise: a machine that stands still for a moment breaks none.
const TRIES: u32 = 4;

/// A house on a database file, and the directory's registrar as a second process has it.
async fn house() -> (TestHouse, Registrar) {
    let mut other = None;
    let house = TestHouse::on(Yard::vlab().await, |config| {
        let file = config.data_dir.join("hnp.db");
        config.database_url = Some(format!("sqlite://{}", file.display()));
        other = Some(config.clone());
    })
    .await;
    house.twelve_live().await;
    let kept = records::open(&other.unwrap()).await.unwrap();
    (house, Registrar::new(kept.directory, Arc::default(), Terms::default()))
}

/// What may become of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    TokenRevoked,
    TokenExpired,
    UserDisabled,
    SignedOut,
    SessionExpired,
    PasswordChanged,
}

impl Fate {
    const ALL: [Self; 6] = [
        Self::TokenRevoked,
        Self::TokenExpired,
        Self::UserDisabled,
        Self::SignedOut,
        Self::SessionExpired,
        Self::PasswordChanged,
    ];

    fn is_of_a_token(self) -> bool {
        matches!(self, Self::TokenRevoked | Self::TokenExpired | Self::UserDisabled)
    }

    /// The close code that tells it.
    fn code(self) -> u16 {
        match self {
            Self::TokenRevoked | Self::UserDisabled => 4507,
            Self::TokenExpired | Self::SessionExpired => 4401,
            Self::SignedOut | Self::PasswordChanged => 4503,
        }
    }
}

/// Somebody new, with a token or a session.
struct Guest {
    name: String,
    token: String,
    headers: HeaderMap,
}

impl Guest {
    async fn new(house: &TestHouse, session: bool, rights: Rights) -> Self {
        let directory = house.registrar.directory();
        let name = format!("guest-{:x}", rand::random::<u64>());
        account::user(&**directory, &name, rights.clone()).await.unwrap();
        let token = format!("hnp_of-{name}");
        account::token(&**directory, &token, &name, rights).await.unwrap();
        let headers = if session {
            sign_in(house.address, &name, PASSWORD).await
        } else {
            HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {token}").parse().unwrap())])
        };
        Self { name, token, headers }
    }

    fn key(&self) -> &str {
        self.headers[COOKIE].to_str().unwrap().split_once('=').unwrap().1
    }

    /// Lets it happen; returns when it did.
    async fn meets(&self, fate: Fate, by: &Registrar, house: Option<&TestHouse>) -> Instant {
        let user = || self.name.parse().unwrap();
        let soon = now_ms() + 700;
        let order = match fate {
            Fate::TokenRevoked => {
                let id = account::digest(&self.token).id().to_owned();
                Order::RevokeToken { id, owner: None }
            }
            Fate::UserDisabled => Order::SetEnabled { user: user(), enabled: false },
            Fate::PasswordChanged => {
                let password = account::KEPT.to_owned();
                Order::SetPassword { user: user(), password, keep: None }
            }
            Fate::SignedOut => match house {
                Some(house) => {
                    let http = account::http_as(self.headers.clone());
                    let out = Answer::of(http.delete(house.url("/api/v1/session"))).await;
                    assert_eq!(out.status, 204, "{}", out.body);
                    return Instant::now();
                }
                None => Order::EndSession(account::digest(self.key())),
            },
            Fate::SessionExpired => {
                let digest = account::digest(self.key());
                let (mut session, _) = by.directory().session(&digest).await.unwrap().unwrap();
                session.expires_ms = soon;
                assert!(by.directory().save_session(&session).await.unwrap());
                return at(soon).await;
            }
            Fate::TokenExpired => return at(now_ms()).await,
        };
        by.order(order, &deed(Act::Request, "test")).await.unwrap();
        Instant::now()
    }
}

/// Waits for a moment of the wall clock.
async fn at(ms: i64) -> Instant {
    let left = u64::try_from(ms - now_ms()).unwrap_or_default();
    let moment = Instant::now() + Duration::from_millis(left);
    sleep_until(moment).await;
    moment
}

/// A link that has heard of a change.
async fn under_way(way: Way, house: &TestHouse, headers: &HeaderMap, topics: Value) -> Client {
    let mut client = way.hello_as(house.address, topics, headers).await;
    client.synced(SWITCHES).await;
    house.yard.touch("leaf-01", &format!("{:x}", rand::random::<u64>()));
    client.until_that(|frame| frame["t"] == "ch" && frame["topic"] == SWITCHES).await;
    client
}

/// Changes something all the time, so that there is always something that could follow.
/// (Not between polls: each would be answered at once, and hardly one would be waiting.)
async fn busily<T>(way: Way, house: &TestHouse, work: impl Future<Output = T>) -> T {
    if way == Way::Poll {
        return work.await;
    }
    let changes = async {
        for n in 0_u64.. {
            house.yard.touch("leaf-02", &format!("busy {n}"));
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    };
    tokio::select! {
        done = work => done,
        () = changes => panic!("the changes ended"),
    }
}

/// Asserts that a link ends as promised; returns how long after the order that was.
async fn ends(
    way: Way,
    house: &TestHouse,
    fate: Fate,
    by: &Registrar,
    elsewhere: bool,
) -> Duration {
    let rights = Rights::everywhere(Role::Operator);
    let guest = Guest::new(house, !fate.is_of_a_token(), rights.clone()).await;
    let mut headers = guest.headers.clone();
    let mut expires = None;
    if fate == Fate::TokenExpired {
        let (secret, soon) = (format!("{}-short", guest.token), now_ms() + 3_000);
        let directory = by.directory();
        account::token_until(&**directory, &secret, &guest.name, rights, soon).await.unwrap();
        headers.insert(AUTHORIZATION, format!("Bearer {secret}").parse().unwrap());
        expires = Some(soon);
    }
    let mut client = under_way(way, house, &headers, json!([{"topic": SWITCHES}])).await;
    let took = busily(way, house, async {
        let met = async {
            match expires {
                Some(soon) => at(soon).await,
                None => guest.meets(fate, by, (!elsewhere).then_some(house)).await,
            }
        };
        // A poll is only told while somebody waits for its answer: read meanwhile.
        let bye = async {
            let bye = client.until("bye").await;
            (bye, Instant::now())
        };
        let (met, (bye, heard)) = tokio::join!(met, bye);
        // Between two polls there is no link to be told.
        let between = way == Way::Poll && bye["code"] == 401;
        assert!(between || bye["code"] == fate.code(), "{way:?} {fate:?}: {bye}");
        heard.saturating_duration_since(met)
    })
    .await;
    // Nothing follows.
    house.yard.touch("leaf-01", "after the end");
    if !matches!(client.wire, Wire::Polls(_)) {
        assert_eq!(client.rest().await, [Value::Null; 0], "{way:?} {fate:?}");
    }
    if way == Way::Socket {
        assert_eq!(client.closed, Some(fate.code()), "{fate:?}");
    }
    let poll = house.url(&format!("/api/v1/live/poll?topic={SWITCHES}&wait=0"));
    is_nobody(&Answer::of(account::http_as(headers).get(poll)).await);
    took
}

async fn all_end(way: Way) {
    let (house, second) = house().await;
    for fate in Fate::ALL {
        for (by, elsewhere) in [(&house.registrar, false), (&second, true)] {
            let mut best = Duration::MAX;
            for _ in 0..TRIES {
                best = best.min(ends(way, &house, fate, by, elsewhere).await);
                if best < PROMISED {
                    break;
                }
            }
            assert!(best < PROMISED, "{way:?} {fate:?} elsewhere: {elsewhere}: {best:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_ends_within_a_second_of_what_ends_its_owners_standing() {
    all_end(Way::Socket).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_events_ends_within_a_second_of_what_ends_its_owners_standing() {
    all_end(Way::Sse).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_ends_within_a_second_of_what_ends_its_owners_standing() {
    all_end(Way::Poll).await;
}

/// Asserts that a link narrows as promised; returns how long after the order that was.
async fn narrows(way: Way, house: &TestHouse, by: &Registrar) -> Duration {
    const LOST: &str = "objects/second/Switch";
    let guest = Guest::new(house, false, Rights::everywhere(Role::Admin)).await;
    let topics = json!([{"topic": LOST}, {"topic": SWITCHES}]);
    let mut client = under_way(way, house, &guest.headers, topics).await;
    if !client.at.contains_key(LOST) {
        client.synced(LOST).await;
    }
    let took = busily(way, house, async {
        let rights = Rights::on("test".parse().unwrap(), Role::Viewer);
        let user = guest.name.parse().unwrap();
        let order = Order::SetRights { user, rights, expected: None };
        let met = async {
            by.order(order, &deed(Act::Request, "test")).await.unwrap();
            Instant::now()
        };
        let lost = async {
            let lost = |frame: &Value| {
                // Between two polls there is no link to be told.
                let between = way == Way::Poll && frame["code"] == "unknown_topic";
                between || (frame["t"] == "revoke" && frame["reason"] == "rights")
            };
            let revoked = client.until_that(|frame| frame["topic"] == LOST && lost(frame)).await;
            (revoked, Instant::now())
        };
        let (met, (_, heard)) = tokio::join!(met, lost);
        heard.saturating_duration_since(met)
    })
    .await;
    // What is left goes on; of what was lost nothing follows, though it changed as well.
    for round in 0..3 {
        let text = format!("after the loss {round} {:x}", rand::random::<u64>());
        house.yard.touch("leaf-01", &text);
        loop {
            let frame = client.step().await;
            let said = frame.to_string();
            let no_more = !said.contains("second") || frame["code"] == "unknown_topic";
            assert!(no_more, "{way:?}: {frame}");
            if frame["t"] == "ch" && said.contains(&text) {
                break;
            }
        }
    }
    took
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_narrows_within_a_second_to_what_its_owner_may_still_see() {
    let (house, second) = house().await;
    house.join("second").await;
    for way in Way::ALL {
        for by in [&house.registrar, &second] {
            let mut best = Duration::MAX;
            for _ in 0..TRIES {
                best = best.min(narrows(way, &house, by).await);
                if best < PROMISED {
                    break;
                }
            }
            assert!(best < PROMISED, "{way:?}: {best:?}");
        }
    }
}
