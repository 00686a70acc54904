//! The store under frames, without a socket.

use domain::{
    kind::Kind,
    topic::FabricId,
    wire::{Op, PROTOCOL, Recovered, ServerFrame},
};
use leptos::prelude::Owner;
use serde_json::json;

use super::*;

const TOPIC: &str = "objects/demo/Switch";
/// The first line of a link.
const LINE: Line = Line(1);

fn owned() -> Owner {
    let owner = Owner::new();
    owner.set();
    owner
}

fn item(key: &str, version: u64) -> Item {
    Item { k: key.into(), uid: None, v: version, o: json!({ "n": version }) }
}

fn at(version: u64) -> Cursor {
    Cursor("e".into(), version)
}

fn frame(store: &mut Store, frame: ServerFrame) {
    store.step(2, 0, Input::Frame(LINE, Box::new(frame)));
}

fn put(key: &str, version: u64) -> Op {
    Op::Put { k: key.into(), uid: None, v: version, o: json!({ "n": version }), folded: 0 }
}

fn changes(store: &mut Store, n: u64, version: u64, ops: Vec<Op>) {
    let ms = vec![i64::try_from(version).unwrap(); 3];
    let frame = ServerFrame::Ch { n, topic: TOPIC.into(), at: at(version), from: 0, ms, b: ops };
    store.step(version, 0, Input::Frame(LINE, Box::new(frame)));
}

fn follow(store: &mut Store, want: Want) -> u64 {
    let id = store.next_id();
    for input in store.follow(id, want) {
        store.step(1, 0, input);
    }
    id
}

/// A store whose link is live and whose topic holds `a` and `b`.
fn live() -> Store {
    let mut store = Store::default();
    follow(&mut store, Want::rows(TOPIC));
    store.step(1, 0, Input::Start);
    store.step(1, 0, Input::Opened(LINE));
    let welcome = ServerFrame::Welcome {
        protocol: PROTOCOL,
        sid: "s".into(),
        user: None,
        build: "b".into(),
        ping_ms: 1,
        pong_ms: 1,
        session_expires: None,
    };
    frame(&mut store, welcome);
    let items = vec![item("d/a", 1), item("d/b", 2)];
    frame(
        &mut store,
        ServerFrame::Snapshot { topic: TOPIC.into(), items, done: 2, total: 2, at: None },
    );
    frame(
        &mut store,
        ServerFrame::Synced {
            topic: TOPIC.into(),
            at: at(2),
            recovered: Recovered::None,
            n: None,
            total: None,
            s: None,
        },
    );
    store
}

#[test]
fn a_want_before_the_link_wakes_is_part_of_its_hello() {
    let mut store = live();
    let orders = store.orders();
    assert_eq!(orders.first(), Some(&Order::Dial(LINE, How::WebSocket)));
    let Some(Order::Send(_, ClientFrame::Hello { topics, .. })) = orders.get(1) else {
        panic!("{orders:?}")
    };
    assert_eq!(topics, &[Want { s: topics[0].s, ..Want::rows(TOPIC) }]);
}

#[test]
fn a_key_wakes_its_own_reader_once_per_batch_and_nobody_elses() {
    let _owner = owned();
    let mut store = live();
    store.flush().tell();
    let (a, b) = (store.entry_signal(TOPIC, "d/a"), store.entry_signal(TOPIC, "d/b"));
    let batches = store.changed_signal(TOPIC);
    changes(&mut store, 1, 3, vec![put("d/a", 3)]);
    changes(&mut store, 2, 4, vec![put("d/a", 4)]);
    assert_eq!(a.get_untracked().unwrap().version, 1, "nothing shows before the frame");
    let news = store.flush();
    let woken = &news.topics[0].entries;
    assert_eq!(woken.len(), 1, "two changes of one key wake one reader once");
    news.tell();
    assert_eq!(a.get_untracked().unwrap().version, 4);
    assert_eq!(b.get_untracked().unwrap().version, 2);
    assert_eq!(batches.get_untracked(), 1);
    assert!(!store.has_news());
}

#[test]
fn the_phase_turns_with_the_frame_that_shows_the_rows() {
    let _owner = owned();
    let mut store = Store::default();
    let phase = store.phase_signal(TOPIC);
    assert_eq!(phase.get_untracked(), Phase::Loading);
    let mut store = live();
    let phase = store.phase_signal(TOPIC);
    store.flush().tell();
    assert_eq!(phase.get_untracked(), Phase::Synced);
}

#[test]
fn a_seed_is_read_at_once_and_resumed_from() {
    let _owner = owned();
    let mut store = Store::default();
    store.seed(TOPIC, at(7), vec![item("d/a", 7)]).tell();
    assert_eq!(store.entry_signal(TOPIC, "d/a").get_untracked().unwrap().version, 7);
    assert_eq!(store.phase_signal(TOPIC).get_untracked(), Phase::Synced);
    follow(&mut store, Want::rows(TOPIC));
    store.step(1, 0, Input::Start);
    store.step(1, 0, Input::Opened(LINE));
    let orders = store.orders();
    let Some(Order::Send(_, ClientFrame::Hello { topics, .. })) = orders.get(1) else {
        panic!("{orders:?}")
    };
    assert_eq!(topics[0].at, Some(domain::wire::At::Cursor(at(7))));
}

#[test]
fn a_seed_never_replaces_what_the_link_follows() {
    let mut store = live();
    store.seed(TOPIC, at(1), vec![]);
    assert_eq!(store.held(TOPIC).len(), 2);
}

#[test]
fn equal_wants_share_a_subscription_until_the_last_is_gone() {
    let mut store = Store::default();
    let (first, second) = (store.next_id(), store.next_id());
    assert_eq!(store.follow(first, Want::rows(TOPIC)).len(), 1);
    assert_eq!(store.follow(second, Want::rows(TOPIC)).len(), 0);
    assert_eq!(store.unfollow(TOPIC, first).len(), 0);
    assert!(
        matches!(&store.unfollow(TOPIC, second)[..], [Input::Unsubscribe(topic)] if topic == TOPIC)
    );
}

#[test]
fn a_narrower_want_replaces_and_gives_way_again() {
    let mut store = Store::default();
    let (list, object) = (store.next_id(), store.next_id());
    store.follow(list, Want::rows(TOPIC));
    let narrow = Want { keys: Some(vec!["d/a".into()]), ..Want::rows(TOPIC) };
    let asked = |inputs: Vec<Input>| match inputs.as_slice() {
        [Input::Subscribe(want)] => want.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(asked(store.follow(object, narrow.clone())), narrow);
    assert_eq!(asked(store.unfollow(TOPIC, object)), Want::rows(TOPIC));
}

#[test]
fn what_a_wildcard_covers_is_not_asked_for_again_until_the_wildcard_goes() {
    let mut store = Store::default();
    let (all, one) = (store.next_id(), store.next_id());
    assert_eq!(store.follow(all, Want::rows("state/*")).len(), 1);
    assert_eq!(store.follow(one, Want::rows("state/demo")).len(), 0);
    let inputs = store.unfollow("state/*", all);
    assert!(
        matches!(&inputs[..], [Input::Unsubscribe(topic), Input::Subscribe(want)] if want.topic == "state/demo" && topic == "state/*"),
        "{inputs:?}"
    );
}

#[test]
fn the_topics_of_a_wildcard_appear_with_their_rows() {
    let _owner = owned();
    let mut store = live();
    let known = store.flush().known.unwrap();
    let topic = TopicName::Objects("demo".parse::<FabricId>().unwrap(), Kind::Switch);
    assert_eq!(selected(&known, "objects/*/Switch"), std::slice::from_ref(&topic));
    assert_eq!(selected(&known, "state/*"), []);
    changes(&mut store, 1, 3, vec![put("d/a", 3)]);
    assert_eq!(store.flush().known, None, "the same topics are no news");
}

#[test]
fn listeners_hear_a_batch_once_and_not_after_they_left() {
    let _owner = owned();
    let heard = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut store = live();
    store.flush().tell();
    let id = store.listen_deltas(TOPIC, {
        let heard = Arc::clone(&heard);
        Arc::new(move |deltas: &[Delta]| heard.lock().unwrap().push(deltas.len()))
    });
    changes(&mut store, 1, 3, vec![put("d/a", 3), put("d/c", 3)]);
    store.flush().tell();
    store.forget_deltas(TOPIC, id);
    changes(&mut store, 2, 4, vec![put("d/a", 4)]);
    store.flush().tell();
    assert_eq!(*heard.lock().unwrap(), [2]);
}

#[test]
fn a_key_without_readers_is_forgotten() {
    let _owner = owned();
    let mut store = live();
    store.flush().tell();
    let _first = store.entry_signal(TOPIC, "d/a");
    let _second = store.entry_signal(TOPIC, "d/a");
    store.drop_entry(TOPIC, "d/a");
    assert_eq!(store.cells[TOPIC].entries.len(), 1);
    store.drop_entry(TOPIC, "d/a");
    assert_eq!(store.cells[TOPIC].entries.len(), 0);
}

#[test]
fn the_longest_way_to_the_screen_is_measured_and_nothing_in_a_hidden_tab() {
    let mut store = live();
    changes(&mut store, 1, 30, vec![put("d/a", 30)]);
    changes(&mut store, 2, 40, vec![put("d/b", 40)]);
    assert_eq!(store.paint(Some(50)), Some(20));
    assert_eq!(store.paint(Some(60)), None, "each change is measured once");
    assert_eq!(store.slowest(60).map(Journey::total), Some(20));
    changes(&mut store, 3, 50, vec![put("d/b", 50)]);
    assert_eq!(store.paint(None), None);
    assert_eq!(store.paint(Some(99)), None);
}
