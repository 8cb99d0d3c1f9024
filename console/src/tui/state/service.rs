//! The Service screen's state: which part has the focus, and which row of it is selected.

use super::{
    EnvironmentState, Handled, Pointer, Screen, ScreenState, Target, World, cursor::Cursor,
    environments, filter::TableFilter, logs::LogsState, rollout::RolloutState,
};
use crate::{
    model::{Action, EnvironmentName, Instance, Service, StoppedInstance},
    platform::LinkTarget,
    tui::{
        command::{Command, Place},
        effect::{Effect, Level},
    },
};
use crossterm::event::KeyEvent;

/// The parts that can have the focus, in the order of Tab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pane {
    /// Running and stopped tasks.
    Tasks,
    /// The load balancer's targets.
    Targets,
    /// Alarms.
    Alarms,
    /// The platform's events.
    Events,
}

impl Pane {
    /// In the order of Tab, and of [`Target::Pane`]'s number.
    pub const ALL: [Self; 4] = [Self::Tasks, Self::Targets, Self::Alarms, Self::Events];
}

/// A task of the list: those that run first, then those that stopped, newest first.
#[derive(Clone, Copy, Debug)]
pub enum Task<'a> {
    /// It runs, or is about to.
    Running(&'a Instance),
    /// It is gone.
    Stopped(&'a StoppedInstance),
}

/// One service.
#[derive(Debug)]
pub struct ServiceState {
    environment: EnvironmentName,
    /// The part that has the focus.
    pub pane: Pane,
    cursors: [Cursor; 4],
    /// The `/` filter, over tasks and events.
    pub filter: TableFilter,
}

impl ServiceState {
    /// The service of an environment, its tasks in focus.
    pub fn new(environment: EnvironmentName) -> Self {
        Self {
            environment,
            pane: Pane::Tasks,
            cursors: [Cursor::default(); 4],
            filter: TableFilter::default(),
        }
    }

    /// The environment's state.
    pub fn env<'a>(&self, world: &'a World) -> Option<&'a EnvironmentState> {
        world.environment(&self.environment)
    }

    /// The tasks shown.
    pub fn tasks<'a>(&self, service: &'a Service) -> Vec<Task<'a>> {
        let running = service
            .instances
            .iter()
            .filter(|task| {
                self.filter.admits([
                    task.id.as_str(),
                    task.release.as_deref().unwrap_or(""),
                    task.zone.as_deref().unwrap_or(""),
                ])
            })
            .map(Task::Running);
        let stopped = service
            .stopped
            .iter()
            .filter(|task| {
                self.filter.admits([
                    task.id.as_str(),
                    task.release.as_deref().unwrap_or(""),
                    task.reason.as_deref().unwrap_or(""),
                ])
            })
            .map(Task::Stopped);
        running.chain(stopped).collect()
    }

    /// The events shown.
    pub fn events<'a>(&self, service: &'a Service) -> Vec<&'a crate::model::Event> {
        service
            .events
            .iter()
            .filter(|event| self.filter.admits([event.message.as_str()]))
            .collect()
    }

    /// Rows of a part.
    pub fn count(&self, pane: Pane, service: &Service) -> usize {
        match pane {
            Pane::Tasks => self.tasks(service).len(),
            Pane::Targets => service.targets.len(),
            Pane::Alarms => service.alarms.len(),
            Pane::Events => self.events(service).len(),
        }
    }

    /// The selected row of a part.
    pub fn selected(&self, pane: Pane, service: &Service) -> Option<usize> {
        self.cursors[pane as usize].of(self.count(pane, service))
    }

    fn selected_task<'a>(&self, service: &'a Service) -> Option<Task<'a>> {
        let tasks = self.tasks(service);
        self.cursors[0].of(tasks.len()).map(|row| tasks[row])
    }

    fn turn(&mut self, forward: bool) {
        let at = self.pane as usize;
        self.pane =
            Pane::ALL[(at + if forward { 1 } else { Pane::ALL.len() - 1 }) % Pane::ALL.len()];
    }

    /// What a command does that needs the service to have been seen.
    fn on_service(&mut self, command: Command, service: &Service, world: &World) -> Handled {
        let name = self.environment.clone();
        let task = self.selected_task(service);
        match (command, self.pane, task) {
            (Command::Logs, Pane::Tasks, Some(Task::Running(task)))
                if task.log_stream.is_some() =>
            {
                let stream = task.log_stream.clone().unwrap_or_default();
                Handled::effect(Effect::Show(Box::new(Screen::Logs(LogsState::of_stream(
                    name,
                    stream,
                    task.id.short().to_owned(),
                )))))
            }
            (Command::PreviousLogs, _, selected) => {
                let stopped = match selected {
                    Some(Task::Stopped(task)) => Some(task),
                    _ => service.stopped.first(),
                };
                Handled::effect(match stopped {
                    Some(task) => Effect::ShowLastLogs(name, task.clone()),
                    None => Effect::Notify(
                        Level::Info,
                        format!(
                            "No task of {name} stopped lately; l shows the logs of those that run"
                        ),
                    ),
                })
            }
            (Command::StopTask, _, Some(Task::Running(task))) => Handled::effect(Effect::Propose(
                name,
                Action::StopInstance {
                    instance: task.id.clone(),
                },
            )),
            (Command::StopTask, _, _) => Handled::effect(Effect::Notify(
                Level::Info,
                "Select a running task first".into(),
            )),
            (Command::Open, Pane::Tasks, Some(Task::Stopped(task))) => {
                Handled::effect(Effect::ShowLastLogs(name, task.clone()))
            }
            (Command::Open, Pane::Alarms, _) => match self.selected(Pane::Alarms, service) {
                Some(row) => Handled::effect(json(
                    &format!("alarm {}", service.alarms[row].name),
                    &service.alarms[row],
                )),
                None => Handled::done(),
            },
            (Command::Open, _, _)
                if service.rollout.is_some()
                    && world
                        .run_of(&name)
                        .is_some_and(|run| run.state.outcome.is_none()) =>
            {
                match world.run_of(&name) {
                    Some(run) => Handled::effect(Effect::Show(Box::new(Screen::Rollout(
                        RolloutState::new(run.id.clone(), name),
                    )))),
                    None => Handled::done(),
                }
            }
            (
                Command::Open | Command::Describe | Command::Yank,
                Pane::Tasks,
                Some(Task::Running(task)),
            ) => Handled::effect(json(&format!("task {}", task.id.short()), task)),
            (Command::Describe | Command::Yank, Pane::Tasks, Some(Task::Stopped(task))) => {
                Handled::effect(json(&format!("task {}", task.id.short()), task))
            }
            (Command::Describe | Command::Yank, _, _) => {
                Handled::effect(json(&format!("{name}/{}", service.name), service))
            }
            (Command::Copy, Pane::Tasks, Some(task)) => {
                let id = match task {
                    Task::Running(task) => &task.id,
                    Task::Stopped(task) => &task.id,
                };
                Handled::effect(Effect::Copy {
                    text: id.to_string(),
                    what: "task id".into(),
                })
            }
            (Command::Copy, Pane::Events, _) => match self.selected(Pane::Events, service) {
                Some(row) => Handled::effect(Effect::Copy {
                    text: self.events(service)[row].message.clone(),
                    what: "event".into(),
                }),
                None => Handled::done(),
            },
            (Command::Copy, _, _) => Handled::effect(Effect::Copy {
                text: service.url.clone().unwrap_or_default(),
                what: "address".into(),
            }),
            (Command::OpenLink, Pane::Alarms, _) => {
                Handled::effect(match self.selected(Pane::Alarms, service) {
                    Some(row) => {
                        Effect::OpenLink(name, LinkTarget::Alarm(service.alarms[row].name.clone()))
                    }
                    None => Effect::OpenLink(name, LinkTarget::Service),
                })
            }
            (Command::OpenLink, Pane::Targets, _) if service.url.is_some() => {
                Handled::effect(Effect::OpenUrl(service.url.clone().unwrap_or_default()))
            }
            (Command::OpenLink, Pane::Tasks, Some(Task::Running(task))) => Handled::effect(
                Effect::OpenLink(name, LinkTarget::Instance(task.id.clone())),
            ),
            (Command::OpenLink, _, _) => {
                Handled::effect(Effect::OpenLink(name, LinkTarget::Service))
            }
            _ => Handled::Ignored,
        }
    }
}

fn json(title: &str, value: &impl serde::Serialize) -> Effect {
    Effect::ShowText {
        title: title.to_owned(),
        text: serde_json::to_string_pretty(value).unwrap_or_else(|error| error.to_string()),
    }
}

impl ScreenState for ServiceState {
    fn place(&self) -> Place {
        Place::Service
    }

    fn environment<'a>(&'a self, _world: &'a World) -> Option<&'a EnvironmentName> {
        Some(&self.environment)
    }

    fn open(&mut self, _world: &World) -> Vec<Effect> {
        vec![Effect::Refresh(Some(self.environment.clone()))]
    }

    fn key(&mut self, key: KeyEvent, _world: &World) -> Handled {
        self.filter.key(key)
    }

    fn paste(&mut self, text: &str, _world: &World) -> Handled {
        self.filter.paste(text)
    }

    fn command(&mut self, command: Command, argument: Option<&str>, world: &World) -> Handled {
        match command {
            Command::NextPane | Command::Right => {
                self.turn(true);
                return Handled::done();
            }
            Command::PreviousPane | Command::Left => {
                self.turn(false);
                return Handled::done();
            }
            Command::Filter => {
                match argument {
                    Some(text) => self.filter.set(text),
                    None => self.filter.edit(),
                }
                return Handled::done();
            }
            Command::Back if self.filter.clear() => return Handled::done(),
            Command::Service if argument.is_none() => return Handled::done(),
            _ => {}
        }
        let Some(service) = self.env(world).and_then(EnvironmentState::service) else {
            return Handled::Ignored;
        };
        let count = self.count(self.pane, service);
        if self.cursors[self.pane as usize].moved(command, count, world.page_rows() / 2) {
            return Handled::done();
        }
        self.on_service(command, service, world)
    }

    fn mouse(&mut self, pointer: Pointer, world: &World) -> Handled {
        match pointer {
            Pointer::Click(Target::Pane(pane, row)) => {
                self.pane = Pane::ALL[pane.min(Pane::ALL.len() - 1)];
                self.cursors[self.pane as usize].set(row);
                Handled::done()
            }
            Pointer::Wheel(lines) => {
                if let Some(service) = self.env(world).and_then(EnvironmentState::service) {
                    let count = self.count(self.pane, service);
                    self.cursors[self.pane as usize].wheel(lines, count);
                }
                Handled::done()
            }
            _ => Handled::Ignored,
        }
    }

    fn offers(&self, command: Command, world: &World) -> bool {
        let service = self.env(world).and_then(EnvironmentState::service);
        match command {
            Command::PreviousLogs => service.is_some_and(|service| !service.stopped.is_empty()),
            _ => environments::offers(command, self.env(world)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::fixtures;

    #[test]
    fn p_on_a_service_shows_the_last_logs_of_the_task_that_stopped() {
        let world = fixtures::world();
        let mut state = ServiceState::new("prod".into());
        let Handled::Consumed(effects) = state.command(Command::PreviousLogs, None, &world) else {
            panic!("ignored")
        };
        assert!(
            matches!(&effects[..], [Effect::ShowLastLogs(_, task)] if task.exit_code == Some(137))
        );
    }

    #[test]
    fn stopping_a_task_is_only_proposed() {
        let world = fixtures::world();
        let mut state = ServiceState::new("prod".into());
        let Handled::Consumed(effects) = state.command(Command::StopTask, None, &world) else {
            panic!("ignored")
        };
        assert!(matches!(
            &effects[..],
            [Effect::Propose(_, Action::StopInstance { .. })]
        ));
    }

    #[test]
    fn a_stopped_task_is_not_stopped_again() {
        let world = fixtures::world();
        let mut state = ServiceState::new("prod".into());
        state.command(Command::Bottom, None, &world);
        let Handled::Consumed(effects) = state.command(Command::StopTask, None, &world) else {
            panic!("ignored")
        };
        assert!(matches!(&effects[..], [Effect::Notify(Level::Info, _)]));
    }
}
