//! Good and bad releases by the console without a screen: exit codes, reasons, the way back.

use super::room::{Ran, Room, eventually};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    process::Stdio,
    time::{Duration, Instant},
};

/// 1.0.0, then 1.1.0, both by helm.
fn with_two_releases(test: &str) -> Option<Room> {
    let room = Room::new(test)?;
    room.upgrade("1.0.0", &[]).ok();
    room.upgrade("1.1.0", &[]).ok();
    room.serves("1.1.0");
    Some(room)
}

/// Lines of the command as they come, with the time since its start; and its exit code.
fn watched(room: &Room, arguments: &[&str]) -> (Vec<(Duration, String)>, i32) {
    let begun = Instant::now();
    let mut child = room
        .console_command(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("the console starts");
    let lines = BufReader::new(child.stdout.take().expect("piped"))
        .lines()
        .map(|line| (begun.elapsed(), line.expect("text")))
        .collect();
    let status = child.wait().expect("it ends");
    (lines, status.code().unwrap_or(-1))
}

fn outcomes(room: &Room) -> Vec<(String, String)> {
    let history = room.told("history");
    let word = |record: &Value, at: &str| {
        let text = record.pointer(at).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    history
        .as_array()
        .expect("a list")
        .iter()
        .map(|record| (word(record, "/verb"), word(record, "/outcome/kind")))
        .collect()
}

fn newest_rollout(room: &Room) -> Value {
    room.told("releases")["rollouts"][0].clone()
}

#[test]
fn a_release_that_is_never_ready_says_why_within_seconds_and_helm_brings_the_one_before_back() {
    let Some(room) = with_two_releases("never") else {
        return;
    };
    let (lines, code) = watched(&room, &["deploy", "never-ready", "--yes"]);
    assert_eq!(code, 8, "{lines:?}");
    let told = lines
        .iter()
        .find(|(_, line)| line.contains("Readiness probe failed"));
    let (after, _) = told.unwrap_or_else(|| panic!("nobody says why: {lines:?}"));
    assert!(*after < Duration::from_secs(15), "only after {after:?}");
    let (_, last) = lines.last().expect("lines");
    assert!(
        last.contains("FAILED and not rolled back") && last.contains("Readiness probe failed"),
        "{last}"
    );
    let row = room.told("envs")[0].clone();
    assert_eq!(row["health"], "degraded", "{row}");
    let sentence = row["assessment"]["sentence"].as_str().unwrap_or_default();
    assert!(
        sentence.starts_with("never-ready failed; 1.1.0 keeps serving"),
        "{sentence}"
    );

    let ran = room.console(&["rollback", "--yes"]).ok();
    assert!(
        ran.stdout.contains("helm rollback shop 2"),
        "{}",
        ran.stdout
    );
    room.serves("1.1.0");
    let now = room.helm_now();
    assert_eq!(
        (now.revision, now.status.as_str(), now.description.as_str()),
        (3, "deployed", "Rollback to 2")
    );
    assert_eq!(room.release(), "1.1.0");
    let newest = newest_rollout(&room);
    assert_eq!(
        (newest["release"].as_str(), newest["outcome"].as_str()),
        (Some("1.1.0"), Some("succeeded")),
        "{newest}"
    );
    let told = outcomes(&room);
    let expected = [("roll back", "done"), ("deploy", "failed")];
    assert_eq!(told, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
}

#[test]
fn a_rollout_in_flight_is_taken_back_and_helm_knows() {
    let Some(room) = with_two_releases("flight") else {
        return;
    };
    room.console(&["deploy", "never-ready", "--yes", "--no-wait"])
        .ok();
    room.console(&["rollback", "--yes"]).ok();
    room.serves("1.1.0");
    assert_eq!(room.helm_now().description, "Rollback to 2");
    eventually("the console sees it settled", || {
        let row = room.told("envs")[0].clone();
        row["release"] == "1.1.0" && row["health"] == "healthy"
    });
}

#[test]
fn a_deploy_that_was_to_go_back_by_itself_does_and_ends_with_3() {
    let Some(room) = with_two_releases("auto") else {
        return;
    };
    let ran = room.console(&["deploy", "never-ready", "--yes", "--rollback-on-failure"]);
    assert_eq!(ran.code, 3, "{}\n{}", ran.stdout, ran.stderr);
    assert!(!ran.stdout.contains("Act now"), "{}", ran.stdout);
    room.serves("1.1.0");
    assert_eq!(room.helm_now().description, "Rollback to 2");
    let told = outcomes(&room);
    assert_eq!(told[0], ("roll back".to_owned(), "done".to_owned()));
    assert_eq!(told[1], ("deploy".to_owned(), "failed".to_owned()));
    // What was good all along is told as such, with the same flag.
    let ran = room.console(&["deploy", "1.2.0", "--yes", "--rollback-on-failure"]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
}

#[test]
fn a_crash_loop_is_told_with_the_last_words_of_the_container_before() {
    let Some(room) = with_two_releases("crash") else {
        return;
    };
    let (lines, code) = watched(&room, &["deploy", "crashes", "--yes"]);
    assert_eq!(code, 8, "{lines:?}");
    let (_, last) = lines.last().expect("lines");
    assert!(
        last.contains("exit code 1") && last.contains("its last lines"),
        "{last}"
    );
    assert!(last.contains("configuration error"), "{last}");
    room.console(&["rollback", "--yes"]).ok();
    room.serves("1.1.0");
}

#[test]
fn another_writer_in_mid_rollout_supersedes_ours() {
    let Some(room) = with_two_releases("second") else {
        return;
    };
    let deploying = room
        .console_command(&["deploy", "never-ready", "--yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the console starts");
    eventually("our rollout has begun", || {
        let deployment = room.objects(&["deployment", "shop-opsconsole-api"]);
        let image = deployment.pointer("/spec/template/spec/containers/0/image");
        image
            .and_then(Value::as_str)
            .is_some_and(|image| image.ends_with(":never-ready"))
    });
    room.upgrade("1.2.0", &[]).ok();
    let ended = deploying.wait_with_output().expect("it ends");
    let ran = Ran {
        code: ended.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&ended.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&ended.stderr).into_owned(),
    };
    assert_eq!(ran.code, 7, "{}\n{}", ran.stdout, ran.stderr);
    assert!(
        ran.stdout.contains("helm changed the pod template") && ran.stdout.contains(":1.2.0"),
        "{}",
        ran.stdout
    );
    room.serves("1.2.0");
}

#[test]
fn a_rollback_by_helm_alone_is_seen_with_its_author_and_its_time() {
    let Some(room) = with_two_releases("outside") else {
        return;
    };
    room.told("envs");
    let before = jiff::Timestamp::now();
    room.helm(&["rollback", "shop", "1", "--wait"]).ok();
    assert_eq!(room.release(), "1.0.0");
    let newest = newest_rollout(&room);
    assert_eq!(newest["release"], "1.0.0", "{newest}");
    assert_eq!(newest["author"]["name"], "helm", "{newest}");
    let at = |key: &str| -> jiff::Timestamp {
        let text = newest[key].as_str();
        text.and_then(|text| text.parse().ok())
            .unwrap_or_else(|| panic!("{key}: {newest}"))
    };
    // The API server's times are whole seconds.
    let started = at("started_at");
    assert!(started.as_second() >= before.as_second(), "{newest}");
    assert!(at("finished_at") >= started, "{newest}");
    assert!(room.told("history").as_array().is_some_and(Vec::is_empty));
}
