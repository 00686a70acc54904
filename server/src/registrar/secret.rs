//! Keys and tokens: made from 32 random bytes, kept as their SHA-256.
//!
//! A digest without salt is enough for what cannot be guessed: OWASP ASVS 4.0.3, 2.9 and 3.2.2 ask for 64
//! bits of randomness, these have 256.
//!
//! Invariant: what is made here is shown once and never written anywhere.

use domain::hex::hex;
use engine::store::directory::Digest;
use sha2::{Digest as _, Sha256};

/// What every API token begins with, so that scanners of repositories know it.
pub const TOKEN_PREFIX: &str = "hnp_";

/// 32 random bytes as hexadecimal digits.
pub fn fresh() -> String {
    let mut bytes = [0_u8; 32];
    rand::fill(&mut bytes);
    hex(&bytes)
}

/// A new API token.
pub fn fresh_token() -> String {
    format!("{TOKEN_PREFIX}{}", fresh())
}

/// What is kept of a key or token.
pub fn digest(secret: &str) -> Digest {
    Digest(hex(&Sha256::digest(secret.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_alike_and_the_digest_says_nothing_of_them() {
        let (one, other) = (fresh_token(), fresh_token());
        assert!(one != other && one.len() == 68 && one.starts_with("hnp_"));
        assert_eq!(digest(&one), digest(&one));
        assert!(!digest(&one).0.contains(&one[4..20]));
        assert_eq!(digest("abc").id(), "ba7816bf8f01");
    }
}
