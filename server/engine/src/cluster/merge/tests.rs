//! The merge against a model: watches that are not in step, broken off and listed again.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;

const NAMES: [&str; 3] = ["a", "b", "c"];

fn object(namespace: &str, name: u8, version: u64) -> Admitted {
    let object = json!({"apiVersion": "wiring.githedgehog.com/v1beta1", "kind": "Server",
        "metadata": {"namespace": namespace, "name": format!("s{name}"), "uid": "u", "resourceVersion": version.to_string()},
        "spec": {"description": version.to_string()}});
    domain::door::admit(Kind::Server, object).unwrap()
}

/// What happens in the cluster, and what becomes of the watches.
#[derive(Debug, Clone)]
enum Step {
    /// An object is written.
    Write { part: usize, name: u8 },
    /// An object is deleted.
    Delete { part: usize, name: u8 },
    /// A watch delivers so many of the events that wait for it.
    Deliver { part: usize, count: usize },
    /// A watch loses its events and lists.
    List { part: usize },
    /// A watch tells its events again.
    Replay { part: usize },
    /// A watch hears that nothing else changed.
    Bookmark { part: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let part = 0..NAMES.len();
    prop_oneof![
        4 => (part.clone(), 0..4_u8).prop_map(|(part, name)| Step::Write { part, name }),
        2 => (part.clone(), 0..4_u8).prop_map(|(part, name)| Step::Delete { part, name }),
        4 => (part.clone(), 1..4_usize).prop_map(|(part, count)| Step::Deliver { part, count }),
        1 => part.clone().prop_map(|part| Step::List { part }),
        1 => part.clone().prop_map(|part| Step::Replay { part }),
        1 => part.prop_map(|part| Step::Bookmark { part }),
    ]
}

#[derive(Debug, Clone)]
enum Line {
    Put(u8, u64),
    Gone(u8, u64),
}

/// A cluster, the three watches of it, and what a keeper makes of the merged stream.
struct World {
    version: u64,
    truth: BTreeMap<String, u64>,
    waiting: Vec<Vec<Line>>,
    told: Vec<Vec<Line>>,
    merge: Merge,
    held: BTreeMap<String, u64>,
    newest: u64,
    listed: bool,
}

impl World {
    fn new() -> Self {
        Self {
            version: 10,
            truth: BTreeMap::new(),
            waiting: vec![Vec::new(); NAMES.len()],
            told: vec![Vec::new(); NAMES.len()],
            merge: Merge::new(NAMES.map(str::to_owned).to_vec()),
            held: BTreeMap::new(),
            newest: 0,
            listed: false,
        }
    }

    fn key(part: usize, name: u8) -> String {
        format!("{}/s{name}", NAMES[part])
    }

    fn take(&mut self, part: usize, seen: Seen) {
        let say = self.merge.take(part, seen);
        assert!(!say.anew, "nothing went back");
        for seen in say.seen {
            self.keep(seen);
        }
    }

    fn grows(&mut self, version: &str) {
        let version: u64 = version.parse().unwrap();
        assert!(version > self.newest, "{version} after {}", self.newest);
        self.newest = version;
    }

    /// As the keeper does.
    fn keep(&mut self, seen: Seen) {
        let shown = |object: &Admitted| {
            object.object["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap()
        };
        match seen {
            Seen::Listed { version, objects, namespace, .. } => {
                assert_eq!(namespace.is_some(), self.listed, "the first list is of everything");
                self.listed = true;
                self.grows(&version);
                let part = namespace.map(|name| format!("{name}/")).unwrap_or_default();
                self.held.retain(|key, _| !key.starts_with(&part));
                self.held
                    .extend(objects.iter().map(|object| (object.key.to_string(), shown(object))));
            }
            Seen::Put(admitted, _) => {
                self.grows(&admitted.version);
                self.held.insert(admitted.key.to_string(), shown(&admitted));
            }
            Seen::Gone { key, version, .. } => {
                self.grows(&version);
                self.held.remove(&key.to_string());
            }
            Seen::Bookmark(version) => self.grows(&version),
            Seen::Watch(_) => {}
        }
    }

    fn list(&mut self, part: usize) {
        self.waiting[part].clear();
        self.told[part].clear();
        let prefix = format!("{}/", NAMES[part]);
        let objects = self.truth.iter().filter(|(key, _)| key.starts_with(&prefix));
        let objects = objects.map(|(key, version)| {
            let name = key.trim_start_matches(&prefix).trim_start_matches('s').parse().unwrap();
            object(NAMES[part], name, *version)
        });
        let listed = Seen::Listed {
            version: self.version.to_string(),
            objects: objects.collect(),
            refused: 0,
            stamp: Stamp::received_now(),
            namespace: None,
        };
        self.take(part, listed);
    }

    fn line(&mut self, part: usize, line: &Line) {
        let stamp = Stamp::received_now();
        let seen = match *line {
            Line::Put(name, version) => {
                Seen::Put(Box::new(object(NAMES[part], name, version)), stamp)
            }
            Line::Gone(name, version) => Seen::Gone {
                key: Self::key(part, name).parse().unwrap(),
                uid: "u".to_owned(),
                version: version.to_string(),
                stamp,
            },
        };
        self.take(part, seen);
    }

    fn deliver(&mut self, part: usize, count: usize) {
        // A watch that never listed tells nothing.
        if self.merge.parts[part].place == 0 {
            return;
        }
        for _ in 0..count.min(self.waiting[part].len()) {
            let line = self.waiting[part].remove(0);
            self.line(part, &line);
            self.told[part].push(line);
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Write { part, name } => {
                self.version += 1;
                self.truth.insert(Self::key(part, name), self.version);
                self.waiting[part].push(Line::Put(name, self.version));
            }
            Step::Delete { part, name } => {
                if self.truth.remove(&Self::key(part, name)).is_some() {
                    self.version += 1;
                    self.waiting[part].push(Line::Gone(name, self.version));
                }
            }
            Step::Deliver { part, count } => self.deliver(part, count),
            Step::List { part } => self.list(part),
            Step::Replay { part } => {
                for line in self.told[part].clone() {
                    self.line(part, &line);
                }
            }
            Step::Bookmark { part } => {
                if self.waiting[part].is_empty() && self.merge.parts[part].place > 0 {
                    self.take(part, Seen::Bookmark(self.version.to_string()));
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn however_watches_are_out_of_step_versions_grow_and_the_truth_is_held(steps in prop::collection::vec(step(), 0..120)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        for part in 0..NAMES.len() {
            if world.merge.parts[part].place == 0 {
                world.list(part);
            }
            world.deliver(part, usize::MAX);
        }
        prop_assert_eq!(&world.held, &world.truth);
    }
}

fn report(state: WatchState) -> Seen {
    Seen::Watch(WatchReport {
        state,
        reason: Some("why".to_owned()),
        attempt: 1,
        next_try_ms: None,
        namespace: None,
    })
}

fn listed(version: u64) -> Seen {
    Seen::Listed {
        version: version.to_string(),
        objects: Vec::new(),
        refused: 0,
        stamp: Stamp::received_now(),
        namespace: None,
    }
}

#[test]
fn a_namespace_that_is_forbidden_holds_up_no_other() {
    let mut merge = Merge::new(vec!["a".to_owned(), "b".to_owned()]);
    assert!(merge.take(0, listed(5)).seen.is_empty());
    let say = merge.take(1, report(WatchState::Forbidden));
    let [Seen::Listed { .. }, Seen::Watch(told)] = &say.seen[..] else { panic!("{say:?}") };
    assert_eq!(told.state, WatchState::Forbidden);
    assert_eq!(told.reason.as_deref(), Some("in namespace `b`: why"));
    assert_eq!(told.namespace.as_deref(), Some("a, b"));
}

#[test]
fn where_all_is_forbidden_nothing_was_listed() {
    let mut merge = Merge::new(vec!["a".to_owned(), "b".to_owned()]);
    for number in [0, 1] {
        let say = merge.take(number, report(WatchState::Forbidden));
        assert!(say.seen.iter().all(|seen| matches!(seen, Seen::Watch(_))));
    }
}

#[test]
fn a_storage_that_went_back_or_is_gone_begins_anew() {
    let mut merge = Merge::new(vec!["a".to_owned(), "b".to_owned()]);
    merge.take(0, listed(5));
    merge.take(1, listed(9));
    assert!(!merge.take(1, listed(9)).anew);
    assert!(merge.take(1, listed(8)).anew);
    assert!(merge.take(0, report(WatchState::Missing)).anew);
    let mut fresh = Merge::new(vec!["a".to_owned()]);
    assert!(!fresh.take(0, report(WatchState::Missing)).anew, "nothing was held");
}
