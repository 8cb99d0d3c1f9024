//! Measures the Logs screen under a flood: `cargo run --release --example bench_screen`.
//!
//! Lines are applied at 200,000 a second to the log that the screen shows, on the same thread, so
//! that a key waits at worst for a whole batch. Key-to-frame is the time from the key to the drawn
//! buffer, batch included; writing to the terminal is not part of it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use opsconsole::tui::{
    fixtures,
    pictures::scenes,
    state::{AppState, Event, Screen, logs::LogsState},
    theme::{Depth, Theme},
    view,
};
use ratatui::{buffer::Buffer, layout::Rect};
use std::time::{Duration, Instant};

const LINES_PER_SECOND: u64 = 200_000;
/// Lines come in batches of a hundredth of a second.
const BATCHES_PER_SECOND: u64 = 100;
const SECONDS: u64 = 10;
/// A key every so many batches.
const KEY_EVERY: u64 = 5;

fn main() {
    if cfg!(debug_assertions) {
        println!("(a debug build: the figures say nothing; use --release)");
    }
    let theme = Theme::new(Depth::True);
    for (columns, rows) in [(80, 24), (200, 60)] {
        let area = Rect::new(0, 0, columns, rows);
        let mut times = flood(&theme, area);
        times.sort();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        println!(
            "key to frame    {columns}×{rows}, {LINES_PER_SECOND} lines/s: p50 {} p99 {} max {} of {} keys",
            milliseconds(at(0.5)),
            milliseconds(at(0.99)),
            milliseconds(at(1.0)),
            times.len()
        );
    }
}

fn flood(theme: &Theme, area: Rect) -> Vec<Duration> {
    let mut desk = scenes::logs(fixtures::world_at(area.width, area.height));
    let per_batch = usize::try_from(LINES_PER_SECOND / BATCHES_PER_SECOND).unwrap_or(usize::MAX);
    let lines: Vec<(f64, usize, String)> = (0..per_batch)
        .map(|line| (0.0, line, scenes::request(line as u64, 200, 12)))
        .collect();
    let pause = Duration::from_millis(1000 / BATCHES_PER_SECOND);
    let keys = [
        KeyCode::Char('k'),
        KeyCode::Char('w'),
        KeyCode::Char('G'),
        KeyCode::Char('t'),
    ];
    let mut times = Vec::new();
    let begun = Instant::now();
    for batch in 0..SECONDS * BATCHES_PER_SECOND {
        let due = begun + pause * u32::try_from(batch).unwrap_or(u32::MAX);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let lines = lines.clone();
        let key_at = Instant::now();
        desk.lines(lines);
        if batch % KEY_EVERY != 0 {
            continue;
        }
        let world = fixtures::world_at(area.width, area.height);
        let mut app = AppState::new(world).0;
        let state = std::mem::replace(&mut desk.state, LogsState::new("prod".into()));
        *app.top() = Screen::Logs(state);
        let key = keys[usize::try_from(batch / KEY_EVERY).unwrap_or(0) % keys.len()];
        app.update(Event::Key(KeyEvent::new(key, KeyModifiers::NONE)));
        let mut buffer = Buffer::empty(area);
        view::app(&app, theme, area, &mut buffer);
        times.push(key_at.elapsed());
        if let Screen::Logs(state) = app.top() {
            desk.state = std::mem::replace(state, LogsState::new("prod".into()));
        }
    }
    times
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}
