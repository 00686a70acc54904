//! Roles in forms and in words, as the pages of users, tokens and one's own account show them.
//!
//! Invariant: what a role means is said in one place.

use std::collections::BTreeSet;

use domain::{
    access::{Rights, Role},
    topic::FabricId,
};
use leptos::prelude::*;

/// What somebody with a role everywhere may do.
pub const fn everywhere_says(role: Role) -> &'static str {
    match role {
        Role::Viewer => "sees every fabric, its objects, events and past",
        Role::Operator => {
            "sees every fabric, reads how each is connected, and has connections examined"
        }
        Role::Admin => "sees and changes everything: fabrics, users, tokens; reads the audit log",
    }
}

/// What somebody with a role on one fabric may do.
pub const fn on_fabric_says(role: Role) -> &'static str {
    match role {
        Role::Viewer => "sees its objects, events and past",
        Role::Operator => "sees it, reads how it is connected, and has the connection examined",
        Role::Admin => "sees it, and changes how it is connected and watched",
    }
}

/// An identity provider that decides about somebody's roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenBy {
    /// Its host.
    pub host: String,
    /// The claim that roles follow from.
    pub claim: String,
}

impl GivenBy {
    /// For who changes the roles of somebody.
    pub fn warning(self) -> impl IntoView {
        let Self { host, claim } = self;
        view! {
            <div class="callout" data-tone="info" role="note">
                <p>"Their roles follow from the claim "<code>{claim}</code>" of "{host}". What is saved here holds until they sign in the next time."</p>
            </div>
        }
    }

    /// For who has these: no admin here gives them for long.
    pub fn explanation(self, rights: &Rights) -> impl IntoView + use<> {
        let Self { host, claim } = self;
        let held = if rights.is_empty() {
            view! { <p class="lead">"No role yet: no fabric can be seen."</p> }.into_any()
        } else {
            in_words(rights).into_any()
        };
        view! {
            {held}
            <p class="hint">"Your roles follow from the claim "<code>{claim}</code>" of "{host}", each time you sign in. If they are not what you need, ask who manages your groups there."</p>
        }
    }
}

/// Rights in words, one line per place; for one's own account and for a user's page.
pub fn in_words(rights: &Rights) -> impl IntoView + use<> {
    let everywhere = rights.everywhere.map(|role| {
        view! { <dt>"everywhere"</dt><dd><span class="tag">{role.word()}</span>" "{everywhere_says(role)}</dd> }
    });
    let single = rights.fabrics.iter().map(|(fabric, role)| {
        let fabric = fabric.to_string();
        view! { <dt class="mono">{fabric}</dt><dd><span class="tag">{role.word()}</span>" "{on_fabric_says(*role)}</dd> }
    });
    let single = single.collect_view();
    if rights.is_empty() {
        return view! { <p class="lead">"No role yet: no fabric can be seen. An admin gives roles."</p> }
            .into_any();
    }
    view! { <dl class="facts">{everywhere}{single}</dl> }.into_any()
}

/// Choices of roles: everywhere, and on each fabric.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RightsFields {
    /// What is chosen.
    pub held: Rights,
    /// Fabrics to choose for.
    pub fabrics: BTreeSet<FabricId>,
    /// The most that can be chosen; none: anything.
    pub most: Option<Rights>,
    /// Whether a fabric may be named that is not among them.
    pub others: bool,
    /// What is wrong with the choice.
    pub error: Option<String>,
}

impl RightsFields {
    /// The choices, as a fieldset; field names `everywhere`, `on.FABRIC`, `other` and `other-role`.
    pub fn view(self, legend: &'static str, hint: &'static str) -> impl IntoView {
        let Self { held, fabrics, most, others, error } = self;
        let limit = |fabric: Option<&FabricId>| match (&most, fabric) {
            (None, _) => Some(Role::Admin),
            (Some(most), None) => most.everywhere,
            (Some(most), Some(fabric)) => most.role_on(fabric),
        };
        let everywhere =
            choice("everywhere".to_owned(), "Everywhere".to_owned(), held.everywhere, limit(None));
        let single = fabrics.iter().map(|fabric| {
            let chosen = held.fabrics.get(fabric).copied();
            choice(format!("on.{fabric}"), format!("On {fabric}"), chosen, limit(Some(fabric)))
        });
        let single: Vec<_> = single.collect();
        let other = others.then(|| {
            view! {
                <div class="field-row">
                    <p class="field">
                        <label for="other">"On another fabric"</label>
                        <input id="other" name="other" data-form="mono" maxlength="63" spellcheck="false" autocapitalize="none" aria-describedby="other-hint"/>
                        <span class="hint" id="other-hint">"Its name; it need not be registered yet"</span>
                    </p>
                    {choice("other-role".to_owned(), "Role there".to_owned(), None, Some(Role::Admin))}
                </div>
            }
        });
        let error = error.map(|error| {
            view! { <p class="error" id="rights-error" role="alert">{error}</p> }
        });
        let described = if error.is_some() { "rights-hint rights-error" } else { "rights-hint" };
        view! {
            <fieldset class="group" aria-describedby=described>
                <legend>{legend}</legend>
                <p class="hint" id="rights-hint">{hint}</p>
                {error}
                {everywhere}
                <div class="field-row">{single}</div>
                {other}
            </fieldset>
        }
    }
}

/// One choice of a role, up to the greatest that can be given.
fn choice(name: String, label: String, chosen: Option<Role>, most: Option<Role>) -> AnyView {
    let id = format!("role-{name}");
    let options = Role::ALL.into_iter().filter(|role| Some(*role) <= most).map(|role| {
        view! { <option value=role.word() selected=chosen == Some(role)>{role.word()}</option> }
    });
    let options = options.collect_view();
    view! {
        <p class="field">
            <label for=id.clone()>{label}</label>
            <select id=id name=name>
                <option value="" selected=chosen.is_none()>"no role"</option>
                {options}
            </select>
        </p>
    }
    .into_any()
}
