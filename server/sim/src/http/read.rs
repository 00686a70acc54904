//! Getting one object, and lists with pages and versions.
//!
//! Invariant: all pages of a list show one moment; a moment that is forgotten is a 410, never a mixture.

use std::sync::Arc;

use axum::response::Response;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Call,
    address::{Query, ResourceAddress},
    answer,
    view::View,
};
use crate::{
    resource::Resource,
    selector::Selector,
    status::{Cause, Details, Reason, Status},
    store::{Store, Stored},
};

/// Where the next page of a list begins.
#[derive(Debug, Serialize, Deserialize)]
struct Continue {
    /// Version of the whole list.
    revision: u64,
    /// Namespace of the last object that was shown.
    namespace: String,
    /// Its name.
    name: String,
}

/// Which state a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Now,
    At(u64),
}

impl Call {
    /// The time, for ages in tables.
    pub(crate) fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::try_from(self.cluster.inner.options.clock.now()).unwrap_or_default()
    }

    /// The selectors of the query; a name in the path is one too.
    pub(crate) fn selector(&self, address: &ResourceAddress) -> Result<Selector, Status> {
        let fields = self.query.text("fieldSelector");
        let fields = match address.name.as_str() {
            "" => fields.to_owned(),
            name => format!("metadata.name={name},{fields}"),
        };
        Selector::parse(self.query.text("labelSelector"), &fields)
    }

    pub(crate) fn view(&self) -> Result<View, Status> {
        View::of(self.accept(), self.query.text("includeObject"))
    }
}

/// GET of one object.
pub(super) fn get(
    call: &Call,
    resource: &Resource,
    address: &ResourceAddress,
) -> Result<Response, Status> {
    let view = call.view()?;
    let stored = call.cluster.core().get(resource, &address.namespace, &address.name)?;
    Ok(answer::raw(200, "application/json", view.object(resource, &stored, call.now())?))
}

/// GET of many.
pub(super) fn list(
    call: &Call,
    resource: &Resource,
    address: &ResourceAddress,
) -> Result<Response, Status> {
    let (view, selector) = (call.view()?, call.selector(address)?);
    let limit: usize =
        number(&call.query, "limit")?.and_then(|limit| limit.try_into().ok()).unwrap_or_default();
    let after = resume(&call.query)?;
    let (list, revision) = {
        let core = call.cluster.core();
        let moment = match &after {
            Some(token) => Moment::At(token.revision),
            None => moment(&call.query, limit, &core.store)?,
        };
        match moment {
            Moment::Now => {
                (core.store.list(&resource.id, &address.namespace), core.store.revision())
            }
            Moment::At(at) => (core.store.list_at(&resource.id, &address.namespace, at)?, at),
        }
    };
    let is_new = |object: &Arc<Stored>| {
        after
            .as_ref()
            .is_none_or(|after| (&object.namespace, &object.name) > (&after.namespace, &after.name))
    };
    let meant =
        |object: &Arc<Stored>| selector.matches(&object.namespace, &object.name, &object.labels);
    let mut list: Vec<_> = list.into_iter().filter(is_new).filter(meant).collect();
    let mut about = Map::new();
    about.insert("resourceVersion".to_owned(), revision.to_string().into());
    if limit > 0 && list.len() > limit {
        let left = list.len().saturating_sub(limit);
        list.truncate(limit);
        if let Some(last) = list.last() {
            about.insert("continue".to_owned(), token(revision, last)?.into());
        }
        if selector.is_empty() {
            about.insert("remainingItemCount".to_owned(), left.into());
        }
    }
    let body = view.list(resource, &list, &Value::Object(about), call.now())?;
    Ok(answer::raw(200, "application/json", body))
}

/// A number of the query; an unreadable one is refused.
pub(super) fn number(query: &Query, key: &str) -> Result<Option<u64>, Status> {
    let text = query.text(key);
    if text.is_empty() {
        return Ok(None);
    }
    text.parse()
        .map(Some)
        .map_err(|_| Status::bad_request(format!("{key}: Invalid value: {text:?}: not a number")))
}

fn moment(query: &Query, limit: usize, store: &Store) -> Result<Moment, Status> {
    let version = number(query, "resourceVersion")?;
    let exact = match query.text("resourceVersionMatch") {
        "" => limit > 0,
        "Exact" => true,
        "NotOlderThan" => false,
        other => {
            return Err(match_refused(&format!(
                "Unsupported value: {other:?}: supported values: \"Exact\", \"NotOlderThan\""
            )));
        }
    };
    let matches = !query.text("resourceVersionMatch").is_empty();
    match version {
        None if matches => Err(match_refused(
            "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
        )),
        Some(0) if matches && exact => Err(match_refused(
            "Forbidden: resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\"",
        )),
        None | Some(0) => Ok(Moment::Now),
        Some(version) if version > store.revision() => Err(too_large(version, store.revision())),
        Some(version) if exact => Ok(Moment::At(version)),
        Some(_) => Ok(Moment::Now),
    }
}

fn match_refused(message: &str) -> Status {
    let field = "resourceVersionMatch".to_owned();
    let cause = Cause { reason: "FieldValueForbidden", message: message.to_owned(), field };
    Status::invalid("meta.k8s.io", "ListOptions", "", vec![cause])
}

fn too_large(wanted: u64, current: u64) -> Status {
    let cause = Cause {
        reason: "ResourceVersionTooLarge",
        message: "Too large resource version".to_owned(),
        field: String::new(),
    };
    let details = Details { causes: vec![cause], retry_after_secs: Some(1), ..Details::default() };
    Status {
        reason: Reason::Timeout,
        message: format!("Too large resource version: {wanted}, current: {current}"),
        details: Some(Box::new(details)),
    }
}

fn token(revision: u64, last: &Stored) -> Result<String, Status> {
    let token = Continue { revision, namespace: last.namespace.clone(), name: last.name.clone() };
    let json = serde_json::to_vec(&token).map_err(|cause| {
        Status::new(Reason::InternalError, format!("could not encode the token: {cause}"))
    })?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}

fn resume(query: &Query) -> Result<Option<Continue>, Status> {
    let text = query.text("continue");
    if text.is_empty() {
        return Ok(None);
    }
    if !matches!(query.text("resourceVersion"), "" | "0") {
        return Err(Status::bad_request(
            "specifying resource version is not allowed when using continue",
        ));
    }
    let token =
        URL_SAFE_NO_PAD.decode(text).ok().and_then(|json| serde_json::from_slice(&json).ok());
    token.map(Some).ok_or_else(|| Status::bad_request("continue key is not valid"))
}
