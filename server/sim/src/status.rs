//! What the API answers when it does not do what was asked: the `Status` object, as a Rust error.
//!
//! Invariant: a reason has exactly one HTTP status; nothing here knows a request.

use std::fmt;

use serde_json::{Value, json};

use crate::resource::ResourceId;

/// Machine-readable reason of a refusal, as in `Status.reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// 400: the request cannot be understood.
    BadRequest,
    /// 401: nobody knows this token.
    Unauthorized,
    /// 403: known, but not allowed.
    Forbidden,
    /// 404: no such object.
    NotFound,
    /// 405: the resource has no such verb.
    MethodNotAllowed,
    /// 406: no representation that the client accepts.
    NotAcceptable,
    /// 409: create of something that exists.
    AlreadyExists,
    /// 409: stale version, failed precondition, or a field that somebody else owns.
    Conflict,
    /// 410: the version is older than the history.
    Expired,
    /// 413: the body is too large.
    RequestEntityTooLarge,
    /// 415: the body has a type that the resource does not take.
    UnsupportedMediaType,
    /// 422: the object breaks its schema.
    Invalid,
    /// 429: come back later.
    TooManyRequests,
    /// 500: the server is broken.
    InternalError,
    /// 504: the server is not there yet.
    Timeout,
}

impl Reason {
    /// As spelled in `Status.reason`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadRequest => "BadRequest",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "NotFound",
            Self::MethodNotAllowed => "MethodNotAllowed",
            Self::NotAcceptable => "NotAcceptable",
            Self::AlreadyExists => "AlreadyExists",
            Self::Conflict => "Conflict",
            Self::Expired => "Expired",
            Self::RequestEntityTooLarge => "RequestEntityTooLarge",
            Self::UnsupportedMediaType => "UnsupportedMediaType",
            Self::Invalid => "Invalid",
            Self::TooManyRequests => "TooManyRequests",
            Self::InternalError => "InternalError",
            Self::Timeout => "Timeout",
        }
    }

    /// HTTP status.
    pub const fn code(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::NotAcceptable => 406,
            Self::AlreadyExists | Self::Conflict => 409,
            Self::Expired => 410,
            Self::RequestEntityTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::Invalid => 422,
            Self::TooManyRequests => 429,
            Self::InternalError => 500,
            Self::Timeout => 504,
        }
    }
}

/// One cause in `Status.details.causes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// For example `FieldValueInvalid`.
    pub reason: &'static str,
    /// What is wrong, without the field.
    pub message: String,
    /// Path of the field, for example `spec.links[0].vlan`.
    pub field: String,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// `Status.details`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Details {
    /// Name of the object, or empty.
    pub name: String,
    /// API group, or empty.
    pub group: String,
    /// Plural, or for invalid objects the kind.
    pub kind: String,
    /// Uid of the object, or empty.
    pub uid: String,
    /// Field by field.
    pub causes: Vec<Cause>,
    /// Seconds after which another try makes sense.
    pub retry_after_secs: Option<u32>,
}

/// A refusal of the API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Status {
    /// Why, for machines.
    pub reason: Reason,
    /// Why, for people.
    pub message: String,
    /// Which object and field.
    pub details: Option<Box<Details>>,
}

impl Status {
    /// A refusal without details.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), details: None }
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(Reason::BadRequest, message)
    }

    /// 404 of an object.
    pub fn not_found(id: &ResourceId, name: &str) -> Self {
        Self::about(Reason::NotFound, format!("{id} {name:?} not found"), id, name)
    }

    /// 409 of a create.
    pub fn already_exists(id: &ResourceId, name: &str) -> Self {
        Self::about(Reason::AlreadyExists, format!("{id} {name:?} already exists"), id, name)
    }

    /// 409 of an update; `why` is the last part of the sentence.
    pub fn conflict(id: &ResourceId, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {id} {name:?}: {why}");
        Self::about(Reason::Conflict, message, id, name)
    }

    /// 409 of a stale version.
    pub fn stale(id: &ResourceId, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(id, name, why)
    }

    /// 403 with the reason in words.
    pub fn forbidden(id: &ResourceId, name: &str, why: &str) -> Self {
        let object = if name.is_empty() { String::new() } else { format!(" {name:?}") };
        Self::about(Reason::Forbidden, format!("{id}{object} is forbidden: {why}"), id, name)
    }

    /// 410 of a version that the history no longer holds.
    pub fn expired(wanted: u64, oldest: u64) -> Self {
        Self::new(Reason::Expired, format!("too old resource version: {wanted} ({oldest})"))
    }

    /// 422 with one cause per field.
    pub fn invalid(group: &str, kind: &str, name: &str, causes: Vec<Cause>) -> Self {
        let list: Vec<_> = causes.iter().map(ToString::to_string).collect();
        let what = match list.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let dot = if group.is_empty() { "" } else { "." };
        let details = Details {
            name: name.to_owned(),
            group: group.to_owned(),
            kind: kind.to_owned(),
            causes,
            ..Details::default()
        };
        Self {
            reason: Reason::Invalid,
            message: format!("{kind}{dot}{group} {name:?} is invalid: {what}"),
            details: Some(Box::new(details)),
        }
    }

    /// 429 with `Retry-After`.
    pub fn too_many(message: &str, retry_after_secs: u32) -> Self {
        let details = Details { retry_after_secs: Some(retry_after_secs), ..Details::default() };
        Self {
            reason: Reason::TooManyRequests,
            message: message.to_owned(),
            details: Some(Box::new(details)),
        }
    }

    fn about(reason: Reason, message: String, id: &ResourceId, name: &str) -> Self {
        let details = Details {
            name: name.to_owned(),
            group: id.group().to_owned(),
            kind: id.plural().to_owned(),
            ..Details::default()
        };
        Self { reason, message, details: Some(Box::new(details)) }
    }

    /// Seconds after which another try makes sense, for the header.
    pub fn retry_after_secs(&self) -> Option<u32> {
        self.details.as_ref().and_then(|details| details.retry_after_secs)
    }

    /// The `Status` object of `v1`.
    pub fn to_json(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason.name(), "code": self.reason.code(),
        });
        if let (Some(details), Some(map)) = (&self.details, status.as_object_mut()) {
            map.insert("details".to_owned(), details.to_json());
        }
        status
    }
}

impl Details {
    /// `Status.details`, without what is empty.
    pub fn to_json(&self) -> Value {
        let mut map = serde_json::Map::new();
        for (key, text) in
            [("name", &self.name), ("group", &self.group), ("kind", &self.kind), ("uid", &self.uid)]
        {
            if !text.is_empty() {
                map.insert(key.to_owned(), Value::String(text.clone()));
            }
        }
        if !self.causes.is_empty() {
            let causes = self.causes.iter().map(|cause| {
                json!({"reason": cause.reason, "message": cause.message, "field": cause.field})
            });
            map.insert("causes".to_owned(), causes.collect());
        }
        if let Some(secs) = self.retry_after_secs {
            map.insert("retryAfterSeconds".to_owned(), secs.into());
        }
        Value::Object(map)
    }
}
