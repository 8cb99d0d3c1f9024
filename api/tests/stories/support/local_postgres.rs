//! A Postgres from the binaries of this machine, for as long as the test process lives. The
//! console's tests use it, too.

use std::{
    io::{BufRead, BufReader},
    os::unix::fs::MetadataExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

/// Its database administrator, who needs no password.
pub const USER: &str = "tester";

/// Everything lies in a folder of its own. When the test process ends, however it ends, `cat` ends
/// too and takes the server with it.
const SCRIPT: &str = r#"
set -e
programs=$1
shift
dir=$(mktemp -d "${TMPDIR:-/tmp}/opsconsole-pg.XXXXXX")
trap 'rm -rf "$dir"' EXIT
"$programs/initdb" -D "$dir/data" -U tester --auth=trust --no-sync -E UTF8 >"$dir/initdb.log" 2>&1
echo 'host all all all trust' >>"$dir/data/pg_hba.conf"
"$programs/postgres" -D "$dir/data" -k "$dir" -c fsync=off "$@" >"$dir/server.log" 2>&1 </dev/null &
server=$!
echo "$dir"
cat >/dev/null
kill -INT $server
wait $server
"#;

/// A server that is starting or running.
pub struct LocalPostgres {
    /// Its standard input is what holds the server.
    _child: Child,
}

impl LocalPostgres {
    /// Starts one with settings (`name=value`) of its own, and tells the folder of its socket; `None`
    /// where this machine has no Postgres.
    pub fn start(settings: &[String]) -> Option<(Self, String)> {
        let programs = programs()?;
        let mut command = shell();
        command.args(["-c", SCRIPT, "sh"]).arg(programs);
        for setting in settings {
            command.args(["-c", setting]);
        }
        let mut child = command
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
        let folder = folder.trim().to_owned();
        assert!(!folder.is_empty(), "initdb failed");
        Some((Self { _child: child }, folder))
    }
}

/// The folder with `initdb` and `postgres`: on the path, or where Debian puts them.
fn programs() -> Option<PathBuf> {
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

/// A shell; not root's, whom Postgres refuses, but that of `postgres` or `nobody`.
fn shell() -> Command {
    let Some((user, group)) = another_user() else {
        return Command::new("sh");
    };
    let mut command = Command::new("setpriv");
    command
        .arg(format!("--reuid={user}"))
        .arg(format!("--regid={group}"))
        .args(["--clear-groups", "sh"]);
    command
}

fn another_user() -> Option<(u32, u32)> {
    if std::fs::metadata("/proc/self").ok()?.uid() != 0 {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    ["postgres:", "nobody:"].iter().find_map(|name| {
        let line = users.lines().find(|line| line.starts_with(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}
