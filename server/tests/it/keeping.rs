//! Keeping a house: its audit log checked and exported, its key changed, its database copied and brought back.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use domain::{
    access::{Means, Rights, Role},
    audit::{Act, Checker, Deed, Doer, Link},
};
use engine::{
    store::{
        Store as _, StoreError,
        directory::{Digest, Directory as _, Fabric, NewUser, Order, Session},
        sqlite::SqliteStore,
    },
    vault::{KeySource, Vault, VaultError},
};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::{
    house::{Folder, PATIENCE},
    process::{Ended, Hnp},
};

/// A credential that is sealed in the database of each of these houses.
const PLANTED: &str = "planted-client-key-of-prod-4711";
const NOW: i64 = 1_795_000_000_000;

fn deed(act: Act, evidence: &str) -> Deed {
    let who = Doer {
        user: Some("ann".to_owned()),
        means: Means::Session,
        credential: None,
        from: Some("192.0.2.7".to_owned()),
    };
    Deed::done(who, act, "user/ann").because(evidence)
}

/// Opens the house in a data folder, as a server does.
async fn opened(data: &Path) -> Result<(SqliteStore, Arc<Vault>), VaultError> {
    let store = SqliteStore::open(data.join("hnp.db").to_str().unwrap()).await?;
    let vault = Vault::unlock(&store, KeySource::File(data.join("secret.key"))).await?;
    Ok((store.sealing(vault.sealer()), vault))
}

/// A house with a user, a session, a fabric with a secret and one without; its data are in `data`.
async fn house() -> (Folder, PathBuf) {
    let folder = Folder::new();
    let data = folder.path().join("data");
    let (store, vault) = opened(&data).await.unwrap();
    let user = NewUser {
        name: "ann".parse().unwrap(),
        password: Some("$argon2id$".to_owned()),
        oidc: None,
        rights: Rights::everywhere(Role::Admin),
    };
    let sealed = vault.seal("fabric/prod", PLANTED.as_bytes()).unwrap();
    let fabric = |id: &str, sealed| {
        Order::CreateFabric(Fabric {
            id: id.parse().unwrap(),
            settings: "{}".to_owned(),
            sealed,
            enabled: false,
            created_ms: 0,
            changed_ms: 0,
            revision: 0,
        })
    };
    for (order, act) in [
        (Order::CreateUser(user), Act::UserCreate),
        (fabric("prod", Some(sealed)), Act::FabricCreate),
        (fabric("open", None), Act::FabricCreate),
        (Order::Tell, Act::SignIn),
    ] {
        store.order(order, &deed(act, &format!("evidence-of-{}", act.word())), NOW).await.unwrap();
    }
    let session = Session {
        digest: Digest("5".repeat(64)),
        user: "ann".parse().unwrap(),
        created_ms: NOW,
        seen_ms: NOW,
        expires_ms: i64::MAX,
        from: None,
        agent: None,
        data: "{}".to_owned(),
    };
    assert!(store.save_session(&session).await.unwrap());
    store.close().await;
    (folder, data)
}

/// The secret of the fabric `prod`, as a server reads it.
async fn secret(data: &Path) -> Result<String, VaultError> {
    let (store, vault) = opened(data).await?;
    let prod = store.fabric(&"prod".parse().unwrap()).await?.unwrap();
    let secret = vault.unseal("fabric/prod", &prod.sealed.unwrap());
    store.close().await;
    Ok(String::from_utf8(secret?.to_vec()).unwrap())
}

async fn run(folder: &Folder, arguments: &[&str]) -> Ended {
    let ended = Hnp::run(folder.path(), arguments).await;
    assert!(!format!("{ended:?}").contains(PLANTED), "a secret was printed");
    ended
}

async fn done(folder: &Folder, arguments: &[&str]) -> String {
    let ended = run(folder, arguments).await;
    assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
    ended.out
}

/// A command that must fail, in the form of all errors, and say these words.
async fn refused(folder: &Folder, arguments: &[&str], words: &[&str]) {
    let ended = run(folder, arguments).await;
    assert_eq!(ended.code, Some(1), "{arguments:?}: {ended:?}");
    assert_eq!(ended.err.lines().count(), 1, "{ended:?}");
    let form = ended.err.starts_with("error: ")
        && ended.err.contains("; cause: ")
        && ended.err.contains("; try: ");
    assert!(form, "{}", ended.err);
    for word in words {
        assert!(ended.err.contains(word), "`{word}` in {}", ended.err);
    }
}

/// Changes bytes of a database that nobody uses, as its owner could.
async fn tamper(data: &Path, from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let file = &data.join("hnp.db");
    // All of it in the one file, whatever the log beside it held.
    let store = SqliteStore::open(file.to_str().unwrap()).await.unwrap();
    store.copy_to(&data.join("settled.db")).await.unwrap();
    store.close().await;
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", file.display()));
    }
    std::fs::rename(data.join("settled.db"), file).unwrap();
    let mut bytes = std::fs::read(file).unwrap();
    let at = bytes.windows(from.len()).position(|some| some == from.as_bytes()).unwrap();
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    std::fs::write(file, bytes).unwrap();
}

fn holds(file: &Path, text: &str) -> bool {
    std::fs::read(file).unwrap().windows(text.len()).any(|some| some == text.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_log_is_called_whole_and_a_planted_edit_is_named() {
    let (folder, data) = house().await;
    let said = done(&folder, &["audit", "verify"]).await;
    assert!(said.contains("4 entries") && said.contains("head "), "{said}");
    let report: Value =
        serde_json::from_str(&done(&folder, &["audit", "verify", "--json"]).await).unwrap();
    assert_eq!((&report["whole"], &report["entries"]), (&true.into(), &4.into()));
    assert!(said.contains(report["head"].as_str().unwrap()), "{said} {report}");
    tamper(&data, "evidence-of-sign-in", "evidence-of-signing").await;
    refused(&folder, &["audit", "verify"], &["not whole", "entry 4", "evidence"]).await;
    let ended = run(&folder, &["audit", "verify", "--json"]).await;
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(
        (ended.code, &report["whole"], &report["entry"]),
        (Some(1), &false.into(), &4.into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_on_no_house_says_so_and_makes_none() {
    let folder = Folder::new();
    for command in
        [&["audit", "verify"][..], &["audit", "export"], &["key", "rotate"], &["backup", "b"]]
    {
        refused(&folder, command, &["no database", "--data-dir"]).await;
    }
    assert!(!folder.path().join("data").exists() && !folder.path().join("b").exists());
    let (folder, data) = house().await;
    std::fs::remove_file(data.join("secret.key")).unwrap();
    refused(&folder, &["audit", "verify"], &["key file", "put the key file back"]).await;
    assert!(!data.join("secret.key").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_can_be_checked_elsewhere_and_is_told() {
    let (folder, _) = house().await;
    let lines: Vec<String> =
        done(&folder, &["audit", "export"]).await.lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 4);
    let mut checker = Checker::default();
    for line in &lines {
        let value: Value = serde_json::from_str(line).unwrap();
        // The deed as it stands in the line, to the byte.
        let at = line.find(r#""deed":"#).unwrap() + 7;
        let link = Link {
            seq: value["seq"].as_u64().unwrap(),
            at_ms: value["at_ms"].as_i64().unwrap(),
            text: line[at..line.len() - 1].to_owned(),
            digest: value["digest"].as_str().unwrap().to_owned(),
        };
        checker.check(&link).unwrap();
        assert_eq!(value["at"], "2026-11-18T11:06:40Z");
    }
    for (filter, expected) in [
        (&["--act", "sign-in"][..], 1),
        (&["--act", "fabric-create"], 2),
        (&["--user", "ann"], 4),
        (&["--user", "bob"], 0),
        (&["--act", "audit-export", "--outcome", "done"], 5),
    ] {
        let out = done(&folder, &[&["audit", "export"], filter].concat()).await;
        assert_eq!(out.lines().count(), expected, "{filter:?}: {out}");
    }
    done(&folder, &["audit", "export", "--out", "log.jsonl"]).await;
    let written = std::fs::read_to_string(folder.path().join("log.jsonl")).unwrap();
    assert!(written.lines().count() > 4);
    refused(&folder, &["audit", "export", "--out", "log.jsonl"], &["could not make"]).await;
    done(&folder, &["audit", "verify"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_is_changed_and_everything_opens_with_the_new_one() {
    let (folder, data) = house().await;
    let before = std::fs::read_to_string(data.join("secret.key")).unwrap();
    let listed: Value =
        serde_json::from_str(&done(&folder, &["key", "list", "--json"]).await).unwrap();
    let done_json = done(&folder, &["key", "rotate", "--json"]).await;
    let report: Value = serde_json::from_str(&done_json).unwrap();
    assert_eq!((&report["resealed"], &report["dropped"]), (&1.into(), &listed["keys"]));
    let after = std::fs::read_to_string(data.join("secret.key")).unwrap();
    assert_ne!(before, after);
    assert_eq!(secret(&data).await.unwrap(), PLANTED);
    let said = done(&folder, &["audit", "verify"]).await;
    assert!(said.contains(report["key"].as_str().unwrap()) && said.contains("5 entries"), "{said}");
    let again = done(&folder, &["key", "rotate"]).await;
    assert!(again.contains("1 were sealed anew") && again.contains("backups"), "{again}");
    assert_eq!(secret(&data).await.unwrap(), PLANTED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_made_while_a_house_is_open_and_says_what_it_holds() {
    let (folder, data) = house().await;
    let (store, vault) = opened(&data).await.unwrap();
    let said = done(&folder, &["backup", "b.tar"]).await;
    assert!(said.contains("does not hold its key") && said.contains("is whole"), "{said}");
    let file = folder.path().join("b.tar");
    assert!(!holds(&file, PLANTED) && !holds(&file, "hnp1:"));
    let manifest = done(&folder, &["backup", "k.tar", "--with-key", "--json"]).await;
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!((&manifest["holds_key"], &manifest["schema"]), (&true.into(), &2.into()));
    assert_eq!(manifest["key"], vault.key_id().as_str());
    let with_key = folder.path().join("k.tar");
    assert!(holds(&with_key, "hnp1:") && !holds(&with_key, PLANTED));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&with_key).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
    }
    refused(&folder, &["backup", "b.tar"], &["there already", "another name"]).await;
    refused(&folder, &["backup", "no/where.tar"], &["no/"]).await;
    let names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 3, "nothing is left beside them: {names:?}");
    let links = store.links(4, 100).await.unwrap();
    let told: Vec<Deed> =
        links.iter().map(|link| serde_json::from_str(&link.text).unwrap()).collect();
    assert!(told.iter().all(|deed| deed.act == Act::Backup));
    let evidence: Vec<_> = told.iter().map(|deed| deed.evidence.clone().unwrap()).collect();
    assert!(evidence[0].contains("without its key") && evidence[1].contains("with its key"));
    assert_eq!(evidence.len(), 3, "the one that failed is told too: {evidence:?}");
    store.close().await;
}

/// Restores a backup into an empty place and opens what came of it.
async fn restored(folder: &Folder, backup: &str, to: &str) -> (String, PathBuf) {
    let said = done(folder, &["restore", backup, "--data-dir", to]).await;
    (said, folder.path().join(to))
}

/// Restores a backup over what is there. A database that this process has just closed may be busy for a moment.
async fn replaced(folder: &Folder, backup: &str, to: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let ended = run(folder, &["restore", backup, "--replace", "--data-dir", to]).await;
        let busy = ended.err.contains("another process uses it") && Instant::now() < deadline;
        if !busy {
            assert_eq!(ended.code, Some(0), "{ended:?}");
            return ended.out;
        }
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_with_its_key_comes_back_whole() {
    let (folder, _) = house().await;
    done(&folder, &["backup", "k.tar", "--with-key"]).await;
    let (said, data) = restored(&folder, "k.tar", "elsewhere/data").await;
    assert!(said.contains("open with key") && said.contains("sign in again"), "{said}");
    assert_eq!(secret(&data).await.unwrap(), PLANTED);
    let (store, _) = opened(&data).await.unwrap();
    assert_eq!(store.users().await.unwrap().len(), 1);
    assert!(store.sessions(None).await.unwrap().is_empty(), "everybody signs in again");
    store.close().await;
    let said = done(&folder, &["audit", "verify", "--data-dir", "elsewhere/data"]).await;
    assert!(said.contains("5 entries"), "the restoring is told: {said}");
    refused(
        &folder,
        &["restore", "k.tar", "--data-dir", "elsewhere/data"],
        &["there already", "--replace"],
    )
    .await;
    let said = replaced(&folder, "k.tar", "elsewhere/data").await;
    let aside = said.lines().find_map(|line| line.strip_prefix("what was there is ")).unwrap();
    let aside = folder.path().join(aside.strip_suffix(" now").unwrap());
    let aside = SqliteStore::open(aside.to_str().unwrap()).await.unwrap();
    assert_eq!(aside.users().await.unwrap().len(), 1);
    aside.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_without_its_key_comes_back_but_for_credentials() {
    let (folder, _) = house().await;
    done(&folder, &["backup", "b.tar"]).await;
    let (said, data) = restored(&folder, "b.tar", "new").await;
    assert!(said.contains("\n  prod\n") && said.contains("enter these again"), "{said}");
    let lost = secret(&data).await.unwrap_err();
    assert!(matches!(lost, VaultError::Lost { .. }), "{lost}");
    done(&folder, &["audit", "verify", "--data-dir", "new"]).await;
    let mut server =
        Hnp::start(folder.path(), &["serve", "--data-dir", "new", "--listen", "127.0.0.1:0"]);
    server.address().await;
    server.terminate();
    assert_eq!(server.end().await.code, Some(0), "the restored house serves");
    // With the key file at its place, all of it comes back.
    std::fs::create_dir(folder.path().join("again")).unwrap();
    let key = folder.path().join("data/secret.key");
    std::fs::copy(key, folder.path().join("again/secret.key")).unwrap();
    let (said, data) = restored(&folder, "b.tar", "again").await;
    assert!(said.contains("open with key"), "{said}");
    assert_eq!(secret(&data).await.unwrap(), PLANTED);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_whole_backup_is_refused_and_changes_nothing() {
    let (folder, data) = house().await;
    done(&folder, &["backup", "b.tar"]).await;
    let good = std::fs::read(folder.path().join("b.tar")).unwrap();
    let refusals: [(&str, Vec<u8>, &str); 5] = [
        ("empty.tar", Vec::new(), "is empty"),
        ("rubbish.tar", b"rubbish".repeat(1_000), "no backup"),
        ("cut.tar", good[..good.len() / 2].to_vec(), "damaged"),
        ("head.tar", good[..512].to_vec(), "manifest"),
        (
            "edited.tar",
            {
                let mut edited = good.clone();
                let text = b"evidence-of-sign-in";
                let at = edited.windows(text.len()).position(|some| some == text).unwrap();
                edited[at] = b'E';
                edited
            },
            "damaged",
        ),
    ];
    for (name, bytes, word) in refusals {
        folder.write(name, &bytes);
        refused(&folder, &["restore", name, "--data-dir", "new"], &["nothing was restored", word])
            .await;
        let left: Vec<_> = std::fs::read_dir(folder.path().join("new")).unwrap().collect();
        assert!(left.is_empty(), "{name}: {left:?}");
    }
    refused(&folder, &["restore", "none.tar", "--data-dir", "new"], &["none.tar"]).await;
    // A server's database is not touched under it.
    let (store, _) = opened(&data).await.unwrap();
    refused(&folder, &["restore", "b.tar", "--replace"], &["stop the server"]).await;
    let tell = store.order(Order::Tell, &deed(Act::SignIn, "still"), NOW).await;
    assert!(tell.is_ok(), "{tell:?}");
    store.close().await;
    let opened: Result<_, StoreError> = SqliteStore::open("sqlite://").await;
    assert!(opened.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_whose_log_is_not_whole_is_made_and_restored_only_where_that_is_accepted() {
    let (folder, data) = house().await;
    tamper(&data, "evidence-of-sign-in", "evidence-of-signing").await;
    let said = done(&folder, &["backup", "b.tar"]).await;
    assert!(said.contains("not whole"), "{said}");
    let into = ["restore", "b.tar", "--data-dir", "new"];
    refused(&folder, &into, &["entry 4", "--accept-broken-log"]).await;
    done(&folder, &[&into[..], &["--accept-broken-log"]].concat()).await;
    refused(&folder, &["audit", "verify", "--data-dir", "new"], &["entry 4"]).await;
}
