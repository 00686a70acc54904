//! The client's end of the live link, sans I/O: a pure function of (state, input, now) to outputs.
//!
//! The driver opens and closes lines, keeps one timer, performs [`Output`]s, and turns what happens into
//! [`Input`]s. It decides nothing. How lines come and go is in `roads`, which way is taken in `ladder`, what
//! frames mean in `books`.
//!
//! Invariant: no clock, no randomness, no socket here; in every state but [`LinkState::Ended`] and
//! offline there is a deadline, so the machine cannot be stuck; there is one main line and one candidate for
//! a better way at most, and never two of one kind.

mod books;
mod io;
mod ladder;
mod roads;

pub use io::{How, Input, Line, LinkState, Output, Session, Stamps, Status, Tally, Transport};

use self::{
    books::{Books, Desk},
    ladder::Ladder,
    roads::{Candidate, Main},
};
use super::{ClientFrame, Cursor, ErrCode, MOST_SEEN, PROTOCOL, ServerFrame, Want, ledger::Ledger};

/// Data is shown as stale after this time without a live link, in milliseconds.
const STALE_AFTER_MS: u64 = 2_000;

/// See the module.
#[derive(Debug)]
pub struct Link {
    client: String,
    state: LinkState,
    main: Option<Main>,
    candidate: Option<Candidate>,
    /// The number that was given to the newest line.
    lines: u32,
    ladder: Ladder,
    /// The way to go back to, while a better one is tried in its place.
    fallback: Option<Transport>,
    /// Whether the answer to a question for the session decides if this way is blocked.
    suspect: bool,
    /// When what we have to say by HTTP is said, by a new request.
    redial_at: Option<u64>,
    attempt: u32,
    books: Books,
    desk: Desk,
    ping_n: u64,
    /// Number of the newest ping that was answered on the line.
    ponged: u64,
    /// Number of the ping that followed what we asked for last: once it is answered, so is that.
    fence: u64,
    ping_sent: Option<u64>,
    rtt_ms: Option<u64>,
    /// By how much the server's clock is ahead of ours, and the round trip that told it, in milliseconds.
    clock: Option<(i64, u64)>,
    seen: Vec<u32>,
    last_frame: Option<u64>,
    stale_since: Option<u64>,
    was_live: bool,
    resumes: u64,
}

impl Link {
    /// A link that has not begun; `client` is its name and version, for the server's log.
    pub fn new(client: &str) -> Self {
        Self {
            client: client.to_owned(),
            state: LinkState::Idle,
            main: None,
            candidate: None,
            lines: 0,
            ladder: Ladder::new(),
            fallback: None,
            suspect: false,
            redial_at: None,
            attempt: 0,
            books: Books::new(),
            desk: Desk::default(),
            ping_n: 0,
            ponged: 0,
            fence: 0,
            ping_sent: None,
            rtt_ms: None,
            clock: None,
            seen: Vec::new(),
            last_frame: None,
            stale_since: None,
            was_live: false,
            resumes: 0,
        }
    }

    /// What the pill shows. Until the link was live once, nothing is stale: the page itself is fresh.
    pub fn status(&self, now: u64) -> Status {
        Status {
            state: self.state,
            transport: self.fallback.unwrap_or(self.ladder.rung()),
            better_at: self.better_at(),
            rtt_ms: self.rtt_ms,
            stale_since: self
                .stale_since
                .filter(|since| now.saturating_sub(*since) >= STALE_AFTER_MS),
            resumes: self.resumes,
            lost: self.books.lost,
            changes: self.books.changes,
            last_frame: self.last_frame,
        }
    }

    /// What a fabric went through.
    pub fn tally(&self, fabric: &str) -> Tally {
        self.books.tally(fabric)
    }

    /// By how much the server's clock is ahead of ours, in milliseconds; none while nothing told it.
    pub fn clock_ahead_ms(&self) -> Option<i64> {
        self.clock.map(|(ahead, _)| ahead)
    }

    /// Notes that a batch was painted, so many milliseconds after it was written by the server.
    pub fn painted(&mut self, ms: u32) {
        if self.seen.len() < MOST_SEEN {
            self.seen.push(ms);
        }
    }

    /// What is held of a topic.
    pub fn ledger(&self, topic: &str) -> Option<&Ledger> {
        self.books.ledgers.get(topic).map(AsRef::as_ref)
    }

    /// All topics held.
    pub fn ledgers(&self) -> impl Iterator<Item = (&str, &Ledger)> {
        self.books.ledgers.iter().map(|(topic, ledger)| (topic.as_str(), &**ledger))
    }

    /// Takes over what the server rendered into the page: the next `hello` resumes from there.
    pub fn seed(&mut self, topic: &str, ledger: Ledger) {
        self.books.ledgers.insert(topic.to_owned(), Box::new(ledger));
    }

    /// As [`Self::seed`] for a feed, of which only the place is kept here.
    pub fn seed_feed(&mut self, topic: &str, at: Cursor) {
        self.books.feeds.insert(topic.to_owned(), Box::new(at));
    }

    /// Takes one step. `now` is in Unix milliseconds; `jitter` is any random number.
    pub fn step(&mut self, now: u64, jitter: u64, input: Input) -> Vec<Output> {
        match input {
            Input::Start => {
                if self.state == LinkState::Idle {
                    self.dial(now);
                }
            }
            Input::Opened(line) => self.opened(now, line),
            Input::Frame(line, frame) => self.heard(now, jitter, line, *frame),
            Input::Answer(line, frames) => self.answered(now, line, frames),
            Input::Garbage(line) => self.garbage(now, jitter, line),
            Input::Closed(line, code) => self.closed(now, jitter, line, code),
            Input::Session(session) => self.session(now, jitter, session),
            Input::Timeout => self.timeout(now, jitter),
            Input::RetryNow => self.retry_now(now),
            Input::Wake => self.wake(now),
            Input::Online => match self.state {
                LinkState::Offline => self.dial(now),
                _ => self.wake(now),
            },
            Input::Offline => self.offline(now),
            Input::Subscribe(want) => self.subscribe(now, &want),
            Input::Unsubscribe(topic) => self.unsubscribe(now, topic),
        }
        self.ask(now);
        std::mem::take(&mut self.desk.out)
    }

    fn send(&mut self, line: Line, frame: ClientFrame) {
        self.desk.out.push(Output::Send(line, frame));
    }

    /// Asks the server for what must be asked for: by WebSocket at once, by HTTP with the next request.
    fn ask(&mut self, now: u64) {
        for ask in std::mem::take(&mut self.desk.asks) {
            if let Some(line) = self.socket() {
                self.send(line, ask);
                self.fence(now, line);
                continue;
            }
            if let ClientFrame::Need { topic, .. } = ask {
                self.books.distrust(&topic);
            }
            self.say_later(now);
        }
    }

    /// Takes a frame of the main line, which is live.
    fn take(&mut self, now: u64, jitter: u64, frame: ServerFrame) {
        match frame {
            ServerFrame::Ping { ts, heads, token, n } => {
                if let Some(line) = self.socket() {
                    let seen = std::mem::take(&mut self.seen);
                    self.send(line, ClientFrame::Pong { ts, seen });
                    self.ping(now, line);
                }
                let answered = self.ponged >= self.fence || self.socket().is_none();
                self.books.ping(&heads, token, (n, answered), &mut self.desk);
            }
            ServerFrame::Pong { n, at } => {
                self.ponged = self.ponged.max(n);
                if n == self.ping_n
                    && let Some(sent) = self.ping_sent.take()
                {
                    let rtt_ms = now.saturating_sub(sent);
                    self.rtt_ms = Some(rtt_ms);
                    self.set_clock(now, rtt_ms, at);
                }
            }
            ServerFrame::Err { topic, code, message } => {
                if let (Some(topic), ErrCode::UnknownTopic) = (topic, code) {
                    self.books.unknown(topic, &mut self.desk);
                }
                self.desk.out.push(Output::Refused(message));
            }
            ServerFrame::Bye { code, reconnect_in_ms, .. } => {
                self.bye(now, jitter, code, reconnect_in_ms);
            }
            ServerFrame::Welcome { .. } => {}
            frame => self.books.take(now, frame, &mut self.desk),
        }
    }

    fn ping(&mut self, now: u64, line: Line) {
        self.ping_n += 1;
        self.ping_sent = Some(now);
        self.send(line, ClientFrame::Ping { n: self.ping_n });
    }

    /// Follows what asks for something by a ping, whose answer says that it was heard.
    fn fence(&mut self, now: u64, line: Line) {
        self.ping(now, line);
        self.fence = self.ping_n;
    }

    /// The shorter the round trip, the better it tells how far the clocks are apart.
    fn set_clock(&mut self, now: u64, rtt_ms: u64, at: Option<i64>) {
        let Some(at) = at else { return };
        match self.clock {
            // Clocks drift: what is known is worth a little less each time.
            Some((ahead, known)) if known < rtt_ms => self.clock = Some((ahead, known + 1)),
            _ => {
                let ours = i64::try_from(now.saturating_sub(rtt_ms / 2)).unwrap_or(i64::MAX);
                self.clock = Some((at.saturating_sub(ours), rtt_ms));
            }
        }
    }

    fn hello(&self, topics: Vec<Want>) -> ClientFrame {
        ClientFrame::Hello { protocol: PROTOCOL, client: self.client.clone(), topics }
    }

    fn subscribe(&mut self, now: u64, want: &Want) {
        let want = self.books.want(want);
        match self.socket() {
            Some(line) => {
                let topics = vec![self.books.placed(&want)];
                self.send(line, ClientFrame::Sub { topics });
                self.fence(now, line);
            }
            None => self.say_later(now),
        }
    }

    fn unsubscribe(&mut self, now: u64, topic: String) {
        if !self.books.unwant(&topic) {
            return;
        }
        match self.socket() {
            Some(line) => self.send(line, ClientFrame::Unsub { topics: vec![topic] }),
            None => self.say_later(now),
        }
    }
}

#[cfg(test)]
mod tests;
