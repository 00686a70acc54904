//! The audit log's seal: what somebody with the database, and without the key, cannot hide.

use domain::audit::{BEGINNING, Broken, digest};
use sqlx::{Connection as _, SqliteConnection};

use super::*;

/// Does something to the database behind the server's back, as its owner could.
async fn tampered(house: &House, sql: &str) {
    let address = format!("sqlite:{}", house.folder.path().join("hnp.db").display());
    let mut connection = SqliteConnection::connect(&address).await.unwrap();
    let free = "DROP TRIGGER IF EXISTS audit_is_never_changed;
        DROP TRIGGER IF EXISTS audit_is_never_cut; DROP TRIGGER IF EXISTS audit_grows_by_one;";
    sqlx::raw_sql(&format!("{free} {sql}")).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn with_entries(n: i64) -> House {
    let house = House::new().await;
    for at in 0..n {
        house.store.order(Order::Tell, &deed(Act::SignIn), NOW + at).await.unwrap();
    }
    house
}

/// What the check says about a log that was tampered with.
async fn broken(house: &House) -> Broken {
    match verify(&house.store, Some(&house.vault)).await {
        Err(VerifyError::Broken(broken)) => broken,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_untouched_log_is_whole_and_an_empty_one_is() {
    let house = with_entries(0).await;
    let empty = verify(&house.store, Some(&house.vault)).await.unwrap();
    assert_eq!((empty.seq, empty.digest.as_str()), (0, BEGINNING));
    let house = with_entries(1_203).await;
    let whole = verify(&house.store, Some(&house.vault)).await.unwrap();
    let last = house.store.links(1_202, 1).await.unwrap();
    assert_eq!((whole.seq, &whole.digest), (1_203, &last[0].digest));
    assert_eq!(verify(&house.store, None).await.unwrap().seq, 1_203);
}

#[tokio::test]
async fn the_database_itself_refuses_to_change_or_cut_the_log() {
    let house = with_entries(3).await;
    let address = format!("sqlite:{}", house.folder.path().join("hnp.db").display());
    let mut connection = SqliteConnection::connect(&address).await.unwrap();
    for sql in [
        "UPDATE audit SET text = '{}' WHERE seq = 2",
        "DELETE FROM audit WHERE seq = 3",
        "DELETE FROM audit",
        "INSERT OR REPLACE INTO audit (seq, at_ms, text, digest) VALUES (2, 0, '{}', '')",
        "INSERT INTO audit (seq, at_ms, text, digest) VALUES (9, 0, '{}', '')",
    ] {
        let refused = sqlx::query(sql).execute(&mut connection).await;
        assert!(refused.unwrap_err().to_string().contains("the audit log"), "{sql}");
    }
    verify(&house.store, Some(&house.vault)).await.unwrap();
}

#[tokio::test]
async fn a_planted_edit_is_found_and_numbered() {
    for (sql, number) in [
        ("UPDATE audit SET text = replace(text, 'house', 'mouse') WHERE seq = 3", 3),
        ("UPDATE audit SET at_ms = at_ms + 1 WHERE seq = 1", 1),
        ("UPDATE audit SET digest = upper(digest) WHERE seq = 5", 5),
    ] {
        let house = with_entries(5).await;
        tampered(&house, sql).await;
        assert_eq!(broken(&house).await, Broken::Changed { seq: number }, "{sql}");
    }
    let house = with_entries(5).await;
    tampered(&house, "DELETE FROM audit WHERE seq = 3").await;
    assert_eq!(broken(&house).await, Broken::Missing { expected: 3, found: 4 });
}

#[tokio::test]
async fn a_cut_end_is_found() {
    let house = with_entries(5).await;
    tampered(&house, "DELETE FROM audit WHERE seq > 3").await;
    assert_eq!(broken(&house).await, Broken::Cut { found: 3, sealed: 5 });
    tampered(&house, "UPDATE seal SET seq = 3").await;
    assert_eq!(broken(&house).await, Broken::Seal { seq: 3 });
    tampered(&house, "DELETE FROM seal").await;
    assert_eq!(broken(&house).await, Broken::Cut { found: 3, sealed: 0 });
    // Cut to nothing, with its seal left.
    let house = with_entries(5).await;
    tampered(&house, "DELETE FROM audit").await;
    assert_eq!(broken(&house).await, Broken::Cut { found: 0, sealed: 5 });
}

#[tokio::test]
async fn a_log_that_was_written_anew_without_the_key_is_found() {
    let house = with_entries(3).await;
    let mut previous = BEGINNING.to_owned();
    for seq in 1..=3 {
        let (at, text) = (NOW + seq, r#"{"act":"sign-in","outcome":"done"}"#);
        previous = digest(&previous, seq.unsigned_abs(), at, text);
        let sql = format!(
            "UPDATE audit SET at_ms = {at}, text = '{text}', digest = '{previous}' WHERE seq = {seq}"
        );
        tampered(&house, &sql).await;
    }
    assert_eq!(broken(&house).await, Broken::Seal { seq: 3 });
    // The same by a program that knows how to append, but not the key.
    let house = with_entries(3).await;
    let path = house.folder.path().join("hnp.db");
    let stranger = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
    stranger.order(Order::Tell, &deed(Act::SignIn), NOW).await.unwrap();
    assert_eq!(broken(&house).await, Broken::Cut { found: 4, sealed: 3 });
    let other = Vault::open(value(&"0b".repeat(32)), None).unwrap();
    let stranger = stranger.sealing(Arc::new(other).sealer());
    stranger.order(Order::Tell, &deed(Act::SignIn), NOW).await.unwrap();
    let verdict = verify(&house.store, Some(&house.vault)).await;
    assert!(matches!(verdict, Err(VerifyError::OtherKey { seq: 5, .. })), "{verdict:?}");
}

#[tokio::test]
async fn a_log_is_whole_while_others_write_to_it() {
    let house = with_entries(10).await;
    let path = house.folder.path().join("hnp.db");
    let (other, vault) = opened(path.parent().unwrap()).await.unwrap();
    let writing = async {
        for at in 0..60 {
            other.order(Order::Tell, &deed(Act::SignIn), NOW + at).await.unwrap();
        }
    };
    let checking = async {
        for _ in 0..20 {
            verify(&house.store, Some(&vault)).await.unwrap();
        }
    };
    tokio::join!(writing, checking);
    assert_eq!(verify(&house.store, Some(&vault)).await.unwrap().seq, 70);
}
