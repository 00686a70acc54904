//! What somebody asks of the audit log: the same words in the API, on the page and in an export.
//!
//! Invariant: an empty value asks for nothing, as a form sends it; what cannot be read is refused with what
//! to write instead.

use std::collections::BTreeMap;

use domain::{
    audit::{Act, Outcome},
    time::Timestamp,
    topic::FabricId,
};
use engine::store::directory::AuditQuery;

/// Parameters by name.
pub type Parameters = BTreeMap<String, String>;

/// What narrows the log.
pub const FILTERS: [&str; 7] = ["user", "act", "fabric", "outcome", "q", "since", "until"];
/// Entries in an answer, unless `limit` says otherwise.
pub const USUAL: usize = 100;
/// Most entries in an answer.
pub const MOST: usize = 500;
/// Longest text to look for, in bytes.
const LONGEST_TEXT: usize = 200;
/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// Why a question is not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misread {
    /// Which parameter.
    pub name: String,
    /// What to write.
    pub detail: String,
}

impl Misread {
    fn new(name: &str, detail: impl Into<String>) -> Self {
        Self { name: name.to_owned(), detail: detail.into() }
    }
}

/// Reads a question; `further` are the parameters besides [`FILTERS`] that are known here.
pub fn read(asked: &Parameters, further: &[&str]) -> Result<AuditQuery, Misread> {
    let known = || FILTERS.iter().chain(further);
    if let Some(name) = asked.keys().find(|name| !known().any(|known| known == name)) {
        let all: Vec<&str> = known().copied().collect();
        let short: String = name.chars().take(40).collect();
        let detail = format!("unknown parameter `{short}`; there are {}", all.join(", "));
        return Err(Misread::new(&short, detail));
    }
    let given = |name: &str| asked.get(name).map(|value| value.trim()).filter(|v| !v.is_empty());
    Ok(AuditQuery {
        before: given("cursor").map(place).transpose()?,
        user: given("user").map(short("user")).transpose()?.map(|user| user.to_ascii_lowercase()),
        act: given("act").map(act).transpose()?,
        fabric: given("fabric").map(fabric).transpose()?,
        outcome: given("outcome").map(outcome).transpose()?,
        text: given("q").map(short("q")).transpose()?,
        since_ms: given("since").map(|text| moment("since", text, 0)).transpose()?,
        until_ms: given("until").map(|text| moment("until", text, DAY_MS - 1)).transpose()?,
        limit: given("limit").map_or(Ok(USUAL), limit)?,
    })
}

/// The cursor of the page after an entry. What is in it is nobody's business.
pub fn cursor(seq: u64) -> String {
    format!("a{seq:x}")
}

fn place(text: &str) -> Result<u64, Misread> {
    let place = text.strip_prefix('a').and_then(|digits| u64::from_str_radix(digits, 16).ok());
    place.ok_or_else(|| Misread::new("cursor", "the cursor is the `next` of the answer before"))
}

fn short(name: &'static str) -> impl Fn(&str) -> Result<String, Misread> {
    move |text| {
        if text.len() > LONGEST_TEXT {
            let detail = format!("`{name}` has at most {LONGEST_TEXT} bytes");
            return Err(Misread::new(name, detail));
        }
        Ok(text.to_owned())
    }
}

fn act(text: &str) -> Result<String, Misread> {
    let known = Act::from_word(text).map(Act::word);
    known.ok_or_else(|| {
        let words: Vec<String> = Act::ALL.into_iter().map(Act::word).collect();
        Misread::new("act", format!("`act` is one of {}", words.join(", ")))
    })
}

fn fabric(text: &str) -> Result<FabricId, Misread> {
    text.parse().map_err(|error| Misread::new("fabric", format!("{error}")))
}

/// The outcome with such a word.
fn outcome(text: &str) -> Result<Outcome, Misread> {
    match text {
        "done" => Ok(Outcome::Done),
        "refused" => Ok(Outcome::Refused),
        "failed" => Ok(Outcome::Failed),
        _ => Err(Misread::new("outcome", "`outcome` is `done`, `refused` or `failed`")),
    }
}

/// A moment, or a day: the first or the last moment of it in UTC.
fn moment(name: &str, text: &str, of_day: i64) -> Result<i64, Misread> {
    let exact = text.parse::<Timestamp>().map(Timestamp::unix_ms);
    let moment = exact.or_else(|_| {
        format!("{text}T00:00:00Z").parse::<Timestamp>().map(|day| day.unix_ms() + of_day)
    });
    moment.map_err(|_| {
        let detail = format!(
            "`{name}` is a day as `2026-11-24` or a moment as `2026-11-24T13:00:00Z`, in UTC"
        );
        Misread::new(name, detail)
    })
}

fn limit(text: &str) -> Result<usize, Misread> {
    let limit = text.parse().ok().filter(|limit| (1..=MOST).contains(limit));
    limit.ok_or_else(|| Misread::new("limit", format!("`limit` is from 1 to {MOST}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(&str, &str)]) -> Parameters {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_day_is_meant_from_its_first_to_its_last_moment() {
        let query = read(&asked(&[("since", "2026-11-24"), ("until", "2026-11-24")]), &[]).unwrap();
        assert_eq!(query.until_ms.unwrap() - query.since_ms.unwrap(), DAY_MS - 1);
        let exact = read(&asked(&[("since", "2026-11-24T01:00:00+01:00")]), &[]).unwrap();
        assert_eq!(exact.since_ms, query.since_ms);
    }

    #[test]
    fn an_empty_form_asks_for_everything() {
        let all = asked(&FILTERS.map(|name| (name, " ")));
        assert_eq!(read(&all, &[]), Ok(AuditQuery { limit: USUAL, ..AuditQuery::default() }));
    }

    #[test]
    fn a_cursor_leads_back_to_its_place_and_another_text_to_none() {
        for seq in [0, 1, 4_711, u64::MAX] {
            let query = read(&asked(&[("cursor", &cursor(seq))]), &["cursor"]).unwrap();
            assert_eq!(query.before, Some(seq));
        }
        for text in ["7", "a", "ag", "a-1", "a11112222333344445"] {
            let error = read(&asked(&[("cursor", text)]), &["cursor"]).unwrap_err();
            assert_eq!(error.name, "cursor", "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_says_what_to_write() {
        for (name, value, says) in [
            ("act", "sing-in", "sign-in"),
            ("outcome", "ok", "`refused`"),
            ("since", "yesterday", "2026-11-24"),
            ("until", "2026-02-30", "2026-11-24"),
            ("fabric", "Prod!", ""),
            ("limit", "0", "1 to 500"),
            ("limit", "501", "1 to 500"),
            ("usr", "ann", "user, act"),
        ] {
            let error = read(&asked(&[(name, value)]), &["limit"]).unwrap_err();
            assert!(error.detail.contains(says), "{name}={value}: {}", error.detail);
            assert_eq!(error.name, name);
        }
        let long = "x".repeat(LONGEST_TEXT + 1);
        assert_eq!(read(&asked(&[("q", &long)]), &[]).unwrap_err().name, "q");
    }
}
