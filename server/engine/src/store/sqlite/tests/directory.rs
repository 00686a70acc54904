//! The directory's contract over SQLite, its bounds, and what only a file can suffer.

use sqlx::QueryBuilder;

use super::*;
use crate::store::{
    contract::{
        BEGAN,
        directory::{CLAUSES, name, new_user, order_at, ordered},
        fabric,
    },
    directory::{Directory, Fabric, MOST_FABRICS, MOST_USERS, Order, OrderError},
};

#[tokio::test]
async fn sqlite_in_memory_keeps_the_contract_of_a_directory() {
    for (name, clause) in CLAUSES {
        println!("{name}");
        clause(Arc::new(SqliteStore::in_memory().await.unwrap())).await;
    }
}

#[tokio::test]
async fn sqlite_in_a_file_keeps_the_contract_of_a_directory() {
    for (name, clause) in CLAUSES {
        println!("{name}");
        let (_folder, store) = in_a_file().await;
        clause(Arc::new(store.clone())).await;
        store.close().await;
    }
}

/// Puts rows into a table that orders would take too long to make.
async fn fill(store: &SqliteStore, begin: &'static str, rows: usize, rest: &str) {
    let numbers: Vec<usize> = (0..rows).collect();
    for chunk in numbers.chunks(500) {
        let mut sql = QueryBuilder::new(begin);
        sql.push_values(chunk, |mut row, n| {
            row.push_bind(format!("filler-{n}"));
            row.push_unseparated(rest);
        });
        sql.build().execute(&store.writer).await.unwrap();
    }
}

#[tokio::test]
async fn there_are_no_more_users_than_may_be() {
    let store = SqliteStore::in_memory().await.unwrap();
    let begin = "INSERT INTO users (name, enabled, created_ms, revision, epoch) ";
    fill(&store, begin, MOST_USERS - 1, ", 1, 0, 0, ''").await;
    let make = |user| Order::CreateUser(new_user(user, domain::access::Rights::default()));
    ordered(&store, make("last")).await;
    let more = order_at(&store, make("more"), BEGAN).await;
    assert!(matches!(more, Err(OrderError::TooMany { most: MOST_USERS, .. })), "{more:?}");
    ordered(&store, Order::DeleteUser(name("last"))).await;
    ordered(&store, make("more")).await;
    assert_eq!(store.users().await.unwrap().len(), MOST_USERS);
}

#[tokio::test]
async fn there_are_no_more_fabrics_than_may_be() {
    let store = SqliteStore::in_memory().await.unwrap();
    let begin =
        "INSERT INTO registered (name, settings, enabled, created_ms, changed_ms, revision) ";
    fill(&store, begin, MOST_FABRICS - 1, ", '{}', 1, 0, 0, 0").await;
    let make = |id: &str| {
        Order::CreateFabric(Fabric {
            id: fabric(id),
            settings: "{}".to_owned(),
            sealed: None,
            enabled: true,
            created_ms: 0,
            changed_ms: 0,
            revision: 0,
        })
    };
    ordered(&store, make("last")).await;
    let more = order_at(&store, make("more"), BEGAN).await;
    assert!(matches!(more, Err(OrderError::TooMany { most: MOST_FABRICS, .. })), "{more:?}");
    ordered(&store, Order::DeleteFabric { id: fabric("last"), expected: None }).await;
    ordered(&store, make("more")).await;
    assert_eq!(Directory::fabrics(&store).await.unwrap().len(), MOST_FABRICS);
}
