//! The clients: each follows something else, all must end up with the truth.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use domain::wire::{
    View, Want,
    link::{LinkState, Transport},
};
use tokio::time::{Instant, sleep};

use super::{FABRIC, Plan, checks::Truth, ground::Ground, load::Load};
use crate::{
    account,
    live_client::{Heard, LiveClient, Move, Options, Run},
};

/// How often to look whether all are live.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Clients whose differences are told.
const TOLD: usize = 5;

/// Counts by a word.
pub(crate) type Tally = BTreeMap<&'static str, u64>;

/// One of them.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) client: LiveClient,
    wants: Vec<Want>,
    /// Frames that were lost on purpose on its connections.
    pub(crate) planted: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Crew {
    pub(crate) members: Vec<Member>,
}

impl Crew {
    /// All of them begin to connect, through the proxy.
    pub(crate) fn connect(plan: &Plan, ground: &Ground) -> Self {
        let members = (0..plan.clients).map(|n| {
            let wants = wants(n);
            let options = Options {
                address: ground.proxy.address(),
                name: format!("chaos/{n}"),
                token: Some(account::TOKEN.to_owned()),
                wants: wants.clone(),
                seed: plan.seed.wrapping_add(n as u64),
            };
            Member { client: LiveClient::start(options), wants, planted: 0 }
        });
        Self { members: members.collect() }
    }

    /// Waits until all are live and have their first picture; false if that does not come in time.
    pub(crate) async fn all_live(&self, within: Duration) -> bool {
        let begun = Instant::now();
        while !self.members.iter().all(|member| member.client.is_live()) {
            if begun.elapsed() > within {
                return false;
            }
            sleep(LOOK_EVERY).await;
        }
        true
    }

    /// Notes from now on when changes arrive, or no longer.
    pub(crate) fn record(&self, recording: bool) {
        self.members.iter().for_each(|member| member.client.record(recording));
    }

    /// Milliseconds from write to arrival by WebSocket of what was written within a time; polls wait by design.
    pub(crate) fn latencies(&self, load: &Load, from: Instant, until: Instant) -> Vec<f64> {
        let mut all = Vec::new();
        for member in self.by_socket().into_iter().filter_map(|at| self.members.get(at)) {
            let arrivals = member.client.look(|_, seen| seen.arrivals.clone());
            let written = arrivals.into_iter().filter_map(|(version, came)| {
                let at = load.at(version).filter(|at| (from..until).contains(at))?;
                Some(came.saturating_duration_since(at).as_secs_f64() * 1e3)
            });
            all.extend(written);
        }
        all
    }

    /// What is wrong with the clients' pictures.
    pub(crate) fn check(&self, truth: &Truth) -> Vec<String> {
        let mut wrong = Vec::new();
        for (n, member) in self.members.iter().enumerate() {
            if !member.client.is_live() {
                wrong.push(format!("client {n} is {:?}", member.client.status().state));
                continue;
            }
            let lacks =
                member.client.look(|link, seen| truth.differences(&member.wants, link, seen));
            wrong.extend(lacks.into_iter().map(|lack| format!("client {n}: {lack}")));
        }
        let more = wrong.len().saturating_sub(TOLD);
        wrong.truncate(TOLD);
        if more > 0 {
            wrong.push(format!("and {more} more"));
        }
        wrong
    }

    /// Clients that the server sent away for good, texts that were no frames, and refusals: none of it may happen.
    pub(crate) fn odd(&self) -> Vec<String> {
        let mut odd = Vec::new();
        for (n, member) in self.members.iter().enumerate() {
            member.client.look(|link, seen| {
                if let LinkState::Ended(code) = link.status(0).state {
                    odd.push(format!("client {n} was sent away with {code}"));
                }
                if seen.garbage > 0 {
                    odd.push(format!("client {n} got {} texts that are no frames", seen.garbage));
                }
                odd.extend(seen.refused.iter().map(|why| format!("client {n}: {why}")));
            });
        }
        odd
    }

    /// The members that are live by WebSocket.
    pub(crate) fn by_socket(&self) -> Vec<usize> {
        let by_socket = self.members.iter().enumerate().filter(|(_, member)| {
            member.client.is_live() && member.client.status().transport == Transport::WebSocket
        });
        by_socket.map(|(n, _)| n).collect()
    }

    /// Frames that were lost on purpose, client by client.
    pub(crate) fn planted(&self) -> Vec<u64> {
        self.members.iter().map(|member| member.planted).collect()
    }

    /// Clients whose count of losses is another.
    pub(crate) fn lost_other_than(&self, expected: &[u64]) -> Vec<String> {
        let mut wrong = self.odd();
        for ((n, member), expected) in self.members.iter().enumerate().zip(expected) {
            let lost = member.client.status().lost;
            if lost != *expected {
                wrong.push(format!("client {n} says lost {lost}, and {expected} were lost"));
                let before = member.client.look(|_, seen| seen.before_losses.clone());
                wrong.extend(before.into_iter().map(|trace| format!("client {n}, {trace}")));
            }
        }
        wrong
    }

    /// Losses that all clients together count.
    pub(crate) fn lost(&self) -> u64 {
        self.members.iter().map(|member| member.client.status().lost).sum()
    }

    /// Milliseconds from a moment until each client that had to come back was live again; none of those that
    /// never came.
    pub(crate) fn back_after(&self, moment: Instant) -> Vec<Option<f64>> {
        let back = self.members.iter().filter_map(|member| {
            member.client.look(|_, seen| {
                let lost =
                    seen.moves.iter().find(|(at, what)| *at >= moment && *what == Move::Lost)?;
                let back =
                    seen.moves.iter().find(|(at, what)| at >= &lost.0 && *what == Move::Live);
                Some(back.map(|(at, _)| at.duration_since(moment).as_secs_f64() * 1e3))
            })
        });
        back.collect()
    }

    /// Connections begun by transport, and topics resumed by kind.
    pub(crate) fn resumes(&self) -> (Tally, Tally) {
        let (mut dials, mut recovered) = (Tally::new(), Tally::new());
        for member in &self.members {
            member.client.look(|_, seen| {
                for (word, n) in &seen.dials {
                    *dials.entry(*word).or_default() += n;
                }
                for (word, n) in &seen.recovered {
                    *recovered.entry(*word).or_default() += n;
                }
            });
        }
        (dials, recovered)
    }

    /// What is wrong with the feeds: positions twice, backwards, or left out without a word.
    pub(crate) fn feeds(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (n, member) in self.members.iter().enumerate() {
            member.client.look(|_, seen| {
                for (topic, runs) in &seen.feeds {
                    let lacks = holes(runs);
                    wrong.extend(
                        lacks.into_iter().map(|lack| format!("client {n}: {topic}: {lack}")),
                    );
                }
            });
        }
        wrong.truncate(TOLD);
        wrong
    }
}

/// What was heard out of order, or not at all, of a feed.
fn holes(runs: &[Run]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut ends: BTreeMap<&str, u64> = BTreeMap::new();
    let mut known: BTreeSet<(&str, u64)> = BTreeSet::new();
    let mut last = "";
    for run in runs {
        // A connection that ended before it told its epoch most likely went on with the one before.
        let told = run.epoch.as_deref();
        let epoch = told.unwrap_or(last);
        last = epoch;
        for heard in &run.heard {
            let (from, to) = match heard {
                Heard::Event(position, _) => (*position, *position),
                Heard::Gap(from, to) => (*from, *to),
            };
            let end = ends.get(epoch).copied();
            if let Some(end) = end.filter(|end| from > end + 1) {
                if told.is_none() {
                    break;
                }
                wrong.push(format!("nothing was said of {} to {}", end + 1, from - 1));
            }
            if matches!(heard, Heard::Event(..)) && !known.insert((epoch, from)) {
                wrong.push(format!("{from} came twice"));
            }
            ends.insert(epoch, end.unwrap_or_default().max(to));
        }
    }
    wrong
}

/// What the n-th client follows.
fn wants(n: usize) -> Vec<Want> {
    let topic = |kind: &str| Want::rows(format!("objects/{FABRIC}/{kind}"));
    let full = |kind: &str| Want { view: View::Full, ..topic(kind) };
    let state = || Want::rows(format!("state/{FABRIC}"));
    let feed = || Want::rows(format!("feed/{FABRIC}"));
    match n % 6 {
        0 => vec![topic("Switch"), topic("Server"), state()],
        1 => vec![full("Server")],
        2 => vec![topic("*"), feed()],
        3 => {
            let red = Some("chaos=red".to_owned());
            vec![
                Want { labels: red.clone(), ..topic("Server") },
                Want { labels: red, ..full("Switch") },
            ]
        }
        4 => {
            let keys = (0..10).map(|n| format!("default/guest-{n}")).collect();
            vec![Want { keys: Some(keys), ..full("Server") }, topic("Connection")]
        }
        _ => vec![topic("Connection"), full("Switch"), state(), feed()],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn run(epoch: Option<&str>, heard: &[Heard]) -> Run {
        Run { epoch: epoch.map(str::to_owned), heard: heard.to_vec() }
    }

    fn event(position: u64) -> Heard {
        Heard::Event(position, Value::Null)
    }

    #[test]
    fn a_hole_in_a_feed_is_found_and_a_told_gap_is_none() {
        let good = [
            run(Some("a"), &[event(5), event(6)]),
            run(Some("a"), &[event(7), Heard::Gap(8, 9), event(10)]),
            run(Some("b"), &[event(1), event(2)]),
        ];
        assert_eq!(holes(&good), [""; 0]);
        let cut =
            [run(Some("a"), &[event(5)]), run(None, &[event(6)]), run(Some("a"), &[event(7)])];
        assert_eq!(holes(&cut), [""; 0]);
        let hole = [run(Some("a"), &[event(5)]), run(Some("a"), &[event(7)])];
        assert_eq!(holes(&hole), ["nothing was said of 6 to 6"]);
        let twice = [run(Some("a"), &[event(5)]), run(Some("a"), &[event(5)])];
        assert_eq!(holes(&twice), ["5 came twice"]);
    }
}
