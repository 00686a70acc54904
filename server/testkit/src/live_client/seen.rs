//! What a client was told, in the order in which it was told.
//!
//! Invariant: nothing here is taken from the link's own maps; only its outputs and the frames count.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
};

use domain::wire::{
    Op, Recovered, ServerFrame,
    ledger::{Delta, Held},
    link::{How, Input, Line, LinkState, Output},
};
use tokio::time::Instant;

/// Frames that are remembered.
const REMEMBERED: usize = 40;
/// Losses of which it is told what came before.
const LOSSES_TOLD: usize = 3;

/// A change of what a pill would show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// Frames come from now on.
    Live,
    /// The link was lost.
    Lost,
    /// The server does not want the client back, with this code.
    Ended(u16),
}

/// What is shown of a topic.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    /// Values by key.
    pub held: BTreeMap<String, Held>,
    /// Keys that are gone, or were once.
    pub gone: BTreeSet<String>,
    /// How often it was completed.
    pub synced: u64,
}

/// What was heard of a feed over one connection.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// Epoch of the positions; none if the connection ended before it was told.
    pub epoch: Option<String>,
    /// Events and gaps in the order in which they came.
    pub heard: Vec<Heard>,
}

/// One thing that was heard of a feed.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// An event: position and envelope.
    Event(u64, serde_json::Value),
    /// Events that are no longer held: first and last position.
    Gap(u64, u64),
}

/// See the module.
#[derive(Debug, Default)]
pub struct Seen {
    /// What is shown, by topic.
    pub shown: BTreeMap<String, Shown>,
    /// Feeds by topic, connection by connection.
    pub feeds: BTreeMap<String, Vec<Run>>,
    /// When what the pill shows changed.
    pub moves: Vec<(Instant, Move)>,
    /// How topics were completed: by changes, by keys, from nothing.
    pub recovered: BTreeMap<&'static str, u64>,
    /// Connections and requests begun, by transport.
    pub dials: BTreeMap<&'static str, u64>,
    /// When each of them was begun.
    pub dialled: Vec<Instant>,
    /// When the server said that it closes, and after how many milliseconds it wants the client back.
    pub byes: Vec<(Instant, Option<u64>)>,
    /// Frames that came.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Texts that were no frames.
    pub garbage: u64,
    /// Sentences with which the server refused something.
    pub refused: Vec<String>,
    /// The last frames in short, and what the link sent.
    recent: VecDeque<String>,
    /// What came before each loss, in short.
    pub before_losses: Vec<String>,
    /// Whether arrivals are noted.
    pub recording: bool,
    /// Version of each change of an object, and when it came, while that was noted.
    pub arrivals: Vec<(u64, Instant)>,
    /// The local end of the newest connection.
    pub local: Option<SocketAddr>,
}

impl Seen {
    /// Takes note of a frame, before the link hears it.
    pub(super) fn frame(&mut self, frame: &ServerFrame) {
        self.frames += 1;
        self.remember(in_short(frame));
        match frame {
            ServerFrame::Synced { topic, recovered, at, .. } => {
                let word = match recovered {
                    Recovered::Log => "log",
                    Recovered::Keys => "keys",
                    Recovered::None => "none",
                };
                *self.recovered.entry(word).or_default() += 1;
                if topic.starts_with("feed/") {
                    self.hear(topic, |run| run.epoch = Some(at.0.clone()));
                }
            }
            ServerFrame::Bye { reconnect_in_ms, .. } => {
                self.byes.push((Instant::now(), *reconnect_in_ms));
            }
            ServerFrame::Welcome { .. } => {
                self.feeds.values_mut().for_each(|runs| runs.push(Run::default()));
            }
            ServerFrame::Ch { b, .. } if self.recording => {
                let now = Instant::now();
                self.arrivals.extend(b.iter().map(|op| (version(op), now)));
            }
            _ => {}
        }
    }

    fn remember(&mut self, what: String) {
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(what);
    }

    /// Takes note of a loss that the link has found.
    pub(super) fn lost(&mut self) {
        if self.before_losses.len() < LOSSES_TOLD {
            let recent: Vec<&str> = self.recent.iter().map(String::as_str).collect();
            self.before_losses.push(format!("before a loss:\n    {}", recent.join("\n    ")));
        }
    }

    /// Takes note of something that is no frame, and tells the link.
    pub(super) fn garbage(&mut self, line: Line) -> Input {
        self.garbage += 1;
        Input::Garbage(line)
    }

    /// What is heard of a feed over the present connection.
    fn hear(&mut self, topic: &str, take: impl FnOnce(&mut Run)) {
        let runs = self.feeds.entry(topic.to_owned()).or_default();
        let mut run = runs.pop().unwrap_or_default();
        take(&mut run);
        runs.push(run);
    }

    /// Takes note of what the link put out.
    pub(super) fn output(&mut self, output: &Output) {
        match output {
            Output::Changed(topic, deltas) => {
                let shown = self.shown.entry(topic.clone()).or_default();
                for delta in deltas {
                    match delta {
                        Delta::Put(key, held) => drop(shown.held.insert(key.clone(), held.clone())),
                        Delta::Gone(key) => {
                            shown.held.remove(key);
                            shown.gone.insert(key.clone());
                        }
                    }
                }
            }
            Output::Synced(topic) if !topic.starts_with("feed/") => {
                self.shown.entry(topic.clone()).or_default().synced += 1;
            }
            Output::Event(topic, position, envelope) => {
                let event = Heard::Event(*position, envelope.clone());
                self.hear(topic, |run| run.heard.push(event));
            }
            Output::Gap(topic, from, to) => {
                self.hear(topic, |run| run.heard.push(Heard::Gap(*from, *to)));
            }
            Output::Send(_, frame) => self.remember(format!("> {frame:?}")),
            Output::Dial(_, how) => {
                self.dialled.push(Instant::now());
                self.remember(format!("> dial {how:?}"));
                let word = match how {
                    How::WebSocket => "ws",
                    How::Sse(_) => "sse",
                    How::Poll { .. } => "poll",
                };
                *self.dials.entry(word).or_default() += 1;
            }
            Output::Refused(why) => self.refused.push(why.clone()),
            _ => {}
        }
    }

    /// Takes note of where the link stands after a step.
    pub(super) fn stands(&mut self, before: LinkState, after: LinkState) {
        let live = |state| matches!(state, LinkState::Live { .. });
        let now = Instant::now();
        match (live(before), after) {
            (_, LinkState::Ended(code)) if before != after => {
                self.moves.push((now, Move::Ended(code)));
            }
            (false, LinkState::Live { .. }) => self.moves.push((now, Move::Live)),
            (true, after) if !live(after) => self.moves.push((now, Move::Lost)),
            _ => {}
        }
    }
}

fn version(op: &Op) -> u64 {
    match op {
        Op::Put { v, .. } | Op::Patch { v, .. } | Op::Del { v, .. } | Op::Out { v, .. } => *v,
    }
}

/// A frame without its values.
fn in_short(frame: &ServerFrame) -> String {
    match frame {
        ServerFrame::Snapshot { topic, items, done, total, at } => {
            format!("snapshot {topic} {} items, {done} of {total}, at {at:?}", items.len())
        }
        ServerFrame::Ch { n, topic, at, from, b, .. } => {
            format!("ch {n} {topic} {from}..{} of {}, {} changes", at.1, at.0, b.len())
        }
        ServerFrame::Keys { topic, live } => format!("keys {topic} {}", live.len()),
        ServerFrame::Evt { topic, id, .. } => format!("evt {topic} {id}"),
        other => {
            let mut text = format!("{other:?}");
            text.truncate(text.floor_char_boundary(1_000));
            text
        }
    }
}
