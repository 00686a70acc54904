//! Taking connections: how many, from whom, with TLS or without, and how long a request's head may take.
//!
//! HTTP/1.1 only: the live link is a WebSocket, and a connection is one task whose end is its end.
//!
//! Invariant: who says nothing, says it slowly or never ends costs a bounded place for a bounded time; no
//! connection outlives the call that serves it (what became a WebSocket is its own handler's).

use std::{
    collections::BTreeMap,
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, response::Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::{proxy::Wire, tls::Certificate};
use crate::config::{Limits, Proxies};

/// Time for a TLS handshake, waiting for a place included.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes at the same time: each is some milliseconds of a core, and some kilobytes until it ends.
const HANDSHAKES: usize = 512;
/// Bytes that TLS holds back beyond what the kernel takes: what waits, waits where it can be folded.
const TLS_BUFFER: usize = 16 * 1024;
/// Largest head of a request, in bytes; beyond, 431. A session cookie is a hundred.
const HEAD_BYTES: usize = 32 * 1024;
/// Most header lines of a request; beyond, 431.
const HEAD_LINES: usize = 100;
/// Connections beyond the live links: pages, files, probes.
const BESIDE_LINKS: usize = 1_024;
/// Connections of one address beyond its live links.
const BESIDE_LINKS_HERE: usize = 64;
/// Pause when no connection can be taken (no file descriptors left).
const PAUSE: Duration = Duration::from_millis(100);
/// Time for answers under way once the house ends; whoever never finished asking is cut off then.
const LAST_ANSWERS: Duration = Duration::from_secs(3);
/// What somebody hears who speaks HTTP where TLS is spoken.
const THIS_IS_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 48\r\nconnection: close\r\n\r\nthis port speaks https; ask https:// instead of\n";

/// On which terms connections are taken.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The certificate; none: plain HTTP.
    pub tls: Option<Arc<Certificate>>,
    /// Bounds.
    pub limits: Limits,
    /// Who may have any number of connections, since they stand for others.
    pub proxies: Arc<Proxies>,
}

/// Serves until cancelled, and then what is under way.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    terms: Terms,
    cancel: CancellationToken,
) -> io::Result<()> {
    let host = Arc::new(Host {
        router,
        crowd: Arc::default(),
        tls: terms.tls.as_ref().map(|certificate| certificate.acceptor()),
        handshakes: Semaphore::new(HANDSHAKES),
        terms,
        cancel,
    });
    let mut connections = JoinSet::new();
    loop {
        // Both branches only receive.
        tokio::select! {
            () = host.cancel.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => host.admit(stream, peer, &mut connections),
                // The other end went before we looked.
                Err(error) if is_theirs(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "could not take a connection");
                    sleep(PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    let _ = timeout(LAST_ANSWERS, async { while connections.join_next().await.is_some() {} }).await;
    Ok(())
}

fn is_theirs(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

struct Host {
    router: Router,
    crowd: Arc<Crowd>,
    tls: Option<TlsAcceptor>,
    handshakes: Semaphore,
    terms: Terms,
    cancel: CancellationToken,
}

impl Host {
    fn admit(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, tasks: &mut JoinSet<()>) {
        // On `[::]` those who speak IPv4 come as `::ffff:192.0.2.1`.
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let many = peer.ip().is_loopback() || self.terms.proxies.trusts(peer.ip());
        let here =
            if many { usize::MAX } else { self.terms.limits.per_address + BESIDE_LINKS_HERE };
        let all = self.terms.limits.total + BESIDE_LINKS;
        let Some(place) = self.crowd.enter(peer.ip(), here, all) else {
            tracing::debug!(%peer, "too many connections");
            return;
        };
        let host = Arc::clone(self);
        tasks.spawn(async move {
            let _place = place;
            host.connection(stream, peer).await;
        });
    }

    async fn connection(&self, mut stream: TcpStream, peer: SocketAddr) {
        tune(&stream);
        let Some(tls) = &self.tls else {
            return self.speak(stream, Wire { peer, tls: false }).await;
        };
        let greeting = async {
            let _turn = self.handshakes.acquire().await;
            let mut first = [0_u8; 1];
            if stream.peek(&mut first).await? == 1 && first.iter().all(u8::is_ascii_uppercase) {
                // Closed over words that nobody read, the kernel would throw away ours as well.
                let mut unread = [0_u8; 4_096];
                let _ = stream.read(&mut unread).await?;
                stream.write_all(THIS_IS_TLS).await?;
                stream.shutdown().await?;
                return Err(io::Error::other("plain HTTP where TLS is spoken"));
            }
            tls.accept(stream).await
        };
        match timeout(HANDSHAKE, greeting).await {
            Ok(Ok(mut stream)) => {
                stream.get_mut().1.set_buffer_limit(Some(TLS_BUFFER));
                // In a box: held by value, each layer around it would keep room for it once more.
                Box::pin(self.speak(stream, Wire { peer, tls: true })).await;
            }
            Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS handshake"),
            Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
        }
    }

    async fn speak(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        wire: Wire,
    ) {
        let service = service_fn(|request: Request<Incoming>| self.answer(request, wire));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.terms.limits.head_time)
            .max_header_size(HEAD_BYTES)
            .max_headers(HEAD_LINES)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let served = tokio::select! {
            served = connection.as_mut() => served,
            () = self.cancel.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = served {
            tracing::trace!(peer = %wire.peer, %error, "a connection ended early");
        }
    }

    async fn answer(&self, request: Request<Incoming>, wire: Wire) -> Result<Response, Infallible> {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(wire);
        self.router.clone().oneshot(request).await
    }
}

/// Who is connected.
#[derive(Debug, Default)]
struct Crowd {
    /// A lock, held for a map operation: connections come and go in tasks.
    inside: Mutex<(BTreeMap<IpAddr, usize>, usize)>,
}

/// A place in the crowd; leaving gives it back.
#[derive(Debug)]
struct Place {
    crowd: Arc<Crowd>,
    address: IpAddr,
}

impl Crowd {
    fn enter(self: &Arc<Self>, address: IpAddr, here: usize, all: usize) -> Option<Place> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let (by_address, total) = &mut *inside;
        let count = by_address.get(&address).copied().unwrap_or_default();
        if *total >= all || count >= here {
            return None;
        }
        by_address.insert(address, count + 1);
        *total += 1;
        Some(Place { crowd: Arc::clone(self), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.crowd.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let (by_address, total) = &mut *inside;
        *total = total.saturating_sub(1);
        if let Some(count) = by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}

/// Send buffer of a socket, in bytes (the kernel doubles it): what waits, waits where it can be folded.
const SEND_BUFFER: usize = 64 * 1024;

/// Bytes that the kernel takes beyond what is on its way already: a socket counts as full from there on.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 16 * 1024;

/// Time after which a connection is cut whose other end confirms nothing, or takes nothing: nobody else
/// would notice an event stream or a page whose reader vanished without a word.
#[cfg(target_os = "linux")]
const UNCONFIRMED: Duration = Duration::from_secs(30);

/// Sockets send at once and keep little in the kernel. Without this they still work, only less evenly.
fn tune(stream: &TcpStream) {
    let socket = socket2::SockRef::from(stream);
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_send_buffer_size(SEND_BUFFER);
    #[cfg(target_os = "linux")]
    {
        let _ = socket.set_tcp_notsent_lowat(UNSENT);
        let _ = socket.set_tcp_user_timeout(Some(UNCONFIRMED));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_by_address_and_in_all_and_given_back() {
        let crowd = Arc::<Crowd>::default();
        let enter = |address: &str| crowd.enter(address.parse().unwrap(), 2, 3);
        let (first, second) = (enter("192.0.2.1"), enter("192.0.2.1"));
        assert!(first.is_some() && second.is_some());
        assert!(enter("192.0.2.1").is_none(), "two of one address");
        let third = enter("192.0.2.2");
        assert!(third.is_some() && enter("192.0.2.3").is_none(), "three in all");
        drop(first);
        assert!(enter("192.0.2.1").is_some(), "a place was given back");
        drop((second, third));
        let inside = crowd.inside.lock().unwrap();
        assert_eq!((inside.0.len(), inside.1), (0, 0), "nothing is kept of who left");
    }

    #[test]
    fn the_answer_to_plain_http_says_its_own_length() {
        let text = std::str::from_utf8(THIS_IS_TLS).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
    }
}
