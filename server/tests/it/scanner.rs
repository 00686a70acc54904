//! The search for secrets in whatever comes out: each in every form in which somebody might write it down.
//!
//! Invariant: what is searched says something; a form that is known is found wherever it stands.

use std::{collections::BTreeMap, fmt::Write as _};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Shortest form that is searched, in bytes: shorter ones are found in anything.
const SHORTEST: usize = 6;

/// Secrets in all their forms, by the two bytes that each begins with.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    forms: BTreeMap<[u8; 2], Vec<(String, Vec<u8>)>>,
}

impl Scanner {
    /// Adds a secret; `what` names it in failures.
    pub(crate) fn plant(&mut self, what: &str, secret: &str) {
        assert!(secret.len() >= SHORTEST, "{what} is too short to be told from anything else");
        let inner = |quoted: String| quoted[1..quoted.len() - 1].to_owned();
        let percent = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
        let form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let html = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        for text in [
            percent.to_lowercase(),
            form.to_lowercase(),
            percent,
            form,
            inner(serde_json::to_string(secret).unwrap()),
            inner(format!("{secret:?}")),
            html.replace('\'', "&#x27;").replace('"', "&quot;"),
            html.replace('\'', "&#39;").replace('"', "&#34;"),
            html,
        ] {
            self.add(what, text.into_bytes());
        }
        self.plant_bytes(what, secret.as_bytes());
    }

    /// Adds a secret that is no text.
    pub(crate) fn plant_bytes(&mut self, what: &str, secret: &[u8]) {
        let hex = hex(secret);
        self.add(what, hex.to_uppercase().into_bytes());
        self.add(what, hex.into_bytes());
        for shift in 0..3 {
            self.add(what, aligned(&STANDARD.encode(shifted(secret, shift)), secret, shift));
            self.add(what, aligned(&URL_SAFE.encode(shifted(secret, shift)), secret, shift));
        }
        self.add(what, secret.to_vec());
    }

    fn add(&mut self, what: &str, form: Vec<u8>) {
        if form.len() < SHORTEST {
            return;
        }
        let same = self.forms.entry([form[0], form[1]]).or_default();
        if !same.iter().any(|(_, known)| *known == form) {
            same.push((what.to_owned(), form));
        }
    }

    /// Which secret is in there, and where; none: none is.
    pub(crate) fn find(&self, bytes: &[u8]) -> Option<(&str, usize)> {
        let mut begins = vec![false; 1 << 16];
        for [one, two] in self.forms.keys() {
            begins[usize::from(*one) << 8 | usize::from(*two)] = true;
        }
        for (at, pair) in bytes.windows(2).enumerate() {
            if begins[usize::from(pair[0]) << 8 | usize::from(pair[1])] {
                let found = self.forms[&[pair[0], pair[1]]].iter();
                let mut found = found.filter(|(_, form)| bytes[at..].starts_with(form));
                if let Some((what, _)) = found.next() {
                    return Some((what, at));
                }
            }
        }
        None
    }

    /// Asserts that no secret is in there. What follows the place is not printed.
    pub(crate) fn clean(&self, place: &str, bytes: &[u8]) {
        assert!(!bytes.is_empty(), "{place} says something");
        if let Some((what, at)) = self.find(bytes) {
            let before = String::from_utf8_lossy(&bytes[at.saturating_sub(300)..at]);
            panic!("{place} tells {what}, after: {before}");
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn shifted(secret: &[u8], shift: usize) -> Vec<u8> {
    let mut bytes = vec![0; shift];
    bytes.extend(secret);
    bytes
}

/// The digits of base64 that depend on nothing but the secret, where it begins `shift` bytes after a group of three.
fn aligned(encoded: &str, secret: &[u8], shift: usize) -> Vec<u8> {
    let begin = (shift * 8).div_ceil(6);
    let end = (shift + secret.len()) * 8 / 6;
    encoded.as_bytes()[begin..end].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "p&ss \"wörd'<7>\\";

    fn scanner() -> Scanner {
        let mut scanner = Scanner::default();
        scanner.plant("the password", SECRET);
        scanner
    }

    #[test]
    fn a_leak_is_found_in_every_form_and_at_every_place() {
        let scanner = scanner();
        let noise = "The quick brown fox. ".repeat(50);
        let wrapped = format!("a config with a password: {SECRET}\nand more");
        for (form, leak) in [
            ("plain", SECRET.to_owned()),
            ("JSON", serde_json::json!({"password": SECRET}).to_string()),
            ("JSON in JSON", serde_json::json!({"n": 1, "text": SECRET}).to_string()),
            ("Debug", format!("{:?}", Some(SECRET))),
            (
                "a form",
                form_urlencoded::Serializer::new(String::new()).append_pair("p", SECRET).finish(),
            ),
            ("an address", utf8_percent_encode(SECRET, NON_ALPHANUMERIC).to_string()),
            ("HTML", "p&amp;ss &quot;wörd&#x27;&lt;7&gt;\\".to_owned()),
            ("hexadecimal", hex(SECRET.as_bytes()).to_uppercase()),
            ("base64", STANDARD.encode(SECRET)),
            ("base64 of what surrounds it", STANDARD.encode(&wrapped)),
            ("base64, one further", STANDARD.encode(format!("x{wrapped}"))),
            ("base64, two further", URL_SAFE.encode(format!("xy{wrapped}"))),
        ] {
            for place in [0, 1, 500, noise.len()] {
                let text = format!("{}{leak}{}", &noise[..place], &noise[place..]);
                assert!(scanner.find(text.as_bytes()).is_some(), "{form} at {place}: {leak}");
            }
        }
        let mut database = vec![0_u8; 100_000];
        database.splice(70_001..70_001, SECRET.bytes());
        assert_eq!(scanner.find(&database), Some(("the password", 70_001)));
    }

    #[test]
    #[should_panic(expected = "a page tells the password")]
    fn a_leak_fails_a_test() {
        scanner().clean("a page", format!("<p>{SECRET}</p>").as_bytes());
    }

    #[test]
    fn what_is_no_secret_is_let_pass() {
        let harmless = "p&ss word 7 ".repeat(1_000);
        assert_eq!(scanner().find(harmless.as_bytes()), None);
        let mut key = Scanner::default();
        key.plant_bytes("the key", &[7; 32]);
        assert_eq!(key.find(&[7; 31]), None);
        assert!(key.find(STANDARD.encode([[7; 32], [9; 32]].concat()).as_bytes()).is_some());
    }
}
