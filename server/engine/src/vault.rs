//! The vault: seals secrets so that the database alone gives none away, and seals the end of the audit log.
//!
//! A sealed secret is XChaCha20-Poly1305 under a key derived from the server's newest one, with a random
//! nonce, bound to what it is the secret of (`fabric/prod`): moved elsewhere it does not open. The keys are
//! a ring in a file of the owner's alone, or in the environment; where the file changes (`hnp key rotate`
//! in another process) it is read anew before the next use.
//!
//! Invariant: no key and no secret is in a `Debug`, an error or a log; no key is in the database; nothing
//! is sealed with any but the newest key.

mod audit;
mod error;
mod keys;
mod ring;
mod rotate;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};

use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use zeroize::Zeroizing;

pub use self::{
    audit::{Verified, VerifyError, verify},
    error::VaultError,
    keys::{Key, KeyId},
    ring::KeySource,
    rotate::{Rotation, adopt, rotate},
};
use self::{
    keys::{ID_BYTES, Purpose, random},
    ring::{Ring, Stamp},
};
use crate::store::directory::{Directory, Sealer};

/// What sealed secrets begin with; the last byte is the version of their form.
const MAGIC: &[u8; 5] = b"HNPv\x01";
/// Bytes of a nonce.
const NONCE: usize = 24;
/// Name of the fact in the directory that says with which key secrets are sealed.
pub const KEY_FACT: &str = "key";
/// What stands in place of sealed credentials whose key was lost: they must be entered again.
pub const LOST: &[u8] = b"";

/// See the module.
pub struct Vault {
    source: KeySource,
    // Held for the copy of a pointer only.
    held: RwLock<Held>,
}

/// The ring as it was read.
#[derive(Clone)]
struct Held {
    ring: Arc<Ring>,
    stamp: Option<Stamp>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("source", &self.source).finish_non_exhaustive()
    }
}

/// With which key something is sealed; none: it is nothing that a vault sealed.
pub fn key_of(sealed: &[u8]) -> Option<KeyId> {
    Some(parts(sealed)?.0)
}

/// Key, nonce, and the rest.
fn parts(sealed: &[u8]) -> Option<(KeyId, &XNonce, &[u8])> {
    let rest = sealed.strip_prefix(MAGIC)?;
    let (id, rest) = rest.split_at_checked(ID_BYTES)?;
    let (nonce, rest) = rest.split_at_checked(NONCE)?;
    Some((KeyId::of_bytes(id), XNonce::from_slice(nonce), rest))
}

fn bound_to(what: &str) -> Vec<u8> {
    format!("hnp.vault.v1\n{what}").into_bytes()
}

impl Vault {
    /// Opens the ring. `known` is the key that the database says secrets are sealed with; where there is
    /// none yet, and no file, the first key is made.
    pub fn open(source: KeySource, known: Option<&str>) -> Result<Self, VaultError> {
        let (ring, stamp) = ring::open(&source, known)?;
        if let Some(known) = known.filter(|known| ring.by_id(known).is_none()) {
            return Err(VaultError::Unknown { id: known.to_owned(), place: source.to_string() });
        }
        Ok(Self { source, held: RwLock::new(Held { ring: Arc::new(ring), stamp }) })
    }

    /// Opens the ring for a database, and notes there with which key secrets are sealed from now on.
    pub async fn unlock(
        directory: &dyn Directory,
        source: KeySource,
    ) -> Result<Arc<Self>, VaultError> {
        let known = directory.fact(KEY_FACT).await?;
        let vault = Self::open(source, known.as_deref())?;
        let newest = vault.key_id();
        // Else a rotation ended between its first two steps: secrets are sealed with the newest key already.
        if known.as_deref() != Some(newest.as_str()) {
            directory.set_fact(KEY_FACT, newest.as_str()).await?;
        }
        Ok(Arc::new(vault))
    }

    /// The ring as it is now: read anew where the file changed. Where it cannot be read, what was read before
    /// still holds, so that a server goes on.
    fn ring(&self) -> Arc<Ring> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner).clone();
        match ring::refreshed(&self.source, held.stamp.as_ref()) {
            Ok(None) => held.ring,
            Ok(Some((ring, stamp))) => self.hold(ring, stamp),
            Err(error) => {
                tracing::warn!(%error, "the key file cannot be read any more; the keys read before are used");
                held.ring
            }
        }
    }

    fn hold(&self, ring: Ring, stamp: Option<Stamp>) -> Arc<Ring> {
        let ring = Arc::new(ring);
        let held = Held { ring: Arc::clone(&ring), stamp };
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = held;
        ring
    }

    /// The key that seals.
    pub fn key_id(&self) -> KeyId {
        self.ring().newest().id()
    }

    /// All keys of the ring, the newest first.
    pub fn key_ids(&self) -> Vec<KeyId> {
        self.ring().keys().map(Key::id).collect()
    }

    /// The file that holds the ring; none: it comes from the environment.
    pub fn file(&self) -> Option<&Path> {
        match &self.source {
            KeySource::File(path) => Some(path),
            KeySource::Value(_) => None,
        }
    }

    /// Seals the secret of something (`fabric/prod`) with the newest key.
    pub fn seal(&self, what: &str, secret: &[u8]) -> Result<Vec<u8>, VaultError> {
        let ring = self.ring();
        let key = ring.newest();
        let nonce: [u8; NONCE] = random()?;
        let cipher = XChaCha20Poly1305::new((&*key.derived(Purpose::Secrets)).into());
        let payload = Payload { msg: secret, aad: &bound_to(what) };
        let sealed = cipher.encrypt(XNonce::from_slice(&nonce), payload);
        let sealed = sealed.map_err(|_| VaultError::TooLong)?;
        Ok([MAGIC.as_slice(), &key.id().bytes(), &nonce, &sealed].concat())
    }

    /// Opens the sealed secret of something.
    pub fn unseal(&self, what: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        if sealed == LOST {
            return Err(VaultError::Lost { what: what.to_owned() });
        }
        let spoilt = || VaultError::Spoilt { what: what.to_owned() };
        let (id, nonce, rest) = parts(sealed).ok_or_else(spoilt)?;
        let ring = self.ring();
        let key = ring.by_id(id.as_str()).ok_or_else(|| VaultError::Unknown {
            id: id.as_str().to_owned(),
            place: self.source.to_string(),
        })?;
        let cipher = XChaCha20Poly1305::new((&*key.derived(Purpose::Secrets)).into());
        let payload = Payload { msg: rest, aad: &bound_to(what) };
        cipher.decrypt(nonce, payload).map(Zeroizing::new).map_err(|_| spoilt())
    }

    /// A key of its own for something else that the server signs, for example links: 32 bytes that change with
    /// the newest key.
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        self.ring().newest().derived(Purpose::Other(purpose))
    }

    /// What seals the end of the audit chain, for [`crate::store::sqlite::SqliteStore::sealing`].
    pub fn sealer(self: &Arc<Self>) -> Arc<Sealer> {
        let vault = Arc::clone(self);
        Arc::new(move |seq: u64, digest: &str| {
            let ring = vault.ring();
            let key = ring.newest();
            (key.id().as_str().to_owned(), audit::mac(key, seq, digest))
        })
    }
}
