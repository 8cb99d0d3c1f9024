//! The story on the screen, key by key.

use super::{
    laboratory::{Laboratory, eventually},
    pty::{CTRL_C, ENTER, Screen},
};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);
const ROLLOUT: Duration = Duration::from_secs(120);

#[test]
fn from_a_fresh_clone_to_a_rollback_of_a_real_service() {
    let laboratory = Laboratory::new();
    let mut screen = Screen::open(&laboratory, 120, 36);
    screen.wait_for("opsconsole", SOON);
    screen.wait_until("three live environments", ROLLOUT, |text| {
        ["dev", "staging", "prod"]
            .iter()
            .all(|name| text.contains(name))
            && text.matches("healthy").count() >= 3
    });

    // The logs of dev: real lines, and a search.
    screen.type_keys(ENTER);
    screen.wait_for("1.5.0", SOON);
    screen.type_keys("l");
    screen.wait_for("request", SOON);
    screen.type_keys("/items");
    screen.type_keys(ENTER);
    screen.wait_until("matches are counted", SOON, |text| {
        text.contains(" matches") || text.contains(" of ")
    });

    // The release that never becomes ready.
    screen.back_to("LAST DEPLOY", SOON);
    screen.type_keys("D");
    screen.wait_for("1.6.0", SOON);
    screen.type_keys("1.6.0");
    screen.type_keys(ENTER);
    screen.wait_for("the operator's choice", SOON);
    screen.type_keys("\t");
    screen.type_keys(ENTER);
    screen.wait_until("the outcome is told", ROLLOUT, |text| {
        text.contains("rolled back")
    });
    screen.back_to("LAST DEPLOY", SOON);
    screen.type_keys("H");
    screen.wait_for("rolled back", SOON);
    assert_eq!(laboratory.release("dev"), "1.5.0");

    // The release with 8 % errors goes out; the rollback does not land on a bad one.
    screen.back_to("LAST DEPLOY", SOON);
    screen.type_keys("D");
    screen.wait_for("1.6.1", SOON);
    screen.type_keys("1.6.1");
    screen.type_keys(ENTER);
    screen.wait_for("the operator's choice", SOON);
    screen.type_keys("\t");
    screen.type_keys(ENTER);
    screen.wait_until("it went out", ROLLOUT, |_| {
        laboratory.release("dev") == "1.6.1"
    });
    screen.back_to("LAST DEPLOY", SOON);
    screen.wait_until("the row says what is wrong", ROLLOUT, |text| {
        text.contains("5xx")
    });
    screen.type_keys("R");
    screen.wait_for("Cancel", SOON);
    screen.wait_for("known-good", SOON);
    screen.type_keys("\t");
    screen.type_keys(ENTER);
    eventually("dev is back on 1.5.0", ROLLOUT, || {
        laboratory.release("dev") == "1.5.0"
    });
    screen.back_to("LAST DEPLOY", SOON);

    // What it costs, with the prices' dates.
    screen.type_keys("$");
    screen.wait_until("cost with dates", SOON, |text| {
        text.contains("vCPU") && text.contains("202")
    });
    screen.type_keys(CTRL_C);
    assert_eq!(screen.wait_for_end(SOON), 0);
    assert!(!screen.is_full_screen(), "the terminal is given back");

    // Again: the cached state first, then live.
    let mut screen = Screen::open(&laboratory, 80, 24);
    screen.wait_for("staging", Duration::from_secs(3));
    screen.wait_until("live again", SOON, |text| {
        text.matches("healthy").count() >= 2
    });
    screen.type_keys(CTRL_C);
    assert_eq!(screen.wait_for_end(SOON), 0);
}

#[test]
fn a_tiny_terminal_says_so_and_grows_back() {
    let laboratory = Laboratory::new();
    let mut screen = Screen::open(&laboratory, 120, 36);
    screen.wait_for("staging", ROLLOUT);
    screen.resize(20, 5);
    screen.wait_for("small", SOON);
    screen.resize(200, 60);
    screen.wait_for("staging", SOON);
    screen.type_keys("?");
    screen.wait_for("Keys and commands", SOON);
    screen.type_keys(CTRL_C);
    assert_eq!(screen.wait_for_end(SOON), 0);
}

#[test]
fn sigterm_gives_the_terminal_back() {
    let laboratory = Laboratory::new();
    let mut screen = Screen::open(&laboratory, 120, 36);
    screen.wait_for("staging", ROLLOUT);
    let pid = screen.pid().expect("it runs");
    std::process::Command::new("kill")
        .arg(pid.to_string())
        .status()
        .expect("kill");
    screen.wait_for_end(SOON);
    eventually("the alternate screen is left", SOON, || {
        !screen.is_full_screen()
    });
}
