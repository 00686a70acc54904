//! Reading the protobuf bodies that `kubectl` sends for built-in objects it knows by heart.
//!
//! Only what such a body can hold is known, as a table of field numbers; answers are always JSON.
//!
//! Invariant: pure; a body that does not fit is a 400, never half an object; nothing is written in this format.

use serde_json::{Map, Value};

use crate::status::{Reason, Status};

/// First bytes of every body.
const MAGIC: &[u8] = b"k8s\0";
/// How deep messages may nest: the deepest known one has four levels.
const DEPTH: usize = 8;

/// What a field holds.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Text,
    Number,
    Flag,
    Texts,
    /// Text to text.
    Map,
    Message(&'static [Field]),
}

type Field = (u64, &'static str, Shape);

const METADATA: &[Field] = &[
    (1, "name", Shape::Text),
    (2, "generateName", Shape::Text),
    (3, "namespace", Shape::Text),
    (5, "uid", Shape::Text),
    (6, "resourceVersion", Shape::Text),
    (11, "labels", Shape::Map),
    (12, "annotations", Shape::Map),
    (14, "finalizers", Shape::Texts),
];
const ATTRIBUTES: &[Field] = &[
    (1, "namespace", Shape::Text),
    (2, "verb", Shape::Text),
    (3, "group", Shape::Text),
    (4, "version", Shape::Text),
    (5, "resource", Shape::Text),
    (6, "subresource", Shape::Text),
    (7, "name", Shape::Text),
];
const PATH: &[Field] = &[(1, "path", Shape::Text), (2, "verb", Shape::Text)];
const REVIEW: &[Field] = &[
    (1, "resourceAttributes", Shape::Message(ATTRIBUTES)),
    (2, "nonResourceAttributes", Shape::Message(PATH)),
];
const RULES: &[Field] = &[(1, "namespace", Shape::Text)];
const LEASE: &[Field] = &[
    (1, "holderIdentity", Shape::Text),
    (2, "leaseDurationSeconds", Shape::Number),
    (5, "leaseTransitions", Shape::Number),
];

/// Messages by kind. Fields that are not named here (a status, times) are passed over.
const KINDS: &[(&str, &[Field])] = &[
    ("Namespace", &[(1, "metadata", Shape::Message(METADATA))]),
    (
        "ConfigMap",
        &[
            (1, "metadata", Shape::Message(METADATA)),
            (2, "data", Shape::Map),
            (4, "immutable", Shape::Flag),
        ],
    ),
    ("Lease", &[(1, "metadata", Shape::Message(METADATA)), (2, "spec", Shape::Message(LEASE))]),
    (
        "SelfSubjectAccessReview",
        &[(1, "metadata", Shape::Message(METADATA)), (2, "spec", Shape::Message(REVIEW))],
    ),
    (
        "SelfSubjectRulesReview",
        &[(1, "metadata", Shape::Message(METADATA)), (2, "spec", Shape::Message(RULES))],
    ),
];

const TYPE: &[Field] = &[(1, "apiVersion", Shape::Text), (2, "kind", Shape::Text)];

/// Reads a body.
pub(crate) fn read(body: &[u8]) -> Result<Value, Status> {
    let envelope = body.strip_prefix(MAGIC).ok_or_else(broken)?;
    let mut object = Map::new();
    let mut raw: &[u8] = &[];
    each(envelope, |number, piece| {
        match (number, piece) {
            (1, Piece::Bytes(bytes)) => object = message(bytes, TYPE, DEPTH)?,
            (2, Piece::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
        Ok(())
    })?;
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    let Some((_, fields)) = KINDS.iter().find(|(name, _)| *name == kind) else {
        let message = format!("protobuf is not served for {kind:?}; send application/json");
        return Err(Status::new(Reason::UnsupportedMediaType, message));
    };
    object.extend(message(raw, fields, DEPTH)?);
    Ok(Value::Object(object))
}

fn broken() -> Status {
    Status::bad_request("the body is not a protobuf object")
}

/// A field as it lies in the body.
enum Piece<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Of a fixed width; no known field has it.
    Other,
}

/// Goes over the fields of a message.
fn each<'a>(
    mut rest: &'a [u8],
    mut take: impl FnMut(u64, Piece<'a>) -> Result<(), Status>,
) -> Result<(), Status> {
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        let piece = match key & 7 {
            0 => Piece::Number(varint(&mut rest)?),
            1 => split(&mut rest, 8).map(|_| Piece::Other)?,
            2 => {
                let len = varint(&mut rest)?;
                Piece::Bytes(split(&mut rest, len)?)
            }
            5 => split(&mut rest, 4).map(|_| Piece::Other)?,
            _ => return Err(broken()),
        };
        take(key >> 3, piece)?;
    }
    Ok(())
}

fn split<'a>(rest: &mut &'a [u8], len: u64) -> Result<&'a [u8], Status> {
    let len = usize::try_from(len).map_err(|_| broken())?;
    let (piece, after) = rest.split_at_checked(len).ok_or_else(broken)?;
    *rest = after;
    Ok(piece)
}

fn varint(rest: &mut &[u8]) -> Result<u64, Status> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first().ok_or_else(broken)?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(broken())
}

fn message(bytes: &[u8], fields: &[Field], depth: usize) -> Result<Map<String, Value>, Status> {
    let depth = depth.checked_sub(1).ok_or_else(broken)?;
    let mut map = Map::new();
    each(bytes, |number, piece| {
        let Some((_, name, shape)) = fields.iter().find(|(known, ..)| *known == number) else {
            return Ok(());
        };
        let slot = map.entry(*name).or_insert(Value::Null);
        match (shape, piece) {
            (Shape::Text, Piece::Bytes(bytes)) => *slot = text(bytes)?.into(),
            (Shape::Texts, Piece::Bytes(bytes)) => push(slot, text(bytes)?),
            (Shape::Number, Piece::Number(number)) => *slot = number.into(),
            (Shape::Flag, Piece::Number(number)) => *slot = (number != 0).into(),
            (Shape::Map, Piece::Bytes(bytes)) => put(slot, bytes, depth)?,
            (Shape::Message(fields), Piece::Bytes(bytes)) => {
                *slot = message(bytes, fields, depth)?.into();
            }
            _ => return Err(broken()),
        }
        Ok(())
    })?;
    // An empty text is how an absent one is written.
    map.retain(|_, value| value.as_str() != Some(""));
    Ok(map)
}

fn text(bytes: &[u8]) -> Result<String, Status> {
    std::str::from_utf8(bytes).map(ToOwned::to_owned).map_err(|_| broken())
}

fn push(slot: &mut Value, text: String) {
    match slot {
        Value::Array(list) => list.push(text.into()),
        other => *other = Value::Array(vec![text.into()]),
    }
}

/// An entry of a map: a message of key and value.
fn put(slot: &mut Value, bytes: &[u8], depth: usize) -> Result<(), Status> {
    let entry = message(bytes, &[(1, "key", Shape::Text), (2, "value", Shape::Text)], depth)?;
    let part = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    if let Some(map) = slot.as_object_mut() {
        map.insert(part("key"), part("value").into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut field = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap()];
        field.extend_from_slice(bytes);
        field
    }

    #[test]
    fn a_config_map_is_read() {
        let ty = [field(1, b"v1"), field(2, b"ConfigMap")].concat();
        let entry = [field(1, b"a"), field(2, b"b")].concat();
        let object = [field(1, &field(1, b"x")), field(2, &entry)].concat();
        let body = [MAGIC.to_vec(), field(1, &ty), field(2, &object)].concat();
        let wanted = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"a": "b"}});
        assert_eq!(read(&body).unwrap(), wanted);
        assert!(read(&body[..body.len() - 1]).is_err());
    }

    proptest! {
        #[test]
        fn garbage_is_refused_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let ty = [field(1, b"v1"), field(2, b"ConfigMap")].concat();
            let body = [MAGIC.to_vec(), field(1, &ty), field(2, &bytes)].concat();
            if let Ok(object) = read(&body) {
                prop_assert_eq!(&object["kind"], "ConfigMap");
            }
        }
    }
}
