//! The client of `socket` over the other transports: server-sent events and polling, as a third party would
//! write them.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
};

use domain::wire::ServerFrame;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use testkit::account::{self, BEARER};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    house::PATIENCE,
    socket::{Client, Wire},
};

/// The three ways in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Socket,
    Sse,
    Poll,
}

impl Way {
    pub(crate) const ALL: [Self; 3] = [Self::Socket, Self::Sse, Self::Poll];

    /// A client that has said hello and read the welcome, where there is one.
    pub(crate) async fn hello(self, address: SocketAddr, topics: Value) -> Client {
        self.hello_as(address, topics, &account::headers()).await
    }

    /// The same as whoever comes with these headers.
    pub(crate) async fn hello_as(
        self,
        address: SocketAddr,
        topics: Value,
        headers: &HeaderMap,
    ) -> Client {
        match self {
            Self::Socket => Client::hello_as(address, topics, headers).await,
            Self::Sse => Client::events_as(address, topics, headers).await,
            Self::Poll => Client::on(Wire::Polls(Polls::new(address, topics, headers))),
        }
    }
}

impl Client {
    /// Opens a stream of events with a `hello` and reads the welcome.
    pub(crate) async fn events(address: SocketAddr, topics: Value) -> Self {
        Self::events_as(address, topics, &account::headers()).await
    }

    async fn events_as(address: SocketAddr, topics: Value, headers: &HeaderMap) -> Self {
        let hello = json!({"t": "hello", "protocol": 1, "client": "it/1", "topics": topics});
        let url = format!("http://{address}/api/v1/live/sse");
        let request = account::http_as(headers.clone()).post(url).json(&hello);
        let mut client = Self::on(Wire::Events(Events::of(request).await));
        let welcome = client.next().await;
        assert_eq!((&welcome["t"], &welcome["protocol"]), (&json!("welcome"), &json!(1)));
        client
    }

    /// The id of the last event.
    pub(crate) fn last_id(&self) -> String {
        let Wire::Events(events) = &self.wire else { panic!("no events") };
        events.last_id.clone()
    }
}

/// A frame, also read as the protocol's type.
fn frame(text: &str) -> Value {
    serde_json::from_str::<ServerFrame>(text)
        .unwrap_or_else(|error| panic!("not of the protocol: {error}: {text}"));
    serde_json::from_str(text).unwrap()
}

/// Where events come from.
enum Source {
    Http(reqwest::Response),
    Tcp(TcpStream),
}

/// A stream of events.
pub(crate) struct Events {
    source: Source,
    bytes: Vec<u8>,
    waiting: VecDeque<Value>,
    pub(crate) last_id: String,
    pub(crate) retry: Option<u64>,
}

impl Events {
    pub(crate) async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = timeout(PATIENCE, request.send()).await.unwrap().unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self::from(Source::Http(response))
    }

    /// Over a socket of one's own; HTTP/1.0, whose bodies are not cut into chunks.
    pub(crate) async fn over(mut stream: TcpStream, address: SocketAddr, query: &str) -> Self {
        let request = format!(
            "GET /api/v1/live/sse?{query} HTTP/1.0\r\nHost: {address}\r\nAuthorization: {BEARER}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.contains("200 OK") && head.contains("text/event-stream"), "{head}");
        Self::from(Source::Tcp(stream))
    }

    fn from(source: Source) -> Self {
        Self {
            source,
            bytes: Vec::new(),
            waiting: VecDeque::new(),
            last_id: String::new(),
            retry: None,
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let Source::Http(response) = &self.source else { panic!("headers were read") };
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    async fn more(&mut self) -> Option<()> {
        match &mut self.source {
            Source::Http(response) => self.bytes.extend(response.chunk().await.ok().flatten()?),
            Source::Tcp(stream) => {
                let n = stream.read_buf(&mut self.bytes).await.ok()?;
                (n > 0).then_some(())?;
            }
        }
        Some(())
    }

    /// The next frame, or none once the stream has ended or was cut.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            while let Some(end) = self.bytes.windows(2).position(|two| two == b"\n\n") {
                let event: Vec<u8> = self.bytes.drain(..end + 2).collect();
                self.take(std::str::from_utf8(&event).unwrap());
                // One by one, so that the id is that of the frame given out.
                if let Some(frame) = self.waiting.pop_front() {
                    return Some(frame);
                }
            }
            timeout(PATIENCE, self.more()).await.expect("bytes in a minute")?;
        }
    }

    fn take(&mut self, event: &str) {
        let mut data = Vec::new();
        for line in event.lines().filter(|line| !line.is_empty()) {
            let (field, value) = line.split_once(": ").unwrap_or((line.trim_end_matches(':'), ""));
            match field {
                "id" => value.clone_into(&mut self.last_id),
                "data" => data.push(frame(value)),
                "retry" => self.retry = Some(value.parse().unwrap()),
                other => panic!("unknown field {other} in {event}"),
            }
        }
        assert_eq!(data.len(), 1, "one line of data each: {event}");
        self.waiting.extend(data);
    }
}

/// Polls, one after the other.
pub(crate) struct Polls {
    http: reqwest::Client,
    url: String,
    topics: Value,
    pub(crate) token: Option<Value>,
    /// Answers that were empty.
    pub(crate) empty: usize,
}

impl Polls {
    fn new(address: SocketAddr, topics: Value, headers: &HeaderMap) -> Self {
        let url = format!("http://{address}/api/v1/live/poll?wait=5");
        Self { http: account::http_as(headers.clone()), url, topics, token: None, empty: 0 }
    }

    /// The frames of the next answer that has any, given the places reached.
    pub(crate) async fn next(&mut self, at: &BTreeMap<String, Value>) -> Vec<Value> {
        loop {
            let mut topics = self.topics.clone();
            for want in topics.as_array_mut().unwrap() {
                let topic = want["topic"].as_str().unwrap();
                let place = if topic.contains('*') { self.token.as_ref() } else { at.get(topic) };
                if let Some(place) = place {
                    want["at"] = place.clone();
                }
            }
            let hello = json!({"t": "hello", "protocol": 1, "topics": topics});
            let request = self.http.post(&self.url).json(&hello);
            let response = timeout(PATIENCE, request.send()).await.unwrap().unwrap();
            if response.status() == 401 {
                // What a link that stays would have been told.
                return vec![json!({"t": "bye", "code": 401})];
            }
            assert_eq!(response.status(), 200);
            let answer: Value = response.json().await.unwrap();
            if let Some(token) = answer.get("token") {
                self.token = Some(token.clone());
            }
            let frames = answer["frames"].as_array().unwrap();
            if !frames.is_empty() {
                return frames.iter().map(|one| frame(&one.to_string())).collect();
            }
            self.empty += 1;
        }
    }
}
