//! Whether `api/.sqlx` is what Postgres says of our statements on the schema of this release:
//! the compiler has checked them against that folder only.

use std::path::Path;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqlSafeStr};

use super::Database;

/// How a stale folder is mended.
const MEND: &str = "run api/tests/checked-statements.sh and commit api/.sqlx";

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What is kept of each statement, with its text.
fn statements() -> Vec<(String, serde_json::Value)> {
    let files = std::fs::read_dir(folder().join(".sqlx")).expect("the folder is committed");
    files
        .map(|file| {
            let text = std::fs::read(file.expect("readable").path()).expect("readable");
            let mut kept: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
            let sql = kept["query"].as_str().expect("a text").to_owned();
            (sql, kept["describe"].take())
        })
        .collect()
}

#[tokio::test]
async fn every_checked_statement_means_on_our_schema_what_it_was_checked_for() {
    let Some(database) = Database::postgres().await else {
        return;
    };
    database.migrated().await.close().await;
    let mut connection = PgConnection::connect(&database.url).await.expect("there");
    let statements = statements();
    assert!(statements.len() > 20, "only {}", statements.len());
    for (sql, kept) in statements {
        // What the macros themselves ask.
        let found = connection.describe(AssertSqlSafe(sql.as_str()).into_sql_str());
        let found = found.await.unwrap_or_else(|e| panic!("{sql}: {e}; {MEND}"));
        let found = serde_json::to_value(found).expect("JSON");
        assert_eq!(found, kept, "{sql}: {MEND}");
    }
}

#[test]
fn nothing_is_kept_of_statements_that_are_gone() {
    let sources: String = std::fs::read_dir(folder().join("src/storage/postgres"))
        .expect("our sources")
        .map(|file| file.expect("readable").path())
        .filter(|path| path.is_file())
        .map(|path| std::fs::read_to_string(path).expect("a text"))
        .collect();
    // As the compiler joins lines that end with a backslash.
    let sources: String = sources.split("\\\n").map(str::trim_start).collect();
    for (sql, _) in statements() {
        // Long enough to tell statements apart, and before any part that is put in.
        let start: String = sql.chars().take(28).collect();
        assert!(sources.contains(&start), "{sql}: {MEND}");
    }
}
