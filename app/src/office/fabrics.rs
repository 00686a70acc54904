//! Fabrics in the settings: all of them, one of them, and what goes with one that is deleted.
//!
//! Invariant: no credential is written into a page; what a person may not do is there, off, with the reason.

use domain::{
    connection::{AccessKind, AccessView, Credential},
    state::{Connectivity, FabricState},
};
use leptos::prelude::*;

use super::tabs;
use crate::ui::{
    moment::{day_and_clock, rfc3339},
    status::Tone,
    text::printable,
};

pub mod form;
pub mod one;
pub mod test;

/// A fabric in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// Its connectivity; none: it is being started.
    pub state: Option<FabricState>,
    /// How it is reached; none: this person may not know.
    pub access: Option<AccessView>,
    /// Kinds whose watch is live, and kinds that are to be.
    pub kinds: (usize, usize),
    /// Why its settings cannot be opened by this person; none: they can.
    pub closed: Option<String>,
}

/// `/settings/fabrics`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// The fabrics that the person sees.
    pub lines: Vec<Line>,
    /// Why the person may not register one; none: they may.
    pub closed: Option<String>,
    /// What was done just now.
    pub done: Option<Done>,
}

/// What was done just now: a closed set, since it comes from an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// Watch configuration was saved.
    Watch,
    /// The connection was replaced.
    Connection,
    /// It was switched off.
    Disabled,
    /// It was switched on.
    Enabled,
    /// It was deleted.
    Deleted,
}

impl Done {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Watch, Self::Connection, Self::Disabled, Self::Enabled, Self::Deleted];

    /// The word in an address.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Watch => "watch",
            Self::Connection => "connection",
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
            Self::Deleted => "deleted",
        }
    }

    /// The one with such a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|done| done.word() == word)
    }

    const fn says(self) -> &'static str {
        match self {
            Self::Watch => "Saved. The fabric is watched anew with this configuration.",
            Self::Connection => "Saved. The fabric connects anew with it.",
            Self::Disabled => "Switched off. Nothing of it is watched; what was recorded stays.",
            Self::Enabled => "Switched on. It is being connected.",
            Self::Deleted => "Deleted, with all that was recorded of it.",
        }
    }

    pub(crate) fn view(self) -> impl IntoView {
        view! { <div class="callout" data-tone="ok" role="status"><p>{self.says()}</p></div> }
    }
}

impl List {
    /// The page.
    pub fn view(self) -> impl IntoView {
        let Self { lines, closed, done } = self;
        let add = match closed.clone() {
            None => view! {
                <a class="button" data-look="primary" href="/settings/fabrics/new">"Add a fabric"</a>
            }
            .into_any(),
            Some(reason) => unavailable("Add a fabric", "add-why", reason).into_any(),
        };
        let content = if lines.is_empty() {
            let more = if closed.is_none() {
                "Add one: a kubeconfig is all it takes."
            } else {
                "Ask an admin to add one, or for a role on one."
            };
            view! {
                <div class="state-panel" data-state="empty"><h2>"No fabrics"</h2><p>{more}</p></div>
            }
            .into_any()
        } else {
            let rows = lines.into_iter().map(line).collect_view();
            view! {
                <div class="table-scroll" tabindex="0" role="region" aria-label="Fabrics">
                    <table class="records">
                        <thead><tr>
                            <th scope="col">"Fabric"</th><th scope="col">"State"</th><th scope="col">"API server"</th>
                            <th scope="col">"Context"</th><th scope="col" data-form="number">"Kinds live"</th><th scope="col"><span class="hidden-text">"Actions"</span></th>
                        </tr></thead>
                        <tbody>{rows}</tbody>
                    </table>
                </div>
            }
            .into_any()
        };
        view! {
            <div class="office-page">
                <header class="office-head"><h1>"Fabrics"</h1>{add}</header>
                {tabs::settings(tabs::Tab::Fabrics)}
                {done.map(Done::view)}
                {content}
            </div>
        }
    }
}

fn line(of: Line) -> impl IntoView {
    let Line { name, state, access, kinds: (n_live, kinds), closed } = of;
    let given = access.as_ref().is_some_and(|access| access.kind == AccessKind::CommandLine);
    let off = state.as_ref().is_some_and(|state| state.state == Connectivity::Disabled);
    let server = state.as_ref().map(|state| state.server.clone()).filter(|text| !text.is_empty());
    let server = server.or_else(|| access.as_ref().and_then(|access| access.server.clone()));
    let context = access.as_ref().and_then(|access| access.context.clone());
    let context = context.filter(|context| !context.is_empty());
    let action = match closed {
        None => {
            let label = format!("Settings of {name}");
            view! { <a class="button" href=format!("/settings/fabrics/{name}") aria-label=label>"Settings"</a> }.into_any()
        }
        Some(reason) => unavailable("Settings", &format!("{name}-why"), reason).into_any(),
    };
    let note = given.then(|| view! { " "<span class="tag">"command line"</span> });
    let href = format!("/f/{name}");
    let count = if off || kinds == 0 { "–".to_owned() } else { format!("{n_live} of {kinds}") };
    view! {
        <tr data-off=off.then_some("") data-fabric=name.clone()>
            <th scope="row"><span><a class="mono" href=href>{name.clone()}</a>{note}</span></th>
            <td data-label="State"><span>{standing(state.as_ref())}</span></td>
            <td data-label="API server" data-form="mono">{shown(server)}</td>
            <td data-label="Context" data-form="mono">{shown(context)}</td>
            <td data-label="Kinds live" data-form="number">{count}</td>
            <td class="row-actions">{action}</td>
        </tr>
    }
}

/// Shape, word and reason of a fabric's connectivity.
pub(crate) fn standing(state: Option<&FabricState>) -> impl IntoView + use<> {
    let connectivity = state.map_or(Connectivity::Unknown, |state| state.state);
    let tone = Tone::from(connectivity);
    let filled = tone.needs_person().then_some("");
    let reason = state.and_then(|state| state.reason.as_deref());
    let reason = reason.map(|reason| {
        let reason = printable(reason).into_owned();
        view! { <p class="small">{reason}</p> }
    });
    let since = state.map(|state| since(state.since));
    view! {
        <span class="status" data-tone=tone.name() data-filled=filled>
            <span class="shape" aria-hidden="true">{tone.shape()}</span><span>{connectivity.word()}</span>
        </span>
        {since}
        {reason}
    }
}

fn since(at: i64) -> impl IntoView {
    view! { " "<span class="muted small">"since "{moment(at)}</span> }
}

/// A time in UTC.
pub(crate) fn moment(at: i64) -> impl IntoView {
    view! { <time datetime=rfc3339(at)>{day_and_clock(at)}</time> }
}

/// A text of a cluster's or a person's, or a dash.
pub(crate) fn shown(text: Option<String>) -> String {
    text.map_or_else(|| "–".to_owned(), |text| printable(&text).into_owned())
}

/// A button that is off, with the reason.
pub(crate) fn unavailable(word: &'static str, id: &str, reason: String) -> impl IntoView + use<> {
    let id = id.to_owned();
    view! {
        <span class="unavailable">
            <button type="button" disabled aria-describedby=id.clone()>{word}</button>
            <span class="hint" id=id>{reason}</span>
        </span>
    }
}

/// Words for a way of access.
pub(crate) const fn way(kind: AccessKind) -> &'static str {
    match kind {
        AccessKind::Kubeconfig => "a kubeconfig that was entered here",
        AccessKind::Direct => "address and token",
        AccessKind::InCluster => "the service account of HNP's own pod",
        AccessKind::CommandLine => "a kubeconfig named on the command line of the server",
    }
}

/// Words for how a cluster is told who asks.
pub(crate) const fn credential(credential: Credential) -> &'static str {
    match credential {
        Credential::None => "none",
        Credential::Token => "a token",
        Credential::TokenFile => "a token, read from a file",
        Credential::ClientCertificate => "a client certificate",
        Credential::Exec => "a program that is asked for it",
    }
}

/// What may be shown of an access.
pub(crate) fn facts(access: &AccessView) -> impl IntoView + use<> {
    let mut rows: Vec<(&'static str, String)> = vec![("Connected by", way(access.kind).to_owned())];
    let mut say = |name, text: Option<&String>| {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            rows.push((name, printable(text).into_owned()));
        }
    };
    say("API server", access.server.as_ref());
    say("Context", access.context.as_ref());
    say("Namespace", access.namespace.as_ref());
    say("Name in certificate", access.tls_server_name.as_ref());
    if access.kind != AccessKind::CommandLine {
        rows.push(("Credential", credential(access.credential).to_owned()));
        if !access.verified {
            rows.push((
                "Certificate",
                "NOT verified: anybody on the way can read and change everything".to_owned(),
            ));
        } else if access.authorities.is_empty() {
            rows.push(("Trusted", "authorities of the system".to_owned()));
        }
    }
    for held in &access.authorities {
        let until = day_and_clock(held.not_after_ms);
        rows.push(("Trusted", format!("{}, valid until {until}", printable(&held.subject))));
    }
    let rows = rows.into_iter().map(|(name, value)| view! { <dt>{name}</dt><dd>{value}</dd> });
    let problem = access.problem.as_deref().map(|problem| {
        let problem = printable(problem).into_owned();
        view! { <div class="callout" data-tone="error" role="alert"><p>{problem}</p></div> }
    });
    view! { {problem}<dl class="facts">{rows.collect_view()}</dl> }
}
