//! Keys, their names, and what is derived from them.
//!
//! Invariant: a key is never shown; its name tells nothing of it; no two purposes share a derived key.

use std::fmt;

use base64::{Engine as _, engine::general_purpose};
use hkdf::Hkdf;
use rand::{TryRngCore as _, rngs::OsRng};
use sha2::Sha256;
use zeroize::{Zeroize as _, Zeroizing};

use super::VaultError;

/// Bytes of a key.
pub(super) const KEY_BYTES: usize = 32;
/// Bytes of its name.
pub(super) const ID_BYTES: usize = 8;

/// Name of a key, 16 hexadecimal digits; may be shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(String);

impl KeyId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn of_bytes(bytes: &[u8]) -> Self {
        Self(domain::hex::hex(bytes))
    }

    /// The bytes that the digits stand for.
    pub(super) fn bytes(&self) -> Vec<u8> {
        unhex(&self.0).map(|bytes| bytes.to_vec()).unwrap_or_default()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a derived key is for.
#[derive(Clone, Copy)]
pub(super) enum Purpose<'a> {
    /// To be named.
    Name,
    /// To seal secrets.
    Secrets,
    /// To seal the end of the audit chain.
    Audit,
    /// Something of the server's.
    Other(&'a str),
}

/// A key of the server. It is overwritten when it is no longer needed.
pub struct Key(Box<[u8; KEY_BYTES]>);

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.id().as_str()).finish()
    }
}

impl Key {
    /// A new one.
    pub(super) fn random() -> Result<Self, VaultError> {
        let mut bytes: [u8; KEY_BYTES] = random()?;
        let key = Self(Box::new(bytes));
        bytes.zeroize();
        Ok(key)
    }

    fn of(bytes: &[u8]) -> Option<Self> {
        let mut key = Box::new([0; KEY_BYTES]);
        (bytes.len() == KEY_BYTES).then(|| {
            key.copy_from_slice(bytes);
            Self(key)
        })
    }

    /// From hexadecimal digits.
    pub(super) fn from_hex(text: &str) -> Option<Self> {
        Self::of(&unhex(text)?)
    }

    /// From hexadecimal digits or base64, as people and their tools write 32 bytes.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        if let Some(key) = Self::from_hex(text) {
            return Some(key);
        }
        let bare = text.trim_end_matches('=');
        let read = [general_purpose::STANDARD_NO_PAD, general_purpose::URL_SAFE_NO_PAD]
            .into_iter()
            .find_map(|alphabet| alphabet.decode(bare).ok().map(Zeroizing::new));
        Self::of(&read?)
    }

    pub(super) fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(domain::hex::hex(&*self.0))
    }

    /// Its name.
    pub fn id(&self) -> KeyId {
        let name = self.derived(Purpose::Name);
        KeyId::of_bytes(name.get(..ID_BYTES).unwrap_or_default())
    }

    /// A key for a purpose.
    pub(super) fn derived(&self, purpose: Purpose<'_>) -> Zeroizing<[u8; 32]> {
        let (family, name) = match purpose {
            Purpose::Name => ("name", ""),
            Purpose::Secrets => ("secrets", ""),
            Purpose::Audit => ("audit", ""),
            Purpose::Other(name) => ("other/", name),
        };
        let mut derived = Zeroizing::new([0; 32]);
        let info = [b"hnp.key.v1/".as_slice(), family.as_bytes(), name.as_bytes()];
        // Fails for more than 255 times as many bytes only.
        let _ = Hkdf::<Sha256>::new(None, &*self.0).expand_multi_info(&info, derived.as_mut());
        derived
    }
}

/// Random bytes of the system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], VaultError> {
    let mut bytes = [0; N];
    OsRng.try_fill_bytes(&mut bytes).map_err(|_| VaultError::Random)?;
    Ok(bytes)
}

fn unhex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect();
    let digits = Zeroizing::new(digits?);
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    rest.is_empty().then(|| Zeroizing::new(bytes))
}
