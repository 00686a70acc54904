//! The key file and the key from the environment.

use std::fs;

use super::*;

#[test]
fn a_key_is_read_as_people_write_32_bytes() {
    let bytes: Vec<u8> = (100..132).collect();
    let hex = domain::hex::hex(&bytes);
    let base64 = "ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CBgoM=";
    let id = Vault::open(value(&hex), None).unwrap().key_id();
    for text in [
        hex.to_uppercase(),
        format!(" {hex}\n"),
        base64.to_owned(),
        base64.trim_end_matches('=').to_owned(),
        base64.replace('+', "-").replace('/', "_"),
        format!("{base64},{}", "0b".repeat(32)),
    ] {
        assert_eq!(Vault::open(value(&text), None).unwrap().key_id(), id, "{text}");
    }
    for text in ["", " ", "secret", &hex[2..], &format!("{hex}00"), &format!("{hex},x"), "ä"] {
        let refused = Vault::open(value(text), None);
        assert!(matches!(refused, Err(VaultError::Value)), "{text}: {refused:?}");
    }
}

#[tokio::test]
async fn the_first_key_is_made_once_and_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/of/hnp.key");
    let all: Vec<_> = (0..8)
        .map(|_| {
            let path = path.clone();
            std::thread::spawn(move || Vault::open(from(&path), None).unwrap().key_id())
        })
        .collect();
    let ids: std::collections::BTreeSet<KeyId> =
        all.into_iter().map(|one| one.join().unwrap()).collect();
    assert_eq!(ids.len(), 1, "servers that start at once have one key: {ids:?}");
    let names: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
    assert_eq!(names.len(), 1, "nothing is left beside it: {names:?}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let house = House::new().await;
    for mode in [0o640, 0o604, 0o644, 0o660] {
        fs::set_permissions(house.key(), fs::Permissions::from_mode(mode)).unwrap();
        let refused = Vault::open(from(&house.key()), None);
        let Err(error @ VaultError::Exposed { .. }) = refused else { panic!("{refused:?}") };
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
    fs::set_permissions(house.key(), fs::Permissions::from_mode(0o400)).unwrap();
    assert_eq!(Vault::open(from(&house.key()), None).unwrap().key_id(), house.vault.key_id());
}

#[tokio::test]
async fn a_file_that_holds_no_key_is_refused_and_left_as_it_is() {
    let house = House::new().await;
    let good = fs::read_to_string(house.key()).unwrap();
    let line = good.lines().last().unwrap();
    for (text, at) in [
        (line[..line.len() - 2].to_owned(), Some(1)),
        (format!("{line}00"), Some(1)),
        (line.replace("hnp1:", ""), Some(1)),
        (format!("{good}\nrubbish"), Some(5)),
        ("x".repeat(100_000), Some(1)),
        ("# no key\n\n".to_owned(), None),
        (String::new(), None),
    ] {
        fs::write(house.key(), &text).unwrap();
        let error = Vault::open(from(&house.key()), None).unwrap_err();
        let said = match error {
            VaultError::Malformed { line, .. } => Some(line),
            VaultError::Empty { .. } => None,
            error => panic!("{error}"),
        };
        assert_eq!(said, at, "{text:.40}");
        assert_eq!(fs::read_to_string(house.key()).unwrap(), text);
    }
    fs::write(house.key(), [0xff, 0xfe]).unwrap();
    assert!(matches!(Vault::open(from(&house.key()), None), Err(VaultError::Read { .. })));
}

#[tokio::test]
async fn a_file_that_is_gone_is_missed_and_never_made_anew() {
    let house = House::new().await;
    house.keep("prod", "token").await;
    let kept = fs::read(house.key()).unwrap();
    fs::remove_file(house.key()).unwrap();
    assert_eq!(house.secret("prod").await.unwrap(), "token", "a running server goes on");
    let refused = opened(house.folder.path()).await;
    let Err(error @ VaultError::Missing { .. }) = refused else { panic!("{refused:?}") };
    assert!(error.to_string().contains(house.vault.key_id().as_str()), "{error}");
    assert!(!house.key().exists());
    // Nor does another key do.
    Vault::open(from(&house.key()), None).unwrap();
    let refused = opened(house.folder.path()).await;
    assert!(matches!(refused, Err(VaultError::Unknown { .. })), "{refused:?}");
    fs::write(house.key(), kept).unwrap();
    let (store, vault) = opened(house.folder.path()).await.unwrap();
    assert_eq!(secret(&store, &vault, "prod").await.unwrap(), "token");
}
