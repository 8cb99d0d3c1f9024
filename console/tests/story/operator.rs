//! The story on the screen, key by key.

use super::{
    laboratory::{Laboratory, eventually},
    pty::{CTRL_C, ENTER, Screen},
    running::Running,
};
use std::{
    fs::File,
    process::Stdio,
    time::{Duration, Instant},
};

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
    // ECS says "rolled back because" when it begins to; the verdict comes when it is over.
    screen.wait_for("1.6.0 failed in dev; 1.5.0 serves again", ROLLOUT);
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
    screen.wait_for("1.6.1 is live in dev", ROLLOUT);
    assert_eq!(laboratory.release("dev"), "1.6.1");
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

    // Again, in a small terminal.
    let mut screen = Screen::open(&laboratory, 80, 24);
    screen.wait_for("staging", SOON);
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
}

#[test]
fn a_key_shows_when_it_is_pressed_not_at_the_next_second() {
    let laboratory = Laboratory::new();
    let mut screen = Screen::open(&laboratory, 120, 36);
    screen.wait_for("prod", ROLLOUT);
    let mut times: Vec<Duration> = (0..15)
        .map(|number| {
            // Between two keys a look at the clock, too.
            std::thread::sleep(Duration::from_millis(130));
            let key = if number % 2 == 0 { "j" } else { "k" };
            let marked = |text: &str| {
                text.lines()
                    .find(|line| line.contains('▸'))
                    .map(str::to_owned)
            };
            let before = marked(&screen.text());
            let begun = Instant::now();
            screen.type_keys(key);
            screen.wait_until("another row is chosen", SOON, |text| marked(text) != before);
            begun.elapsed()
        })
        .collect();
    times.sort();
    let median = times[times.len() / 2];
    assert!(median < Duration::from_millis(300), "{times:?}");
}

#[test]
fn a_console_whose_terminal_is_gone_ends_without_a_crash() {
    let laboratory = Laboratory::new();
    let (shown, code) = (
        laboratory.data_dir().join("shown"),
        laboratory.data_dir().join("code"),
    );
    // `script` holds the terminal; its shell outlives that, to tell how the console ended.
    let shell = format!(
        "stty rows 36 columns 120; trap '' HUP; '{}'; echo $? >'{}'",
        env!("CARGO_BIN_EXE_opsconsole"),
        code.display()
    );
    let mut script = laboratory.around("script");
    script
        .args(["--quiet", "--flush", "--command", &shell, "/dev/null"])
        .env("TERM", "xterm-256color")
        .stdin(Stdio::piped())
        .stdout(File::create(&shown).expect("a file"));
    let terminal = Running(script.spawn().expect("script, of util-linux"));
    eventually("the console shows its environments", ROLLOUT, || {
        std::fs::read_to_string(&shown).is_ok_and(|text| text.contains("staging"))
    });
    drop(terminal);
    let mut ended_with = String::new();
    eventually("the console has ended", SOON, || {
        ended_with = std::fs::read_to_string(&code).unwrap_or_default();
        !ended_with.is_empty()
    });
    // By SIGHUP, by a failed write, or by who watches the terminal: never by a panic (101, 134).
    assert!(
        ["0", "1", "129"].contains(&ended_with.trim()),
        "{ended_with}"
    );
}

#[test]
fn a_reader_that_has_read_enough_ends_a_command_without_a_crash() {
    let laboratory = Laboratory::new();
    for command in ["doctor", "history", "envs", "completions bash", "--help"] {
        let line = format!(
            "'{}' {command} | :; echo ${{PIPESTATUS[0]}}",
            env!("CARGO_BIN_EXE_opsconsole")
        );
        let mut bash = laboratory.around("bash");
        let ran = bash.args(["-c", &line]).output().expect("bash");
        let (code, said) = (
            String::from_utf8_lossy(&ran.stdout),
            String::from_utf8_lossy(&ran.stderr),
        );
        // All was written before the reader went, or not.
        assert!(["0", "141"].contains(&code.trim()), "{command}: {code}");
        assert!(!said.contains("panicked"), "{command}: {said}");
    }
}
