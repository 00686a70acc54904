//! The banner over a page whose data may be out of date.
//!
//! Invariant: it is there exactly while the link's status names a time since when data is stale.

use domain::wire::link::Status;
use leptos::prelude::*;

use super::pill;
use crate::{live::Live, ui::moment::clock};

/// What the banner says, if it is there.
fn text(status: Option<&Status>, now: i64) -> Option<String> {
    let since = i64::try_from(status?.stale_since?).unwrap_or(i64::MAX);
    Some(format!("stale since {}, {}", clock(since), pill::face(status, now).text))
}

/// Says since when the page is stale.
#[component]
pub fn StaleBanner() -> impl IntoView {
    let live = Live::expect();
    let (status, now) = (live.status(), live.now());
    let stale = Memo::new(move |_| {
        status.with(|status| status.as_ref().is_some_and(|status| status.stale_since.is_some()))
    });
    let text = move || text(status.get().as_ref(), now.get().unwrap_or_default());
    view! {
        <Show when=move || stale.get()>
            <section class="banner" aria-label="Out of date" data-severity="warning" data-stale="">
                <span aria-hidden="true">"◷"</span>
                <span>{text}</span>
                <button type="button" on:click=move |_| live.retry_now()>"Retry now"</button>
            </section>
        </Show>
    }
}

#[cfg(test)]
mod tests {
    use domain::wire::link::{LinkState, Transport};

    use super::*;

    #[test]
    fn a_stale_page_says_since_when_and_what_happens_next() {
        let mut status = Status {
            state: LinkState::Waiting { retry_at: 1_795_477_410_000 },
            transport: Transport::WebSocket,
            better_at: None,
            rtt_ms: None,
            stale_since: Some(1_795_477_405_000),
            resumes: 1,
            lost: 0,
            changes: 3,
            last_frame: Some(1),
        };
        let now = 1_795_477_407_000;
        assert_eq!(
            text(Some(&status), now).unwrap(),
            "stale since 23:43:25 UTC, reconnecting in 3 s"
        );
        status.stale_since = None;
        assert_eq!(text(Some(&status), now), None);
        assert_eq!(
            text(None, now),
            None,
            "a page that is not awake is as fresh as the server made it"
        );
    }
}
