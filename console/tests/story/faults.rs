//! What goes wrong around the console: each fault has its message, and nothing is lost.

use super::{
    door::Door,
    laboratory::{Laboratory, eventually},
    pty::{CTRL_C, Screen},
};
use serde_json::json;
use std::{fs, time::Duration};

#[test]
fn a_mistake_in_the_configuration_is_named_with_its_line_and_the_nearest_right_word() {
    let laboratory = Laboratory::new();
    let file = laboratory.data_dir().join("bad.toml");
    for (line, wrong, nearest) in [
        (2, "clustr = \"a\"\nguard = \"confirm\"", "cluster"),
        (3, "cluster = \"a\"\nguard = \"typ-name\"", "type-name"),
    ] {
        let text =
            format!("[environment.dev]\n{wrong}\nservice = \"api\"\nregion = \"us-east-1\"\n");
        fs::write(&file, text).expect("written");
        let ran = laboratory.run(&["config", "check", "--config", file.to_str().expect("UTF-8")]);
        assert_eq!(ran.code, 2);
        for part in [&format!("bad.toml:{line}"), nearest] {
            assert!(
                ran.stderr.contains(part),
                "{part} is missing in: {}",
                ran.stderr
            );
        }
    }
}

#[test]
fn a_release_that_does_not_exist_is_refused_before_anything_is_sent() {
    let laboratory = Laboratory::new();
    laboratory.up();
    let ran = laboratory.run(&["deploy", "9.9.9", "--env", "dev", "--yes"]);
    assert!([2, 4].contains(&ran.code), "{} {}", ran.code, ran.stderr);
    assert!(ran.stderr.contains("9.9.9"), "{}", ran.stderr);
    assert_eq!(
        laboratory.json(&["history"]).as_array().map(Vec::len),
        Some(0)
    );
}

#[test]
fn a_killed_supervisor_leaves_no_task_and_the_next_command_starts_anew() {
    let laboratory = Laboratory::new();
    laboratory.up();
    let status = laboratory.json(&["local", "status"]);
    let pid = status["pid"].as_u64().expect("a pid");
    std::process::Command::new("kill")
        .args(["-9", &pid.to_string()])
        .status()
        .expect("kill");
    eventually("no task outlives it", Duration::from_secs(15), || {
        laboratory.processes().is_empty()
    });
    laboratory.up();
    assert_eq!(laboratory.release("dev"), "1.5.0");
}

#[test]
fn what_the_control_plane_does_wrong_is_told_and_passes() {
    let laboratory = Laboratory::new();
    laboratory.up();
    let door = Door::of(&laboratory);

    // A client lives through these by itself.
    for fault in [
        json!({ "kind": "throttle", "service": "ecs", "count": 3 }),
        json!({ "kind": "latency", "service": "ecs", "value": 1500, "count": 4 }),
        json!({ "kind": "empty-pages", "service": "logs", "count": 3 }),
    ] {
        door.inject(fault.clone());
        laboratory.ok(&["status", "--env", "dev"]);
        let lines = laboratory.ok(&["logs", "--env", "dev", "--since", "10m"]);
        assert!(lines.stdout.lines().count() > 0, "{fault}");
        door.mend();
    }

    // These it tells, with what to do, and as the code for "unreachable or credentials".
    for (fault, told) in [
        (json!({ "kind": "expired-credentials" }), "expired"),
        (json!({ "kind": "deny", "service": "ecs" }), "ecs:"),
        (json!({ "kind": "blackout" }), "127.0.0.1"),
    ] {
        door.inject(fault.clone());
        let ran = laboratory.run(&["status", "--env", "dev"]);
        assert_eq!(ran.code, 5, "{fault}: {}\n{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(told), "{fault}: {}", ran.stderr);
        if fault["kind"] == "blackout" {
            continue;
        }
        door.mend();
        laboratory.ok(&["status", "--env", "dev"]);
    }
}

#[test]
fn credentials_that_expire_under_the_screen_are_told_and_taken_up_again() {
    let laboratory = Laboratory::new();
    laboratory.up();
    let door = Door::of(&laboratory);
    let mut screen = Screen::open(&laboratory, 120, 36);
    let live = |text: &str| text.matches("healthy").count() >= 3 && !text.contains("! credentials");
    let limit = Duration::from_secs(60);
    screen.wait_until("three live environments", limit, live);
    door.inject(json!({ "kind": "expired-credentials" }));
    screen.wait_for("! credentials", limit);
    door.mend();
    screen.wait_until("live again without a restart", limit, live);
    door.inject(json!({ "kind": "throttle", "percent": 60 }));
    screen.type_keys("?");
    screen.wait_for("Keys and commands", Duration::from_secs(5));
    door.mend();
    screen.type_keys(CTRL_C);
    assert_eq!(screen.wait_for_end(Duration::from_secs(20)), 0);
}

#[test]
fn a_second_writer_in_the_middle_is_never_told_as_our_success() {
    let laboratory = Laboratory::new();
    laboratory.up();
    let door = Door::of(&laboratory);
    door.inject(json!({
        "kind": "second-writer", "service": "ecs", "operation": "RegisterTaskDefinition",
        "count": 1,
        "value": { "cluster": "dev", "service": "api", "forceNewDeployment": true },
    }));
    let ran = laboratory.run(&[
        "deploy",
        "1.4.1",
        "--env",
        "dev",
        "--yes",
        "--timeout",
        "3m",
    ]);
    assert!([4, 7].contains(&ran.code), "{} {}", ran.code, ran.stderr);
    let calls = door.mutations();
    assert!(
        !calls.contains(&"ecs:UpdateService".to_owned()),
        "{calls:?}"
    );
    assert_eq!(laboratory.release("dev"), "1.5.0");
}

#[test]
fn a_full_disk_refuses_the_change_before_anything_is_sent() {
    let laboratory = Laboratory::new();
    laboratory.up();
    let door = Door::of(&laboratory);
    door.forget();
    let program = env!("CARGO_BIN_EXE_opsconsole");
    // No file may grow: what a full disk does to a write, without needing a disk to fill.
    let output = std::process::Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 0; exec \"$@\"",
            "sh",
            program,
        ])
        .args(["deploy", "1.4.1", "--env", "dev", "--yes"])
        .env("OPSCONSOLE_DATA_DIR", laboratory.data_dir())
        .env("OPSCONSOLE_CONFIG", "")
        .output()
        .expect("the console starts");
    assert_ne!(output.status.code(), Some(0));
    assert_eq!(door.mutations(), Vec::<String>::new());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("disk"), "{said}");
    laboratory.ok(&["status", "--env", "dev"]);
}

#[test]
fn escape_sequences_in_a_log_line_never_reach_the_terminal() {
    let laboratory = Laboratory::new();
    laboratory.up();
    let door = Door::of(&laboratory);
    let line = laboratory.json(&["logs", "--env", "dev", "--tail", "1"]);
    let stream = line["stream"].as_str().expect("a stream");
    let long = "x".repeat(200_000);
    door.put_log_event(
        "/ecs/dev/api",
        stream,
        &format!("\u{1b}]0;owned\u{7}needle\u{1b}[2J {long}"),
    );
    eventually("the line is there", Duration::from_secs(30), || {
        let ran = laboratory.ok(&[
            "logs",
            "--env",
            "dev",
            "--since",
            "1m",
            "--include",
            "needle",
        ]);
        assert!(
            !ran.stdout.contains('\u{1b}'),
            "an escape sequence came through"
        );
        ran.stdout.contains("needle")
    });
}
