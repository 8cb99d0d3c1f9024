//! Choosing what to bring live: a release of the registry, or another environment's.

use super::{Outcome, OverlayState};
use crate::{
    model::{Action, EnvironmentName, Release, ReleaseRef, RolloutOutcome, RolloutRecord},
    platform::PlatformError,
    tui::{
        command::{Command, KeyMap},
        effect::{Effect, Level},
        exchange::releases::{ReleasesReply, ReleasesRequest},
        message::{Generation, Message},
        state::{Pointer, Target, World, cursor::Cursor, fuzzy},
    },
};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use jiff::Timestamp;
use tui_input::{Input, backend::crossterm::EventHandler};

/// Releases and the rollouts they had here, or why they cannot be listed.
type Listed = Result<(Vec<Release>, Vec<RolloutRecord>), PlatformError>;

/// What is chosen from.
#[derive(Debug)]
pub enum Choices {
    /// The registry's releases with the rollouts they had here; `None` while they are on their way.
    Releases(Option<Listed>),
    /// The other environments, to promote from.
    Environments,
}

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The release's or the environment's name.
    pub name: String,
    /// Digest, or the release that the environment runs.
    pub detail: String,
    /// When it was pushed or deployed.
    pub at: Option<Timestamp>,
    /// Environments that run it now.
    pub live_in: Vec<String>,
    /// How its last rollout here ended.
    pub fared: Option<(RolloutOutcome, Timestamp)>,
    /// True when it is what runs here already.
    pub is_live_here: bool,
    /// What choosing it asks for.
    pub action: Action,
}

/// What is typed and what is selected.
#[derive(Debug)]
pub struct PickerState {
    /// Where it would go.
    pub environment: EnvironmentName,
    /// What is chosen from.
    pub choices: Choices,
    /// What is typed.
    pub input: Input,
    /// The selected one of [`shown`](Self::shown).
    pub cursor: Cursor,
    generation: Generation,
}

impl PickerState {
    /// A release for `environment`, and the question to the registry.
    pub fn releases(environment: EnvironmentName) -> (Self, Vec<Effect>) {
        let generation = Generation::next();
        let ask = Effect::Releases(ReleasesRequest::List(generation, environment.clone()));
        let state = Self {
            environment,
            choices: Choices::Releases(None),
            input: Input::default(),
            cursor: Cursor::default(),
            generation,
        };
        (state, vec![ask])
    }

    /// An environment to promote to `environment`, the one before it in the order of promotion
    /// selected.
    pub fn sources(environment: EnvironmentName, world: &World) -> Self {
        let place = world
            .environments
            .iter()
            .position(|env| *env.name() == environment)
            .unwrap_or(0);
        let mut cursor = Cursor::default();
        cursor.set(place.saturating_sub(1));
        Self {
            environment,
            choices: Choices::Environments,
            input: Input::default(),
            cursor,
            generation: Generation::next(),
        }
    }

    /// The lines that match what is typed, best first.
    pub fn shown(&self, world: &World) -> Vec<Choice> {
        let all = match &self.choices {
            Choices::Releases(Some(Ok((releases, rollouts)))) => releases
                .iter()
                .map(|release| self.of_release(release, rollouts, world))
                .collect(),
            Choices::Releases(_) => Vec::new(),
            Choices::Environments => self.of_environments(world),
        };
        let texts: Vec<String> = all
            .iter()
            .map(|choice| format!("{} {}", choice.name, choice.detail))
            .collect();
        fuzzy::ranked(self.input.value(), &texts)
            .into_iter()
            .map(|index| all[index].clone())
            .collect()
    }

    fn of_release(&self, release: &Release, rollouts: &[RolloutRecord], world: &World) -> Choice {
        let runs_it = |name: &EnvironmentName| {
            let deployed = world
                .environment(name)
                .and_then(|env| env.service())
                .and_then(|service| service.deployed.as_ref());
            deployed.is_some_and(|deployed| match &deployed.digest {
                Some(digest) => *digest == release.digest,
                None => deployed.release.as_deref() == Some(release.name()),
            })
        };
        // By tag where there is one: the audit then reads as people speak; the plan shows the digest.
        let reference = match release.tags.iter().find(|tag| *tag != "latest") {
            Some(tag) => ReleaseRef::Tag(tag.clone()),
            None => ReleaseRef::Digest(release.digest.clone()),
        };
        let last = rollouts.iter().find(|rollout| match &rollout.digest {
            Some(digest) => *digest == release.digest,
            None => rollout.release.as_deref() == Some(release.name()),
        });
        Choice {
            name: release.name().to_owned(),
            detail: release.digest.short().to_owned(),
            at: release.pushed_at,
            live_in: world
                .environments
                .iter()
                .map(super::super::EnvironmentState::name)
                .filter(|name| runs_it(name))
                .map(ToString::to_string)
                .collect(),
            fared: last.map(|rollout| {
                (
                    rollout.outcome,
                    rollout.finished_at.unwrap_or(rollout.started_at),
                )
            }),
            is_live_here: runs_it(&self.environment),
            action: Action::Deploy { release: reference },
        }
    }

    fn of_environments(&self, world: &World) -> Vec<Choice> {
        world
            .environments
            .iter()
            .filter(|env| *env.name() != self.environment)
            .map(|env| {
                let deployed = env.service().and_then(|service| service.deployed.as_ref());
                Choice {
                    name: env.name().to_string(),
                    detail: deployed.map_or_else(
                        || "nothing known".to_owned(),
                        |deployed| deployed.name().to_owned(),
                    ),
                    at: deployed.and_then(|deployed| deployed.deployed_at),
                    live_in: Vec::new(),
                    fared: None,
                    is_live_here: false,
                    action: Action::Promote {
                        from: env.name().clone(),
                    },
                }
            })
            .collect()
    }

    /// A release as it is typed, for one that is not listed: the list has the newest only, and on some
    /// platforms what ran there. Whether it exists the plan tells.
    pub fn unlisted(&self, world: &World) -> Option<ReleaseRef> {
        let name = self.input.value().trim();
        let is_unlisted = matches!(self.choices, Choices::Releases(Some(_)))
            && !name.is_empty()
            && self.shown(world).is_empty();
        is_unlisted.then(|| ReleaseRef::typed(name))
    }

    fn choose(&self, world: &World) -> Outcome {
        let shown = self.shown(world);
        let selected = self.cursor.of(shown.len());
        let action = selected
            .map(|index| shown[index].action.clone())
            .or_else(|| {
                let release = self.unlisted(world)?;
                Some(Action::Deploy { release })
            });
        match action {
            Some(action) => Outcome::Close(vec![Effect::Propose(self.environment.clone(), action)]),
            None => Outcome::Stay(vec![Effect::Notify(
                Level::Warn,
                "Nothing is selected: nothing matches what is typed".into(),
            )]),
        }
    }
}

impl OverlayState for PickerState {
    fn key(&mut self, key: KeyEvent, world: &World, _keys: &KeyMap) -> Outcome {
        let count = self.shown(world).len();
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let page = world.page_rows() / 2;
        let movement = match key.code {
            KeyCode::Esc => {
                if self.input.value().is_empty() {
                    return Outcome::close();
                }
                self.input.reset();
                return Outcome::stay();
            }
            KeyCode::Enter => return self.choose(world),
            KeyCode::Up => Some(Command::Up),
            KeyCode::Char('p' | 'k') if ctrl => Some(Command::Up),
            KeyCode::Down => Some(Command::Down),
            KeyCode::Char('n' | 'j') if ctrl => Some(Command::Down),
            KeyCode::PageUp => Some(Command::PageUp),
            KeyCode::PageDown => Some(Command::PageDown),
            _ => None,
        };
        match movement {
            Some(command) => _ = self.cursor.moved(command, count, page),
            None => {
                self.input.handle_event(&Event::Key(key));
                self.cursor = Cursor::default();
            }
        }
        Outcome::stay()
    }

    fn paste(&mut self, text: &str, _world: &World) {
        for character in text.chars().filter(|c| !c.is_control()) {
            self.input
                .handle(tui_input::InputRequest::InsertChar(character));
        }
    }

    fn mouse(&mut self, pointer: Pointer, world: &World) -> Outcome {
        match pointer {
            Pointer::Click(Target::Row(row)) => self.cursor.set(row),
            Pointer::DoubleClick(Target::Row(row)) => {
                self.cursor.set(row);
                return self.choose(world);
            }
            Pointer::Wheel(lines) => self.cursor.wheel(lines, self.shown(world).len()),
            _ => {}
        }
        Outcome::stay()
    }

    fn message(&mut self, message: &Message, world: &World) -> Outcome {
        if let (Message::Releases(generation, ReleasesReply::List(result)), Choices::Releases(_)) =
            (message, &self.choices)
            && *generation == self.generation
        {
            self.choices = Choices::Releases(Some(result.clone()));
            // The newest that does not run here is what most deploys are for.
            let first = self
                .shown(world)
                .iter()
                .position(|choice| !choice.is_live_here);
            if self.input.value().is_empty() {
                self.cursor.set(first.unwrap_or(0));
            }
        }
        Outcome::stay()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::fixtures;

    fn loaded() -> PickerState {
        let (mut picker, _) = PickerState::releases("dev".into());
        let rollouts = vec![fixtures::record(
            "dev",
            5,
            "1.6.0",
            900,
            RolloutOutcome::RolledBack,
        )];
        let reply = ReleasesReply::List(Ok((fixtures::releases(), rollouts)));
        picker.message(
            &Message::Releases(picker.generation, reply),
            &fixtures::world(),
        );
        picker
    }

    /// Typed and chosen, that very tag is what goes to dev.
    fn assert_proposed(picker: &mut PickerState, typed: &str) {
        picker.input = Input::new(typed.into());
        let Outcome::Close(effects) = picker.choose(&fixtures::world()) else {
            panic!("it stays")
        };
        assert!(matches!(
            &effects[..],
            [Effect::Propose(name, Action::Deploy { release: ReleaseRef::Tag(tag) })] if name.as_str() == "dev" && tag == typed
        ));
    }

    #[test]
    fn releases_say_where_they_run_and_how_they_fared() {
        let world = fixtures::world();
        let shown = loaded().shown(&world);
        let of = |name: &str| shown.iter().find(|choice| choice.name == name).unwrap();
        assert_eq!(of("1.4.1").live_in, ["staging", "prod"]);
        assert!(of("1.5.0").is_live_here);
        assert_eq!(
            of("1.6.0").fared.map(|(outcome, _)| outcome),
            Some(RolloutOutcome::RolledBack)
        );
    }

    #[test]
    fn typing_finds_a_release_and_enter_proposes_it() {
        let mut picker = loaded();
        assert_proposed(&mut picker, "1.6.0");
    }

    #[test]
    fn a_release_that_is_not_listed_is_proposed_as_typed_and_an_environment_is_not() {
        let world = fixtures::world();
        let mut picker = loaded();
        assert_proposed(&mut picker, "9.9.9-rc1");
        let mut sources = PickerState::sources("prod".into(), &world);
        sources.input = Input::new("9.9.9-rc1".into());
        assert!(matches!(sources.choose(&world), Outcome::Stay(_)));
    }

    #[test]
    fn an_answer_to_an_older_question_is_dropped() {
        let (mut picker, _) = PickerState::releases("dev".into());
        let stale = Message::Releases(
            Generation::next(),
            ReleasesReply::List(Ok((fixtures::releases(), Vec::new()))),
        );
        picker.message(&stale, &fixtures::world());
        assert!(picker.shown(&fixtures::world()).is_empty());
    }

    #[test]
    fn promotion_starts_at_the_environment_before() {
        let world = fixtures::world();
        let picker = PickerState::sources("prod".into(), &world);
        let shown = picker.shown(&world);
        assert_eq!(
            shown[picker.cursor.of(shown.len()).unwrap()].name,
            "staging"
        );
    }
}
