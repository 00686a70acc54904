//! The link under what can happen to it, one thing at a time.
//!
//! Invariant: no test here knows more of the link than its inputs and outputs tell.

use serde_json::json;

use super::*;
use crate::wire::{At, Item, Op, Recovered, SILENCE_MS};

mod chance;
mod ways;

const TOPIC: &str = "objects/prod/Switch";

fn welcome() -> ServerFrame {
    ServerFrame::Welcome {
        protocol: 1,
        sid: "s".into(),
        user: None,
        build: "b".into(),
        ping_ms: 10_000,
        pong_ms: 5_000,
        session_expires: None,
    }
}

fn ping(head: u64) -> ServerFrame {
    let lag = Some(head);
    ServerFrame::Ping {
        ts: 1,
        heads: vec![(TOPIC.into(), head.to_string(), "live".into(), lag)],
        token: None,
        n: None,
    }
}

/// A link, its time, and its newest line.
struct Bench {
    link: Link,
    now: u64,
    line: Line,
}

impl Bench {
    /// A link that has begun, at time 0.
    fn begun() -> Self {
        let mut bench = Self { link: Link::new("test"), now: 0, line: Line(0) };
        bench.at(0, Input::Subscribe(Want::rows(TOPIC)));
        assert_eq!(bench.at(0, Input::Start), [Output::Dial(Line(1), How::WebSocket)]);
        bench
    }

    /// A link that is live and synced at version 5, at time 1000.
    fn live() -> Self {
        let mut bench = Self::begun();
        bench.at(900, Input::Opened(Line(1)));
        bench.hear(1_000, welcome());
        for frame in snapshot(5) {
            bench.hear(1_000, frame);
        }
        bench
    }

    fn at(&mut self, now: u64, input: Input) -> Vec<Output> {
        self.now = now;
        let outputs = self.link.step(now, 0, input);
        for output in &outputs {
            if let Output::Dial(line, _) = output {
                self.line = *line;
            }
        }
        outputs
    }

    fn hear(&mut self, now: u64, frame: ServerFrame) -> Vec<Output> {
        self.at(now, Input::Frame(self.line, Box::new(frame)))
    }

    fn close(&mut self, now: u64, code: u16) -> Vec<Output> {
        self.at(now, Input::Closed(self.line, code))
    }

    /// Lets the next deadline pass.
    fn wait(&mut self) -> Vec<Output> {
        self.at(self.link.deadline().unwrap(), Input::Timeout)
    }

    fn status(&self) -> Status {
        self.link.status(self.now)
    }
}

fn resync() -> ClientFrame {
    ClientFrame::Resync { topic: TOPIC.into() }
}

fn at(version: u64) -> Cursor {
    Cursor("e".into(), version)
}

fn snapshot(version: u64) -> [ServerFrame; 2] {
    let items =
        vec![Item { k: "default/a".into(), uid: None, v: version, o: json!({"x": version}) }];
    [
        ServerFrame::Snapshot { topic: TOPIC.into(), items, done: 1, total: 1, at: None },
        synced(version, Recovered::None),
    ]
}

fn synced(version: u64, recovered: Recovered) -> ServerFrame {
    let (n, total) = (None, None);
    ServerFrame::Synced { topic: TOPIC.into(), at: at(version), recovered, n, total, s: None }
}

fn ch(n: u64, from: u64, version: u64, b: Vec<Op>) -> ServerFrame {
    let ms = vec![100, 101, 102];
    ServerFrame::Ch { n, topic: TOPIC.into(), at: at(version), from, ms, b }
}

fn put(key: &str, v: u64) -> Op {
    Op::Put { k: key.into(), uid: None, v, o: json!({"x": v}), folded: 0 }
}

fn hello_place(outputs: &[Output]) -> Option<At> {
    let hello = outputs.iter().find_map(|output| match output {
        Output::Send(_, hello) => Some(hello),
        Output::Dial(_, How::Sse(hello) | How::Poll { hello, .. }) => Some(hello),
        _ => None,
    });
    match hello {
        Some(ClientFrame::Hello { topics, .. }) => topics.first().and_then(|want| want.at.clone()),
        _ => None,
    }
}

#[test]
fn silence_ends_a_link_and_the_next_one_resumes_from_the_cursor() {
    let mut bench = Bench::live();
    bench.hear(1_100, ping(5));
    assert_eq!(bench.link.deadline(), Some(1_100 + SILENCE_MS));
    assert_eq!(bench.wait(), [Output::HangUp(Line(1))]);
    assert_eq!(bench.wait(), [Output::Dial(Line(2), How::WebSocket)]);
    let opened = Input::Opened(Line(2));
    let outputs = bench.at(bench.now + 1, opened);
    assert_eq!(hello_place(&outputs), Some(At::Cursor(at(5))));
    bench.hear(bench.now + 1, welcome());
    assert_eq!((bench.status().resumes, bench.status().stale_since), (1, None));
}

#[test]
fn what_is_shown_is_stale_after_two_seconds_without_a_link() {
    let mut bench = Bench::live();
    bench.close(2_000, 1006);
    assert_eq!(bench.link.status(2_100).stale_since, None);
    assert_eq!(bench.link.status(3_100).stale_since, Some(1_000), "since the last frame");
}

#[test]
fn the_backoff_grows_to_its_ceiling_and_begins_anew_after_ten_seconds_live() {
    let mut bench = Bench::begun();
    let mut waits = Vec::new();
    for _ in 0..10 {
        let now = bench.now;
        bench.link.step(now, u64::MAX / 2, Input::Closed(bench.line, 1012));
        waits.push(bench.link.deadline().unwrap() - now);
        bench.wait();
    }
    assert!(waits.iter().all(|wait| *wait <= 20_000), "{waits:?}");
    assert!(waits.iter().max() > Some(&10_000), "{waits:?}");
    let now = bench.now;
    bench.at(now, Input::Opened(bench.line));
    bench.hear(now, welcome());
    bench.hear(now + 10_000, ping(0));
    bench.link.step(now + 10_000, u64::MAX, Input::Closed(bench.line, 1006));
    assert!(bench.link.deadline().unwrap() - now - 10_000 <= 250);
}

#[test]
fn a_goodbye_says_when_to_come_back_or_never() {
    let bye =
        |code, reconnect_in_ms| ServerFrame::Bye { code, reason: "r".into(), reconnect_in_ms };
    let mut bench = Bench::live();
    assert_eq!(bench.hear(2_000, bye(1012, Some(777))), [Output::HangUp(Line(1))]);
    assert_eq!(bench.link.deadline(), Some(2_777));
    let mut bench = Bench::live();
    bench.hear(2_000, bye(4503, None));
    assert_eq!(bench.status().state, LinkState::Ended(4503));
    assert_eq!(bench.at(3_000, Input::RetryNow), [Output::Dial(Line(2), How::WebSocket)]);
}

#[test]
fn waking_up_asks_at_once_and_waits_a_second() {
    let mut bench = Bench::live();
    let outputs = bench.at(5_000, Input::Wake);
    let [Output::Send(_, ClientFrame::Ping { n })] = outputs[..] else { panic!("{outputs:?}") };
    assert_eq!(bench.link.deadline(), Some(6_000));
    bench.hear(5_012, ServerFrame::Pong { n, at: None });
    assert_eq!(bench.status().rtt_ms, Some(12));
    assert_eq!(bench.link.deadline(), Some(5_012 + SILENCE_MS));
}

#[test]
fn a_page_that_was_frozen_for_ten_minutes_is_live_within_three_seconds() {
    let mut bench = Bench::live();
    bench.hear(2_000, ping(5));
    let back = 600_000;
    bench.at(back, Input::Wake);
    bench.wait();
    bench.wait();
    let line = bench.line;
    bench.at(bench.now + 200, Input::Opened(line));
    bench.hear(bench.now + 200, welcome());
    assert!(matches!(bench.status().state, LinkState::Live { .. }));
    assert!(bench.now - back <= 3_000, "{}", bench.now - back);
}

#[test]
fn nobody_dials_while_offline() {
    let mut bench = Bench::live();
    assert_eq!(bench.at(2_000, Input::Offline), [Output::HangUp(Line(1))]);
    assert_eq!(bench.link.deadline(), None);
    assert_eq!(bench.at(9_000, Input::Online), [Output::Dial(Line(2), How::WebSocket)]);
}

#[test]
fn what_comes_late_of_an_old_line_changes_nothing() {
    let mut bench = Bench::live();
    bench.hear(1_100, ping(5));
    bench.at(9_000, Input::Wake);
    bench.wait();
    bench.wait();
    let before = bench.status();
    for late in [ch(1, 5, 6, vec![put("default/b", 6)]), welcome()] {
        assert_eq!(bench.at(bench.now, Input::Frame(Line(1), Box::new(late))), []);
    }
    assert_eq!(bench.at(bench.now, Input::Closed(Line(1), 1006)), []);
    assert_eq!(bench.status(), before);
}

#[test]
fn a_head_ahead_of_us_is_a_loss_that_is_counted_and_mended() {
    let mut bench = Bench::live();
    let outputs = bench.hear(2_000, ping(5));
    assert!(!outputs.contains(&Output::Send(Line(1), resync())));
    assert_eq!(bench.status().lost, 0);
    let outputs = bench.hear(3_000, ping(6));
    assert!(outputs.contains(&Output::Send(Line(1), resync())));
    assert_eq!(bench.status().lost, 1);
    let tally = bench.link.tally("prod");
    assert_eq!((tally.lost, tally.lag_ms), (1, Some(6)));
    assert_eq!(bench.link.tally("other"), Tally::default());
}

#[test]
fn a_missing_frame_number_is_a_loss() {
    let mut bench = Bench::live();
    assert_eq!(bench.hear(2_000, ch(1, 5, 6, vec![])), []);
    assert_ne!(bench.hear(2_000, ch(3, 6, 8, vec![])), []);
    assert_eq!((bench.status().lost, bench.link.tally("prod").lost), (1, 1));
}

#[test]
fn what_follows_a_place_that_was_lost_is_not_taken_for_the_whole() {
    let mut bench = Bench::live();
    bench.hear(2_000, ch(3, 5, 8, vec![]));
    assert_eq!(bench.link.ledger(TOPIC).unwrap().at(), None);
    let outputs = bench.hear(2_000, synced(9, Recovered::Log));
    assert_eq!(outputs.first(), Some(&Output::Send(Line(1), resync())));
    assert_eq!(bench.link.ledger(TOPIC).unwrap().at(), None);
    assert_eq!(bench.status().lost, 1, "the loss is known already");
}

#[test]
fn what_was_under_way_when_a_topic_was_given_up_is_ignored() {
    let mut bench = Bench::live();
    bench.at(2_000, Input::Unsubscribe(TOPIC.into()));
    bench.hear(2_010, ch(1, 5, 6, vec![put("default/b", 6)]));
    for frame in snapshot(7) {
        assert_eq!(bench.hear(2_020, frame), []);
    }
    assert!(bench.link.ledger(TOPIC).is_none());
    bench.at(2_030, Input::Subscribe(Want::rows("state/prod")));
    assert_eq!(bench.hear(2_040, ch(2, 6, 7, vec![])), []);
    assert_eq!(bench.status().lost, 0, "its numbers count");
}

#[test]
fn another_view_of_a_topic_begins_from_nothing() {
    let mut bench = Bench::live();
    let want = Want { keys: Some(vec!["default/a".into()]), ..Want::rows(TOPIC) };
    let outputs = bench.at(2_000, Input::Subscribe(want));
    let Some(Output::Send(_, ClientFrame::Sub { topics })) = outputs.first() else {
        panic!("{outputs:?}")
    };
    assert_eq!(topics[0].at, None);
}

#[test]
fn a_pong_reports_what_was_painted_and_no_more_than_the_bound() {
    let mut bench = Bench::live();
    for ms in 0..100 {
        bench.link.painted(ms);
    }
    let outputs = bench.hear(2_000, ping(5));
    let Some(Output::Send(_, ClientFrame::Pong { seen, .. })) = outputs.first() else {
        panic!("{outputs:?}")
    };
    assert_eq!(*seen, (0..64).collect::<Vec<_>>());
    let outputs = bench.hear(3_000, ping(5));
    assert!(outputs.contains(&Output::Send(Line(1), ClientFrame::Pong { ts: 1, seen: vec![] })));
}

#[test]
fn the_clocks_are_compared_by_the_fastest_answer() {
    let mut bench = Bench::live();
    assert_eq!(bench.link.clock_ahead_ms(), None);
    let mut answer = |sent: u64, rtt: u64, server: i64| {
        let outputs = bench.hear(sent, ping(5));
        let n = outputs.iter().find_map(|output| match output {
            Output::Send(_, ClientFrame::Ping { n }) => Some(*n),
            _ => None,
        });
        bench.hear(sent + rtt, ServerFrame::Pong { n: n.unwrap(), at: Some(server) });
        bench.link.clock_ahead_ms().unwrap()
    };
    assert_eq!(answer(2_000, 40, 7_020), 5_000);
    assert_eq!(answer(3_000, 4_000, 9_999), 5_000, "a slow answer tells less");
    assert_eq!(answer(9_000, 10, 13_995), 4_990);
}

#[test]
fn stamps_come_with_the_changes_and_only_with_changes() {
    let mut bench = Bench::live();
    let stamps = Stamps { watch: 100, hub: 101, write: 102, got: 2_000 };
    let outputs = bench.hear(2_000, ch(1, 5, 6, vec![put("default/b", 6)]));
    assert!(outputs.contains(&Output::Stamped(stamps)), "{outputs:?}");
    let outputs = bench.hear(2_001, ch(2, 6, 7, vec![]));
    assert_eq!(outputs, []);
}

#[test]
fn what_concerns_a_person_is_told_event_by_event_and_resumed_from_its_place() {
    let mut bench = Bench::live();
    bench.at(1_500, Input::Subscribe(Want::rows("me")));
    let place = |version| Cursor("m".into(), version);
    let synced = ServerFrame::Synced {
        topic: "me".into(),
        at: place(4),
        recovered: Recovered::None,
        n: Some(0),
        s: None,
        total: None,
    };
    assert_eq!(bench.hear(1_600, synced), [Output::Synced("me".into())]);
    let word = json!({ "id": "5" });
    let said = ServerFrame::Evt { topic: "me".into(), id: "5".into(), e: word.clone() };
    assert_eq!(bench.hear(1_700, said.clone()), [Output::Event("me".into(), 5, word)]);
    assert_eq!(bench.hear(1_800, said), [], "nothing is told twice");
    let wants = bench.link.books.placed_wants();
    let me = wants.iter().find(|want| want.topic == "me").unwrap();
    assert_eq!(me.at, Some(At::Cursor(place(5))));
}
