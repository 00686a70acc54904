//! A TCP proxy that misbehaves on request: it cuts, stalls, swallows, delays and refuses.
//!
//! It stands between clients and a server and follows WebSocket frames only as far as is needed to lose a whole
//! one. Clients find the same address whatever becomes of the server behind it.
//!
//! Invariant: without a request nothing is changed, held back or reordered; no connection outlives the [`Proxy`].

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

mod flow;
mod frames;

pub use flow::{Cut, Way, Weather};

/// Time to reach the server behind.
const REACHED_WITHIN: Duration = Duration::from_secs(10);

/// How connections are received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Door {
    /// They are led to the server, if there is one.
    #[default]
    Open,
    /// They are reset at once.
    Refusing,
    /// They are taken, and nobody answers.
    Silent,
}

/// What holds for connections to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct House {
    server: Option<SocketAddr>,
    door: Door,
    weather: Weather,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Line {
    /// Where the client is.
    peer: SocketAddr,
    weather: watch::Sender<Weather>,
    /// Frames that were lost on purpose.
    lost: AtomicU64,
}

#[derive(Debug, Default)]
struct Shared {
    lines: Mutex<BTreeMap<u64, Arc<Line>>>,
    opened: AtomicU64,
    lost: AtomicU64,
}

impl Shared {
    fn lines(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Line>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See the module.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    house: watch::Sender<House>,
    shared: Arc<Shared>,
    /// Parent of the listener and through it of all connections.
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// A proxy on a free port of loopback, with no server behind it yet.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("open a port")?;
        let address = listener.local_addr().context("read the port")?;
        let house = watch::Sender::new(House::default());
        let shared = Arc::<Shared>::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, house.subscribe(), Arc::clone(&shared)));
        Ok(Self { address, house, shared, _tasks: tasks })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Leads new connections to this server from now on, or to none.
    pub fn point_at(&self, server: Option<SocketAddr>) {
        self.house.send_modify(|house| house.server = server);
    }

    /// The server behind, if there is one.
    pub fn server(&self) -> Option<SocketAddr> {
        self.house.borrow().server
    }

    /// How new connections are received from now on.
    pub fn door(&self, door: Door) {
        self.house.send_modify(|house| house.door = door);
    }

    /// Addresses of the clients that are connected, oldest first.
    pub fn peers(&self) -> Vec<SocketAddr> {
        self.shared.lines().values().map(|line| line.peer).collect()
    }

    /// Connections so far.
    pub fn opened(&self) -> u64 {
        self.shared.opened.load(Ordering::Relaxed)
    }

    /// Frames lost on purpose so far.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// Changes what happens on the connection of one client; false if it is gone.
    pub fn on(&self, peer: SocketAddr, change: impl FnOnce(&mut Weather)) -> bool {
        let line = self.shared.lines().values().find(|line| line.peer == peer).map(Arc::clone);
        line.is_some_and(|line| {
            line.weather.send_modify(change);
            true
        })
    }

    /// Changes what happens on all connections, and on those to come.
    pub fn on_all(&self, change: impl Fn(&mut Weather)) {
        self.house.send_modify(|house| change(&mut house.weather));
        let lines: Vec<_> = self.shared.lines().values().map(Arc::clone).collect();
        for line in lines {
            line.weather.send_modify(&change);
        }
    }

    /// Ends all connections; those to come are as before.
    pub fn cut_all(&self, cut: Cut) {
        let lines: Vec<_> = self.shared.lines().values().map(Arc::clone).collect();
        for line in lines {
            line.weather.send_modify(|weather| weather.cut = Some(cut));
        }
    }

    /// Frames lost on purpose on the connection of one client; none if it is gone.
    pub fn lost_on(&self, peer: SocketAddr) -> Option<u64> {
        let lines = self.shared.lines();
        let line = lines.values().find(|line| line.peer == peer)?;
        Some(line.lost.load(Ordering::Relaxed))
    }
}

async fn accept(listener: TcpListener, house: watch::Receiver<House>, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // Out of file descriptors: the client waits in the kernel until one is free.
                let Ok((stream, peer)) = accepted else {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                };
                let id = shared.opened.fetch_add(1, Ordering::Relaxed);
                let now = *house.borrow();
                connections.spawn(connection(id, stream, peer, now, Arc::clone(&shared)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(
    id: u64,
    client: TcpStream,
    peer: SocketAddr,
    house: House,
    shared: Arc<Shared>,
) {
    let weather = watch::Sender::new(house.weather);
    let seen = weather.subscribe();
    let line = Arc::new(Line { peer, weather, lost: AtomicU64::new(0) });
    shared.lines().insert(id, Arc::clone(&line));
    let leaving = Leaving { id, shared: &shared };
    match (house.door, house.server) {
        (Door::Refusing, _) | (Door::Open, None) => flow::reset(client),
        (Door::Silent, _) => flow::hold(client, seen).await,
        (Door::Open, Some(server)) => {
            let reached = tokio::time::timeout(REACHED_WITHIN, TcpStream::connect(server)).await;
            match reached {
                Ok(Ok(server)) => {
                    let noted = || {
                        line.lost.fetch_add(1, Ordering::Relaxed);
                        shared.lost.fetch_add(1, Ordering::Relaxed);
                    };
                    flow::carry(client, server, seen, &noted).await;
                }
                _ => flow::reset(client),
            }
        }
    }
    drop(leaving);
}

/// Takes a connection off the list, however its task ends.
struct Leaving<'a> {
    id: u64,
    shared: &'a Shared,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.shared.lines().remove(&self.id);
    }
}
