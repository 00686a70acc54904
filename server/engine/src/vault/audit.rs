//! The seal of the audit log's end, and checking the whole log.
//!
//! The chain shows that no entry was changed or taken from between others; the seal, made with a key that is
//! not in the database, shows that its end was not cut and that the whole was not written anew.
//!
//! Invariant: an unsealed log is never called whole, unless it is empty.

use domain::audit::{Broken, Checker};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::{
    Vault,
    keys::{Key, Purpose},
};
use crate::store::{
    StoreError,
    directory::{Directory, Seal},
};

/// Links that are read at once.
const PAGE: usize = 500;

/// A log that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Number of its last entry; 0: it is empty.
    pub seq: u64,
    /// Digest of that: whoever noted it somewhere else can tell that the log was not put back to an older one.
    pub digest: String,
    /// The key that sealed it.
    pub key: Option<String>,
}

/// Why a log could not be called whole.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It is not.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// It could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its seal was made with a key that is not in the ring, so nobody can tell.
    #[error(
        "the seal of entry {seq} was made with key {key}, which is not among this server's keys; put that key back to check it"
    )]
    OtherKey {
        /// The last entry.
        seq: u64,
        /// The key.
        key: String,
    },
}

fn sealing(key: &Key, seq: u64, digest: &str) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&*key.derived(Purpose::Audit)).ok()?;
    mac.update(format!("hnp.audit.seal.v1\n{seq}\n{digest}").as_bytes());
    Some(mac)
}

/// The seal of an end.
pub(super) fn mac(key: &Key, seq: u64, digest: &str) -> String {
    sealing(key, seq, digest)
        .map(|mac| domain::hex::hex(&mac.finalize().into_bytes()))
        .unwrap_or_default()
}

/// Checks the whole log. With a vault, its seal too; without one, whether it has one that fits its length.
pub async fn verify(
    directory: &dyn Directory,
    vault: Option<&Vault>,
) -> Result<Verified, VerifyError> {
    let mut checker = Checker::default();
    loop {
        // The seal first: the log may grow meanwhile, but what was sealed is there.
        let seal = directory.seal().await?;
        let sealed = seal.as_ref().map_or(0, |seal| seal.seq);
        while checker.seq < sealed || seal.is_none() {
            let left = usize::try_from(sealed.saturating_sub(checker.seq)).unwrap_or(PAGE);
            let limit = if seal.is_none() { PAGE } else { left.min(PAGE) };
            let links = directory.links(checker.seq, limit).await?;
            for link in &links {
                checker.check(link)?;
            }
            if links.is_empty() {
                break;
            }
        }
        if checker.seq != sealed {
            return Err(Broken::Cut { found: checker.seq, sealed }.into());
        }
        let key = match (&seal, vault) {
            (Some(seal), Some(vault)) => Some(checked(vault, seal, &checker.digest)?),
            (Some(seal), None) => Some(seal.key.clone()),
            (None, _) => None,
        };
        // What follows was written since, and sealed again, or by somebody without the key.
        if directory.links(checker.seq, 1).await?.is_empty() {
            return Ok(Verified { seq: checker.seq, digest: checker.digest, key });
        }
        if directory.seal().await? == seal {
            let end = directory.links(checker.seq, PAGE).await?;
            let found = end.last().map_or(checker.seq, |link| link.seq);
            return Err(Broken::Cut { found, sealed }.into());
        }
    }
}

/// The key of a seal, if the seal is right.
fn checked(vault: &Vault, seal: &Seal, digest: &str) -> Result<String, VerifyError> {
    let ring = vault.ring();
    let Some(key) = ring.by_id(&seal.key) else {
        return Err(VerifyError::OtherKey { seq: seal.seq, key: seal.key.clone() });
    };
    // A key's own comparison: it takes as long whatever differs.
    let given = seal.mac.as_bytes().as_chunks::<2>().0.iter().map(|pair| {
        let digits = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(digits, 16).ok()
    });
    let given: Option<Vec<u8>> = given.collect();
    let right = given.zip(sealing(key, seal.seq, digest));
    match right.map(|(given, mac)| mac.verify_slice(&given)) {
        Some(Ok(())) => Ok(seal.key.clone()),
        _ => Err(Broken::Seal { seq: seal.seq }.into()),
    }
}
