//! One connection at a time, so that each story sees what the one before it has left.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Error, Executor, PgConnection, query, query_scalar};
use tokio::time::timeout;

use super::Connections;
use crate::storage::conformance::server;

const SOON: Duration = Duration::from_millis(50);

/// As many connections to a database of their own; nothing on a machine without Postgres.
async fn connections(max: u32) -> Option<(Connections, String)> {
    let url = server::database_url().await?;
    let options = PgConnectOptions::from_str(&url).expect("a URL of ours");
    let connections = Connections::new(options, max).expect("valid");
    connections
        .execute("CREATE TABLE parcels (name text)")
        .await
        .expect("a table");
    Some((connections, url))
}

async fn backend(connections: &Connections) -> Result<i32, Error> {
    query_scalar("SELECT pg_backend_pid()")
        .fetch_one(connections)
        .await
}

async fn parcels(connections: &Connections) -> i64 {
    let count = query_scalar("SELECT count(*) FROM parcels");
    count.fetch_one(connections).await.expect("an answer")
}

#[tokio::test]
async fn what_is_not_committed_is_rolled_back_and_its_connection_used_again() {
    let Some((connections, _)) = connections(1).await else {
        return;
    };
    let before = backend(&connections).await.expect("an answer");
    for is_committed in [false, true] {
        let mut transaction = connections.begin().await.expect("begun");
        query("INSERT INTO parcels VALUES ('a')")
            .execute(&mut *transaction)
            .await
            .expect("inserted");
        if is_committed {
            transaction.commit().await.expect("committed");
        } else {
            drop(transaction);
        }
        assert_eq!(parcels(&connections).await, i64::from(is_committed));
    }
    assert_eq!(backend(&connections).await.expect("an answer"), before);
}

#[tokio::test]
async fn a_statement_that_was_refused_leaves_no_transaction_behind() {
    let Some((connections, _)) = connections(1).await else {
        return;
    };
    let mut transaction = connections.begin().await.expect("begun");
    let refused = transaction.execute("SELECT 1 / 0").await;
    assert!(matches!(refused, Err(Error::Database(_))), "{refused:?}");
    drop(transaction);
    assert_eq!(parcels(&connections).await, 0);
}

#[tokio::test]
async fn the_answer_to_a_statement_that_was_given_up_goes_to_nobody_else() {
    let Some((connections, _)) = connections(1).await else {
        return;
    };
    for _ in 0..3 {
        let slow = query_scalar::<_, i32>("SELECT 7 FROM pg_sleep(0.3)").fetch_one(&connections);
        timeout(SOON, slow).await.expect_err("it takes longer");
        let next = query_scalar::<_, i32>("SELECT 8").fetch_one(&connections);
        assert_eq!(next.await.expect("an answer"), 8);
    }
}

#[tokio::test]
async fn a_connection_that_the_server_ended_is_replaced_after_one_failure() {
    let Some((connections, url)) = connections(1).await else {
        return;
    };
    let ended = backend(&connections).await.expect("an answer");
    let mut other = PgConnection::connect(&url).await.expect("a connection");
    query("SELECT pg_terminate_backend($1, 5000)")
        .bind(ended)
        .execute(&mut other)
        .await
        .expect("ended");
    backend(&connections).await.expect_err("nobody is there");
    let next = backend(&connections).await.expect("a new connection");
    assert_ne!(next, ended);
}

#[tokio::test]
async fn who_waits_gets_a_connection_when_one_is_given_back() {
    let Some((connections, _)) = connections(1).await else {
        return;
    };
    let lease = connections.acquire().await.expect("free");
    assert_eq!((connections.usage().used, connections.usage().idle), (1, 0));
    let mut waiting = Box::pin(connections.acquire());
    assert!(futures::poll!(&mut waiting).is_pending());
    lease.finish();
    waiting.await.expect("given back").finish();
    assert_eq!((connections.usage().used, connections.usage().idle), (0, 1));
    connections.close();
    let refused = connections.acquire().await.err();
    assert!(matches!(refused, Some(Error::PoolClosed)), "{refused:?}");
}
