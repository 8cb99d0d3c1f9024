//! The supervisor from outside: found, started once, ended, killed.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use opsconsole_local_cloud::client::{Endpoint, LocalCloud, Status};
use opsconsole_local_cloud::settings::DataDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_opsconsole-local-cloud");

/// Ends the cloud of a test, whatever became of the test.
struct Cloud {
    directory: tempfile::TempDir,
}

impl Cloud {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a directory"),
        }
    }

    fn data(&self) -> DataDir {
        DataDir::under(self.directory.path())
    }

    fn client(&self) -> LocalCloud {
        LocalCloud::at(self.data()).with_program(PROGRAM)
    }

    fn up(&self) -> Endpoint {
        self.client().up().unwrap_or_else(|error| panic!("{error}"))
    }

    /// The processes of this cloud's tasks: children of the supervisor.
    fn tasks(&self, supervisor: u32) -> Vec<u32> {
        let output = Command::new("ps")
            .args(["-o", "pid=", "--ppid", &supervisor.to_string()])
            .output()
            .expect("ps");
        String::from_utf8_lossy(&output.stdout)
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .collect()
    }

    fn wait_for_tasks(&self, supervisor: u32, count: usize) -> Vec<u32> {
        until("the tasks run", || {
            let tasks = self.tasks(supervisor);
            (tasks.len() >= count).then_some(tasks)
        })
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let _ = self.client().down();
    }
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn lives(pid: u32) -> bool {
    // A zombie has ended; whoever should wait for it has not got to it yet.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(") ")
        .map(|(_, rest)| rest.starts_with('Z'));
    state == Some(false)
}

fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).expect("a pid");
    kill(Pid::from_raw(pid), signal).expect("signalled");
}

fn nothing_is_left(pids: &[u32]) {
    until("no process is left", || {
        pids.iter().all(|pid| !lives(*pid)).then_some(())
    });
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).expect("there").permissions().mode() & 0o777
}

#[test]
fn two_that_start_at_once_get_one_cloud_which_ends_without_a_trace() {
    let cloud = Cloud::new();
    let endpoints: Vec<Endpoint> = std::thread::scope(|scope| {
        let starters: Vec<_> = (0..4).map(|_| scope.spawn(|| cloud.up())).collect();
        starters
            .into_iter()
            .map(|starter| starter.join().expect("a starter"))
            .collect()
    });
    assert!(
        endpoints.iter().all(|e| *e == endpoints[0]),
        "{endpoints:?}"
    );
    assert_eq!(
        LocalCloud::find(&cloud.data()).as_ref(),
        Some(&endpoints[0])
    );
    let supervisor = endpoints[0].pid;
    let mut processes = cloud.wait_for_tasks(supervisor, 8);
    processes.push(supervisor);

    assert_eq!(mode(cloud.data().path()), 0o700);
    for file in ["state.json", "credentials.json", "supervisor.log"] {
        assert_eq!(mode(&cloud.data().file(file)), 0o600, "{file}");
    }
    assert!(cloud.client().down().expect("down"), "there was one");
    nothing_is_left(&processes);
    assert_eq!(cloud.client().status(), Status::Down);
    assert!(!cloud.data().file("state.json").exists());
    assert!(
        !cloud.client().down().expect("down"),
        "there is none any more"
    );
}

#[test]
fn a_cloud_that_is_killed_leaves_no_task_and_the_next_one_takes_its_place() {
    let cloud = Cloud::new();
    let first = cloud.up();
    let mut processes = cloud.wait_for_tasks(first.pid, 8);
    processes.push(first.pid);
    signal(first.pid, Signal::SIGKILL);
    nothing_is_left(&processes);

    assert!(
        cloud.data().file("state.json").exists(),
        "a state file of a dead cloud"
    );
    // A killed process may hold its lock a moment longer than its first thread lives.
    until("its lock is free", || {
        (cloud.client().status() == Status::Down).then_some(())
    });
    let second = cloud.up();
    assert_ne!(second.pid, first.pid);
    assert_eq!(second.url, first.url, "exported variables stay true");
    assert_eq!(second.access_key_id, first.access_key_id);
    cloud.wait_for_tasks(second.pid, 8);
}

#[test]
fn a_reset_begins_a_new_world_with_a_new_key() {
    let cloud = Cloud::new();
    let first = cloud.up();
    cloud
        .client()
        .reset()
        .unwrap_or_else(|error| panic!("{error}"));
    nothing_is_left(&[first.pid]);
    assert!(!cloud.data().world().exists());
    let second = cloud.up();
    assert_ne!(second.access_key_id, first.access_key_id);
}

#[test]
fn a_second_supervisor_of_the_same_directory_gives_way() {
    let cloud = Cloud::new();
    let first = cloud.up();
    let mut second: Child = Command::new(PROGRAM)
        .args(["supervise", "--foreground", "--data-dir"])
        .arg(cloud.directory.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    let status = until("it ends", || second.try_wait().expect("waited for"));
    assert_eq!(status.code(), Some(3));
    assert!(lives(first.pid));
}

#[test]
fn a_cloud_that_cannot_start_says_why_and_what_to_do() {
    let cloud = Cloud::new();
    std::fs::create_dir_all(cloud.data().world()).expect("made");
    std::fs::write(cloud.data().world().join("ecs.json"), "not json").expect("written");
    let error = cloud.client().up().expect_err("it cannot");
    let text = error.to_string();
    assert!(text.contains("cannot read its kept state"), "{text}");
    assert!(text.contains("supervisor.log"), "{text}");
}
