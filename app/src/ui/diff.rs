//! Changed fields: where, what it was, what it is.

use domain::diff::FieldChange;
use leptos::prelude::*;
use serde_json::Value;

use super::text::{cut, printable};

/// Longest value that is shown, in characters; the rest is cut.
const LONGEST: usize = 400;

/// A value on one line.
pub fn value_text(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    printable(&cut(&text, LONGEST)).into_owned()
}

/// A list of changed fields; `truncated` more were left out.
#[component]
pub fn Diff(
    /// The fields.
    changes: Vec<FieldChange>,
    /// How many further fields were left out.
    #[prop(optional)]
    truncated: usize,
) -> impl IntoView {
    let rest = (truncated > 0)
        .then(|| view! { <p class="muted small">{format!("and {truncated} more")}</p> });
    view! {
        <dl class="diff">{changes.into_iter().map(field).collect_view()}</dl>
        {rest}
    }
}

fn field(change: FieldChange) -> impl IntoView {
    let pointer = if change.pointer.is_empty() {
        "/".to_owned()
    } else {
        printable(&change.pointer).into_owned()
    };
    let arrow = change.from.is_some() && change.to.is_some();
    view! {
        <dt>{pointer}</dt>
        <dd>
            {change.from.map(|from| view! { <del>{value_text(&from)}</del> })}
            {arrow.then_some(" → ")}
            {change.to.map(|to| view! { <ins>{value_text(&to)}</ins> })}
        </dd>
    }
}
