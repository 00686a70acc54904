//! What a test of a connection found, step by step, with evidence.
//!
//! Invariant: what was not asked is never shown as well; a step that waits is said to wait.

use domain::connection::{
    Examination, Fact, Outcome, Stage, Step,
    report::{KindFinding, Served},
    rights::words,
};
use leptos::prelude::*;

use crate::ui::text::printable;

/// A test, as far as it got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// Steps taken.
    pub steps: Vec<Step>,
    /// Whether it is over.
    pub over: bool,
    /// What was found; none while it runs, or if it was cut off.
    pub report: Option<Examination>,
}

impl Test {
    /// The section of a page.
    pub(crate) fn view(self) -> impl IntoView {
        let Self { steps, over, report } = self;
        let cut = over && report.is_none();
        let summary = match &report {
            Some(report) => verdict(report).into_any(),
            None if cut => view! {
                <div class="callout" data-tone="error" role="alert"><p>"The test was cut off before it was over. Start it again."</p></div>
            }
            .into_any(),
            None => view! {
                <div class="callout" data-tone="info" role="status"><p>"The test is under way. This page looks again by itself."</p></div>
            }
            .into_any(),
        };
        let next =
            Stage::ALL.into_iter().filter(|stage| !steps.iter().any(|step| step.stage == *stage));
        let waiting: Vec<(Stage, &str)> = next
            .enumerate()
            .map(|(n, stage)| (stage, if n == 0 && !over { "running" } else { "waiting" }))
            .collect();
        let waiting = (!over).then(|| {
            let rows = waiting.into_iter().map(|(stage, word)| {
                view! { <li data-state=word><span class="steps-word">{word}</span><b>{stage.word()}</b></li> }
            });
            rows.collect_view()
        });
        let (found, grant) = report.map(|report| (report.kinds, report.grant)).unzip();
        let kinds = found.map(|found| kinds(&found));
        let grant = grant.flatten().map(granting);
        view! {
            <section class="office-section" id="test" aria-labelledby="test-h" data-test=if over { "over" } else { "running" }>
                <h2 id="test-h">"Test"</h2>
                {summary}
                <ol class="steps">{steps.into_iter().map(step).collect_view()}{waiting}</ol>
                {kinds}
                {grant}
            </section>
        }
    }
}

fn verdict(report: &Examination) -> impl IntoView + use<> {
    let (tone, role, words) = match report.outcome() {
        Outcome::Failed => (
            "error",
            "alert",
            "It does not work yet. The first step that failed says why and what to do. You can save it anyway: HNP goes on trying.",
        ),
        Outcome::Warning => ("warning", "status", "It works, but something should be looked at."),
        Outcome::Ok => ("ok", "status", "It works."),
        Outcome::Skipped => ("info", "status", "Nothing could be asked."),
    };
    view! { <div class="callout" data-tone=tone role=role><p>{words}</p></div> }
}

fn step(step: Step) -> impl IntoView {
    let Step { stage, outcome, ms, says, evidence, remedy, .. } = step;
    let took = (outcome != Outcome::Skipped).then(|| format!(" ({ms} ms)"));
    let remedy = remedy.map(|remedy| view! { <br/><b>{printable(&remedy).into_owned()}</b> });
    let evidence = (!evidence.is_empty()).then(|| {
        let rows = evidence.iter().map(fact).collect_view();
        view! { <details class="more"><summary>"Evidence"</summary><dl class="facts">{rows}</dl></details> }
    });
    view! {
        <li data-state=outcome.word()>
            <span class="steps-word">{outcome.word()}</span>
            <b>{stage.word()}</b>
            <div class="steps-say">{printable(&says).into_owned()}{took}{remedy}{evidence}</div>
        </li>
    }
}

fn fact(fact: &Fact) -> impl IntoView + use<> {
    let (name, value) = (printable(&fact.name).into_owned(), printable(&fact.value).into_owned());
    view! { <dt>{name}</dt><dd data-form="mono">{value}</dd> }
}

/// Kinds that are not as they should be.
fn kinds(kinds: &[KindFinding]) -> impl IntoView + use<> {
    let rows: Vec<_> = kinds
        .iter()
        .filter_map(|finding| {
            let says = wrong(finding)?;
            Some(view! { <tr><th scope="row">{finding.kind.to_string()}</th><td data-label="Found">{says}</td></tr> })
        })
        .collect();
    (!rows.is_empty()).then(|| {
        view! {
            <div class="table-scroll" tabindex="0" role="region" aria-label="Kinds">
                <table class="records">
                    <thead><tr><th scope="col">"Kind"</th><th scope="col">"Found"</th></tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
    })
}

/// What is not as it should be with a kind.
fn wrong(finding: &KindFinding) -> Option<String> {
    let served = match &finding.served {
        Served::Yes => None,
        Served::No => Some("the cluster does not serve it".to_owned()),
        Served::Otherwise(versions) => {
            Some(format!("served as {} only, which HNP does not read", versions.join(", ")))
        }
        Served::Unknown => Some("it could not be asked whether the cluster serves it".to_owned()),
    };
    let lacks = finding.lacks.iter().map(|lack| {
        let place = lack.namespace.as_ref().map(|name| format!(" in namespace {name}"));
        format!("no right to {}{}", words(&lack.verbs), place.unwrap_or_default())
    });
    let unknown = (!finding.unknown.is_empty())
        .then(|| format!("it could not be asked whether {} is allowed", words(&finding.unknown)));
    let all: Vec<String> = served.into_iter().chain(lacks).chain(unknown).collect();
    (!all.is_empty()).then(|| printable(&all.join("; ")).into_owned())
}

fn granting(manifest: String) -> impl IntoView {
    view! {
        <h3>"What grants the missing rights"</h3>
        <p class="hint">"Save it as rights.yaml and run "<code>"kubectl apply -f rights.yaml"</code>" as somebody who may; then test again."</p>
        <pre class="listing" tabindex="0" aria-label="Manifest"><code id="grant">{manifest}</code></pre>
        <p><button type="button" data-copy="grant">"Copy"</button></p>
    }
}
