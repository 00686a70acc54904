//! One line to the server, of whatever kind. Dropping it closes it without waiting.
//!
//! Invariant: connecting never holds anybody up, it is a state of the line; nothing is read ahead of what is taken.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use domain::wire::{ClientFrame, SUBPROTOCOL, ServerFrame, link::How};
use futures::{
    FutureExt, SinkExt, StreamExt,
    future::BoxFuture,
    stream::{BoxStream, TryStreamExt},
};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, client::IntoClientRequest, protocol::WebSocketConfig},
};

/// Where the link is served.
const PATH: &str = "/api/v1/live";
/// Close code of a connection that ended without one (RFC 6455, 7.1.5).
const NO_CODE: u16 = 1006;
/// What a client says is small; if the kernel does not take it in this time, nobody reads it.
const SAID_WITHIN: Duration = Duration::from_secs(2);
/// Before the data of a line of an event stream.
const DATA: &[u8] = b"data:";

type Socket = WebSocketStream<TcpStream>;
type Chunks = BoxStream<'static, Result<Vec<u8>, ()>>;

/// What a line says.
#[derive(Debug)]
pub(super) enum Said {
    /// The socket is open; the address is our end of it.
    Opened(SocketAddr),
    /// A text came that should be a frame.
    Text(String),
    /// A poll was answered with these texts.
    Answer(Vec<String>),
    /// Something came that is no text.
    Odd,
    /// It is closed, with this close code or status.
    Closed(u16),
}

/// See the module.
pub(super) enum Wire {
    /// A socket that is being opened.
    Dialing(BoxFuture<'static, anyhow::Result<Socket>>),
    /// An open socket.
    Socket(Box<Socket>),
    /// A request for an event stream; its failure is a status.
    Asking(BoxFuture<'static, Result<Chunks, u16>>),
    /// An event stream, with what came of its next line.
    Stream(Chunks, Vec<u8>),
    /// A poll.
    Poll(BoxFuture<'static, Said>),
    /// What has nothing more to say.
    Spent,
}

impl Wire {
    /// Begins to open a line.
    pub(super) fn open(
        http: impl FnOnce() -> reqwest::Client,
        address: SocketAddr,
        token: Option<&str>,
        how: &How,
    ) -> Self {
        match how {
            How::WebSocket => Self::Dialing(dial(address, token.and_then(bearer)).boxed()),
            How::Sse(hello) => {
                let request = http().post(format!("http://{address}{PATH}/sse")).json(&**hello);
                Self::Asking(ask(request).boxed())
            }
            How::Poll { wait_s, hello } => {
                let url = format!("http://{address}{PATH}/poll?wait={wait_s}");
                Self::Poll(poll(http().post(url).json(&**hello)).boxed())
            }
        }
    }

    /// What it says next; never again after a close.
    ///
    /// # Cancel safety
    /// Nothing is lost when this is dropped: what is under way goes on, and what came is taken only in the poll
    /// that returns it.
    pub(super) async fn next(&mut self) -> Said {
        loop {
            match self {
                Self::Dialing(dialing) => {
                    let socket = dialing.await;
                    let opened =
                        socket.and_then(|socket| Ok((socket.get_ref().local_addr()?, socket)));
                    let Ok((local, socket)) = opened else { return self.spent(NO_CODE) };
                    *self = Self::Socket(Box::new(socket));
                    return Said::Opened(local);
                }
                Self::Socket(socket) => match socket.next().await {
                    Some(Ok(Message::Text(text))) => return Said::Text(text.as_str().to_owned()),
                    Some(Ok(Message::Close(frame))) => {
                        let code = frame.map_or(NO_CODE, |frame| frame.code.into());
                        return self.spent(code);
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                    Some(Ok(Message::Binary(_))) => return Said::Odd,
                    Some(Err(_)) | None => return self.spent(NO_CODE),
                },
                Self::Asking(asking) => match asking.await {
                    Ok(chunks) => *self = Self::Stream(chunks, Vec::new()),
                    Err(status) => return self.spent(status),
                },
                Self::Stream(chunks, line) => {
                    if let Some(text) = data(line) {
                        return Said::Text(text);
                    }
                    match chunks.next().await {
                        Some(Ok(chunk)) => line.extend_from_slice(&chunk),
                        Some(Err(())) | None => return self.spent(NO_CODE),
                    }
                }
                Self::Poll(poll) => {
                    let said = poll.await;
                    *self = Self::Spent;
                    return said;
                }
                Self::Spent => return std::future::pending().await,
            }
        }
    }

    fn spent(&mut self, code: u16) -> Said {
        *self = Self::Spent;
        Said::Closed(code)
    }

    /// Sends a frame by WebSocket; a failure shows as a close.
    pub(super) async fn send(&mut self, frame: &ClientFrame) {
        if let Self::Socket(socket) = self
            && let Ok(text) = serde_json::to_string(frame)
        {
            let _ = timeout(SAID_WITHIN, socket.send(Message::text(text))).await;
        }
    }
}

/// Takes the data of the next whole line of an event stream that has any.
fn data(buffer: &mut Vec<u8>) -> Option<String> {
    while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
        let line: Vec<u8> = buffer.drain(..=end).collect();
        if let Some(text) = line.strip_prefix(DATA) {
            return Some(String::from_utf8_lossy(text).trim().to_owned());
        }
    }
    None
}

/// The value of `Authorization` with a token.
fn bearer(token: &str) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("Bearer {token}")).ok()
}

/// An HTTP client that comes with this token.
pub(super) fn client(token: Option<&str>) -> reqwest::Client {
    let bearer = token.and_then(bearer).map(|bearer| (AUTHORIZATION, bearer));
    let headers = bearer.into_iter().collect();
    // As `Client::new`, which fails only where there is no TLS, and here none is wanted.
    reqwest::Client::builder().default_headers(headers).build().unwrap_or_default()
}

async fn dial(address: SocketAddr, bearer: Option<HeaderValue>) -> anyhow::Result<Socket> {
    let stream = TcpStream::connect(address).await.context("connect")?;
    stream.set_nodelay(true).context("send at once")?;
    let mut request =
        format!("ws://{address}{PATH}").into_client_request().context("make the request")?;
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
    headers.extend(bearer.map(|bearer| (AUTHORIZATION, bearer)));
    let config = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(0);
    let (socket, _) =
        client_async_with_config(request, stream, Some(config)).await.context("upgrade")?;
    Ok(socket)
}

async fn ask(request: reqwest::RequestBuilder) -> Result<Chunks, u16> {
    let answer = request.send().await.map_err(|_| NO_CODE)?;
    if answer.status() != reqwest::StatusCode::OK {
        return Err(answer.status().as_u16());
    }
    Ok(answer.bytes_stream().map_ok(|bytes| bytes.to_vec()).map_err(|_| ()).boxed())
}

async fn poll(request: reqwest::RequestBuilder) -> Said {
    let Ok(answer) = request.send().await else { return Said::Closed(NO_CODE) };
    if answer.status() != reqwest::StatusCode::OK {
        return Said::Closed(answer.status().as_u16());
    }
    let Ok(body) = answer.json::<Value>().await else { return Said::Closed(NO_CODE) };
    match body.get("frames").and_then(Value::as_array) {
        Some(frames) => Said::Answer(frames.iter().map(Value::to_string).collect()),
        None => Said::Odd,
    }
}

/// Reads the frames of an answer; none if one of them is no frame.
pub(super) fn frames(texts: &[String]) -> Option<Vec<ServerFrame>> {
    texts.iter().map(|text| ServerFrame::read(text).ok()).collect()
}

/// The status of the session's address; none without an answer.
pub(super) async fn session(http: reqwest::Client, address: SocketAddr) -> Option<u16> {
    let answer = http.get(format!("http://{address}/api/v1/session")).send().await.ok()?;
    Some(answer.status().as_u16())
}

#[cfg(test)]
mod tests {
    use super::data;

    #[test]
    fn an_event_stream_is_read_line_by_line_wherever_the_pieces_end() {
        let all = b": hi\nid: 7\ndata: {\"t\":\"a\"}\n\ndata:{\"t\":\"b\"}\r\n\r\ndata: {\"t";
        for size in [1, 3, 100] {
            let (mut buffer, mut texts) = (Vec::new(), Vec::new());
            for piece in all.chunks(size) {
                buffer.extend_from_slice(piece);
                texts.extend(std::iter::from_fn(|| data(&mut buffer)));
            }
            assert_eq!(texts, [r#"{"t":"a"}"#, r#"{"t":"b"}"#], "in pieces of {size}");
        }
    }
}
