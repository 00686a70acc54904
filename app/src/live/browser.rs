//! What the browser tells about time and visibility: the ticker, animation frames, wake-ups.
//!
//! Invariant: nothing here is called on the server; what waits is told even while the tab is hidden, where
//! animation frames do not run.

use std::{sync::Arc, time::Duration};

use domain::wire::link::Input;
use leptos::{
    ev::Event,
    prelude::{
        document, request_animation_frame, set_interval, set_timeout, window_event_listener_untyped,
    },
};

use super::{
    frame::{Frame, now},
    shared::Shared,
};

/// Period of the ticker, in milliseconds.
const TICK_MS: u64 = 1_000;
/// A tick that is off by more than this means that the machine slept or its clock was set, in milliseconds.
const JUMP_MS: u64 = 4_000;
/// How long deliveries wait in a hidden tab.
const HIDDEN_FLUSH: Duration = Duration::from_millis(250);

/// Listens for as long as the page lives.
pub(super) fn listen(shared: &Arc<Shared>) {
    on(shared, "online", |shared| shared.input(Input::Online));
    on(shared, "offline", |shared| shared.input(Input::Offline));
    on(shared, "pageshow", |shared| shared.input(Input::Wake));
    on(shared, "resume", |shared| shared.input(Input::Wake));
    on(shared, "visibilitychange", |shared| {
        if !document().hidden() {
            shared.input(Input::Wake);
        }
        // A frame that was asked for before the tab was hidden would not come.
        shared.flush(Frame::Hidden);
    });
    tick(shared);
}

/// Events of the document bubble to the window. The listener stays: the page has one link.
fn on(shared: &Arc<Shared>, event: &str, act: impl Fn(&Shared) + 'static) {
    let shared = Arc::clone(shared);
    let _stays = window_event_listener_untyped(event, move |_: Event| act(&shared));
}

fn tick(shared: &Arc<Shared>) {
    let shared = Arc::clone(shared);
    let last = std::cell::Cell::new(now());
    shared.show_now(last.get());
    set_interval(
        move || {
            let time = now();
            if jumped(last.replace(time), time) {
                shared.input(Input::Wake);
            }
            shared.show_now(time);
            shared.show_status(time);
        },
        Duration::from_millis(TICK_MS),
    );
}

/// Whether the time between two ticks is not the ticker's.
fn jumped(last: u64, time: u64) -> bool {
    time.abs_diff(last + TICK_MS) > JUMP_MS
}

/// Has what waits told at the next animation frame, unless that is arranged already.
pub(super) fn schedule_flush(shared: &Arc<Shared>) {
    if !shared.wants_flush() {
        return;
    }
    let shared = Arc::clone(shared);
    if document().hidden() {
        set_timeout(move || shared.flush(Frame::Hidden), HIDDEN_FLUSH);
    } else {
        request_animation_frame(move || shared.flush(Frame::Painted(now())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slept_machine_and_a_set_clock_are_noticed_and_a_slow_tick_is_not() {
        for (time, expected) in [
            (11_000, false),
            (14_900, false),
            (15_001, true),
            (10_000, false),
            (6_000, true),
            (0, true),
        ] {
            assert_eq!(jumped(10_000, time), expected, "{time}");
        }
    }
}
