//! Rights that are missing in a cluster, and the manifest that grants exactly these.
//!
//! Invariant: nothing is granted that is not missing; every name is quoted.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use serde::{Deserialize, Serialize};

use crate::kind::Kind;

/// What somebody may do with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Read one.
    Get,
    /// Read all.
    List,
    /// Follow changes.
    Watch,
    /// Make one.
    Create,
    /// Change one.
    Patch,
}

impl Verb {
    /// What watching a kind takes.
    pub const READ: [Self; 3] = [Self::Get, Self::List, Self::Watch];
    /// What measuring delivery lag takes of the canary's Lease.
    pub const CANARY: [Self; 4] = [Self::Get, Self::Watch, Self::Create, Self::Patch];

    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Patch => "patch",
        }
    }
}

/// Words for verbs, as in `list and watch`.
pub fn words(verbs: &BTreeSet<Verb>) -> String {
    let mut words: Vec<&str> = verbs.iter().map(|verb| verb.word()).collect();
    let last = words.pop().unwrap_or_default();
    if words.is_empty() { last.to_owned() } else { format!("{} and {last}", words.join(", ")) }
}

/// What may not be done with a kind in one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lack {
    /// The kind.
    pub kind: Kind,
    /// The namespace; none: in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// What may not be done.
    pub verbs: BTreeSet<Verb>,
}

/// Who asks, as the cluster names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A user.
    User(String),
    /// A service account.
    ServiceAccount {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// We were not told.
    Unknown,
}

impl Subject {
    /// Of a user name; service accounts have names of their own.
    pub fn of(name: &str) -> Self {
        match name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':')) {
            Some((namespace, name)) => {
                Self::ServiceAccount { namespace: namespace.to_owned(), name: name.to_owned() }
            }
            None if name.is_empty() => Self::Unknown,
            None => Self::User(name.to_owned()),
        }
    }
}

/// Everything that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Who lacks it.
    pub subject: Subject,
    /// Of which kinds.
    pub lacks: Vec<Lack>,
    /// Of the canary's Lease: its namespace and what is missing.
    pub lease: Option<(String, BTreeSet<Verb>)>,
}

/// A rule: API group, plurals, verbs.
type Rule = (String, BTreeSet<String>, BTreeSet<Verb>);

impl Missing {
    /// The manifest, for `kubectl apply -f -`; none where nothing is missing.
    pub fn manifest(&self) -> Option<String> {
        let mut places: BTreeMap<Option<String>, Vec<Rule>> = BTreeMap::new();
        for lack in self.lacks.iter().filter(|lack| !lack.verbs.is_empty()) {
            let about = lack.kind.about();
            let rules = places.entry(lack.namespace.clone()).or_default();
            let group = about.api.group;
            match rules.iter_mut().find(|(known, _, verbs)| known == group && *verbs == lack.verbs)
            {
                Some((_, plurals, _)) => drop(plurals.insert(about.plural.to_owned())),
                None => rules.push((
                    group.to_owned(),
                    BTreeSet::from([about.plural.to_owned()]),
                    lack.verbs.clone(),
                )),
            }
        }
        let mut documents: Vec<String> = places
            .iter()
            .map(|(namespace, rules)| self.grant("hnp-reader", namespace.as_deref(), rules))
            .collect();
        if let Some((namespace, verbs)) = self.lease.as_ref().filter(|(_, verbs)| !verbs.is_empty())
        {
            let leases = BTreeSet::from(["leases".to_owned()]);
            let rule = ("coordination.k8s.io".to_owned(), leases, verbs.clone());
            documents.push(self.grant("hnp-canary", Some(namespace), &[rule]));
        }
        (!documents.is_empty()).then(|| documents.join("---\n"))
    }

    /// A role and its binding.
    fn grant(&self, name: &str, namespace: Option<&str>, rules: &[Rule]) -> String {
        let scope = if namespace.is_some() { "" } else { "Cluster" };
        let head = |kind: &str| {
            let place = namespace.map(|name| format!("\n  namespace: {}", quoted(name)));
            format!(
                "apiVersion: rbac.authorization.k8s.io/v1\nkind: {scope}{kind}\nmetadata:\n  name: {name}{}\n",
                place.unwrap_or_default()
            )
        };
        let mut text = head("Role");
        text.push_str("rules:\n");
        for (group, plurals, verbs) in rules {
            let plurals: Vec<String> = plurals.iter().map(|plural| quoted(plural)).collect();
            let verbs: Vec<String> = verbs.iter().map(|verb| quoted(verb.word())).collect();
            // Writing to a text cannot fail.
            let _ = write!(
                text,
                "- apiGroups: [{}]\n  resources: [{}]\n  verbs: [{}]\n",
                quoted(group),
                plurals.join(", "),
                verbs.join(", ")
            );
        }
        text.push_str("---\n");
        text.push_str(&head("RoleBinding"));
        let _ = write!(
            text,
            "roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: {scope}Role\n  name: {name}\nsubjects:\n{}",
            self.subject_lines()
        );
        text
    }

    fn subject_lines(&self) -> String {
        let user = |name: &str| {
            format!(
                "- kind: User\n  apiGroup: rbac.authorization.k8s.io\n  name: {}\n",
                quoted(name)
            )
        };
        match &self.subject {
            Subject::User(name) => user(name),
            Subject::ServiceAccount { namespace, name } => format!(
                "- kind: ServiceAccount\n  namespace: {}\n  name: {}\n",
                quoted(namespace),
                quoted(name)
            ),
            Subject::Unknown => {
                format!(
                    "# The cluster did not say who we are: put in the user's name.\n{}",
                    user("USER")
                )
            }
        }
    }
}

/// A JSON string is a YAML string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize as _;
    use serde_json::Value;

    use super::*;

    fn documents(missing: &Missing) -> Vec<Value> {
        let text = missing.manifest().unwrap();
        serde_norway::Deserializer::from_str(&text)
            .map(|document| Value::deserialize(document).unwrap())
            .collect()
    }

    fn lack(kind: Kind, namespace: Option<&str>, verbs: &[Verb]) -> Lack {
        Lack {
            kind,
            namespace: namespace.map(str::to_owned),
            verbs: verbs.iter().copied().collect(),
        }
    }

    #[test]
    fn what_is_missing_everywhere_is_a_cluster_role() {
        let missing = Missing {
            subject: Subject::of("jane: \"x\""),
            lacks: vec![
                lack(Kind::Vpc, None, &Verb::READ),
                lack(Kind::VpcAttachment, None, &Verb::READ),
                lack(Kind::Switch, None, &[Verb::Watch]),
            ],
            lease: None,
        };
        let documents = documents(&missing);
        assert_eq!(documents.len(), 2);
        assert_eq!(documents[0]["kind"], "ClusterRole");
        assert_eq!(
            documents[0]["rules"],
            serde_json::json!([
                {"apiGroups": ["vpc.githedgehog.com"], "resources": ["vpcattachments", "vpcs"], "verbs": ["get", "list", "watch"]},
                {"apiGroups": ["wiring.githedgehog.com"], "resources": ["switches"], "verbs": ["watch"]},
            ])
        );
        assert_eq!(documents[1]["kind"], "ClusterRoleBinding");
        assert_eq!(documents[1]["subjects"][0]["name"], "jane: \"x\"");
    }

    #[test]
    fn what_is_missing_in_namespaces_is_a_role_in_each() {
        let missing = Missing {
            subject: Subject::of("system:serviceaccount:tools:hnp"),
            lacks: vec![
                lack(Kind::Vpc, Some("a"), &[Verb::List]),
                lack(Kind::Vpc, Some("b"), &[Verb::List]),
            ],
            lease: Some(("tools".to_owned(), Verb::CANARY.into())),
        };
        let documents = documents(&missing);
        let kinds: Vec<_> = documents.iter().map(|document| &document["kind"]).collect();
        assert_eq!(kinds, ["Role", "RoleBinding", "Role", "RoleBinding", "Role", "RoleBinding"]);
        let places: Vec<_> =
            documents.iter().map(|document| &document["metadata"]["namespace"]).collect();
        assert_eq!(places, ["a", "a", "b", "b", "tools", "tools"]);
        assert_eq!(documents[5]["subjects"][0]["kind"], "ServiceAccount");
        assert_eq!(documents[4]["rules"][0]["resources"][0], "leases");
    }

    #[test]
    fn nothing_missing_is_no_manifest() {
        let nothing = Missing { subject: Subject::Unknown, lacks: Vec::new(), lease: None };
        assert_eq!(nothing.manifest(), None);
    }

    #[test]
    fn verbs_read_as_a_sentence() {
        assert_eq!(words(&Verb::READ.into()), "get, list and watch");
        assert_eq!(words(&BTreeSet::from([Verb::List])), "list");
    }
}
