//! Resume tokens: the places of one connection in all its topics, as one short text.
//!
//! Topics of a fabric share what they have in common: a cluster counts versions once for all its kinds, so a
//! kind's place is its distance from the newest, and one checksum stands for the epochs of all of them. Fifty
//! fabrics with all their topics fit into [`LONGEST`] bytes.
//!
//! Invariant: a place that is read back is never newer than the one written, and never of another epoch;
//! what does not fit is left out and resumes from nothing. Nothing that a client makes up can panic.

use std::collections::BTreeMap;

use domain::{
    kind::Kind,
    topic::{FabricId, Topic},
};

mod text;

use self::text::{Reader, decode, encode, put_varint, round_down};

/// Longest token, in bytes.
pub const LONGEST: usize = 4_096;
/// Most bytes before they are put into text.
const MOST_BYTES: usize = LONGEST / 4 * 3 - 3;
/// First byte of a token whose distances are exact.
const EXACT: u8 = 1;
/// First byte of a token whose distances are rounded up, where exact ones do not fit.
const ROUNDED: u8 = 2;
/// Bit of the state topic; below are the kinds in the order of their table.
const STATE_BIT: u32 = 30;
/// Bit of the feed.
const FEED_BIT: u32 = 31;
const _: () = assert!(Kind::ALL.len() <= STATE_BIT as usize, "a kind without a bit");

/// A place in a topic: epoch and version.
pub type Reached<'a> = (&'a str, u64);

/// Places of the topics of one fabric.
#[derive(Debug, Default, PartialEq, Eq)]
struct Places {
    /// Checksum of the epochs of `kinds`.
    objects: u32,
    kinds: BTreeMap<Kind, u64>,
    state: Option<(u32, u64)>,
    feed: Option<(u32, u64)>,
}

/// A token that was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Token {
    /// By the hash of the fabric's name: names may be long.
    fabrics: BTreeMap<u32, Places>,
}

impl Token {
    /// Takes places together; later ones of the same topic win.
    pub fn of<'a>(places: impl IntoIterator<Item = (&'a Topic, Reached<'a>)>) -> Self {
        let mut fabrics: BTreeMap<u32, Places> = BTreeMap::new();
        let mut epochs: BTreeMap<u32, BTreeMap<Kind, (&Topic, &str)>> = BTreeMap::new();
        for (topic, (epoch, version)) in places {
            let name = name_of(topic.fabric());
            let known = fabrics.entry(name).or_default();
            match topic {
                Topic::Objects(_, kind) => {
                    known.kinds.insert(*kind, version);
                    epochs.entry(name).or_default().insert(*kind, (topic, epoch));
                }
                Topic::State(_) => known.state = Some((checksum([epoch]), version)),
                Topic::Feed(_) | Topic::Me => known.feed = Some((checksum([epoch]), version)),
            }
        }
        for (name, epochs) in epochs {
            if let Some(known) = fabrics.get_mut(&name) {
                known.objects = epochs_of(epochs.into_values());
            }
        }
        Self { fabrics }
    }

    /// The text: exact if it fits, else rounded, else without the fabrics that do not fit.
    pub fn write(&self) -> String {
        let exact = self.bytes(EXACT);
        let bytes = if exact.len() <= MOST_BYTES { exact } else { self.bytes(ROUNDED) };
        encode(&bytes)
    }

    fn bytes(&self, form: u8) -> Vec<u8> {
        let mut out = vec![form];
        for (name, places) in &self.fabrics {
            let before = out.len();
            places.write(*name, form, &mut out);
            if form == ROUNDED && out.len() > MOST_BYTES {
                out.truncate(before);
                break;
            }
        }
        out
    }

    /// Reads a text; nothing of it that does not read counts.
    pub fn read(text: &str) -> Self {
        let mut token = Self::default();
        if text.len() > LONGEST {
            return token;
        }
        let Some(bytes) = decode(text) else { return token };
        let mut reader = Reader::new(&bytes);
        let Some(form) = reader.byte().filter(|form| [EXACT, ROUNDED].contains(form)) else {
            return token;
        };
        while let Some((name, places)) = Places::read(form, &mut reader) {
            token.fabrics.insert(name, places);
        }
        token
    }

    /// The version reached in a topic whose epoch, as `epoch` tells it, is still the same. `epoch` is asked
    /// for all kinds of the fabric that the token names.
    pub fn version(&self, topic: &Topic, epoch: impl Fn(&Topic) -> Option<String>) -> Option<u64> {
        let places = self.fabrics.get(&name_of(topic.fabric()))?;
        let alone = |place: Option<(u32, u64)>| {
            let (sum, version) = place?;
            (checksum([epoch(topic)?.as_str()]) == sum).then_some(version)
        };
        match topic {
            Topic::State(_) => alone(places.state),
            Topic::Feed(_) | Topic::Me => alone(places.feed),
            Topic::Objects(fabric, kind) => {
                let version = *places.kinds.get(kind)?;
                let topics: Vec<Topic> =
                    places.kinds.keys().map(|kind| Topic::Objects(fabric.clone(), *kind)).collect();
                let epochs: Option<Vec<String>> = topics.iter().map(&epoch).collect();
                let sum = epochs_of(
                    topics
                        .iter()
                        .zip(epochs.iter().flatten())
                        .map(|(topic, epoch)| (topic, &**epoch)),
                );
                (epochs.is_some() && sum == places.objects).then_some(version)
            }
        }
    }
}

impl Places {
    fn write(&self, name: u32, form: u8, out: &mut Vec<u8>) {
        let newest = self.kinds.values().copied().max();
        // What lies too far behind its neighbours to be told is left out.
        let distances: BTreeMap<Kind, u64> =
            self.kinds.iter().map(|(kind, at)| (*kind, newest.unwrap_or_default() - at)).collect();
        let mut bits = 0_u32;
        for (at, kind) in Kind::ALL.iter().enumerate() {
            bits |= u32::from(distances.contains_key(kind)) << at;
        }
        bits |= u32::from(self.state.is_some()) << STATE_BIT;
        bits |= u32::from(self.feed.is_some()) << FEED_BIT;
        out.extend(name.to_le_bytes());
        out.extend(bits.to_le_bytes());
        if let Some(newest) = newest {
            out.extend(self.objects.to_le_bytes());
            put_varint(out, newest);
            for distance in Kind::ALL.iter().filter_map(|kind| distances.get(kind)) {
                if form == EXACT {
                    put_varint(out, *distance);
                } else {
                    out.push(round_down::code(*distance));
                }
            }
        }
        for (sum, version) in self.state.iter().chain(&self.feed) {
            out.extend(sum.to_le_bytes());
            put_varint(out, *version);
        }
    }

    fn read(form: u8, reader: &mut Reader<'_>) -> Option<(u32, Self)> {
        let (name, bits) = (reader.word()?, reader.word()?);
        let mut places = Self::default();
        let kinds = Kind::ALL.iter().enumerate().filter(|(at, _)| bits & (1 << at) != 0);
        let kinds: Vec<Kind> = kinds.map(|(_, kind)| *kind).collect();
        if !kinds.is_empty() {
            places.objects = reader.word()?;
            let newest = reader.varint()?;
            for kind in kinds {
                let distance = if form == EXACT {
                    reader.varint()?
                } else {
                    round_down::distance(reader.byte()?)
                };
                // Below nothing lies nothing: from there it is all changes and the list of live keys.
                places.kinds.insert(kind, newest.saturating_sub(distance));
            }
        }
        let mut alone = |bit: u32| match bits & (1 << bit) {
            0 => Some(None),
            _ => Some(Some((reader.word()?, reader.varint()?))),
        };
        places.state = alone(STATE_BIT)?;
        places.feed = alone(FEED_BIT)?;
        Some((name, places))
    }
}

/// What belongs to no fabric is told under the name that none has.
fn name_of(fabric: Option<&FabricId>) -> u32 {
    checksum([fabric.map_or("", FabricId::as_str)])
}

fn epochs_of<'a>(epochs: impl Iterator<Item = (&'a Topic, &'a str)>) -> u32 {
    let texts: Vec<String> = epochs.map(|(topic, epoch)| format!("{topic}={epoch}")).collect();
    checksum(texts.iter().map(String::as_str))
}

/// A checksum of texts (FNV-1a, folded): the same in every process and build, which is all it is for.
fn checksum<'a>(texts: impl IntoIterator<Item = &'a str>) -> u32 {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    for text in texts {
        for byte in text.bytes().chain([0xff]) {
            sum = (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    u32::try_from((sum >> 32) ^ (sum & 0xffff_ffff)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
