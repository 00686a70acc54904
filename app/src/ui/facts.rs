//! Label and value, line by line.

use domain::object::{Cell, Form};
use leptos::prelude::*;

use super::text::printable;

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// Label.
    pub label: String,
    /// How the value looks.
    pub form: Form,
    /// Value.
    pub value: Cell,
}

impl Fact {
    /// A line with a text.
    pub fn text(label: &str, form: Form, value: impl Into<String>) -> Self {
        Self { label: label.to_owned(), form, value: Cell::Text(value.into()) }
    }
}

/// The `data-form` of a value.
pub const fn form_name(form: Form) -> &'static str {
    match form {
        Form::Text => "text",
        Form::Mono => "mono",
        Form::Number => "number",
        Form::Flag => "flag",
        Form::Time => "time",
        Form::List => "list",
    }
}

/// A list of lines.
#[component]
pub fn Facts(
    /// The lines, in order.
    #[prop(into)]
    facts: Signal<Vec<Fact>>,
) -> impl IntoView {
    view! { <dl class="facts">{move || facts.get().into_iter().map(line).collect_view()}</dl> }
}

fn line(fact: Fact) -> impl IntoView {
    view! {
        <dt>{printable(&fact.label).into_owned()}</dt>
        <dd data-form=form_name(fact.form)>{cell(fact.value)}</dd>
    }
}

fn cell(value: Cell) -> AnyView {
    match value {
        Cell::List(items) => view! {
            <span class="chips">
                {items.iter().map(|item| view! { <span class="chip">{printable(item).into_owned()}</span> }).collect_view()}
            </span>
        }
        .into_any(),
        other => printable(&other.to_string()).into_owned().into_any(),
    }
}
