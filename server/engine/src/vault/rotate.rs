//! Changing the key: each step leaves a state from which the same command goes on.
//!
//! 1. The new key is put before the old one in the file: whatever is sealed from now on is sealed with it.
//! 2. The database notes the new key: credentials that somebody sealed with the old one just before are
//!    refused from now on (`store::sqlite::directory`), so none comes in behind step 3.
//! 3. All credentials are sealed anew.
//! 4. The deed is written, which seals the audit log's end with the new key.
//! 5. The old key is dropped from the file.
//!
//! Invariant: no key goes while anything is sealed with it; nothing is ever unsealed to disk.

use domain::audit::Deed;
use serde_json::json;

use super::{KEY_FACT, KeyId, KeySource, LOST, Vault, VaultError, key_of, keys::Key, ring};
use crate::store::directory::{Directory, Order};

/// How often all credentials are gone through; after the first time none should be left.
const ROUNDS: u32 = 5;

/// What a rotation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The key that seals now.
    pub key: KeyId,
    /// The keys that are dropped; where they come from the environment, that may be dropped there.
    pub dropped: Vec<KeyId>,
    /// How many fabrics' credentials were sealed anew.
    pub resealed: u64,
    /// Fabrics whose credentials did not open: they must be entered again.
    pub lost: Vec<String>,
    /// Whether an earlier rotation that was interrupted was finished.
    pub resumed: bool,
    /// Whether the file holds the newest key only.
    pub in_file: bool,
}

/// Changes the key, or finishes an earlier change that was interrupted. `deed` tells of it in the audit log; the
/// directory must seal with this vault.
pub async fn rotate(
    vault: &Vault,
    directory: &dyn Directory,
    deed: &Deed,
    now_ms: i64,
) -> Result<Rotation, VaultError> {
    let before: Vec<String> = vault.key_ids().iter().map(ToString::to_string).collect();
    let resumed = add(vault)?;
    note(vault, directory).await?;
    let (resealed, lost) = reseal(vault, directory, Unknown::IsAnError).await?;
    let after = Some(json!({ "keys": [vault.key_id().as_str()] }));
    let deed = deed.clone().changing(Some(json!({ "keys": before })), after);
    tell(vault, directory, &deed, now_ms).await?;
    let dropped = drop_older(vault)?;
    let in_file = vault.file().is_some();
    Ok(Rotation { key: vault.key_id(), dropped, resealed, lost, resumed, in_file })
}

/// Lets a database be used with a vault that lacks the key of its credentials: those are given up, and must be
/// entered again. Returns the fabrics that they were of.
pub async fn adopt(
    vault: &Vault,
    directory: &dyn Directory,
    deed: &Deed,
    now_ms: i64,
) -> Result<Vec<String>, VaultError> {
    note(vault, directory).await?;
    let (_, lost) = reseal(vault, directory, Unknown::IsGivenUp).await?;
    tell(vault, directory, deed, now_ms).await?;
    Ok(lost)
}

/// What to do about credentials whose key is not in the ring.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    /// Nothing: the key may be put back.
    IsAnError,
    /// The key is lost, and they are with it.
    IsGivenUp,
}

/// Step 1. Returns whether there was a newer key already.
pub(super) fn add(vault: &Vault) -> Result<bool, VaultError> {
    if vault.ring().keys().count() > 1 {
        return Ok(true);
    }
    match &vault.source {
        KeySource::Value(_) => Err(VaultError::Environment),
        KeySource::File(path) => {
            let (ring, _) = ring::open(&vault.source, Some(vault.key_id().as_str()))?;
            ring::replace(path, &ring.with(Key::random()?))?;
            Ok(false)
        }
    }
}

/// Step 2.
pub(super) async fn note(vault: &Vault, directory: &dyn Directory) -> Result<(), VaultError> {
    Ok(directory.set_fact(KEY_FACT, vault.key_id().as_str()).await?)
}

/// Step 3. Returns how many were sealed anew, and whose do not open.
pub(super) async fn reseal(
    vault: &Vault,
    directory: &dyn Directory,
    unknown: Unknown,
) -> Result<(u64, Vec<String>), VaultError> {
    let (mut resealed, mut lost) = (0, Vec::new());
    let newest = vault.key_id();
    for _ in 0..ROUNDS {
        let mut left = 0;
        for fabric in directory.fabrics().await? {
            let Some(old) = fabric.sealed.filter(|sealed| {
                sealed.as_slice() != LOST && key_of(sealed).as_ref() != Some(&newest)
            }) else {
                continue;
            };
            left += 1;
            let what = format!("fabric/{}", fabric.id);
            let new = match vault.unseal(&what, &old) {
                Ok(secret) => vault.seal(&what, &secret)?,
                Err(error @ VaultError::Unknown { .. }) if unknown == Unknown::IsAnError => {
                    return Err(error);
                }
                // What was damaged would not open later either: no key need be kept for it.
                Err(VaultError::Spoilt { .. } | VaultError::Unknown { .. }) => {
                    lost.push(fabric.id.to_string());
                    LOST.to_vec()
                }
                Err(error) => return Err(error),
            };
            if directory.reseal(&fabric.id, &old, &new).await? && new.as_slice() != LOST {
                resealed += 1;
            }
        }
        if left == 0 {
            return Ok((resealed, lost));
        }
    }
    Err(VaultError::Restless)
}

/// Step 4.
pub(super) async fn tell(
    vault: &Vault,
    directory: &dyn Directory,
    deed: &Deed,
    now_ms: i64,
) -> Result<(), VaultError> {
    directory.order(Order::Tell, deed, now_ms).await?;
    let sealed = directory.seal().await?.map(|seal| seal.key);
    if sealed.as_deref() == Some(vault.key_id().as_str()) {
        Ok(())
    } else {
        Err(VaultError::Unsealed)
    }
}

/// Step 5. Returns the keys that go.
pub(super) fn drop_older(vault: &Vault) -> Result<Vec<KeyId>, VaultError> {
    let dropped = vault.key_ids().into_iter().skip(1).collect();
    if let KeySource::File(path) = &vault.source {
        let (ring, _) = ring::open(&vault.source, Some(vault.key_id().as_str()))?;
        ring::replace(path, &ring.without_older())?;
    }
    Ok(dropped)
}
