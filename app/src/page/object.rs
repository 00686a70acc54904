//! `/f/{fabric}/{plural}/{namespace}/{name}`: one object: what it says, what it needs, what needs it,
//! how it came to be so.
//!
//! Invariant: "there is no such object" is only said where its kind is live; otherwise nobody knows.

use domain::{
    kind::Kind,
    object::{ObjectKey, ObjectRef},
    report::ObjectPage,
    state::{KindWatch, WatchState},
    topic::FabricId,
};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::{hooks::use_params_map, params::ParamsMap};

use super::{failure::Failure, missing::Missing, object_body::ObjectBody};
use crate::{
    answer::set_status,
    api::{ApiError, read_object},
    codec::Lean,
    fabrics::Fabrics,
    links,
    ui::{
        moment,
        panel::{Panel, PanelState},
        text::printable,
    },
};

/// The object that an address names.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    fabric: FabricId,
    kind: Kind,
    key: ObjectKey,
}

impl Target {
    fn of(params: &ParamsMap) -> Option<Self> {
        let part = |name: &str| params.get(name).unwrap_or_default();
        Some(Self {
            fabric: part("fabric").parse().ok()?,
            kind: Kind::from_plural(&part("plural"))?,
            key: ObjectKey::new(&part("namespace"), &part("name")).ok()?,
        })
    }
}

/// The page.
#[component]
pub fn ObjectView() -> impl IntoView {
    let params = use_params_map();
    let target = Memo::new(move |_| params.with(Target::of));
    let page: Resource<_, Lean> = Resource::new_with_options(
        move || target.get(),
        |target| async move {
            match target {
                Some(Target { fabric, kind, key }) => Some(read_object(fabric, kind, key).await),
                None => None,
            }
        },
        true,
    );
    let title = move || {
        target.with(|target| {
            target
                .as_ref()
                .map(|target| printable(target.key.name()).into_owned())
                .unwrap_or_default()
        })
    };
    let loading = || view! { <Panel state=PanelState::Loading title="Reading the object…"/> };
    let content = move || {
        let target = target.get();
        Suspend::new(async move {
            let frame = Fabrics::expect().ready().await;
            let page = page.await;
            match (target, frame, page) {
                (Some(target), Ok(_), Some(Ok(page))) => {
                    view! { <Content target page/> }.into_any()
                }
                (Some(_), _, Some(Err(ApiError::NoFabric { .. }))) => {
                    view! { <Missing what="fabric" nested=true/> }.into_any()
                }
                (Some(_), Err(error), _) | (Some(_), _, Some(Err(error))) => {
                    view! { <Failure error/> }.into_any()
                }
                _ => view! { <Missing what="page"/> }.into_any(),
            }
        })
    };
    view! {
        <Title text=title/>
        <div class="page">
            {move || target.get().map(|target| view! { <Heading target/> })}
            <Transition fallback=loading>{content}</Transition>
        </div>
    }
    .into_any()
}

#[component]
fn Heading(target: Target) -> impl IntoView {
    let list = links::list(&target.fabric, target.kind);
    view! {
        <nav class="crumbs" aria-label="Breadcrumbs"><ol>
            <li><a href="/">"Overview"</a></li>
            <li><a href=links::fabric(&target.fabric)>{target.fabric.to_string()}</a></li>
            <li><a href=list>{target.kind.about().label}</a></li>
        </ol></nav>
        <h1>
            <span class="muted">{target.kind.about().name}" "</span>
            <span class="mono">{printable(target.key.name()).into_owned()}</span>
        </h1>
    }
}

/// The object, or why there is none; an object that appears later is shown then.
#[component]
fn Content(target: Target, page: ObjectPage) -> impl IntoView {
    let watch = page.fabric.watches.get(&target.kind).cloned();
    let absent = page.item.is_none();
    if absent && is_live(watch.as_ref()) {
        set_status(404);
    }
    let object = ObjectRef { kind: target.kind, key: target.key };
    view! { <ObjectBody fabric=target.fabric object page/> }
}

fn is_live(watch: Option<&KindWatch>) -> bool {
    watch.is_some_and(|watch| watch.state == WatchState::Live)
}

/// Says that there is no such object, or that nobody knows and why.
#[component]
pub fn NoObject(
    /// The object.
    object: ObjectRef,
    /// The watch of its kind.
    watch: Option<KindWatch>,
) -> impl IntoView {
    let ObjectRef { kind, key } = object;
    let (kind, key) = (kind.about().name, printable(&String::from(key)).into_owned());
    if is_live(watch.as_ref()) {
        let text = format!("The cluster holds no {kind} {key}. If it is created, it appears here.");
        return view! { <Panel state=PanelState::Missing title="There is no such object"><p>{text}</p></Panel> }.into_any();
    }
    let word = watch.as_ref().map_or("unknown", |watch| watch.state.word());
    let reason = watch.map(|watch| {
        let reason = watch.reason.unwrap_or_else(|| "no reason was given yet".to_owned());
        format!("Since {}: {}", moment::clock(watch.since), printable(&reason))
    });
    view! {
        <Panel state=PanelState::Unknown title="Not known">
            <p>{format!("Whether there is a {kind} {key} is not known: its watch is {word}.")}</p>
            {reason.map(|reason| view! { <p class="reason">{reason}</p> })}
        </Panel>
    }
    .into_any()
}
