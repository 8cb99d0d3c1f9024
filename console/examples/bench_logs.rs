//! Measures the log room: `cargo run --release --example bench_logs`. Every figure is printed with
//! the machine and the date; `docs/` records them.

use opsconsole::logs::{
    Filter, LogStore, LogView, Pattern, TailLine, WorkBudget, line::parse_level, merge::Reorder,
};
use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

/// Lines in every run.
const LINES: usize = 1_000_000;
/// As much as a console holds by default, in bytes.
const BUDGET_BYTES: usize = 256 * 1024 * 1024;
/// One frame at 60 a second is 16 ms; the screen gives the logs a quarter of it.
const SLICE: Duration = Duration::from_millis(4);

fn main() {
    println!(
        "{} · {}",
        machine(),
        jiff::Timestamp::now().strftime("%Y-%m-%d")
    );
    if cfg!(debug_assertions) {
        println!("(a debug build: the figures say nothing; use --release)");
    }
    let lines = lines();
    println!(
        "parse level     {}",
        rate(LINES, || {
            for line in &lines {
                black_box(parse_level(&line.text));
            }
        })
    );
    println!("merge by time   {}", rate(LINES, || merge(&lines)));
    let mut store = LogStore::new(BUDGET_BYTES);
    println!(
        "ingest          {}",
        rate(LINES, || {
            for line in &lines {
                store.push(line);
            }
        })
    );
    let payload = store.text_bytes();
    println!(
        "memory          {:.1} bytes a line over {:.0} bytes of text",
        (store.bytes() - payload) as f64 / store.len() as f64,
        payload as f64 / store.len() as f64,
    );
    for (name, filter) in [
        ("filter, level", "level>=error"),
        ("filter, text", "timeout"),
        (
            "filter, regex",
            r"(status=5\d\d.*ms=1\d{3}|upstream .* timeout)",
        ),
        ("filter, exclude", "!livez"),
        ("filter, field", "status=503"),
    ] {
        let filter: Filter = match filter.parse() {
            Ok(filter) => filter,
            Err(error) => panic!("{error}"),
        };
        let mut view = LogView::new();
        view.set_filter(filter);
        println!(
            "{name:<16}{}, {} shown",
            work(&store, &mut view),
            view.len(&store)
        );
    }
    let mut view = LogView::new();
    view.set_search(Some(Pattern::lenient("timeout")));
    let done = work(&store, &mut view);
    let found = view
        .search_status(&store, None)
        .map_or(0, |status| status.total);
    println!("search          {done}, {found} found");
}

/// Works to the end in slices as the screen does. A slice is how long a key may wait: its 99th
/// percentile and, where something else ran on the machine, its worst.
fn work(store: &LogStore, view: &mut LogView) -> String {
    let mut slices = Vec::new();
    loop {
        let slice = Instant::now();
        let done = view.work(store, WorkBudget::time(SLICE));
        slices.push(slice.elapsed());
        if done.complete {
            break;
        }
    }
    let total: Duration = slices.iter().sum();
    slices.sort_unstable();
    let ms = |at: usize| slices[at.min(slices.len() - 1)].as_secs_f64() * 1e3;
    let (p50, p99) = (ms(slices.len() / 2), ms(slices.len() * 99 / 100));
    let per_s = store.len() as f64 / total.as_secs_f64() / 1e6;
    let worst = ms(slices.len());
    format!("{per_s:>6.2} M lines/s, slices p50 {p50:.1} p99 {p99:.1} worst {worst:.1} ms")
}

fn merge(lines: &[TailLine]) {
    let mut reorder = Reorder::within(500, 2_000, 50_000);
    let mut out = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let now_ms = line.at_ms + (number * 7 % 400) as i64;
        reorder.push(line.at_ms, number, now_ms, &mut out);
        if number % 1_000 == 0 {
            reorder.release(now_ms, &mut out);
            out.clear();
        }
    }
    reorder.flush(&mut out);
    black_box(out);
}

fn rate(count: usize, mut run: impl FnMut()) -> String {
    let started = Instant::now();
    run();
    let per_s = count as f64 / started.elapsed().as_secs_f64();
    format!("{:>6.2} M lines/s", per_s / 1e6)
}

/// Lines as services write them: JSON and plain, four tasks, some errors, some colour.
fn lines() -> Vec<TailLine> {
    let streams: [Arc<str>; 4] =
        ["a1", "b2", "c3", "d4"].map(|task| format!("api/api/{task}").into());
    (0..LINES)
        .map(|n| {
            let (status, ms) = if n % 97 == 0 { (503, 1_000 + n % 999) } else { (200, n % 40) };
            let level = if status == 503 { "ERROR" } else { "INFO" };
            let text = match n % 5 {
                0 => format!("2026-07-02T14:02:07Z {level} GET /livez status={status} ms={ms}"),
                1 => format!("\u{1b}[32m{level}\u{1b}[0m upstream db-{} timeout after {ms} ms", n % 7),
                _ => format!(
                    r#"{{"timestamp":"2026-07-02T14:02:07.118Z","level":"{level}","message":"request","request_id":"01J{n:023}","method":"GET","route":"/items/{{id}}","status":{status},"ms":{ms}}}"#
                ),
            };
            let at_ms = n as i64 / 200;
            TailLine { stream: streams[n % 4].clone(), at_ms, text, late: false }
        })
        .collect()
}

/// Processor, cores and system, as far as Linux says.
fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| {
            line.strip_prefix("model name")
                .and_then(|rest| rest.split(':').nth(1))
        })
        .unwrap_or(" unknown processor")
        .trim()
        .to_owned();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{model}, {cores} cores, {} {}",
        std::env::consts::OS,
        std::env::consts::ARCH
    )
}
