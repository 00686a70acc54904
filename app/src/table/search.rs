//! A list's query as the search part of a URL, both ways: `q=leaf&col.role=spine&labels=a%3Db&sort=-asn,name`.
//!
//! Invariant: what is written reads back as the same query; what cannot be read is left out, never an error.

use std::fmt::Write;

use domain::report::{ListQuery, Sort};

/// Prefix of the name of a column's filter.
const COLUMN: &str = "col.";

/// Writes a query, without `?`; empty for the query that asks nothing.
pub fn to_search(query: &ListQuery) -> String {
    let mut search = String::new();
    let mut pair = |name: &str, value: &str| {
        if !search.is_empty() {
            search.push('&');
        }
        escape(&mut search, name, "");
        search.push('=');
        escape(&mut search, value, ",/:=!()@");
    };
    if !query.text.is_empty() {
        pair("q", &query.text);
    }
    for (column, text) in query.columns.iter().filter(|(_, text)| !text.is_empty()) {
        pair(&format!("{COLUMN}{column}"), text);
    }
    if !query.labels.is_empty() {
        pair("labels", &query.labels);
    }
    if !query.sort.is_empty() {
        pair("sort", &sort_text(&query.sort));
    }
    search
}

/// The value of `sort`: columns by comma, `-` before one that is descending.
pub fn sort_text(sort: &[Sort]) -> String {
    let parts: Vec<String> = sort
        .iter()
        .map(|sort| format!("{}{}", if sort.descending { "-" } else { "" }, sort.column))
        .collect();
    parts.join(",")
}

/// Reads a query; a leading `?` and names that are not ours are ignored, of equal names the last counts.
pub fn from_search(search: &str) -> ListQuery {
    let mut query = ListQuery::default();
    for part in search.trim_start_matches('?').split('&') {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let (name, value) = (unescape(name), unescape(value));
        match name.as_str() {
            "q" => query.text = value,
            "labels" => query.labels = value,
            "sort" => query.sort = read_sort(&value),
            _ => {
                if let Some(column) = name.strip_prefix(COLUMN).filter(|_| !value.is_empty()) {
                    query.columns.insert(column.to_owned(), value);
                }
            }
        }
    }
    query
}

/// Reads the value of `sort`.
pub fn read_sort(text: &str) -> Vec<Sort> {
    let mut sort: Vec<Sort> = Vec::new();
    for part in text.split(',') {
        let (descending, column) = match part.strip_prefix('-') {
            Some(column) => (true, column),
            None => (false, part),
        };
        if !column.is_empty() && sort.iter().all(|known| known.column != column) {
            sort.push(Sort { column: column.to_owned(), descending });
        }
    }
    sort
}

/// The query after a click on a heading: ascending, descending, not at all. `more` keeps the other criteria.
pub fn toggled(query: &ListQuery, column: &str, more: bool) -> ListQuery {
    let mut next = query.clone();
    let at = next.sort.iter().position(|sort| sort.column == column);
    let was = at.map(|at| next.sort.remove(at).descending);
    if !more {
        next.sort.clear();
    }
    let new = match was {
        None => Some(false),
        Some(false) => Some(true),
        Some(true) => None,
    };
    if let Some(descending) = new {
        let at = at.unwrap_or(usize::MAX).min(next.sort.len());
        next.sort.insert(at, Sort { column: column.to_owned(), descending });
    }
    next
}

fn escape(search: &mut String, text: &str, plain: &str) {
    for byte in text.bytes() {
        let c = char::from(byte);
        if byte.is_ascii_alphanumeric()
            || "-_.~".contains(c)
            || (byte.is_ascii() && plain.contains(c))
        {
            search.push(c);
        } else {
            // Writing to a String cannot fail.
            let _ = write!(search, "%{byte:02X}");
        }
    }
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match (first, tail) {
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = after;
                }
                _ => bytes.push(first),
            },
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(first),
        }
    }
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use proptest::{collection, prelude::*};

    use super::*;

    fn query() -> impl Strategy<Value = ListQuery> {
        let sort =
            collection::btree_map("[a-zA-Z0-9]{1,6}", any::<bool>(), 0..4).prop_map(|sort| {
                sort.into_iter().map(|(column, descending)| Sort { column, descending }).collect()
            });
        let columns = collection::btree_map(any::<String>(), ".{1,8}", 0..4);
        (any::<String>(), columns, any::<String>(), sort)
            .prop_map(|(text, columns, labels, sort)| ListQuery { text, columns, labels, sort })
    }

    proptest! {
        #[test]
        fn a_query_reads_back_as_it_was_written(query in query()) {
            let search = to_search(&query);
            prop_assert!(search.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#' && byte != b'+'));
            prop_assert_eq!(from_search(&search), query);
        }

        #[test]
        fn any_text_is_read_as_some_query(text in any::<String>()) {
            let query = from_search(&text);
            prop_assert_eq!(from_search(&to_search(&query)), query);
        }
    }

    #[test]
    fn an_address_is_written_for_people() {
        let query =
            from_search("?q=rack+9&sort=-asn,name,-asn&col.role=leaf&labels=a%3Db,c&other=1");
        assert_eq!(query.text, "rack 9");
        assert_eq!(query.sort.len(), 2);
        assert_eq!(to_search(&query), "q=rack%209&col.role=leaf&labels=a=b,c&sort=-asn,name");
        assert_eq!(to_search(&ListQuery::default()), "");
    }

    #[test]
    fn a_heading_goes_up_then_down_then_out_and_keeps_its_rank() {
        let click = |query: &ListQuery, column: &str, more| toggled(query, column, more);
        let text = |query: &ListQuery| sort_text(&query.sort);
        let one = click(&ListQuery::default(), "role", false);
        let two = click(&one, "asn", true);
        assert_eq!(text(&two), "role,asn");
        let down = click(&two, "role", true);
        assert_eq!(text(&down), "-role,asn", "its rank stays");
        assert_eq!(text(&click(&down, "role", true)), "asn");
        assert_eq!(text(&click(&down, "name", false)), "name");
        assert_eq!(text(&click(&one, "role", false)), "-role");
    }
}
