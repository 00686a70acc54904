//! Names of users and tokens, and what a password must be.
//!
//! Invariant: a name that exists reads the same for everybody: no case, no look-alikes outside ASCII, no
//! blanks; nothing here holds a password or a token.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Longest name of a user, in bytes.
const LONGEST_NAME: usize = 64;
/// Longest label of a token, in characters.
const LONGEST_LABEL: usize = 80;
/// Shortest password unless configured otherwise, in characters. OWASP ASVS 4.0.3, 2.1.1.
pub const SHORTEST_PASSWORD: usize = 12;
/// Longest password, in characters. OWASP ASVS 4.0.3, 2.1.2 wants at least 64 and at most 128 allowed.
pub const LONGEST_PASSWORD: usize = 128;

/// Name of a user: 1 to 64 lower-case letters, digits, `.`, `_`, `-`, `@`, `+`, starting with a letter or digit.
/// What people type in other case is read as this.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserName(String);

/// A text that names no user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a user name; use 1 to 64 letters, digits, `.`, `_`, `-`, `+` or `@`, starting with a letter or digit"
)]
pub struct UserNameError(String);

impl UserName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserName {
    type Err = UserNameError;

    fn from_str(text: &str) -> Result<Self, UserNameError> {
        let name = text.trim().to_ascii_lowercase();
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-@+".contains(c);
        let begins = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        if begins && name.len() <= LONGEST_NAME && name.chars().all(legal) {
            Ok(Self(name))
        } else {
            Err(UserNameError(text.chars().filter(|c| !c.is_control()).take(80).collect()))
        }
    }
}

impl TryFrom<String> for UserName {
    type Error = UserNameError;

    fn try_from(text: String) -> Result<Self, UserNameError> {
        text.parse()
    }
}

impl From<UserName> for String {
    fn from(name: UserName) -> Self {
        name.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a person calls a token: 1 to 80 printable characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label(String);

/// A text that is no label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a label has 1 to 80 printable characters, for example `grafana` or `nightly export`")]
pub struct LabelError;

impl Label {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        let text = text.trim();
        let fits = (1..=LONGEST_LABEL).contains(&text.chars().count());
        if fits && !text.chars().any(char::is_control) {
            Ok(Self(text.to_owned()))
        } else {
            Err(LabelError)
        }
    }
}

impl TryFrom<String> for Label {
    type Error = LabelError;

    fn try_from(text: String) -> Result<Self, LabelError> {
        text.parse()
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.0
    }
}

/// Why a password is not good enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordProblem {
    /// Too short.
    #[error("use at least {least} characters; a sentence of four words is easy to remember")]
    Short {
        /// How many it takes.
        least: usize,
    },
    /// Too long.
    #[error("use at most {LONGEST_PASSWORD} characters")]
    Long,
    /// It holds the user's name.
    #[error("do not use your user name as part of the password")]
    Name,
    /// Everybody tries it first.
    #[error("this password is among those that are tried first; choose another")]
    Common,
}

/// Beginnings of what long passwords that everybody tries look like; shorter ones are refused by their length.
const COMMON: [&str; 24] = [
    "password",
    "passw0rd",
    "p@ssw0rd",
    "qwertyuiop",
    "1234567890",
    "0123456789",
    "0987654321",
    "qwerty123",
    "iloveyou",
    "administrator",
    "letmein",
    "welcome",
    "changeme",
    "admin123",
    "abcdefghij",
    "abcd1234",
    "1q2w3e4r",
    "qazwsxedc",
    "zaq12wsx",
    "asdfghjkl",
    "monkey123",
    "sunshine",
    "princess",
    "trustno1",
];

/// Judges a new password, which must have `least` characters. OWASP ASVS 4.0.3, 2.1: length, no composition rules, nothing that everybody tries.
pub fn judge(password: &str, user: &UserName, least: usize) -> Result<(), PasswordProblem> {
    let length = password.chars().count();
    if length < least {
        return Err(PasswordProblem::Short { least });
    }
    if length > LONGEST_PASSWORD {
        return Err(PasswordProblem::Long);
    }
    let lower = password.to_lowercase();
    if user.as_str().len() > 3 && lower.contains(user.as_str()) {
        return Err(PasswordProblem::Name);
    }
    let distinct: std::collections::BTreeSet<char> = lower.chars().collect();
    // What is left of a common one with a year or some signs behind it is no secret either.
    let padded = COMMON.iter().any(|common| {
        lower.starts_with(common) && lower.chars().count() < common.chars().count() + 8
    });
    if distinct.len() < 5 || padded { Err(PasswordProblem::Common) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_the_same_for_everybody() {
        for (text, name) in [
            ("Ann", Some("ann")),
            (" ann.b@x.org ", Some("ann.b@x.org")),
            ("", None),
            ("-a", None),
            ("a b", None),
            ("аnn", None),
            ("a\nb", None),
        ] {
            assert_eq!(
                text.parse::<UserName>().ok().as_ref().map(UserName::as_str),
                name,
                "{text}"
            );
        }
        assert!(
            "x".repeat(64).parse::<UserName>().is_ok()
                && "x".repeat(65).parse::<UserName>().is_err()
        );
        assert!(!"a\u{1b}[31mb".parse::<UserName>().unwrap_err().to_string().contains('\u{1b}'));
    }

    #[test]
    fn labels_are_short_and_printable() {
        assert_eq!(" nightly export ".parse::<Label>().unwrap().as_str(), "nightly export");
        for text in ["", "  ", "a\u{0}b", &"x".repeat(81)] {
            assert!(text.parse::<Label>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn passwords_are_judged_by_what_a_guesser_would_try() {
        let ann: UserName = "annabel".parse().unwrap();
        for (password, problem) in [
            ("short", Some(PasswordProblem::Short { least: 12 })),
            ("elevenchars", Some(PasswordProblem::Short { least: 12 })),
            (&"é".repeat(11), Some(PasswordProblem::Short { least: 12 })),
            (&"ab cdefgh".repeat(15), Some(PasswordProblem::Long)),
            ("Annabel is my name", Some(PasswordProblem::Name)),
            ("Password2026!!", Some(PasswordProblem::Common)),
            ("aaaaaaaaaaaaaaaa", Some(PasswordProblem::Common)),
            ("correct horse battery", None),
            ("  spaces  are  fine  ", None),
            ("пароль из слов", None),
        ] {
            assert_eq!(judge(password, &ann, SHORTEST_PASSWORD).err(), problem, "{password}");
        }
    }
}
