//! How lines come and go: dialing, waiting, giving up, waking, and changing to a better way without a gap.
//!
//! Invariant: a line that is dropped is hung up, unless it closed by itself; what comes of a line that is
//! neither the main one nor the candidate is ignored; only the candidate's `welcome` retires the main line.

use super::{
    super::{ClientFrame, Close, SILENCE_MS, ServerFrame, may_reconnect},
    Link,
    io::{How, Line, LinkState, Output, Session, Transport},
};

/// First step of the backoff, in milliseconds.
const BACKOFF_FIRST_MS: u64 = 250;
/// Largest step of the backoff, in milliseconds.
const BACKOFF_MOST_MS: u64 = 20_000;
/// Largest step while the link was lost less than [`SOON_MS`] ago, in milliseconds: a server that restarts is back in
/// a moment, and nobody should wait much longer than it.
const BACKOFF_SOON_MS: u64 = 2_000;
/// What "a moment ago" means, in milliseconds.
const SOON_MS: u64 = 10_000;
/// Time live after which the backoff begins anew, in milliseconds.
const SETTLED_MS: u64 = 10_000;
/// After waking, an answer must come within this time, in milliseconds.
const WAKE_MS: u64 = 1_000;
/// After waking, a stream that spoke so recently is believed to be alive, in milliseconds.
const FRESH_MS: u64 = 2_000;
/// Whether HTTP works must be known within this time, in milliseconds.
const SESSION_MS: u64 = 1_000;
/// What we have to say by HTTP is gathered for this time, in milliseconds, since each saying is a new request.
const GATHER_MS: u64 = 100;
/// How long the server may hold a long poll back, in seconds.
const LONG_POLL_S: u32 = 25;
/// An answer may come this much later than it should, in milliseconds.
const LATE_MS: u64 = 10_000;
/// Time from an answer to the next plain poll, in milliseconds.
const POLL_EVERY_MS: u64 = 5_000;
/// Time from a long poll to the next one at least, in milliseconds: else a busy fabric would be a storm of requests.
const LONG_POLL_EVERY_MS: u64 = 250;
/// HTTP: too many requests.
const TOO_MANY_REQUESTS: u16 = 429;
/// HTTP: come back later.
const UNAVAILABLE: u16 = 503;

/// The line by which the link lives, or tries to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Main {
    line: Line,
    by: Transport,
    /// Whether its first word came.
    spoke: bool,
    /// Whether a word came after those that it begins with.
    proved: bool,
    /// When it was dialed, Unix milliseconds.
    since: u64,
    /// Whether the server may hold its answer back.
    held_back: bool,
}

/// A line that is tried beside a main one of a worse kind: a WebSocket, or a stream beside polls.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    line: Line,
    by: Transport,
    give_up: u64,
}

/// What became of a main line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It closed by itself, with this code or status.
    Closed(u16),
    /// We give it up.
    GivenUp,
}

impl Link {
    /// The main line, if frames can be sent by it.
    pub(super) fn socket(&self) -> Option<Line> {
        let main = self.main.filter(|main| main.by == Transport::WebSocket)?;
        let open = matches!(self.state, LinkState::Greeting { .. } | LinkState::Live { .. });
        open.then_some(main.line)
    }

    /// When [`Input::Timeout`](super::Input::Timeout) is due.
    pub fn deadline(&self) -> Option<u64> {
        let own = match self.state {
            LinkState::Dialing { give_up }
            | LinkState::Greeting { give_up }
            | LinkState::Asking { give_up } => Some(give_up),
            LinkState::Live { silent_after, .. } => Some(silent_after),
            LinkState::Waiting { retry_at } => Some(retry_at),
            LinkState::Idle | LinkState::Offline | LinkState::Ended(_) => None,
        };
        let candidate = self.candidate.map(|candidate| candidate.give_up);
        own.into_iter().chain(candidate).chain(self.redial_due()).chain(self.better_at()).min()
    }

    /// When a better way is tried next.
    pub(super) fn better_at(&self) -> Option<u64> {
        let free = self.is_live() && self.candidate.is_none() && self.fallback.is_none();
        self.ladder.better_at().filter(|_| free)
    }

    fn redial_due(&self) -> Option<u64> {
        self.redial_at.filter(|_| self.is_live())
    }

    fn is_live(&self) -> bool {
        matches!(self.state, LinkState::Live { .. })
    }

    /// Begins anew by the way that is to be taken now.
    pub(super) fn dial(&mut self, now: u64) {
        self.state = LinkState::Dialing { give_up: now + self.ladder.patience_ms() };
        self.open(now, 0);
    }

    /// Opens the main line; none may be open.
    fn open(&mut self, now: u64, wait_s: u32) {
        self.lines += 1;
        let (line, by) = (Line(self.lines), self.ladder.rung());
        self.redial_at = None;
        self.ping_sent = None;
        self.books.begin();
        let hello = || Box::new(self.hello(self.books.placed_wants()));
        let how = match by {
            Transport::WebSocket => How::WebSocket,
            Transport::Sse => How::Sse(hello()),
            Transport::LongPoll | Transport::Poll => How::Poll { wait_s, hello: hello() },
        };
        let held_back = wait_s > 0;
        self.main = Some(Main { line, by, spoke: false, proved: false, since: now, held_back });
        self.desk.out.push(Output::Dial(line, how));
    }

    /// The socket is open: says hello. A candidate wants nothing before it is the main line, so that no change
    /// comes twice.
    pub(super) fn opened(&mut self, now: u64, line: Line) {
        if self.main.is_some_and(|main| main.line == line) {
            let is_socket = self.ladder.rung() == Transport::WebSocket;
            if let (LinkState::Dialing { .. }, true) = (self.state, is_socket) {
                let give_up = now + self.ladder.patience_ms();
                self.state = LinkState::Greeting { give_up };
                self.books.begin();
                let hello = self.hello(self.books.placed_wants());
                self.send(line, hello);
            }
        } else if self.candidate.is_some_and(|it| it.line == line && it.by == Transport::WebSocket)
        {
            let hello = self.hello(Vec::new());
            self.send(line, hello);
        }
    }

    pub(super) fn heard(&mut self, now: u64, jitter: u64, line: Line, frame: ServerFrame) {
        let is_welcome = matches!(frame, ServerFrame::Welcome { .. });
        if self.is_candidate(line) {
            return if is_welcome { self.change_over(now) } else { self.refused(now, &frame) };
        }
        let is_it = |main: &&mut Main| main.line == line && !main.by.is_poll();
        let Some(main) = self.main.as_mut().filter(is_it) else { return };
        if main.spoke {
            if matches!(frame, ServerFrame::Ping { .. } | ServerFrame::Pong { .. }) {
                main.proved = true;
                self.ladder.worked();
            }
            self.word_came(now);
            self.take(now, jitter, frame);
        } else if is_welcome {
            self.spoke(now);
        } else if let ServerFrame::Bye { code, reconnect_in_ms, .. } = frame {
            self.bye(now, jitter, code, reconnect_in_ms);
        }
    }

    /// The main line's first word came.
    fn spoke(&mut self, now: u64) {
        let Some(main) = self.main.as_mut() else { return };
        main.spoke = true;
        let main = *main;
        self.fallback = None;
        self.ladder.reached(now, main.by);
        if !self.is_live() {
            self.resumed();
            self.state = LinkState::Live { since: now, silent_after: now + SILENCE_MS };
        }
        self.word_came(now);
        if main.by == Transport::WebSocket {
            self.ping(now, main.line);
        }
    }

    fn resumed(&mut self) {
        if std::mem::replace(&mut self.was_live, true) {
            self.resumes += 1;
            self.books.resume();
        }
        self.stale_since = None;
    }

    /// A word of the main line came: it is alive.
    fn word_came(&mut self, now: u64) {
        self.last_frame = Some(now);
        if let LinkState::Live { since, .. } = self.state {
            self.state = LinkState::Live { since, silent_after: now + SILENCE_MS };
            if now.saturating_sub(since) >= SETTLED_MS {
                self.attempt = 0;
            }
        }
    }

    /// A poll was answered, which closed its line.
    pub(super) fn answered(&mut self, now: u64, line: Line, frames: Vec<ServerFrame>) {
        let is_it = |main: &Main| main.line == line && main.by.is_poll();
        let Some(main) = self.main.filter(is_it) else { return };
        self.spoke(now);
        self.main = None;
        // Whether answers can be held back is known from one that was.
        if main.held_back || main.by == Transport::Poll {
            self.ladder.worked();
        }
        for frame in frames {
            self.take(now, 0, frame);
        }
        // What must be asked for is part of the next poll.
        self.ask(now);
        let LinkState::Live { since, .. } = self.state else { return };
        let next = if main.by == Transport::Poll {
            now + POLL_EVERY_MS
        } else {
            main.since + LONG_POLL_EVERY_MS
        };
        self.state = LinkState::Live { since, silent_after: next };
        if next <= now {
            self.poll(now);
        }
    }

    /// Sends the next poll.
    fn poll(&mut self, now: u64) {
        let LinkState::Live { since, .. } = self.state else { return };
        let wait_s = if self.ladder.rung() == Transport::LongPoll { LONG_POLL_S } else { 0 };
        let silent_after = now + u64::from(wait_s) * 1_000 + LATE_MS;
        self.state = LinkState::Live { since, silent_after };
        self.open(now, wait_s);
    }

    /// Wants to say something by HTTP: the next request says it.
    pub(super) fn say_later(&mut self, now: u64) {
        let is_http = self.ladder.rung() != Transport::WebSocket;
        if is_http && self.state != LinkState::Idle {
            self.redial_at = self.redial_at.or(Some(now + GATHER_MS));
        }
    }

    /// Replaces the request that is under way by one with the present wants and places.
    fn redial(&mut self, now: u64) {
        self.drop_main();
        if self.ladder.rung().is_poll() {
            self.poll(now);
        } else {
            self.begin_anew(now);
        }
    }

    /// A live link goes on by a new line, which must speak soon.
    fn begin_anew(&mut self, now: u64) {
        let LinkState::Live { since, .. } = self.state else { return };
        self.state = LinkState::Live { since, silent_after: now + self.ladder.patience_ms() };
        self.open(now, 0);
    }

    fn drop_main(&mut self) {
        if let Some(main) = self.main.take() {
            self.desk.out.push(Output::HangUp(main.line));
        }
    }

    fn drop_candidate(&mut self) -> Option<Candidate> {
        let candidate = self.candidate.take();
        self.desk.out.extend(candidate.map(|candidate| Output::HangUp(candidate.line)));
        candidate
    }

    /// Tries the best way beside the one that is taken.
    fn try_better(&mut self, now: u64) {
        let is_worse = self.ladder.rung() != Transport::WebSocket && self.fallback.is_none();
        if !(self.is_live() && is_worse && self.candidate.is_none()) {
            return;
        }
        self.ladder.try_later(now);
        self.stand(now, Transport::WebSocket, How::WebSocket);
    }

    fn stand(&mut self, now: u64, by: Transport, how: How) {
        self.lines += 1;
        let line = Line(self.lines);
        self.candidate = Some(Candidate { line, by, give_up: now + self.ladder.patience_ms() });
        self.desk.out.push(Output::Dial(line, how));
    }

    /// A better way is still blocked: beside polls, a stream is tried next.
    fn no_better(&mut self, now: u64, candidate: Candidate) {
        let was_socket = candidate.by == Transport::WebSocket;
        if was_socket && self.ladder.rung().is_poll() && self.is_live() {
            let hello = Box::new(self.hello(Vec::new()));
            self.stand(now, Transport::Sse, How::Sse(hello));
        }
    }

    fn is_candidate(&self, line: Line) -> bool {
        self.candidate.is_some_and(|candidate| candidate.line == line)
    }

    fn give_candidate_up(&mut self, now: u64) {
        if let Some(candidate) = self.drop_candidate() {
            self.no_better(now, candidate);
        }
    }

    /// What a candidate says but `welcome`: nothing is wanted of it yet, so it is a goodbye.
    fn refused(&mut self, now: u64, frame: &ServerFrame) {
        if let ServerFrame::Bye { .. } = frame {
            self.give_candidate_up(now);
        }
    }

    /// The candidate said `welcome`. A stream cannot be told what we want: streams are known to work by it, and one
    /// that brings what we want follows. A socket is the main line from here, and says what we want from where we are.
    fn change_over(&mut self, now: u64) {
        let Some(Candidate { line, by, .. }) = self.candidate else { return };
        if by == Transport::Sse {
            self.drop_candidate();
            if self.is_live() {
                self.fallback = Some(self.ladder.rung());
                self.ladder.borrow(by);
                self.drop_main();
                self.begin_anew(now);
            }
            return;
        }
        self.candidate = None;
        self.drop_main();
        self.main =
            Some(Main { line, by, spoke: false, proved: false, since: now, held_back: false });
        self.ladder.borrow(by);
        self.redial_at = None;
        self.books.begin();
        if self.is_live() {
            self.resumed();
        }
        self.spoke(now);
        let topics = self.books.placed_wants();
        if !topics.is_empty() {
            self.send(line, ClientFrame::Sub { topics });
            self.fence(now, line);
        }
    }

    pub(super) fn garbage(&mut self, now: u64, jitter: u64, line: Line) {
        if self.is_candidate(line) {
            self.give_candidate_up(now);
        } else if self.main.is_some_and(|main| main.line == line) {
            self.end(now, jitter, End::GivenUp);
        }
    }

    pub(super) fn closed(&mut self, now: u64, jitter: u64, line: Line, code: u16) {
        if let Some(candidate) = self.candidate.filter(|candidate| candidate.line == line) {
            self.candidate = None;
            self.no_better(now, candidate);
        } else if self.main.is_some_and(|main| main.line == line) {
            self.end(now, jitter, End::Closed(code));
        }
    }

    /// The main line ended.
    fn end(&mut self, now: u64, jitter: u64, end: End) {
        let Some(main) = self.main else { return };
        match end {
            End::Closed(_) => self.main = None,
            End::GivenUp => self.drop_main(),
        }
        if let Some(rung) = self.fallback.take() {
            // It was a try only; what worked before goes on.
            self.ladder.borrow(rung);
            return self.poll(now);
        }
        self.leave(now);
        // A line that spoke and was cut is not blocked; one that only ever said what lines begin with may be.
        let mute = !main.spoke || (end == End::GivenUp && !main.proved);
        match end {
            End::Closed(code) if !may_reconnect(code) => self.finish(LinkState::Ended(code)),
            End::Closed(code) if code == Close::SessionExpired.code() => {
                self.ask_session(now, false);
            }
            End::Closed(code) if is_word_of_ours(code) => self.wait(now, jitter),
            _ if mute => self.ask_session(now, true),
            _ => self.wait(now, jitter),
        }
    }

    fn ask_session(&mut self, now: u64, suspect: bool) {
        self.suspect = suspect;
        self.state = LinkState::Asking { give_up: now + SESSION_MS };
        self.desk.out.push(Output::AskSession);
    }

    pub(super) fn session(&mut self, now: u64, jitter: u64, session: Session) {
        if !matches!(self.state, LinkState::Asking { .. }) {
            return;
        }
        match session {
            Session::SignIn => self.finish(LinkState::Ended(Close::SessionExpired.code())),
            Session::Works if self.suspect && self.ladder.failed() => {
                self.attempt = 0;
                self.dial(now);
            }
            Session::Works | Session::Away => self.wait(now, jitter),
        }
    }

    /// The end, or nothing to be done for now: no line stays.
    fn finish(&mut self, state: LinkState) {
        self.drop_main();
        self.drop_candidate();
        self.fallback = None;
        self.state = state;
    }

    fn wait(&mut self, now: u64, jitter: u64) {
        self.state = LinkState::Waiting { retry_at: now + self.backoff(now, jitter) };
    }

    pub(super) fn bye(&mut self, now: u64, jitter: u64, code: u16, reconnect_in_ms: Option<u64>) {
        self.drop_main();
        if let Some(rung) = self.fallback.take() {
            self.ladder.borrow(rung);
        }
        self.leave(now);
        if !may_reconnect(code) {
            self.finish(LinkState::Ended(code));
        } else if code == Close::SessionExpired.code() {
            self.ask_session(now, false);
        } else {
            let wait = reconnect_in_ms.unwrap_or_else(|| self.backoff(now, jitter));
            self.state = LinkState::Waiting { retry_at: now + wait.max(1) };
        }
    }

    pub(super) fn timeout(&mut self, now: u64, jitter: u64) {
        let due = |at: Option<u64>| at.is_some_and(|at| at <= now);
        if due(self.candidate.map(|candidate| candidate.give_up)) {
            self.give_candidate_up(now);
        }
        match self.state {
            LinkState::Dialing { give_up } | LinkState::Greeting { give_up } if give_up <= now => {
                self.end(now, jitter, End::GivenUp);
            }
            LinkState::Asking { give_up } if give_up <= now => {
                self.session(now, jitter, Session::Away);
            }
            LinkState::Live { silent_after, .. } if silent_after <= now => match self.main {
                Some(_) => self.end(now, jitter, End::GivenUp),
                None => self.poll(now),
            },
            LinkState::Waiting { retry_at } if retry_at <= now => self.dial(now),
            _ => {}
        }
        // After the others, since what they do may make these due.
        if due(self.redial_due()) {
            self.redial(now);
        }
        if due(self.better_at()) {
            self.try_better(now);
        }
    }

    pub(super) fn retry_now(&mut self, now: u64) {
        match self.state {
            LinkState::Waiting { .. } | LinkState::Ended(_) | LinkState::Offline => self.dial(now),
            _ => self.try_better(now),
        }
    }

    /// The page was away, for nobody knows how long, and the clock may have moved.
    pub(super) fn wake(&mut self, now: u64) {
        self.clock = None;
        self.ladder.clamp(now);
        self.redial_at = self.redial_at.map(|at| at.min(now + GATHER_MS));
        let soon = now + self.ladder.patience_ms();
        if let Some(candidate) = self.candidate.as_mut() {
            candidate.give_up = candidate.give_up.min(soon);
        }
        match self.state {
            LinkState::Live { since, silent_after } => {
                self.check(now, since, silent_after);
                self.try_better(now);
            }
            LinkState::Waiting { .. } => self.dial(now),
            LinkState::Dialing { give_up } => {
                self.state = LinkState::Dialing { give_up: give_up.min(soon) };
            }
            LinkState::Greeting { give_up } => {
                self.state = LinkState::Greeting { give_up: give_up.min(soon) };
            }
            LinkState::Asking { give_up } => {
                self.state = LinkState::Asking { give_up: give_up.min(now + SESSION_MS) };
            }
            LinkState::Idle | LinkState::Offline | LinkState::Ended(_) => {}
        }
    }

    /// Finds out soon whether the live line is still alive.
    fn check(&mut self, now: u64, since: u64, silent_after: u64) {
        if let Some(line) = self.socket() {
            let silent_after = silent_after.min(now + WAKE_MS).max(now + 1);
            self.state = LinkState::Live { since, silent_after };
            return self.ping(now, line);
        }
        let is_fresh = self.last_frame.is_some_and(|at| now.abs_diff(at) <= FRESH_MS);
        if self.ladder.rung() == Transport::Sse && is_fresh {
            let silent_after = silent_after.min(now + SILENCE_MS);
            self.state = LinkState::Live { since, silent_after };
        } else {
            self.drop_main();
            self.begin_anew(now);
        }
    }

    pub(super) fn offline(&mut self, now: u64) {
        if !matches!(self.state, LinkState::Ended(_)) {
            self.leave(now);
            self.finish(LinkState::Offline);
        }
    }

    fn leave(&mut self, now: u64) {
        if self.is_live() {
            self.stale_since = Some(self.last_frame.unwrap_or(now));
        }
        self.rtt_ms = None;
    }

    /// `random(0, min(20 s, 250 ms × 2ⁿ))`, and never nothing; at most 2 s while the link was just lost.
    fn backoff(&mut self, now: u64, jitter: u64) -> u64 {
        let lost_soon = self.stale_since.is_some_and(|since| now.saturating_sub(since) < SOON_MS);
        let most = if lost_soon { BACKOFF_SOON_MS } else { BACKOFF_MOST_MS };
        let ceiling = BACKOFF_FIRST_MS.saturating_mul(1 << self.attempt.min(16)).min(most);
        self.attempt = self.attempt.saturating_add(1);
        1 + jitter % ceiling
    }
}

/// Whether only our server closes a line like this: then the way to it is not blocked.
fn is_word_of_ours(code: u16) -> bool {
    code == Close::Restart.code()
        || code >= 4_000
        || code == TOO_MANY_REQUESTS
        || code == UNAVAILABLE
}
