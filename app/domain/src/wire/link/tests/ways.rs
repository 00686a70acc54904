//! The ways to the server: what counts as blocked, what is taken instead, and how a better way is taken again.
//!
//! Invariant: no line is open that the link does not know of, whatever happens here.

use super::*;

impl Bench {
    /// A link to which sockets are blocked: they are dialed and never say a word.
    fn without_sockets() -> Self {
        let mut bench = Self::begun();
        bench.mute();
        assert_eq!(bench.wait(), [Output::Dial(Line(2), How::WebSocket)], "after the backoff");
        bench.mute();
        bench
    }

    /// The line that is being dialed never says a word, while HTTP works.
    fn mute(&mut self) -> Vec<Output> {
        let outputs = self.wait();
        assert_eq!(outputs, [Output::HangUp(self.line), Output::AskSession]);
        self.at(self.now + 5, Input::Session(Session::Works))
    }

    /// A link that is live by server-sent events, synced at version 5.
    fn streaming() -> Self {
        let mut bench = Self::without_sockets();
        bench.hear(bench.now + 10, welcome());
        for frame in snapshot(5) {
            bench.hear(bench.now, frame);
        }
        bench
    }

    /// As [`Self::streaming`], by long polls.
    fn polling() -> Self {
        let mut bench = Self::without_sockets();
        bench.mute();
        bench.wait();
        bench.mute();
        bench.answer(10, snapshot(5).into());
        bench
    }

    fn answer(&mut self, after: u64, frames: Vec<ServerFrame>) -> Vec<Output> {
        self.at(self.now + after, Input::Answer(self.line, frames))
    }

    /// Lets deadlines pass until something is dialed.
    fn wait_for_dial(&mut self) -> (Line, How) {
        for _ in 0..9 {
            let outputs = self.wait();
            let dial = outputs.into_iter().find_map(|output| match output {
                Output::Dial(line, how) => Some((line, how)),
                _ => None,
            });
            if let Some(dial) = dial {
                return dial;
            }
        }
        panic!("nothing is dialed");
    }

    fn is_live_by(&self, transport: Transport) -> bool {
        let status = self.status();
        matches!(status.state, LinkState::Live { .. }) && status.transport == transport
    }
}

fn place(how: &How) -> Option<At> {
    let (How::Sse(hello) | How::Poll { hello, .. }) = how else { return None };
    let ClientFrame::Hello { topics, .. } = &**hello else { return None };
    topics.first().and_then(|want| want.at.clone())
}

#[test]
fn where_sockets_never_speak_a_stream_is_live_within_six_seconds() {
    let bench = Bench::streaming();
    assert!(bench.is_live_by(Transport::Sse));
    assert!(bench.now < 5_000, "{} ms leave no second for a slow network", bench.now);
    assert_eq!(bench.status().lost, 0);
}

#[test]
fn a_server_that_is_down_is_not_a_blocked_way() {
    let mut bench = Bench::begun();
    for _ in 0..6 {
        assert_eq!(bench.close(bench.now + 3, 1006), [Output::AskSession]);
        bench.at(bench.now + 3, Input::Session(Session::Away));
        assert_eq!(bench.wait_for_dial().1, How::WebSocket);
    }
    // Nor is one that does not answer the question in time.
    bench.close(bench.now + 3, 1006);
    let asked = bench.now;
    bench.wait();
    assert_eq!(bench.now - asked, 1_000);
    assert!(matches!(bench.status().state, LinkState::Waiting { .. }));
}

#[test]
fn who_is_not_signed_in_is_told_so() {
    let mut bench = Bench::begun();
    bench.close(3, 1006);
    bench.at(5, Input::Session(Session::SignIn));
    assert_eq!(bench.status().state, LinkState::Ended(4401));
    assert_eq!(bench.link.deadline(), None);
}

#[test]
fn a_link_that_is_cut_now_and_then_resumes_by_the_same_way() {
    let mut bench = Bench::streaming();
    for round in 0..5 {
        bench.hear(bench.now + 9_000, ping(5));
        bench.close(bench.now + 1, 1006);
        let (_, how) = bench.wait_for_dial();
        assert_eq!(place(&how), Some(At::Cursor(at(5))), "round {round}");
        bench.hear(bench.now + 5, welcome());
        bench.hear(bench.now, synced(5, Recovered::Log));
        assert!(bench.is_live_by(Transport::Sse));
    }
    let mut bench = Bench::live();
    for _ in 0..5 {
        bench.close(bench.now + 5_000, 1006);
        assert_eq!(bench.wait_for_dial().1, How::WebSocket);
        bench.at(bench.now + 5, Input::Opened(bench.line));
        bench.hear(bench.now + 5, welcome());
    }
    assert_eq!(bench.status().resumes, 5);
}

#[test]
fn a_socket_that_says_welcome_and_then_nothing_counts_as_blocked() {
    let mut bench = Bench::begun();
    for _ in 0..2 {
        let line = bench.line;
        bench.at(bench.now + 5, Input::Opened(line));
        bench.hear(bench.now + 5, welcome());
        let outputs = bench.wait();
        assert!(outputs.contains(&Output::AskSession), "{outputs:?}");
        bench.at(bench.now + 5, Input::Session(Session::Works));
        if bench.status().transport == Transport::WebSocket {
            bench.wait_for_dial();
        }
    }
    assert_eq!(bench.status().transport, Transport::Sse);
}

#[test]
fn a_stream_wants_no_pong_and_dies_of_silence() {
    let mut bench = Bench::streaming();
    let outputs = bench.hear(bench.now + 100, ping(5));
    assert!(!outputs.iter().any(|output| matches!(output, Output::Send(..))), "{outputs:?}");
    let last = bench.now;
    let (_, how) = loop {
        let (line, how) = bench.wait_for_dial();
        match how {
            // The better way, tried beside it and blocked as before.
            How::WebSocket => bench.at(bench.now + 1, Input::Closed(line, 1006)),
            how => break (line, how),
        };
    };
    assert!(bench.now - last <= SILENCE_MS + 250, "{}", bench.now - last);
    assert!(matches!(how, How::Sse(_)));
}

#[test]
fn what_is_said_by_http_is_gathered_into_one_new_request() {
    let mut bench = Bench::streaming();
    let line = bench.line;
    let begin = bench.now;
    for fabric in ["a", "b", "c"] {
        let want = Want::rows(format!("state/{fabric}"));
        assert_eq!(bench.at(bench.now + 10, Input::Subscribe(want)), []);
    }
    assert_eq!(bench.at(bench.now + 10, Input::Unsubscribe("state/b".into())), []);
    let outputs = bench.wait();
    assert_eq!(bench.now - begin, 110);
    let [Output::HangUp(old), Output::Dial(_, How::Sse(hello))] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    assert_eq!(*old, line);
    let ClientFrame::Hello { topics, .. } = &**hello else { panic!() };
    let names: Vec<&str> = topics.iter().map(|want| want.topic.as_str()).collect();
    assert_eq!(names, [TOPIC, "state/a", "state/c"]);
    assert_eq!(topics[0].at, Some(At::Cursor(at(5))));
    assert!(bench.is_live_by(Transport::Sse), "a new request is no reason to say reconnecting");
    bench.hear(bench.now + 5, welcome());
    assert_eq!(bench.status().resumes, 0);
}

#[test]
fn a_loss_on_a_stream_is_mended_by_a_request_without_the_place() {
    let mut bench = Bench::streaming();
    assert_eq!(bench.hear(bench.now + 5, ping(6)), []);
    assert_eq!(bench.status().lost, 1);
    let (_, how) = bench.wait_for_dial();
    assert_eq!(place(&how), None);
    assert!(matches!(how, How::Sse(_)));
}

#[test]
fn a_loss_that_a_wildcard_covers_is_mended_without_its_token() {
    let mut bench = Bench::streaming();
    let want = |bench: &mut Bench, input| {
        bench.at(bench.now, input);
        let (_, how) = bench.wait_for_dial();
        bench.hear(bench.now + 5, welcome());
        place(&how)
    };
    bench.at(bench.now, Input::Unsubscribe(TOPIC.into()));
    want(&mut bench, Input::Subscribe(Want::rows("objects/*/*")));
    for frame in snapshot(5) {
        bench.hear(bench.now, frame);
    }
    let token = ServerFrame::Ping { ts: 1, heads: vec![], token: Some("t".into()), n: Some(0) };
    bench.hear(bench.now, token);
    let resumed = want(&mut bench, Input::Subscribe(Want::rows("state/a")));
    assert_eq!(resumed, Some(At::Token("t".into())));
    bench.hear(bench.now, ping(9));
    let (_, how) = bench.wait_for_dial();
    assert_eq!(place(&how), None, "the token would hide what is missing");
}

#[test]
fn polls_follow_each_other_and_are_held_back_once_they_are_known_to_work() {
    let mut bench = Bench::polling();
    assert!(bench.is_live_by(Transport::LongPoll));
    let (_, how) = bench.wait_for_dial();
    let How::Poll { wait_s: 25, .. } = how else { panic!("{how:?}") };
    assert_eq!(place(&how), Some(At::Cursor(at(5))));
    let deadline = bench.link.status(bench.now).state;
    let LinkState::Live { silent_after, .. } = deadline else { panic!() };
    assert_eq!(silent_after - bench.now, 35_000, "the wait and ten seconds");
    bench.answer(3_000, vec![ch(1, 5, 6, vec![put("default/b", 6)])]);
    assert_eq!(bench.link.ledger(TOPIC).unwrap().at(), Some(&at(6)));
    assert_eq!(bench.status().lost, 0);
}

#[test]
fn answers_that_come_at_once_are_no_storm_of_polls() {
    let mut bench = Bench::polling();
    let begin = bench.now;
    let mut polls = 0;
    while bench.now < begin + 5_000 {
        let outputs = bench.wait();
        polls += outputs
            .iter()
            .filter(|output| matches!(output, Output::Dial(_, How::Poll { .. })))
            .count();
        bench.answer(1, vec![]);
    }
    assert!(polls <= 21, "{polls}");
}

#[test]
fn long_polls_that_are_cut_twice_become_plain_ones() {
    let mut bench = Bench::polling();
    for _ in 0..2 {
        bench.wait_for_dial();
        assert_eq!(bench.close(bench.now + 2_000, 1006), [Output::AskSession]);
        bench.at(bench.now + 5, Input::Session(Session::Works));
        if bench.status().transport == Transport::LongPoll {
            bench.wait_for_dial();
        }
        bench.answer(5, vec![]);
    }
    assert!(bench.is_live_by(Transport::Poll));
    let last = bench.now;
    let (_, how) = bench.wait_for_dial();
    assert!(matches!(how, How::Poll { wait_s: 0, .. }), "{how:?}");
    assert_eq!(bench.now - last, 5_000);
}

#[test]
fn a_better_way_takes_over_only_when_it_speaks_and_goes_on_from_where_we_are() {
    let mut bench = Bench::streaming();
    let old = bench.line;
    let begin = bench.now;
    let due = bench.status().better_at.unwrap();
    let outputs = bench.at(due, Input::Timeout);
    assert_eq!(outputs, [Output::Dial(Line(old.0 + 1), How::WebSocket)]);
    assert!(due - begin <= 60_000);
    let new = bench.line;
    let outputs = bench.at(due + 10, Input::Opened(new));
    let [Output::Send(_, ClientFrame::Hello { topics, .. })] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    assert!(topics.is_empty(), "no change comes twice");
    // The old way goes on meanwhile.
    let change = ch(1, 5, 6, vec![put("default/b", 6)]);
    bench.at(due + 20, Input::Frame(old, Box::new(change)));
    assert!(bench.is_live_by(Transport::Sse));
    let outputs = bench.at(due + 30, Input::Frame(new, Box::new(welcome())));
    assert_eq!(outputs.first(), Some(&Output::HangUp(old)));
    let subs = outputs.iter().filter_map(|output| match output {
        Output::Send(line, ClientFrame::Sub { topics }) => Some((*line, topics[0].at.clone())),
        _ => None,
    });
    assert_eq!(subs.collect::<Vec<_>>(), [(new, Some(At::Cursor(at(6))))]);
    assert!(bench.is_live_by(Transport::WebSocket));
    assert_eq!(bench.status().better_at, None);
    // Numbers begin anew with the line.
    assert_ne!(bench.hear(due + 40, ch(1, 6, 7, vec![put("default/c", 7)])), []);
    assert_eq!(bench.status().lost, 0);
}

#[test]
fn a_better_way_that_stays_blocked_leaves_no_trace() {
    let mut bench = Bench::streaming();
    let line = bench.line;
    let mut tries = Vec::new();
    while tries.len() < 8 {
        let until = bench.now + 5_000;
        while bench.link.deadline().unwrap() <= until {
            let outputs = bench.wait();
            if outputs.iter().any(|output| matches!(output, Output::Dial(..))) {
                tries.push(bench.now);
            } else {
                assert_eq!(outputs, [Output::HangUp(bench.line)]);
            }
            assert!(bench.is_live_by(Transport::Sse));
        }
        bench.at(until, Input::Frame(line, Box::new(ping(5))));
    }
    assert!(tries.windows(2).all(|pair| pair[1] - pair[0] <= 57_500), "{tries:?}");
    assert_eq!((bench.status().resumes, bench.status().stale_since), (0, None));
}

#[test]
fn from_polls_a_stream_is_tried_once_sockets_are_seen_to_be_blocked() {
    let mut bench = Bench::polling();
    bench.wait_for_dial();
    let long_poll = bench.line;
    let outputs = bench.at(bench.now + 5, Input::RetryNow);
    assert!(matches!(outputs[..], [Output::Dial(_, How::WebSocket)]), "{outputs:?}");
    let outputs = bench.close(bench.now + 5, 1006);
    let [Output::Dial(_, How::Sse(hello))] = &outputs[..] else { panic!("{outputs:?}") };
    assert!(matches!(&**hello, ClientFrame::Hello { topics, .. } if topics.is_empty()));
    // It does not speak: polls went on all the time.
    assert_eq!(bench.close(bench.now + 5, 502), []);
    assert!(bench.is_live_by(Transport::LongPoll));
    // Next time it does, and a stream that brings something takes the place of the polls.
    bench.at(bench.now + 5, Input::RetryNow);
    bench.close(bench.now + 5, 1006);
    let trial = bench.line;
    let outputs = bench.hear(bench.now + 5, welcome());
    let [Output::HangUp(one), Output::HangUp(two), Output::Dial(_, how)] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    assert_eq!((*one, *two), (trial, long_poll));
    assert_eq!(place(how), Some(At::Cursor(at(5))));
    assert!(bench.is_live_by(Transport::LongPoll), "until the stream speaks");
    let second = bench.line;
    assert_eq!(bench.close(bench.now + 5, 502).len(), 1, "a poll follows where it does not");
    bench.at(bench.now + 5, Input::RetryNow);
    bench.close(bench.now + 5, 1006);
    bench.hear(bench.now + 5, welcome());
    assert_ne!(bench.line, second);
    bench.hear(bench.now + 5, welcome());
    assert!(bench.is_live_by(Transport::Sse));
}

#[test]
fn waking_up_on_a_stream_asks_anew_unless_it_spoke_just_now() {
    let mut bench = Bench::streaming();
    let line = bench.line;
    let outputs = bench.at(bench.now + 1_000, Input::Wake);
    assert!(!outputs.contains(&Output::HangUp(line)), "{outputs:?}");
    let back = bench.now + 600_000;
    let outputs = bench.at(back, Input::Wake);
    assert!(outputs.contains(&Output::HangUp(line)), "{outputs:?}");
    let (line, _) = outputs
        .iter()
        .find_map(|output| match output {
            Output::Dial(line, How::Sse(hello)) => Some((*line, hello)),
            _ => None,
        })
        .unwrap();
    bench.at(back + 300, Input::Frame(line, Box::new(welcome())));
    assert!(bench.is_live_by(Transport::Sse));
}

#[test]
fn waking_up_between_polls_polls_at_once_and_does_not_wait_long() {
    let mut bench = Bench::polling();
    bench.wait_for_dial();
    let back = bench.now + 600_000;
    let outputs = bench.at(back, Input::Wake);
    let asks_at_once =
        |output: &Output| matches!(output, Output::Dial(_, How::Poll { wait_s: 0, .. }));
    assert!(outputs.iter().any(asks_at_once), "{outputs:?}");
    assert!(bench.link.deadline().unwrap() <= back + 3_000);
}

#[test]
fn a_clock_that_was_set_back_leaves_no_deadline_far_away() {
    for mut bench in [Bench::live(), Bench::streaming(), Bench::polling()] {
        bench.now += 7_200_000;
        bench.at(bench.now, Input::Wake);
        let now = bench.now - 7_200_000;
        bench.at(now, Input::Wake);
        assert!(bench.link.deadline().unwrap() <= now + 60_000);
    }
}
