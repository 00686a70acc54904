//! Text from clusters, made harmless to look at: nothing in it can move, hide or pretend.
//!
//! Markup needs no care here: views escape it. What is left are characters without a shape of their own.
//!
//! Invariant: two texts that differ look different after [`printable`], as long as they hold none of
//! its own escapes.

use std::{borrow::Cow, fmt::Write};

/// The text with control, direction and invisible characters as visible escapes: `␛`, `\u{202e}`.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_shapeless) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match u32::from(c) {
            code @ 0..=0x1f => shown.extend(char::from_u32(0x2400 + code)),
            0x7f => shown.push('␡'),
            code if is_shapeless(c) => {
                // Writing to a String cannot fail.
                let _ = write!(shown, "\\u{{{code:x}}}");
            }
            _ => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// Whether a character has no shape of its own, or changes how its neighbours are shown.
pub fn is_shapeless(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0xad | 0x61c | 0x180e | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff
            | 0xfff9..=0xfffb | 0xe0000..=0xe007f)
}

/// The text cut to `most` characters, with `…` in place of the rest.
pub fn cut(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

/// `1 switch`, `2 switches`: the number with the right noun.
pub fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A number with its thousands apart: `2,034`.
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    digits.char_indices().fold(String::with_capacity(digits.len() + 4), |mut text, (at, digit)| {
        if at > 0 && at % 3 == first {
            text.push(',');
        }
        text.push(digit);
        text
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn control_characters_become_visible() {
        assert_eq!(printable("a\u{1b}[31mb"), "a␛[31mb");
        assert_eq!(printable("a\nb\t\u{7f}"), "a␊b␉␡");
        assert_eq!(printable("abc\u{202e}fed"), "abc\\u{202e}fed");
        assert_eq!(printable("a\u{85}\u{200b}\u{feff}"), "a\\u{85}\\u{200b}\\u{feff}");
    }

    #[test]
    fn ordinary_text_of_any_script_stays_as_it_is() {
        for text in ["leaf-01", "Zürich", "日本", "عربى", "<b>&amp;", "● ok"] {
            assert!(matches!(printable(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn cutting_counts_characters_not_bytes() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äöü…");
    }

    proptest! {
        #[test]
        fn nothing_shapeless_is_left(text in any::<String>()) {
            prop_assert!(!printable(&text).chars().any(is_shapeless));
        }
    }
}
