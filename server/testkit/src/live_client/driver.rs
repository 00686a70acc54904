//! Moves frames between lines and the link, with one timer for its deadlines. Decides nothing.
//!
//! Invariant: a line that closed is dropped before the link is told.

use std::{
    collections::BTreeMap,
    future::pending,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use domain::wire::{
    ServerFrame,
    link::{Input, Line, Output, Session},
};
use futures::{
    FutureExt,
    future::{BoxFuture, select_all},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{sync::mpsc, time::sleep};

use super::{
    Options, Shared,
    line::{Said, Wire, client, frames, session},
    lock,
};

/// Unix milliseconds.
#[expect(clippy::disallowed_methods, reason = "the one edge of this crate where the clock is read")]
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Drives a client until its handle is dropped.
pub(super) async fn run(options: Options, shared: Shared, mut orders: mpsc::Receiver<Input>) {
    let wants = options.wants.clone();
    let mut driver = Driver {
        rng: StdRng::seed_from_u64(options.seed),
        options,
        shared,
        lines: BTreeMap::new(),
        session: None,
        http: None,
    };
    for want in wants {
        driver.step(Input::Subscribe(want)).await;
    }
    driver.step(Input::Start).await;
    loop {
        let due = lock(&driver.shared).link.deadline();
        let input = tokio::select! {
            biased;
            order = orders.recv() => match order {
                Some(order) => order,
                None => return,
            },
            (line, said) = heard(&mut driver.lines) => driver.input(line, said),
            status = answered(&mut driver.session) => Input::Session(Session::of(status)),
            () = until(due) => Input::Timeout,
        };
        driver.step(input).await;
    }
}

async fn until(due: Option<u64>) {
    match due {
        Some(due) => sleep(Duration::from_millis(due.saturating_sub(now()))).await,
        None => pending().await,
    }
}

/// What any line says next.
async fn heard(lines: &mut BTreeMap<Line, Wire>) -> (Line, Said) {
    let saying = lines.iter_mut().map(|(line, wire)| wire.next().map(|said| (*line, said)).boxed());
    let saying: Vec<_> = saying.collect();
    if saying.is_empty() {
        return pending().await;
    }
    let (said, ..) = select_all(saying).await;
    said
}

/// The answer to the question for the session.
async fn answered(session: &mut Option<BoxFuture<'static, Option<u16>>>) -> Option<u16> {
    let Some(asking) = session.as_mut() else { return pending().await };
    let status = asking.await;
    *session = None;
    status
}

struct Driver {
    options: Options,
    shared: Shared,
    lines: BTreeMap<Line, Wire>,
    session: Option<BoxFuture<'static, Option<u16>>>,
    /// Made when it is first needed, since most clients never do.
    http: Option<reqwest::Client>,
    rng: StdRng,
}

impl Driver {
    /// What a line said, as an input; a line that is done is dropped.
    fn input(&mut self, line: Line, said: Said) -> Input {
        if matches!(said, Said::Closed(_) | Said::Answer(_)) {
            self.lines.remove(&line);
        }
        let mut inner = lock(&self.shared);
        let seen = &mut inner.seen;
        match said {
            Said::Opened(local) => {
                seen.local = Some(local);
                Input::Opened(line)
            }
            Said::Text(text) => {
                seen.bytes += text.len() as u64;
                let Ok(frame) = ServerFrame::read(&text) else { return seen.garbage(line) };
                seen.frame(&frame);
                Input::Frame(line, Box::new(frame))
            }
            Said::Answer(texts) => {
                seen.bytes += texts.iter().map(String::len).sum::<usize>() as u64;
                let Some(frames) = frames(&texts) else { return seen.garbage(line) };
                for frame in &frames {
                    seen.frame(frame);
                }
                Input::Answer(line, frames)
            }
            Said::Odd => seen.garbage(line),
            Said::Closed(code) => Input::Closed(line, code),
        }
    }

    /// Takes a step and performs what the link orders because of it.
    async fn step(&mut self, input: Input) {
        let jitter = self.rng.random();
        let outputs = {
            let mut inner = lock(&self.shared);
            let before = inner.link.status(now());
            let outputs = inner.link.step(now(), jitter, input);
            let after = inner.link.status(now());
            inner.seen.stands(before.state, after.state);
            if after.lost > before.lost {
                inner.seen.lost();
            }
            for output in &outputs {
                inner.seen.output(output);
            }
            outputs
        };
        for output in outputs {
            match output {
                Output::Dial(line, how) => {
                    let token = self.options.token.as_deref();
                    let http = || self.http.get_or_insert_with(|| client(token)).clone();
                    let wire = Wire::open(http, self.options.address, token, &how);
                    self.lines.insert(line, wire);
                }
                Output::HangUp(line) => drop(self.lines.remove(&line)),
                Output::Send(line, frame) => {
                    if let Some(wire) = self.lines.get_mut(&line) {
                        wire.send(&frame).await;
                    }
                }
                Output::AskSession => {
                    let token = self.options.token.as_deref();
                    let http = self.http.get_or_insert_with(|| client(token)).clone();
                    self.session = Some(session(http, self.options.address).boxed());
                }
                _ => {}
            }
        }
    }
}
