//! The audit log as people read it: who did what, on what, how it ended, and whether the log is whole.
//!
//! Invariant: every filter is an address, so that a page of the log can be sent to somebody; what the log
//! says is shown as text and never as anything else.

use domain::{
    audit::{Act, Deed, Link, Outcome},
    diff::{Limits, changes},
};
use leptos::{either::EitherOf4, prelude::*};

use crate::ui::{
    diff::Diff,
    moment::{day_and_clock, rfc3339},
    status::Tone,
    text::{cut, printable},
};

/// Most characters of a text of the log on one line.
const LONGEST: usize = 300;

/// What the log is narrowed to, as it was typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters {
    /// By whom.
    pub user: String,
    /// What, by its word.
    pub act: String,
    /// On which fabric.
    pub fabric: String,
    /// How it ended.
    pub outcome: String,
    /// A text anywhere.
    pub q: String,
    /// First day.
    pub since: String,
    /// Last day.
    pub until: String,
}

/// What is known of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chain {
    /// Checked: it is as it was written.
    Intact {
        /// Number of the last entry.
        entries: u64,
        /// Whether its end is sealed with the server's key.
        sealed: bool,
    },
    /// Checked: it is not.
    Broken(String),
    /// Long; it is checked when somebody asks for it.
    Unchecked {
        /// Where to ask.
        way: String,
    },
    /// It could not be read.
    Unreadable(String),
}

/// `/audit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditPage {
    /// What it is narrowed to.
    pub filters: Filters,
    /// Which filter was not understood, and what to write.
    pub misread: Option<(String, String)>,
    /// The entries of this page, newest first.
    pub links: Vec<Link>,
    /// Where the newest are, if these are others.
    pub newest: Option<String>,
    /// Where older ones are.
    pub older: Option<String>,
    /// The chain.
    pub chain: Chain,
    /// Exports of what is shown, by name.
    pub exports: Vec<(&'static str, String)>,
}

impl AuditPage {
    /// The page.
    pub fn view(self) -> impl IntoView {
        let Self { filters, misread, links, newest, older, chain, exports } = self;
        let exports = exports.into_iter().map(|(name, way)| {
            view! { <a class="button" href=way rel="external" download="">{format!("Export {name}")}</a> }
        });
        let narrowed = filters != Filters::default();
        view! {
            <div class="office-page">
                <header class="office-head">
                    <h1>"Audit log"</h1>
                    <span class="form-actions">{exports.collect_view()}</span>
                </header>
                {chain_view(chain)}
                {filter_row(&filters, misread.as_ref(), narrowed)}
                {entries(&links, narrowed)}
                {pages(newest, older)}
            </div>
        }
    }
}

fn chain_view(chain: Chain) -> impl IntoView {
    match chain {
        Chain::Intact { entries, sealed } => {
            let sealed = if sealed {
                "Its end is sealed with this server's key, so that it cannot be cut or written anew unseen."
            } else {
                "Its end is not sealed yet; the seal is made with the next entry."
            };
            EitherOf4::A(view! {
                <div class="callout" data-tone="ok" data-chain="intact">
                    <p><b>{format!("Intact up to entry {entries}. ")}</b>{sealed}</p>
                </div>
            })
        }
        Chain::Broken(why) => EitherOf4::B(view! {
            <div class="callout" data-tone="error" role="alert" data-chain="broken">
                <h2>"The log is not as it was written"</h2>
                <p>{format!("{}.", printable(&why))}</p>
                <p>"Keep a copy of the database as it is and compare it with a backup; `hnp audit verify` on the server says the same with more detail."</p>
            </div>
        }),
        Chain::Unchecked { way } => EitherOf4::C(view! {
            <div class="callout" data-tone="info" data-chain="unchecked">
                <p>"The log is long; it is checked entry by entry when you ask for it. "<a href=way rel="external">"Check it now"</a></p>
            </div>
        }),
        Chain::Unreadable(why) => EitherOf4::D(view! {
            <div class="callout" data-tone="error" role="alert" data-chain="unreadable">
                <h2>"The log cannot be read"</h2>
                <p>{printable(&why).into_owned()}</p>
            </div>
        }),
    }
}

fn filter_row(
    filters: &Filters,
    misread: Option<&(String, String)>,
    narrowed: bool,
) -> impl IntoView {
    let wrong = |name: &str| misread.is_some_and(|(field, _)| field == name).then_some("true");
    let text = |name: &'static str, label: &'static str, form: &'static str, value: &str| {
        view! {
            <label class="filter-field">
                {label}
                <input name=name type=form value=value.to_owned() maxlength="200" spellcheck="false" autocomplete="off" aria-invalid=wrong(name)/>
            </label>
        }
    };
    let acts = Act::ALL.into_iter().map(|act| (act.word(), says(act)));
    let outcomes = [Outcome::Done, Outcome::Refused, Outcome::Failed]
        .map(|outcome| (word_of(outcome).to_owned(), word_of(outcome).to_owned()));
    let said = misread.map(|(_, detail)| {
        view! { <p class="error" role="alert">{printable(detail).into_owned()}</p> }
    });
    let all =
        narrowed.then(|| view! { <a class="button" href="/audit" rel="external">"Clear"</a> });
    view! {
        <form class="filter" method="get" action="/audit" aria-label="Narrow the log">
            {text("user", "Who", "text", &filters.user)}
            {choice("act", "What", &filters.act, acts.collect())}
            {text("fabric", "Fabric", "text", &filters.fabric)}
            {choice("outcome", "Outcome", &filters.outcome, outcomes.to_vec())}
            {text("since", "From day (UTC)", "date", day(&filters.since))}
            {text("until", "To day (UTC)", "date", day(&filters.until))}
            {text("q", "Any text", "search", &filters.q)}
            <button>"Show"</button>
            {all}
        </form>
        {said}
    }
}

/// What a field for days can show of a moment.
fn day(text: &str) -> &str {
    text.get(..10).unwrap_or(text)
}

fn choice(
    name: &'static str,
    label: &'static str,
    chosen: &str,
    of: Vec<(String, String)>,
) -> impl IntoView {
    let options = of.into_iter().map(|(word, says)| {
        let selected = word == chosen;
        view! { <option value=word selected=selected>{says}</option> }
    });
    view! {
        <label class="filter-field">
            {label}
            <select name=name><option value="">"any"</option>{options.collect_view()}</select>
        </label>
    }
}

fn entries(links: &[Link], narrowed: bool) -> impl IntoView + use<> {
    if links.is_empty() {
        let says = if narrowed {
            "No entry is like this. Take a filter away, or look at other days."
        } else {
            "Nothing was done or refused yet."
        };
        return view! {
            <div class="state-panel" data-state="empty"><h2>"No entries"</h2><p>{says}</p></div>
        }
        .into_any();
    }
    view! {
        <div class="table-scroll" tabindex="0" role="region" aria-label="Entries of the audit log">
            <table class="records">
                <thead><tr>
                    <th scope="col">"Time"</th><th scope="col">"Who"</th><th scope="col">"What"</th>
                    <th scope="col">"On"</th><th scope="col">"Outcome"</th><th scope="col">"Evidence"</th>
                </tr></thead>
                <tbody>{links.iter().map(row).collect_view()}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn row(link: &Link) -> impl IntoView {
    let time = view! { <time datetime=rfc3339(link.at_ms)>{day_and_clock(link.at_ms)}</time> };
    let seq = link.seq;
    let Ok(deed) = serde_json::from_str::<Deed>(&link.text) else {
        // Written by a newer version of this program.
        return view! {
            <tr data-seq=seq><td data-label="Time" data-form="time">{time}</td><td data-label="Entry" data-form="mono" colspan="5">{short(&link.text)}</td></tr>
        }
        .into_any();
    };
    let (tone, word) = (tone_of(deed.outcome), word_of(deed.outcome));
    view! {
        <tr data-seq=seq>
            <td data-label="Time" data-form="time">{time}</td>
            <td data-label="Who">{who(&deed)}</td>
            <td data-label="What">{says(deed.act)}</td>
            <td data-label="On" data-form="mono">{deed.on.as_deref().map(short)}</td>
            <td data-label="Outcome">
                <span class="status" data-tone=tone.name()><span class="shape" aria-hidden="true">{tone.shape()}</span><span>{word}</span></span>
            </td>
            <td data-label="Evidence">{deed.evidence.as_deref().map(short)}{details(&deed, link)}</td>
        </tr>
    }
    .into_any()
}

fn who(deed: &Deed) -> impl IntoView {
    let who = &deed.who;
    let name = who.user.as_deref().map_or("nobody signed in", |user| user).to_owned();
    let means = match (who.user.is_some(), who.means.word()) {
        (false, "none") => None,
        (_, "console") => Some("on the server".to_owned()),
        (_, means) => Some(format!("by {means}")),
    };
    let from = who.from.as_deref().map(|from| format!("from {}", short(from)));
    let small = [means, from].into_iter().flatten().collect::<Vec<_>>().join(", ");
    let name = if who.user.is_none() && who.means.word() == "console" {
        "the command line".to_owned()
    } else {
        short(&name)
    };
    view! { <span>{name}<br/><span class="small muted">{small}</span></span> }
}

/// What changed, and what an entry can be found by.
fn details(deed: &Deed, link: &Link) -> impl IntoView {
    let found = changes(deed.before.as_ref(), deed.after.as_ref(), Limits::default());
    let changed = (!found.items.is_empty()).then(|| {
        view! { <Diff changes=found.items truncated=found.truncated/> }
    });
    let label = if changed.is_some() { "What changed" } else { "Entry" };
    let credential = deed.who.credential.as_deref().map(|credential| {
        view! { <dt>{deed.who.means.word()}</dt><dd class="mono">{short(credential)}</dd> }
    });
    let fabric = deed.fabric.as_ref().map(|fabric| {
        view! { <dt>"fabric"</dt><dd>{fabric.to_string()}</dd> }
    });
    view! {
        <details class="more">
            <summary>{label}</summary>
            {changed}
            <dl class="facts">
                <dt>"entry"</dt><dd>{link.seq}</dd>
                {fabric}
                {credential}
                <dt>"digest"</dt><dd class="mono small">{link.digest.clone()}</dd>
            </dl>
        </details>
    }
}

fn pages(newest: Option<String>, older: Option<String>) -> impl IntoView {
    (newest.is_some() || older.is_some()).then(|| {
        let newest = newest.map(|way| {
            view! { <a class="button" rel="external prev" href=way>"Newest"</a> }
        });
        let older = older.map(|way| {
            view! { <a class="button" rel="external next" href=way>"Older"</a> }
        });
        view! { <nav class="pages" aria-label="Pages of the log"><span>{newest}</span><span>{older}</span></nav> }
    })
}

fn short(text: &str) -> String {
    printable(&cut(text, LONGEST)).into_owned()
}

/// An act in words: `Sign in`.
fn says(act: Act) -> String {
    let word = act.word().replace('-', " ");
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

const fn word_of(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Refused => "refused",
        Outcome::Failed => "failed",
    }
}

const fn tone_of(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Done => Tone::Ok,
        Outcome::Refused => Tone::Warning,
        Outcome::Failed => Tone::Error,
    }
}
