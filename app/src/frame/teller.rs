//! Decides what is worth a toast: changes of connectivity, watches that fail, what the link refuses.
//!
//! Invariant: an update of an object is never a toast; what happened before the page was opened is not
//! told again.

use domain::{
    feed::{Event, EventType},
    state::Severity,
    topic::FabricId,
};
use leptos::prelude::*;

use crate::{
    feeds::{fabric_of, time_ms},
    live::Live,
    toasts::{Note, Toasts},
    ui::status::Tone,
};

/// Events older than this are history, in milliseconds: a resumed feed brings those of an outage too.
const NEWS_MS: i64 = 120_000;

/// The note for an event, if it is worth one.
pub(super) fn note(fabric: &FabricId, event: &Event) -> Option<Note> {
    let severity = event.data.severity;
    let (group, several) = match event.kind {
        EventType::Connectivity => (format!("connectivity/{fabric}"), String::new()),
        EventType::Watch if severity >= Severity::Warning => {
            (format!("watch/{fabric}"), format!("watches of {fabric} failed"))
        }
        _ => return None,
    };
    let text = format!("{fabric}: {}", event.data.message);
    Some(Note { group, tone: severity.into(), text, several })
}

/// Whether an event of the time `at` is worth telling a page that was opened at `opened`; Unix milliseconds.
fn is_news(at: i64, opened: i64, now: i64) -> bool {
    at >= opened && now - at < NEWS_MS
}

/// Listens to the link while the current owner lives.
pub(super) fn tell(live: Live, toasts: Toasts) {
    let now = live.now();
    // A page that opens is told the last events of each feed first: they were there before it.
    let opened = StoredValue::new(None::<i64>);
    live.on_event(move |topic, event| {
        let now = now.get_untracked().unwrap_or_default();
        let opened = opened.get_value().unwrap_or_else(|| {
            opened.set_value(Some(now));
            now
        });
        let is_news = time_ms(event).is_some_and(|at| is_news(at, opened, now));
        if let Some(note) =
            fabric_of(topic).filter(|_| is_news).and_then(|fabric| note(&fabric, event))
        {
            toasts.push(note, now);
        }
    });
    let refused = live.refused();
    Effect::new(move |_| {
        if let Some(text) = refused.get() {
            let note = Note {
                group: format!("refused/{text}"),
                tone: Tone::Error,
                text,
                several: String::new(),
            };
            toasts.push(note, now.get_untracked().unwrap_or_default());
        }
    });
}

#[cfg(test)]
mod tests {
    use domain::feed::EventData;

    use super::*;

    fn event(kind: EventType, severity: Severity) -> Event {
        Event {
            specversion: "1.0".into(),
            id: "1".into(),
            source: "/fabrics/demo".into(),
            kind,
            subject: None,
            time: "2026-11-23T12:00:00Z".into(),
            data: EventData {
                link: None,
                severity,
                message: "it happened".into(),
                version: None,
                manager: None,
                changes: Vec::new(),
                truncated: 0,
                after_gap: false,
                after_downtime: false,
            },
        }
    }

    #[test]
    fn what_happened_before_the_page_was_opened_is_not_told() {
        assert!(!is_news(999, 1_000, 2_000));
        assert!(is_news(1_000, 1_000, 2_000));
        assert!(!is_news(1_000, 1_000, 1_000 + NEWS_MS));
    }

    #[test]
    fn only_what_needs_a_person_is_told() {
        let demo: FabricId = "demo".parse().unwrap();
        let told =
            |kind, severity| note(&demo, &event(kind, severity)).map(|note| (note.tone, note.text));
        assert_eq!(told(EventType::Updated, Severity::Error), None);
        assert_eq!(told(EventType::Created, Severity::Info), None);
        assert_eq!(told(EventType::Watch, Severity::Info), None);
        let text = "demo: it happened".to_owned();
        assert_eq!(told(EventType::Watch, Severity::Warning), Some((Tone::Warning, text.clone())));
        assert_eq!(told(EventType::Connectivity, Severity::Error), Some((Tone::Error, text)));
    }
}
