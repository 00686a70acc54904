//! What a session follows: topics by name, wildcards and what they bring, and where each begins.
//!
//! Invariant: a topic is followed at most once; one asked for by name wins over a wildcard, and a wildcard
//! takes it over again when the name is given up. A place counts only for what it was a place in: whoever
//! looks at a topic in another way begins anew.

use std::{collections::BTreeSet, sync::Arc};

use domain::{
    topic::{Selection, Topic},
    wire::{At, Close, Cursor, ErrCode, ServerFrame, View, Want},
};

use super::{Following, Place, Session, Verdict, Viewer, Wildcard};
use crate::{
    hub::{
        Cell, Hub,
        filter::Filter,
        frames::{feed_frames, keyed_frames},
        keyed::{Reader, ReaderId},
        mailbox::Sub,
        token::Token,
        unsent::{Mark, Unsent},
    },
    metrics::Metrics,
};

/// Most keys or characters of a label selector in one want.
const LONGEST_SELECTOR: usize = 4_096;

/// How a want looks at its topics; shared by all that a wildcard brings.
#[derive(Debug)]
pub(super) struct Lens {
    pub(super) view: View,
    pub(super) filter: Filter,
    /// Number that the client gave the wish.
    pub(super) wish: Option<u32>,
}

impl Lens {
    /// Reads a want; a sentence if its selector is none.
    fn read(want: &Want) -> Result<Arc<Self>, String> {
        let too_long = want.labels.as_ref().is_some_and(|labels| labels.len() > LONGEST_SELECTOR)
            || want.keys.as_ref().is_some_and(|keys| keys.len() > LONGEST_SELECTOR);
        if too_long {
            return Err("the selector is too long".to_owned());
        }
        let labels = want.labels.as_deref().map(str::parse).transpose();
        let labels =
            labels.map_err(|error: domain::wire::labels::LabelsError| error.to_string())?;
        let keys = want.keys.as_ref().map(|keys| keys.iter().cloned().collect());
        let filter = Filter { keys, labels };
        Ok(Arc::new(Self { view: want.view, filter, wish: want.s }))
    }

    fn sees_as(&self, other: &Self) -> bool {
        self.view == other.view && self.filter == other.filter
    }
}

impl Place {
    fn of(at: Option<At>) -> Option<Self> {
        Some(match at? {
            At::Cursor(Cursor(epoch, version)) => Self::At(Mark { epoch: epoch.into(), version }),
            At::Token(token) => Self::Token(Arc::new(Token::read(&token))),
        })
    }

    /// The place in a topic as it is now, as far as it still means something.
    fn cursor(&self, topic: &Topic, epoch: impl Fn(&Topic) -> Option<String>) -> Option<Mark> {
        match self {
            Self::At(mark) => Some(mark.clone()),
            Self::Token(token) => {
                let version = token.version(topic, &epoch)?;
                Some(Mark { epoch: epoch(topic)?.into(), version })
            }
        }
    }
}

/// A topic, as far as it exists for who looks.
fn cell_of(hub: &Hub, viewer: &Viewer, topic: &Topic) -> Option<Cell> {
    match topic {
        _ if !viewer.sees(topic) => None,
        Topic::Me => Some(Cell::Feed(hub.personal(viewer.user.as_ref()?)?)),
        _ => hub.cell(topic),
    }
}

/// Epoch of such a topic now.
pub(super) fn epoch_of(hub: &Hub, viewer: &Viewer, topic: &Topic) -> Option<String> {
    Some(match cell_of(hub, viewer, topic)? {
        Cell::Keyed(keyed) => keyed.read(|log| log.epoch().to_string()),
        Cell::Feed(feed) => feed.newest(0).0.0,
    })
}

impl Session {
    pub(super) fn follow_all(&mut self, wants: Vec<Want>) -> Verdict {
        // What is named beside a wildcard is not begun twice.
        let named: BTreeSet<Topic> =
            wants.iter().filter_map(|want| want.topic.parse().ok()).collect();
        for want in wants {
            if self.n_asked() >= self.most_topics && !self.is_asked(&want.topic) {
                let most = self.most_topics;
                let message =
                    format!("at most {most} topics per connection; use `*` or unsubscribe first");
                self.refuse(Some(want.topic), ErrCode::TooMany, message);
                return self.goodbye(Close::TooLarge, None);
            }
            self.follow_want(want, &named);
        }
        Verdict::Continue
    }

    /// Topics that were asked for; a wildcard is one.
    fn n_asked(&self) -> usize {
        self.wildcards.len() + self.following.values().filter(|known| known.named).count()
    }

    fn is_asked(&self, topic: &str) -> bool {
        self.wildcards.iter().any(|known| known.asked == topic)
            || self.following.values().any(|known| known.named && known.topic.to_string() == topic)
    }

    fn follow_want(&mut self, want: Want, named: &BTreeSet<Topic>) {
        let selection: Selection = match want.topic.parse() {
            Ok(selection) => selection,
            Err(error) => {
                return self.refuse(Some(want.topic), ErrCode::UnknownTopic, error.to_string());
            }
        };
        let lens = match Lens::read(&want) {
            Ok(lens) => lens,
            Err(message) => return self.refuse(Some(want.topic), ErrCode::BadSelector, message),
        };
        let place = Place::of(want.at);
        if selection.is_wildcard() {
            self.wildcards.retain(|known| known.asked != want.topic);
            let topics = self.select(&selection);
            let wildcard = Wildcard { asked: want.topic, selection, lens: Arc::clone(&lens) };
            self.wildcards.push(wildcard);
            for topic in topics {
                let by_name = self.find(&topic).is_some_and(|(_, known)| known.named);
                if !by_name && !named.contains(&topic) {
                    self.follow(topic, Arc::clone(&lens), false, place.clone());
                }
            }
            return;
        }
        match want.topic.parse::<Topic>() {
            Ok(topic) if self.cell(&topic).is_some() => self.follow(topic, lens, true, place),
            _ => {
                let message = format!(
                    "there is no topic `{}` here; the overview lists the fabrics",
                    want.topic
                );
                self.refuse(Some(want.topic), ErrCode::UnknownTopic, message);
            }
        }
    }

    fn find(&self, topic: &Topic) -> Option<(Sub, &Following)> {
        let found = self.following.iter().find(|(_, known)| known.topic == *topic);
        found.map(|(sub, known)| (*sub, &**known))
    }

    fn follow(&mut self, topic: Topic, lens: Arc<Lens>, named: bool, place: Option<Place>) {
        let Some(cell) = self.cell(&topic) else { return };
        let known = self.find(&topic).map(|(sub, known)| (sub, known.lens.sees_as(&lens)));
        // Seen in another way, what changed since says nothing of what came into sight.
        let place = place.filter(|_| known.is_none_or(|(_, same)| same));
        let mut begun = false;
        if let Some((known, _)) = known {
            begun = self.drop_sub(known).is_some_and(|known| known.sent.is_some());
        }
        let sub = Sub(self.next_sub);
        self.next_sub += 1;
        let following = Following {
            topic,
            lens,
            named,
            reader: ReaderId::fresh(),
            cell,
            epoch: Arc::from(""),
            sent: None,
            reached: None,
        };
        self.following.insert(sub, Box::new(following));
        if begun {
            // It may have begun anew since, which nobody has said yet.
            self.begin_anew(sub, place);
        } else {
            self.begin(sub, place);
        }
    }

    /// Subscribes at a place and says what was missed.
    pub(super) fn begin(&mut self, sub: Sub, place: Option<Place>) {
        self.void(sub);
        let Some(following) = self.following.get_mut(&sub) else { return };
        following.sent = None;
        let epoch = |topic: &Topic| epoch_of(&self.hub, &self.viewer, topic);
        let at = place.as_ref().and_then(|place| place.cursor(&following.topic, epoch));
        let at = at.as_ref().map(|Mark { epoch, version }| (&**epoch, *version));
        let beginning = match &following.cell {
            Cell::Feed(feed) => {
                let begin = feed.subscribe(following.reader, Arc::clone(&self.mailbox), sub, at);
                following.epoch = begin.at.0.as_str().into();
                following.sent = Some(begin.at.1);
                Metrics::add(&self.hub.metrics.gaps, u64::from(begin.since.gap.is_some()));
                feed_frames(&following.look(sub), &begin, self.n)
            }
            Cell::Keyed(keyed) => {
                let filter = following.lens.filter.clone();
                let reader = Reader::new(Arc::clone(&self.mailbox), sub, filter);
                let witnessed = at.map_or(0, |_| self.hub.witnessed(&following.topic));
                let Some(begin) = keyed.subscribe(following.reader, reader, at, witnessed) else {
                    // Nobody knows yet; the topic resets us once it was listed.
                    following.reached = place;
                    return;
                };
                following.epoch = Arc::clone(&begin.epoch);
                following.sent = Some(begin.head);
                keyed_frames(&following.look(sub), begin, &mut self.n)
            }
        };
        if place.is_some() {
            self.hub.metrics.resumed(beginning.recovered);
        }
        self.news |= beginning.is_news();
        following.reached = place.filter(|_| beginning.keeps_place());
        self.out.extend(beginning.frames);
    }

    /// A topic began anew: what the client holds of it means nothing, even where nobody knows yet what does.
    pub(super) fn begin_anew(&mut self, sub: Sub, place: Option<Place>) {
        self.begin(sub, place);
        if let Some(known) = self.following.get(&sub).filter(|known| known.sent.is_none()) {
            let topic = known.topic.to_string();
            let nothing =
                ServerFrame::Snapshot { topic, items: Vec::new(), done: 0, total: 0, at: None };
            let text = serde_json::to_string(&nothing).unwrap_or_default();
            self.out.push_back(Unsent::about(sub, text, None));
            self.news = true;
        }
    }

    /// Takes back what was not sent yet of a subscription's beginning.
    fn void(&mut self, sub: Sub) {
        self.out.retain(|unsent| !unsent.is_about(sub));
        self.out.iter_mut().for_each(|unsent| unsent.forget_mark(sub));
    }

    pub(super) fn resync(&mut self, topic: &str) {
        let found = self.following.iter().find(|(_, known)| known.topic.to_string() == topic);
        match found.map(|(sub, _)| *sub) {
            Some(sub) => self.begin(sub, None),
            None => self.not_followed(topic),
        }
    }

    pub(super) fn unfollow(&mut self, asked: &str) {
        let before = self.wildcards.len();
        self.wildcards.retain(|known| known.asked != asked);
        let named = self
            .following
            .iter()
            .find(|(_, known)| known.named && known.topic.to_string() == asked)
            .map(|(sub, _)| *sub);
        if let Some(sub) = named {
            self.drop_sub(sub);
        }
        if named.is_some() || self.wildcards.len() < before {
            self.settle();
        }
    }

    /// A topic, as far as it exists for who looks.
    fn cell(&self, topic: &Topic) -> Option<Cell> {
        cell_of(&self.hub, &self.viewer, topic)
    }

    fn select(&self, selection: &Selection) -> Vec<Topic> {
        let mut topics = self.hub.select(selection);
        topics.retain(|topic| self.viewer.sees(topic));
        topics
    }

    /// Looks for somebody with other rights from now on: what they may not see any more is taken back, said
    /// or not yet said, and what they may see now joins what they asked for.
    pub fn look_for(&mut self, viewer: Viewer) {
        if viewer != self.viewer {
            self.viewer = viewer;
            self.reconcile();
        }
    }

    /// Stops following anything and takes back whatever was not sent yet: who looked may look no longer.
    pub fn silence(&mut self) {
        self.wildcards.clear();
        let subs: Vec<Sub> = self.following.keys().copied().collect();
        for sub in subs {
            self.drop_sub(sub);
        }
        self.out.clear();
    }

    /// Follows topics that appeared, forgets those that went, and begins anew with those that were replaced.
    pub fn reconcile(&mut self) {
        let mut replaced = Vec::new();
        let mut gone = Vec::new();
        for (sub, known) in &self.following {
            match self.cell(&known.topic) {
                None => gone.push(*sub),
                Some(cell) if !cell.is(&known.cell) => replaced.push((
                    known.topic.clone(),
                    Arc::clone(&known.lens),
                    known.named,
                    known.reached.clone(),
                )),
                Some(_) => {}
            }
        }
        for sub in gone {
            if let Some(known) = self.drop_sub(sub) {
                self.news = true;
                // Whether it is gone or out of sight is told only to who saw it.
                let reason = if self.viewer.sees(&known.topic) { "gone" } else { "rights" };
                let topic = known.topic.to_string();
                self.say(&ServerFrame::Revoke { topic, reason: reason.to_owned() });
            }
        }
        for (topic, lens, named, reached) in replaced {
            self.follow(topic, lens, named, reached);
        }
        self.settle();
    }

    /// Makes what wildcards bring be what they ask for: the newest that selects a topic decides.
    fn settle(&mut self) {
        let mut orphans = Vec::new();
        let mut wrong = Vec::new();
        for (sub, known) in self.following.iter().filter(|(_, known)| !known.named) {
            match self.ruling(&known.topic) {
                None => orphans.push(*sub),
                Some(lens) if !Arc::ptr_eq(&lens, &known.lens) => {
                    wrong.push((known.topic.clone(), lens));
                }
                Some(_) => {}
            }
        }
        for sub in orphans {
            self.drop_sub(sub);
        }
        let followed: BTreeSet<&Topic> =
            self.following.values().map(|known| &known.topic).collect();
        let mut found: BTreeSet<Topic> = BTreeSet::new();
        for wildcard in &self.wildcards {
            found.extend(self.select(&wildcard.selection));
        }
        let missing = found.iter().filter(|topic| !followed.contains(topic));
        wrong.extend(missing.filter_map(|topic| Some((topic.clone(), self.ruling(topic)?))));
        for (topic, lens) in wrong {
            self.follow(topic, lens, false, None);
        }
    }

    fn ruling(&self, topic: &Topic) -> Option<Arc<Lens>> {
        let rule = self.wildcards.iter().rev().find(|known| known.selection.matches(topic))?;
        Some(Arc::clone(&rule.lens))
    }

    pub(super) fn drop_sub(&mut self, sub: Sub) -> Option<Box<Following>> {
        let following = self.following.remove(&sub)?;
        match &following.cell {
            Cell::Keyed(keyed) => keyed.unsubscribe(following.reader),
            Cell::Feed(feed) => feed.unsubscribe(following.reader),
        }
        self.mailbox.close(sub);
        self.out.retain(|unsent: &Unsent| !unsent.is_about(sub));
        Some(following)
    }
}
