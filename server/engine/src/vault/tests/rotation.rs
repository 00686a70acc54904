//! Rotation, whole and stopped after each step.

use super::{
    super::rotate::{Unknown, add, note, reseal, tell},
    *,
};

#[tokio::test]
async fn a_new_key_opens_everything_and_the_old_one_is_gone() {
    let house = House::new().await;
    for n in 0..5 {
        house.keep(&format!("fabric-{n}"), &format!("token-{n}")).await;
    }
    house.store.order(fabric("open", None), &deed(Act::FabricCreate), NOW).await.unwrap();
    let old = house.vault.key_id();
    let done = rotate(&house.vault, &house.store, &deed(Act::KeyRotate), NOW).await.unwrap();
    assert_eq!((done.resealed, done.resumed, &done.dropped), (5, false, &vec![old.clone()]));
    assert_eq!(done.lost, Vec::<String>::new());
    assert_ne!(done.key, old);
    let (store, vault) = opened(house.folder.path()).await.unwrap();
    assert_eq!(vault.key_ids().as_slice(), std::slice::from_ref(&done.key));
    for n in 0..5 {
        let secret = secret(&store, &vault, &format!("fabric-{n}")).await.unwrap();
        assert_eq!(secret, format!("token-{n}"));
    }
    let verified = verify(&store, Some(&vault)).await.unwrap();
    assert_eq!((verified.seq, verified.key.as_deref()), (7, Some(done.key.as_str())));
    let again = rotate(&vault, &store, &deed(Act::KeyRotate), NOW).await.unwrap();
    assert_eq!((again.resealed, again.resumed, again.dropped), (5, false, vec![done.key]));
}

#[tokio::test]
async fn a_rotation_that_was_stopped_anywhere_loses_nothing_and_is_finished_by_the_next() {
    for steps in 0..=4 {
        let house = House::new().await;
        house.keep("prod", "token").await;
        house.keep("lab", "other").await;
        let old = house.vault.key_id();
        {
            let (vault, store) = (&*house.vault, &house.store);
            if steps >= 1 {
                assert!(!add(vault).unwrap());
            }
            if steps >= 2 {
                note(vault, store).await.unwrap();
            }
            if steps >= 3 {
                reseal(vault, store, Unknown::IsAnError).await.unwrap();
            }
            if steps >= 4 {
                tell(vault, store, &deed(Act::KeyRotate), NOW).await.unwrap();
            }
        }
        // The process is gone; another starts and works.
        let (store, vault) = opened(house.folder.path()).await.unwrap();
        assert_eq!(secret(&store, &vault, "prod").await.unwrap(), "token", "after {steps} steps");
        verify(&store, Some(&vault)).await.unwrap();
        let sealed = vault.seal("fabric/new", b"new").unwrap();
        store.order(fabric("new", Some(sealed)), &deed(Act::FabricCreate), NOW).await.unwrap();
        let done = rotate(&vault, &store, &deed(Act::KeyRotate), NOW).await.unwrap();
        assert_eq!((done.resumed, done.dropped), (steps > 0, vec![old]), "after {steps} steps");
        let (store, vault) = opened(house.folder.path()).await.unwrap();
        assert_eq!(vault.key_ids(), [done.key]);
        for (id, token) in [("prod", "token"), ("lab", "other"), ("new", "new")] {
            assert_eq!(secret(&store, &vault, id).await.unwrap(), token, "after {steps} steps");
        }
        verify(&store, Some(&vault)).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_runs_goes_on_with_the_new_key() {
    let house = House::new().await;
    house.keep("prod", "token").await;
    let (store, vault) = opened(house.folder.path()).await.unwrap();
    // Sealed before the key was changed, kept after: it would be lost with the old key.
    let late = house.vault.seal("fabric/late", b"late").unwrap();
    let done = rotate(&vault, &store, &deed(Act::KeyRotate), NOW).await.unwrap();
    let refused =
        house.store.order(fabric("late", Some(late)), &deed(Act::FabricCreate), NOW).await;
    assert!(refused.unwrap_err().to_string().contains("try again"));
    house.keep("late", "late").await;
    assert_eq!(house.secret("prod").await.unwrap(), "token");
    assert_eq!(house.secret("late").await.unwrap(), "late");
    assert_eq!(house.vault.key_id(), done.key);
    let verified = verify(&store, Some(&vault)).await.unwrap();
    assert_eq!(verified.key.as_deref(), Some(done.key.as_str()), "and so does its log");
}

#[tokio::test]
async fn a_key_from_the_environment_is_changed_by_putting_another_before_it() {
    let store = SqliteStore::in_memory().await.unwrap();
    let (old, new) = ("0b".repeat(32), "0c".repeat(32));
    let vault = Vault::unlock(&store, value(&old)).await.unwrap();
    let store = store.sealing(vault.sealer());
    let sealed = vault.seal("fabric/prod", b"token").unwrap();
    store.order(fabric("prod", Some(sealed)), &deed(Act::FabricCreate), NOW).await.unwrap();
    let refused = rotate(&vault, &store, &deed(Act::KeyRotate), NOW).await;
    assert!(matches!(refused, Err(VaultError::Environment)), "{refused:?}");
    let refused = Vault::unlock(&store, value(&new)).await;
    assert!(matches!(refused, Err(VaultError::Unknown { .. })), "{refused:?}");
    let vault = Vault::unlock(&store, value(&format!("{new},{old}"))).await.unwrap();
    assert_eq!(secret(&store, &vault, "prod").await.unwrap(), "token");
    let store = store.sealing(vault.sealer());
    let done = rotate(&vault, &store, &deed(Act::KeyRotate), NOW).await.unwrap();
    assert_eq!((done.resealed, done.resumed, done.in_file), (1, true, false));
    let vault = Vault::unlock(&store, value(&new)).await.unwrap();
    assert_eq!(secret(&store, &vault, "prod").await.unwrap(), "token");
}

#[tokio::test]
async fn a_rotation_without_the_old_key_changes_no_credentials() {
    let house = House::new().await;
    house.keep("prod", "token").await;
    let kept = std::fs::read(house.key()).unwrap();
    // Somebody else's ring, and a database that was told nothing of keys.
    std::fs::remove_file(house.key()).unwrap();
    let other = Vault::open(from(&house.key()), None).unwrap();
    let refused = rotate(&other, &house.store, &deed(Act::KeyRotate), NOW).await;
    assert!(matches!(refused, Err(VaultError::Unknown { .. })), "{refused:?}");
    std::fs::write(house.key(), kept).unwrap();
    house.store.set_fact(KEY_FACT, house.vault.key_id().as_str()).await.unwrap();
    assert_eq!(house.secret("prod").await.unwrap(), "token");
}

#[tokio::test]
async fn credentials_whose_key_is_lost_are_given_up_by_name() {
    let house = House::new().await;
    house.keep("prod", "token").await;
    house.store.order(fabric("open", None), &deed(Act::FabricCreate), NOW).await.unwrap();
    std::fs::remove_file(house.key()).unwrap();
    let vault = Arc::new(Vault::open(from(&house.key()), None).unwrap());
    let store = house.store.clone().sealing(vault.sealer());
    let lost = adopt(&vault, &store, &deed(Act::Restore), NOW).await.unwrap();
    assert_eq!(lost, ["prod"]);
    let (store, vault) = opened(house.folder.path()).await.unwrap();
    let lost = secret(&store, &vault, "prod").await.unwrap_err();
    assert!(lost.to_string().contains("fabric/prod") && lost.to_string().contains("again"));
    verify(&store, Some(&vault)).await.unwrap();
}
