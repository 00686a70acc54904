//! The table against the plain recomputation, over random changes.

use std::collections::BTreeMap;

use domain::{
    kind::Kind,
    object::Cell,
    report::{ListQuery, Sort},
};
use proptest::{collection, option, prelude::*, sample};

use super::{
    model::{Change, Pending, TableModel},
    *,
};

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("default", name).unwrap()
}

fn row(cells: &[(&str, Cell)]) -> Arc<Row> {
    let cells = cells.iter().map(|(id, cell)| ((*id).to_owned(), cell.clone())).collect();
    Arc::new(Row { cells, ..Row::default() })
}

fn role(role: &str) -> Arc<Row> {
    row(&[("role", Cell::Text(role.into()))])
}

fn query(search: &str) -> Query {
    Query::compile(Kind::Switch, &search::from_search(search))
}

fn names(keys: &[ObjectKey]) -> Vec<&str> {
    keys.iter().map(ObjectKey::name).collect()
}

fn model(search: &str, rows: &[(&str, Arc<Row>)]) -> TableModel {
    let mut model = TableModel::new(query(search));
    model.reset(rows.iter().map(|(name, row)| (key(name), Arc::clone(row))));
    model
}

fn any_key() -> impl Strategy<Value = ObjectKey> {
    (sample::select(vec!["a", "b"]), "leaf-[0-9]{1,2}")
        .prop_map(|(namespace, name)| ObjectKey::new(namespace, &name).unwrap())
}

fn any_row() -> impl Strategy<Value = Arc<Row>> {
    let asn = option::of(0_i64..12);
    let role = option::of(sample::select(vec!["spine", "Leaf", "server-leaf"]));
    let label = sample::select(vec!["x", "y"]);
    let created = option::of("2026-11-2[0-9]T00:00:00Z");
    (asn, role, label, created).prop_map(|(asn, role, label, created)| {
        let mut row = Row { created, ..Row::default() };
        row.cells.extend(asn.map(|asn| ("asn".to_owned(), Cell::Number(asn))));
        row.cells.extend(role.map(|role| ("role".to_owned(), Cell::Text(role.to_owned()))));
        row.labels.insert("l".to_owned(), label.to_owned());
        Arc::new(row)
    })
}

fn any_change() -> impl Strategy<Value = Change> {
    let states = vec![Readiness::Ready, Readiness::Stuck, Readiness::Silent];
    prop_oneof![
        6 => (any_key(), any_row()).prop_map(|(key, row)| Change::Put(key, row)),
        2 => any_key().prop_map(Change::Gone),
        1 => (any_key(), option::of(sample::select(states))).prop_map(|(key, state)| Change::Readiness(key, state)),
    ]
}

fn any_query() -> impl Strategy<Value = Query> {
    let columns = vec!["name", "namespace", "age", "readiness", "asn", "role", "nonsense"];
    let sort = collection::vec((sample::select(columns), any::<bool>()), 0..4).prop_map(|sort| {
        sort.into_iter()
            .map(|(column, descending)| Sort { column: column.to_owned(), descending })
            .collect::<Vec<_>>()
    });
    let filter = option::of(sample::select(vec!["LEAF", "spine", "1"]));
    (
        sample::select(vec!["", "1", "leaf-1", "A/"]),
        filter,
        sample::select(vec!["", "l=x", "l", "="]),
        sort,
    )
        .prop_map(|(text, filter, labels, sort)| {
            let columns =
                filter.map(|text| ("role".to_owned(), text.to_owned())).into_iter().collect();
            let asked = ListQuery { text: text.into(), columns, labels: labels.into(), sort };
            Query::compile(Kind::Switch, &asked)
        })
}

/// What the model must show, computed anew.
#[derive(Default)]
struct Plain {
    rows: BTreeMap<ObjectKey, Arc<Row>>,
    readiness: BTreeMap<ObjectKey, Readiness>,
}

impl Plain {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Put(key, row) => drop(self.rows.insert(key.clone(), Arc::clone(row))),
            Change::Gone(key) => drop(self.rows.remove(key)),
            Change::Readiness(key, Some(state)) => drop(self.readiness.insert(key.clone(), *state)),
            Change::Readiness(key, None) => drop(self.readiness.remove(key)),
        }
    }

    fn select(&self, query: &Query, most: usize) -> Selected {
        let lines = self.rows.iter().map(|(key, row)| Line {
            key: key.clone(),
            row: Arc::clone(row),
            readiness: self.readiness.get(key).copied(),
        });
        select(lines, query, most)
    }

    fn keys(&self, query: &Query) -> Vec<ObjectKey> {
        self.select(query, usize::MAX).first.into_iter().map(|line| line.key).collect()
    }
}

proptest! {
    #[test]
    fn the_incremental_order_is_the_order_computed_anew(
        first in any_query(),
        second in any_query(),
        batches in collection::vec(collection::vec(any_change(), 0..30), 1..12),
    ) {
        let (mut model, mut plain) = (TableModel::new(first.clone()), Plain::default());
        let mut asked = first;
        for (number, batch) in batches.iter().enumerate() {
            if number == batches.len() / 2 {
                asked = second.clone();
                model.ask(second.clone());
            }
            for change in batch {
                plain.apply(change);
            }
            let before = model.window(0, usize::MAX);
            let change = model.apply(batch.clone());
            let now = model.window(0, usize::MAX);
            prop_assert_eq!(&now, &plain.keys(&asked));
            prop_assert!(change.reordered() || before == now, "an order must not change in silence");
            prop_assert_eq!((model.matched(), model.total()), (now.len(), plain.rows.len()));
        }
    }

    #[test]
    fn a_held_order_stands_still_and_counts_what_differs(
        query in any_query(),
        before in collection::vec(any_change(), 0..40),
        during in collection::vec(collection::vec(any_change(), 0..4), 0..12),
    ) {
        let mut model = TableModel::new(query.clone());
        model.apply(before);
        let frozen = model.window(0, usize::MAX);
        model.hold();
        for batch in during {
            model.apply(batch);
            prop_assert_eq!(&model.window(0, usize::MAX), &frozen);
        }
        let pending = model.pending();
        let differs = model.release();
        let now = model.window(0, usize::MAX);
        prop_assert_eq!(pending.new, now.iter().filter(|key| !frozen.contains(key)).count());
        prop_assert_eq!(pending.gone, frozen.iter().filter(|key| !now.contains(key)).count());
        prop_assert!(differs || now == frozen);
    }

    #[test]
    fn the_first_page_is_the_head_of_the_whole_order(
        query in any_query(),
        changes in collection::vec(any_change(), 0..60),
        most in 0_usize..20,
    ) {
        let mut plain = Plain::default();
        for change in &changes {
            plain.apply(change);
        }
        let (part, whole) = (plain.select(&query, most), plain.select(&query, usize::MAX));
        prop_assert_eq!(part.matched, whole.first.len());
        prop_assert_eq!(&part.first[..], &whole.first[..most.min(whole.first.len())]);
    }
}

#[test]
fn a_change_that_keeps_its_place_moves_nothing() {
    let mut model =
        model("sort=role", &[("a", role("leaf")), ("b", role("leaf")), ("c", role("spine"))]);
    let change = model.apply(vec![Change::Put(
        key("b"),
        row(&[("role", Cell::Text("leaf".into())), ("asn", Cell::Number(7))]),
    )]);
    assert!(!change.reordered());
    assert_eq!(change.changed, 1);
    let change = model.apply(vec![Change::Put(key("a"), role("spine"))]);
    assert!(change.reordered());
    assert_eq!(names(&model.window(0, 9)), ["b", "a", "c"]);
}

#[test]
fn rows_without_a_value_come_last_both_ways() {
    let number = |asn| row(&[("asn", Cell::Number(asn))]);
    let rows = [("a", row(&[])), ("b", number(10)), ("c", number(9))];
    assert_eq!(names(&model("sort=asn", &rows).window(0, 9)), ["c", "b", "a"]);
    assert_eq!(names(&model("sort=-asn", &rows).window(0, 9)), ["b", "c", "a"]);
}

#[test]
fn the_first_click_on_readiness_shows_what_needs_a_person() {
    let mut model = model("sort=readiness", &[("a", row(&[])), ("b", row(&[])), ("c", row(&[]))]);
    model.apply(vec![
        Change::Readiness(key("a"), Some(Readiness::Ready)),
        Change::Readiness(key("c"), Some(Readiness::Stuck)),
    ]);
    assert_eq!(names(&model.window(0, 9)), ["c", "b", "a"], "unknown is not good news");
}

#[test]
fn a_filter_looks_into_key_cells_and_labels() {
    let mut labelled = (*role("spine")).clone();
    labelled.labels.insert("rack".into(), "9".into());
    let rows = [("leaf-1", role("server-leaf")), ("spine-1", Arc::new(labelled))];
    for (search, expected) in [
        ("q=SERVER", vec!["leaf-1"]),
        ("q=spine-1", vec!["spine-1"]),
        ("q=default/leaf", vec!["leaf-1"]),
        ("q=nothing", vec![]),
        ("col.role=spine", vec!["spine-1"]),
        ("labels=rack%3D9", vec!["spine-1"]),
        ("labels=!rack", vec!["leaf-1"]),
        ("labels=rack%20in", vec!["leaf-1", "spine-1"]),
        ("col.color=red", vec!["leaf-1", "spine-1"]),
    ] {
        assert_eq!(names(&model(search, &rows).window(0, 9)), expected, "{search}");
    }
}

#[test]
fn a_query_that_cannot_be_read_says_what_and_what_to_do() {
    assert!(query("labels=a%20b").problem().unwrap().contains("`a b`"));
    assert!(query("sort=colour").problem().unwrap().contains("`colour`"));
    assert_eq!(query("q=x&sort=-asn").problem(), None);
}

#[test]
fn letting_go_tells_whether_anything_differs() {
    let mut model = model("", &[("a", row(&[])), ("b", row(&[]))]);
    model.hold();
    assert!(!model.release());
    model.hold();
    model.apply(vec![Change::Gone(key("a")), Change::Put(key("c"), row(&[]))]);
    assert_eq!(model.pending(), Pending { new: 1, moved: 0, gone: 1 });
    assert_eq!((model.len(), model.matched()), (2, 2));
    assert!(model.release());
    assert_eq!(names(&model.window(0, 9)), ["b", "c"]);
}

#[test]
fn one_change_among_many_rows_moves_that_row_only() {
    let rows: Vec<_> = (0..20_000).map(|n| (key(&format!("leaf-{n}")), role("leaf"))).collect();
    let mut model = TableModel::new(query("sort=role,-name"));
    model.reset(rows);
    let change = model.apply(vec![Change::Put(key("leaf-777"), role("spine"))]);
    assert_eq!((change.moved, change.entered, change.left), (1, 0, 0));
    assert_eq!(model.position(&key("leaf-777")), Some(19_999));
    assert_eq!(model.key_at(0), Some(&key("leaf-19999")));
}
