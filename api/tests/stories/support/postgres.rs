//! A real Postgres for tests: the one of `TEST_DATABASE_URL`, or one started from the
//! binaries of this machine, shared by the tests of one process and gone with it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::local_postgres::{LocalPostgres, USER};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

/// Starting from nothing takes a second; a busy machine may need many.
const START_TIME_MAX: Duration = Duration::from_secs(60);

struct Server {
    url: String,
    _here: Option<LocalPostgres>,
}

/// The URL of a new empty database, or nothing where there is no Postgres; in CI that is an
/// error, so that nobody takes a suite that was skipped for one that passed.
pub async fn database_url() -> Option<String> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let server = SERVER.get_or_init(start).as_ref();
    let Some(server) = server else {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI has no Postgres: install one or set TEST_DATABASE_URL"
        );
        eprintln!("skipped: no initdb and postgres on this machine, no TEST_DATABASE_URL");
        return None;
    };
    let deadline = Instant::now() + START_TIME_MAX;
    let mut connection = loop {
        match PgConnection::connect(&server.url).await {
            Ok(connection) => break connection,
            Err(error) if Instant::now() > deadline => panic!("Postgres does not answer: {error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    let name = format!(
        "test_{}_{}",
        std::process::id(),
        NUMBER.fetch_add(1, Ordering::Relaxed)
    );
    connection
        .execute(AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .await
        .expect("a new database");
    let mut url = url::Url::parse(&server.url).expect("a URL");
    url.set_path(&name);
    Some(url.into())
}

fn start() -> Option<Server> {
    if let Ok(url) = std::env::var("TEST_DATABASE_URL") {
        return Some(Server { url, _here: None });
    }
    // On a socket in its folder only.
    let settings = ["listen_addresses=", "max_connections=200"].map(str::to_owned);
    let (here, folder) = LocalPostgres::start(&settings)?;
    let folder = folder.replace('/', "%2F");
    Some(Server {
        url: format!("postgres://{USER}@localhost/postgres?host={folder}"),
        _here: Some(here),
    })
}
