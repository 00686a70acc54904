//! A client of the live protocol as a third party would write it: JSON in, JSON out, its own map.
//!
//! Every frame that arrives is also read as the protocol's type, so that nothing undocumented passes. The
//! same client over the other transports is in `ways`.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
};

use domain::wire::ServerFrame;
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use testkit::account;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest as _,
        http::{HeaderMap, HeaderValue},
    },
};

use crate::{
    house::PATIENCE,
    ways::{Events, Polls},
};

/// What a client holds of a topic.
pub(crate) type Held = BTreeMap<String, (u64, Value)>;

/// What carries the frames.
pub(crate) enum Wire {
    Socket(Box<WebSocketStream<TcpStream>>),
    Events(Events),
    Polls(Polls),
}

/// A connection with what it was told.
pub(crate) struct Client {
    pub(crate) wire: Wire,
    waiting: VecDeque<Value>,
    pub(crate) held: BTreeMap<String, Held>,
    /// Newest cursor of each topic.
    pub(crate) at: BTreeMap<String, Value>,
    n: u64,
    /// How it was closed.
    pub(crate) closed: Option<u16>,
}

impl Client {
    /// Opens a connection and says nothing.
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap(), address).await
    }

    /// The same as whoever comes with these headers.
    pub(crate) async fn open_as(address: SocketAddr, headers: &HeaderMap) -> Self {
        Self::over_as(TcpStream::connect(address).await.unwrap(), address, headers).await
    }

    /// The same over a socket of one's own.
    pub(crate) async fn over(stream: TcpStream, address: SocketAddr) -> Self {
        Self::over_as(stream, address, &account::headers()).await
    }

    async fn over_as(stream: TcpStream, address: SocketAddr, headers: &HeaderMap) -> Self {
        let mut request = format!("ws://{address}/api/v1/live").into_client_request().unwrap();
        request
            .headers_mut()
            .insert("sec-websocket-protocol", HeaderValue::from_static("hnp.live.v1"));
        request.headers_mut().extend(headers.clone());
        let (ws, response) =
            timeout(PATIENCE, client_async(request, stream)).await.unwrap().unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], "hnp.live.v1");
        Self::on(Wire::Socket(Box::new(ws)))
    }

    /// Over any wire.
    pub(crate) fn on(wire: Wire) -> Self {
        Self {
            wire,
            waiting: VecDeque::new(),
            held: BTreeMap::new(),
            at: BTreeMap::new(),
            n: 0,
            closed: None,
        }
    }

    /// Opens a connection, says hello and reads the welcome.
    pub(crate) async fn hello(address: SocketAddr, topics: Value) -> Self {
        Self::hello_as(address, topics, &account::headers()).await
    }

    /// The same as whoever comes with these headers.
    pub(crate) async fn hello_as(address: SocketAddr, topics: Value, headers: &HeaderMap) -> Self {
        let mut client = Self::open_as(address, headers).await;
        client.say(json!({"t": "hello", "protocol": 1, "client": "it/1", "topics": topics})).await;
        let welcome = client.next().await;
        assert_eq!((&welcome["t"], &welcome["protocol"]), (&json!("welcome"), &json!(1)));
        client
    }

    pub(crate) async fn say(&mut self, frame: Value) {
        self.send(Message::text(frame.to_string())).await;
    }

    /// Sends anything; a server that has hung up already is not the sender's failure.
    pub(crate) async fn send(&mut self, message: Message) {
        let Wire::Socket(ws) = &mut self.wire else { panic!("nothing can be said: {message}") };
        let _ = timeout(PATIENCE, ws.send(message)).await.expect("the server takes messages");
    }

    /// The next frame, or none once the connection was closed.
    pub(crate) async fn try_next(&mut self) -> Option<Value> {
        if let Some(frame) = self.waiting.pop_front() {
            return Some(frame);
        }
        let ws = match &mut self.wire {
            Wire::Socket(ws) => ws,
            Wire::Events(events) => return events.next().await,
            Wire::Polls(polls) => {
                // Each answer is a connection of its own.
                self.n = 0;
                self.waiting = polls.next(&self.at).await.into();
                return self.waiting.pop_front();
            }
        };
        loop {
            match timeout(PATIENCE, ws.next()).await.expect("a frame within a minute") {
                Some(Ok(Message::Text(text))) => {
                    serde_json::from_str::<ServerFrame>(&text)
                        .unwrap_or_else(|error| panic!("not of the protocol: {error}: {text}"));
                    return Some(serde_json::from_str(&text).unwrap());
                }
                Some(Ok(Message::Close(frame))) => {
                    self.closed = frame.map(|frame| frame.code.into());
                }
                Some(Ok(_)) => {}
                None | Some(Err(Error::ConnectionClosed | Error::Protocol(_) | Error::Io(_))) => {
                    return None;
                }
                Some(Err(error)) => panic!("{error}"),
            }
        }
    }

    pub(crate) async fn next(&mut self) -> Value {
        self.try_next().await.unwrap_or_else(|| panic!("closed with {:?}", self.closed))
    }

    /// All frames until the server closes.
    pub(crate) async fn rest(&mut self) -> Vec<Value> {
        let mut frames = Vec::new();
        while let Some(frame) = self.try_next().await {
            frames.push(frame);
        }
        frames
    }

    /// Takes frames in until one of this type comes, and returns it.
    pub(crate) async fn until(&mut self, t: &str) -> Value {
        self.until_that(|frame| frame["t"] == t).await
    }

    /// Takes frames in until one holds, and returns it. Pings are answered.
    pub(crate) async fn until_that(&mut self, mut holds: impl FnMut(&Value) -> bool) -> Value {
        let begin = Instant::now();
        loop {
            let frame = self.step().await;
            if holds(&frame) {
                return frame;
            }
            assert!(begin.elapsed() < PATIENCE, "waited in vain; last came {frame:.500}");
        }
    }

    /// Takes one frame in. Pings are answered.
    pub(crate) async fn step(&mut self) -> Value {
        let frame = self.next().await;
        if frame["t"] == "ping" && matches!(self.wire, Wire::Socket(_)) {
            self.say(json!({"t": "pong", "ts": frame["ts"]})).await;
        }
        self.take_in(&frame);
        frame
    }

    /// Takes frames in until the topic was synced; returns that frame.
    pub(crate) async fn synced(&mut self, topic: &str) -> Value {
        self.until_that(|frame| frame["t"] == "synced" && frame["topic"] == topic).await
    }

    /// Takes frames in until a topic's map holds something.
    pub(crate) async fn until_held(&mut self, topic: &str, holds: impl Fn(&Held) -> bool) {
        let begin = Instant::now();
        while !self.held.get(topic).is_some_and(&holds) {
            let frame = self.step().await;
            assert!(begin.elapsed() < PATIENCE, "waited in vain; last came {frame:.500}");
        }
    }

    /// Applies a frame as the protocol says, and asserts what it promises about order.
    pub(crate) fn take_in(&mut self, frame: &Value) {
        let topic = frame["topic"].as_str().unwrap_or_default().to_owned();
        match frame["t"].as_str().unwrap() {
            "snapshot" => {
                let items = frame["items"].as_array().unwrap();
                let held = self.held.entry(topic).or_default();
                if frame["done"].as_u64().unwrap() == items.len() as u64 {
                    held.clear();
                }
                for item in items {
                    held.insert(text(&item["k"]), (version(&item["v"]), item["o"].clone()));
                }
            }
            "keys" => {
                let live: Vec<String> =
                    frame["live"].as_array().unwrap().iter().map(text).collect();
                self.held
                    .entry(topic)
                    .or_default()
                    .retain(|key, _| live.contains(&domain::wire::key_hash(key)));
            }
            "synced" => {
                self.held.entry(topic.clone()).or_default();
                self.at.insert(topic, frame["at"].clone());
            }
            "ch" => {
                self.n += 1;
                assert_eq!(frame["n"], self.n, "`n` counts from 1 without a gap: {frame}");
                if let Some(before) = self.at.insert(topic.clone(), frame["at"].clone()) {
                    assert_eq!(before[0], frame["at"][0], "an epoch changes only by `synced`");
                    assert!(version(&before[1]) <= version(&frame["at"][1]), "{before} {frame}");
                }
                let held = self.held.entry(topic).or_default();
                frame["b"].as_array().unwrap().iter().for_each(|op| apply(held, op));
            }
            _ => {}
        }
    }

    /// Closes without a word.
    pub(crate) fn cut(self) {
        drop(self.wire);
    }
}

fn apply(held: &mut Held, op: &Value) {
    let (key, v) = (text(&op["k"]), version(&op["v"]));
    let newer = held.get(&key).is_none_or(|(known, _)| *known < v);
    match op["op"].as_str().unwrap() {
        "put" if newer => {
            held.insert(key, (v, op["o"].clone()));
        }
        "patch" if newer => {
            let (base, value) = held.get_mut(&key).expect("a patch of something held");
            assert_eq!(*base, version(&op["base"]), "a patch of what is held: {op}");
            merge(value, &op["p"]);
            *base = v;
        }
        "del" | "out" if newer => {
            held.remove(&key);
        }
        _ => {}
    }
}

/// RFC 7396.
fn merge(value: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *value = patch.clone();
        return;
    };
    if !value.is_object() {
        *value = json!({});
    }
    let object = value.as_object_mut().unwrap();
    for (name, part) in fields {
        if part.is_null() {
            object.remove(name);
        } else {
            merge(object.entry(name.clone()).or_insert(Value::Null), part);
        }
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}

pub(crate) fn version(value: &Value) -> u64 {
    text(value).parse().unwrap()
}

pub(crate) fn kinds(frames: &[Value]) -> Vec<String> {
    frames.iter().map(|frame| text(&frame["t"])).collect()
}
