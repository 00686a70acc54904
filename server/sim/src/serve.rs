//! Listening: plain or with TLS, refusing connections on request, and coming back on the same port.
//!
//! It speaks HTTP/1.1 only, so that a connection is one task and dropping the task ends the connection.
//!
//! Invariant: no connection outlives the call that serves it.

use std::{convert::Infallible, io, net::SocketAddr, time::Duration};

use axum::{Router, body::Body, http::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::{cluster::Cluster, fault::Conditions, tls::Tls};

/// How long a client may take for its handshake or its request head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long to wait when no connection can be taken (no file descriptors left), and when the port is not free yet.
const PAUSE: Duration = Duration::from_millis(50);

impl Cluster {
    /// Serves plain HTTP until cancelled.
    pub async fn serve(self, listener: TcpListener, cancel: CancellationToken) -> io::Result<()> {
        self.listen(listener, None, cancel).await
    }

    /// Serves HTTPS until cancelled.
    pub async fn serve_tls(
        self,
        listener: TcpListener,
        tls: Tls,
        cancel: CancellationToken,
    ) -> io::Result<()> {
        self.listen(listener, Some(tls), cancel).await
    }

    async fn listen(
        self,
        listener: TcpListener,
        tls: Option<Tls>,
        cancel: CancellationToken,
    ) -> io::Result<()> {
        let address = listener.local_addr()?;
        let router = self.router();
        let mut conditions = self.inner.conditions.subscribe();
        let mut listener = Some(listener);
        while !cancel.is_cancelled() {
            let open = match listener.take() {
                Some(open) => open,
                None => rebind(address).await?,
            };
            // Dropping this future closes the listener and every connection at once, as a killed server does.
            tokio::select! {
                () = cancel.cancelled() => break,
                () = until(&mut conditions, true) => {}
                () = accept(open, &router, tls.as_ref()) => {}
            }
            tokio::select! {
                () = cancel.cancelled() => break,
                () = until(&mut conditions, false) => {}
            }
        }
        Ok(())
    }
}

/// Waits until connections are refused, or no longer.
async fn until(conditions: &mut watch::Receiver<Conditions>, refused: bool) {
    // The sender lives in the cluster that serves, so this waits for a value and nothing else.
    drop(conditions.wait_for(|conditions| conditions.refuse == refused).await);
}

/// The same port again; somebody else may hold it for a moment.
async fn rebind(address: SocketAddr) -> io::Result<TcpListener> {
    /// Tries before giving up: five seconds.
    const TRIES: u32 = 100;
    for _ in 1..TRIES {
        if let Ok(listener) = TcpListener::bind(address).await {
            return Ok(listener);
        }
        tokio::time::sleep(PAUSE).await;
    }
    TcpListener::bind(address).await
}

async fn accept(listener: TcpListener, router: &Router, tls: Option<&Tls>) {
    let mut connections = JoinSet::new();
    loop {
        // Both branches only receive.
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(connection(stream, router.clone(), tls.cloned()))),
                Err(cause) => {
                    tracing::warn!(error = %cause, "could not take a connection");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, router: Router, tls: Option<Tls>) {
    if let Err(cause) = stream.set_nodelay(true) {
        tracing::debug!(error = %cause, "could not set nodelay");
    }
    let served = match tls {
        None => speak(stream, router).await,
        Some(tls) => {
            match tokio::time::timeout(HEAD_TIMEOUT, tls.acceptor().accept(stream)).await {
                Ok(Ok(stream)) => speak(stream, router).await,
                Ok(Err(cause)) => return tracing::debug!(error = %cause, "TLS handshake failed"),
                Err(_) => return tracing::debug!("TLS handshake took too long"),
            }
        }
    };
    if let Err(cause) = served {
        tracing::debug!(error = %cause, "connection ended");
    }
}

async fn speak<S>(stream: S, router: Router) -> Result<(), hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let router = router.clone();
        async move { Ok::<_, Infallible>(answer(router, request).await) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

async fn answer(router: Router, request: Request<Incoming>) -> axum::response::Response {
    match router.oneshot(request.map(Body::new)).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
