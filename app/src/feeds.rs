//! The newest events of each fabric: seeded by a page, continued by the link, shared by all parts.
//!
//! Invariant: at most [`MOST_HELD`] events of a fabric are held, each once and in order; what is
//! missing in between is said.

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    feed::{Event, EventType},
    kind::Kind,
    report::FeedPart,
    time::Timestamp,
    topic::{FabricId, Topic as TopicName},
    wire::Want,
};
use leptos::{prelude::*, task::spawn_local};

use crate::live::Live;

mod missing;

use missing::Missing;

/// Most events held of a fabric: half an hour of a busy one; the oldest falls out.
pub const MOST_HELD: usize = 500;
/// Most requests by which one gap is filled; more than enough for [`MOST_HELD`] events.
const MOST_REQUESTS: usize = 10;
/// Events that belong together lie at most this far apart, in milliseconds.
const TOGETHER_MS: i64 = 10_000;

/// The end of a fabric's feed.
#[derive(Debug, Clone, Default)]
pub struct Feed {
    /// By position, ascending. No map: in the browser each further kind of map is several kilobytes of code.
    events: Vec<(u64, Arc<Event>)>,
    missing: Missing,
    /// Since when events are seen, Unix milliseconds; none: not at all.
    since: Option<i64>,
}

impl Feed {
    /// Takes an event; one that is known already changes nothing.
    pub fn push(&mut self, event: Arc<Event>) {
        let Ok(position) = event.id.parse() else { return };
        self.since = self.since.into_iter().chain(time_ms(&event)).min();
        self.missing.found(position);
        if let Err(at) = self.place(position) {
            self.events.insert(at, (position, event));
        }
        if self.events.len() > MOST_HELD {
            let (position, oldest) = self.events.remove(0);
            self.since = self.since.max(time_ms(&oldest));
            self.missing.forget_before(position);
        }
    }

    /// Where a position is held, or would be.
    fn place(&self, position: u64) -> Result<usize, usize> {
        self.events.binary_search_by_key(&position, |(position, _)| *position)
    }

    /// Says that events of these positions did not come. Those that are here are not among them.
    pub fn miss(&mut self, first: u64, last: u64) {
        self.missing.add(first, last);
        for (position, _) in &self.events {
            self.missing.found(*position);
        }
    }

    /// Says that events are seen since a time.
    pub fn seen_since(&mut self, ms: i64) {
        self.since = Some(self.since.map_or(ms, |since| since.min(ms)));
    }

    /// Since when events are seen, Unix milliseconds.
    pub fn since(&self) -> Option<i64> {
        self.since
    }

    /// Which events did not come while this page was open, in words; none where none is missing.
    pub fn missing(&self) -> Option<String> {
        self.missing.text()
    }

    /// Times of the events, Unix milliseconds, oldest first.
    pub fn times(&self) -> impl Iterator<Item = i64> {
        self.events.iter().filter_map(|(_, event)| time_ms(event))
    }

    /// Newest first.
    pub fn newest(&self) -> impl Iterator<Item = &Arc<Event>> {
        self.events.iter().rev().map(|(_, event)| event)
    }
}

/// When an event was seen, Unix milliseconds.
pub fn time_ms(event: &Event) -> Option<i64> {
    event.time.parse::<Timestamp>().ok().map(Timestamp::unix_ms)
}

/// Events that are told in one line.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The fabric.
    pub fabric: FabricId,
    /// The newest of them.
    pub event: Arc<Event>,
    /// How many.
    pub count: usize,
    /// Whether all are about one object.
    pub one_subject: bool,
    /// When the newest was seen, Unix milliseconds.
    pub at: i64,
    /// When the oldest was seen, Unix milliseconds.
    from: i64,
}

impl Line {
    /// Names the line within a list: its fabric and the position of its newest event.
    pub fn id(&self) -> String {
        format!("{}/{}", self.fabric, self.event.id)
    }

    /// The kind it is about, if it is about objects.
    pub fn kind(&self) -> Option<Kind> {
        self.event.object().map(|(kind, _)| kind)
    }

    /// The sentence.
    pub fn text(&self) -> String {
        match self.kind() {
            Some(kind) if !self.one_subject => {
                format!("{} {} {}", self.count, kind.about().label, self.event.kind.verb())
            }
            _ => self.event.data.message.clone(),
        }
    }

    /// Takes an older event in, if it tells the same.
    fn take(&mut self, older: &Arc<Event>, at: i64) -> bool {
        let (mine, other) = (&self.event, older);
        let is_object =
            matches!(mine.kind, EventType::Created | EventType::Updated | EventType::Deleted);
        let same = is_object
            && mine.kind == other.kind
            && mine.data.severity == other.data.severity
            && mine.data.manager == other.data.manager
            && self.kind() == other.object().map(|(kind, _)| kind)
            && self.from - at <= TOGETHER_MS;
        if same {
            self.count += 1;
            self.from = at;
            self.one_subject &= mine.subject == other.subject;
        }
        same
    }
}

/// The newest events of some fabrics in lines, newest first, at most `most`.
pub fn lines<'a>(
    feeds: impl IntoIterator<Item = (&'a FabricId, &'a Feed)>,
    most: usize,
) -> Vec<Line> {
    let mut all: Vec<(i64, &FabricId, &Arc<Event>)> = Vec::new();
    for (fabric, feed) in feeds {
        // Events keep their order even where clocks or texts of time do not.
        let mut newest = i64::MAX;
        all.extend(feed.newest().map(|event| {
            newest = newest.min(time_ms(event).unwrap_or(newest));
            (newest, fabric, event)
        }));
    }
    all.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
    let mut lines: Vec<Line> = Vec::new();
    for (at, fabric, event) in all {
        if lines.last_mut().is_some_and(|line| line.fabric == *fabric && line.take(event, at)) {
            continue;
        }
        if lines.len() == most {
            break;
        }
        let event = Arc::clone(event);
        lines.push(Line {
            fabric: fabric.clone(),
            event,
            count: 1,
            one_subject: true,
            at,
            from: at,
        });
    }
    lines
}

/// The feeds of all fabrics: one of the app's contexts. Copy.
#[derive(Clone, Copy)]
pub struct Feeds {
    live: Live,
    held: RwSignal<BTreeMap<FabricId, Feed>>,
}

impl Feeds {
    /// Follows all feeds while the current owner lives, and puts them into the context.
    pub fn provide(live: Live) -> Self {
        let held = RwSignal::new(BTreeMap::<FabricId, Feed>::new());
        live.on_event(move |topic, event| {
            if let Some(fabric) = fabric_of(topic) {
                held.update(|feeds| feeds.entry(fabric).or_default().push(Arc::new(event.clone())));
            }
        });
        live.on_gap(move |topic, first, last| {
            if let Some(fabric) = fabric_of(topic) {
                held.update(|feeds| feeds.entry(fabric.clone()).or_default().miss(first, last));
                spawn_local(fill(held, fabric, first, last));
            }
        });
        live.follow_all(Want::rows("feed/*"));
        let feeds = Self { live, held };
        provide_context(feeds);
        feeds
    }

    /// The feeds of this app.
    ///
    /// # Panics
    /// Outside of the frame.
    pub fn expect() -> Self {
        expect_context()
    }

    /// Takes over what a page was told at `now_ms`; the link continues from there.
    pub fn seed(self, parts: &BTreeMap<FabricId, FeedPart>, now_ms: i64) {
        for (fabric, part) in parts {
            self.live.seed_feed(&TopicName::Feed(fabric.clone()), part.at.clone());
        }
        // Telling readers of what they know would, on the server, throw away what is being written out.
        if self.held.with_untracked(|feeds| {
            parts.iter().all(|(fabric, part)| is_held(feeds.get(fabric), part))
        }) {
            return;
        }
        self.held.update(|feeds| {
            for (fabric, part) in parts {
                let feed = feeds.entry(fabric.clone()).or_default();
                feed.seen_since(now_ms);
                for event in &part.events {
                    feed.push(Arc::new(event.clone()));
                }
            }
        });
    }

    /// All feeds.
    pub fn all(self) -> ReadSignal<BTreeMap<FabricId, Feed>> {
        self.held.read_only()
    }
}

/// Asks for the events of a gap: whether there are any, then the newest, as many as are held. Positions that the
/// server passed over are none; what it no longer has stays missing.
async fn fill(held: RwSignal<BTreeMap<FabricId, Feed>>, fabric: FabricId, first: u64, last: u64) {
    let most = u64::try_from(MOST_HELD).unwrap_or(u64::MAX);
    let mut since = first.saturating_sub(1);
    for _ in 0..MOST_REQUESTS {
        let query = [("since", since.to_string()), ("limit", MOST_HELD.to_string())];
        let text = Live::get(&format!("/api/v1/fabrics/{fabric}/events"), &query).await;
        let Some((events, next, from)) = text.and_then(|text| told(&text)) else { return };
        held.try_update(|feeds| {
            let feed = feeds.entry(fabric.clone()).or_default();
            let begins = events.first().and_then(|event| event.id.parse::<u64>().ok());
            if from <= since && begins.is_none_or(|begins| begins > last) {
                (first..=last).for_each(|position| feed.missing.found(position));
            }
            for event in events {
                feed.push(Arc::new(event));
            }
        });
        match next {
            Some(next) if since < next && next < last => {
                since = next.max(last.saturating_sub(most));
            }
            _ => return,
        }
    }
}

/// Events after a position, oldest first, where to go on if there are more, and the position after which the
/// server has all that there ever was, as it tells over HTTP.
fn told(text: &str) -> Option<(Vec<Event>, Option<u64>, u64)> {
    let answer = domain::lean::parse(text).ok()?;
    let events = answer.get("events")?.as_array()?;
    let number = |name| answer.get(name).and_then(|value| value.as_str()?.parse().ok());
    let events = events.iter().filter_map(|event| domain::lean::read(event).ok()).collect();
    Some((events, number("next"), number("from").unwrap_or(u64::MAX)))
}

/// Whether a feed holds all of a part already.
fn is_held(feed: Option<&Feed>, part: &FeedPart) -> bool {
    let holds = |feed: &Feed, event: &Event| {
        event.id.parse().is_ok_and(|position| feed.place(position).is_ok())
    };
    feed.is_some_and(|feed| {
        feed.since.is_some() && part.events.iter().all(|event| holds(feed, event))
    })
}

/// The fabric of a feed's topic.
pub fn fabric_of(topic: &str) -> Option<FabricId> {
    match topic.parse() {
        Ok(TopicName::Feed(fabric)) => Some(fabric),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use domain::{feed::EventData, state::Severity};

    use super::*;

    fn event(id: u64, kind: EventType, subject: &str, second: u64) -> Arc<Event> {
        Arc::new(Event {
            specversion: "1.0".into(),
            id: id.to_string(),
            source: "/fabrics/demo".into(),
            kind,
            subject: Some(subject.into()),
            time: format!("2026-11-23T12:00:{second:02}Z"),
            data: EventData {
                link: None,
                severity: Severity::Info,
                message: format!("{subject} {}", kind.verb()),
                version: None,
                manager: None,
                changes: Vec::new(),
                truncated: 0,
                after_gap: false,
                after_downtime: false,
            },
        })
    }

    fn told(events: &[Arc<Event>]) -> Vec<String> {
        let demo: FabricId = "demo".parse().unwrap();
        let mut feed = Feed::default();
        for event in events {
            feed.push(Arc::clone(event));
        }
        lines([(&demo, &feed)], 10)
            .iter()
            .map(|line| format!("{} ×{}", line.text(), line.count))
            .collect()
    }

    #[test]
    fn alike_events_in_a_row_are_one_line() {
        let mut events: Vec<_> = (1..=12)
            .map(|id| event(id, EventType::Updated, &format!("Connection/default/c-{id}"), 1))
            .collect();
        events.push(event(13, EventType::Deleted, "Connection/default/c-1", 1));
        events.push(event(14, EventType::Updated, "Switch/default/leaf-01", 2));
        events.push(event(15, EventType::Updated, "Switch/default/leaf-01", 3));
        assert_eq!(
            told(&events),
            [
                "Switch/default/leaf-01 updated ×2",
                "Connection/default/c-1 deleted ×1",
                "12 Connections updated ×12"
            ]
        );
    }

    #[test]
    fn events_far_apart_are_told_apart() {
        let events = [
            event(1, EventType::Updated, "VPC/default/a", 0),
            event(2, EventType::Updated, "VPC/default/a", 30),
        ];
        assert_eq!(told(&events).len(), 2);
    }

    #[test]
    fn changes_of_connectivity_are_never_folded() {
        let events =
            [event(1, EventType::Connectivity, "x", 1), event(2, EventType::Connectivity, "x", 1)];
        assert_eq!(told(&events).len(), 2);
    }

    #[test]
    fn a_feed_is_bounded_and_knows_since_when_it_is_whole() {
        let mut feed = Feed::default();
        for id in 1..=u64::try_from(MOST_HELD).unwrap() + 30 {
            feed.push(event(id, EventType::Updated, "VPC/default/a", id % 60));
        }
        assert_eq!(feed.newest().count(), MOST_HELD);
        assert_eq!(feed.newest().next().unwrap().id, (MOST_HELD + 30).to_string());
        let twice = event(MOST_HELD as u64, EventType::Updated, "VPC/default/a", 1);
        feed.push(twice);
        assert_eq!(feed.newest().count(), MOST_HELD, "a known event changes nothing");
    }

    #[test]
    fn a_gap_is_told_until_it_is_filled() {
        let mut feed = Feed::default();
        feed.push(event(3, EventType::Updated, "VPC/default/a", 1));
        feed.push(event(9, EventType::Updated, "VPC/default/a", 2));
        assert_eq!(feed.missing(), None);
        feed.miss(3, 8);
        assert_eq!(feed.missing().unwrap(), "5 events are not here (4–8)");
        let all: Vec<_> =
            (4..=7).map(|id| event(id, EventType::Updated, "VPC/default/a", 1)).collect();
        let text = serde_json::json!({ "events": all.iter().map(|event| &**event).collect::<Vec<_>>(), "next": null });
        for event in super::told(&text.to_string()).unwrap().0 {
            feed.push(Arc::new(event));
        }
        assert_eq!(feed.missing().unwrap(), "1 event is not here (8)");
        feed.push(event(8, EventType::Updated, "VPC/default/a", 1));
        assert_eq!(feed.missing(), None);
    }

    #[test]
    fn hostile_times_do_not_break_the_order() {
        let mut odd = (*event(2, EventType::Created, "VPC/default/b", 1)).clone();
        odd.time = "yesterday".into();
        let events = [
            event(1, EventType::Updated, "VPC/default/a", 9),
            Arc::new(odd),
            event(3, EventType::Deleted, "VPC/default/c", 10),
        ];
        assert_eq!(
            told(&events),
            ["VPC/default/c deleted ×1", "VPC/default/b created ×1", "VPC/default/a updated ×1"]
        );
    }
}
