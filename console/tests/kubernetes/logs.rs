//! Followed logs of real containers, and of simulated ones that are fed.

use super::cluster::{Bench, ROLLOUT_TIME, carry_out, deployment};
use opsconsole::{
    logs::{Tail, TailEvent, TailHandle, TailLine, TailOptions, TailStart},
    model::{Action, RunOutcome},
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    io::Write,
    time::{Duration, Instant},
};

async fn next(handle: &mut TailHandle) -> Vec<TailLine> {
    loop {
        let event = tokio::time::timeout(ROLLOUT_TIME, handle.events.recv()).await;
        match event.expect("lines in time").expect("the tail goes on") {
            TailEvent::Lines(lines) => return lines,
            TailEvent::GapOpened { from_ms } => {
                let state = handle.state.borrow();
                panic!("a gap from {from_ms}: {:?}", state.sources)
            }
            _ => {}
        }
    }
}

/// Lines by stream.
#[derive(Default)]
struct Heard(BTreeMap<String, Vec<String>>);

impl Heard {
    fn take(&mut self, lines: Vec<TailLine>) {
        for line in lines {
            let stream = self.0.entry(line.stream.to_string()).or_default();
            let late = if line.late { " (late)" } else { "" };
            stream.push(format!("{}{late}", line.text));
        }
    }

    fn count(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }
}

/// More streams than one connection to the API server bears, where the machine lets a kubelet
/// follow as many: it takes an inotify instance for each, of which Linux usually gives a user 128.
fn pods() -> usize {
    let limit = std::fs::read_to_string("/proc/sys/fs/inotify/max_user_instances");
    let limit = limit
        .ok()
        .and_then(|text| text.trim().parse::<usize>().ok());
    if limit.is_some_and(|limit| limit >= 512) {
        return 200;
    }
    eprintln!("90 pods, not 200: fs.inotify.max_user_instances is below 512");
    90
}

const LINES: usize = 100;

#[tokio::test]
async fn lines_of_many_containers_come_each_once() {
    let Some(bench) = Bench::empty("feed").await else {
        return;
    };
    let Some(fed) = bench.fed_logs() else {
        eprintln!("not run: its nodes are not kwok's, so nobody feeds logs");
        return bench.clear().await;
    };
    let pods = pods();
    bench
        .make(deployment("registry.example/api:1.0.0", pods as u32))
        .await;
    bench.steady("1.0.0").await;
    let began = Instant::now();
    while std::fs::read_dir(&fed).map_or(0, Iterator::count) < pods {
        assert!(began.elapsed() < ROLLOUT_TIME, "the pods have no logs");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let platform = bench.platform().await;
    let mut handle = Tail::start(platform.logs(), TailOptions::from(TailStart::At(0)));
    let writing = tokio::task::spawn_blocking(move || {
        for number in 0..LINES {
            for pod in std::fs::read_dir(&fed).expect("logs").flatten() {
                let path = pod.path().join("api.log");
                let file = std::fs::OpenOptions::new()
                    .append(true)
                    .create(true)
                    .open(path);
                let line = format!("{:.9} stdout F {number}\n", jiff::Timestamp::now());
                file.expect("a log")
                    .write_all(line.as_bytes())
                    .expect("a line");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let mut heard = Heard::default();
    while heard.count() < pods * LINES {
        heard.take(next(&mut handle).await);
    }
    writing.await.expect("all is written");
    let expected: Vec<String> = (0..LINES).map(|number| number.to_string()).collect();
    assert_eq!(heard.0.len(), pods);
    for (stream, lines) in &heard.0 {
        let lines: Vec<&str> = lines
            .iter()
            .map(|line| line.trim_end_matches(" (late)"))
            .collect();
        assert_eq!(lines, expected, "{stream}");
    }
    // On a busy machine a connection may break under its streams; they are opened again.
    let mut state = handle.state.clone();
    let all_are_followed = state.wait_for(|state| {
        let sources = state.sources.as_ref();
        sources.is_some_and(|sources| sources.followed == pods)
    });
    let waited = tokio::time::timeout(ROLLOUT_TIME, all_are_followed).await;
    let sources = || handle.state.borrow().sources.clone();
    assert!(matches!(waited, Ok(Ok(_))), "{:?}", sources());
    bench.clear().await;
}

/// `line=17` of the demo program.
fn number(line: &str) -> Option<u64> {
    line.split_once(" line=")?.1.split(' ').next()?.parse().ok()
}

#[tokio::test]
async fn a_rollout_on_a_real_node_and_a_crash_lose_and_double_no_line() {
    let Some(bench) = Bench::on_a_real_node("real-logs").await else {
        return;
    };
    if !bench.has_image("demo:1").await {
        eprintln!("not run: no node holds demo:1 (a real node with the tool's demo image)");
        return bench.clear().await;
    }
    let mut template = deployment("demo:1", 3);
    template["spec"]["progressDeadlineSeconds"] = json!(60);
    let container = &mut template["spec"]["template"]["spec"]["containers"][0];
    container["args"] = json!(["-version=1", "-log-every=5ms"]);
    container["readinessProbe"] =
        json!({"httpGet": {"path": "/readyz", "port": 8080}, "periodSeconds": 1});
    bench.make(template).await;
    bench.steady("1").await;
    let platform = bench.platform().await;
    let mut handle = Tail::start(platform.logs(), TailOptions::from(TailStart::At(0)));
    let operator = bench.operator("ada").await;
    let mut heard = Heard::default();
    let working = async {
        for _ in 0..2 {
            assert_eq!(
                carry_out(&operator, Action::Restart).await,
                RunOutcome::Done
            );
        }
        // The last pods crash and are started again, twice and more.
        bench
            .somebody_patches(json!({"spec": {"template": {"spec": {"containers": [{
                "name": "api", "args": ["-version=2", "-log-every=5ms", "-crash-after=3s"]
            }]}}}}))
            .await;
        tokio::time::sleep(Duration::from_secs(20)).await;
    };
    let mut working = Box::pin(working);
    loop {
        tokio::select! {
            () = &mut working => break,
            lines = next(&mut handle) => heard.take(lines),
        }
    }
    drop(working);
    let mut ended = 0;
    let mut crashes = 0;
    for (stream, lines) in &heard.0 {
        // Each run counts from one; nothing between may be missing or come twice.
        let mut expected = 1;
        for (at, line) in lines.iter().enumerate() {
            if line.contains(" started on ") {
                expected = 1;
            }
            crashes += usize::from(line.contains("crashing as told"));
            if let Some(number) = number(line) {
                let around = &lines[at.saturating_sub(8)..(at + 8).min(lines.len())];
                assert_eq!(number, expected, "{stream}: {around:#?}");
                expected += 1;
            }
        }
        ended += usize::from(
            lines
                .last()
                .is_some_and(|last| last.contains("stopping on")),
        );
    }
    assert!(ended >= 6, "{ended} pods were followed to their last word");
    assert!(crashes >= 3, "{crashes} crashes were heard");
    assert!(heard.count() > 3_000, "{} lines", heard.count());
    bench.clear().await;
}
