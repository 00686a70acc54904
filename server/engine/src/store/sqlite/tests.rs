//! The contract over SQLite in memory and in a file, and what only a file can suffer.

mod directory;
mod file;
mod killed;
mod orders;
mod speed;

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::store::contract::{
    CLAUSES,
    model::{any_moment_equals_the_model, steps},
};

#[tokio::test]
async fn sqlite_in_memory_keeps_the_contract() {
    for (name, clause) in CLAUSES {
        println!("{name}");
        clause(Arc::new(SqliteStore::in_memory().await.unwrap())).await;
    }
}

#[tokio::test]
async fn sqlite_in_a_file_keeps_the_contract() {
    for (name, clause) in CLAUSES {
        println!("{name}");
        let (_folder, store) = in_a_file().await;
        clause(Arc::new(store.clone())).await;
        store.close().await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_moment_of_any_history_equals_the_model(steps in steps()) {
        runtime().block_on(async {
            let store = SqliteStore::in_memory().await.unwrap();
            let checkpoint = async |kind: Kind| {
                if let Some(series) = series(&store, kind).await {
                    checkpoint::make(store.clone(), series, Moment::Now).await.unwrap();
                }
            };
            any_moment_equals_the_model(Arc::new(store.clone()), steps, checkpoint).await;
        });
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A store in a file of a folder that is gone when the test is over.
async fn in_a_file() -> (tempfile::TempDir, SqliteStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("hnp.db").to_str().unwrap()).await.unwrap();
    (folder, store)
}

/// The number of a kind of the fabric `prod`, if anything was recorded of it.
async fn series(store: &SqliteStore, kind: Kind) -> Option<i64> {
    sqlx::query_scalar("SELECT s.id FROM series AS s WHERE s.kind = ?")
        .bind(kind.about().name)
        .fetch_optional(&store.readers)
        .await
        .unwrap()
}
