//! Notes to a person: shown for a while, alike ones together, all kept in a drawer.
//!
//! Invariant: at most [`MOST_SHOWN`] are shown and [`MOST_KEPT`] kept; an error stays until it is
//! dismissed; nothing here reads a clock.

use std::collections::VecDeque;

use domain::topic::FabricId;
use leptos::prelude::*;

use crate::ui::status::Tone;

/// Most toasts on the screen: more cannot be read.
pub const MOST_SHOWN: usize = 4;
/// Most notes in the drawer: about what happens in a bad hour; the oldest falls out.
pub const MOST_KEPT: usize = 100;
/// How long a note that is no error is shown, in milliseconds.
const SHOWN_MS: i64 = 8_000;

/// Something to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Notes of one group are counted, not repeated.
    pub group: String,
    /// What it means.
    pub tone: Tone,
    /// The sentence for one.
    pub text: String,
    /// What follows the number for several, for example `watches failed in demo`; empty: the
    /// sentence of the newest with its count.
    pub several: String,
    /// Address on this server of what it concerns.
    pub link: Option<String>,
}

/// A note as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Names it on this page.
    pub id: u64,
    /// The newest note of the group.
    pub note: Note,
    /// How many there were.
    pub count: u32,
    /// When the newest came, Unix milliseconds.
    pub at: i64,
}

impl Entry {
    /// The sentence.
    pub fn text(&self) -> String {
        match (self.count, self.note.several.as_str()) {
            (1, _) => self.note.text.clone(),
            (count, "") => format!("{} (×{count})", self.note.text),
            (count, several) => format!("{count} {several}"),
        }
    }

    fn stays(&self) -> bool {
        self.note.tone == Tone::Error
    }
}

/// All notes. A pure value: each method is one thing that can happen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shelf {
    next: u64,
    shown: Vec<Entry>,
    kept: VecDeque<Entry>,
    unread: usize,
}

impl Shelf {
    /// Tells something.
    pub fn push(&mut self, note: Note, now: i64) {
        let alike = |entry: &Entry| entry.note.group == note.group && entry.note.tone == note.tone;
        let found = self.shown.iter().position(alike);
        let (id, count) = if let Some(old) = found.map(|at| self.shown.remove(at)) {
            (old.id, old.count + 1)
        } else {
            self.next += 1;
            (self.next, 1)
        };
        let entry = Entry { id, note, count, at: now };
        self.unread += usize::from(count == 1);
        self.kept.retain(|kept| kept.id != id);
        self.kept.push_front(entry.clone());
        self.kept.truncate(MOST_KEPT);
        self.shown.push(entry);
        if self.shown.len() > MOST_SHOWN {
            let least = self.shown.iter().position(|entry| !entry.stays()).unwrap_or(0);
            self.shown.remove(least);
        }
    }

    /// Puts what was said at `at`, Unix milliseconds, into the drawer without telling it anew.
    pub fn keep(&mut self, note: Note, at: i64) {
        self.next += 1;
        self.kept.push_front(Entry { id: self.next, note, count: 1, at });
        self.kept.truncate(MOST_KEPT);
    }

    /// Drops notes whose group ends like this.
    pub fn forget(&mut self, end: &str) {
        let stays = |entry: &Entry| !entry.note.group.ends_with(end);
        self.shown.retain(stays);
        self.kept.retain(stays);
    }

    /// Takes a toast off the screen; the drawer keeps it.
    pub fn dismiss(&mut self, id: u64) {
        self.shown.retain(|entry| entry.id != id);
    }

    /// Takes off what was shown for long enough.
    pub fn tick(&mut self, now: i64) {
        self.shown.retain(|entry| entry.stays() || now - entry.at < SHOWN_MS);
    }

    /// Whether [`Self::tick`] would take something off.
    pub fn has_expired(&self, now: i64) -> bool {
        self.shown.iter().any(|entry| !entry.stays() && now - entry.at >= SHOWN_MS)
    }

    /// The drawer was opened.
    pub fn read(&mut self) {
        self.unread = 0;
    }

    /// Those on the screen, oldest first.
    pub fn shown(&self) -> &[Entry] {
        &self.shown
    }

    /// Those in the drawer, newest first.
    pub fn kept(&self) -> impl Iterator<Item = &Entry> {
        self.kept.iter()
    }

    /// How many came since the drawer was opened.
    pub fn unread(&self) -> usize {
        self.unread
    }
}

/// The notes of this page: one of the app's contexts. Copy.
#[derive(Clone, Copy)]
pub struct Toasts(RwSignal<Shelf>);

impl Toasts {
    /// Puts an empty shelf into the context.
    pub fn provide() -> Self {
        let toasts = Self(RwSignal::new(Shelf::default()));
        provide_context(toasts);
        toasts
    }

    /// The notes of this page, if there is a frame around it.
    pub fn find() -> Option<Self> {
        use_context()
    }

    /// Tells something; `now` in Unix milliseconds.
    pub fn push(self, note: Note, now: i64) {
        self.0.update(|shelf| shelf.push(note, now));
    }

    /// Drops what was told of a fabric.
    pub fn forget(self, fabric: &FabricId) {
        self.0.update(|shelf| shelf.forget(&format!("/{fabric}")));
    }

    /// The shelf.
    pub fn shelf(self) -> RwSignal<Shelf> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn note(group: &str, tone: Tone) -> Note {
        Note {
            group: group.into(),
            tone,
            text: format!("{group} happened"),
            several: String::new(),
            link: None,
        }
    }

    #[test]
    fn alike_notes_are_counted() {
        let mut shelf = Shelf::default();
        for _ in 0..12 {
            let several = "Connections updated".to_owned();
            shelf.push(Note { several, ..note("a", Tone::Unknown) }, 0);
        }
        assert_eq!(shelf.shown().len(), 1);
        assert_eq!(shelf.shown()[0].text(), "12 Connections updated");
        assert_eq!((shelf.kept().count(), shelf.unread()), (1, 1));
    }

    #[test]
    fn an_error_stays_until_it_is_dismissed() {
        let mut shelf = Shelf::default();
        shelf.push(note("e", Tone::Error), 0);
        shelf.push(note("i", Tone::Unknown), 0);
        assert!(shelf.has_expired(SHOWN_MS));
        shelf.tick(SHOWN_MS);
        assert_eq!(shelf.shown().len(), 1);
        assert!(!shelf.has_expired(i64::MAX));
        shelf.dismiss(shelf.shown()[0].id);
        assert!(shelf.shown().is_empty());
        assert_eq!(shelf.kept().count(), 2, "the drawer keeps both");
    }

    #[test]
    fn errors_are_not_pushed_out_by_news() {
        let mut shelf = Shelf::default();
        shelf.push(note("e", Tone::Error), 0);
        for at in 0..20 {
            shelf.push(note(&at.to_string(), Tone::Unknown), at);
        }
        assert_eq!(shelf.shown().len(), MOST_SHOWN);
        assert_eq!(shelf.shown()[0].note.group, "e");
    }

    #[test]
    fn what_was_said_before_is_kept_and_not_told_anew() {
        let mut shelf = Shelf::default();
        shelf.keep(note("me/1", Tone::Error), 5);
        shelf.push(note("connectivity/demo", Tone::Error), 6);
        assert_eq!((shelf.shown().len(), shelf.unread()), (1, 1));
        assert_eq!(shelf.kept().map(|entry| entry.at).collect::<Vec<_>>(), [6, 5]);
        shelf.forget("/demo");
        assert!(shelf.shown().is_empty());
        assert_eq!(shelf.kept().count(), 1, "nothing stays of what one may not see");
    }

    proptest! {
        #[test]
        fn shelf_and_drawer_stay_bounded_and_ids_unique(steps in prop::collection::vec((0..9_u8, any::<bool>(), 0..4_u8), 0..300)) {
            let mut shelf = Shelf::default();
            for (at, (group, grave, act)) in (0_i64..).zip(steps) {
                match act {
                    0 => shelf.tick(at * 900),
                    1 => shelf.dismiss(u64::from(group)),
                    _ => shelf.push(note(&group.to_string(), if grave { Tone::Error } else { Tone::Unknown }), at * 900),
                }
                prop_assert!(shelf.shown().len() <= MOST_SHOWN && shelf.kept().count() <= MOST_KEPT);
                let mut ids: Vec<_> = shelf.kept().map(|entry| entry.id).collect();
                ids.sort_unstable();
                ids.dedup();
                prop_assert_eq!(ids.len(), shelf.kept().count());
            }
        }
    }
}
