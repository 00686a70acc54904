//! Reads what the server says, as browsers do: by hand, since they need little code more than they need
//! the exact reason why a frame cannot be read.
//!
//! Invariant: what this reads, the serde form reads alike.

use serde_json::Value;

use super::{Item, Op, ServerFrame};
use crate::lean::{Taken, Unreadable, parse};

impl ServerFrame {
    /// The frame that a JSON text spells.
    pub fn read(text: &str) -> Result<Self, Unreadable> {
        Self::of(parse(text)?)
    }

    /// The frames of an answer over HTTP, `{"frames":[…],"token":"…"}`. The token, where there is one, comes as
    /// the ping that would have brought it: the last of them.
    pub fn read_answer(text: &str) -> Result<Vec<Self>, Unreadable> {
        let mut answer = Taken::of(parse(text)?)?;
        let frames = answer.list("frames")?.into_iter().map(Self::of);
        let token: Option<String> = answer.field("token")?;
        let ping = |token| Ok(Self::Ping { ts: 0, heads: Vec::new(), token: Some(token), n: None });
        frames.chain(token.map(ping)).collect()
    }

    fn of(value: Value) -> Result<Self, Unreadable> {
        let mut frame = Taken::of(value)?;
        let tag = frame.text("t")?;
        match tag.as_str() {
            "welcome" | "ping" | "pong" | "err" | "bye" => connection(&tag, &mut frame),
            _ => topic(&tag, frame.text("topic")?, &mut frame),
        }
    }
}

/// Frames about the connection.
fn connection(tag: &str, frame: &mut Taken) -> Result<ServerFrame, Unreadable> {
    Ok(match tag {
        "welcome" => ServerFrame::Welcome {
            protocol: frame.field("protocol")?,
            sid: frame.text("sid")?,
            user: frame.field("user")?,
            build: frame.text("build")?,
            ping_ms: frame.field("ping_ms")?,
            pong_ms: frame.field("pong_ms")?,
            session_expires: frame.field("session_expires")?,
        },
        "ping" => ServerFrame::Ping {
            ts: frame.field("ts")?,
            heads: frame.field("heads")?,
            token: frame.field("token")?,
            n: frame.field("n")?,
        },
        "pong" => ServerFrame::Pong { n: frame.field("n")?, at: frame.field("at")? },
        "err" => ServerFrame::Err {
            topic: frame.field("topic")?,
            code: frame.field("code")?,
            message: frame.text("message")?,
        },
        "bye" => ServerFrame::Bye {
            code: frame.field("code")?,
            reason: frame.text("reason")?,
            reconnect_in_ms: frame.field("reconnect_in_ms")?,
        },
        _ => return Err(Unreadable),
    })
}

/// Frames about a topic.
fn topic(tag: &str, topic: String, frame: &mut Taken) -> Result<ServerFrame, Unreadable> {
    Ok(match tag {
        "snapshot" => ServerFrame::Snapshot {
            topic,
            items: frame.list("items")?.into_iter().map(item).collect::<Result<_, _>>()?,
            done: frame.field("done")?,
            total: frame.field("total")?,
            at: frame.field("at")?,
        },
        "synced" => ServerFrame::Synced {
            topic,
            at: frame.field("at")?,
            recovered: frame.field("recovered")?,
            n: frame.field("n")?,
            total: frame.field("total")?,
            s: frame.field("s")?,
        },
        "keys" => ServerFrame::Keys { topic, live: frame.field("live")? },
        "ch" => ServerFrame::Ch {
            n: frame.field("n")?,
            topic,
            at: frame.field("at")?,
            from: frame.version("from")?.unwrap_or_default(),
            ms: frame.or_default("ms")?,
            b: frame.list("b")?.into_iter().map(op).collect::<Result<_, _>>()?,
        },
        "evt" => ServerFrame::Evt { topic, id: frame.text("id")?, e: frame.value("e")? },
        "gap" => ServerFrame::Gap { topic, from: frame.text("from")?, to: frame.text("to")? },
        "revoke" => ServerFrame::Revoke { topic, reason: frame.text("reason")? },
        _ => return Err(Unreadable),
    })
}

fn item(value: Value) -> Result<Item, Unreadable> {
    let mut item = Taken::of(value)?;
    Ok(Item {
        k: item.text("k")?,
        uid: item.field("uid")?,
        v: item.version("v")?.ok_or(Unreadable)?,
        o: item.value("o")?,
    })
}

fn op(value: Value) -> Result<Op, Unreadable> {
    let mut op = Taken::of(value)?;
    let tag = op.text("op")?;
    let (k, v) = (op.text("k")?, op.version("v")?.ok_or(Unreadable)?);
    Ok(match tag.as_str() {
        "put" => Op::Put {
            k,
            uid: op.field("uid")?,
            v,
            o: op.value("o")?,
            folded: op.or_default("folded")?,
        },
        "patch" => {
            Op::Patch { k, base: op.version("base")?.ok_or(Unreadable)?, v, p: op.value("p")? }
        }
        "del" => Op::Del { k, uid: op.field("uid")?, v },
        "out" => Op::Out { k, v },
        _ => return Err(Unreadable),
    })
}
