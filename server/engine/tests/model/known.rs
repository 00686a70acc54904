//! The tests: many schedules, schedules that once broke a promise, and broken servers that must be found out.
//!
//! Invariant: a test here says which promise it is about; a failure prints how to see it again.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use serde_json::Value;

use super::{
    acts::Act::{self, *},
    audit::Promise,
    search::{Found, run, try_seed},
    world::{Mode, Sabotage},
};

/// Schedules per run of the suite.
const SCHEDULES: u64 = 2_000;
/// Schedules within which a broken server must be found out.
const SOON: u64 = 300;

fn number(name: &str, otherwise: u64) -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "how many schedules to try is no configuration of the product"
    )]
    let text = std::env::var(name).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn tell(found: &Found, tried: u64) -> String {
    let Found { seed, schedule, broken } = found;
    format!(
        "promise {} ({:?}) broken after {tried} schedules: {}\nschedule: {schedule:?}\n\
         again: HNP_MODEL_SEED={seed} HNP_MODEL_SCHEDULES=1 cargo test -p engine --test model",
        broken.promise as u8, broken.promise, broken.how
    )
}

#[test]
fn every_promise_holds_whatever_happens() {
    let first = number("HNP_MODEL_SEED", 1);
    let many = number("HNP_MODEL_SCHEDULES", SCHEDULES);
    let most_shrinks = number("HNP_MODEL_SHRINKS", Mode::default().most_shrinks);
    let mode = Mode { most_shrinks, ..Mode::default() };
    let next = AtomicU64::new(first);
    let end = AtomicU64::new(first + many);
    let found: Mutex<Option<Found>> = Mutex::default();
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end.load(Ordering::Relaxed) {
                return;
            }
            if let Some(another) = try_seed(seed, mode) {
                // The one with the lowest number, whoever is faster.
                end.fetch_min(seed, Ordering::Relaxed);
                let mut found = found.lock().unwrap();
                if found.as_ref().is_none_or(|found| another.seed < found.seed) {
                    *found = Some(another);
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, |threads| threads.get().min(4)) {
            scope.spawn(work);
        }
    });
    if let Some(found) = found.into_inner().unwrap() {
        let _ = run(&found.schedule, Mode { told: true, ..Mode::default() });
        panic!("{}", tell(&found, found.seed - first + 1));
    }
    println!("{many} schedules from seed {first}: promises 1 to 7 hold");
}

/// Schedules that broke a promise once, and what was wrong.
const ONCE_BROKEN: &[(&str, &[Act])] = &[
    (
        "events of another process were dropped, their positions being lower",
        &[
            Restart(0),
            Time(10_001),
            Relist(0, 0, 0),
            Put(0, 0, 0, false, false),
            Relist(0, 0, 0),
            Flow(0, 1, 3, 3),
            Exchange(0),
            Route(0),
        ],
    ),
    (
        "a topic was resumed under another view after its wildcard was given up",
        &[Want(1, 13), Watch(0, 0, 0, 0), Put(0, 0, 0, false, false)],
    ),
    (
        "objects of a definition that was removed went on being shown",
        &[Watch(0, 0, 0, 0), Definition(0, 0), Flow(0, 1, 0, 0), Watch(0, 0, 0, 0), Time(10_001)],
    ),
    (
        "a ping that crossed a new wish counted as a loss",
        &[Watch(0, 0, 0, 0), Flow(0, 1, 0, 0), Ping(0), Want(0, 6), Put(0, 0, 0, false, false)],
    ),
    (
        "one swallowed frame counted twice where nothing of the next topic had come",
        &[
            Delete(1, 0, 0),
            Want(0, 8),
            Flow(0, 1, 0, 0),
            Watch(0, 0, 0, 0),
            Put(0, 0, 2, false, false),
            Time(10_001),
            Watch(0, 0, 0, 1),
            Ping(0),
            Flow(0, 0, 2, 1),
            Watch(0, 1, 0, 0),
            Swallow(0),
            Flow(0, 0, 1, 0),
        ],
    ),
    (
        "a ping named what was taken back with its topic",
        &[Flow(0, 1, 0, 0), Ping(0), Fabric(0, 0), Put(0, 0, 0, false, false)],
    ),
    (
        "the list of live keys was taken back, and the changes after it were not",
        &[
            Watch(0, 0, 0, 0),
            Page(0),
            Restart(0),
            Delete(0, 0, 0),
            Put(0, 0, 1, false, false),
            Put(0, 0, 1, false, false),
        ],
    ),
    (
        "what came and went while one process was blind stayed a ghost for who had heard of it from another",
        &[
            Watch(1, 0, 0, 0),
            Watch(0, 0, 0, 0),
            Churn(0, 0, 1),
            Relist(1, 0, 0),
            Watch(0, 0, 0, 1),
            Flow(0, 1, 0, 0),
        ],
    ),
    (
        "a topic that went while its reader was away went on being shown",
        &[Put(0, 0, 0, false, false), Rewind(0, 1), Flow(1, 1, 0, 0), Time(14_997), Fabric(0, 0)],
    ),
    (
        "a token named a place in a feed that nobody wanted any more",
        &[
            Want(0, 6),
            Flow(0, 1, 1, 0),
            Flow(0, 2, 1, 0),
            Ping(0),
            Watch(0, 0, 0, 0),
            Settle(0),
            Want(0, 12),
            Churn(0, 0, 1),
            Put(0, 0, 0, false, false),
        ],
    ),
    (
        "a watch that began anew further back raised the dead, whose tombstones nobody had",
        &[
            Churn(0, 0, 3),
            Watch(0, 0, 0, 0),
            Replay(0, 0, 0, 5),
            Watch(0, 0, 0, 1),
            Watch(0, 0, 0, 1),
            Flow(0, 1, 0, 0),
        ],
    ),
    (
        "the older snapshot of a slower process was taken for news, and the newer place was kept",
        &[
            Watch(1, 0, 0, 0),
            Watch(0, 0, 0, 0),
            Put(0, 0, 0, false, false),
            Relist(0, 0, 0),
            Settle(0),
            Route(0),
            Settle(0),
        ],
    ),
    (
        "a delete was folded away with the beginning of its key, which another process had told",
        &[
            Watch(0, 0, 0, 0),
            Route(0),
            Page(0),
            Put(0, 0, 5, false, false),
            Watch(1, 0, 0, 0),
            Settle(0),
            Route(0),
            Settle(0),
            Delete(0, 0, 5),
            Put(0, 0, 0, true, false),
            Watch(0, 0, 0, 9),
            Settle(0),
        ],
    ),
    (
        "a wish that crossed the end of a definition kept its objects on the screen",
        &[Watch(0, 0, 0, 9), Settle(0), Definition(0, 0), Watch(0, 0, 0, 9), Want(0, 0), Settle(0)],
    ),
    (
        "half a snapshot of a wish that was taken back was part of an empty one",
        &[
            Put(0, 0, 0, false, true),
            Watch(0, 0, 0, 0),
            Flow(0, 1, 3, 0),
            Want(0, 2),
            Delete(0, 0, 0),
            Flow(0, 0, 1, 0),
            Time(10_001),
        ],
    ),
];

#[test]
fn what_once_broke_a_promise_does_not_any_more() {
    for (what, schedule) in ONCE_BROKEN {
        if let Err(broken) = run(schedule, Mode::default()) {
            panic!("{what}\n{}", tell(&Found { seed: 0, schedule: schedule.to_vec(), broken }, 1));
        }
    }
}

#[test]
fn more_than_fits_into_one_frame_or_one_mailbox_is_told_whole_or_as_a_gap() {
    let schedule = [
        Watch(0, 0, 0, 0),
        Settle(0),
        Crowd(0, 0, 600),
        Watch(0, 0, 0, 255),
        Watch(0, 0, 0, 255),
        Flow(0, 0, 255, 255),
        Flow(0, 0, 255, 255),
        Cut(0),
        Settle(0),
        Flood(0, 0, 1_300),
        Watch(0, 0, 0, 255),
        Flow(0, 0, 2, 1),
        Route(0),
        Flow(0, 1, 2, 2),
        Crowd(0, 0, 600),
        Relist(0, 0, 0),
        Flow(0, 0, 3, 3),
        Route(0),
        Flood(0, 0, 1_300),
        Watch(1, 0, 0, 0),
        Settle(0),
    ];
    if let Err(broken) = run(&schedule, Mode::default()) {
        panic!("{}", tell(&Found { seed: 0, schedule: schedule.into(), broken }, 1));
    }
}

/// Rewrites the changes of a `ch`.
fn each_change(text: &str, rewrite: impl Fn(&mut Vec<Value>)) -> Option<String> {
    let mut frame: Value = serde_json::from_str(text).ok()?;
    if frame["t"] == "ch" {
        rewrite(frame["b"].as_array_mut()?);
    }
    Some(frame.to_string())
}

fn found_out(sabotage: Sabotage) -> Found {
    let mode = Mode { sabotage: Some(sabotage), ..Mode::default() };
    (1..=SOON)
        .find_map(|seed| try_seed(seed, mode))
        .unwrap_or_else(|| panic!("{SOON} schedules did not find a broken server out"))
}

#[test]
fn an_old_value_under_a_new_version_is_found_out() {
    let found = found_out(|text| {
        each_change(text, |ops| {
            for op in ops.iter_mut().filter(|op| op["op"] == "put") {
                let version: u64 = op["v"].as_str().unwrap().parse().unwrap();
                op["v"] = Value::from((version + 1).to_string());
            }
        })
    });
    // The old value stays for good, or a resume finds that something else was held.
    assert!(
        matches!(found.broken.promise, Promise::Order | Promise::NoGap | Promise::Convergence),
        "{}",
        tell(&found, found.seed)
    );
}

#[test]
fn a_delete_that_is_kept_back_is_found_out() {
    let found = found_out(|text| each_change(text, |ops| ops.retain(|op| op["op"] != "del")));
    assert!(
        matches!(found.broken.promise, Promise::NoGap | Promise::Convergence),
        "{}",
        tell(&found, found.seed)
    );
}

#[test]
fn a_place_beyond_what_was_told_is_found_out() {
    let found = found_out(|text| {
        let mut frame: Value = serde_json::from_str(text).ok()?;
        if frame["t"] == "ch" && frame["b"].as_array().is_some_and(|ops| ops.len() > 1) {
            frame["b"].as_array_mut()?.pop();
        }
        Some(frame.to_string())
    });
    assert!(
        matches!(found.broken.promise, Promise::NoGap | Promise::Convergence),
        "{}",
        tell(&found, found.seed)
    );
}
