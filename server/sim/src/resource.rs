//! What the API serves: one [`Resource`] per plural, all of one shape, whether built in or defined by a CRD.
//!
//! Invariant: no code outside `builtin` names a resource; what differs between two resources is data here.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    schema::Schema,
    status::{Cause, Status},
};

/// Plural and group, written as in errors: `switches.wiring.githedgehog.com`, `configmaps`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct ResourceId {
    group: Arc<str>,
    plural: Arc<str>,
}

impl ResourceId {
    /// From its parts; the core group is empty.
    pub fn new(group: &str, plural: &str) -> Self {
        Self { group: group.into(), plural: plural.into() }
    }

    /// API group, empty for the core.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// Lower-case plural, as in URLs.
    pub fn plural(&self) -> &str {
        &self.plural
    }
}

impl From<domain::kind::Kind> for ResourceId {
    fn from(kind: domain::kind::Kind) -> Self {
        let about = kind.about();
        Self::new(about.api.group, about.plural)
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dot = if self.group.is_empty() { "" } else { "." };
        write!(f, "{}{dot}{}", self.plural, self.group)
    }
}

impl From<String> for ResourceId {
    fn from(text: String) -> Self {
        let (plural, group) = text.split_once('.').unwrap_or((&text, ""));
        Self::new(group, plural)
    }
}

impl From<ResourceId> for String {
    fn from(id: ResourceId) -> Self {
        id.to_string()
    }
}

/// Whether objects live in namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Objects live in namespaces.
    Namespaced,
    /// One set for the cluster.
    Cluster,
}

/// What happens beside storing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// A custom resource: versions are compulsory on PUT, and no strategic merge patch.
    Custom,
    /// A built-in resource that is only stored.
    Plain,
    /// Namespaces: deleting one empties it.
    Namespaces,
    /// Custom resource definitions: they add and remove resources.
    Definitions,
    /// Answered and not stored: what may I do?
    AccessReview,
    /// Answered and not stored: what may I do in a namespace?
    RulesReview,
}

/// A column of `kubectl get`.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Heading.
    pub name: String,
    /// `string`, `integer`, `date` …
    pub ty: String,
    /// `format`, or empty.
    pub format: String,
    /// Help, or empty.
    pub description: String,
    /// 0 = always shown, more = with `-o wide`.
    pub priority: i64,
    /// Where the value lies, for example `.spec.role`.
    pub json_path: String,
}

/// Everything the server knows about one resource.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Group and plural.
    pub id: ResourceId,
    /// The one version served, for example `v1beta1`.
    pub version: String,
    /// `kind` of an object.
    pub kind: String,
    /// `kind` of a list.
    pub list_kind: String,
    /// Lower-case singular.
    pub singular: String,
    /// Short names for `kubectl`.
    pub short_names: Vec<String>,
    /// Categories, such as `hedgehog`.
    pub categories: Vec<String>,
    /// Where objects live.
    pub scope: Scope,
    /// What happens beside storing.
    pub behaviour: Behaviour,
    /// Whether `/status` exists and guards the status.
    pub has_status: bool,
    /// Columns beside the name.
    pub columns: Vec<Column>,
    /// The schema, parsed.
    pub schema: Schema,
    /// The schema as given, for `/openapi/v3`.
    pub openapi: Value,
}

impl Resource {
    /// `group/version`, or the version alone for the core.
    pub fn api_version(&self) -> String {
        if self.id.group().is_empty() {
            return self.version.clone();
        }
        format!("{}/{}", self.id.group(), self.version)
    }

    /// Whether the object counts generations: custom resources and their definitions do.
    pub fn counts_generations(&self) -> bool {
        matches!(self.behaviour, Behaviour::Custom | Behaviour::Definitions)
    }

    /// Whether objects are stored, as opposed to reviews.
    pub fn is_stored(&self) -> bool {
        !matches!(self.behaviour, Behaviour::AccessReview | Behaviour::RulesReview)
    }

    /// Verbs for discovery.
    pub fn verbs(&self) -> &'static [&'static str] {
        if self.is_stored() {
            return &[
                "create",
                "delete",
                "deletecollection",
                "get",
                "list",
                "patch",
                "update",
                "watch",
            ];
        }
        &["create"]
    }

    /// Reads a custom resource definition. The storage version is the one served.
    pub fn from_crd(crd: &Value) -> Result<Self, Status> {
        let text =
            |pointer: &str| crd.pointer(pointer).and_then(Value::as_str).map(ToOwned::to_owned);
        let name = text("/metadata/name").unwrap_or_default();
        let need =
            |pointer: &str| text(pointer).ok_or_else(|| refuse(&name, pointer, "Required value"));
        let id = ResourceId::new(&need("/spec/group")?, &need("/spec/names/plural")?);
        if name != id.to_string() {
            let why =
                format!("Invalid value: {name:?}: must be spec.names.plural+\".\"+spec.group");
            return Err(refuse(&name, "/metadata/name", &why));
        }
        let kind = need("/spec/names/kind")?;
        let version = stored_version(crd).ok_or_else(|| {
            refuse(
                &name,
                "/spec/versions",
                "must have exactly one version marked as storage version",
            )
        })?;
        let null = Value::Null;
        let openapi = version.pointer("/schema/openAPIV3Schema").unwrap_or(&null);
        Ok(Self {
            version: version.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
            list_kind: text("/spec/names/listKind").unwrap_or_else(|| format!("{kind}List")),
            singular: text("/spec/names/singular").unwrap_or_else(|| kind.to_lowercase()),
            kind,
            short_names: texts(crd.pointer("/spec/names/shortNames")),
            categories: texts(crd.pointer("/spec/names/categories")),
            scope: if text("/spec/scope").as_deref() == Some("Cluster") {
                Scope::Cluster
            } else {
                Scope::Namespaced
            },
            behaviour: Behaviour::Custom,
            has_status: version.pointer("/subresources/status").is_some(),
            columns: columns(version.get("additionalPrinterColumns")),
            schema: Schema::of_object(openapi),
            openapi: openapi.clone(),
            id,
        })
    }
}

fn stored_version(crd: &Value) -> Option<&Value> {
    let versions = crd.pointer("/spec/versions")?.as_array()?;
    let is = |version: &&Value, key| version.get(key).and_then(Value::as_bool) == Some(true);
    versions.iter().find(|version| is(version, "storage") && is(version, "served"))
}

fn refuse(name: &str, pointer: &str, why: &str) -> Status {
    let field = pointer.trim_start_matches('/').replace('/', ".");
    let reason =
        if why.starts_with("Required") { "FieldValueRequired" } else { "FieldValueInvalid" };
    let cause = Cause { reason, message: why.to_owned(), field };
    Status::invalid("apiextensions.k8s.io", "CustomResourceDefinition", name, vec![cause])
}

fn texts(list: Option<&Value>) -> Vec<String> {
    let list = list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect()
}

/// Reads `additionalPrinterColumns`; without any there is the age.
fn columns(json: Option<&Value>) -> Vec<Column> {
    let list = json.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let read = |column: &Value| {
        let text = |key| column.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        Column {
            name: text("name"),
            ty: text("type"),
            format: text("format"),
            description: text("description"),
            priority: column.get("priority").and_then(Value::as_i64).unwrap_or_default(),
            json_path: text("jsonPath"),
        }
    };
    if list.is_empty() {
        return vec![Column::age()];
    }
    list.iter().map(read).collect()
}

impl Column {
    /// The column that every resource has when it names none.
    pub fn age() -> Self {
        Self {
            name: "Age".to_owned(),
            ty: "date".to_owned(),
            format: String::new(),
            description: "Time since the object was made.".to_owned(),
            priority: 0,
            json_path: ".metadata.creationTimestamp".to_owned(),
        }
    }
}

/// Everything that is served at the moment.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    resources: BTreeMap<ResourceId, Arc<Resource>>,
}

impl Registry {
    /// The resource of this id.
    pub fn find(&self, id: &ResourceId) -> Option<&Arc<Resource>> {
        self.resources.get(id)
    }

    /// The resource behind a URL.
    pub fn at(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        self.find(&ResourceId::new(group, plural)).filter(|resource| resource.version == version)
    }

    /// The resource of an object, by its `apiVersion` and `kind`.
    pub fn of_object(&self, api_version: &str, kind: &str) -> Option<&Arc<Resource>> {
        self.all().find(|resource| resource.kind == kind && resource.api_version() == api_version)
    }

    /// All, ordered by group and plural.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.values()
    }

    /// Groups and their versions, ordered.
    pub fn groups(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for resource in self.all() {
            let versions = groups.entry(resource.id.group()).or_default();
            if !versions.contains(&resource.version.as_str()) {
                versions.push(&resource.version);
            }
        }
        groups
    }

    /// Serves a resource from now on.
    pub fn add(&mut self, resource: Resource) {
        self.resources.insert(resource.id.clone(), Arc::new(resource));
    }

    /// Serves it no longer.
    pub fn remove(&mut self, id: &ResourceId) {
        self.resources.remove(id);
    }
}
