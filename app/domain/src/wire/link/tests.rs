//! The link under all that can happen to it.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::wire::Item;

const TOPIC: &str = "objects/prod/Switch";

fn welcome() -> Input {
    frame(ServerFrame::Welcome {
        protocol: 1,
        sid: "s".into(),
        user: None,
        build: "b".into(),
        ping_ms: 10_000,
        pong_ms: 5_000,
        session_expires: None,
    })
}

fn frame(frame: ServerFrame) -> Input {
    Input::Frame(Box::new(frame))
}

fn ping(head: u64) -> Input {
    frame(ServerFrame::Ping {
        ts: 1,
        heads: vec![(TOPIC.into(), head.to_string(), "live".into(), None)],
        token: None,
        n: None,
    })
}

fn at(version: u64) -> Cursor {
    Cursor("e".into(), version)
}

fn snapshot(version: u64) -> [Input; 2] {
    let items =
        vec![Item { k: "default/a".into(), uid: None, v: version, o: json!({"x": version}) }];
    [
        frame(ServerFrame::Snapshot { topic: TOPIC.into(), items, done: 1, total: 1, at: None }),
        frame(ServerFrame::Synced {
            topic: TOPIC.into(),
            at: at(version),
            recovered: Recovered::None,
            n: None,
            total: None,
        }),
    ]
}

/// A link that is live and synced at version 5, at time 1000.
fn live() -> Link {
    let mut link = Link::new("test");
    link.step(0, 0, Input::Subscribe(Want::rows(TOPIC)));
    assert_eq!(link.step(0, 0, Input::Start), [Output::Dial]);
    link.step(900, 0, Input::Opened);
    link.step(1000, 0, welcome());
    for input in snapshot(5) {
        link.step(1000, 0, input);
    }
    link
}

fn hello_place(outputs: &[Output]) -> Option<At> {
    outputs.iter().find_map(|output| match output {
        Output::Send(ClientFrame::Hello { topics, .. }) => {
            topics.first().and_then(|want| want.at.clone())
        }
        _ => None,
    })
}

#[test]
fn silence_ends_a_link_and_the_next_one_resumes_from_the_cursor() {
    let mut link = live();
    assert_eq!(link.deadline(), Some(1000 + SILENCE_MS));
    assert_eq!(link.step(1000 + SILENCE_MS, 0, Input::Timeout), [Output::HangUp]);
    let retry = link.deadline().unwrap();
    assert_eq!(link.step(retry, 0, Input::Timeout), [Output::Dial]);
    let outputs = link.step(retry + 1, 0, Input::Opened);
    assert_eq!(hello_place(&outputs), Some(At::Cursor(at(5))));
    link.step(retry + 2, 0, welcome());
    assert_eq!(link.status(retry + 2).resumes, 1);
    assert_eq!(link.status(retry + 2).stale_since, None);
}

#[test]
fn what_is_shown_is_stale_after_two_seconds_without_a_link() {
    let mut link = live();
    link.step(2000, 7, Input::Closed(1006));
    assert_eq!(link.status(2100).stale_since, None);
    assert_eq!(link.status(3100).stale_since, Some(1000), "since the last frame");
}

#[test]
fn a_socket_without_welcome_is_given_up() {
    let mut link = Link::new("test");
    link.step(0, 0, Input::Start);
    assert_eq!(link.step(WELCOME_MS, 0, Input::Timeout), [Output::HangUp]);
    assert!(matches!(link.status(0).state, LinkState::Waiting { .. }));
}

#[test]
fn the_backoff_grows_to_its_ceiling_and_begins_anew_after_ten_seconds_live() {
    let mut link = Link::new("test");
    link.step(0, 0, Input::Start);
    let mut now = 0;
    let mut waits = Vec::new();
    for _ in 0..10 {
        link.step(now, u64::MAX / 2, Input::Closed(1006));
        let due = link.deadline().unwrap();
        waits.push(due - now);
        now = due;
        link.step(now, 0, Input::Timeout);
    }
    assert!(waits.iter().all(|wait| *wait <= BACKOFF_MOST_MS), "{waits:?}");
    link.step(now, 0, Input::Opened);
    link.step(now, 0, welcome());
    link.step(now + SETTLED_MS, 0, ping(0));
    link.step(now + SETTLED_MS, u64::MAX, Input::Closed(1006));
    assert!(link.deadline().unwrap() - now - SETTLED_MS <= BACKOFF_FIRST_MS);
}

#[test]
fn a_goodbye_says_when_to_come_back_or_never() {
    let mut link = live();
    link.step(
        2000,
        0,
        frame(ServerFrame::Bye {
            code: 1012,
            reason: "restart".into(),
            reconnect_in_ms: Some(777),
        }),
    );
    assert_eq!(link.deadline(), Some(2777));
    let mut link = live();
    link.step(
        2000,
        0,
        frame(ServerFrame::Bye { code: 4503, reason: "logged_out".into(), reconnect_in_ms: None }),
    );
    assert_eq!(link.status(2000).state, LinkState::Ended(4503));
    assert_eq!(link.step(3000, 0, Input::RetryNow), [Output::Dial]);
}

#[test]
fn waking_up_asks_at_once_and_waits_a_second() {
    let mut link = live();
    let outputs = link.step(5000, 0, Input::Wake);
    assert!(matches!(outputs[..], [Output::Send(ClientFrame::Ping { .. })]));
    assert_eq!(link.deadline(), Some(6000));
    let n = link.ping_n;
    link.step(5012, 0, frame(ServerFrame::Pong { n, at: None }));
    assert_eq!(link.status(5012).rtt_ms, Some(12));
    assert_eq!(link.deadline(), Some(5012 + SILENCE_MS));
}

#[test]
fn nobody_dials_while_offline() {
    let mut link = live();
    assert_eq!(link.step(2000, 0, Input::Offline), [Output::HangUp]);
    assert_eq!(link.deadline(), None);
    assert_eq!(link.step(9000, 0, Input::Online), [Output::Dial]);
}

#[test]
fn a_head_ahead_of_us_is_a_loss_that_is_counted_and_mended() {
    let mut link = live();
    let outputs = link.step(2000, 0, ping(5));
    assert!(!outputs.contains(&Output::Send(ClientFrame::Resync { topic: TOPIC.into() })));
    assert_eq!(link.status(2000).lost, 0);
    let outputs = link.step(3000, 0, ping(6));
    assert!(outputs.contains(&Output::Send(ClientFrame::Resync { topic: TOPIC.into() })));
    assert_eq!(link.status(3000).lost, 1);
}

#[test]
fn a_missing_frame_number_is_a_loss() {
    let mut link = live();
    let ch = |n| {
        frame(ServerFrame::Ch {
            n,
            topic: TOPIC.into(),
            at: at(5 + n),
            from: 0,
            ms: vec![],
            b: vec![],
        })
    };
    assert!(link.step(2000, 0, ch(1)).is_empty());
    assert!(!link.step(2000, 0, ch(3)).is_empty());
    assert_eq!(link.status(2000).lost, 1);
}

#[test]
fn another_view_of_a_topic_begins_from_nothing() {
    let mut link = live();
    let want = Want { keys: Some(vec!["default/a".into()]), ..Want::rows(TOPIC) };
    let outputs = link.step(2000, 0, Input::Subscribe(want));
    let [Output::Send(ClientFrame::Sub { topics })] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!(topics[0].at, None);
}

fn any_input() -> impl Strategy<Value = Input> {
    prop_oneof![
        Just(Input::Start),
        Just(Input::Opened),
        Just(welcome()),
        Just(Input::Garbage),
        Just(Input::Timeout),
        Just(Input::RetryNow),
        Just(Input::Wake),
        Just(Input::Online),
        Just(Input::Offline),
        (0_u64..20).prop_map(ping),
        (0_u64..20).prop_map(|v| snapshot(v)[1].clone()),
        (0_u64..9, 0_u64..20).prop_map(|(n, v)| frame(ServerFrame::Ch {
            n,
            topic: TOPIC.into(),
            at: at(v),
            from: 0,
            ms: vec![],
            b: vec![]
        })),
        prop_oneof![Just(1006_u16), Just(1012), Just(4008), Just(4501)].prop_map(Input::Closed),
        Just(Input::Subscribe(Want::rows(TOPIC))),
        Just(Input::Unsubscribe(TOPIC.into())),
    ]
}

proptest! {
    #[test]
    fn the_machine_is_never_stuck_and_never_dials_twice(inputs in prop::collection::vec((any_input(), any::<u64>(), 0_u64..30_000), 0..200)) {
        let mut link = Link::new("test");
        link.step(0, 0, Input::Start);
        let mut open = true;
        let mut now = 0;
        for (input, jitter, pause) in inputs {
            now = if matches!(input, Input::Timeout) { link.deadline().unwrap_or(now) } else { now + pause };
            if matches!(input, Input::Closed(_)) { open = false; }
            let before = link.ledger(TOPIC).and_then(Ledger::at).cloned();
            let unsubscribes = matches!(input, Input::Unsubscribe(_));
            let resubscribes = matches!(input, Input::Subscribe(_));
            for output in link.step(now, jitter, input) {
                match output {
                    Output::Dial => { prop_assert!(!open, "two dials"); open = true; }
                    Output::HangUp => { prop_assert!(open, "nothing to hang up"); open = false; }
                    _ => {}
                }
            }
            match link.status(now).state {
                LinkState::Offline | LinkState::Ended(_) => {}
                state => prop_assert!(link.deadline().is_some(), "stuck in {state:?}"),
            }
            if let (Some(before), Some(after), false, false) = (before, link.ledger(TOPIC).and_then(Ledger::at), unsubscribes, resubscribes) {
                prop_assert!(after.1 >= before.1, "the cursor went back");
            }
        }
    }
}
