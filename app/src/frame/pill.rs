//! The connection pill: where the browser's own link stands, and what it has seen.
//!
//! Invariant: what it says is a pure function of the link's status and the time.

use domain::{
    object::Form,
    wire::{
        Close,
        link::{LinkState, Status},
    },
};
use leptos::prelude::*;

use crate::{
    fabrics::{Fabrics, Known},
    feeds::{Feed, Feeds, time_ms},
    live::Live,
    ui::{
        facts::{Fact, Facts},
        moment::{ago, clock, seconds_until},
        status::{Status as StatusWord, Tone},
        text::printable,
    },
};

/// What the pill shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Face {
    /// `data-live`.
    pub(super) state: &'static str,
    /// The shape.
    pub(super) tone: Tone,
    /// The words.
    pub(super) text: String,
}

/// The pill's face; `status` is absent until the page is awake.
pub(super) fn face(status: Option<&Status>, now: i64) -> Face {
    let face = |state, tone, text: String| Face { state, tone, text };
    let Some(status) = status else {
        return face("connecting", Tone::Progress, "connecting".into());
    };
    match status.state {
        LinkState::Live { .. } => {
            let text =
                status.rtt_ms.map_or_else(|| "live".to_owned(), |ms| format!("live · {ms} ms"));
            face("live", Tone::Ok, text)
        }
        LinkState::Waiting { retry_at } => {
            face("reconnecting", Tone::Warning, waiting(retry_at, now))
        }
        LinkState::Idle | LinkState::Dialing { .. } | LinkState::Greeting { .. }
            if status.last_frame.is_none() =>
        {
            face("connecting", Tone::Progress, "connecting".into())
        }
        LinkState::Idle | LinkState::Dialing { .. } | LinkState::Greeting { .. } => {
            face("reconnecting", Tone::Warning, "reconnecting".into())
        }
        LinkState::Offline | LinkState::Ended(_) => face("offline", Tone::Error, "offline".into()),
    }
}

fn waiting(retry_at: u64, now: i64) -> String {
    let at = i64::try_from(retry_at).unwrap_or(i64::MAX);
    format!("reconnecting in {} s", seconds_until(at, now))
}

/// Why the link is not live and what to do, if there is something to say.
pub(super) fn why(state: LinkState) -> Option<String> {
    let known = [
        Close::BadFrames,
        Close::LoggedOut,
        Close::TooManyConnections,
        Close::Forbidden,
        Close::TooLarge,
        Close::UnknownProtocol,
    ];
    match state {
        LinkState::Offline => Some("The browser says that there is no network.".to_owned()),
        LinkState::Ended(code) => {
            Some(match known.into_iter().find(|close| close.code() == code) {
                Some(Close::LoggedOut) => {
                    "You are signed out. Reload the page to sign in.".to_owned()
                }
                Some(Close::TooManyConnections) => {
                    "Too many connections are open. Close other tabs, then retry.".to_owned()
                }
                Some(Close::Forbidden) => "The server does not allow this connection.".to_owned(),
                Some(Close::UnknownProtocol | Close::BadFrames) => {
                    "The server does not understand this page any more. Reload it.".to_owned()
                }
                Some(close) => format!(
                    "The server closed the connection: {}. Reload the page.",
                    close.reason()
                ),
                None => format!("The server closed the connection (code {code}). Reload the page."),
            })
        }
        _ => None,
    }
}

/// The pill. Opens [`PillPopover`].
#[component]
pub fn Pill() -> impl IntoView {
    let live = Live::expect();
    let (status, now) = (live.status(), live.now());
    let face = Memo::new(move |_| face(status.get().as_ref(), now.get().unwrap_or_default()));
    view! {
        <button type="button" class="pill" popovertarget="connection" data-transport="ws"
            data-live=move || face.get().state aria-label=move || format!("Connection: {}", face.get().text)>
            <span class="shape" aria-hidden="true">{move || face.get().tone.shape()}</span>
            <span>{move || face.get().text}</span>
        </button>
    }
}

/// What the link has seen, and each fabric.
#[component]
pub fn PillPopover() -> impl IntoView {
    let live = Live::expect();
    let (status, now) = (live.status(), live.now());
    let facts = Signal::derive(move || {
        status
            .get()
            .map(|status| link_facts(&status, live.pixel_ms().get(), now.get().unwrap_or_default()))
            .unwrap_or_default()
    });
    let reason = move || status.get().and_then(|status| why(status.state));
    let may_retry = move || {
        status.get().is_some_and(|status| {
            matches!(
                status.state,
                LinkState::Waiting { .. } | LinkState::Offline | LinkState::Ended(_)
            )
        })
    };
    view! {
        <div class="pop" id="connection" popover="auto" role="dialog" aria-label="Connection">
            <h2>"Connection"</h2>
            {move || reason().map(|reason| view! { <p class="reason">{reason}</p> })}
            <Show when=may_retry>
                <p><button type="button" on:click=move |_| live.retry_now()>"Retry now"</button></p>
            </Show>
            <Facts facts/>
            <h3>"Fabrics"</h3>
            <Suspense>{move || Suspend::new(async move {
                Fabrics::expect().ready().await.map(|_| view! { <FabricRows/> }).ok()
            })}</Suspense>
        </div>
    }
}

fn link_facts(status: &Status, pixel_ms: Option<u64>, now: i64) -> Vec<Fact> {
    let ms = |at: u64| i64::try_from(at).unwrap_or(i64::MAX);
    let mut facts = vec![Fact::text("Link", Form::Text, face(Some(status), now).text)];
    facts.extend(status.stale_since.map(|at| Fact::text("Stale since", Form::Text, clock(ms(at)))));
    facts
        .extend(status.last_frame.map(|at| Fact::text("Last word", Form::Text, ago(now - ms(at)))));
    facts.extend(pixel_ms.map(|ms| Fact::text("Event to screen", Form::Text, format!("{ms} ms"))));
    facts.push(Fact::text("Changes", Form::Number, status.changes.to_string()));
    facts.push(Fact::text("Resumes", Form::Number, status.resumes.to_string()));
    facts.push(Fact::text("Lost", Form::Number, status.lost.to_string()));
    facts
}

#[component]
fn FabricRows() -> impl IntoView {
    let (fabrics, feeds, live) = (Fabrics::expect(), Feeds::expect().all(), Live::expect());
    let last = move |id: &domain::topic::FabricId| {
        let now = live.now().get()?;
        let newest = |feed: &Feed| feed.newest().next().and_then(|event| time_ms(event));
        let at = feeds.with(|feeds| feeds.get(id).and_then(newest))?;
        Some(format!("last event {}", ago(now - at)))
    };
    let row = move |id: domain::topic::FabricId| {
        let (known, name) = (fabrics.watch(id.clone()), id.to_string());
        view! {
            <li class="pop-link">
                <span class="mono">{name}</span>
                <span class="muted small">{move || last(&id)}</span>
                <StatusWord tone=Signal::derive(move || tone(&known.get())) word=Signal::derive(move || word(&known.get()))/>
            </li>
        }
    };
    view! {
        <ul class="pop-list">
            <For each=move || fabrics.ids() key=Clone::clone children=row/>
        </ul>
    }
}

/// What the connectivity of a fabric means; unknown until there is a word of it.
pub(super) fn tone(known: &Known) -> Tone {
    known.state.as_ref().map_or(Tone::Unknown, |state| state.state.into())
}

/// The word for the connectivity of a fabric.
pub(super) fn word(known: &Known) -> String {
    let word = known.state.as_ref().map_or("unknown", |state| state.state.word());
    printable(word).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(state: LinkState, last_frame: Option<u64>) -> Status {
        Status {
            state,
            rtt_ms: Some(12),
            stale_since: None,
            resumes: 0,
            lost: 0,
            changes: 0,
            last_frame,
        }
    }

    #[test]
    fn the_pill_says_where_the_link_stands() {
        let shown = |state, last| {
            let face = face(Some(&status(state, last)), 10_000);
            (face.state, face.text)
        };
        assert_eq!(face(None, 0).state, "connecting");
        assert_eq!(
            shown(LinkState::Dialing { give_up: 1 }, None),
            ("connecting", "connecting".into())
        );
        assert_eq!(
            shown(LinkState::Dialing { give_up: 1 }, Some(1)),
            ("reconnecting", "reconnecting".into())
        );
        assert_eq!(
            shown(LinkState::Live { since: 1, silent_after: 2 }, Some(1)),
            ("live", "live · 12 ms".into())
        );
        assert_eq!(
            shown(LinkState::Waiting { retry_at: 12_500 }, Some(1)),
            ("reconnecting", "reconnecting in 3 s".into())
        );
        assert_eq!(shown(LinkState::Offline, Some(1)), ("offline", "offline".into()));
        assert_eq!(shown(LinkState::Ended(4503), Some(1)), ("offline", "offline".into()));
    }

    #[test]
    fn only_a_live_link_is_green() {
        for state in [
            LinkState::Idle,
            LinkState::Dialing { give_up: 1 },
            LinkState::Waiting { retry_at: 1 },
            LinkState::Offline,
            LinkState::Ended(1),
        ] {
            assert_ne!(face(Some(&status(state, None)), 0).tone, Tone::Ok, "{state:?}");
        }
    }

    #[test]
    fn an_ended_link_says_why_and_what_to_do() {
        assert!(why(LinkState::Ended(4503)).unwrap().contains("sign in"));
        assert!(why(LinkState::Ended(4504)).unwrap().contains("Close other tabs"));
        assert!(why(LinkState::Ended(4509)).unwrap().contains("Reload"));
        assert!(why(LinkState::Ended(4999)).unwrap().contains("4999"));
        assert_eq!(why(LinkState::Waiting { retry_at: 1 }), None);
    }
}
