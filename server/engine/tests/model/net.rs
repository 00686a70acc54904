//! What happens between browsers and processes: dials, frames under way, loss, and the wishes of a page.
//!
//! Invariant: a frame arrives whole, in order and once, or its connection ends, or it is counted as swallowed.

use domain::{
    topic::Topic,
    wire::{
        Close, ServerFrame,
        link::{How, Input, Line, LinkState, Output, Session as Answer},
    },
};
use engine::hub::session::{Session, Verdict, Viewer};

use super::{
    audit::{Broken, Promise},
    check,
    client::{Client, Conn, Said, Unnoticed, collide, covers, wants},
    world::World,
};

/// Rounds of eight frames each way after which two are believed to talk forever: a flood of events is shorter.
const MOST_ROUNDS: usize = 2_000;

impl World {
    pub(super) fn time_out(&mut self) -> Result<(), Broken> {
        for client in 0..self.clients.len() {
            if self.clients[client].link.deadline().is_some_and(|due| due <= self.now) {
                self.input(client, Input::Timeout)?;
            }
        }
        Ok(())
    }

    /// Something happens to a link.
    pub(crate) fn input(&mut self, client: usize, input: Input) -> Result<(), Broken> {
        self.jitter = self.jitter.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let outputs = self.clients[client].link.step(self.now, self.jitter >> 33, input);
        for output in outputs {
            self.output(client, output)?;
        }
        Ok(())
    }

    fn output(&mut self, at: usize, output: Output) -> Result<(), Broken> {
        let client = &mut self.clients[at];
        match output {
            Output::Dial(line, How::WebSocket) => {
                client.drop_conn();
                let session =
                    Session::new(self.replicas[client.route].hub.clone(), Viewer::house());
                client.conn = Some(Conn::new(line, session, client.route));
                self.input(at, Input::Opened(line))?;
            }
            Output::Dial(line, How::Sse(_) | How::Poll { .. }) => {
                self.input(at, Input::Closed(line, 503))?;
            }
            // Nobody answers: so it is the server that is away, and no way to it that is blocked.
            Output::AskSession => self.input(at, Input::Session(Answer::Away))?,
            Output::HangUp(line) => {
                if client.conn.as_ref().is_some_and(|conn| conn.line == line) {
                    client.drop_conn();
                }
            }
            Output::Send(line, frame) => {
                if let Some(conn) = client.conn.as_mut().filter(|conn| conn.line == line) {
                    conn.up.push_back(serde_json::to_string(&frame).unwrap());
                }
            }
            Output::Changed(topic, deltas) => {
                client.audit.changed(&topic, client.link.ledger(&topic), &deltas)?;
            }
            Output::Event(topic, position, _) => {
                client.audit.event(&topic, &self.feed, position)?;
            }
            Output::Gap(topic, from, to) => {
                client.audit.gap(&topic, &self.feed, from, to)?;
            }
            Output::Synced(topic) => {
                if let Some(conn) = &mut client.conn {
                    conn.synced.insert(topic.clone());
                }
                if !self.feed.is_empty() {
                    client.audit.follows(&topic, &self.feed);
                }
                check::synced(self, at, &topic)?;
            }
            Output::Stamped(_) | Output::Refused(_) => {}
        }
        Ok(())
    }

    /// Frames move: so many are heard by the server, sent by it, delivered to the client.
    pub(super) fn flow(&mut self, at: usize, up: u8, send: u8, down: u8) -> Result<(), Broken> {
        for _ in 0..up {
            let Some(conn) = &mut self.clients[at].conn else { return Ok(()) };
            let Some(text) = conn.up.pop_front() else { break };
            let Some(session) = &mut conn.session else { continue };
            if self.mode.told {
                println!("  {at} > {text}");
            }
            conn.greeted = true;
            self.said += 1;
            if let Verdict::Close(_) = session.hear(&text) {
                conn.close(&self.replicas)?;
            }
        }
        for _ in 0..send {
            let Some(conn) = &mut self.clients[at].conn else { return Ok(()) };
            let Some(Said { text, feed }) = conn.next(&self.replicas)? else { break };
            let text = self.mode.sabotage.and_then(|sabotage| sabotage(&text)).unwrap_or(text);
            conn.down.push_back(Said { text, feed });
        }
        for _ in 0..down {
            let Some(conn) = &mut self.clients[at].conn else { return Ok(()) };
            match conn.down.pop_front() {
                Some(said) => {
                    let line = conn.line;
                    self.deliver(at, line, said)?;
                    self.late(at)?;
                }
                None if conn.closes => return self.cut(at),
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// A frame of a line that was given up comes after all.
    fn late(&mut self, at: usize) -> Result<(), Broken> {
        while let Some((line, text)) = self.clients[at].late.pop() {
            self.tell(|| format!("  {at} < late {text}"));
            let frame = ServerFrame::read(&text).unwrap_or_else(|_| panic!("no frame: {text}"));
            self.input(at, Input::Frame(line, Box::new(frame)))?;
        }
        Ok(())
    }

    fn deliver(&mut self, at: usize, line: Line, said: Said) -> Result<(), Broken> {
        let Said { text, feed } = said;
        self.tell(|| format!("  {at} < {text}"));
        self.feed = feed;
        self.said += 1;
        let frame = ServerFrame::read(&text).unwrap_or_else(|_| panic!("no frame: {text}"));
        let is_ping = matches!(frame, ServerFrame::Ping { .. });
        let is_bye = matches!(frame, ServerFrame::Bye { .. });
        let topic = check::topic_of(&frame).map(str::to_owned);
        if let ServerFrame::Revoke { topic, .. } | ServerFrame::Err { topic: Some(topic), .. } =
            &frame
        {
            self.clients[at].audit.forget(topic);
        }
        self.input(at, Input::Frame(line, Box::new(frame)))?;
        if is_ping {
            if let Some(conn) = &mut self.clients[at].conn {
                conn.pinged = true;
            }
            check::loss_was_noticed(&mut self.clients[at])?;
        }
        if let Some(topic) = topic {
            check::place(self, at, &topic)?;
        }
        if is_bye {
            self.clients[at].drop_conn();
        }
        Ok(())
    }

    /// Everything that is said arrives, until nothing more is said.
    pub(crate) fn settle(&mut self, at: usize) -> Result<(), Broken> {
        for _ in 0..MOST_ROUNDS {
            self.flow(at, 8, 8, 8)?;
            let quiet = |conn: &Conn| {
                conn.is_idle() || (conn.session.is_none() && conn.down.is_empty() && !conn.closes)
            };
            if self.clients[at].conn.as_ref().is_none_or(quiet) {
                return Ok(());
            }
        }
        Err(Broken {
            promise: Promise::Convergence,
            how: "client and server never stop talking".to_owned(),
        })
    }

    pub(crate) fn ping(&mut self, at: usize) {
        let conn = self.clients[at].conn.as_mut().filter(|conn| conn.greeted);
        if let Some(Conn { session: Some(session), .. }) = conn {
            session.ping();
        }
    }

    pub(super) fn cut(&mut self, at: usize) -> Result<(), Broken> {
        if let Some(conn) = self.clients[at].conn.take() {
            self.input(at, Input::Closed(conn.line, 1006))?;
        }
        Ok(())
    }

    pub(super) fn swallow(&mut self, at: usize) {
        let client = &mut self.clients[at];
        let lost = client.link.status(self.now).lost;
        let Some(conn) = &mut client.conn else { return };
        let Some(next) = conn.down.front() else { return };
        let frame = ServerFrame::read(&next.text).unwrap_or_else(|_| panic!("no frame: {next:?}"));
        // Frames of a feed are not numbered, so that their loss shows in positions only; a link without its
        // welcome ends by itself.
        let is_ch = match frame {
            ServerFrame::Ch { .. } => true,
            ServerFrame::Synced { topic, .. } if topic.starts_with("feed/") => return,
            ServerFrame::Snapshot { .. }
            | ServerFrame::Synced { .. }
            | ServerFrame::Keys { .. } => false,
            _ => return,
        };
        conn.down.pop_front();
        client.swallowed += 1;
        conn.unnoticed = match (conn.unnoticed, is_ch) {
            (known @ Unnoticed::Changes { .. }, _) => known,
            (_, true) => Unnoticed::Changes { lost },
            (_, false) => Unnoticed::Something,
        };
    }

    /// The page is loaded anew: it begins with what the server puts into it.
    pub(super) fn page(&mut self, at: usize) -> Result<(), Broken> {
        let old = &self.clients[at];
        let mut client = Client::new(old.route);
        client.wants.clone_from(&old.wants);
        for want in client.wants.values() {
            client.link.step(self.now, 0, Input::Subscribe(want.clone()));
        }
        check::seed(&mut client, &self.replicas[old.route]);
        self.clients[at] = client;
        self.input(at, Input::Start)
    }

    pub(crate) fn want(&mut self, at: usize, which: u8) -> Result<(), Broken> {
        let want = wants(which);
        let others: Vec<String> = self.clients[at]
            .wants
            .keys()
            .filter(|topic| **topic != want.topic && collide(topic, &want.topic))
            .cloned()
            .collect();
        others.iter().try_for_each(|topic| self.leave(at, topic))?;
        self.clients[at].wants.insert(want.topic.clone(), want.clone());
        self.input(at, Input::Subscribe(want))
    }

    pub(super) fn leave(&mut self, at: usize, topic: &str) -> Result<(), Broken> {
        if self.clients[at].wants.remove(topic).is_none() {
            return Ok(());
        }
        self.input(at, Input::Unsubscribe(topic.to_owned()))?;
        let client = &mut self.clients[at];
        let known: Vec<String> = client.link.ledgers().map(|(topic, _)| topic.to_owned()).collect();
        client.audit.forget(topic);
        for known in known.iter().filter(|known| covers(topic, known)) {
            client.audit.forget(known);
        }
        client.audit.forget_feeds(topic);
        Ok(())
    }

    pub(super) fn bye(&mut self, at: usize, back: bool) -> Result<(), Broken> {
        if let Some(conn) = &mut self.clients[at].conn
            && let Some(session) = &mut conn.session
        {
            session.goodbye(if back { Close::Restart } else { Close::LoggedOut }, None);
            conn.close(&self.replicas)?;
        }
        Ok(())
    }

    /// A person asks again for what was taken away meanwhile.
    pub(crate) fn ask_again(&mut self, at: usize) -> Result<(), Broken> {
        for want in self.clients[at].wants.clone().into_values() {
            if !want.topic.contains('*') {
                self.input(at, Input::Subscribe(want))?;
            }
        }
        Ok(())
    }

    /// Frames that passed so far.
    pub(crate) fn said(&self) -> u64 {
        self.said
    }

    /// Whether each link is live.
    pub(crate) fn all_live(&self) -> bool {
        let live =
            |client: &Client| matches!(client.link.status(self.now).state, LinkState::Live { .. });
        self.clients.iter().all(live)
    }

    /// Whether a link does not come back by itself.
    pub(crate) fn has_ended(&self, at: usize) -> bool {
        let state = self.clients[at].link.status(self.now).state;
        matches!(state, LinkState::Ended(_) | LinkState::Offline)
    }

    /// The name of a client's topic in its replica, as a topic.
    pub(crate) fn parse(topic: &str) -> Topic {
        topic.parse().unwrap()
    }
}
