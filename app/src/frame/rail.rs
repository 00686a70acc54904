//! The rail: where one can go, with live counts.
//!
//! Invariant: a count that was not observed is "–", never 0.

use domain::{
    kind::{Class, Kind},
    state::WatchState,
    topic::FabricId,
};
use leptos::prelude::*;
use leptos_router::hooks::use_location;

use crate::{
    browser,
    fabrics::{Fabrics, Known},
    frame::{
        theme::{Theme, ThemeChoice},
        told,
    },
    links::{self, Place},
    ui::text::{grouped, printable},
};

/// The groups, in display order.
const GROUPS: [(Class, &str); 3] =
    [(Class::Vpc, "VPC"), (Class::Wiring, "Wiring"), (Class::Sight, "Observed")];

/// Where the width of the rail is stored; also read before the first paint.
const WIDTH: &str = "hnp.rail";

/// The fabric that the rail leads through: the one of the page, else the first.
pub(super) fn current_fabric(place: &Place, all: &[FabricId]) -> Option<FabricId> {
    place.fabric.clone().filter(|fabric| all.contains(fabric)).or_else(|| all.first().cloned())
}

/// Two letters in place of a label when the rail is narrow.
fn glyph(label: &str) -> String {
    let mut words = label.split(' ').filter_map(|word| word.chars().next());
    match (words.next(), words.next()) {
        (Some(first), Some(second)) => [first, second].into_iter().collect(),
        _ => label.chars().take(2).collect(),
    }
}

/// A count as the rail shows it, with its title.
fn count(known: &Known, kind: Kind) -> (String, String) {
    let watch = known.watches.get(&kind);
    let state = watch.map_or("unknown", |watch| watch.state.word());
    let reason = watch
        .and_then(|watch| watch.reason.as_deref())
        .map(|reason| format!(": {}", printable(reason)));
    let number =
        known.counts.get(&kind).map_or_else(|| "–".to_owned(), |count| grouped(count.objects));
    (number, format!("watch {state}{}", reason.unwrap_or_default()))
}

/// The rail; a drawer on narrow screens.
#[component]
pub fn Rail(
    /// The theme, chosen here where the top bar has no room.
    theme: Theme,
) -> impl IntoView {
    let path = use_location().pathname;
    let here = move || (path.get() == "/").then_some("page");
    let close = move |_| browser::close_popover("rail");
    let stay = move |event: leptos::ev::MouseEvent| event.stop_propagation();
    view! {
        <nav class="rail" id="rail" popover="auto" aria-label="Main" on:click=close>
            <a class="rail-brand" href="/"><img src="/favicon.svg" alt="" width="20" height="20"/><span>"HNP"</span></a>
            <a class="rail-entry" href="/" aria-current=here title="Overview">
                <span class="rail-glyph" aria-hidden="true">"Ov"</span>
                <span class="rail-label">"Overview"</span>
            </a>
            <Suspense>{move || Suspend::new(async move {
                Fabrics::expect().ready().await.map(|_| view! { <Kinds/> }).ok()
            })}</Suspense>
            {told::offices()}
            <div class="rail-foot"><Fold/></div>
            <div class="rail-theme" on:click=stay><ThemeChoice theme/></div>
        </nav>
    }
}

#[component]
fn Kinds() -> impl IntoView {
    let (fabrics, path) = (Fabrics::expect(), use_location().pathname);
    let place = Memo::new(move |_| Place::of(&path.get()));
    let fabric = Memo::new(move |_| current_fabric(&place.get(), &fabrics.ids()));
    let known =
        Memo::new(move |_| fabric.get().map(|fabric| fabrics.known(&fabric)).unwrap_or_default());
    move || {
        let fabric = fabric.get()?;
        let home = links::fabric(&fabric);
        let here = {
            let fabric = fabric.clone();
            move || {
                place
                    .with(|place| place.fabric.as_ref() == Some(&fabric) && place.kind.is_none())
                    .then_some("page")
            }
        };
        let groups = GROUPS.into_iter().map(|(class, title)| {
            view! { <Group title class fabric=fabric.clone() known=known place=place/> }
        });
        Some(view! {
            <h2>{fabric.to_string()}</h2>
            <a class="rail-entry" href=home aria-current=here title="Fabric">
                <span class="rail-glyph" aria-hidden="true">"Fa"</span>
                <span class="rail-label">"Fabric"</span>
            </a>
            {groups.collect_view()}
        })
    }
}

#[component]
fn Group(
    title: &'static str,
    class: Class,
    fabric: FabricId,
    known: Memo<Known>,
    place: Memo<Place>,
) -> impl IntoView {
    let entry = move |kind: Kind| {
        let about = kind.about();
        let shown = Memo::new(move |_| known.with(|known| count(known, kind)));
        let uncertain = move || {
            known
                .with(|known| known.watches.get(&kind).map(|watch| watch.state))
                .filter(|state| *state == WatchState::Retrying)
                .map(WatchState::word)
        };
        let here = move || place.with(|place| place.kind == Some(kind)).then_some("page");
        view! {
            <a class="rail-entry" href=links::list(&fabric, kind) aria-current=here title=move || format!("{}, {}", about.label, shown.get().1)>
                <span class="rail-glyph" aria-hidden="true">{glyph(about.label)}</span>
                <span class="rail-label">{about.label}</span>
                <span class="rail-count" data-watch=uncertain>{move || shown.get().0}</span>
            </a>
        }
    };
    let kinds = Kind::ALL.iter().copied().filter(move |kind| kind.about().class == class);
    view! { <h2>{title}</h2>{kinds.map(entry).collect_view()} }
}

/// The button that makes the rail narrow or wide, kept for the next visit.
#[component]
fn Fold() -> impl IntoView {
    let fold = move |event: leptos::ev::MouseEvent| {
        event.stop_propagation();
        let narrow = browser::stored(WIDTH).as_deref() != Some("narrow");
        browser::store(WIDTH, if narrow { "narrow" } else { "wide" });
        browser::mark_root("data-rail", narrow.then_some("narrow"));
    };
    view! {
        <button type="button" data-look="plain" aria-label="Fold or unfold the menu" on:click=fold>
            <span aria-hidden="true">"⇤"</span><span class="rail-label">"Fold"</span>
        </button>
    }
}

#[cfg(test)]
mod tests {
    use domain::state::{KindCount, KindWatch};

    use super::*;

    #[test]
    fn what_was_not_counted_is_not_zero() {
        let mut known = Known::default();
        assert_eq!(count(&known, Kind::Vpc), ("–".into(), "watch unknown".into()));
        let reason = Some("may not list".to_owned());
        let watch = KindWatch {
            state: WatchState::Forbidden,
            since: 0,
            reason,
            attempt: 0,
            next_try: None,
            namespace: None,
            as_of: None,
        };
        known.watches.insert(Kind::Vpc, watch);
        assert_eq!(count(&known, Kind::Vpc), ("–".into(), "watch forbidden: may not list".into()));
        known.counts.insert(Kind::Vpc, KindCount { objects: 0, unreadable: 0 });
        assert_eq!(count(&known, Kind::Vpc).0, "0", "an observed zero is a zero");
    }

    #[test]
    fn the_rail_leads_through_the_fabric_of_the_page() {
        let [a, b]: [FabricId; 2] = ["a", "b"].map(|name| name.parse().unwrap());
        let all = [a.clone(), b.clone()];
        assert_eq!(current_fabric(&Place::of("/f/b/vpcs"), &all), Some(b));
        assert_eq!(current_fabric(&Place::of("/"), &all), Some(a.clone()));
        assert_eq!(current_fabric(&Place::of("/f/gone"), &all), Some(a));
        assert_eq!(current_fabric(&Place::of("/f/gone"), &[]), None);
    }

    #[test]
    fn glyphs_are_two_letters() {
        assert_eq!(glyph("Switches"), "Sw");
        assert_eq!(glyph("VPC attachments"), "Va");
    }
}
