//! Who is inside: live links are counted per address, per user and in all, whatever carries them, and are asked to
//! come back one after the other when the server ends.
//!
//! Invariant: a place that was given is given back, however its owner ends; nobody waits at the door.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use domain::account::UserName;
use engine::{hub::Hub, metrics::Transport};

use super::{
    Front,
    bucket::Bucket,
    probes::{Refusal, problem},
};
use crate::{config::Limits, registrar::caller::Caller};

/// Reconnects per second that a server of two cores takes without anybody waiting: a connection with its
/// first topics costs it a few milliseconds.
const RECONNECTS_PER_SECOND: u64 = 200;
/// On shutdown clients are spread over this time at least, in milliseconds.
const SHORTEST_SPREAD_MS: u64 = 1_000;
/// On shutdown clients are spread over this time at most, in milliseconds.
const LONGEST_SPREAD_MS: u64 = 20_000;
/// On shutdown nobody of many is asked to come back before this time, in milliseconds: who comes before the next
/// process serves must try again, and all those tries together are the wave that spreading should prevent.
const AWAY_MS: u64 = 1_000;
/// A guest adds so much to that, since a few make no wave and should not wait, in milliseconds.
const AWAY_PER_GUEST_MS: u64 = 10;
/// Seconds after which somebody who was turned away may ask again.
const RETRY_AFTER: &str = "5";
/// Addresses whose requests are counted at the same time; beyond, those that are calm are forgotten.
const MOST_BUCKETS: usize = 1_024;

/// See the module.
#[derive(Debug, Default)]
pub struct Doorman {
    /// A lock, held for a map operation: connections come and go in handlers.
    inside: Mutex<Inside>,
    /// Made once, by the first who is sent home.
    farewell: OnceLock<Farewell>,
}

#[derive(Debug, Default)]
struct Inside {
    by_address: BTreeMap<IpAddr, usize>,
    by_user: BTreeMap<UserName, usize>,
    all: usize,
    buckets: BTreeMap<IpAddr, Bucket>,
}

/// When each of those who are inside is to come back.
#[derive(Debug)]
struct Farewell {
    away_ms: u64,
    spread_ms: u64,
    guests: u64,
    next: AtomicU64,
}

/// A place inside; leaving gives it back.
#[derive(Debug)]
pub struct Seat {
    doorman: Arc<Doorman>,
    hub: Arc<Hub>,
    address: IpAddr,
    user: Option<UserName>,
    transport: Transport,
}

/// Somebody at the door.
#[derive(Debug, Clone, Copy)]
pub struct Guest<'a> {
    /// Where they come from.
    pub address: IpAddr,
    /// Who they are.
    pub user: Option<&'a UserName>,
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPlace {
    /// The house is full, or too many come from their address.
    House,
    /// They have too many links open themselves.
    Yours,
}

impl Doorman {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a connection in, unless there are too many. Loopback is not counted per address.
    pub fn enter(
        self: &Arc<Self>,
        hub: &Arc<Hub>,
        guest: Guest<'_>,
        transport: Transport,
        limits: &Limits,
    ) -> Result<Seat, NoPlace> {
        let Guest { address, user } = guest;
        let mut inside = self.inside();
        if inside.is_full(address, limits) {
            return Err(NoPlace::House);
        }
        let theirs = user.and_then(|user| inside.by_user.get(user)).copied().unwrap_or_default();
        if theirs >= limits.per_user {
            return Err(NoPlace::Yours);
        }
        *inside.by_address.entry(address).or_default() += 1;
        if let Some(user) = user {
            *inside.by_user.entry(user.clone()).or_default() += 1;
        }
        inside.all += 1;
        drop(inside);
        hub.metrics.came(transport);
        let (doorman, hub) = (Arc::clone(self), Arc::clone(hub));
        Ok(Seat { doorman, hub, address, user: user.cloned(), transport })
    }

    /// Whether a connection from there would be turned away.
    pub fn is_full(&self, address: IpAddr, limits: &Limits) -> bool {
        self.inside().is_full(address, limits)
    }

    /// Whether one more request from there is no flood: over HTTP each request is a message. Loopback is
    /// not counted, as with connections: a tunnel or a proxy may stand for many.
    pub fn hears(&self, address: IpAddr, rate: u32) -> bool {
        if address.is_loopback() {
            return true;
        }
        let mut inside = self.inside();
        if inside.buckets.len() >= MOST_BUCKETS {
            inside.buckets.retain(|_, bucket| !bucket.is_full());
        }
        inside.buckets.entry(address).or_insert_with(|| Bucket::new(rate)).take()
    }

    /// In how many milliseconds the next one who is sent home is to come back.
    pub fn farewell(&self) -> u64 {
        let farewell = self.farewell.get_or_init(|| Farewell::of(self.inside().all as u64));
        farewell.next_ms(rand::random())
    }
}

impl Inside {
    fn is_full(&self, address: IpAddr, limits: &Limits) -> bool {
        let here = self.by_address.get(&address).copied().unwrap_or_default();
        self.all >= limits.total || (here >= limits.per_address && !address.is_loopback())
    }
}

/// Counts one less.
fn leave<K: Ord>(counts: &mut BTreeMap<K, usize>, who: &K) {
    if let Some(count) = counts.get_mut(who) {
        *count -= 1;
        if *count == 0 {
            counts.remove(who);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut inside = self.doorman.inside();
        inside.all = inside.all.saturating_sub(1);
        leave(&mut inside.by_address, &self.address);
        if let Some(user) = &self.user {
            leave(&mut inside.by_user, user);
        }
        drop(inside);
        self.hub.metrics.went(self.transport);
    }
}

impl Farewell {
    /// For so many guests.
    fn of(guests: u64) -> Self {
        let spread_ms =
            (guests * 1_000 / RECONNECTS_PER_SECOND).clamp(SHORTEST_SPREAD_MS, LONGEST_SPREAD_MS);
        let away_ms = (guests * AWAY_PER_GUEST_MS).min(AWAY_MS);
        Self { away_ms, spread_ms, guests: guests.max(1), next: AtomicU64::new(0) }
    }

    /// Each gets a slot of its own, and some moment in it, so that there is no wave by chance either.
    fn next_ms(&self, dice: u64) -> u64 {
        let slot = self.next.fetch_add(1, Ordering::Relaxed) % self.guests;
        let (begin, end) =
            (slot * self.spread_ms / self.guests, (slot + 1) * self.spread_ms / self.guests);
        self.away_ms + begin + dice % (end - begin).max(1)
    }
}

/// Lets somebody in, or says why not.
pub fn admit(
    front: &Front,
    peer: IpAddr,
    caller: &Caller,
    transport: Transport,
) -> Result<Seat, Refusal> {
    let Front { hub, doorman, limits, .. } = front;
    if front.cancel.is_cancelled() {
        return Err(closing().into());
    }
    if transport != Transport::WebSocket && !doorman.hears(peer, limits.rate) {
        return Err(too_often().into());
    }
    let guest = Guest { address: peer, user: caller.user.as_ref() };
    doorman.enter(hub, guest, transport, limits).map_err(|no_place| match no_place {
        NoPlace::House => full().into(),
        NoPlace::Yours => yours().into(),
    })
}

/// What somebody is told who has too many links open.
fn yours() -> Response {
    turned_away(
        StatusCode::SERVICE_UNAVAILABLE,
        "too_many_connections",
        "you have too many live links open; close some tabs, or raise `limits.per_user`",
    )
}

/// What somebody is told for whom there is no place.
pub fn full() -> Response {
    turned_away(
        StatusCode::SERVICE_UNAVAILABLE,
        "too_many_connections",
        "too many live links are open; close some tabs or raise `limits.total`",
    )
}

/// What somebody is told who asks too often.
pub fn too_often() -> Response {
    turned_away(
        StatusCode::TOO_MANY_REQUESTS,
        "rate_limited",
        "too many requests from this address; wait as `Retry-After` says, or raise `limits.rate`",
    )
}

/// What somebody is told who comes while the server ends.
pub fn closing() -> Response {
    turned_away(
        StatusCode::SERVICE_UNAVAILABLE,
        "shutting_down",
        "the server is restarting; come back as `Retry-After` says",
    )
}

fn turned_away(status: StatusCode, code: &'static str, detail: &str) -> Response {
    let mut response = problem(status, code, detail);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Flags};

    const FAR: &str = "192.0.2.1";

    fn limits(per_address: usize, total: usize) -> Limits {
        Limits { per_address, total, ..config::load(&Flags::default(), |_| None).unwrap().0.limits }
    }

    fn enter(doorman: &Arc<Doorman>, address: &str, limits: &Limits) -> Option<Seat> {
        let hub = Arc::new(Hub::new());
        let guest = Guest { address: address.parse().unwrap(), user: None };
        doorman.enter(&hub, guest, Transport::Sse, limits).ok()
    }

    #[test]
    fn nobody_has_more_links_than_their_share_and_others_still_get_in() {
        let (doorman, hub) = (Arc::new(Doorman::default()), Arc::new(Hub::new()));
        let [ann, bob]: [UserName; 2] = ["ann", "bob"].map(|name| name.parse().unwrap());
        let limits = Limits { per_user: 2, ..limits(100, 100) };
        let enter = |user| {
            let guest = Guest { address: FAR.parse().unwrap(), user: Some(user) };
            doorman.enter(&hub, guest, Transport::Sse, &limits)
        };
        let seats = [enter(&ann).unwrap(), enter(&ann).unwrap()];
        assert_eq!(enter(&ann).unwrap_err(), NoPlace::Yours);
        assert!(enter(&bob).is_ok());
        drop(seats);
        assert!(enter(&ann).is_ok());
    }

    #[test]
    fn the_house_fills_up_and_empties() {
        let doorman = Arc::new(Doorman::default());
        let seats: Vec<_> = (0..2).map(|_| enter(&doorman, FAR, &limits(2, 4)).unwrap()).collect();
        assert!(enter(&doorman, FAR, &limits(2, 4)).is_none(), "per address");
        let near = "127.0.0.1";
        let near_seats: Vec<_> =
            (0..2).map(|_| enter(&doorman, near, &limits(1, 4)).unwrap()).collect();
        assert!(enter(&doorman, near, &limits(1, 4)).is_none(), "in all");
        assert!(doorman.is_full(near.parse().unwrap(), &limits(1, 4)));
        drop(seats);
        drop(near_seats);
        assert!(enter(&doorman, FAR, &limits(2, 4)).is_some());
    }

    #[test]
    fn a_flood_of_requests_from_afar_is_turned_away_and_loopback_is_not_counted() {
        let doorman = Doorman::default();
        let heard = |address: &str| {
            let address: IpAddr = address.parse().unwrap();
            (0..100).filter(|_| doorman.hears(address, 20)).count()
        };
        assert_eq!((heard(FAR), heard("192.0.2.2"), heard("::1")), (40, 40, 100));
    }

    #[test]
    fn reconnects_are_spread_by_how_many_there_are() {
        for (guests, spread) in [
            (0, 1_000),
            (1, 1_000),
            (200, 1_000),
            (2_000, 10_000),
            (4_000, 20_000),
            (10_000, 20_000),
        ] {
            assert_eq!(Farewell::of(guests).spread_ms, spread, "{guests}");
        }
    }

    #[test]
    fn many_are_asked_to_come_once_somebody_serves_again_and_a_few_at_once() {
        for (guests, away) in [(0, 0), (1, 10), (50, 500), (100, 1_000), (10_000, 1_000)] {
            assert_eq!(Farewell::of(guests).next_ms(0), away, "{guests}");
        }
    }

    #[test]
    fn no_second_takes_more_reconnects_than_its_share() {
        for guests in [1_u64, 7, 500, 2_000, 10_000] {
            let farewell = Farewell::of(guests);
            let mut by_second: BTreeMap<u64, u64> = BTreeMap::new();
            for guest in 0..guests {
                let ms = farewell.next_ms(guest.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                assert!(ms >= farewell.away_ms && ms < farewell.away_ms + farewell.spread_ms);
                *by_second.entry((ms - farewell.away_ms) / 1_000).or_default() += 1;
            }
            let share = (guests * 1_000).div_ceil(farewell.spread_ms);
            let most = by_second.values().max().copied().unwrap();
            assert!(most <= share + 1, "{most} of {guests} in one second: {by_second:?}");
        }
    }

    #[test]
    fn the_spread_is_that_of_those_who_were_inside_when_it_began() {
        let doorman = Arc::new(Doorman::default());
        let limits = limits(10_000, 10_000);
        let seats: Vec<_> = (0..400).map(|_| enter(&doorman, FAR, &limits).unwrap()).collect();
        let times: Vec<u64> = seats
            .into_iter()
            .map(|seat| {
                let ms = doorman.farewell();
                drop(seat);
                ms
            })
            .collect();
        let (first, last) = (times[..200].iter().max(), times[200..].iter().min());
        assert!(first < last, "those who leave do not shorten the time of those who stay");
        assert!((2_900..3_000).contains(times.last().unwrap()), "{times:?}");
    }
}
