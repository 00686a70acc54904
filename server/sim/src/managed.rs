//! Who owns which field: `metadata.managedFields`, for updates and for server-side apply.
//!
//! Invariant: pure; a manager without fields has no entry; an apply that is not forced takes no field from anybody.

use serde_json::{Map, Value, json};

use crate::{
    fields::{Fields, diff::Diff, merge},
    schema::Schema,
    status::{Cause, Details, Reason, Status},
};

/// How a manager came to its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// By server-side apply.
    Apply,
    /// By any other write.
    Update,
}

/// Which part of the object a write may touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Everything but the status, where the resource guards it.
    Main,
    /// The status alone.
    Status,
    /// Everything: the resource does not guard a status.
    Whole,
}

impl Part {
    fn cut(self, fields: Fields) -> Fields {
        let fields = fields.without_system();
        match self {
            Self::Main => fields.without("status"),
            Self::Status => fields.only("status"),
            Self::Whole => fields,
        }
    }

    const fn subresource(self) -> &'static str {
        match self {
            Self::Main | Self::Whole => "",
            Self::Status => "status",
        }
    }
}

/// One entry of `managedFields`.
#[derive(Debug, Clone, PartialEq)]
struct Entry {
    manager: String,
    operation: Operation,
    api_version: String,
    subresource: String,
    time: String,
    fields: Fields,
}

/// All entries of an object.
#[derive(Debug, Clone, Default)]
pub(crate) struct Managers(Vec<Entry>);

/// Who writes, when, and to which part.
#[derive(Debug, Clone)]
pub(crate) struct Author<'a> {
    /// Manager, for example `kubectl-client-side-apply`.
    pub manager: &'a str,
    /// `group/version` of the object.
    pub api_version: &'a str,
    /// RFC 3339.
    pub time: &'a str,
    /// What may be touched.
    pub part: Part,
}

/// Whether fields of others may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Force {
    /// Yes.
    Yes,
    /// No: a conflict.
    No,
}

impl Managers {
    /// Reads the entries of an object.
    pub(crate) fn of(object: &Value) -> Self {
        let list = object.pointer("/metadata/managedFields").and_then(Value::as_array);
        Self(list.into_iter().flatten().filter_map(Entry::read).collect())
    }

    /// Writes the entries into an object.
    pub(crate) fn write(&self, object: &mut Value) {
        let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
            return;
        };
        if self.0.is_empty() {
            metadata.remove("managedFields");
        } else {
            let list = self.0.iter().map(Entry::to_json).collect();
            metadata.insert("managedFields".to_owned(), Value::Array(list));
        }
    }

    /// Records an update from `old` to `new`.
    pub(crate) fn update(
        &mut self,
        schema: &Schema,
        old: &Value,
        new: &Value,
        author: &Author<'_>,
    ) {
        let diff = Diff::between(schema, old, new);
        let (written, removed) = (diff.added.union(&diff.modified), diff.removed);
        let written = author.part.cut(written);
        let removed = author.part.cut(removed);
        if written.is_empty() && removed.is_empty() {
            return;
        }
        let mine = self.take(author, Operation::Update);
        for other in &mut self.0 {
            other.fields = other.fields.minus(&written).minus(&removed);
        }
        let fields = mine.unwrap_or_default().minus(&removed).union(&written);
        self.give(author, Operation::Update, fields);
    }

    /// Lays `applied` over `live` and gives the result; the entries follow.
    pub(crate) fn apply(
        &mut self,
        schema: &Schema,
        live: &Value,
        applied: &Value,
        author: &Author<'_>,
        force: Force,
    ) -> Result<Value, Status> {
        let named = author.part.cut(Fields::of(schema, applied));
        let before = self.take(author, Operation::Apply).unwrap_or_default();
        let mut result = live.clone();
        merge::merge(schema, &mut result, applied);
        let owned_by_others = self
            .0
            .iter()
            .fold(Fields::default(), |all, other| all.union(&other.fields.with_parents()));
        let gone = before.with_parents().minus(&named.with_parents()).minus(&owned_by_others);
        merge::take_away(schema, &mut result, &gone);
        let diff = Diff::between(schema, live, &result);
        let written = author.part.cut(diff.added.union(&diff.modified));
        self.refuse_conflicts(&written, force)?;
        let removed = author.part.cut(diff.removed);
        for other in &mut self.0 {
            other.fields = other.fields.minus(&written).minus(&removed);
        }
        self.give(author, Operation::Apply, named);
        Ok(result)
    }

    fn refuse_conflicts(&self, written: &Fields, force: Force) -> Result<(), Status> {
        if force == Force::Yes {
            return Ok(());
        }
        let mut causes = Vec::new();
        for other in &self.0 {
            for field in other.fields.intersection(written).paths() {
                let message = other.as_rival();
                causes.push(Cause { reason: "FieldManagerConflict", message, field });
            }
        }
        if causes.is_empty() { Ok(()) } else { Err(conflict(causes)) }
    }

    fn take(&mut self, author: &Author<'_>, operation: Operation) -> Option<Fields> {
        let is_mine = |entry: &Entry| {
            entry.manager == author.manager
                && entry.operation == operation
                && entry.subresource == author.part.subresource()
        };
        let at = self.0.iter().position(is_mine)?;
        Some(self.0.remove(at).fields)
    }

    fn give(&mut self, author: &Author<'_>, operation: Operation, fields: Fields) {
        self.0.push(Entry {
            manager: author.manager.to_owned(),
            operation,
            api_version: author.api_version.to_owned(),
            subresource: author.part.subresource().to_owned(),
            time: author.time.to_owned(),
            fields,
        });
        self.0.retain(|entry| !entry.fields.is_empty());
    }

    /// Whether both say the same, whenever it was said and in whatever order.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        let timeless = |list: &[Entry]| {
            let mut list: Vec<_> = list
                .iter()
                .map(|entry| Entry { time: String::new(), ..entry.clone() }.to_json().to_string())
                .collect();
            list.sort();
            list
        };
        timeless(&self.0) == timeless(&other.0)
    }
}

fn conflict(causes: Vec<Cause>) -> Status {
    let count = causes.len();
    let plural = if count == 1 { "" } else { "s" };
    let list: Vec<_> =
        causes.iter().map(|cause| format!("{}: {}", cause.message, cause.field)).collect();
    let details = Details { causes, ..Details::default() };
    Status {
        reason: Reason::Conflict,
        message: format!("Apply failed with {count} conflict{plural}: {}", list.join(", ")),
        details: Some(Box::new(details)),
    }
}

impl Entry {
    /// How it is named in a conflict.
    fn as_rival(&self) -> String {
        let part = match self.subresource.as_str() {
            "" => String::new(),
            part => format!(" with subresource {part:?}"),
        };
        match self.operation {
            Operation::Apply => format!("conflict with {:?}{part}", self.manager),
            Operation::Update => {
                format!(
                    "conflict with {:?}{part} using {} at {}",
                    self.manager, self.api_version, self.time
                )
            }
        }
    }

    fn read(json: &Value) -> Option<Self> {
        let text = |key| json.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let operation = match json.get("operation").and_then(Value::as_str)? {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            _ => return None,
        };
        Some(Self {
            manager: text("manager"),
            operation,
            api_version: text("apiVersion"),
            subresource: text("subresource"),
            time: text("time"),
            fields: Fields::from_json(json.get("fieldsV1")?),
        })
    }

    fn to_json(&self) -> Value {
        let operation = match self.operation {
            Operation::Apply => "Apply",
            Operation::Update => "Update",
        };
        let mut json = json!({
            "manager": self.manager, "operation": operation, "apiVersion": self.api_version,
            "time": self.time, "fieldsType": "FieldsV1", "fieldsV1": self.fields.to_json(),
        });
        let map: Option<&mut Map<String, Value>> = json.as_object_mut();
        if let (false, Some(map)) = (self.subresource.is_empty(), map) {
            map.insert("subresource".to_owned(), self.subresource.clone().into());
        }
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn author(manager: &str) -> Author<'_> {
        Author { manager, api_version: "v1", time: "2026-01-01T00:00:00Z", part: Part::Main }
    }

    fn apply(
        managers: &mut Managers,
        live: &Value,
        applied: &Value,
        manager: &str,
        force: Force,
    ) -> Result<Value, Status> {
        managers.apply(&Schema::permissive(), live, applied, &author(manager), force)
    }

    #[test]
    fn a_field_no_longer_applied_goes_when_nobody_else_owns_it() {
        let mut managers = Managers::default();
        let first = json!({"spec": {"a": 1, "b": {"c": 2}}});
        let live = apply(&mut managers, &json!({}), &first, "x", Force::No).unwrap();
        assert_eq!(live, first);
        let live = apply(&mut managers, &live, &json!({"spec": {"a": 1}}), "y", Force::No).unwrap();
        let live = apply(&mut managers, &live, &json!({"spec": {"z": 0}}), "x", Force::No).unwrap();
        assert_eq!(
            live,
            json!({"spec": {"a": 1, "z": 0}}),
            "`a` is still applied by y, `b` by nobody"
        );
    }

    #[test]
    fn a_field_of_another_manager_is_a_conflict_unless_forced_or_equal() {
        let mut managers = Managers::default();
        let live = json!({"spec": {"a": 1}});
        managers.update(&Schema::permissive(), &json!({}), &live, &author("edit"));
        let refused =
            apply(&mut managers.clone(), &live, &json!({"spec": {"a": 2}}), "x", Force::No)
                .unwrap_err();
        assert_eq!(
            refused.message,
            "Apply failed with 1 conflict: conflict with \"edit\" using v1 at 2026-01-01T00:00:00Z: .spec.a"
        );
        apply(&mut managers.clone(), &live, &live, "x", Force::No).unwrap();
        let won = apply(&mut managers, &live, &json!({"spec": {"a": 2}}), "x", Force::Yes).unwrap();
        assert_eq!(won, json!({"spec": {"a": 2}}));
        let refused =
            apply(&mut managers, &won, &json!({"spec": {"a": 3}}), "edit", Force::No).unwrap_err();
        assert!(refused.message.contains("conflict with \"x\""), "{refused}");
    }

    #[test]
    fn an_update_takes_ownership_of_what_it_changes() {
        let mut managers = Managers::default();
        let live =
            apply(&mut managers, &json!({}), &json!({"spec": {"a": 1, "b": 1}}), "x", Force::No)
                .unwrap();
        managers.update(
            &Schema::permissive(),
            &live,
            &json!({"spec": {"a": 2, "b": 1}}),
            &author("edit"),
        );
        let mut object = json!({"metadata": {}});
        managers.write(&mut object);
        let fields: Vec<_> = object["metadata"]["managedFields"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| (entry["manager"].clone(), entry["fieldsV1"].clone()))
            .collect();
        assert_eq!(fields[0].1["f:spec"]["f:a"], Value::Null, "no longer x's");
        assert_eq!(fields[1], (json!("edit"), json!({"f:spec": {"f:a": {}}})));
    }
}
