//! The store behind a lock, its signals, and the bell that wakes the driver.
//!
//! Invariant: no signal is set and no callback is called while the lock is held; no clock is read before the
//! driver is awake.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use domain::wire::{
    Want,
    link::{Input, Status},
};
use futures::task::AtomicWaker;
use leptos::prelude::*;

use super::{
    frame::{self, Frame},
    news::News,
    store::Store,
};

/// See the module. A lock, because the context must be shareable on the server; in the browser there is one thread.
#[derive(Default)]
pub(super) struct Shared {
    store: Mutex<Store>,
    /// What the pill shows.
    pub(super) status: ArcRwSignal<Option<Status>>,
    /// Unix milliseconds, once a second.
    pub(super) now: ArcRwSignal<Option<i64>>,
    /// Event to pixel, in milliseconds.
    pub(super) pixel: ArcRwSignal<Option<u64>>,
    /// The last refusal.
    pub(super) refused: ArcRwSignal<Option<String>>,
    /// Names of all topics that are held, sorted.
    pub(super) known: ArcRwSignal<Vec<String>>,
    /// Rung when the driver has something to do.
    pub(super) bell: AtomicWaker,
    rung: AtomicBool,
    awake: AtomicBool,
    /// Whether a flush is arranged.
    arranged: AtomicBool,
}

impl Shared {
    /// Uses the store. Must not be nested.
    pub(super) fn with<R>(&self, act: impl FnOnce(&mut Store) -> R) -> R {
        act(&mut self.store.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Uses the store, then tells the signals.
    pub(super) fn notify(&self, act: impl FnOnce(&mut Store) -> News) {
        let news = self.with(act);
        self.tell(news);
    }

    fn tell(&self, news: News) {
        if let Some(known) = &news.known {
            self.known.set(known.clone());
        }
        if let Some(refused) = &news.refused {
            self.refused.set(Some(refused.clone()));
        }
        news.tell();
    }

    /// Marks the driver as awake; false if it already was.
    pub(super) fn wake_once(&self) -> bool {
        !self.awake.swap(true, Ordering::AcqRel)
    }

    /// Feeds the link, unless the driver sleeps (on the server, and before hydration).
    pub(super) fn input(&self, input: Input) {
        if self.awake.load(Ordering::Acquire) {
            self.step(frame::now(), frame::jitter(), input);
            self.ring();
        }
    }

    /// Takes one step of the link at this time.
    pub(super) fn step(&self, now: u64, jitter: u64, input: Input) {
        self.with(|store| store.step(now, jitter, input));
        self.show_status(now);
    }

    /// Shows the link's status, if it differs.
    pub(super) fn show_status(&self, now: u64) {
        let status = self.with(|store| store.status(now));
        if self.status.with_untracked(|shown| shown.as_ref() != Some(&status)) {
            self.status.set(Some(status));
        }
    }

    /// Shows the time.
    pub(super) fn show_now(&self, now: u64) {
        self.now.set(i64::try_from(now).ok());
    }

    /// Whether a flush is to be arranged: something waits, and none is arranged yet.
    pub(super) fn wants_flush(&self) -> bool {
        self.with(|store| store.has_news()) && !self.arranged.swap(true, Ordering::AcqRel)
    }

    /// Applies everything that came since the last frame.
    pub(super) fn flush(&self, frame: Frame) {
        self.arranged.store(false, Ordering::Release);
        let (news, pixel) = self.with(|store| (store.flush(), store.paint(frame.painted())));
        self.tell(news);
        if pixel.is_some() {
            self.pixel.set(pixel);
        }
    }

    /// Follows from now on.
    pub(super) fn follow(&self, id: u64, want: Want) {
        for input in self.with(|store| store.follow(id, want)) {
            self.input_or_keep(input);
        }
    }

    /// Follows no longer.
    pub(super) fn unfollow(&self, topic: &str, id: u64) {
        for input in self.with(|store| store.unfollow(topic, id)) {
            self.input_or_keep(input);
        }
    }

    /// Wants may come before the driver wakes: the link then remembers them for its `hello`.
    fn input_or_keep(&self, input: Input) {
        if self.awake.load(Ordering::Acquire) {
            self.input(input);
        } else {
            self.with(|store| store.step(0, 0, input));
        }
    }

    /// Wakes the driver.
    pub(super) fn ring(&self) {
        self.rung.store(true, Ordering::Release);
        self.bell.wake();
    }

    /// Whether the bell was rung since the last question.
    pub(super) fn was_rung(&self) -> bool {
        self.rung.swap(false, Ordering::AcqRel)
    }
}
