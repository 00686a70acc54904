//! What a person asks of a list, written into the address: filter fields, label selector, sort by heading.
//!
//! It is one GET form, so that it works before (and without) WASM.
//!
//! Invariant: the address is the only place where the query lives; nobody's typing is overwritten.

#![expect(
    unreachable_pub,
    reason = "the component macro makes builders that are public whatever we say"
)]

use domain::report::ListQuery;
use leptos::{ev, html, prelude::*};
use leptos_router::{
    NavigateOptions,
    hooks::{use_location, use_navigate},
};

use crate::table::search::{from_search, sort_text, to_search, toggled};

/// Id of the form, so that fields in the table's head belong to it.
pub(super) const FORM: &str = "list-query";

/// The query in the address. Copy.
#[derive(Clone, Copy)]
pub(super) struct Ask {
    /// What is asked.
    pub(super) asked: Memo<ListQuery>,
    go: Callback<(ListQuery,)>,
}

impl Ask {
    /// Reads the address of this page.
    pub(super) fn new() -> Self {
        let (location, navigate) = (use_location(), use_navigate());
        let (path, search) = (location.pathname, location.search);
        let go = Callback::new(move |(query,): (ListQuery,)| {
            let search = to_search(&query);
            let mark = if search.is_empty() { "" } else { "?" };
            let target = format!("{}{mark}{search}", path.get_untracked());
            let quietly = NavigateOptions {
                resolve: false,
                replace: true,
                scroll: false,
                ..NavigateOptions::default()
            };
            navigate(&target, quietly);
        });
        Self { asked: Memo::new(move |_| search.with(|search| from_search(search))), go }
    }

    /// Asks for something else.
    pub(super) fn change(self, change: impl FnOnce(&mut ListQuery)) {
        let mut query = self.asked.get_untracked();
        change(&mut query);
        self.go.run((query,));
    }

    /// Asks for all, in the same order.
    pub(super) fn clear(self) {
        self.change(|query| {
            *query = ListQuery { sort: std::mem::take(&mut query.sort), ..ListQuery::default() }
        });
    }

    /// A click on a heading; `more` keeps the other criteria.
    pub(super) fn toggle(self, column: &str, more: bool) {
        self.change(|query| *query = toggled(query, column, more));
    }

    /// `aria-sort` of a column.
    pub(super) fn aria_sort(self, column: &'static str) -> Memo<Option<&'static str>> {
        Memo::new(move |_| {
            self.asked.with(|asked| {
                let sort = asked.sort.iter().find(|sort| sort.column == column)?;
                Some(if sort.descending { "descending" } else { "ascending" })
            })
        })
    }

    /// What a heading's button asks for without WASM.
    pub(super) fn next_sort(self, column: &'static str) -> Memo<String> {
        Memo::new(move |_| self.asked.with(|asked| sort_text(&toggled(asked, column, false).sort)))
    }

    /// The filter of a column.
    pub(super) fn column(self, column: &'static str) -> Signal<String> {
        let asked = self.asked;
        Memo::new(move |_| {
            asked.with(|asked| asked.columns.get(column).cloned().unwrap_or_default())
        })
        .into()
    }

    /// Filters a column; an empty text takes the filter away.
    pub(super) fn filter(self, column: &str, text: String) {
        self.change(|query| {
            if text.is_empty() {
                query.columns.remove(column);
            } else {
                query.columns.insert(column.to_owned(), text);
            }
        });
    }
}

/// A field of the query. Follows the address, except while a person writes in it.
#[component]
pub(super) fn Field(
    /// Its name in the address.
    #[prop(into)]
    name: String,
    /// What it is, for those who cannot see where it stands.
    #[prop(into)]
    label: String,
    /// What may be written, as a hint.
    #[prop(optional, into)]
    hint: String,
    /// `search` for the main filter, else `text`.
    #[prop(optional, into)]
    kind: Option<&'static str>,
    /// Id of the message about it, while there is one.
    #[prop(optional, into)]
    described: Signal<Option<&'static str>>,
    /// What the address says.
    #[prop(into)]
    value: Signal<String>,
    /// Takes what is written.
    #[prop(into)]
    write: Callback<(String,)>,
) -> impl IntoView {
    let field = NodeRef::<html::Input>::new();
    Effect::new(move |_| {
        let value = value.get();
        if let Some(field) = field.get()
            && field.value() != value
            && document().active_element().as_ref() != Some(field.as_ref())
        {
            field.set_value(&value);
        }
    });
    let first = value.get_untracked();
    view! {
        <input
            node_ref=field
            type=kind.unwrap_or("text")
            name=name
            form=FORM
            value=first
            aria-label=label
            placeholder=hint
            autocomplete="off"
            spellcheck="false"
            aria-invalid=move || described.get().map(|_| "true")
            aria-describedby=move || described.get()
            on:input=move |event| write.run((event_target_value(&event),))
        />
    }
}

/// The filter, the label selector, and what the query selects.
#[component]
pub(super) fn Toolbar(
    /// The query.
    ask: Ask,
    /// Why it cannot be read, if it cannot.
    problem: Memo<Option<String>>,
    /// Whether the fields of the columns are shown.
    columns: RwSignal<bool>,
    /// What stands at the end: counts.
    children: Children,
) -> impl IntoView {
    let asked = ask.asked;
    let text = Memo::new(move |_| asked.with(|asked| asked.text.clone()));
    let labels = Memo::new(move |_| asked.with(|asked| asked.labels.clone()));
    let sort = Memo::new(move |_| asked.with(|asked| sort_text(&asked.sort)));
    let described = Signal::derive(move || problem.with(Option::is_some).then_some("list-problem"));
    let narrowed = Memo::new(move |_| {
        asked.with(|asked| {
            !asked.text.is_empty() || !asked.labels.is_empty() || !asked.columns.is_empty()
        })
    });
    let submit = |event: ev::SubmitEvent| event.prevent_default();
    view! {
        <form id=FORM class="grid-toolbar" method="get" role="search" on:submit=submit>
            <input type="hidden" name="sort" value=move || sort.get()/>
            <Field name="q" label="Filter" hint="Filter ( / )" kind="search" value=text
                write=move |text| ask.change(|query| query.text = text)/>
            <Field name="labels" label="Label selector" hint="Labels: role=leaf, !spare" described=described
                value=labels write=move |labels| ask.change(|query| query.labels = labels)/>
            <button type="button" aria-pressed=move || columns.get().to_string()
                on:click=move |_| columns.update(|shown| *shown = !*shown)>"Columns"</button>
            <Show when=move || narrowed.get()>
                <button type="button" on:click=move |_| ask.clear()>"Show all"</button>
            </Show>
            <button class="hidden-text" type="submit" tabindex="-1">"Apply"</button>
            <span class="grow"></span>
            {children()}
        </form>
        <Show when=move || problem.with(Option::is_some)>
            <p id="list-problem" class="grid-problem" role="alert">
                {move || problem.get().map(|problem| format!("{problem} Nothing is filtered meanwhile."))}
            </p>
        </Show>
    }
}
