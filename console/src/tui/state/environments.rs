//! The home screen's state: which environment is selected, and the filter.

use super::{
    EnvironmentState, Handled, Pointer, Screen, ScreenState, Target, World, cursor::Cursor,
    filter::TableFilter, service::ServiceState,
};
use crate::{
    model::{AlarmState, EnvironmentName},
    platform::LinkTarget,
    tui::{
        command::{Command, Place},
        effect::Effect,
    },
};
use crossterm::event::KeyEvent;

/// Which row is selected, and which rows are shown.
#[derive(Debug, Default)]
pub struct EnvironmentsState {
    cursor: Cursor,
    /// The `/` filter.
    pub filter: TableFilter,
}

impl EnvironmentsState {
    /// The first row selected, all shown.
    pub fn new() -> Self {
        Self::default()
    }

    /// The rows shown.
    pub fn shown<'a>(&self, world: &'a World) -> Vec<&'a EnvironmentState> {
        world
            .environments
            .iter()
            .filter(|env| {
                let release = env
                    .service()
                    .and_then(|service| service.deployed.as_ref())
                    .map_or("", |deployed| deployed.name());
                let (_, health, _) = crate::tui::theme::health(env.health());
                let service = env.service().map_or("", |service| service.name.as_str());
                let label = env
                    .capabilities
                    .as_ref()
                    .map_or("", |can| can.label.as_str());
                self.filter
                    .admits([env.name().as_str(), release, health, service, label])
            })
            .collect()
    }

    /// The selected row among the shown ones.
    pub fn selected(&self, world: &World) -> Option<usize> {
        self.cursor.of(self.shown(world).len())
    }

    /// The selected environment.
    pub fn selected_environment<'a>(&self, world: &'a World) -> Option<&'a EnvironmentState> {
        self.selected(world).map(|row| self.shown(world)[row])
    }
}

impl ScreenState for EnvironmentsState {
    fn place(&self) -> Place {
        Place::Environments
    }

    fn environment<'a>(&'a self, world: &'a World) -> Option<&'a EnvironmentName> {
        self.selected_environment(world).map(EnvironmentState::name)
    }

    fn open(&mut self, _world: &World) -> Vec<Effect> {
        Vec::new()
    }

    fn key(&mut self, key: KeyEvent, _world: &World) -> Handled {
        self.filter.key(key)
    }

    fn paste(&mut self, text: &str, _world: &World) -> Handled {
        self.filter.paste(text)
    }

    fn command(&mut self, command: Command, argument: Option<&str>, world: &World) -> Handled {
        if self
            .cursor
            .moved(command, self.shown(world).len(), world.page_rows())
        {
            return Handled::done();
        }
        let selected = self.selected_environment(world);
        match (command, selected) {
            (Command::Filter, _) => {
                match argument {
                    Some(text) => self.filter.set(text),
                    None => self.filter.edit(),
                }
                Handled::done()
            }
            (Command::Back, _) if self.filter.clear() => Handled::done(),
            // There is nothing below the home screen; leaving the program takes :q or Ctrl-C.
            (Command::Refresh, _) => Handled::effect(Effect::Refresh(None)),
            (Command::Open, Some(env)) => Handled::effect(Effect::Show(Box::new(Screen::Service(
                ServiceState::new(env.name().clone()),
            )))),
            (Command::Describe, Some(env)) => Handled::effect(describe(env)),
            (Command::Copy, Some(env)) => Handled::effect(Effect::Copy {
                text: summary(env),
                what: env.name().to_string(),
            }),
            (Command::Yank, Some(env)) => Handled::effect(Effect::Copy {
                text: summary(env),
                what: format!("summary of {}", env.name()),
            }),
            (Command::OpenLink, Some(env)) => {
                Handled::effect(Effect::OpenLink(env.name().clone(), link(env)))
            }
            (
                Command::Mark
                | Command::Left
                | Command::Right
                | Command::NextPane
                | Command::PreviousPane,
                _,
            ) => Handled::done(),
            _ => Handled::Ignored,
        }
    }

    fn mouse(&mut self, pointer: Pointer, world: &World) -> Handled {
        match pointer {
            Pointer::Click(Target::Row(row)) => {
                self.cursor.set(row);
                Handled::done()
            }
            Pointer::Wheel(lines) => {
                self.cursor.wheel(lines, self.shown(world).len());
                Handled::done()
            }
            _ => Handled::Ignored,
        }
    }

    fn offers(&self, command: Command, world: &World) -> bool {
        offers(command, self.selected_environment(world)) && command != Command::Back
    }
}

/// What `o` opens for an environment: the alarm that rings, else the service's page.
pub fn link(env: &EnvironmentState) -> LinkTarget {
    env.service()
        .and_then(|service| {
            service
                .alarms
                .iter()
                .find(|alarm| alarm.state == AlarmState::Alarm)
        })
        .map_or(LinkTarget::Service, |alarm| {
            LinkTarget::Alarm(alarm.name.clone())
        })
}

/// Whether a command makes sense for an environment now: changes are not offered where it is
/// read-only, and a rollout can be stopped only while one goes on.
pub fn offers(command: Command, env: Option<&EnvironmentState>) -> bool {
    let Some(env) = env else {
        return !changes(command);
    };
    match command {
        Command::StopRollout => env
            .service()
            .is_some_and(|service| service.rollout.is_some()),
        _ if changes(command) => env.config.guard != crate::config::Guard::ReadOnly,
        _ => true,
    }
}

fn changes(command: Command) -> bool {
    crate::tui::command::spec(command)
        .is_some_and(|spec| spec.kind == crate::tui::command::Kind::Mutates)
}

/// One line about an environment, for a chat.
pub fn summary(env: &EnvironmentState) -> String {
    let (_, health, _) = crate::tui::theme::health(env.health());
    let Some(service) = env.service() else {
        return format!("{}: nothing seen yet", env.name());
    };
    let mut text = format!(
        "{}/{}: {health}, {} on {}/{} tasks",
        env.name(),
        service.name,
        service
            .deployed
            .as_ref()
            .map_or("nothing", |deployed| deployed.name()),
        service.running,
        service.desired,
    );
    if let Some(assessment) = env
        .assessment
        .as_ref()
        .filter(|assessment| !assessment.sentence.is_empty())
    {
        text.push_str(". ");
        text.push_str(&assessment.sentence);
        if let Some((release, _)) = &assessment.undo {
            text.push_str(&format!(" Last known-good: {release}."));
        }
    }
    text
}

fn describe(env: &EnvironmentState) -> Effect {
    // The cached document is what the platform said, already without plain environment values.
    let text = env
        .service()
        .and_then(|service| serde_json::to_string_pretty(service).ok())
        .unwrap_or_else(|| "Nothing was seen of it yet.".to_owned());
    Effect::ShowText {
        title: format!("{} as the platform shows it", env.name()),
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::fixtures;

    #[test]
    fn a_filter_shows_only_what_matches_and_esc_shows_all_again() {
        let world = fixtures::world();
        let mut state = EnvironmentsState::new();
        state.command(Command::Filter, Some("degraded"), &world);
        assert_eq!(
            state.environment(&world).map(EnvironmentName::as_str),
            Some("prod")
        );
        assert!(matches!(
            state.command(Command::Back, None, &world),
            Handled::Consumed(_)
        ));
        assert_eq!(state.shown(&world).len(), 3);
    }

    #[test]
    fn the_summary_says_what_is_wrong_and_what_the_undo_is() {
        let world = fixtures::world();
        let text = summary(world.environment(&"prod".into()).unwrap());
        assert!(
            text.contains("5xx 7.9 %") && text.contains("Last known-good: 1.4.0"),
            "{text}"
        );
    }

    #[test]
    fn a_read_only_environment_offers_no_change() {
        let mut world = fixtures::world();
        let mut config = fixtures::config("prod");
        config.guard = crate::config::Guard::ReadOnly;
        world.environments[0].config = std::sync::Arc::new(config);
        let state = EnvironmentsState::new();
        assert!(!state.offers(Command::Deploy, &world));
        assert!(state.offers(Command::Logs, &world));
    }
}
