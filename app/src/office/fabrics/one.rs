//! One fabric in the settings, and what goes with it when it is deleted.
//!
//! Invariant: what a person may not do is there, off, with the reason; nothing is deleted by a single click.

use std::collections::BTreeMap;

use domain::{connection::AccessView, state::FabricState};
use leptos::prelude::*;

use super::{
    Done, facts,
    form::{Watching, input, watching},
    moment, standing, tabs,
    test::Test,
    unavailable,
};

/// `/settings/fabrics/{fabric}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct One {
    /// Its name.
    pub name: String,
    /// Its connectivity.
    pub state: Option<FabricState>,
    /// How it is reached.
    pub access: AccessView,
    /// Kinds whose watch is live, and kinds that are to be.
    pub kinds: (usize, usize),
    /// What of it is watched, and which revision that is; none: it was given on the command line.
    pub registered: Option<Registered>,
    /// Why the person may not change it; none: they may.
    pub fixed: Option<String>,
    /// Why the person may not delete it; none: they may.
    pub undeletable: Option<String>,
    /// What was done just now.
    pub done: Option<Done>,
    /// What is wrong with what was entered, by field; under `""`, with the whole.
    pub mistakes: BTreeMap<String, String>,
    /// The test of it.
    pub test: Option<Test>,
}

/// What is kept of a registered fabric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// Whether it is watched.
    pub enabled: bool,
    /// What of it.
    pub watch: Watching,
    /// Its revision.
    pub revision: u64,
    /// When registered, Unix milliseconds.
    pub created_ms: i64,
    /// When last changed, Unix milliseconds.
    pub changed_ms: i64,
}

impl One {
    /// The page.
    pub fn view(self) -> impl IntoView {
        let title = format!("Fabric {}", self.name);
        let base = format!("/settings/fabrics/{}", self.name);
        let wrong = self.mistakes.get("").cloned().map(|says| {
            view! { <div class="callout" data-tone="error" role="alert"><h2>"Nothing was changed"</h2><p>{says}</p></div> }
        });
        let connection = self.connection(&base);
        let watch = self.registered.clone().map(|registered| self.watch(&base, &registered));
        let ends = self.registered.clone().map(|registered| self.ends(&base, &registered));
        view! {
            <div class="office-page" data-fabric=self.name.clone()>
                <header class="office-head"><h1>{title}</h1><a class="button" href=format!("/f/{}", self.name)>"Open"</a></header>
                {tabs::settings(tabs::Tab::Fabrics)}
                {self.done.map(Done::view)}
                {wrong}
                {connection}
                {self.test.map(Test::view)}
                {watch}
                {ends}
            </div>
        }
    }

    fn connection(&self, base: &str) -> impl IntoView + use<> {
        let (live, kinds) = self.kinds;
        let version = self.state.as_ref().and_then(|state| state.version.clone());
        let version = version.map(|version| view! { <dt>"Kubernetes"</dt><dd>{version}</dd> });
        let dates = self.registered.as_ref().map(|kept| {
            view! { <dt>"Registered"</dt><dd>{moment(kept.created_ms)}</dd><dt>"Last changed"</dt><dd>{moment(kept.changed_ms)}</dd> }
        });
        let replace = match (&self.registered, &self.fixed) {
            (None, _) => view! { <p class="hint">"Given on the command line of the server: change it there. It is not registered, so nothing of it can be changed here."</p> }.into_any(),
            (Some(_), None) => view! { <a class="button" href=format!("{base}/connection")>"Replace connection"</a> }.into_any(),
            (Some(_), Some(reason)) => unavailable("Replace connection", "replace-why", reason.clone()).into_any(),
        };
        view! {
            <section class="office-section" aria-labelledby="connection-h">
                <h2 id="connection-h">"Connection"</h2>
                <div>{standing(self.state.as_ref())}</div>
                <dl class="facts"><dt>"Kinds live"</dt><dd>{format!("{live} of {kinds}")}</dd>{version}{dates}</dl>
                {facts(&self.access)}
                <div class="form-actions">
                    <form method="post" action=format!("{base}/test")><button>"Test"</button></form>
                    {replace}
                </div>
            </section>
        }
    }

    fn watch(&self, base: &str, kept: &Registered) -> impl IntoView + use<> {
        let fields = watching(&kept.watch, &self.mistakes);
        let save = match &self.fixed {
            None => view! { <button name="do" value="watch" data-look="primary">"Save"</button> }
                .into_any(),
            Some(reason) => unavailable("Save", "watch-why", reason.clone()).into_any(),
        };
        view! {
            <section class="office-section" aria-labelledby="watch-h">
                <h2 id="watch-h">"What is watched"</h2>
                <form class="form" method="post" action=base.to_owned()>
                    <input type="hidden" name="revision" value=kept.revision.to_string()/>
                    {fields}
                    <p class="form-actions">{save}</p>
                </form>
            </section>
        }
    }

    fn ends(&self, base: &str, kept: &Registered) -> impl IntoView + use<> {
        let (word, act, lead) = if kept.enabled {
            (
                "Switch off",
                "disable",
                "Switched off, nothing of it is watched and its cluster is not asked; what was recorded stays, and it can be switched on again at any time.",
            )
        } else {
            (
                "Switch on",
                "enable",
                "It is switched off: nothing of it is watched. What was recorded is still there.",
            )
        };
        let switch = match &self.fixed {
            None => view! {
                <form method="post" action=base.to_owned()>
                    <input type="hidden" name="revision" value=kept.revision.to_string()/>
                    <button name="do" value=act>{word}</button>
                </form>
            }
            .into_any(),
            Some(reason) => unavailable(word, "switch-why", reason.clone()).into_any(),
        };
        let delete = match &self.undeletable {
            None => view! { <a class="button" data-look="danger" href=format!("{base}/delete")>"Delete…"</a> }.into_any(),
            Some(reason) => unavailable("Delete…", "delete-why", reason.clone()).into_any(),
        };
        view! {
            <section class="office-section" aria-labelledby="ends-h">
                <h2 id="ends-h">"Switch off or delete"</h2>
                <p class="lead">{lead}</p>
                <div class="form-actions">{switch}{delete}</div>
            </section>
        }
    }
}

/// `/settings/fabrics/{fabric}/delete`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Farewell {
    /// Its name.
    pub name: String,
    /// Revision that is seen.
    pub revision: u64,
    /// Recorded events.
    pub events: u64,
    /// Recorded changes of objects.
    pub changes: u64,
    /// Bytes of both.
    pub bytes: u64,
    /// Time of the oldest event, Unix milliseconds.
    pub since_ms: Option<i64>,
    /// Users with a role on it.
    pub users: Vec<String>,
    /// Tokens whose scope names it: `label (owner)`.
    pub tokens: Vec<String>,
    /// What was wrong with the name that was typed.
    pub wrong: Option<String>,
}

impl Farewell {
    /// The page.
    pub fn view(self) -> impl IntoView {
        let Self { name, revision, events, changes, bytes, since_ms, users, tokens, wrong } = self;
        let base = format!("/settings/fabrics/{name}");
        let since = since_ms.map(|at| view! { <dt>"Since"</dt><dd>{moment(at)}</dd> });
        let listed = |names: Vec<String>| {
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        };
        let size = size(bytes);
        view! {
            <div class="office-page">
                <header class="office-head"><h1>{format!("Delete fabric {name}?")}</h1></header>
                {tabs::settings(tabs::Tab::Fabrics)}
                <section class="office-section" aria-labelledby="lost-h">
                    <h2 id="lost-h">"What will be lost"</h2>
                    <p class="lead">"The cluster itself is not touched. What HNP knows of it goes for good:"</p>
                    <dl class="facts">
                        <dt>"Events"</dt><dd>{events.to_string()}</dd>
                        <dt>"Changes of objects"</dt><dd>{changes.to_string()}</dd>
                        {since}
                        <dt>"Size"</dt><dd>{size}</dd>
                        <dt>"Roles that name it"</dt><dd>{listed(users)}</dd>
                        <dt>"Tokens that name it"</dt><dd>{listed(tokens)}</dd>
                        <dt>"Credentials"</dt><dd>"the sealed ones of this fabric"</dd>
                    </dl>
                    <p class="hint">"To stop watching it and keep all that, switch it off instead. The audit log keeps that it was deleted, by whom and what was lost."</p>
                    <form class="form" method="post" action=format!("{base}/delete")>
                        <input type="hidden" name="revision" value=revision.to_string()/>
                        {input("typed", "Type the name of the fabric to delete it", "", "", wrong, "Exactly as it stands above.")}
                        <p class="form-actions">
                            <button data-look="danger">"Delete it for good"</button>
                            <a class="button" href=base.clone()>"Keep it"</a>
                        </p>
                    </form>
                </section>
            </div>
        }
    }
}

/// How much there is of something, as people say it: rounded down, in the largest unit that has a number before
/// its point.
fn size(bytes: u64) -> String {
    let tenths = |of: u64, unit: u64| format!("{}.{}", of / unit, (of % unit) * 10 / unit);
    match bytes {
        0..1_024 => format!("{bytes} bytes"),
        1_024..0x10_0000 => format!("{} KiB", tenths(bytes, 1_024)),
        0x10_0000..0x4000_0000 => format!("{} MiB", tenths(bytes, 0x10_0000)),
        _ => format!("{} GiB", tenths(bytes, 0x4000_0000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_little_there_is_is_not_called_nothing() {
        for (bytes, said) in [
            (0, "0 bytes"),
            (1_023, "1023 bytes"),
            (1_536, "1.5 KiB"),
            (0xf_ffff, "1023.9 KiB"),
            (0x10_0000, "1.0 MiB"),
            (0xa000_0000, "2.5 GiB"),
        ] {
            assert_eq!(size(bytes), said);
        }
    }
}
