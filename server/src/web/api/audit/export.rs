//! The audit log as a file: written entry by entry while it is read, never held as a whole.
//!
//! Invariant: a file that was cut short can be told from a whole one (JSON ends with `"complete": true`,
//! CSV with its last line); no cell of a table is taken for a formula by a spreadsheet.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use domain::audit::{Deed, Link};
use engine::store::{
    StoreError,
    directory::{AuditQuery, Directory},
};
use futures::stream::{self, Stream};
use serde_json::{Value, json};

use super::entry;

/// Entries that are read at once: what is in memory of an export of any length.
const PAGE: usize = 200;

/// Form of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON document; each entry with its exact text, so that the chain can be checked from it.
    Json,
    /// A table, RFC 4180.
    Csv,
}

impl Format {
    /// The form of such a name.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "json" => Some(Self::Json),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }

    /// Its name, also the ending of the file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
        }
    }

    /// Its media type.
    pub const fn media(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }

    const fn head(self) -> &'static str {
        match self {
            Self::Json => "{\"entries\":[",
            Self::Csv => {
                "seq,time,user,means,credential,from,act,on,fabric,outcome,evidence,before,after,digest\r\n"
            }
        }
    }

    const fn tail(self) -> &'static str {
        match self {
            Self::Json => "],\"complete\":true}\n",
            Self::Csv => "end,,,,,,,,,,,,,\r\n",
        }
    }

    fn line(self, link: &Link, first: bool) -> String {
        match self {
            Self::Json => {
                let mut whole = entry(link);
                if let Value::Object(fields) = &mut whole {
                    fields.insert("at_ms".to_owned(), json!(link.at_ms));
                    fields.insert("text".to_owned(), json!(link.text));
                }
                format!("{}{whole}", if first { "\n" } else { ",\n" })
            }
            Self::Csv => row(link),
        }
    }
}

fn row(link: &Link) -> String {
    let deed = serde_json::from_str::<Deed>(&link.text).ok();
    let time = super::time(link.at_ms).unwrap_or_default();
    let value = |value: Option<&Value>| value.map(ToString::to_string).unwrap_or_default();
    let mut cells = vec![link.seq.to_string(), time];
    if let Some(Deed { who, act, on, fabric, before, after, outcome, evidence }) = deed {
        cells.extend([
            who.user.unwrap_or_default(),
            who.means.word().to_owned(),
            who.credential.unwrap_or_default(),
            who.from.unwrap_or_default(),
            act.word(),
            on.unwrap_or_default(),
            fabric.map(|fabric| fabric.to_string()).unwrap_or_default(),
            super::outcome_word(outcome).to_owned(),
            evidence.unwrap_or_default(),
            value(before.as_ref()),
            value(after.as_ref()),
        ]);
    } else {
        // Written by a newer version: what it says is kept as evidence.
        cells.extend(std::iter::repeat_n(String::new(), 8));
        cells.extend([link.text.clone(), String::new(), String::new()]);
    }
    cells.push(link.digest.clone());
    let cells: Vec<String> = cells.iter().map(|text| cell(text)).collect();
    format!("{}\r\n", cells.join(","))
}

/// A cell as RFC 4180 wants it, and harmless in a spreadsheet.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guarded = if formula { format!("'{text}") } else { text.to_owned() };
    if guarded.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", guarded.replace('"', "\"\""))
    } else {
        guarded
    }
}

/// Where an export is.
enum At {
    Head,
    Page { query: AuditQuery, first: bool },
    Over,
}

/// The file, newest entry first. A database that fails half way cuts it short.
pub fn body(directory: Arc<dyn Directory>, query: AuditQuery, format: Format) -> Body {
    Body::from_stream(pieces(directory, query, format))
}

fn pieces(
    directory: Arc<dyn Directory>,
    query: AuditQuery,
    format: Format,
) -> impl Stream<Item = Result<Bytes, StoreError>> + Send {
    let begin = AuditQuery { limit: PAGE, ..query };
    stream::try_unfold((At::Head, Some(begin)), move |(at, begin)| {
        let directory = Arc::clone(&directory);
        async move {
            let (query, first) = match at {
                At::Over => return Ok(None),
                At::Head => {
                    let query = begin.unwrap_or_default();
                    let next = At::Page { query, first: true };
                    return Ok(Some((Bytes::from_static(format.head().as_bytes()), (next, None))));
                }
                At::Page { query, first } => (query, first),
            };
            let links = directory.audit(&query).await?;
            let mut text = String::new();
            for (n, link) in links.iter().enumerate() {
                text.push_str(&format.line(link, first && n == 0));
            }
            let next = if let Some(last) = links.last().filter(|_| links.len() == PAGE) {
                let before = Some(last.seq);
                At::Page { query: AuditQuery { before, ..query }, first: false }
            } else {
                text.push_str(format.tail());
                At::Over
            };
            Ok(Some((Bytes::from(text), (next, None))))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spreadsheet_takes_nothing_for_a_formula_and_no_cell_for_two() {
        for (text, written) in [
            ("plain", "plain"),
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("@sum", "'@sum"),
            ("-1", "'-1"),
            ("a,b", "\"a,b\""),
            ("a\nb", "\"a\nb\""),
            ("", ""),
        ] {
            assert_eq!(cell(text), written, "{text}");
        }
    }

    #[test]
    fn every_line_has_as_many_cells_as_the_head() {
        let n = Format::Csv.head().split(',').count();
        assert_eq!(Format::Csv.tail().split(',').count(), n);
        for text in [
            r#"{"who":{"means":"console"},"act":"backup","outcome":"done"}"#,
            r#"{"of":"a newer version"}"#,
        ] {
            let link = Link { seq: 7, at_ms: 0, text: text.replace(',', " ,"), digest: "d".into() };
            let printed = row(&link);
            let mut quoted = false;
            let commas = printed.chars().filter(|c| {
                quoted ^= *c == '"';
                *c == ',' && !quoted
            });
            assert_eq!(commas.count() + 1, n, "{printed}");
        }
    }
}
