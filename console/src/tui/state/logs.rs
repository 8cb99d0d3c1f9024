//! The Logs screen's state: a tail over an environment's tasks, a filter and a search.

mod find;
mod position;
mod prompt;
pub mod rows;
mod source;
#[cfg(test)]
mod tests;

pub use find::{Find, ServerSearch};
pub use position::{Pane, Spot};
pub use prompt::{Asking, Prompt};
pub use source::{Source, Span};

use super::{Handled, Pointer, ScreenState, Target, World};
use crate::{
    logs::{
        FieldFilter, FieldTest, Line, LineId, LogStore, LogView, SeekDirection, TailPhase,
        TailState, WorkBudget, line,
    },
    model::{EnvironmentName, Level},
    platform::PlatformError,
    tui::{
        command::{Command, Place},
        effect::{Effect, Level as Loudness},
        exchange::logs::{LogsReply, LogsRequest, SharedLog},
        message::{Generation, Message},
    },
};
use crossterm::event::KeyEvent;
use jiff::Timestamp;
use std::{cell::Cell, collections::BTreeSet, time::Duration};

/// So long the screen may filter and search before it gives way to keys: a quarter of a frame.
const WORK_SLICE: Duration = Duration::from_millis(4);
/// Columns that Left and Right move by.
const SIDEWAYS_COLUMNS: usize = 16;

/// How a line's time is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Times {
    /// Time of day with milliseconds, in the screen's zone.
    #[default]
    Short,
    /// Date and time, UTC.
    Full,
    /// Time of day in the machine's zone.
    Local,
    /// None.
    Off,
}

/// The Logs screen.
#[derive(Debug)]
pub struct LogsState {
    environment: EnvironmentName,
    /// What is read.
    pub source: Source,
    generation: Generation,
    /// Where the tail puts its lines; none before the first answer.
    log: Option<SharedLog>,
    /// What is shown: frozen while paused.
    pub store: Box<LogStore>,
    /// How the tail stands.
    pub tail: Option<Box<TailState>>,
    /// Why the environment cannot even be reached.
    pub failure: Option<PlatformError>,
    /// The filter and the search over [`store`](Self::store).
    pub view: Box<LogView>,
    /// Lines that the filter has not looked at yet.
    pub behind: u64,
    /// The id that the tail's next line gets, paused or not.
    newest: LineId,
    /// True while the view is frozen.
    pub paused: bool,
    /// Keeps the newest line in sight.
    pub following: bool,
    /// The row at the top when not following.
    top: Spot,
    /// Rows of the line at the top that are above the screen.
    top_row: usize,
    /// What the cursor is on; nothing while following.
    pub cursor: Option<Spot>,
    /// The text area of the last frame, which paging moves by. Set by the view.
    pub pane: Cell<Pane>,
    /// Columns scrolled to the right, when lines are cut.
    pub left: usize,
    /// Long lines go on in the next row.
    pub wrap: bool,
    /// How times are shown.
    pub times: Times,
    /// Nothing but the logs.
    pub full_screen: bool,
    /// Lines that show their fields.
    pub expanded: BTreeSet<LineId>,
    /// What is being typed.
    pub prompt: Option<Box<Prompt>>,
    /// The search.
    pub find: Find,
    /// Which stopped task `p` showed last, counted from the newest.
    previous: Option<usize>,
    /// Where to go once the tail delivered lines.
    awaited: Option<Awaited>,
}

/// Where to go in lines that are still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    /// To the first line.
    Start,
    /// To the first line at that time or later, in milliseconds since the epoch.
    At(i64),
}

impl LogsState {
    /// All tasks of an environment, following.
    pub fn new(environment: EnvironmentName) -> Self {
        Self::of(environment, Source::live())
    }

    /// One stream from its beginning: the last words of a task. `label` is what people call it.
    pub fn of_stream(environment: EnvironmentName, stream: String, label: String) -> Self {
        let mut state = Self::of(environment, Source::stream(stream, label));
        state.following = true;
        state
    }

    fn of(environment: EnvironmentName, source: Source) -> Self {
        Self {
            environment,
            source,
            generation: Generation::default(),
            log: None,
            store: Box::new(LogStore::new(0)),
            tail: None,
            failure: None,
            view: Box::default(),
            behind: 0,
            newest: LineId(0),
            paused: false,
            following: true,
            top: Spot::line(LineId(0)),
            top_row: 0,
            cursor: None,
            pane: Cell::default(),
            left: 0,
            wrap: false,
            times: Times::default(),
            full_screen: false,
            expanded: BTreeSet::new(),
            prompt: None,
            find: Find::default(),
            previous: None,
            awaited: None,
        }
    }

    /// Lines that came in below what is in sight.
    pub fn new_below(&self) -> u64 {
        if self.paused {
            return self.newest.0.saturating_sub(self.store.next_id().0);
        }
        let len = self.view.len(&self.store);
        let shown = self
            .visible(self.pane.get())
            .last()
            .map_or(len, |row| self.view.position_of(&self.store, row.id) + 1);
        u64::try_from(len.saturating_sub(shown)).unwrap_or(u64::MAX)
    }

    /// True while nothing can come any more.
    pub fn is_over(&self) -> bool {
        self.tail
            .as_ref()
            .is_some_and(|tail| tail.phase == TailPhase::Ended)
    }

    /// The line under the cursor; the newest in sight while following.
    pub fn current_line(&self) -> Option<Line<'_>> {
        let id = match self.cursor {
            Some(spot) => spot.id,
            None => self.last_id()?,
        };
        self.store.get(id)
    }

    /// Takes what the tail delivered, unless paused, and works on filter and search for a slice.
    fn refresh(&mut self) -> Vec<Effect> {
        if let (false, Some(log)) = (self.paused, &self.log) {
            *self.store = log.snapshot();
        }
        self.arrive();
        self.work()
    }

    /// Filters and searches for a slice; asks to go on when there is more to do.
    fn work(&mut self) -> Vec<Effect> {
        let done = self.view.work(&self.store, WorkBudget::time(WORK_SLICE));
        self.behind = done.behind;
        let mut effects = Vec::new();
        if let Some(seek) = done.jumped {
            effects.extend(self.landed(seek));
        }
        if !done.complete {
            effects.push(Effect::Logs(LogsRequest::Continue(self.generation)));
        }
        effects
    }

    /// Goes where an anchor, a window or a search on the server wanted to, once it is there.
    fn arrive(&mut self) {
        let target = match self.awaited {
            None => return,
            Some(Awaited::Start) => (!self.store.is_empty()).then(|| self.store.first_id()),
            Some(Awaited::At(at_ms)) => self.store.first_at_or_after(at_ms),
        };
        let Some(id) = target else {
            return;
        };
        self.awaited = None;
        self.stand_on(Spot::line(id));
        self.top = Spot::line(id);
        self.top_row = 0;
    }

    fn set_filter(&mut self, filter: crate::logs::Filter) -> Vec<Effect> {
        self.view.set_filter(filter);
        self.work()
    }

    /// The next least level: all, debug, info, warn, error.
    fn cycle_level(&mut self) -> Vec<Effect> {
        let mut filter = self.view.filter().clone();
        filter.level = match filter.level {
            None | Some(Level::Trace) => Some(Level::Debug),
            Some(Level::Debug) => Some(Level::Info),
            Some(Level::Info) => Some(Level::Warn),
            Some(Level::Warn) => Some(Level::Error),
            Some(Level::Error) => None,
        };
        self.set_filter(filter)
    }

    fn level_named(&mut self, name: &str) -> Vec<Effect> {
        let level = match name.trim() {
            "all" | "trace" => None,
            "debug" => Some(Level::Debug),
            "info" => Some(Level::Info),
            "warn" | "warning" => Some(Level::Warn),
            "error" => Some(Level::Error),
            other => {
                let text =
                    format!("there is no level {other}; say all, debug, info, warn or error");
                return vec![Effect::Notify(Loudness::Warn, text)];
            }
        };
        let mut filter = self.view.filter().clone();
        filter.level = level;
        self.set_filter(filter)
    }

    /// `=` and `-`: a filter by the field under the cursor.
    fn filter_by_field(&mut self, test: FieldTest) -> Vec<Effect> {
        let Some(held) = self.current_line() else {
            return Vec::new();
        };
        let fields = line::fields(held.text);
        let id = held.id;
        let index = self.cursor.map_or(0, |spot| spot.field);
        let Some(field) = index.checked_sub(1).and_then(|index| fields.get(index)) else {
            if fields.is_empty() {
                let text = "this line has no fields; f filters by text".to_owned();
                return vec![Effect::Notify(Loudness::Warn, text)];
            }
            self.expanded.insert(id);
            self.stand_on(Spot { id, field: 1 });
            let text = "choose a field with j and k, then = shows its like and - hides it";
            return vec![Effect::Notify(Loudness::Info, text.to_owned())];
        };
        let wanted = FieldFilter {
            name: field.name.clone(),
            test,
            value: field.value.clone(),
        };
        let mut filter = self.view.filter().clone();
        filter.fields.retain(|other| {
            other.name != wanted.name || (test == FieldTest::IsNot && other.test == test)
        });
        if !filter.fields.contains(&wanted) {
            filter.fields.push(wanted);
        }
        self.set_filter(filter)
    }

    fn toggle_expanded(&mut self) {
        let Some(id) = self.current_line().map(|held| held.id) else {
            return;
        };
        if !self.expanded.remove(&id) {
            self.expanded.insert(id);
        }
        self.stand_on(Spot::line(id));
    }

    fn toggle_pause(&mut self) -> Vec<Effect> {
        self.paused = !self.paused;
        if self.paused {
            return Vec::new();
        }
        self.refresh()
    }

    /// What Esc undoes, one thing a press: search on the server, search, filter, full screen.
    fn step_back(&mut self) -> Option<Vec<Effect>> {
        if let Some(stop) = self.find.cancel_server() {
            return Some(vec![Effect::Logs(LogsRequest::Stop(stop))]);
        }
        if self.view.search().is_some() {
            self.view.set_search(None);
            return Some(self.work());
        }
        if !self.view.filter().is_empty() {
            return Some(self.set_filter(crate::logs::Filter::default()));
        }
        if self.full_screen {
            self.full_screen = false;
            return Some(Vec::new());
        }
        None
    }

    fn copy(&self) -> Vec<Effect> {
        let Some(held) = self.current_line() else {
            return Vec::new();
        };
        let index = self.cursor.map_or(0, |spot| spot.field);
        let field = index
            .checked_sub(1)
            .and_then(|index| line::fields(held.text).into_iter().nth(index));
        let (text, what) = match field {
            Some(field) => (field.value, field.name),
            None => (held.text.to_owned(), "line".to_owned()),
        };
        vec![Effect::Copy { text, what }]
    }

    fn save(&self, world: &World) -> Vec<Effect> {
        let stamp = world.now.strftime("%Y%m%dT%H%M%SZ");
        vec![Effect::Logs(LogsRequest::Save {
            store: self.store.clone(),
            filter: Box::new(self.view.filter().clone()),
            name: format!("{}-{stamp}.log", self.environment),
        })]
    }

    /// For the incident channel: what is shown, and how much of it is wrong.
    fn summary(&self, world: &World) -> Vec<Effect> {
        let minutes = self.store.histogram(60);
        let errors: u64 = minutes.iter().map(|minute| minute.errors).sum();
        let mut text = format!(
            "{} logs at {}: {} lines held, {errors} errors in the last hour of them",
            self.environment,
            world.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            self.store.len(),
        );
        if let Some(worst) = minutes.iter().max_by_key(|minute| minute.errors)
            && worst.errors > 0
            && let Ok(at) = Timestamp::from_millisecond(worst.start_ms)
        {
            text.push_str(&format!(
                ", most at {} ({} a minute)",
                at.strftime("%H:%MZ"),
                worst.errors
            ));
        }
        if !self.view.filter().is_empty() {
            text.push_str(&format!(
                "; filter `{}` shows {}",
                self.view.filter(),
                self.view.len(&self.store)
            ));
        }
        if let Some(held) = self.current_line() {
            text.push_str(&format!("\n> {}", held.text));
        }
        vec![Effect::Copy {
            text,
            what: "summary".to_owned(),
        }]
    }
}

impl ScreenState for LogsState {
    fn place(&self) -> Place {
        Place::Logs
    }

    fn environment<'a>(&'a self, _world: &'a World) -> Option<&'a EnvironmentName> {
        Some(&self.environment)
    }

    fn open(&mut self, world: &World) -> Vec<Effect> {
        self.restart(world)
    }

    fn key(&mut self, key: KeyEvent, world: &World) -> Handled {
        match self.prompt.take() {
            Some(prompt) => Handled::Consumed(self.type_key(*prompt, key, world)),
            None => Handled::Ignored,
        }
    }

    fn paste(&mut self, text: &str, _world: &World) -> Handled {
        match self.prompt.take() {
            Some(prompt) => Handled::Consumed(self.type_text(*prompt, text)),
            None => Handled::Ignored,
        }
    }

    fn command(&mut self, command: Command, argument: Option<&str>, world: &World) -> Handled {
        let effects = match command {
            Command::Pause => self.toggle_pause(),
            Command::Autoscroll => {
                if self.following {
                    self.pin();
                    Vec::new()
                } else {
                    self.follow()
                }
            }
            Command::Up => self.moved(-1),
            Command::Down => self.moved(1),
            Command::PageUp => self.paged(-1),
            Command::PageDown => self.paged(1),
            Command::Top => self.go_to_oldest(),
            Command::Bottom => self.follow(),
            Command::Left => self.sideways(self.left.saturating_sub(SIDEWAYS_COLUMNS)),
            Command::Right => self.sideways(self.left + SIDEWAYS_COLUMNS),
            Command::Open => {
                self.toggle_expanded();
                Vec::new()
            }
            Command::Wrap => {
                self.wrap = !self.wrap;
                Vec::new()
            }
            Command::Times => {
                self.times = match self.times {
                    Times::Short => Times::Full,
                    Times::Full => Times::Local,
                    Times::Local => Times::Off,
                    Times::Off => Times::Short,
                };
                Vec::new()
            }
            Command::FullScreen => {
                self.full_screen = !self.full_screen;
                Vec::new()
            }
            Command::Search => self.ask(Asking::Search, argument, world),
            Command::LogFilter => self.ask(Asking::Filter, argument, world),
            Command::Window => self.ask(Asking::Window, argument, world),
            Command::NextMatch => self.seek_match(SeekDirection::Forward),
            Command::PreviousMatch => self.seek_match(SeekDirection::Backward),
            Command::NextError => self.seek_error(SeekDirection::Forward),
            Command::PreviousError => self.seek_error(SeekDirection::Backward),
            Command::Anchor(key) => self.anchor(key, world),
            Command::Level => match argument {
                Some(name) => self.level_named(name),
                None => self.cycle_level(),
            },
            Command::IncludeField => self.filter_by_field(FieldTest::Is),
            Command::ExcludeField => self.filter_by_field(FieldTest::IsNot),
            Command::PreviousLogs => self.previous_task(world),
            Command::Refresh => self.restart(world),
            Command::Copy => self.copy(),
            Command::Yank => self.summary(world),
            Command::Save => self.save(world),
            Command::Back => match self.step_back() {
                Some(effects) => effects,
                None => return Handled::Ignored,
            },
            _ => return Handled::Ignored,
        };
        Handled::Consumed(effects)
    }

    fn mouse(&mut self, pointer: Pointer, world: &World) -> Handled {
        match pointer {
            Pointer::Wheel(lines) => Handled::Consumed(self.scrolled(lines)),
            Pointer::Click(Target::Row(row)) => {
                self.stand_on_row(row);
                Handled::done()
            }
            Pointer::DoubleClick(Target::Row(row)) => {
                self.stand_on_row(row);
                self.toggle_expanded();
                Handled::done()
            }
            Pointer::Click(Target::Time(second)) | Pointer::DoubleClick(Target::Time(second)) => {
                Handled::Consumed(self.go_to_time(second.saturating_mul(1_000)))
            }
            Pointer::Click(Target::Command(command)) => self.command(command, None, world),
            _ => Handled::Ignored,
        }
    }

    fn message(&mut self, message: &Message, world: &World) -> Vec<Effect> {
        let Message::Logs(generation, reply) = message else {
            return Vec::new();
        };
        if self.find.is_server(*generation) {
            return self.server_says(reply, world);
        }
        if *generation != self.generation {
            return Vec::new();
        }
        match reply {
            LogsReply::Failed(error) => {
                self.failure = Some(error.clone());
                Vec::new()
            }
            LogsReply::Started(log) => {
                self.failure = None;
                self.log = Some(log.clone());
                self.refresh()
            }
            LogsReply::Advanced { state, next } => {
                self.tail = Some(state.clone());
                self.newest = *next;
                self.refresh()
            }
            LogsReply::Continue => self.work(),
            LogsReply::Searching(_) | LogsReply::Searched(_) => Vec::new(),
        }
    }

    fn close(&mut self) -> Vec<Effect> {
        let mut effects = vec![Effect::Logs(LogsRequest::Stop(self.generation))];
        effects.extend(
            self.find
                .cancel_server()
                .map(|generation| Effect::Logs(LogsRequest::Stop(generation))),
        );
        effects
    }

    fn is_full_screen(&self) -> bool {
        self.full_screen
    }

    fn offers(&self, command: Command, _world: &World) -> bool {
        match command {
            Command::NextMatch | Command::PreviousMatch => self.view.search().is_some(),
            Command::IncludeField | Command::ExcludeField => {
                self.cursor.is_some_and(|spot| spot.field > 0)
            }
            _ => true,
        }
    }
}
