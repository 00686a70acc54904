//! How texts and checkpoints are laid into columns: as they are when short, deflated when long.
//!
//! Invariant: what is read is bounded before it is inflated; nothing here knows a database.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
};

use domain::object::ObjectKey;
use flate2::{Compression, bufread::DeflateDecoder, write::DeflateEncoder};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::Kept;

/// First byte of a deflated body; no JSON text begins with it.
const DEFLATED: u8 = 1;
/// Shorter texts stay as they are: they would hardly shrink.
const WORTH_IT: usize = 200;
/// Longest text that is inflated: twice the longest object that a watch takes, and more than a part of
/// a checkpoint can have.
const LONGEST: usize = 16 << 20;
/// A part of a checkpoint is closed when it has so many bytes, so that no row is huge.
const PART: usize = 1 << 20;

/// Why something cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum PackError {
    /// Not what this module writes.
    #[error("a body does not inflate")]
    Deflate,
    /// Too long to be true.
    #[error("a body is longer than {LONGEST} bytes")]
    Long,
    /// Not the JSON that should be there.
    #[error("a body does not read: {0}")]
    Json(#[from] serde_json::Error),
}

/// Packs values, one after the other.
pub(super) struct Packer {
    /// What is being packed; kept for its room.
    text: Vec<u8>,
}

impl Packer {
    pub(super) fn new() -> Self {
        Self { text: Vec::new() }
    }

    /// A value as JSON.
    pub(super) fn json(&mut self, value: &impl Serialize) -> Result<Vec<u8>, PackError> {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        serde_json::to_writer(&mut text, value)?;
        let packed = deflated(&text);
        self.text = text;
        Ok(packed)
    }
}

/// A text as it is laid into a column.
pub(super) fn deflated(text: &[u8]) -> Vec<u8> {
    if text.len() < WORTH_IT {
        return text.to_vec();
    }
    let mut packed = DeflateEncoder::new(vec![DEFLATED], Compression::default());
    match packed.write_all(text).and_then(|()| packed.finish()) {
        Ok(packed) if packed.len() < text.len() => packed,
        _ => text.to_vec(),
    }
}

/// Reads what was packed.
pub(super) struct Unpacker {
    text: Vec<u8>,
}

impl Unpacker {
    pub(super) fn new() -> Self {
        Self { text: Vec::new() }
    }

    /// The text of a body.
    pub(super) fn text<'a>(&'a mut self, body: &'a [u8]) -> Result<&'a [u8], PackError> {
        let Some((&DEFLATED, deflated)) = body.split_first() else { return Ok(body) };
        self.text.clear();
        let most = u64::try_from(LONGEST).unwrap_or(u64::MAX);
        let read = DeflateDecoder::new(deflated).take(most + 1).read_to_end(&mut self.text);
        read.map_err(|_| PackError::Deflate)?;
        if self.text.len() > LONGEST { Err(PackError::Long) } else { Ok(&self.text) }
    }

    /// The value of a body.
    pub(super) fn json<T: DeserializeOwned>(&mut self, body: &[u8]) -> Result<T, PackError> {
        Ok(serde_json::from_slice(self.text(body)?)?)
    }
}

/// An object in a part of a checkpoint.
#[derive(Serialize)]
struct Put<'a>(&'a ObjectKey, &'a str, u64, &'a Value);

#[derive(Deserialize)]
struct Got(ObjectKey, Box<str>, u64, Value);

/// The parts of a checkpoint.
pub(super) fn parts(objects: &BTreeMap<ObjectKey, Kept>) -> Result<Vec<Vec<u8>>, PackError> {
    let (mut parts, mut open) = (Vec::new(), Vec::new());
    for (key, kept) in objects {
        open.push(if open.is_empty() { b'[' } else { b',' });
        serde_json::to_writer(&mut open, &Put(key, &kept.uid, kept.version, &kept.object))?;
        if open.len() >= PART {
            open.push(b']');
            parts.push(deflated(&open));
            open.clear();
        }
    }
    if !open.is_empty() {
        open.push(b']');
        parts.push(deflated(&open));
    }
    Ok(parts)
}

/// The objects of a part of a checkpoint.
pub(super) fn part(
    unpacker: &mut Unpacker,
    body: &[u8],
    objects: &mut BTreeMap<ObjectKey, Kept>,
) -> Result<(), PackError> {
    let got: Vec<Got> = unpacker.json(body)?;
    objects
        .extend(got.into_iter().map(|Got(key, uid, version, object)| {
            (key, Kept { uid: uid.into(), version, object })
        }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_long_text_shrinks_and_a_short_one_stays() {
        assert_eq!(deflated(b"{}"), b"{}");
        let long = r#"{"oper":"up"},"#.repeat(100);
        let packed = deflated(long.as_bytes());
        assert!(packed.len() < long.len() / 10, "{} bytes", packed.len());
        assert_eq!(Unpacker::new().text(&packed).unwrap(), long.as_bytes());
    }

    #[test]
    fn what_nobody_packed_is_refused() {
        let mut packed = deflated(&vec![b'x'; 10_000]);
        packed.truncate(packed.len() / 2);
        assert!(matches!(Unpacker::new().text(&packed), Err(PackError::Deflate)));
        assert!(matches!(Unpacker::new().text(&[1]), Err(PackError::Deflate)));
        assert!(matches!(Unpacker::new().json::<Value>(b"{"), Err(PackError::Json(_))));
        let bomb = deflated(&vec![b' '; LONGEST + 1]);
        assert!(matches!(Unpacker::new().text(&bomb), Err(PackError::Long)));
    }

    proptest! {
        #[test]
        fn any_text_reads_back(texts in proptest::collection::vec("[ -~]{0,40}", 0..60)) {
            let mut unpacker = Unpacker::new();
            for text in [texts.concat(), texts.join("leaf-01"), "a".repeat(texts.len() * 500)] {
                let packed = deflated(text.as_bytes());
                prop_assert_eq!(unpacker.text(&packed).unwrap(), text.as_bytes());
            }
        }
    }
}
