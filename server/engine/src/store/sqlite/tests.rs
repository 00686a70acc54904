//! The contract over SQLite in memory and in a file.

use std::sync::Arc;

use super::*;
use crate::store::contract::CLAUSES;

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
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/hnp.db");
        let store = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
        clause(Arc::new(store.clone())).await;
        store.close().await;
    }
}
