//! The History screen's state: the audit of every change, newest first.

mod account;
#[cfg(test)]
mod tests;

pub use account::{account, duration, verdict_word};

use super::{Handled, Pointer, ScreenState, Target, World, cursor::Cursor, filter::TableFilter};
use crate::{
    model::EnvironmentName,
    store::RunRecord,
    tui::{
        command::{Command, Place},
        effect::Effect,
        exchange::history::{HistoryReply, HistoryRequest, PAGE},
        message::{Generation, Message},
    },
};
use crossterm::event::KeyEvent;

/// The audit of one environment, or of all.
#[derive(Debug)]
pub struct HistoryState {
    environment: Option<EnvironmentName>,
    generation: Generation,
    /// The records read so far; `None` before the first answer.
    pub records: Option<Vec<RunRecord>>,
    /// True when there are no older ones.
    pub complete: bool,
    /// True while an answer is awaited.
    asked: bool,
    /// Why the newest answer is none.
    pub failure: Option<String>,
    cursor: Cursor,
    /// The `/` filter.
    pub filter: TableFilter,
}

impl HistoryState {
    /// The audit of one environment, or of all.
    pub fn new(environment: Option<EnvironmentName>) -> Self {
        Self {
            environment,
            generation: Generation::default(),
            records: None,
            complete: false,
            asked: false,
            failure: None,
            cursor: Cursor::default(),
            filter: TableFilter::default(),
        }
    }

    /// The environment it is limited to.
    pub fn limited_to(&self) -> Option<&EnvironmentName> {
        self.environment.as_ref()
    }

    /// The records shown.
    pub fn shown(&self) -> Vec<&RunRecord> {
        let all = self.records.as_deref().unwrap_or(&[]);
        all.iter()
            .filter(|record| {
                self.filter.admits([
                    record.environment.as_str(),
                    record.verb.as_str(),
                    record.author.name.as_str(),
                    record.from.as_deref().unwrap_or(""),
                    record.to.as_deref().unwrap_or(""),
                    record.reason.as_deref().unwrap_or(""),
                    record.break_glass.as_deref().unwrap_or(""),
                    verdict_word(record),
                ])
            })
            .collect()
    }

    /// The selected row.
    pub fn selected(&self) -> Option<usize> {
        self.cursor.of(self.shown().len())
    }

    /// The selected record.
    pub fn record(&self) -> Option<&RunRecord> {
        self.selected().map(|row| self.shown()[row])
    }

    fn ask(&mut self) -> Vec<Effect> {
        self.records = None;
        self.complete = false;
        self.page()
    }

    /// Asks for the records that are older than those read.
    fn page(&mut self) -> Vec<Effect> {
        self.generation = Generation::next();
        self.asked = true;
        let oldest = self.records.as_ref().and_then(|records| records.last());
        vec![Effect::History(HistoryRequest::List {
            generation: self.generation,
            environment: self.environment.clone(),
            before: oldest.map(|record| record.id.clone()),
        })]
    }

    /// Asks for older records when the last one read is selected.
    fn page_at_end(&mut self) -> Vec<Effect> {
        let at_end = self.selected().map_or(0, |row| row + 1) >= self.shown().len();
        if at_end && !self.complete && !self.asked && self.records.is_some() {
            self.page()
        } else {
            Vec::new()
        }
    }

    /// All environments, then each of them, and round.
    fn turn(&mut self, forward: bool, world: &World) -> Vec<Effect> {
        let mut choices: Vec<Option<EnvironmentName>> = vec![None];
        choices.extend(
            world
                .environments
                .iter()
                .map(|env| Some(env.name().clone())),
        );
        let at = choices
            .iter()
            .position(|choice| *choice == self.environment)
            .unwrap_or(0);
        let step = if forward { 1 } else { choices.len() - 1 };
        self.environment
            .clone_from(&choices[(at + step) % choices.len()]);
        self.cursor = Cursor::default();
        self.ask()
    }
}

impl ScreenState for HistoryState {
    fn place(&self) -> Place {
        Place::History
    }

    /// The one it is limited to, else that of the selected record: `l` and `o` mean it.
    fn environment<'a>(&'a self, _world: &'a World) -> Option<&'a EnvironmentName> {
        self.environment
            .as_ref()
            .or_else(|| self.record().map(|record| &record.environment))
    }

    fn open(&mut self, _world: &World) -> Vec<Effect> {
        self.ask()
    }

    fn key(&mut self, key: KeyEvent, _world: &World) -> Handled {
        self.filter.key(key)
    }

    fn paste(&mut self, text: &str, _world: &World) -> Handled {
        self.filter.paste(text)
    }

    fn command(&mut self, command: Command, argument: Option<&str>, world: &World) -> Handled {
        let count = self.shown().len();
        if self.cursor.moved(command, count, world.page_rows()) {
            return Handled::Consumed(self.page_at_end());
        }
        let live = |record: &RunRecord| world.run(&record.id).cloned();
        let selected = self.record().cloned();
        let effects = match (command, &selected) {
            (Command::NextPane | Command::Right, _) => self.turn(true, world),
            (Command::PreviousPane | Command::Left, _) => self.turn(false, world),
            (Command::Refresh, _) => self.ask(),
            (Command::Filter, _) => {
                match argument {
                    Some(text) => self.filter.set(text),
                    None => self.filter.edit(),
                }
                Vec::new()
            }
            (Command::Back, _) if self.filter.clear() => Vec::new(),
            (Command::Open | Command::Describe, Some(record)) => vec![Effect::ShowText {
                title: format!("{} {}", record.environment, record.verb),
                text: account::details(record, live(record).as_ref(), world),
            }],
            (Command::Yank, Some(record)) => vec![Effect::Copy {
                text: account(record, world),
                what: "summary".to_owned(),
            }],
            (Command::Copy, Some(record)) => vec![Effect::Copy {
                text: record.id.to_string(),
                what: "run's id".to_owned(),
            }],
            (Command::Save, _) => vec![Effect::Save {
                name: format!("history-{}.txt", world.now.strftime("%Y%m%dT%H%M%SZ")),
                text: self
                    .shown()
                    .iter()
                    .map(|record| account(record, world) + "\n\n")
                    .collect(),
            }],
            _ => return Handled::Ignored,
        };
        Handled::Consumed(effects)
    }

    fn mouse(&mut self, pointer: Pointer, _world: &World) -> Handled {
        match pointer {
            Pointer::Wheel(lines) => {
                let count = self.shown().len();
                self.cursor.wheel(lines, count);
                Handled::Consumed(self.page_at_end())
            }
            Pointer::Click(Target::Row(row)) => {
                self.cursor.set(row);
                Handled::done()
            }
            _ => Handled::Ignored,
        }
    }

    fn message(&mut self, message: &Message, world: &World) -> Vec<Effect> {
        match message {
            Message::History(generation, HistoryReply::Page(page))
                if *generation == self.generation =>
            {
                self.asked = false;
                match page {
                    Ok(page) => {
                        self.complete = page.len() < PAGE;
                        self.failure = None;
                        self.records
                            .get_or_insert_default()
                            .extend(page.iter().cloned());
                    }
                    Err(error) => self.failure = Some(error.clone()),
                }
                Vec::new()
            }
            // A run that began or ended changes the audit.
            Message::Run(id, _, state) => {
                let shown = self.records.as_deref().unwrap_or(&[]);
                let known = shown.iter().find(|record| record.id == *id);
                let is_news = match known {
                    None => world.run(id).is_some(),
                    Some(record) => record.outcome != state.outcome,
                };
                if is_news && !self.asked && self.records.is_some() {
                    self.ask()
                } else {
                    Vec::new()
                }
            }
            _ => Vec::new(),
        }
    }
}
