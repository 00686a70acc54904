//! A list's query, ready to be asked of each row: what matches, and which of two rows comes first.
//!
//! Invariant: asking never fails: what cannot be read becomes [`Query::problem`], and then everything
//! matches; rows without a value come last, whichever way a column is sorted.

use std::{borrow::Cow, cmp::Ordering};

use domain::{
    columns::columns, kind::Kind, object::Cell, readiness::Readiness, report::ListQuery,
    wire::labels::Labels,
};

use super::{Line, natural::natural};

/// Id of the column of a switch's readiness.
pub const READINESS: &str = "readiness";

/// A column that a query can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// `metadata.name`.
    Name,
    /// `metadata.namespace`.
    Namespace,
    /// Time since `metadata.creationTimestamp`: the youngest is the smallest.
    Age,
    /// Readiness of a switch, the worst first.
    Readiness,
    /// A cell.
    Cell(&'static str),
}

impl Field {
    /// The column of this id, if lists of the kind have it.
    pub fn of(kind: Kind, id: &str) -> Option<Self> {
        match id {
            "name" => Some(Self::Name),
            "namespace" => Some(Self::Namespace),
            "age" => Some(Self::Age),
            READINESS => (kind == Kind::Switch).then_some(Self::Readiness),
            _ => columns(kind)
                .iter()
                .find(|column| column.id == id)
                .map(|column| Self::Cell(column.id)),
        }
    }

    /// Its text in a line; none where the line has no value.
    pub fn text(self, line: &Line) -> Option<Cow<'_, str>> {
        match self {
            Self::Name => Some(line.key.name().into()),
            Self::Namespace => Some(line.key.namespace().into()),
            Self::Age => line.row.created.as_deref().map(Cow::from),
            Self::Readiness => Some(readiness_word(line.readiness).into()),
            Self::Cell(id) => line.row.cells.get(id).map(|cell| match cell {
                Cell::Text(text) => text.as_str().into(),
                other => other.to_string().into(),
            }),
        }
    }

    fn compare(self, a: &Line, b: &Line, descending: bool) -> Ordering {
        let turn = |order: Ordering| if descending { order.reverse() } else { order };
        match self {
            Self::Name => turn(natural(a.key.name(), b.key.name())),
            Self::Namespace => turn(natural(a.key.namespace(), b.key.namespace())),
            Self::Age => last_if_absent(a.row.created.as_ref(), b.row.created.as_ref(), |a, b| {
                turn(b.cmp(a))
            }),
            Self::Readiness => turn(rank(a.readiness).cmp(&rank(b.readiness))),
            Self::Cell(id) => last_if_absent(a.row.cells.get(id), b.row.cells.get(id), |a, b| {
                turn(compare_cells(a, b))
            }),
        }
    }
}

fn last_if_absent<T>(a: Option<T>, b: Option<T>, compare: impl Fn(T, T) -> Ordering) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => compare(a, b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}

/// Worst first, so that a first click on the heading shows what needs a person.
fn rank(readiness: Option<Readiness>) -> u8 {
    match readiness {
        Some(Readiness::Stuck) => 0,
        Some(Readiness::Silent) => 1,
        Some(Readiness::Unknown) | None => 2,
        Some(Readiness::Applying) => 3,
        Some(Readiness::Converging) => 4,
        Some(Readiness::Ready) => 5,
    }
}

/// The word; `unknown` where there is no observation.
pub const fn readiness_word(readiness: Option<Readiness>) -> &'static str {
    match readiness {
        Some(state) => crate::ui::status::readiness_word(state),
        None => crate::ui::status::readiness_word(Readiness::Unknown),
    }
}

/// Flags, then numbers by size, then texts and lists in natural order.
fn compare_cells(a: &Cell, b: &Cell) -> Ordering {
    let kind = |cell: &Cell| match cell {
        Cell::Flag(_) => 0,
        Cell::Number(_) => 1,
        Cell::Text(_) => 2,
        Cell::List(_) => 3,
    };
    match (a, b) {
        (Cell::Flag(a), Cell::Flag(b)) => a.cmp(b),
        (Cell::Number(a), Cell::Number(b)) => a.cmp(b),
        (Cell::Text(a), Cell::Text(b)) => natural(a, b),
        (Cell::List(a), Cell::List(b)) => {
            let unequal = a.iter().zip(b).map(|(a, b)| natural(a, b)).find(|order| order.is_ne());
            unequal.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        _ => kind(a).cmp(&kind(b)),
    }
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    text: String,
    columns: Vec<(Field, String)>,
    labels: Labels,
    sort: Vec<(Field, bool)>,
    problem: Option<String>,
}

impl Query {
    /// Makes a query ready for lists of a kind.
    pub fn compile(kind: Kind, asked: &ListQuery) -> Self {
        let mut query = Self { text: lower_case(asked.text.trim()), ..Self::default() };
        for (id, text) in &asked.columns {
            match Field::of(kind, id) {
                Some(field) => query.columns.push((field, lower_case(text.trim()))),
                None => query.complain(no_column(kind, id)),
            }
        }
        for sort in &asked.sort {
            match Field::of(kind, &sort.column) {
                Some(field) => query.sort.push((field, sort.descending)),
                None => query.complain(no_column(kind, &sort.column)),
            }
        }
        match asked.labels.parse() {
            Ok(labels) => query.labels = labels,
            Err(error) => query.complain(error.to_string()),
        }
        query
    }

    fn complain(&mut self, problem: String) {
        self.problem.get_or_insert(problem);
    }

    /// Why the query could not be read, in a sentence; then everything matches.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Whether an order was asked for.
    pub fn is_sorted(&self) -> bool {
        !self.sort.is_empty()
    }

    /// Whether every line matches.
    pub fn selects_all(&self) -> bool {
        self.problem.is_some()
            || (self.text.is_empty() && self.columns.is_empty() && self.labels == Labels::default())
    }

    /// Whether a line is selected.
    pub fn matches(&self, line: &Line) -> bool {
        self.problem.is_some()
            || (self.labels.matches(&line.row.labels)
                && self.columns.iter().all(|(field, wanted)| {
                    field.text(line).is_some_and(|text| contains(&text, wanted))
                })
                && self.matches_text(line))
    }

    fn matches_text(&self, line: &Line) -> bool {
        let wanted = self.text.as_str();
        wanted.is_empty()
            || contains(line.key.name(), wanted)
            || contains(line.key.namespace(), wanted)
            || (wanted.contains('/') && contains(&line.key.to_string(), wanted))
            || line.readiness.is_some_and(|state| contains(readiness_word(Some(state)), wanted))
            || line.row.cells.values().any(|cell| match cell {
                Cell::Text(text) => contains(text, wanted),
                Cell::List(list) => list.iter().any(|text| contains(text, wanted)),
                Cell::Number(_) | Cell::Flag(_) => contains(&cell.to_string(), wanted),
            })
    }

    /// Which of two lines comes first; equal only for the same key.
    pub fn compare(&self, a: &Line, b: &Line) -> Ordering {
        self.sort
            .iter()
            .map(|(field, descending)| field.compare(a, b, *descending))
            .find(|order| order.is_ne())
            .unwrap_or_else(|| {
                natural(a.key.namespace(), b.key.namespace())
                    .then_with(|| natural(a.key.name(), b.key.name()))
            })
    }
}

fn no_column(kind: Kind, id: &str) -> String {
    let id: String = id.chars().take(60).collect();
    format!("{} have no column `{id}`; take it out of the address", kind.about().label)
}

/// A text in lower case. The browser knows the tables of Unicode, so it need not be sent them.
fn lower_case(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    #[cfg(target_arch = "wasm32")]
    return js_sys::JsString::from(text).to_lower_case().into();
    #[cfg(not(target_arch = "wasm32"))]
    text.to_lowercase()
}

/// Whether a text holds another, which is in lower case already. No allocation for plain ASCII.
fn contains(text: &str, wanted: &str) -> bool {
    if wanted.is_empty() {
        return true;
    }
    if text.is_ascii() {
        text.as_bytes()
            .windows(wanted.len())
            .any(|window| window.eq_ignore_ascii_case(wanted.as_bytes()))
    } else {
        lower_case(text).contains(wanted)
    }
}
