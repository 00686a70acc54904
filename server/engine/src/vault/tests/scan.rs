//! After a whole scenario, no planted secret is in any file of the database or of a copy of it.

use domain::access::{Rights, Role};

use super::*;
use crate::store::{
    Store as _,
    contract::directory::{digest, name, new_user, session, token},
};

/// Secrets that are given to the vault, with what each is of.
const PLANTED: [(&str, &str); 3] = [
    ("prod", "planted-kubeconfig-client-key-data-4711"),
    ("lab", "planted-bearer-token-eyJhbGciOiJSUzI1NiJ9"),
    ("old", "planted-password-of-a-fabric-that-was-removed"),
];
/// Keys of a session and of a token; what is kept of them are digests.
const SESSION: &str = "planted-session-key-0815";
const TOKEN: &str = "hnp_planted_api_token_0816";

/// Names of files in a folder that hold any of the texts, as they are or as hexadecimal digits.
fn holding(folder: &Path, texts: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        for text in texts {
            let forms = [text.clone().into_bytes(), domain::hex::hex(text.as_bytes()).into_bytes()];
            for form in forms {
                if bytes.windows(form.len()).any(|window| window == form) {
                    found.push(format!("{}: {text}", path.display()));
                }
            }
        }
    }
    found
}

async fn scenario(house: &House) {
    let told = async |order| house.store.order(order, &deed(Act::Request), NOW).await.unwrap();
    told(Order::CreateUser(new_user("root", Rights::everywhere(Role::Admin)))).await;
    assert!(house.store.save_session(&session(SESSION, "root", NOW)).await.unwrap());
    told(Order::CreateToken(token(TOKEN, "root", NOW))).await;
    for (id, secret) in PLANTED {
        house.keep(id, secret).await;
    }
    let sealed = Some(Some(house.vault.seal("fabric/lab", PLANTED[1].1.as_bytes()).unwrap()));
    let id = "lab".parse().unwrap();
    told(Order::ChangeFabric { id, settings: None, sealed, enabled: None, expected: None }).await;
    told(Order::DeleteFabric { id: "old".parse().unwrap(), expected: None }).await;
    rotate(&house.vault, &house.store, &deed(Act::KeyRotate), NOW).await.unwrap();
    house.store.end_session(&digest(SESSION)).await.unwrap();
    house.store.tell(&name("root"), NOW, &|n| n.to_string()).await.unwrap();
}

#[tokio::test]
async fn no_planted_secret_is_in_the_database_its_log_or_a_copy() {
    let house = House::new().await;
    let mut texts: Vec<String> = PLANTED.iter().map(|(_, secret)| (*secret).to_owned()).collect();
    texts.extend([SESSION.to_owned(), TOKEN.to_owned()]);
    let old = house.vault.ring().newest().to_hex();
    scenario(&house).await;
    let new = house.vault.ring().newest().to_hex();
    texts.push(old.to_string());
    house.store.copy_to(&house.folder.path().join("copy.db")).await.unwrap();
    let files = std::fs::read_dir(house.folder.path()).unwrap().count();
    assert!(files >= 4, "the database, its log, its copy and the key: {files}");
    let wal = std::fs::metadata(house.folder.path().join("hnp.db-wal")).unwrap();
    assert!(wal.len() > 10_000, "what was written lies in the log still");
    assert_eq!(holding(house.folder.path(), &texts), [""; 0]);
    // The present key is in its file and nowhere else.
    let key = holding(house.folder.path(), &[new.to_string()]);
    assert_eq!(key, [format!("{}: {}", house.key().display(), *new)]);
    house.store.close().await;
    assert_eq!(holding(house.folder.path(), &texts), [""; 0]);
    // What the scan would say if there were one.
    std::fs::write(house.folder.path().join("leak"), format!("x{TOKEN}x")).unwrap();
    assert_eq!(holding(house.folder.path(), &texts).len(), 1);
}
