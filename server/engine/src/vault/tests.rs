//! The vault over a real database: sealing, its file, rotation stopped anywhere, and the log's seal.

mod file;
mod log;
mod rotation;
mod scan;

use std::{path::Path, sync::Arc};

use domain::{
    access::Means,
    audit::{Act, Deed, Doer},
};
use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;
use crate::store::{
    directory::{Fabric, Order},
    sqlite::SqliteStore,
};

const NOW: i64 = 1_795_000_000_000;

fn deed(act: Act) -> Deed {
    let who = Doer { user: None, means: Means::Console, credential: None, from: None };
    Deed::done(who, act, "house")
}

fn from(path: &Path) -> KeySource {
    KeySource::File(path.to_owned())
}

fn value(text: &str) -> KeySource {
    KeySource::Value(Zeroizing::new(text.to_owned()))
}

fn fabric(id: &str, sealed: Option<Vec<u8>>) -> Order {
    Order::CreateFabric(Fabric {
        id: id.parse().unwrap(),
        settings: "{}".to_owned(),
        sealed,
        enabled: true,
        created_ms: 0,
        changed_ms: 0,
        revision: 0,
    })
}

/// A database and its vault, in a folder that is gone when the test is over.
struct House {
    folder: tempfile::TempDir,
    store: SqliteStore,
    vault: Arc<Vault>,
}

impl House {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, vault) = opened(folder.path()).await.unwrap();
        Self { folder, store, vault }
    }

    fn key(&self) -> std::path::PathBuf {
        self.folder.path().join("key")
    }

    /// Registers a fabric with a secret.
    async fn keep(&self, id: &str, secret: &str) {
        let sealed = self.vault.seal(&format!("fabric/{id}"), secret.as_bytes()).unwrap();
        let deed = deed(Act::FabricCreate);
        self.store.order(fabric(id, Some(sealed)), &deed, NOW).await.unwrap();
    }

    /// The secret of a fabric, as a server reads it.
    async fn secret(&self, id: &str) -> Result<String, VaultError> {
        secret(&self.store, &self.vault, id).await
    }
}

async fn secret(store: &SqliteStore, vault: &Vault, id: &str) -> Result<String, VaultError> {
    let found = store.fabric(&id.parse().unwrap()).await.unwrap().unwrap();
    let secret = vault.unseal(&format!("fabric/{id}"), &found.sealed.unwrap())?;
    Ok(String::from_utf8(secret.to_vec()).unwrap())
}

/// Opens what lies in a folder, as a server does when it starts.
async fn opened(folder: &Path) -> Result<(SqliteStore, Arc<Vault>), VaultError> {
    let store = SqliteStore::open(folder.join("hnp.db").to_str().unwrap()).await.unwrap();
    let vault = Vault::unlock(&store, from(&folder.join("key"))).await?;
    Ok((store.sealing(vault.sealer()), vault))
}

#[test]
fn a_secret_opens_for_what_it_was_sealed_for_and_nothing_else() {
    let vault = Vault::open(value(&"0b".repeat(32)), None).unwrap();
    let sealed = vault.seal("fabric/prod", b"token").unwrap();
    assert_eq!(&**vault.unseal("fabric/prod", &sealed).unwrap(), b"token");
    assert_ne!(vault.seal("fabric/prod", b"token").unwrap(), sealed, "each time another");
    assert_eq!(key_of(&sealed), Some(vault.key_id()));
    let moved = vault.unseal("fabric/lab", &sealed);
    assert!(matches!(moved, Err(VaultError::Spoilt { .. })), "{moved:?}");
    let lost = vault.unseal("fabric/prod", LOST);
    assert!(matches!(lost, Err(VaultError::Lost { .. })), "{lost:?}");
    let other = Vault::open(value(&"0c".repeat(32)), None).unwrap();
    let unknown = other.unseal("fabric/prod", &sealed);
    assert!(
        matches!(&unknown, Err(VaultError::Unknown { id, .. }) if *id == vault.key_id().as_str())
    );
    assert_ne!(*vault.derive("cookies"), *vault.derive("links"));
    assert_ne!(*vault.derive("cookies"), *other.derive("cookies"));
}

#[test]
fn nothing_that_may_be_shown_shows_a_key() {
    let text = "a0b1c2d3e4f5a6b7a0b1c2d3e4f5a6b7a0b1c2d3e4f5a6b7a0b1c2d3e4f5a6b7";
    let vault = Vault::open(value(text), None).unwrap();
    let sealed = Vault::open(value(&"0c".repeat(32)), None).unwrap().seal("x", b"y").unwrap();
    let bad = Vault::open(value(&text.replace('a', "z")), None).unwrap_err();
    let shown = [
        format!("{vault:?} {:?} {}", value(text), value(text)),
        format!("{:?}", vault.ring().newest()),
        vault.unseal("x", &sealed).unwrap_err().to_string(),
        format!("{bad} {bad:?}"),
        Vault::open(value(text), Some("0123456789abcdef")).unwrap_err().to_string(),
        vault.key_id().to_string(),
    ];
    for shown in shown {
        assert!(!shown.contains("b1c2") && !shown.contains("177, 194"), "{shown}");
    }
}

proptest! {
    #[test]
    fn any_secret_opens_and_no_changed_one_does(
        secret in proptest::collection::vec(any::<u8>(), 0..200),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let vault = Vault::open(value(&"0b".repeat(32)), None).unwrap();
        let mut sealed = vault.seal("fabric/prod", &secret).unwrap();
        prop_assert_eq!(&**vault.unseal("fabric/prod", &sealed).unwrap(), &secret);
        let at = at.index(sealed.len());
        sealed[at] ^= 1 << bit;
        prop_assert!(vault.unseal("fabric/prod", &sealed).is_err());
        sealed.truncate(at);
        prop_assert!(vault.unseal("fabric/prod", &sealed).is_err());
    }

    #[test]
    fn whatever_is_given_as_a_key_is_read_or_refused(text in "\\PC{0,100}") {
        let _ = Vault::open(value(&text), None);
        let _ = key_of(text.as_bytes());
    }
}
