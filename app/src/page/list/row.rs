//! One row: its cells, each updated only when its own text changes, and the tint of what is fresh.
//!
//! Invariant: a change of this object touches nothing outside of this row; text from a cluster is shown
//! with its control characters visible.

#![expect(
    unreachable_pub,
    reason = "the component macro makes builders that are public whatever we say"
)]

use std::{sync::Arc, time::Duration};

use domain::{
    columns::columns,
    kind::Kind,
    object::{Cell, Column, Form, ObjectKey, Row},
    state::SwitchReadiness,
    time::Timestamp,
    topic::FabricId,
};
use leptos::{html, prelude::*};

use super::rows::{Rows, Shown};
use crate::{
    links,
    table::query::readiness_word,
    ui::{
        moment,
        status::{Status, Tone},
        text::printable,
    },
};

/// How long a changed cell stays tinted.
const FRESH: Duration = Duration::from_millis(1_100);
/// Longer texts are also in the cell's title, since the column may cut them.
const LONG: usize = 24;

/// What all rows of a page share. Copy.
#[derive(Clone, Copy)]
pub(super) struct Shared {
    /// The rows.
    pub(super) rows: Rows,
    /// The fabric.
    pub(super) fabric: StoredValue<FabricId>,
    /// Whether the namespace is shown.
    pub(super) namespaces: Memo<bool>,
    /// What time it is, Unix milliseconds.
    pub(super) now: Signal<i64>,
}

/// A row.
#[component]
pub(super) fn ListRow(
    /// Of which object.
    key: ObjectKey,
    /// What all rows share.
    shared: Shared,
) -> impl IntoView {
    let (rows, kind) = (shared.rows, shared.rows.kind);
    let shown = rows.row(&key);
    let ready = (kind == Kind::Switch).then(|| rows.readiness(&key));
    let node = NodeRef::<html::Tr>::new();
    tint_what_changes(node, shown);
    let href = links::object(&shared.fabric.get_value(), kind, &key);
    let (name, namespace) =
        (printable(key.name()).into_owned(), printable(key.namespace()).into_owned());
    let unreadable = Memo::new(move |_| shown.with(|shown| shown.row.unreadable.clone()));
    let cells = columns(kind)
        .iter()
        .map(|column| view! { <ListCell column=*column shown/> })
        .collect_view();
    view! {
        <tr
            node_ref=node
            data-kind=kind.about().name
            data-key=String::from(key)
            data-gone=move || shown.with(|shown| shown.gone).then_some("")
            data-unreadable=move || unreadable.with(Option::is_some).then_some("")
        >
            {ready.map(|ready| view! { <ReadinessCell ready/> })}
            <td data-col="name">
                <a href=href>{name}</a>
                {move || unreadable.get().map(|reason| view! { <Unreadable reason/> })}
            </td>
            {move || shared.namespaces.get().then(|| view! { <td data-col="namespace" data-form="mono">{namespace.clone()}</td> })}
            {cells}
            <AgeCell shown now=shared.now/>
        </tr>
    }
}

/// Marks an object that does not read as its kind.
#[component]
fn Unreadable(
    /// Why.
    reason: String,
) -> impl IntoView {
    let reason = printable(&reason).into_owned();
    view! {
        <span class="status list-unreadable" data-tone="error" title=reason.clone()>
            <span class="shape" aria-hidden="true">"✕"</span>
            <span>{format!("unreadable: {reason}")}</span>
        </span>
    }
}

/// Readiness of a switch.
#[component]
fn ReadinessCell(
    /// What was observed, if anything.
    ready: Memo<Option<SwitchReadiness>>,
) -> impl IntoView {
    let state = Memo::new(move |_| ready.with(|ready| ready.as_ref().map(|ready| ready.state)));
    let tone = Signal::derive(move || state.get().map_or(Tone::Unknown, Tone::from));
    let word = Signal::derive(move || readiness_word(state.get()).to_owned());
    let reason = Memo::new(move |_| {
        ready.with(|ready| {
            ready.as_ref().map_or_else(
                || "not observed".to_owned(),
                |ready| printable(&ready.reason).into_owned(),
            )
        })
    });
    view! { <td data-col="readiness" title=move || reason.get()><Status tone word/></td> }
}

/// A cell of the kind's own columns.
#[component]
fn ListCell(
    /// Which column.
    column: Column,
    /// The row.
    shown: Memo<Shown>,
) -> impl IntoView {
    let text = Memo::new(move |_| shown.with(|shown| cell_text(&shown.row, column)));
    let title = move || text.with(|text| (text.chars().count() > LONG).then(|| text.clone()));
    view! { <td data-col=column.id data-form=form_name(column.form) title=title>{move || text.get()}</td> }
}

/// How old the object is.
#[component]
fn AgeCell(
    /// The row.
    shown: Memo<Shown>,
    /// What time it is, Unix milliseconds.
    now: Signal<i64>,
) -> impl IntoView {
    let created = Memo::new(move |_| {
        shown.with(|shown| shown.row.created.as_deref().and_then(|at| at.parse::<Timestamp>().ok()))
    });
    let age = Memo::new(move |_| {
        created
            .get()
            .map_or_else(String::new, |at| moment::age(now.get().saturating_sub(at.unix_ms())))
    });
    let utc = move || created.get().map(|at| at.to_string());
    let title = move || created.get().map(|at| moment::day_and_clock(at.unix_ms()));
    view! { <td data-col="age"><time datetime=utc title=title>{move || age.get()}</time></td> }
}

/// What a cell shows; empty where the object says nothing.
fn cell_text(row: &Row, column: Column) -> String {
    let Some(cell) = row.cells.get(column.id) else { return String::new() };
    match (column.form, cell) {
        (Form::Time, Cell::Text(text)) => match text.parse::<Timestamp>() {
            Ok(at) => moment::day_and_clock(at.unix_ms()),
            Err(_) => printable(text).into_owned(),
        },
        (_, cell) => printable(&cell.to_string()).into_owned(),
    }
}

/// The `data-form` of a cell, which the style reads.
pub(super) const fn form_name(form: Form) -> &'static str {
    match form {
        Form::Text => "text",
        Form::Mono => "mono",
        Form::Number => "number",
        Form::Flag => "flag",
        Form::Time => "time",
        Form::List => "list",
    }
}

/// Ids of the columns in which two rows differ.
fn changed_columns(before: &Row, after: &Row) -> Vec<String> {
    let keys =
        before.cells.keys().chain(after.cells.keys().filter(|id| !before.cells.contains_key(*id)));
    keys.filter(|id| before.cells.get(*id) != after.cells.get(*id)).cloned().collect()
}

/// Tints the cells that change, for a while. The tint of a newer change is not cut short by an older one.
fn tint_what_changes(node: NodeRef<html::Tr>, shown: Memo<Shown>) {
    Effect::new(move |before: Option<(u32, Arc<Row>)>| {
        let after = shown.with(|shown| Arc::clone(&shown.row));
        let Some((number, before)) = before else { return (0, after) };
        if let Some(row) = node.get_untracked() {
            for id in changed_columns(&before, &after) {
                tint(&row, &id, number);
            }
        }
        (number.wrapping_add(1), after)
    });
}

fn tint(row: &web_sys::Element, column: &str, number: u32) {
    let mut cell = row.first_element_child();
    while let Some(one) = cell {
        if one.get_attribute("data-col").as_deref() == Some(column) {
            let mark = number.to_string();
            // Only an illegal name fails.
            let _ = one.set_attribute("data-fresh", &mark);
            set_timeout(
                move || {
                    if one.get_attribute("data-fresh").as_deref() == Some(&mark) {
                        let _ = one.remove_attribute("data-fresh");
                    }
                },
                FRESH,
            );
            return;
        }
        cell = one.next_element_sibling();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[(&str, Cell)]) -> Row {
        let cells = cells.iter().map(|(id, cell)| ((*id).to_owned(), cell.clone())).collect();
        Row { cells, ..Row::default() }
    }

    #[test]
    fn a_cell_shows_what_the_object_says_and_nothing_else() {
        let row = row(&[
            ("a", Cell::Text("x\u{202e}y".into())),
            ("b", Cell::Flag(true)),
            ("t", Cell::Text("2026-11-23T23:43:25Z".into())),
            ("u", Cell::Text("yesterday".into())),
        ]);
        let text = |id, form| cell_text(&row, Column { id, label: "", form });
        assert_eq!(text("a", Form::Text), "x\\u{202e}y");
        assert_eq!(text("b", Form::Flag), "yes");
        assert_eq!(text("t", Form::Time), "2026-11-23 23:43:25 UTC");
        assert_eq!(text("u", Form::Time), "yesterday");
        assert_eq!(text("none", Form::Number), "");
    }

    #[test]
    fn only_cells_that_differ_are_tinted() {
        let before =
            row(&[("a", Cell::Number(1)), ("b", Cell::Number(1)), ("gone", Cell::Number(1))]);
        let after =
            row(&[("a", Cell::Number(1)), ("b", Cell::Number(2)), ("new", Cell::Number(1))]);
        assert_eq!(changed_columns(&before, &after), ["b", "gone", "new"]);
        assert_eq!(changed_columns(&after, &after), [""; 0]);
    }
}
