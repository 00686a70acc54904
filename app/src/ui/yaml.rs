//! JSON values as YAML that every parser reads back the same, and the view of it.
//!
//! A text is written plainly only where no parser, not even one of YAML 1.1, could take it for
//! something else (`no`, `1_000`, `12:30:45`, `~`); otherwise in double quotes.
//!
//! Invariant: the pieces put together are the document; nothing invisible is left outside of quotes.

use leptos::prelude::*;
use serde_json::Value;

use super::text::is_shapeless;

/// What a piece of a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// Name of a member.
    Key,
    /// A text value.
    Text,
    /// A number, flag or null.
    Plain,
    /// Indentation, dashes, colons, line ends.
    Mark,
}

impl Piece {
    const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Text => "text",
            Self::Plain => "plain",
            Self::Mark => "mark",
        }
    }
}

/// The document in pieces.
pub fn pieces(value: &Value) -> Vec<(Piece, String)> {
    let mut printer = Printer(Vec::new());
    match value {
        Value::Object(members) if !members.is_empty() => printer.members(members, 0, false),
        Value::Array(items) if !items.is_empty() => printer.items(items, 0, false),
        other => printer.scalar(other, 0),
    }
    printer.0
}

/// The document, with a line end after its last line.
pub fn to_yaml(value: &Value) -> String {
    pieces(value).into_iter().map(|(_, text)| text).collect()
}

struct Printer(Vec<(Piece, String)>);

impl Printer {
    /// Nothing is no piece: an empty text node would be written as a blank.
    fn mark(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !text.is_empty() {
            self.0.push((Piece::Mark, text));
        }
    }

    /// Members at an indentation; the first one continues a line that has begun (`- `).
    fn members(
        &mut self,
        members: &serde_json::Map<String, Value>,
        indent: usize,
        mut begun: bool,
    ) {
        for (key, value) in members {
            if !std::mem::take(&mut begun) {
                self.mark(" ".repeat(indent));
            }
            self.0.push((Piece::Key, word(key)));
            self.mark(":");
            match value {
                Value::Object(inner) if !inner.is_empty() => {
                    self.mark("\n");
                    self.members(inner, indent + 2, false);
                }
                Value::Array(inner) if !inner.is_empty() => {
                    self.mark("\n");
                    self.items(inner, indent, false);
                }
                other => {
                    self.mark(" ");
                    self.scalar(other, indent + 2);
                }
            }
        }
    }

    fn items(&mut self, items: &[Value], indent: usize, mut begun: bool) {
        for item in items {
            if !std::mem::take(&mut begun) {
                self.mark(" ".repeat(indent));
            }
            self.mark("- ");
            match item {
                Value::Object(inner) if !inner.is_empty() => self.members(inner, indent + 2, true),
                Value::Array(inner) if !inner.is_empty() => self.items(inner, indent + 2, true),
                other => self.scalar(other, indent + 2),
            }
        }
    }

    /// A value without members, with its line end. `indent` is that of further lines.
    fn scalar(&mut self, value: &Value, indent: usize) {
        match value {
            Value::String(text) if is_block(text) => return self.block(text, indent),
            Value::String(text) => self.0.push((Piece::Text, word(text))),
            Value::Number(number) => self.0.push((Piece::Plain, number_text(&number.to_string()))),
            Value::Object(_) => self.mark("{}"),
            Value::Array(_) => self.mark("[]"),
            Value::Bool(_) | Value::Null => self.0.push((Piece::Plain, value.to_string())),
        }
        self.mark("\n");
    }

    /// Several lines as they are.
    fn block(&mut self, text: &str, indent: usize) {
        self.mark(if text.ends_with('\n') { "|\n" } else { "|-\n" });
        for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            if !line.is_empty() {
                self.mark(" ".repeat(indent.max(2)));
                self.0.push((Piece::Text, line.to_owned()));
            }
            self.mark("\n");
        }
    }
}

/// Whether a text of several lines can stand as it is: nothing in it is invisible or depends on how
/// parsers treat blanks at the edges of lines.
fn is_block(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    let plain =
        |line: &str| !line.chars().any(is_shapeless) && !line.ends_with(char::is_whitespace);
    body.contains('\n')
        && !body.starts_with(|c: char| c.is_whitespace())
        && !body.ends_with('\n')
        && body.split('\n').all(plain)
}

/// YAML 1.1 wants a point and a sign in an exponent: `1e300` would be a text.
fn number_text(number: &str) -> String {
    let Some((mantissa, exponent)) = number.split_once('e') else { return number.to_owned() };
    let point = if mantissa.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with(['-', '+']) { "" } else { "+" };
    format!("{mantissa}{point}e{sign}{exponent}")
}

/// A text as a plain word, or in double quotes.
fn word(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

/// Words that YAML 1.1 or 1.2 reads as something other than a text.
const WORDS: &[&str] = &["null", "true", "false", "yes", "no", "on", "off", "y", "n"];

fn is_plain(text: &str) -> bool {
    let Some(first) = text.chars().next() else { return false };
    // An address with a mask cannot be taken for a number; any other text that begins like one might be.
    let begins = first.is_alphabetic()
        || first == '_'
        || first == '/'
        || (first.is_ascii_digit() && text.contains('/'));
    let inner = |c: char| c.is_alphanumeric() || "_-./@+=%".contains(c);
    let rest = text.replace([':', ' '], "");
    begins
        && rest.chars().all(inner)
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{1b}' => out.push_str("\\e"),
            c if is_shapeless(c) || ('\u{fffe}'..='\u{ffff}').contains(&c) => {
                out.push_str(&escape(u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn escape(code: u32) -> String {
    match code {
        ..=0xff => format!("\\x{code:02x}"),
        0x100..=0xffff => format!("\\u{code:04x}"),
        _ => format!("\\U{code:08x}"),
    }
}

/// A value as YAML, coloured.
#[component]
pub fn Yaml(
    /// The value.
    #[prop(into)]
    value: Signal<Value>,
) -> impl IntoView {
    let document = move || value.with(pieces).into_iter().map(piece).collect_view();
    view! { <pre class="yaml" tabindex="0" role="region" aria-label="YAML"><code>{document}</code></pre> }
}

fn piece((piece, text): (Piece, String)) -> AnyView {
    match piece {
        Piece::Mark => text.into_any(),
        _ => view! { <span data-piece=piece.name()>{text}</span> }.into_any(),
    }
}

#[cfg(test)]
mod tests;
