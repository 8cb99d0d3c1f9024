//! What goes wrong around the console: each fault has its message, and nothing is lost.

use super::laboratory::{Laboratory, eventually};
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
