//! The form of a connection: of a new fabric, or in place of a registered one's.
//!
//! Invariant: what was pasted is never written back; every mistake stands beside its field.

use std::collections::BTreeMap;

use domain::{connection::AccessView, kind::Kind};
use leptos::prelude::*;

use super::{facts, tabs, test::Test};

/// What to run where kubectl is.
const FLATTENED: &str = "kubectl config view --raw --flatten --minify";

/// Ways to reach a cluster, as the form offers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Way {
    /// By a kubeconfig.
    #[default]
    Kubeconfig,
    /// By address, authority and token.
    Direct,
    /// By the service account of our own pod.
    InCluster,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Kubeconfig, Self::Direct, Self::InCluster];

    /// The word in addresses and forms.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Kubeconfig => "kubeconfig",
            Self::Direct => "direct",
            Self::InCluster => "in_cluster",
        }
    }

    /// The one with such a word; else a kubeconfig.
    pub fn from_word(word: &str) -> Self {
        Self::ALL.into_iter().find(|way| way.word() == word).unwrap_or_default()
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Kubeconfig => "Kubeconfig",
            Self::Direct => "Address and token",
            Self::InCluster => "In-cluster",
        }
    }
}

/// What is to be watched, as it stands in a form.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Watching {
    /// Names of kinds; none: all.
    pub kinds: Option<Vec<String>>,
    /// Namespaces, parted by blanks or commas.
    pub namespaces: String,
    /// A label selector.
    pub labels: String,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Form {
    /// Which registered fabric gets this connection; none: a new one.
    pub of: Option<String>,
    /// Revision of that fabric that the form was made from.
    pub revision: Option<u64>,
    /// Where what was entered is kept meanwhile.
    pub draft: Option<String>,
    /// Which way.
    pub way: Way,
    /// Name of the new fabric.
    pub name: String,
    /// Contexts of the kubeconfig that was received.
    pub contexts: Vec<String>,
    /// The chosen one.
    pub context: String,
    /// What was received, as far as it may be shown.
    pub received: Option<AccessView>,
    /// Whether a token was received.
    pub has_token: bool,
    /// Address of the API server.
    pub server: String,
    /// PEM of authorities.
    pub authority: String,
    /// Name that the certificate must carry.
    pub tls_server_name: String,
    /// What is to be watched.
    pub watch: Watching,
    /// What is wrong, by field.
    pub mistakes: BTreeMap<String, String>,
    /// What is said above the form.
    pub notice: Option<String>,
    /// The test of it.
    pub test: Option<Test>,
}

impl Form {
    fn wrong(&self, field: &str) -> Option<String> {
        self.mistakes.get(field).cloned()
    }

    /// Address of the form.
    fn action(&self) -> String {
        match &self.of {
            Some(fabric) => format!("/settings/fabrics/{fabric}/connection"),
            None => "/settings/fabrics/new".to_owned(),
        }
    }

    /// The page.
    pub fn view(self) -> impl IntoView {
        let title = match &self.of {
            Some(fabric) => format!("New connection of {fabric}"),
            None => "Add a fabric".to_owned(),
        };
        let back = match &self.of {
            Some(fabric) => format!("/settings/fabrics/{fabric}"),
            None => "/settings/fabrics".to_owned(),
        };
        let action = self.action();
        let ways = self.ways();
        let above = self.above();
        let fields = match self.way {
            Way::Kubeconfig => self.kubeconfig().into_any(),
            Way::Direct => self.direct().into_any(),
            Way::InCluster => in_cluster().into_any(),
        };
        let name = self.of.is_none().then(|| self.name_field());
        let watch = self.of.is_none().then(|| {
            let open = ["kinds", "namespaces", "labels"].iter().any(|field| self.mistakes.contains_key(*field));
            let fields = watching(&self.watch, &self.mistakes);
            view! { <details class="more" open=open><summary>"What to watch (all, unless you say otherwise)"</summary>{fields}</details> }
        });
        let save = if self.of.is_none() { "Save and watch" } else { "Save connection" };
        let revision = self.revision.map(|revision| {
            view! { <input type="hidden" name="revision" value=revision.to_string()/> }
        });
        view! {
            <div class="office-page">
                <header class="office-head"><h1>{title}</h1></header>
                {tabs::settings(tabs::Tab::Fabrics)}
                {above}
                <section class="office-section" aria-labelledby="connection-h">
                    <h2 id="connection-h">"Connection"</h2>
                    {ways}
                    <form class="form" method="post" action=action enctype="multipart/form-data">
                        <input type="hidden" name="draft" value=self.draft.clone().unwrap_or_default()/>
                        <input type="hidden" name="way" value=self.way.word()/>
                        {revision}
                        {fields}
                        {name}
                        {watch}
                        <p class="form-actions">
                            <button name="do" value="test">"Test"</button>
                            <button name="do" value="save" data-look="primary">{save}</button>
                            <a class="button" href=back>"Cancel"</a>
                        </p>
                        <p class="hint">"A test asks the cluster step by step and changes nothing. Saving does not need the cluster to be there: HNP goes on trying, and says why it does not work."</p>
                    </form>
                </section>
                {self.test.map(Test::view)}
            </div>
        }
    }

    /// What is wrong or good to know, in one place.
    fn above(&self) -> impl IntoView + use<> {
        let notice = self.notice.clone().map(|notice| {
            view! { <div class="callout" data-tone="info" role="status"><p>{notice}</p></div> }
        });
        let fields = [
            "name",
            "kubeconfig",
            "context",
            "server",
            "authority",
            "token",
            "tls_server_name",
            "kinds",
            "namespaces",
            "labels",
        ];
        let others: Vec<String> = self
            .mistakes
            .iter()
            .filter(|(field, _)| !fields.contains(&field.as_str()))
            .map(|(_, says)| says.clone())
            .collect();
        let wrong = (!self.mistakes.is_empty()).then(|| {
            let more = others.into_iter().map(|says| view! { <p>{says}</p> }).collect_view();
            view! {
                <div class="callout" data-tone="error" role="alert"><h2>"Nothing was saved yet"</h2>
                    <p>"What is wrong is said beside each field."</p>{more}</div>
            }
        });
        view! { {notice}{wrong} }
    }

    fn ways(&self) -> impl IntoView + use<> {
        let (action, draft, current) = (self.action(), self.draft.clone(), self.way);
        let links = Way::ALL.map(|way| {
            let draft = draft.as_ref().map(|draft| format!("&draft={draft}")).unwrap_or_default();
            let href = format!("{action}?way={}{draft}", way.word());
            view! { <a href=href aria-current=(way == current).then_some("true")>{way.label()}</a> }
        });
        view! { <nav class="tabs" aria-label="Way of access">{links.collect_view()}</nav> }
    }

    fn kubeconfig(&self) -> impl IntoView + use<> {
        let received = self.received.as_ref().map(|access| {
            let facts = facts(access);
            view! {
                <fieldset class="group"><legend>"Received"</legend>{facts}
                <p class="hint">"It is not shown again. Paste another one to replace it."</p></fieldset>
            }
        });
        let wrong = self.wrong("kubeconfig");
        let open = self.received.is_none() || wrong.is_some();
        let paste = view! {
            <p class="field" data-invalid=wrong.is_some().then_some("true")>
                <label for="kubeconfig">"Kubeconfig"</label>
                <textarea id="kubeconfig" name="kubeconfig" data-form="mono" rows="8" spellcheck="false" autocomplete="off"
                    placeholder="apiVersion: v1\nkind: Config\n…" aria-invalid=wrong.is_some().then_some("true") aria-describedby="kubeconfig-says"></textarea>
                <span class=if wrong.is_some() { "error" } else { "hint" } id="kubeconfig-says">
                    {wrong.clone().unwrap_or_else(|| "Paste the output of the command below, or choose the file. Credentials are encrypted at rest and never shown again.".to_owned())}
                </span>
            </p>
            <pre class="listing">{FLATTENED}</pre>
            <p class="field">
                <label for="file">"… or a kubeconfig file"</label>
                <input id="file" name="file" type="file"/>
            </p>
        };
        let paste = if open {
            paste.into_any()
        } else {
            view! { <details class="more"><summary>"Replace the kubeconfig"</summary>{paste}</details> }.into_any()
        };
        view! { {received}{paste}{self.contexts()} }
    }

    fn contexts(&self) -> Option<impl IntoView + use<>> {
        let wrong = self.wrong("context");
        if self.contexts.len() < 2 && wrong.is_none() {
            return None;
        }
        let chosen = self.context.clone();
        let options = self.contexts.iter().map(|context| {
            let selected = *context == chosen;
            view! { <option value=context.clone() selected=selected>{context.clone()}</option> }
        });
        let options = options.collect_view();
        let invalid = wrong.is_some().then_some("true");
        Some(view! {
            <p class="field" data-invalid=invalid>
                <label for="context">"Context"</label>
                <select id="context" name="context" aria-invalid=invalid aria-describedby="context-says">{options}</select>
                {says("context-says", wrong, "One fabric is one context; add another fabric for another.")}
            </p>
        })
    }

    fn direct(&self) -> impl IntoView + use<> {
        let wrong = |field| self.wrong(field);
        let token_hint = if self.has_token {
            "A token was received; it is not shown again. Leave this empty to keep it."
        } else {
            "As printed by: kubectl create token NAME --namespace NAMESPACE --duration 8760h"
        };
        let name_wrong = wrong("tls_server_name");
        let open = name_wrong.is_some() || !self.tls_server_name.is_empty();
        view! {
            {input("server", "API server", &self.server, "https://10.0.0.1:6443", wrong("server"), "As in the `server` of a kubeconfig.")}
            <p class="field" data-invalid=wrong("authority").map(|_| "true")>
                <label for="authority">"Certificate authority (PEM)"</label>
                <textarea id="authority" name="authority" data-form="mono" rows="6" spellcheck="false" autocomplete="off"
                    aria-invalid=wrong("authority").map(|_| "true") aria-describedby="authority-says">{self.authority.clone()}</textarea>
                {says("authority-says", wrong("authority"), "Left empty: the authorities that this machine trusts.")}
            </p>
            <p class="field" data-invalid=wrong("token").map(|_| "true")>
                <label for="token">"Token"</label>
                <input id="token" name="token" type="password" autocomplete="off" data-form="mono"
                    aria-invalid=wrong("token").map(|_| "true") aria-describedby="token-says"/>
                {says("token-says", wrong("token"), token_hint)}
            </p>
            <details class="more" open=open><summary>"The certificate carries another name"</summary>
                {input("tls_server_name", "Name in the certificate", &self.tls_server_name, "", name_wrong, "Left empty: the host of the address.")}
            </details>
        }
    }

    fn name_field(&self) -> impl IntoView + use<> {
        let hint = if self.way == Way::Kubeconfig {
            "Lower-case letters, digits, - and . It stands in addresses. Left empty: after the context."
        } else {
            "Lower-case letters, digits, - and . It stands in addresses."
        };
        input("name", "Name of the fabric", &self.name, "", self.wrong("name"), hint)
    }
}

fn in_cluster() -> impl IntoView {
    view! {
        <div class="callout" data-tone="info"><p>"HNP connects with the service account of its own pod. It needs the right to get, list and watch the kinds of Hedgehog; the test says which of them are missing, as a ready-made Role."</p></div>
    }
}

/// What is to be watched.
pub(crate) fn watching(
    watch: &Watching,
    mistakes: &BTreeMap<String, String>,
) -> impl IntoView + use<> {
    let wrong = |field: &str| mistakes.get(field).cloned();
    let only = watch.kinds.clone();
    let all = only.is_none();
    let chosen = |kind: &Kind| {
        only.as_ref().is_none_or(|only| only.iter().any(|name| *name == kind.to_string()))
    };
    let boxes = Kind::ALL.iter().map(|kind| {
        let name = kind.to_string();
        view! { <label class="check"><input type="checkbox" name="kind" value=name.clone() checked=chosen(kind)/>" "{name}</label> }
    });
    let boxes = boxes.collect_view();
    let kinds_wrong = wrong("kinds").map(|says| view! { <p class="error">{says}</p> });
    view! {
        <fieldset class="group">
            <legend>"Kinds"</legend>
            {kinds_wrong}
            <label class="check"><input type="radio" name="kinds" value="all" checked=all/>" All, also those that HNP will know later"</label>
            <label class="check"><input type="radio" name="kinds" value="only" checked=!all/>" Only these; the others are paused:"</label>
            <div class="check-columns">{boxes}</div>
        </fieldset>
        {input("namespaces", "Namespaces", &watch.namespaces, "default", wrong("namespaces"), "Parted by blanks or commas. Left empty: all, which needs rights in the whole cluster.")}
        {input("labels", "Label selector", &watch.labels, "env=prod,tier in (leaf, spine)", wrong("labels"), "Only objects that match are watched. Left empty: any.")}
    }
}

/// A field of one line.
pub(crate) fn input(
    name: &'static str,
    label: &'static str,
    value: &str,
    example: &'static str,
    wrong: Option<String>,
    hint: &'static str,
) -> impl IntoView + use<> {
    let described = format!("{name}-says");
    let invalid = wrong.is_some().then_some("true");
    let example = (!example.is_empty()).then_some(example);
    let value = value.to_owned();
    view! {
        <p class="field" data-invalid=invalid>
            <label for=name>{label}</label>
            <input id=name name=name value=value placeholder=example autocomplete="off" autocapitalize="none" spellcheck="false"
                aria-invalid=invalid aria-describedby=described.clone()/>
            {says(&described, wrong, hint)}
        </p>
    }
}

/// What is said under a field.
fn says(id: &str, wrong: Option<String>, hint: &'static str) -> impl IntoView + use<> {
    let class = if wrong.is_some() { "error" } else { "hint" };
    let text = wrong.unwrap_or_else(|| hint.to_owned());
    view! { <span class=class id=id.to_owned()>{text}</span> }
}
