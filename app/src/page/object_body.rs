//! An object as it is now, followed live.
//!
//! Invariant: a deleted object keeps its last content under a banner; a value in another view than the
//! full one is never taken for the object.

use std::sync::Arc;

use domain::{
    columns,
    kind::Kind,
    object::{Cell, Form, ObjectRef},
    report::{ObjectPage, Relations},
    topic::{FabricId, Topic as TopicName},
    wire::{
        Item, View, Want,
        ledger::{Delta, Held},
    },
};
use leptos::prelude::*;
use serde_json::Value;

use super::{
    clock,
    history::History,
    object::NoObject,
    relations::{RelationsCard, relations},
};
use crate::{
    fabrics::Fabrics,
    live::Live,
    toasts::{Note, Toasts},
    ui::{
        card::Card,
        copy::Copy,
        facts::{Fact, Facts},
        status::{Status, Tone, readiness_word},
        text::printable,
        yaml::{Yaml, to_yaml},
    },
};

/// The object as the page holds it.
#[derive(Clone, Copy)]
struct Shown {
    /// Its newest content.
    content: RwSignal<Option<Arc<Value>>>,
    /// Whether it was deleted since.
    gone: RwSignal<bool>,
}

/// Follows an object while the current owner lives, from what the page was told.
fn follow(fabric: &FabricId, object: &ObjectRef, page: &ObjectPage) -> Shown {
    let live = Live::expect();
    let item = page.item.as_ref();
    let shown = Shown {
        content: RwSignal::new(item.map(|item| Arc::new(item.o.clone()))),
        gone: RwSignal::new(false),
    };
    let (name, key) = (TopicName::Objects(fabric.clone(), object.kind), object.key.to_string());
    live.seed(&name, page.at.clone(), item.cloned().into_iter().collect::<Vec<Item>>());
    let mut want = Want::rows(name.to_string());
    want.view = View::Full;
    want.keys = Some(vec![key.clone()]);
    let (toasts, of, title) = (Toasts::find(), fabric.to_string(), object.to_string());
    live.follow(want).on_deltas(move |deltas| {
        for delta in deltas {
            match delta {
                Delta::Put(k, held) if *k == key && is_full(held) => {
                    shown.content.set(Some(Arc::clone(&held.value)));
                    shown.gone.set(false);
                }
                Delta::Gone(k) if *k == key && shown.content.with_untracked(Option::is_some) => {
                    shown.gone.set(true);
                    tell_deleted(toasts, &of, &title, live);
                }
                Delta::Put(..) | Delta::Gone(_) => {}
            }
        }
    });
    shown
}

/// A row of a list has no metadata; the object has.
fn is_full(held: &Held) -> bool {
    held.value.get("metadata").is_some()
}

fn tell_deleted(toasts: Option<Toasts>, fabric: &str, title: &str, live: Live) {
    let note = Note {
        group: format!("deleted/{title}/{fabric}"),
        tone: Tone::Warning,
        text: format!("{title} was deleted"),
        several: String::new(),
        link: None,
    };
    if let Some(toasts) = toasts {
        toasts.push(note, live.now().get_untracked().unwrap_or_default());
    }
}

/// Header, summary, YAML, relations and history of an object.
#[component]
pub fn ObjectBody(
    /// The fabric.
    fabric: FabricId,
    /// The object.
    object: ObjectRef,
    /// What the page was told.
    page: ObjectPage,
) -> impl IntoView {
    let now = clock(page.now_ms);
    let shown = follow(&fabric, &object, &page);
    let known = Fabrics::expect().watch(fabric.clone());
    let told = page.fabric.watches.get(&object.kind).cloned();
    let is_there = Memo::new(move |_| shown.content.with(Option::is_some));
    let whole = StoredValue::new((fabric, object, page));
    move || {
        let (fabric, object, page) = whole.get_value();
        if !is_there.get() {
            let watch = known
                .with(|known| known.watches.get(&object.kind).cloned())
                .or_else(|| told.clone());
            return view! { <NoObject object watch/> }.into_any();
        }
        let value = Signal::derive(move || {
            shown.content.get().map(|content| (*content).clone()).unwrap_or_default()
        });
        let kind = object.kind;
        let history = page.history;
        let relations = relations(&fabric, object.clone(), page.relations);
        view! {
            <Header fabric=fabric.clone() object=object.clone() value/>
            <Banners gone=shown.gone relations value/>
            <div class="object">
                <div>
                    <Card title="Summary"><Facts facts=Signal::derive(move || value.with(|value| summary(kind, value)))/></Card>
                    <Card title="YAML"><Yaml value/></Card>
                </div>
                <div>
                    <RelationsCard fabric=fabric.clone() relations/>
                    <Card title="History"><History fabric subject=object.to_string() told=history now/></Card>
                </div>
            </div>
        }
        .into_any()
    }
}

#[component]
fn Header(fabric: FabricId, object: ObjectRef, value: Signal<Value>) -> impl IntoView {
    let known = Fabrics::expect().watch(fabric);
    let key = object.key.clone();
    let ready = Memo::new(move |_| match object.kind {
        Kind::Switch | Kind::Agent => known.with(|known| known.readiness.get(&object.key).cloned()),
        _ => None,
    });
    let readiness = move || {
        ready.get().map(|ready| {
            let reason = printable(&ready.reason).into_owned();
            view! {
                <span data-readiness=readiness_word(ready.state) title=reason.clone()>
                    <Status tone=Tone::from(ready.state) word=readiness_word(ready.state).to_owned() filled=true/>
                </span>
                <span class="muted">{reason}</span>
            }
        })
    };
    let command = kubectl(object.kind, &key);
    view! {
        <div class="page-head">
            <span class="muted">"namespace "<span class="mono">{printable(key.namespace()).into_owned()}</span></span>
            {readiness}
            <span class="grow"></span>
            <Copy label="Copy YAML" text=Callback::new(move |()| value.with_untracked(to_yaml))/>
            <Copy label="Copy kubectl" text=Callback::new(move |()| command.clone())/>
        </div>
    }
}

/// The command that shows the object; names are quoted where a shell could misread them.
fn kubectl(kind: Kind, key: &domain::object::ObjectKey) -> String {
    let about = kind.about();
    let (namespace, name) = (quoted(key.namespace()), quoted(key.name()));
    format!("kubectl get {}.{} {name} -n {namespace} -o yaml", about.plural, about.api.group)
}

fn quoted(text: &str) -> String {
    let safe = !text.starts_with('-')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    if safe { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[component]
fn Banners(
    gone: RwSignal<bool>,
    relations: Memo<Relations>,
    value: Signal<Value>,
) -> impl IntoView {
    let deleting = move || {
        let at = value.with(|value| text(value, "/metadata/deletionTimestamp"))?;
        Some(
            view! { <p class="banner" data-severity="warning">{format!("▲ being deleted since {}", printable(&at))}</p> },
        )
    };
    let unreadable = move || {
        let why = relations.with(|relations| relations.unreadable.clone())?;
        Some(
            view! { <p class="banner" data-severity="error">{format!("✕ does not read as its kind: {}", printable(&why))}</p> },
        )
    };
    view! {
        <Show when=move || gone.get()>
            <p class="banner" data-severity="error" data-tombstone="">"✕ deleted; below is its last content"</p>
        </Show>
        {deleting}
        {unreadable}
    }
}

fn text(value: &Value, pointer: &str) -> Option<String> {
    match value.pointer(pointer)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The columns of the kind, then what every object has.
fn summary(kind: Kind, value: &Value) -> Vec<Fact> {
    let mut cells = columns::cells(kind, value);
    let own = columns::columns(kind).iter().filter_map(|column| {
        Some(Fact {
            label: column.label.to_owned(),
            form: column.form,
            value: cells.remove(column.id)?,
        })
    });
    let mut facts: Vec<Fact> = own.collect();
    for (label, form, pointer) in [
        ("Created", Form::Time, "/metadata/creationTimestamp"),
        ("Generation", Form::Number, "/metadata/generation"),
        ("Resource version", Form::Mono, "/metadata/resourceVersion"),
        ("UID", Form::Mono, "/metadata/uid"),
    ] {
        facts.extend(text(value, pointer).map(|text| Fact::text(label, form, text)));
    }
    let labels = value.pointer("/metadata/labels").and_then(Value::as_object);
    if let Some(labels) = labels.filter(|labels| !labels.is_empty()) {
        let pairs = labels
            .iter()
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
        facts.push(Fact {
            label: "Labels".to_owned(),
            form: Form::List,
            value: Cell::List(pairs.collect()),
        });
    }
    facts
}

#[cfg(test)]
mod tests {
    use domain::object::ObjectKey;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_command_shows_this_object_and_nothing_else() {
        let key = |name| ObjectKey::new("default", name).unwrap();
        assert_eq!(
            kubectl(Kind::Switch, &key("leaf-01")),
            "kubectl get switches.wiring.githedgehog.com leaf-01 -n default -o yaml"
        );
        assert!(kubectl(Kind::Switch, &key("a; rm -rf ~")).contains("'a; rm -rf ~'"));
        assert!(kubectl(Kind::Switch, &key("--all")).contains("'--all'"));
        assert!(kubectl(Kind::Switch, &key("a'b")).contains(r"'a'\''b'"));
    }

    #[test]
    fn the_summary_names_what_is_there_and_invents_nothing() {
        let object = json!({ "metadata": { "uid": "u-1", "generation": 3, "labels": { "a": "b" } }, "spec": { "role": "spine" } });
        let facts = summary(Kind::Switch, &object);
        let value = |label: &str| {
            facts.iter().find(|fact| fact.label == label).map(|fact| fact.value.to_string())
        };
        assert_eq!(value("Generation").as_deref(), Some("3"));
        assert_eq!(value("UID").as_deref(), Some("u-1"));
        assert_eq!(value("Labels").as_deref(), Some("a=b"));
        assert_eq!(value("Resource version"), None);
        assert!(summary(Kind::Switch, &json!({})).is_empty());
    }
}
