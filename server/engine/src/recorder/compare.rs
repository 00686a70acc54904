//! What was recorded of a kind against what is held of it now. Pure.
//!
//! Invariant: applying the changes to what was recorded gives what is held.

use std::sync::Arc;

use domain::{
    connection::Coverage,
    feed::EventType,
    history::{Content, Found, content, recorded},
    kind::Kind,
    log::Entry,
    object::ObjectKey,
};
use serde_json::Value;

use super::tell::{self, About, Told};
use crate::{
    hub::payload::Payload,
    store::{Change, Known},
};

/// Most differences of one kind that are told one by one.
const MOST_TOLD: usize = 200;

/// An object as it is held.
#[derive(Debug)]
pub(super) struct Held {
    key: ObjectKey,
    uid: Arc<str>,
    version: u64,
    full: Arc<str>,
}

impl Held {
    /// Of an entry of an objects topic.
    pub(super) fn of(entry: &Entry<Arc<Payload>>) -> Option<Self> {
        let key = entry.value.meta.as_ref()?.key.clone();
        let (uid, full) = (Arc::clone(&entry.value.uid), Arc::clone(&entry.value.full));
        Some(Self { key, uid, version: entry.version, full })
    }
}

/// How the difference is recorded and whether it is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mode {
    pub(super) found: Found,
    pub(super) at_ms: i64,
    pub(super) tell: bool,
}

/// What a comparison found.
#[derive(Debug, Default)]
pub(super) struct Difference {
    pub(super) changes: Vec<Change>,
    pub(super) told: Vec<Told>,
}

struct Finding<'a> {
    key: &'a ObjectKey,
    uid: &'a Arc<str>,
    version: u64,
}

/// Leaves out what is not watched any more: it is as it was when it last was, for all that is known.
pub(super) fn keep_covered(known: &mut Known, coverage: &Coverage) {
    known.objects.retain(|key, old| coverage.covers(key.namespace(), &old.object));
}

/// See the module.
pub(super) fn compare(kind: Kind, mut known: Known, held: &[Held], mode: Mode) -> Difference {
    let mut found = Difference::default();
    let mut untold = 0;
    for object in held {
        let Ok(value) = serde_json::from_str::<Value>(&object.full) else { continue };
        let new = recorded(kind, &value);
        let finding = Finding { key: &object.key, uid: &object.uid, version: object.version };
        let old = known.objects.remove(&object.key);
        let (old, replaced) = match old {
            Some(old) if old.uid == object.uid => (Some(old.object), None),
            Some(other) => (None, Some(other)),
            None => (None, None),
        };
        if let Some(replaced) = replaced {
            // Deleted and created again under the same name.
            let gone = Finding { uid: &replaced.uid, ..finding };
            note(kind, &gone, (Some(&replaced.object), None), mode, &mut found, &mut untold);
        }
        let finding = Finding { key: &object.key, uid: &object.uid, version: object.version };
        note(kind, &finding, (old.as_ref(), Some(&new)), mode, &mut found, &mut untold);
    }
    let newest = held.iter().map(|object| object.version).max().unwrap_or_default();
    for (key, old) in &known.objects {
        let finding = Finding { key, uid: &old.uid, version: newest.max(old.version) };
        note(kind, &finding, (Some(&old.object), None), mode, &mut found, &mut untold);
    }
    if untold > 0 {
        found.told.push(tell::and_more(kind, untold));
    }
    found
}

fn note(
    kind: Kind,
    finding: &Finding<'_>,
    (old, new): (Option<&Value>, Option<&Value>),
    mode: Mode,
    found: &mut Difference,
    untold: &mut usize,
) {
    let Some(content) = content(old, new) else { return };
    let what = match content {
        Content::Gone => EventType::Deleted,
        Content::Put(_) | Content::Patch(_) => tell::what(old.is_some(), true),
    };
    found.changes.push(Change {
        kind,
        key: finding.key.clone(),
        uid: Arc::clone(finding.uid),
        version: finding.version,
        at_ms: mode.at_ms,
        found: mode.found,
        manager: None,
        content,
    });
    if !mode.tell {
        return;
    }
    let about =
        About { kind, key: finding.key, what, version: finding.version.to_string(), manager: None };
    let Some(mut told) = tell::difference(about, old, new) else { return };
    if found.told.len() >= MOST_TOLD {
        *untold += 1;
        return;
    }
    told.data.after_downtime = mode.found == Found::AfterDowntime;
    told.data.after_gap = mode.found == Found::AfterGap;
    found.told.push(told);
}
