//! What happened, newest first, alike events in one line.
//!
//! Invariant: an empty feed says that nothing was seen, not that nothing happened.

use domain::{
    feed::{Event, EventType},
    state::Severity,
    topic::FabricId,
};
use leptos::prelude::*;

use crate::{
    feeds::{Feed, Feeds, Line, lines},
    links,
    ui::{
        moment::Age,
        status::{Shape, Tone},
        text::printable,
    },
};

/// Changed fields that a line names; the rest is counted.
const FIELDS: usize = 3;

/// The newest events of one fabric, or of all.
#[component]
pub fn FeedList(
    /// The fabric; absent: all, each line with its fabric's name.
    #[prop(optional_no_strip)]
    fabric: Option<FabricId>,
    /// Most lines.
    most: usize,
    /// What time it is.
    now: Signal<i64>,
) -> impl IntoView {
    let feeds = Feeds::expect().all();
    let named = fabric.is_none();
    let chosen = StoredValue::new(fabric);
    let is_chosen = move |id: &FabricId| {
        chosen.with_value(|chosen| chosen.as_ref().is_none_or(|chosen| chosen == id))
    };
    let shown = Memo::new(move |_| {
        feeds.with(|feeds| lines(feeds.iter().filter(|(id, _)| is_chosen(id)), most))
    });
    let gap = move || {
        let gaps = feeds.with(|feeds| {
            let chosen = feeds.iter().filter(|(id, _)| is_chosen(id));
            let of = |(id, feed): (&FabricId, &Feed)| {
                let missing = feed.missing()?;
                Some(if named { format!("{id}: {missing}") } else { missing })
            };
            chosen.filter_map(of).collect::<Vec<_>>().join("; ")
        });
        (!gaps.is_empty()).then(|| view! { <p class="feed-gap">"▲ "{gaps}</p> })
    };
    view! {
        {gap}
        <Show when=move || shown.with(Vec::is_empty)>
            <p class="muted">"No event was seen yet."</p>
        </Show>
        <ol class="feed">
            <For each=move || shown.get() key=Line::id children=move |line| view! { <Entry line named now/> }/>
        </ol>
    }
}

#[component]
fn Entry(line: Line, named: bool, now: Signal<i64>) -> impl IntoView {
    let (severity, at) = (line.event.data.severity, line.at);
    let times = (line.one_subject && line.count > 1)
        .then(|| view! { <span class="feed-times">{format!("×{}", line.count)}</span> });
    let fabric =
        named.then(|| view! { <span class="muted">{format!("{} · ", line.fabric)}</span> });
    let detail = detail(&line);
    let detail = (!detail.is_empty()).then(|| view! { <p class="detail">{detail}</p> });
    view! {
        <li class="feed-entry" data-severity=severity_word(severity)>
            <Shape tone=mark(severity) word=severity_word(severity).to_owned()/>
            <p class="feed-text sentence">{fabric}{sentence(&line)}" "{times}</p>
            <Age at=Signal::stored(at) now/>
            {detail}
        </li>
    }
}

fn mark(severity: Severity) -> Tone {
    Tone::from(severity)
}

const fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Error => "error",
        Severity::Critical => "critical",
    }
}

/// The sentence of a line, with a link to what it is about.
fn sentence(line: &Line) -> AnyView {
    let verb = line.event.kind.verb();
    match line.event.object() {
        Some((kind, key)) if line.one_subject => {
            let name = printable(&key.to_string()).into_owned();
            let href = links::object(&line.fabric, kind, &key);
            view! { <>{kind.about().name}" "<a class="mono" href=href>{name}</a>" "{verb}</> }
                .into_any()
        }
        Some((kind, _)) => {
            let many = format!("{} {}", line.count, kind.about().label);
            view! { <><a href=links::list(&line.fabric, kind)>{many}</a>" "{verb}</> }.into_any()
        }
        None => printable(&line.text()).into_owned().into_any(),
    }
}

/// Who, and which fields.
fn detail(line: &Line) -> String {
    let data = &line.event.data;
    let mut parts = Vec::new();
    parts.extend(data.manager.as_deref().map(|manager| format!("by {}", printable(manager))));
    if line.one_subject && line.event.kind == EventType::Updated {
        parts.extend(fields(&line.event));
    }
    parts.extend(data.found_how().map(str::to_owned));
    parts.join(" · ")
}

/// The first changed fields and how many more there are.
fn fields(event: &Event) -> Option<String> {
    let changes = &event.data.changes;
    let named: Vec<_> =
        changes.iter().take(FIELDS).map(|change| printable(&change.pointer).into_owned()).collect();
    let more = changes.len().saturating_sub(FIELDS) + event.data.truncated;
    match (named.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(named.join(", ")),
        (false, more) => Some(format!("{} and {more} more", named.join(", "))),
    }
}
