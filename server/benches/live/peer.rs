//! The peer: what the same fan-out costs with axum and a broadcast channel, and nothing else.
//!
//! One POST gives one text to every socket. No topics, no cursors, no folding, no resume.

use std::sync::Arc;

use anyhow::Context as _;
use axum::{
    Router,
    body::Bytes,
    extract::{
        State, WebSocketUpgrade,
        ws::{Message, Utf8Bytes, WebSocket},
    },
    response::Response,
    routing::{get, post},
    serve::ListenerExt as _,
};
use tokio::{net::TcpListener, sync::broadcast};

/// Texts that wait for the slowest reader; beyond, the channel drops.
const WAITING: usize = 1_024;

type Send = Arc<broadcast::Sender<Utf8Bytes>>;

/// Serves until it is killed; says its address first.
#[expect(clippy::print_stdout, reason = "the address is for the process that started this one")]
pub(crate) async fn serve() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("could not listen")?;
    println!("http://{}", listener.local_addr().context("no address")?);
    let send: Send = Arc::new(broadcast::channel(WAITING).0);
    let router = Router::new()
        .route("/live", get(upgrade))
        .route("/publish", post(publish))
        .with_state(send);
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router).await.context("the listener failed")
}

async fn publish(State(send): State<Send>, body: Bytes) -> &'static str {
    if let Ok(text) = Utf8Bytes::try_from(body) {
        let _ = send.send(text);
    }
    "ok"
}

async fn upgrade(State(send): State<Send>, upgrade: WebSocketUpgrade) -> Response {
    let mut texts = send.subscribe();
    upgrade.read_buffer_size(4096).write_buffer_size(0).on_upgrade(
        move |mut socket: WebSocket| async move {
            // As the protocol does: the client speaks first.
            if socket.recv().await.is_none() {
                return;
            }
            if socket
                .send(Message::Text(Utf8Bytes::from_static(r#"{"t":"welcome"}"#)))
                .await
                .is_err()
            {
                return;
            }
            loop {
                tokio::select! {
                    text = texts.recv() => match text {
                        Ok(text) => if socket.send(Message::Text(text)).await.is_err() { return },
                        Err(broadcast::error::RecvError::Lagged(_)) => {}
                        Err(broadcast::error::RecvError::Closed) => return,
                    },
                    heard = socket.recv() => if !matches!(heard, Some(Ok(_))) { return },
                }
            }
        },
    )
}
