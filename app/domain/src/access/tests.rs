//! What the policy says, as one table, and its laws.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

fn fabric(name: &str) -> FabricId {
    name.parse().unwrap()
}

/// Everybody whom the table knows.
fn people() -> Vec<(String, Who)> {
    let mut people = vec![("nobody".to_owned(), Who::nobody())];
    for means in [Means::Session, Means::Token, Means::ScopedToken] {
        for role in Role::ALL {
            let who = |rights| Who { rights, means };
            people.push((format!("{role} ({})", means.word()), who(Rights::everywhere(role))));
            let here = Rights::on(fabric("here"), role);
            people.push((format!("{role} on here ({})", means.word()), who(here)));
        }
    }
    let elsewhere = Rights::on(fabric("elsewhere"), Role::Admin);
    people.push(("admin on elsewhere (session)".to_owned(), Who::session(elsewhere)));
    people.push(("no role (session)".to_owned(), Who::session(Rights::default())));
    people.push(("console".to_owned(), Who::console()));
    people
}

fn table() -> String {
    let here = fabric("here");
    let mut out = String::from("# Who may do what. Fabric actions are on the fabric `here`.\n");
    for (name, who) in people() {
        let _ = writeln!(out, "\n{name}");
        for action in Action::ALL {
            let subject = match action.place() {
                Place::Fabric => Subject::Fabric(&here),
                Place::House => Subject::House,
            };
            let verdict = match decide(&who, action, subject) {
                Verdict::Allowed => "allowed".to_owned(),
                Verdict::Needs(need) => need.to_string(),
                Verdict::Hidden => "there is no such fabric".to_owned(),
            };
            let _ = writeln!(out, "  {:<16} {verdict}", action.word());
        }
    }
    out
}

#[test]
fn the_whole_policy_is_the_reviewed_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/access/policy.txt");
    if option_env!("HNP_WRITE_SNAPSHOTS").is_some() {
        std::fs::write(path, table()).unwrap();
    }
    let reviewed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        table() == reviewed,
        "rights changed; review the difference after building the test with HNP_WRITE_SNAPSHOTS=1"
    );
}

#[test]
fn a_kind_is_seen_as_its_fabric_is() {
    let here = fabric("here");
    for (name, who) in people() {
        for action in Action::ALL {
            let of_kind = decide(&who, action, Subject::Kind(&here, Kind::Switch));
            assert_eq!(of_kind, decide(&who, action, Subject::Fabric(&here)), "{name} {action:?}");
        }
    }
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Viewer), Just(Role::Operator), Just(Role::Admin)]
}

fn rights() -> impl Strategy<Value = Rights> {
    let fabrics =
        proptest::collection::btree_map("[ab]".prop_map(|name| fabric(&name)), role(), 0..3);
    (proptest::option::of(role()), fabrics)
        .prop_map(|(everywhere, fabrics)| Rights { everywhere, fabrics })
}

fn allowed(rights: &Rights) -> Vec<(Action, &'static str)> {
    let (a, b) = (fabric("a"), fabric("b"));
    let who = Who::session(rights.clone());
    let places = [("a", Subject::Fabric(&a)), ("b", Subject::Fabric(&b)), ("-", Subject::House)];
    let all = Action::ALL.into_iter().flat_map(|action| places.map(|place| (action, place)));
    all.filter(|(action, (_, subject))| who.may(*action, *subject))
        .map(|(action, (name, _))| (action, name))
        .collect()
}

proptest! {
    #[test]
    fn rights_cover_what_they_allow(one in rights(), other in rights()) {
        let places = ["a", "b", "c"].map(fabric);
        let reaches = |place| one.role_on(place) >= other.role_on(place);
        let covers = one.everywhere >= other.everywhere && places.iter().all(reaches);
        prop_assert_eq!(one.cover(&other), covers);
        prop_assert!(one.cover(&one.within(&other)));
    }

    #[test]
    fn more_role_never_means_fewer_rights(rights in rights(), role in role(), scope in "[ab-]") {
        let scope = (scope != "-").then(|| fabric(&scope));
        let more = allowed(&rights.clone().with(scope, role));
        prop_assert!(allowed(&rights).iter().all(|right| more.contains(right)));
    }

    #[test]
    fn a_token_never_has_more_than_its_owner_nor_more_than_its_scope(owner in rights(), scope in rights()) {
        let token = allowed(&owner.within(&scope));
        let (owners, scopes) = (allowed(&owner), allowed(&scope));
        prop_assert!(token.iter().all(|right| owners.contains(right) && scopes.contains(right)));
        let both = owners.iter().filter(|right| scopes.contains(right)).count();
        prop_assert_eq!(token.len(), both, "and nothing that both have is lost");
    }
}

#[test]
fn rights_read_as_people_say_them() {
    let rights = Rights::everywhere(Role::Viewer).with(Some(fabric("prod")), Role::Operator);
    assert_eq!(rights.to_string(), "viewer, operator on prod");
    assert_eq!(Rights::default().to_string(), "none");
}
