//! What is wanted and what is held: how frames about topics change it, and what must be asked for again.
//!
//! Invariant: a frame about a topic that nobody wants changes nothing; a topic of which something may be
//! missing has no place to resume from until it was read anew; no line is known here.

use std::collections::BTreeMap;

use super::{
    super::{
        At, ClientFrame, Cursor, Head, Op, Recovered, ServerFrame, Want,
        ledger::{Delta, Ledger, Phase},
    },
    io::{Output, Stamps, Tally},
};

/// What came of an input: what others are to be told, and what the server is to be asked for.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// For the driver.
    pub(super) out: Vec<Output>,
    /// For the server.
    pub(super) asks: Vec<ClientFrame>,
}

impl Desk {
    fn changed(&mut self, topic: String, deltas: Vec<Delta>) {
        if !deltas.is_empty() {
            self.out.push(Output::Changed(topic, deltas));
        }
    }

    fn resync(&mut self, topic: &str) {
        self.asks.push(ClientFrame::Resync { topic: topic.to_owned() });
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Books {
    // Boxed, so that all are one kind of map to the machine: in the browser each further kind is several
    // kilobytes of code.
    pub(super) wants: BTreeMap<String, Box<Want>>,
    pub(super) ledgers: BTreeMap<String, Box<Ledger>>,
    pub(super) feeds: BTreeMap<String, Box<Cursor>>,
    tallies: BTreeMap<String, Box<Tally>>,
    token: Option<String>,
    /// Wishes so far: each has its number.
    wishes: u32,
    next_n: u64,
    /// How often something was found missing.
    pub(super) lost: u64,
    /// Changes received.
    pub(super) changes: u64,
}

impl Books {
    pub(super) fn new() -> Self {
        Self {
            wants: BTreeMap::new(),
            ledgers: BTreeMap::new(),
            feeds: BTreeMap::new(),
            tallies: BTreeMap::new(),
            token: None,
            wishes: 0,
            next_n: 1,
            lost: 0,
            changes: 0,
        }
    }

    /// What a fabric went through.
    pub(super) fn tally(&self, fabric: &str) -> Tally {
        self.tallies.get(fabric).map(|tally| **tally).unwrap_or_default()
    }

    /// A new line begins: its frames are counted from one, and half a snapshot of the old one is worth nothing.
    pub(super) fn begin(&mut self) {
        self.next_n = 1;
        self.ledgers.values_mut().for_each(|ledger| ledger.reconnecting());
        if self.token.is_none() || !self.is_whole() {
            // Wildcards begin from nothing, and so does what they brought.
            let named = |topic: &str| self.wants.contains_key(topic);
            let ledgers = self.ledgers.iter_mut().filter(|(topic, _)| !named(topic));
            ledgers.for_each(|(_, ledger)| ledger.distrust());
        }
    }

    /// The link is back after a cut.
    pub(super) fn resume(&mut self) {
        self.ledgers.values_mut().for_each(|ledger| ledger.resume());
    }

    /// All wants, each with the place that was reached in it.
    pub(super) fn placed_wants(&self) -> Vec<Want> {
        self.wants.values().map(|want| self.placed(want)).collect()
    }

    /// The want with the place that was reached in it.
    pub(super) fn placed(&self, want: &Want) -> Want {
        let at = if want.topic.contains('*') {
            self.token.clone().filter(|_| self.is_whole()).map(At::Token)
        } else {
            let place = self
                .ledgers
                .get(&want.topic)
                .filter(|ledger| ledger.is_of(want.s))
                .and_then(|ledger| ledger.at())
                .or_else(|| self.feeds.get(&want.topic).map(AsRef::as_ref));
            place.cloned().map(At::Cursor)
        };
        Want { at, ..want.clone() }
    }

    /// Whether what came by wildcards has no hole: their token, which only the server can read, would name the
    /// places as if there were none.
    fn is_whole(&self) -> bool {
        let is_safe = |topic: &str| self.wants.contains_key(topic) || !self.is_wanted(topic);
        self.ledgers.iter().all(|(topic, ledger)| ledger.at().is_some() || is_safe(topic))
    }

    /// Follows a topic from now on, or otherwise than before.
    /// Returns the want with its number.
    pub(super) fn want(&mut self, want: &Want) -> Want {
        let mut want = want.clone();
        let known = self.wants.get(&want.topic);
        let same = known.filter(|known| {
            known.keys == want.keys && known.labels == want.labels && known.view == want.view
        });
        want.s = same.and_then(|known| known.s);
        if same.is_none() {
            self.wishes += 1;
            want.s = Some(self.wishes);
            // It may name a place in what was never wanted under this wish.
            let is_wild = want.topic.contains('*') || self.is_wanted(&want.topic);
            self.token = self.token.take().filter(|_| !is_wild);
            if known.is_some() {
                for (_, ledger) in
                    self.ledgers.iter_mut().filter(|(topic, _)| selects(&want.topic, topic))
                {
                    ledger.distrust();
                }
            }
        }
        self.wants.insert(want.topic.clone(), Box::new(want.clone()));
        want
    }

    /// Number of the wish that a topic is followed under.
    fn wish(&self, topic: &str) -> Option<u32> {
        let named = self.wants.get(topic);
        let want = named.or_else(|| self.wants.values().find(|want| selects(&want.topic, topic)));
        want.and_then(|want| want.s)
    }

    /// Follows a topic no longer; false if it was not followed.
    pub(super) fn unwant(&mut self, topic: &str) -> bool {
        if self.wants.remove(topic).is_none() {
            return false;
        }
        self.token = None;
        let wants = std::mem::take(&mut self.wants);
        let kept =
            |held: &str| !selects(topic, held) || wants.keys().any(|want| selects(want, held));
        self.ledgers.retain(|held, _| kept(held));
        self.feeds.retain(|held, _| kept(held));
        self.wants = wants;
        true
    }

    /// Forgets the place of a topic, so that it is read anew.
    pub(super) fn distrust(&mut self, topic: &str) {
        if let Some(ledger) = self.ledgers.get_mut(topic) {
            ledger.distrust();
        }
    }

    /// Takes a frame about a topic.
    pub(super) fn take(&mut self, now: u64, frame: ServerFrame, desk: &mut Desk) {
        let (ServerFrame::Snapshot { topic, .. }
        | ServerFrame::Synced { topic, .. }
        | ServerFrame::Keys { topic, .. }
        | ServerFrame::Ch { topic, .. }
        | ServerFrame::Evt { topic, .. }
        | ServerFrame::Gap { topic, .. }
        | ServerFrame::Revoke { topic, .. }) = &frame
        else {
            return;
        };
        // Still under way when it was given up. Its number counts nevertheless.
        if !self.is_wanted(topic) {
            if let ServerFrame::Ch { n, .. } = frame {
                self.count(n, desk);
            }
            return;
        }
        match frame {
            ServerFrame::Snapshot { topic, items, total: 0, .. } if items.is_empty() => {
                self.begin_anew(topic, desk);
            }
            ServerFrame::Snapshot { topic, items, at, done, .. } => {
                self.ledger(topic).snapshot(at, items, done);
            }
            ServerFrame::Synced { topic, s, .. } if s.is_some() && s != self.wish(&topic) => {
                // Of a wish that was replaced meanwhile: the answer to the new one follows.
                if let Some(ledger) = self.ledgers.get_mut(&topic) {
                    ledger.reconnecting();
                }
            }
            ServerFrame::Synced { topic, at, recovered, n, total, .. } => {
                self.synced(topic, at, recovered, (n, total), desk);
            }
            ServerFrame::Keys { topic, live } => {
                let deltas = self.ledger(topic.clone()).keys(&live);
                desk.changed(topic, deltas);
            }
            ServerFrame::Ch { n, topic, at, from, ms, b } => {
                self.count(n, desk);
                self.changes += b.len() as u64;
                if let (false, [watch, hub, write, ..]) = (b.is_empty(), ms.as_slice()) {
                    let (watch, hub, write) = (*watch, *hub, *write);
                    let got = i64::try_from(now).unwrap_or(i64::MAX);
                    desk.out.push(Output::Stamped(Stamps { watch, hub, write, got }));
                }
                self.changed(topic, at, from, b, desk);
            }
            ServerFrame::Evt { topic, id, e } => self.event(topic, &id, e, desk),
            ServerFrame::Gap { topic, from, to } => {
                if let (Ok(from), Ok(to)) = (from.parse(), to.parse()) {
                    if let Some(known) = self.feeds.get_mut(&topic) {
                        known.1 = known.1.max(to);
                    }
                    desk.out.push(Output::Gap(topic, from, to));
                }
            }
            ServerFrame::Revoke { topic, .. } => self.revoke(topic, desk),
            _ => {}
        }
    }

    /// Takes the heads of a ping: one ahead of what we hold means that something was lost on the way, since
    /// everything considered for us before the ping was sent before it.
    pub(super) fn ping(
        &mut self,
        heads: &[Head],
        token: Option<String>,
        (n, answered): (Option<u64>, bool),
        desk: &mut Desk,
    ) {
        if token.is_some() {
            self.token = token;
        }
        self.lags(heads);
        match n.filter(|n| n + 1 != self.next_n) {
            Some(n) => self.swallowed(n, desk),
            None => self.compare(heads, answered && n.is_some(), desk),
        }
    }

    fn lags(&mut self, heads: &[Head]) {
        self.tallies.values_mut().for_each(|tally| tally.lag_ms = None);
        for (topic, _, _, lag) in heads {
            let tally = self.tally_of(topic);
            tally.lag_ms = tally.lag_ms.max(*lag);
        }
    }

    fn ledger(&mut self, topic: String) -> &mut Ledger {
        self.ledgers.entry(topic).or_default()
    }

    fn tally_of(&mut self, topic: &str) -> &mut Tally {
        self.tallies.entry(fabric_of(topic).to_owned()).or_default()
    }

    fn synced(
        &mut self,
        topic: String,
        at: Cursor,
        recovered: Recovered,
        (n, total): (Option<u64>, Option<usize>),
        desk: &mut Desk,
    ) {
        if is_feed(&topic) {
            self.skipped(&topic, &at.0, at.1, desk);
            let known = self.feeds.get(&topic).filter(|known| known.0 == at.0);
            if known.is_none_or(|known| known.1 < at.1) {
                self.feeds.insert(topic.clone(), Box::new(at));
            }
            desk.out.push(Output::Synced(topic));
            return;
        }
        if let Some(n) = n.filter(|n| n + 1 != self.next_n) {
            // Wanted anew as well, though nothing of it may have come before.
            self.ledgers.entry(topic).or_default();
            return self.swallowed(n, desk);
        }
        let wish = self.wish(&topic);
        let ledger = self.ledgers.entry(topic.clone()).or_default();
        // What follows a place is no whole for someone who has lost what lies before it.
        let is_rest = recovered != Recovered::None;
        if is_rest && ledger.at().is_none() {
            return desk.resync(&topic);
        }
        if !ledger.is_whole(&at, recovered, total) {
            ledger.distrust();
            self.note_loss(&topic);
            return desk.resync(&topic);
        }
        if ledger.at().is_some_and(|known| known.0 != at.0) {
            // The token names places of before, perhaps at another process.
            self.token = None;
        }
        if total == Some(0) {
            // What is staged is of a wish that was taken back: nothing has no first part.
            ledger.reconnecting();
        }
        ledger.read_under(wish);
        let deltas = ledger.synced(at, recovered);
        let resumes = ledger.resumes();
        let tally = self.tally_of(&topic);
        tally.resumes = tally.resumes.max(resumes);
        desk.changed(topic.clone(), deltas);
        desk.out.push(Output::Synced(topic));
    }

    /// Compares the number of a `ch` with those before it.
    fn count(&mut self, n: u64, desk: &mut Desk) {
        if n != self.next_n {
            self.swallowed(n, desk);
        }
        self.next_n = n + 1;
    }

    fn changed(&mut self, topic: String, at: Cursor, from: u64, ops: Vec<Op>, desk: &mut Desk) {
        let ledger = self.ledgers.entry(topic.clone()).or_default();
        match ledger.at() {
            // An epoch begins with a snapshot, and changes with those before them: something on the way
            // swallowed what lies between.
            Some(Cursor(epoch, reached)) if *epoch != at.0 || *reached < from => {
                ledger.distrust();
                self.note_loss(&topic);
                return desk.resync(&topic);
            }
            Some(_) => {}
            // Of a subscription that is being replaced: the snapshot under way holds it.
            None => return,
        }
        let (deltas, needs) = ledger.changes(at, ops);
        let needs = needs.into_iter().map(|key| ClientFrame::Need { topic: topic.clone(), key });
        desk.asks.extend(needs);
        desk.changed(topic, deltas);
    }

    /// Something of a topic was found missing.
    fn note_loss(&mut self, topic: &str) {
        self.lost += 1;
        self.tally_of(topic).lost += 1;
    }

    /// Something on the way swallowed changes, and nobody knows of which topic: read all anew.
    fn swallowed(&mut self, n: u64, desk: &mut Desk) {
        self.lost += 1;
        self.next_n = n + 1;
        self.tallies.values_mut().for_each(|tally| tally.lost += 1);
        self.ledgers.values_mut().for_each(|ledger| ledger.distrust());
        for topic in self.ledgers.keys().filter(|topic| self.is_wanted(topic)) {
            desk.resync(topic);
        }
    }

    fn event(&mut self, topic: String, id: &str, envelope: serde_json::Value, desk: &mut Desk) {
        let Ok(id) = id.parse::<u64>() else { return };
        // A feed begins with a place: without one, this is of a wish that is no more.
        let Some(Cursor(epoch, known)) = self.feeds.get(&topic).map(AsRef::as_ref) else { return };
        if *known >= id {
            return;
        }
        let epoch = epoch.clone();
        self.skipped(&topic, &epoch, id - 1, desk);
        self.feeds.insert(topic.clone(), Box::new(Cursor(epoch, id)));
        desk.out.push(Output::Event(topic, id, envelope));
    }

    /// Nobody told us of a feed's positions up to this one, which lies behind us now.
    fn skipped(&self, topic: &str, epoch: &str, to: u64, desk: &mut Desk) {
        if let Some(Cursor(known, last)) = self.feeds.get(topic).map(AsRef::as_ref)
            && known == epoch
            && *last < to
        {
            desk.out.push(Output::Gap(topic.to_owned(), last + 1, to));
        }
    }

    fn compare(&mut self, heads: &[Head], answered: bool, desk: &mut Desk) {
        for (topic, version, ..) in heads {
            if !self.is_wanted(topic) {
                continue;
            }
            // What the server calls begun was said to be complete before this ping, if it had heard all
            // that we asked for: else that was lost.
            let behind = match (self.ledgers.get(topic), version.parse::<u64>()) {
                (Some(ledger), Ok(head)) => match (ledger.phase(), ledger.at()) {
                    (Phase::Synced, Some(Cursor(_, at))) => head > *at,
                    _ => answered,
                },
                (None, Ok(_)) => answered,
                (_, Err(_)) => false,
            };
            if behind {
                self.note_loss(topic);
                self.distrust(topic);
                desk.resync(topic);
            }
        }
        if answered {
            self.unconfirmed(heads, desk);
        }
    }

    /// What has no head there, and nothing that was said since we are back: the server does not know of it, so
    /// neither do we.
    fn unconfirmed(&mut self, heads: &[Head], desk: &mut Desk) {
        let lacks = |topic: &str| !heads.iter().any(|(known, ..)| known == topic);
        let of = self.ledgers.iter().filter(|(topic, ledger)| {
            let unsaid = ledger.at().is_none() || ledger.is_resuming();
            unsaid && ledger.phase() == Phase::Synced && lacks(topic)
        });
        for topic in of.map(|(topic, _)| topic.clone()).collect::<Vec<_>>() {
            self.begin_anew(topic, desk);
        }
    }

    /// What we hold of a topic means nothing any more, and nobody knows yet what does.
    fn begin_anew(&mut self, topic: String, desk: &mut Desk) {
        self.drop_topic(topic.clone(), desk);
        self.ledger(topic);
    }

    /// The server does not know a topic that we want.
    pub(super) fn unknown(&mut self, topic: String, desk: &mut Desk) {
        self.drop_topic(topic, desk);
    }

    fn revoke(&mut self, topic: String, desk: &mut Desk) {
        self.wants.remove(&topic);
        self.drop_topic(topic, desk);
    }

    fn drop_topic(&mut self, topic: String, desk: &mut Desk) {
        self.feeds.remove(&topic);
        let Some(ledger) = self.ledgers.remove(&topic) else { return };
        desk.changed(topic, ledger.held().keys().cloned().map(Delta::Gone).collect());
    }

    fn is_wanted(&self, topic: &str) -> bool {
        self.wants.keys().any(|want| selects(want, topic))
    }
}

/// Whether a topic is the one that is wanted, or one of those.
fn selects(want: &str, topic: &str) -> bool {
    let (mut wants, mut parts) = (want.split('/'), topic.split('/'));
    loop {
        match (wants.next(), parts.next()) {
            (None, None) => return true,
            (Some(want), Some(part)) if want == part || want == "*" => {}
            _ => return false,
        }
    }
}

/// Whether a topic is told event by event, so that only its place is kept here.
fn is_feed(topic: &str) -> bool {
    topic.starts_with("feed/") || topic == "me"
}

/// The fabric that a topic's name names.
fn fabric_of(topic: &str) -> &str {
    topic.split('/').nth(1).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_selects_any_one_part_and_nothing_else_does() {
        for (want, topic, expected) in [
            ("objects/prod/Switch", "objects/prod/Switch", true),
            ("objects/*/*", "objects/prod/Switch", true),
            ("objects/*/Server", "objects/prod/Switch", false),
            ("state/*", "state/prod", true),
            ("state/*", "objects/prod/Switch", false),
            ("feed/*", "state/prod", false),
        ] {
            assert_eq!(selects(want, topic), expected, "{want} {topic}");
        }
    }
}
