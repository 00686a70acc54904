//! Clients of the live link, light enough for thousands in one process: frames are searched, not parsed.
//!
//! Invariant: a client answers pings as the protocol wants, and counts what it was sent, no more.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use futures::{SinkExt as _, StreamExt as _};
use testkit::account;
use tokio::{net::TcpStream, task::JoinSet, time::sleep};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        Message, client::IntoClientRequest as _, http::HeaderValue, protocol::WebSocketConfig,
    },
};

/// What stands around the number of a change in its text.
pub(crate) const MARK: (&str, &str) = ("@#", "#@");
/// Connections that are opened at the same time.
const AT_ONCE: usize = 50;
/// How long a fleet may take to get under way.
const UNDER_WAY_WITHIN: Duration = Duration::from_mins(2);

/// What a fleet connects to.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// `host:port`.
    pub(crate) address: String,
    /// Path of the socket.
    pub(crate) path: &'static str,
    /// First message.
    pub(crate) hello: String,
    /// `synced` frames after which a client is under way.
    pub(crate) synced: usize,
}

impl Place {
    /// The console's live link with these topics.
    pub(crate) fn console(address: &str, topics: &[serde_json::Value]) -> Self {
        let hello =
            serde_json::json!({"t": "hello", "protocol": 1, "client": "bench/1", "topics": topics});
        Self {
            address: address.to_owned(),
            path: "/api/v1/live",
            hello: hello.to_string(),
            synced: topics.len(),
        }
    }

    /// The peer's socket.
    pub(crate) fn peer(address: &str) -> Self {
        Self { address: address.to_owned(), path: "/live", hello: "{}".to_owned(), synced: 0 }
    }
}

/// What one client has seen.
#[derive(Debug, Default)]
struct Seen {
    /// Number of a change, and when it came, microseconds since the fleet's zero.
    changes: Mutex<Vec<(usize, u64)>>,
}

#[derive(Debug)]
struct Shared {
    zero: Instant,
    under_way: AtomicUsize,
    failed: AtomicUsize,
    bytes: AtomicU64,
    frames: AtomicU64,
    /// Milliseconds from the upgrade's request to `welcome`.
    welcomes: Mutex<Vec<f64>>,
}

/// Many clients.
#[derive(Debug)]
pub(crate) struct Fleet {
    shared: Arc<Shared>,
    seen: Vec<Arc<Seen>>,
    /// Parent of the clients: they end with the fleet.
    clients: JoinSet<()>,
}

impl Fleet {
    /// Connects clients and waits until all are under way.
    pub(crate) async fn connect(place: &Place, n: usize, zero: Instant) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared {
            zero,
            under_way: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            bytes: AtomicU64::new(0),
            frames: AtomicU64::new(0),
            welcomes: Mutex::default(),
        });
        let gate = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
        let mut fleet = Self { shared, seen: Vec::new(), clients: JoinSet::new() };
        for _ in 0..n {
            let seen = Arc::new(Seen::default());
            fleet.seen.push(Arc::clone(&seen));
            let (place, shared, gate) =
                (place.clone(), Arc::clone(&fleet.shared), Arc::clone(&gate));
            fleet.clients.spawn(async move {
                if let Err(error) = client(&place, &shared, &seen, &gate).await
                    && shared.failed.fetch_add(1, Ordering::Relaxed) == 0
                {
                    crate::say(&format!("  a client ended: {error:#}"));
                }
            });
        }
        let begun = Instant::now();
        while fleet.shared.under_way.load(Ordering::Relaxed) < n {
            let failed = fleet.shared.failed.load(Ordering::Relaxed);
            if failed > 0 || begun.elapsed() > UNDER_WAY_WITHIN {
                bail!(
                    "of {n} clients {} got under way, {failed} failed",
                    fleet.shared.under_way.load(Ordering::Relaxed)
                );
            }
            sleep(Duration::from_millis(5)).await;
        }
        Ok(fleet)
    }

    /// Clients that were connected.
    pub(crate) fn len(&self) -> usize {
        self.seen.len()
    }

    /// Clients that ended.
    pub(crate) fn failed(&self) -> usize {
        self.shared.failed.load(Ordering::Relaxed)
    }

    /// Bytes of all texts so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed)
    }

    /// Frames so far.
    pub(crate) fn frames(&self) -> u64 {
        self.shared.frames.load(Ordering::Relaxed)
    }

    /// Milliseconds from upgrade to `welcome` of each client.
    pub(crate) fn welcomes(&self) -> Vec<f64> {
        lock(&self.shared.welcomes).clone()
    }

    /// How many of all changes up to a number were seen, by all clients together.
    pub(crate) fn n_seen(&self) -> usize {
        self.seen.iter().map(|seen| lock(&seen.changes).len()).sum()
    }

    /// Takes what each client has seen since the last time: numbers with microseconds.
    pub(crate) fn take(&self) -> Vec<Vec<(usize, u64)>> {
        self.seen.iter().map(|seen| std::mem::take(&mut *lock(&seen.changes))).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Microseconds since a moment.
pub(crate) fn us_since(zero: Instant) -> u64 {
    u64::try_from(zero.elapsed().as_micros()).unwrap_or(u64::MAX)
}

type Socket = WebSocketStream<TcpStream>;

/// Opens a socket and says hello; nothing was read yet.
pub(crate) async fn open(place: &Place) -> anyhow::Result<(Socket, Instant)> {
    let stream = TcpStream::connect(&place.address).await.context("connect")?;
    stream.set_nodelay(true).context("nodelay")?;
    let mut request = format!("ws://{}{}", place.address, place.path).into_client_request()?;
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("hnp.live.v1"));
    request.headers_mut().insert("authorization", HeaderValue::from_static(account::BEARER));
    if place.path == "/live" {
        request.headers_mut().remove("sec-websocket-protocol");
    }
    let config = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(0);
    let asked = Instant::now();
    let (mut socket, _) =
        client_async_with_config(request, stream, Some(config)).await.context("upgrade")?;
    socket.send(Message::text(place.hello.clone())).await.context("hello")?;
    Ok((socket, asked))
}

async fn client(
    place: &Place,
    shared: &Shared,
    seen: &Seen,
    gate: &tokio::sync::Semaphore,
) -> anyhow::Result<()> {
    let permit = gate.acquire().await?;
    let (mut socket, asked) = open(place).await?;
    let mut permit = Some(permit);
    let mut synced = 0;
    while let Some(message) = socket.next().await {
        let Message::Text(text) = message.context("read")? else { continue };
        let now = us_since(shared.zero);
        shared.bytes.fetch_add(text.len() as u64, Ordering::Relaxed);
        shared.frames.fetch_add(1, Ordering::Relaxed);
        match kind(&text) {
            "welcome" => lock(&shared.welcomes).push(asked.elapsed().as_secs_f64() * 1e3),
            "synced" => synced += 1,
            "ping" => socket.send(Message::text(pong(&text))).await.context("pong")?,
            "bye" => bail!("{text}"),
            "ch" => note(&text, now, seen),
            _ => {}
        }
        if permit.is_some() && synced >= place.synced && kind(&text) != "snapshot" {
            permit = None;
            shared.under_way.fetch_add(1, Ordering::Relaxed);
        }
    }
    bail!("the server closed")
}

/// The kind of a frame: what stands in `t`, which comes first.
pub(crate) fn kind(text: &str) -> &str {
    text.strip_prefix(r#"{"t":""#).and_then(|rest| rest.split('"').next()).unwrap_or_default()
}

fn pong(text: &str) -> String {
    let ts = serde_json::from_str::<serde_json::Value>(text)
        .ok()
        .and_then(|ping| ping.get("ts").and_then(serde_json::Value::as_u64))
        .unwrap_or_default();
    format!(r#"{{"t":"pong","ts":{ts}}}"#)
}

fn note(text: &str, now: u64, seen: &Seen) {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(MARK.0) {
        let Some((number, after)) = after.split_once(MARK.1) else { return };
        if let Ok(number) = number.parse() {
            lock(&seen.changes).push((number, now));
        }
        rest = after;
    }
}

/// Follows one topic until it is synced, and leaves.
pub(crate) async fn visit(place: &Place) -> anyhow::Result<Visit> {
    let (mut socket, asked) = open(place).await?;
    let mut visit = Visit { at: None, ms: 0.0, bytes: 0, recovered: String::new() };
    loop {
        let message = socket.next().await.context("the server closed")?;
        let Message::Text(text) = message.context("read")? else { continue };
        if kind(&text) != "welcome" {
            visit.bytes += text.len();
        }
        if kind(&text) == "synced" {
            let frame: serde_json::Value = serde_json::from_str(&text)?;
            visit.at = frame.get("at").cloned();
            let word = frame.get("recovered").and_then(serde_json::Value::as_str);
            word.unwrap_or_default().clone_into(&mut visit.recovered);
            visit.ms = asked.elapsed().as_secs_f64() * 1e3;
            return Ok(visit);
        }
    }
}

/// What a visit of one topic gave.
#[derive(Debug)]
pub(crate) struct Visit {
    /// The cursor.
    pub(crate) at: Option<serde_json::Value>,
    /// From the upgrade's request to `synced`, in milliseconds.
    pub(crate) ms: f64,
    /// Bytes after `welcome`.
    pub(crate) bytes: usize,
    /// How the server caught up.
    pub(crate) recovered: String,
}
