//! A real Postgres for tests: the one of `TEST_DATABASE_URL`, or one started from the
//! binaries of this machine, shared by the tests of one process and gone with it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

/// Starting from nothing takes a second; a busy machine may need many.
const START_TIME_MAX: Duration = Duration::from_secs(60);

/// Postgres lives in a folder of its own and listens on a socket there only. When the test
/// process ends, however it ends, `cat` ends too and takes the server with it.
const SCRIPT: &str = r#"
set -e
dir=$(mktemp -d "${TMPDIR:-/tmp}/opsconsole-pg.XXXXXX")
trap 'rm -rf "$dir"' EXIT
"$1/initdb" -D "$dir/data" -U tester --auth=trust --no-sync -E UTF8 >"$dir/initdb.log" 2>&1
"$1/postgres" -D "$dir/data" -k "$dir" -c listen_addresses= -c fsync=off -c max_connections=200 \
    >"$dir/server.log" 2>&1 </dev/null &
server=$!
echo "$dir"
cat >/dev/null
kill -INT $server
wait $server
"#;

struct Server {
    url: String,
    /// Its standard input is what holds the server.
    _child: Option<Child>,
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
        return Some(Server { url, _child: None });
    }
    let binaries = binaries()?;
    let mut command = match non_root_user() {
        None => Command::new("sh"),
        Some((user, group)) => {
            let mut command = Command::new("setpriv");
            command
                .arg(format!("--reuid={user}"))
                .arg(format!("--regid={group}"))
                .args(["--clear-groups", "sh"]);
            command
        }
    };
    let mut child = command
        .args(["-c", SCRIPT, "sh"])
        .arg(binaries)
        .current_dir("/")
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut folder = String::new();
    let stdout = child.stdout.take().expect("standard output is piped");
    BufReader::new(stdout)
        .read_line(&mut folder)
        .expect("readable");
    let folder = folder.trim();
    assert!(!folder.is_empty(), "initdb failed");
    let encoded = folder.replace('/', "%2F");
    Some(Server {
        url: format!("postgres://tester@localhost/postgres?host={encoded}"),
        _child: Some(child),
    })
}

/// The folder with `initdb` and `postgres`: on the path, or where Debian puts them.
fn binaries() -> Option<PathBuf> {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"));
    std::env::split_paths(&on_path)
        .chain(versions)
        .find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
}

/// Postgres refuses to run as root; then it runs as `postgres` or `nobody`.
fn non_root_user() -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt;
    let own = std::fs::metadata(Path::new("/proc/self")).ok()?.uid();
    if own != 0 {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    ["postgres:", "nobody:"].iter().find_map(|name| {
        let line = users.lines().find(|line| line.starts_with(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}
