//! Pictures of the screens, drawn by the program itself from a made-up world.

pub mod scenes;

use super::{
    effect::Effect,
    fixtures,
    message::{Generation, Message},
    state::{
        AppState, Event, Screen, ScreenState as _, World, logs::LogsState, rollout::RolloutState,
        service::ServiceState,
    },
    svg,
    theme::{Depth, Theme},
    view,
};
use crate::{operate::Gate, tui::command::Command};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::{buffer::Buffer, layout::Rect};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The terminal's size in the pictures.
const COLUMNS: u16 = 120;
/// See [`COLUMNS`].
const ROWS: u16 = 36;

/// One picture of the whole program.
pub struct Picture {
    /// The file's name, without its ending.
    pub name: &'static str,
    /// What a screen reader says of it.
    pub title: &'static str,
    /// What is drawn.
    pub state: AppState,
}

/// Draws every picture into `directory` as SVG; answers the files.
///
/// # Errors
/// When a file cannot be written.
pub fn render_all(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let theme = Theme::new(Depth::True);
    let mut files = Vec::new();
    for picture in pictures() {
        let area = Rect::new(0, 0, COLUMNS, ROWS);
        let mut buffer = Buffer::empty(area);
        view::app(&picture.state, &theme, area, &mut buffer);
        let path = directory.join(format!("{}.svg", picture.name));
        std::fs::write(&path, svg::svg(&buffer, picture.title))?;
        files.push(path);
    }
    Ok(files)
}

/// All pictures, in the order of the manual.
pub fn pictures() -> Vec<Picture> {
    let world = fixtures::world;
    let picture = |name, title, state| Picture { name, title, state };
    vec![
        picture(
            "environments",
            "Three environments: dev and staging healthy, prod degraded since its last deploy, with the release to go back to",
            on_prod(world()),
        ),
        picture(
            "service",
            "The service in prod: tasks with their load, one stopped task with its exit code, targets, alarms, events",
            showing(world(), Screen::Service(ServiceState::new("prod".into()))),
        ),
        picture(
            "logs",
            "Logs of three tasks in prod, searched for timeout, one line's JSON fields open",
            logs(),
        ),
        picture(
            "releases",
            "Images in the registry with where they are live, and deployments in prod with their outcome",
            showing(
                world(),
                Screen::Releases(scenes::releases("prod", &world())),
            ),
        ),
        picture(
            "confirm",
            "The dialog before a rollback in prod: from, to, difference, cost, and prod's name to be typed",
            confirming(),
        ),
        picture(
            "rollout",
            "A rollback in prod, going on: stages, old and new tasks, error rate, alarms",
            rollout(),
        ),
        picture(
            "cost",
            "What each environment costs a month, and the lines of prod with quantity, unit price and its date",
            showing(world(), Screen::Cost(scenes::cost("prod", &world()))),
        ),
        picture(
            "history",
            "The audit: who changed what, when, and how it ended",
            showing(world(), Screen::History(scenes::history(None, &world()))),
        ),
        picture(
            "help",
            "The keys that work on the screen of environments",
            pressed(on_prod(world()), &[KeyCode::Char('?')]),
        ),
    ]
}

fn app(mut world: World) -> AppState {
    world.size = (COLUMNS, ROWS);
    AppState::new(world).0
}

fn press(state: &mut AppState, code: KeyCode) -> Vec<Effect> {
    state.update(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn pressed(mut state: AppState, keys: &[KeyCode]) -> AppState {
    for key in keys {
        press(&mut state, *key);
    }
    state
}

/// The list of environments with prod, the last one, selected.
fn on_prod(world: World) -> AppState {
    pressed(app(world), &[KeyCode::Char('G')])
}

fn showing(world: World, screen: Screen) -> AppState {
    let mut state = on_prod(world);
    *state.top() = screen;
    state
}

fn logs() -> AppState {
    let mut desk = scenes::logs(fixtures::world());
    for (command, argument) in [
        (Command::Search, Some("timeout")),
        (Command::PreviousMatch, None),
        (Command::Open, None),
    ] {
        desk.run(command, argument);
    }
    let state = std::mem::replace(&mut desk.state, LogsState::new("prod".into()));
    showing(fixtures::world(), Screen::Logs(state))
}

fn confirming() -> AppState {
    let mut state = on_prod(fixtures::world());
    let generation = press(&mut state, KeyCode::Char('R'))
        .iter()
        .find_map(|effect| match effect {
            Effect::Plan { generation, .. } => Some(*generation),
            _ => None,
        })
        .unwrap_or_else(Generation::next);
    let planned = Ok((Arc::new(fixtures::rollback_plan()), Gate::TypeName));
    state.update(Event::Message(Message::Planned(generation, planned)));
    state
}

fn rollout() -> AppState {
    let mut world = fixtures::world();
    let run = fixtures::run_in_progress();
    // Two of prod's tasks are the new ones: their log lines are shown.
    for env in world
        .environments
        .iter_mut()
        .filter(|env| env.is_production())
    {
        let tasks = env
            .observation
            .iter_mut()
            .flat_map(|seen| &mut seen.service.instances);
        for task in tasks.take(2) {
            task.revision = fixtures::revision("prod", 8).into();
            task.release = Some("1.4.0".to_owned());
        }
    }
    let mut screen = RolloutState::new(run.id.clone(), "prod".into());
    world.runs.push(run);
    let asked = screen
        .open(&world)
        .into_iter()
        .find_map(|effect| match effect {
            Effect::Tail { generation, .. } => Some(generation),
            _ => None,
        });
    if let Some(generation) = asked {
        let lines = Ok(scenes::last_words());
        screen.message(&Message::Tail(generation, lines), &world);
    }
    showing(world, Screen::Rollout(screen))
}

/// A screen in a buffer of that size.
pub fn draw(screen: &Screen, world: &World, theme: &Theme, columns: u16, rows: u16) -> Buffer {
    let area = Rect::new(0, 0, columns, rows);
    let mut buffer = Buffer::empty(area);
    view::screen(screen, world, theme, area, &mut buffer);
    buffer
}

/// A buffer as lines of text, without what is blank at their ends.
pub fn text(buffer: &Buffer) -> String {
    let mut out = String::new();
    for y in buffer.area.top()..buffer.area.bottom() {
        let mut line = String::new();
        let mut x = buffer.area.left();
        while x < buffer.area.right() {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            x += u16::try_from(unicode_width::UnicodeWidthStr::width(symbol))
                .unwrap_or(1)
                .max(1);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_picture_is_written_and_drawing_again_changes_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let files = render_all(directory.path()).expect("written");
        assert_eq!(files.len(), pictures().len());
        let read = || -> Vec<String> {
            files
                .iter()
                .map(|file| std::fs::read_to_string(file).expect("a picture"))
                .collect()
        };
        let first = read();
        render_all(directory.path()).expect("written");
        assert_eq!(first, read());
        for (picture, svg) in pictures().iter().zip(&first) {
            assert!(svg.contains(picture.title), "{}", picture.name);
            assert!(
                svg.matches("<text").count() > 40,
                "{} is empty",
                picture.name
            );
        }
    }
}
