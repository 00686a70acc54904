//! Natural order: `leaf-2` before `leaf-10`, case ignored unless nothing else tells two texts apart.
//!
//! Invariant: a total order; two texts are equal only if they are the same text.

use std::cmp::Ordering;

/// Compares two texts as people would.
pub fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.as_bytes(), b.as_bytes());
    loop {
        let (one, other) = (token(&mut left), token(&mut right));
        if one.is_none() && other.is_none() {
            return a.cmp(b);
        }
        match one.cmp(&other) {
            Ordering::Equal => {}
            unequal => return unequal,
        }
    }
}

/// A piece of a text: numbers sort before everything else, by size.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Token<'a> {
    /// Digits without leading zeros: the longer is the larger.
    Number(usize, &'a [u8]),
    /// One byte, in lower case.
    Byte(u8),
}

fn token<'a>(text: &mut &'a [u8]) -> Option<Token<'a>> {
    let (&first, rest) = text.split_first()?;
    if !first.is_ascii_digit() {
        *text = rest;
        return Some(Token::Byte(first.to_ascii_lowercase()));
    }
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    let digits = digits.get(zeros..).unwrap_or_default();
    Some(Token::Number(digits.len(), digits))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_inside_texts_count() {
        let mut texts = [
            "leaf-10",
            "leaf-2",
            "Leaf-1",
            "leaf",
            "10.0.10.0/24",
            "10.0.2.0/24",
            "E1/10",
            "E1/9",
            "leaf-02",
            "a",
            "",
        ];
        texts.sort_by(|a, b| natural(a, b));
        assert_eq!(
            texts,
            [
                "",
                "10.0.2.0/24",
                "10.0.10.0/24",
                "a",
                "E1/9",
                "E1/10",
                "leaf",
                "Leaf-1",
                "leaf-02",
                "leaf-2",
                "leaf-10"
            ]
        );
    }

    #[test]
    fn a_number_too_large_for_any_integer_still_counts() {
        assert_eq!(
            natural("a99999999999999999999999", "a100000000000000000000000"),
            Ordering::Less
        );
    }

    proptest! {
        #[test]
        fn it_is_a_total_order(a in "[aA0-2-]{0,5}", b in "[aA0-2-]{0,5}", c in "[aA0-2-]{0,5}") {
            prop_assert_eq!(natural(&a, &b), natural(&b, &a).reverse());
            prop_assert_eq!(natural(&a, &b) == Ordering::Equal, a == b);
            if natural(&a, &b).is_lt() && natural(&b, &c).is_lt() {
                prop_assert!(natural(&a, &c).is_lt());
            }
        }
    }
}
