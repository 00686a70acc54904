//! The table: its head, the rows that are visible, and what stands for the others.
//!
//! Invariant: the server writes no inline style; heights of spacers are set in effects; the first rows in
//! the browser are the rows that the server wrote.

#![expect(
    unreachable_pub,
    reason = "the component macro makes builders that are public whatever we say"
)]

use domain::{columns::columns, kind::Kind, object::Form};
use leptos::{ev, html, prelude::*};

use super::{
    ask::{Ask, Field},
    row::{ListRow, Shared, form_name},
    rows::Tally,
    span::Span,
    walk,
};

/// A column as the head shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    id: &'static str,
    label: &'static str,
    form: &'static str,
}

/// The columns of a kind's list, in order.
fn heads(kind: Kind, namespaces: bool) -> Vec<Head> {
    let head = |id, label, form| Head { id, label, form };
    let mut heads = Vec::new();
    if kind == Kind::Switch {
        heads.push(head("readiness", "Readiness", "status"));
    }
    heads.push(head("name", "Name", "name"));
    if namespaces {
        heads.push(head("namespace", "Namespace", form_name(Form::Mono)));
    }
    heads.extend(
        columns(kind).iter().map(|column| head(column.id, column.label, form_name(column.form))),
    );
    heads.push(head("age", "Age", "age"));
    heads
}

/// The table.
#[component]
pub(super) fn Grid(
    /// What all rows share.
    shared: Shared,
    /// Counts.
    tally: Memo<Tally>,
    /// The query.
    ask: Ask,
    /// Whether the fields of the columns are shown.
    fields: Signal<bool>,
) -> impl IntoView {
    let (rows, kind) = (shared.rows, shared.rows.kind);
    let scroller = NodeRef::<html::Div>::new();
    let count = Memo::new(move |_| tally.with(|tally| tally.shown));
    let (span, look) = follow_scroll(scroller, count);
    let keys = rows.keys(span);
    walk::listen(scroller, rows, look);
    let hold = move |event: ev::PointerEvent, hold: bool| {
        if event.pointer_type() == "mouse" {
            rows.hold(hold);
        }
    };
    let heads = Memo::new(move |_| heads(kind, shared.namespaces.get()));
    let spacers = Memo::new(move |_| span.get().spacers(count.get()));
    view! {
        <div class="grid-scroll" node_ref=scroller tabindex="0" role="region" aria-label=kind.about().label
            on:scroll=move |_| look.run(())>
            <table class="grid list-grid" aria-rowcount=move || row_count(count.get(), tally.with(|tally| tally.matched))>
                <colgroup>
                    <For each=move || heads.get() key=|head| head.id let:head>
                        <col data-col=head.id data-form=head.form/>
                    </For>
                </colgroup>
                <thead>
                    <tr>
                        <For each=move || heads.get() key=|head| head.id let:head><Heading head ask/></For>
                    </tr>
                    <Show when=move || fields.get()>
                        <tr class="list-fields">
                            <For each=move || heads.get() key=|head| head.id let:head><ColumnField head ask/></For>
                        </tr>
                    </Show>
                </thead>
                <tbody
                    on:pointerenter=move |event| hold(event, true)
                    on:pointerleave=move |event| hold(event, false)
                >
                    <Spacer height=Signal::derive(move || spacers.get().0)/>
                    <For each=move || keys.get() key=Clone::clone let:key><ListRow key shared/></For>
                    <Spacer height=Signal::derive(move || spacers.get().1)/>
                </tbody>
            </table>
        </div>
    }
}

/// `aria-rowcount`: the head and all rows; -1 where their number is not known.
fn row_count(shown: usize, matched: Option<usize>) -> String {
    matched.map_or_else(|| "-1".to_owned(), |matched| (matched.max(shown) + 1).to_string())
}

/// The span that follows the scroll position, and what makes it look again.
fn follow_scroll(scroller: NodeRef<html::Div>, count: Memo<usize>) -> (Signal<Span>, Callback<()>) {
    let place = RwSignal::new(None::<(usize, usize)>);
    let look = Callback::new(move |()| {
        if let Some(scroller) = scroller.get_untracked() {
            let px = |px: i32| usize::try_from(px).unwrap_or_default();
            place.set(Some((px(scroller.scroll_top()), px(scroller.client_height()))));
        }
    });
    Effect::new(move |_| {
        scroller.track();
        look.run(());
    });
    Effect::new(move |_| {
        let listener = window_event_listener(ev::resize, move |_| look.run(()));
        on_cleanup(move || listener.remove());
    });
    let span = Memo::new(move |_| {
        let rows = count.get();
        place.get().map_or(Span::START, |(top, height)| Span::at(top, height, rows))
    });
    (span.into(), look)
}

/// A heading that sorts: a click by this column alone, with shift by this one too.
#[component]
fn Heading(
    /// Which column.
    head: Head,
    /// The query.
    ask: Ask,
) -> impl IntoView {
    let (sort, next) = (ask.aria_sort(head.id), ask.next_sort(head.id));
    let click = move |event: ev::MouseEvent| {
        event.prevent_default();
        ask.toggle(head.id, event.shift_key());
    };
    view! {
        <th scope="col" data-col=head.id data-form=head.form aria-sort=move || sort.get()>
            <button type="submit" form=super::ask::FORM name="sort" value=move || next.get() on:click=click>
                {head.label}
            </button>
        </th>
    }
}

/// The field that filters a column.
#[component]
fn ColumnField(
    /// Which column.
    head: Head,
    /// The query.
    ask: Ask,
) -> impl IntoView {
    view! {
        <td>
            {(head.id != "age").then(|| view! {
                <Field name=format!("col.{}", head.id) label=format!("Filter {}", head.label)
                    value=ask.column(head.id) write=move |text| ask.filter(head.id, text)/>
            })}
        </td>
    }
}

/// Stands for rows that are not in the page.
#[component]
fn Spacer(
    /// In CSS pixels.
    height: Signal<usize>,
) -> impl IntoView {
    let cell = NodeRef::<html::Td>::new();
    Effect::new(move |_| {
        let height = height.get();
        if let Some(cell) = cell.get() {
            // Only an illegal name fails.
            let _ = (*cell).style().set_property("height", &format!("{height}px"));
        }
    });
    view! { <tr class="grid-spacer" aria-hidden="true"><td node_ref=cell></td></tr> }
}
