//! How a route is described, and the few forms of JSON that descriptions are made of.
//!
//! Invariant: an object lists all of its fields, unless it says that there may be more.

use domain::kind::Kind;
use serde_json::{Map, Value, json};

use crate::web::map::Row;

/// A parameter of a query.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Name.
    pub name: &'static str,
    /// What it does.
    pub says: &'static str,
    /// What it may be.
    pub schema: Value,
    /// Whether it must be there.
    pub required: bool,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// When it is given.
    pub says: &'static str,
    /// Media type and schema; none: no body.
    pub content: Option<(&'static str, Value)>,
}

/// What is said of a route.
#[derive(Debug, Clone)]
pub struct About {
    method: &'static str,
    path: &'static str,
    /// In a few words.
    pub summary: &'static str,
    /// Parameters of the query.
    pub query: Vec<Parameter>,
    /// Headers that matter: name, what it does.
    pub headers: Vec<(&'static str, &'static str)>,
    /// Media type, schema, and whether it must be there.
    pub body: Option<(&'static str, Value, bool)>,
    /// Answers that are no problems.
    pub answers: Vec<Answer>,
    /// Problems beyond those that follow from the map.
    pub problems: Vec<(u16, &'static str)>,
}

const JSON: &str = "application/json";

fn about(method: &'static str, path: &'static str, summary: &'static str) -> About {
    About {
        method,
        path,
        summary,
        query: Vec::new(),
        headers: Vec::new(),
        body: None,
        answers: Vec::new(),
        problems: Vec::new(),
    }
}

/// A route that reads.
pub fn get(path: &'static str, summary: &'static str) -> About {
    about("GET", path, summary)
}

/// A route that makes something.
pub fn post(path: &'static str, summary: &'static str) -> About {
    about("POST", path, summary)
}

/// A route that sets something.
pub fn put(path: &'static str, summary: &'static str) -> About {
    about("PUT", path, summary)
}

/// A route that changes a part.
pub fn patch(path: &'static str, summary: &'static str) -> About {
    about("PATCH", path, summary)
}

/// A route that removes something.
pub fn delete(path: &'static str, summary: &'static str) -> About {
    about("DELETE", path, summary)
}

impl About {
    /// Whether it is of this row.
    pub fn is_of(&self, row: &Row) -> bool {
        self.method == row.method && self.path == row.path
    }

    /// Name of the operation: `get_fabrics_fabric_events`.
    pub fn id(&self) -> String {
        let path = self.path.trim_start_matches("/api/v1/").trim_start_matches('/');
        let words =
            path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let words: Vec<&str> = words.collect();
        format!("{}_{}", self.method.to_lowercase(), words.join("_"))
    }

    /// The part of the API that it belongs to.
    pub fn tag(&self) -> &'static str {
        let path = self.path.trim_start_matches("/api/v1/").trim_start_matches('/');
        let end = path.find(['/', '.']).unwrap_or(path.len());
        path.get(..end).unwrap_or(path)
    }

    /// With a parameter of the query.
    #[must_use]
    pub fn query(mut self, name: &'static str, schema: Value, says: &'static str) -> Self {
        self.query.push(Parameter { name, says, schema, required: false });
        self
    }

    /// With a parameter that must be there.
    #[must_use]
    pub fn needs(mut self, name: &'static str, schema: Value, says: &'static str) -> Self {
        self.query.push(Parameter { name, says, schema, required: true });
        self
    }

    /// With the parameters of a list that is paged.
    #[must_use]
    pub fn paged(self, most: u64) -> Self {
        let limit = json!({"type": "integer", "minimum": 1, "maximum": most, "default": 100});
        self.query("cursor", text(), "Where to go on: the `next` of the answer before").query(
            "limit",
            limit,
            "Most entries in the answer",
        )
    }

    /// With a JSON body.
    #[must_use]
    pub fn takes(mut self, schema: Value) -> Self {
        self.body = Some((JSON, schema, true));
        self.problem(415, "The body is not said to be JSON")
            .problem(422, "A value cannot be taken; `field` says which")
    }

    /// With a JSON body that may be left out.
    #[must_use]
    pub fn may_take(self, schema: Value) -> Self {
        let mut about = self.takes(schema);
        if let Some((_, _, required)) = &mut about.body {
            *required = false;
        }
        about
    }

    /// With a JSON answer.
    #[must_use]
    pub fn answers(self, status: u16, says: &'static str, schema: Value) -> Self {
        self.answers_as(status, says, JSON, schema)
    }

    /// With an answer of another media type.
    #[must_use]
    pub fn answers_as(
        mut self,
        status: u16,
        says: &'static str,
        media: &'static str,
        schema: Value,
    ) -> Self {
        self.answers.push(Answer { status, says, content: Some((media, schema)) });
        self
    }

    /// With an answer without a body.
    #[must_use]
    pub fn done(mut self, status: u16, says: &'static str) -> Self {
        self.answers.push(Answer { status, says, content: None });
        self
    }

    /// With a further problem.
    #[must_use]
    pub fn problem(mut self, status: u16, says: &'static str) -> Self {
        self.problems.push((status, says));
        self
    }

    /// With answers that have a version, so that a reader who has it already is told so.
    #[must_use]
    pub fn tagged(mut self) -> Self {
        self.headers.push(("If-None-Match", "The `ETag` of an answer that is still held"));
        self.done(304, "What is held is still so")
    }

    /// With changes that are refused where somebody else made one meanwhile.
    #[must_use]
    pub fn guarded(mut self) -> Self {
        self.headers.push(("If-Match", "The `ETag` of what the change is made on"));
        self.problem(412, "It was changed meanwhile; read it again")
    }
}

/// Any text.
pub fn text() -> Value {
    json!({"type": "string"})
}

/// A text that a pattern describes.
pub fn like(pattern: &str) -> Value {
    json!({"type": "string", "pattern": pattern})
}

/// A time, RFC 3339.
pub fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

/// A whole number, not negative.
pub fn whole() -> Value {
    json!({"type": "integer", "minimum": 0})
}

/// A number as text, since it may be larger than a script can count.
pub fn digits() -> Value {
    like("^[0-9]+$")
}

/// True or false.
pub fn flag() -> Value {
    json!({"type": "boolean"})
}

/// One of some words.
pub fn one_of(words: &[&str]) -> Value {
    json!({"type": "string", "enum": words})
}

/// Or null.
#[expect(clippy::needless_pass_by_value, reason = "schemas are put together as they are made")]
pub fn or_null(schema: Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

/// A list.
#[expect(clippy::needless_pass_by_value, reason = "schemas are put together as they are made")]
pub fn list(of: Value) -> Value {
    json!({"type": "array", "items": of})
}

/// Any JSON.
pub fn anything() -> Value {
    json!({})
}

/// An object with exactly these fields.
pub fn object(fields: &[(&str, Value)]) -> Value {
    let required: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    shape(fields, &required)
}

/// An object with these fields, of which only some must be there.
pub fn shape(fields: &[(&str, Value)], required: &[&str]) -> Value {
    let properties: Map<String, Value> =
        fields.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({
        "type": "object", "properties": properties, "required": required, "additionalProperties": false,
    })
}

/// The same object, which may have further fields.
pub fn open(mut object: Value) -> Value {
    if let Some(map) = object.as_object_mut() {
        map.remove("additionalProperties");
    }
    object
}

/// A map from names to values of a form.
#[expect(clippy::needless_pass_by_value, reason = "schemas are put together as they are made")]
pub fn map_of(schema: Value) -> Value {
    json!({"type": "object", "additionalProperties": schema})
}

/// A schema that is described once.
pub fn refer(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// A page of a list.
pub fn page(name: &str, of: Value) -> Value {
    object(&[(name, list(of)), ("next", or_null(text()))])
}

/// Any kind, by its name.
pub fn kind() -> Value {
    let names: Vec<String> = Kind::ALL.iter().map(ToString::to_string).collect();
    json!({"type": "string", "enum": names})
}

/// What a part of a path may be.
pub fn path_parameter(name: &str) -> Value {
    match name {
        "fabric" => like("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"),
        "kind" => kind(),
        "namespace" | "name" => like("^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$"),
        "user" => like("^[a-z0-9][a-z0-9._@+-]{0,63}$"),
        _ => like("^[A-Za-z0-9_-]{1,64}$"),
    }
}

/// What a part of a path is in the demo, for who tries it out.
pub fn example(name: &str) -> Option<&'static str> {
    match name {
        "fabric" => Some("demo"),
        "kind" => Some("Switch"),
        "namespace" => Some("default"),
        "name" => Some("leaf-01"),
        "user" => Some("viewer"),
        _ => None,
    }
}
