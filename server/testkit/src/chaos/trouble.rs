//! Faults of the clients' connections.
//!
//! Invariant: what lasts ends by itself within seconds, except where the point is that somebody must notice.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rand::Rng;
use tokio::{task::JoinSet, time::sleep};

use super::{ground::Ground, storm::Fate};
use crate::proxy::{Cut, Door, Way, Weather};

/// Faults of connections, until dropped.
pub(super) async fn of_connections(mut fate: Fate) {
    // What lasts ends in a task of its own; they end with this one.
    let mut lasting = JoinSet::new();
    loop {
        fate.pause().await;
        while lasting.try_join_next().is_some() {}
        let peace = Arc::clone(&fate.peace);
        let injecting = peace.lock().await;
        let peers = fate.ground.proxy.peers();
        if let Some(peer) = peers.get(fate.rng.random_range(0..peers.len().max(1))).copied() {
            if fate.rng.random_range(0..100) < 75 {
                ending(&mut fate, peer);
            } else {
                for_a_while(&mut fate, peer, &mut lasting);
            }
        }
        drop(injecting);
    }
}

/// A fault that ends connections, now or once somebody notices.
fn ending(fate: &mut Fate, peer: SocketAddr) {
    let proxy = &fate.ground.proxy;
    match fate.rng.random_range(0..75) {
        0..30 => {
            proxy.on(peer, |weather| weather.cut = Some(Cut::Reset));
            fate.counts.add("connection reset");
        }
        30..45 => {
            proxy.on(peer, |weather| weather.cut = Some(Cut::Close));
            fate.counts.add("connection closed");
        }
        45..60 => {
            let bytes = fate.rng.random_range(1..20_000);
            proxy.on(peer, |weather| weather.cut_after = Some((bytes, Cut::Reset)));
            fate.counts.add("connection reset within a frame");
        }
        60..72 => {
            let down = fate.rng.random_bool(0.7);
            proxy.on(peer, |weather| set(weather, down, Way::Swallowed));
            fate.counts.add("connection half dead, until noticed");
        }
        _ => {
            proxy.cut_all(Cut::Reset);
            fate.counts.add("all connections reset");
        }
    }
}

/// A fault that ends by itself.
fn for_a_while(fate: &mut Fate, peer: SocketAddr, lasting: &mut JoinSet<()>) {
    let lasts = Duration::from_millis(fate.rng.random_range(50..3_000));
    let proxy = &fate.ground.proxy;
    let down = fate.rng.random_bool(0.7);
    match fate.rng.random_range(0..28) {
        25.. => {
            let lasts = lasts * 4;
            proxy.on_all(|weather| weather.no_upgrades = true);
            proxy.cut_all(Cut::Reset);
            fate.counts.add("all cut, no WebSocket for up to 12 s");
            lasting.spawn(later(Arc::clone(&fate.ground), lasts, |ground| {
                ground.proxy.on_all(|weather| weather.no_upgrades = false);
            }));
        }
        0..12 => {
            proxy.on(peer, |weather| set(weather, down, Way::Stalled));
            fate.counts.add("connection stalled, up to 3 s");
            lasting.spawn(later(Arc::clone(&fate.ground), lasts, move |ground| {
                ground.proxy.on(peer, |weather| relieve(weather, down));
            }));
        }
        12..21 => {
            let delay = Duration::from_millis(fate.rng.random_range(1..150));
            proxy.on(peer, |weather| weather.delay = delay);
            fate.counts.add("connection slow, up to 150 ms a piece");
            lasting.spawn(later(Arc::clone(&fate.ground), lasts, move |ground| {
                ground.proxy.on(peer, |weather| weather.delay = Duration::ZERO);
            }));
        }
        _ => {
            proxy.door(if down { Door::Refusing } else { Door::Silent });
            fate.counts.add("new connections refused or ignored, up to 3 s");
            lasting.spawn(later(Arc::clone(&fate.ground), lasts, |ground| {
                ground.proxy.door(Door::Open);
            }));
        }
    }
}

async fn later(ground: Arc<Ground>, lasts: Duration, end: impl FnOnce(&Ground)) {
    sleep(lasts).await;
    end(&ground);
}

fn way(weather: &mut Weather, down: bool) -> &mut Way {
    if down { &mut weather.down } else { &mut weather.up }
}

fn set(weather: &mut Weather, down: bool, now: Way) {
    // Where bytes were lost nothing may pass again.
    let way = way(weather, down);
    if *way != Way::Swallowed {
        *way = now;
    }
}

fn relieve(weather: &mut Weather, down: bool) {
    let way = way(weather, down);
    if *way == Way::Stalled {
        *way = Way::Open;
    }
}
