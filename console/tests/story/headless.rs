//! The story without the screen: each end of a rollout has its documented exit code.

use super::laboratory::{Laboratory, RequestLoop, eventually};
use std::time::Duration;

#[test]
fn releases_good_and_bad_end_with_the_documented_exit_codes() {
    let laboratory = Laboratory::new();
    laboratory.up();
    assert_eq!(laboratory.release("dev"), "1.5.0");

    // Never ready: the breaker trips, the platform goes back, nobody notices.
    let requests = RequestLoop::start(&laboratory.url("dev"), "/items");
    let ran = laboratory.run(&[
        "deploy",
        "1.6.0",
        "--env",
        "dev",
        "--yes",
        "--timeout",
        "3m",
    ]);
    let (done, failed) = requests.end();
    assert_eq!(ran.code, 3, "{}\n{}", ran.stdout, ran.stderr);
    assert!(done > 50, "the loop ran");
    assert_eq!(failed, 0, "of {done} requests during a failing rollout");
    assert_eq!(laboratory.release("dev"), "1.5.0");

    // Exits at start.
    let ran = laboratory.run(&[
        "deploy",
        "1.5.1",
        "--env",
        "dev",
        "--yes",
        "--timeout",
        "3m",
    ]);
    assert_eq!(ran.code, 3, "{}\n{}", ran.stdout, ran.stderr);

    // Good → 8 % errors → slow → back → back never lands on a bad one.
    laboratory.ok(&[
        "deploy",
        "1.6.1",
        "--env",
        "dev",
        "--yes",
        "--timeout",
        "3m",
    ]);
    assert_eq!(laboratory.release("dev"), "1.6.1");
    // At once: 1.6.1 is live too briefly for its alarm to ring.
    laboratory.ok(&[
        "deploy",
        "1.6.2",
        "--env",
        "dev",
        "--yes",
        "--timeout",
        "3m",
    ]);
    eventually("dev is degraded", Duration::from_secs(90), || {
        laboratory.json(&["envs", "--env", "dev"])[0]["health"] == "degraded"
    });
    laboratory.ok(&[
        "rollback",
        "--env",
        "dev",
        "--yes",
        "--timeout",
        "3m",
        "--reason",
        "slow",
    ]);
    let first = laboratory.release("dev");
    assert!(["1.5.0"].contains(&first.as_str()), "went back to {first}");
    let ran = laboratory.run(&["rollback", "--env", "dev", "--yes", "--timeout", "3m"]);
    let second = laboratory.release("dev");
    assert!(
        !["1.6.1", "1.6.2"].contains(&second.as_str()),
        "went back to {second}: {}",
        ran.stdout
    );

    let history = laboratory.json(&["history", "--env", "dev"]);
    let outcomes: Vec<&str> = history
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|record| record["outcome"]["kind"].as_str())
        .collect();
    assert!(
        outcomes.contains(&"rolled-back") && outcomes.contains(&"done"),
        "{outcomes:?}"
    );
}

#[test]
fn production_takes_its_name_and_yes_is_not_enough() {
    let laboratory = Laboratory::new();
    laboratory.up();
    let before = laboratory.release("prod");
    let ran = laboratory.run(&["deploy", "1.5.0", "--env", "prod", "--yes"]);
    assert_eq!(ran.code, 4, "{}", ran.stdout);
    assert!(ran.stderr.contains("--confirm prod"), "{}", ran.stderr);
    let ran = laboratory.run(&["deploy", "1.5.0", "--env", "prod", "--confirm", "dev"]);
    assert_eq!(ran.code, 4, "{}", ran.stdout);
    assert_eq!(laboratory.release("prod"), before);
    laboratory.ok(&[
        "deploy",
        "1.5.0",
        "--env",
        "prod",
        "--confirm",
        "prod",
        "--timeout",
        "5m",
    ]);
    assert_eq!(laboratory.release("prod"), "1.5.0");
}

#[test]
fn a_rollout_in_flight_is_stopped_and_taken_back() {
    let laboratory = Laboratory::new();
    laboratory.up();
    laboratory.ok(&["deploy", "1.6.0", "--env", "dev", "--yes", "--no-wait"]);
    let ran = laboratory.run(&["deploy", "1.4.1", "--env", "dev", "--yes"]);
    assert_eq!(
        ran.code, 4,
        "a second deploy is refused while the first runs: {}{}",
        ran.stdout, ran.stderr
    );
    laboratory.ok(&["rollback", "--env", "dev", "--yes", "--timeout", "3m"]);
    assert_eq!(laboratory.release("dev"), "1.5.0");
}

#[test]
fn a_name_that_is_not_configured_gets_the_nearest_one() {
    let laboratory = Laboratory::new();
    let ran = laboratory.run(&["status", "--env", "stagin"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("Did you mean staging?"),
        "{}",
        ran.stderr
    );
}

#[test]
fn scaling_restarting_and_stopping_a_task_pass_the_same_executor() {
    let laboratory = Laboratory::new();
    laboratory.up();
    laboratory.ok(&["scale", "3", "--env", "dev", "--yes", "--timeout", "2m"]);
    let status = laboratory.json(&["status", "--env", "dev"]);
    assert_eq!(status["observation"]["service"]["running"], 3);
    let task = status["observation"]["service"]["instances"][0]["id"]
        .as_str()
        .expect("a task")
        .to_owned();
    laboratory.ok(&[
        "stop-task",
        &task,
        "--env",
        "dev",
        "--yes",
        "--timeout",
        "2m",
    ]);
    laboratory.ok(&["restart", "--env", "dev", "--yes", "--timeout", "3m"]);
    laboratory.ok(&[
        "promote",
        "--from",
        "dev",
        "--env",
        "staging",
        "--yes",
        "--timeout",
        "5m",
    ]);
    assert_eq!(laboratory.release("staging"), laboratory.release("dev"));
    let verbs: Vec<String> = laboratory
        .json(&["history"])
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|record| Some(record["verb"].as_str()?.to_owned()))
        .collect();
    assert_eq!(verbs, ["promote", "restart", "stop task", "scale"]);
}

#[test]
fn the_local_cloud_goes_down_without_leaving_a_process() {
    let laboratory = Laboratory::new();
    laboratory.up();
    assert!(
        laboratory.processes().len() > 8,
        "a supervisor and eight tasks run"
    );
    laboratory.ok(&["local", "down"]);
    eventually("no process is left", Duration::from_secs(15), || {
        laboratory.processes().is_empty()
    });
}
