//! The connection pill: where the browser's own link stands, and what it has seen.
//!
//! Invariant: what it says is a pure function of the link's status and the time.

use domain::{
    object::Form,
    wire::{
        Close,
        journey::Journey,
        link::{LinkState, Status, Tally, Transport},
    },
};
use leptos::prelude::*;

use crate::{
    browser::close_popover,
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
    /// `data-transport`.
    pub(super) transport: &'static str,
    /// The shape.
    pub(super) tone: Tone,
    /// The words.
    pub(super) text: String,
}

/// The pill's face; `status` is absent until the page is awake.
pub(super) fn face(status: Option<&Status>, now: i64) -> Face {
    let transport = status.map_or(Transport::WebSocket, |status| status.transport).word();
    let face = |state, tone, text: String| Face { state, transport, tone, text };
    let Some(status) = status else {
        return face("connecting", Tone::Progress, "connecting".into());
    };
    match status.state {
        LinkState::Live { .. } => match by(status.transport) {
            None => {
                let text =
                    status.rtt_ms.map_or_else(|| "live".to_owned(), |ms| format!("live · {ms} ms"));
                face("live", Tone::Ok, text)
            }
            Some(way) => face("degraded", Tone::Warning, format!("degraded · {way}")),
        },
        LinkState::Waiting { retry_at } => {
            face("reconnecting", Tone::Warning, waiting(retry_at, now))
        }
        LinkState::Offline | LinkState::Ended(_) => face("offline", Tone::Error, "offline".into()),
        _ if status.last_frame.is_none() => face("connecting", Tone::Progress, "connecting".into()),
        _ => face("reconnecting", Tone::Warning, "reconnecting".into()),
    }
}

/// The word for a way that is not the best one.
fn by(transport: Transport) -> Option<&'static str> {
    match transport {
        Transport::WebSocket => None,
        Transport::Sse => Some("SSE"),
        Transport::LongPoll | Transport::Poll => Some("polling"),
    }
}

fn waiting(retry_at: u64, now: i64) -> String {
    format!("reconnecting in {} s", seconds_until(ms(retry_at), now))
}

fn ms(at: u64) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}

/// Why the link is worse than it could be and what to do, if there is something to say.
fn why(status: &Status, now: i64) -> Option<String> {
    match (status.state, by(status.transport)) {
        (LinkState::Live { .. }, Some(_)) => {
            let changes = match status.transport {
                Transport::Poll => "Changes are asked for every 5 s",
                Transport::LongPoll => "Changes are asked for one request at a time",
                Transport::WebSocket | Transport::Sse => "Changes come as a stream over HTTP",
            };
            let next = status.better_at.map_or_else(
                || "being tried right now".to_owned(),
                |at| format!("tried again in {} s", seconds_until(ms(at), now)),
            );
            Some(format!(
                "Something between this browser and the server does not let WebSockets through. \
                 {changes}; nothing is lost by that. The WebSocket is {next}."
            ))
        }
        (state, _) => why_not(state),
    }
}

/// Why the link is not live and what to do, if there is something to say.
fn why_not(state: LinkState) -> Option<String> {
    let known = [
        Close::SessionExpired,
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
                Some(Close::SessionExpired) => {
                    "Your session has ended. Reload the page to sign in.".to_owned()
                }
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
        <button type="button" class="pill" popovertarget="connection"
            data-transport=move || face.get().transport data-live=move || face.get().state aria-label=move || format!("Connection: {}", face.get().text)>
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
    let time = move || now.get().unwrap_or_default();
    let facts = Signal::derive(move || {
        let of = |status: Status| {
            link_facts(&status, live.pixel_ms().get(), live.slowest(time()), time())
        };
        status.get().map(of).unwrap_or_default()
    });
    let reason = move || status.get().and_then(|status| why(&status, time()));
    let may_retry = Memo::new(move |_| status.get().is_some_and(|status| may_retry(&status)));
    view! {
        <div class="pop" id="connection" popover="auto" role="dialog" aria-label="Connection">
            <h2>"Connection"</h2>
            {move || reason().map(|reason| view! { <p class="reason">{reason}</p> })}
            <Show when=move || may_retry.get()>
                <p><button type="button" on:click=move |_| retry(live)>"Retry now"</button></p>
            </Show>
            <Facts facts/>
            <h3>"Fabrics"</h3>
            <Suspense>{move || Suspend::new(async move {
                Fabrics::expect().ready().await.map(|_| view! { <FabricRows/> }).ok()
            })}</Suspense>
        </div>
    }
}

/// Tries at once. Closing first gives the focus back to the pill: the button goes as soon as it is of no use.
fn retry(live: Live) {
    close_popover("connection");
    live.retry_now();
}

/// Whether a person may try at once what is tried later.
fn may_retry(status: &Status) -> bool {
    match status.state {
        LinkState::Waiting { .. } | LinkState::Offline | LinkState::Ended(_) => true,
        LinkState::Live { .. } => status.better_at.is_some(),
        _ => false,
    }
}

fn link_facts(
    status: &Status,
    pixel_ms: Option<u64>,
    slowest: Option<Journey>,
    now: i64,
) -> Vec<Fact> {
    let mut facts = vec![Fact::text("Link", Form::Text, face(Some(status), now).text)];
    facts.extend(status.stale_since.map(|at| Fact::text("Stale since", Form::Text, clock(ms(at)))));
    facts
        .extend(status.last_frame.map(|at| Fact::text("Last word", Form::Text, ago(now - ms(at)))));
    facts.extend(pixel_ms.map(|ms| Fact::text("Event to screen", Form::Text, format!("{ms} ms"))));
    facts.extend(
        slowest.map(|journey| Fact::text("Slowest of the last hour", Form::Text, steps(journey))),
    );
    facts.push(Fact::text("Changes", Form::Number, status.changes.to_string()));
    facts.push(Fact::text("Resumes", Form::Number, status.resumes.to_string()));
    facts.push(Fact::text("Lost", Form::Number, status.lost.to_string()));
    facts
}

/// Where the time of a change went.
fn steps(journey: Journey) -> String {
    let Journey { hub, line, network, paint } = journey;
    let total = journey.total();
    format!("{total} ms: {hub} watch to hub, {line} hub to line, {network} network, {paint} paint")
}

/// What the link saw of a fabric.
fn seen(tally: Tally) -> String {
    let lag = tally.lag_ms.map_or_else(|| "not measured".to_owned(), |ms| format!("{ms} ms"));
    format!("lag {lag} · resumes {} · lost {}", tally.resumes, tally.lost)
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
        let tally = {
            let id = id.clone();
            move || live.now().get().map(|_| seen(live.tally(id.as_str())))
        };
        view! {
            <li class="pop-link pop-fabric">
                <span class="mono">{name}</span>
                <StatusWord tone=Signal::derive(move || tone(&known.get())) word=Signal::derive(move || word(&known.get()))/>
                <span class="pop-facts muted small"><span>{move || last(&id)}</span><span>{tally}</span></span>
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
            transport: Transport::WebSocket,
            better_at: None,
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
    fn a_way_that_is_not_the_best_is_degraded_and_says_why_and_what_comes_next() {
        let live = LinkState::Live { since: 1, silent_after: 2 };
        for (transport, text) in [
            (Transport::Sse, "degraded · SSE"),
            (Transport::LongPoll, "degraded · polling"),
            (Transport::Poll, "degraded · polling"),
        ] {
            let status = Status { transport, better_at: Some(52_000), ..status(live, Some(1)) };
            let shown = face(Some(&status), 10_000);
            assert_eq!((shown.state, shown.text.as_str()), ("degraded", text));
            assert_eq!(shown.transport, transport.word());
            assert_eq!(shown.tone, Tone::Warning);
            assert!(why(&status, 10_000).unwrap().ends_with("is tried again in 42 s."));
            assert!(may_retry(&status));
        }
        assert_eq!(why(&status(live, Some(1)), 10_000), None);
        assert!(!may_retry(&status(live, Some(1))));
    }

    #[test]
    fn what_was_not_measured_is_not_a_number() {
        let tally = Tally { resumes: 2, lost: 1, lag_ms: None };
        assert_eq!(seen(tally), "lag not measured · resumes 2 · lost 1");
        assert_eq!(seen(Tally { lag_ms: Some(12), ..tally }), "lag 12 ms · resumes 2 · lost 1");
    }

    #[test]
    fn the_slowest_change_says_where_its_time_went() {
        let journey = Journey { hub: 1, line: 20, network: 300, paint: 16 };
        assert_eq!(steps(journey), "337 ms: 1 watch to hub, 20 hub to line, 300 network, 16 paint");
    }

    #[test]
    fn only_a_live_link_is_green() {
        for state in [
            LinkState::Idle,
            LinkState::Dialing { give_up: 1 },
            LinkState::Asking { give_up: 1 },
            LinkState::Waiting { retry_at: 1 },
            LinkState::Offline,
            LinkState::Ended(1),
        ] {
            assert_ne!(face(Some(&status(state, None)), 0).tone, Tone::Ok, "{state:?}");
        }
    }

    #[test]
    fn an_ended_link_says_why_and_what_to_do() {
        let why = |state| why(&status(state, None), 0);
        assert!(why(LinkState::Ended(4401)).unwrap().contains("sign in"));
        assert!(why(LinkState::Ended(4503)).unwrap().contains("sign in"));
        assert!(why(LinkState::Ended(4504)).unwrap().contains("Close other tabs"));
        assert!(why(LinkState::Ended(4509)).unwrap().contains("Reload"));
        assert!(why(LinkState::Ended(4999)).unwrap().contains("4999"));
        assert_eq!(why(LinkState::Waiting { retry_at: 1 }), None);
    }
}
