//! The description of the HTTP API, OpenAPI 3.1, made from the map of routes and what is said of each.
//!
//! What a route needs (who may ask, what is refused) comes from the map; what goes in and out from the
//! descriptions below. The fuzzer of `make fuzz` holds the server against it.
//!
//! Invariant: nothing is described that is not on the map, and no route of the API is left out.

use std::sync::OnceLock;

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use serde_json::{Map, Value, json};

use super::map::{Needs, ROWS, Row};

pub mod about;
mod audit;
mod fabrics;
mod live;
mod people;
mod records;
mod session;

use self::about::{About, object, refer, text, whole};

/// What is said of each route of the API.
pub fn abouts() -> Vec<About> {
    [session::all(), live::all(), records::all(), audit::all(), people::all(), fabrics::all()]
        .into_iter()
        .flatten()
        .chain([about::get("/api/v1/openapi.json", "This description")
            .answers(200, "OpenAPI 3.1", json!({"type": "object"}))
            .tagged()])
        .collect()
}

/// `GET /api/v1/openapi.json`.
pub async fn serve() -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| document().to_string());
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (kind, text.as_str()).into_response()
}

/// Whether a route belongs to the API that is described.
pub fn is_described(row: &Row) -> bool {
    row.path.starts_with("/api/v1/") || row.path.starts_with("/hooks/")
}

/// The whole description.
pub fn document() -> Value {
    let abouts = abouts();
    let mut paths: Map<String, Value> = Map::new();
    for row in ROWS.iter().filter(|row| is_described(row)) {
        let about = abouts.iter().find(|about| about.is_of(row));
        let path = paths.entry(row.path.to_owned()).or_insert_with(|| json!({}));
        if let (Some(path), Some(about)) = (path.as_object_mut(), about) {
            path.insert(row.method.to_lowercase(), operation(row, about));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "HNP",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "A live console for Hedgehog fabrics. Errors are problem details (RFC 9457) whose `code` a program can match. Lists are paged: `next` is the `cursor` of the next page, and says nothing else. Reads answer `If-None-Match`, changes of users and fabrics `If-Match`. What somebody has no right to see is answered like what is not there.",
        },
        "security": [{"bearer": []}, {"session": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "An API token, made at `/account`, with `hnp token create` or `POST /api/v1/tokens`"},
                "session": {"type": "apiKey", "in": "cookie", "name": "hnp_session", "description": "The cookie of somebody who signed in; changes also need the header `Origin` of our own pages"},
            },
            "schemas": schemas(),
        },
    })
}

fn schemas() -> Value {
    let all = [
        session::schemas(),
        records::schemas(),
        audit::schemas(),
        people::schemas(),
        fabrics::schemas(),
    ];
    let mut schemas: Map<String, Value> =
        all.into_iter().flatten().map(|(name, schema)| (name.to_owned(), schema)).collect();
    let problem = object(&[
        ("type", text()),
        ("title", text()),
        ("status", whole()),
        ("code", json!({"type": "string", "pattern": "^[a-z][a-z0-9_]*$"})),
        ("detail", text()),
    ]);
    schemas.insert("Problem".to_owned(), about::open(problem));
    Value::Object(schemas)
}

/// Statuses that follow from what a route needs and how it is asked.
fn refusals(row: &Row) -> Vec<(u16, &'static str)> {
    let mut refusals = vec![
        (400, "What was asked cannot be read; `detail` says what to write"),
        (401, "Nobody is signed in, or the token does not hold"),
        (421, "`Host` is not one of this server's names"),
        (503, "The database, or what the answer needs, is not there just now"),
    ];
    let changes = row.method != "GET";
    let may_lack = matches!(row.needs, Needs::House(_) | Needs::Fabric(_));
    if changes || may_lack || row.path.starts_with("/api/v1/live") {
        refusals.push((403, "The right is missing (`forbidden`), or the request came from another site's page (`csrf`)"));
    }
    if row.path.contains('{') {
        refusals.push((404, "There is nothing of this name, or not for this caller"));
    }
    if changes {
        refusals.push((408, "The body came too slowly"));
        refusals.push((413, "The body is too large"));
    }
    refusals
}

fn operation(row: &Row, about: &About) -> Value {
    let problem = json!({"application/problem+json": {"schema": refer("Problem")}});
    let mut responses: Map<String, Value> = Map::new();
    let refusals = refusals(row);
    for (status, says) in refusals.iter().chain(&about.problems) {
        responses.insert(status.to_string(), json!({"description": says, "content": problem}));
    }
    for answer in &about.answers {
        let response = responses
            .entry(answer.status.to_string())
            .or_insert_with(|| json!({"description": answer.says, "content": {}}));
        // One status may come in several forms.
        let content = response.get_mut("content").and_then(Value::as_object_mut);
        if let (Some(content), Some((media, schema))) = (content, &answer.content) {
            content.insert((*media).to_owned(), json!({"schema": schema}));
        }
    }
    let mut operation = json!({
        "operationId": about.id(), "summary": about.summary, "tags": [about.tag()],
        "parameters": parameters(row, about), "responses": responses,
    });
    if let Some(map) = operation.as_object_mut() {
        if row.needs == Needs::Open {
            map.insert("security".to_owned(), json!([{}, {"bearer": []}, {"session": []}]));
        }
        if let Some((media, schema, required)) = &about.body {
            let body = json!({"required": required, "content": {*media: {"schema": schema}}});
            map.insert("requestBody".to_owned(), body);
        }
        if let Some(needs) = needs_words(row.needs) {
            map.insert("description".to_owned(), json!(needs));
        }
    }
    operation
}

fn needs_words(needs: Needs) -> Option<String> {
    match needs {
        Needs::House(action) => Some(format!("Needs the right `{}` in the house.", action.word())),
        Needs::Fabric(action) => {
            Some(format!("Needs the right `{}` on the fabric.", action.word()))
        }
        Needs::Open
        | Needs::Somebody
        | Needs::Page
        | Needs::HousePage(_)
        | Needs::FabricPage(_) => None,
    }
}

fn parameters(row: &Row, about: &About) -> Vec<Value> {
    let named = row.path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let in_path = named.map(|name| {
        let mut parameter = json!({"name": name, "in": "path", "required": true, "schema": about::path_parameter(name)});
        if let (Some(map), Some(example)) = (parameter.as_object_mut(), about::example(name)) {
            map.insert("example".to_owned(), json!(example));
        }
        parameter
    });
    let in_query = about.query.iter().map(|parameter| {
        json!({
            "name": parameter.name, "in": "query", "required": parameter.required,
            "description": parameter.says, "schema": parameter.schema,
        })
    });
    let in_header = about.headers.iter().map(|(name, says)| {
        json!({"name": name, "in": "header", "required": false, "description": says, "schema": text()})
    });
    in_path.chain(in_query).chain(in_header).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_of_the_api_is_described() {
        let abouts = abouts();
        let undescribed: Vec<_> = ROWS
            .iter()
            .filter(|row| is_described(row) && !abouts.iter().any(|about| about.is_of(row)))
            .map(|row| format!("{} {}", row.method, row.path))
            .collect();
        assert!(undescribed.is_empty(), "describe these in web/openapi: {undescribed:#?}");
    }

    #[test]
    fn names_of_operations_are_their_own_and_references_lead_somewhere() {
        let document = document();
        let text = document.to_string();
        let ids: Vec<String> = abouts().iter().map(About::id).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
        let schemas = &document["components"]["schemas"];
        for name in text.split("#/components/schemas/").skip(1) {
            let name = name.split('"').next().unwrap();
            assert!(schemas.get(name).is_some(), "there is no schema {name}");
        }
    }
}
