//! The whole state of the terminal program, and how an event changes it.

use super::{
    Handled, Pointer, Screen, Target, World,
    cost::CostState,
    environments::EnvironmentsState,
    history::HistoryState,
    logs::LogsState,
    notices::Notices,
    overlay::{
        Outcome, Overlay,
        confirm::ConfirmState,
        help::HelpState,
        last_logs::LastLogsState,
        messages::MessagesState,
        palette::PaletteState,
        picker::PickerState,
        scale::{ScaleState, tasks},
        text::TextState,
    },
    releases::ReleasesState,
    rollout::RolloutState,
    service::ServiceState,
};
use crate::{
    model::{Action, EnvironmentName, ReleaseRef},
    tui::{
        chord::Chord,
        command::{Command, Place},
        effect::{Effect, Level},
        message::Message,
        widgets::paint::Hits,
    },
};
use crossterm::event::KeyEvent;
use jiff::{SignedDuration, Timestamp};

/// So many views are kept to go back to.
const VIEWS_MAX: usize = 32;

/// Two clicks within this time are a double click.
const DOUBLE_CLICK: SignedDuration = SignedDuration::from_millis(400);

/// One thing that happened.
#[derive(Debug)]
pub enum Event {
    /// A key.
    Key(KeyEvent),
    /// Text pasted in one go.
    Paste(String),
    /// A click on a cell: column and row.
    Click(u16, u16),
    /// The wheel, in lines; negative is up.
    Wheel(i32),
    /// The terminal's size: columns and rows.
    Resize(u16, u16),
    /// News from a task.
    Message(Message),
    /// A second has passed.
    Tick,
}

/// World, views, and what lies over them.
#[derive(Debug)]
pub struct AppState {
    /// What is known.
    pub world: World,
    /// Views, the one on top last. Never empty.
    screens: Vec<Screen>,
    /// Views gone back from, the nearest last.
    forward: Vec<Screen>,
    /// What lies over the view.
    overlay: Option<Overlay>,
    /// What was said.
    pub notices: Notices,
    /// Where the last frame drew things to click.
    pub hits: Hits,
    last_click: Option<(Target, Timestamp)>,
}

impl AppState {
    /// Starts at the environments, and asks for what that screen needs.
    pub fn new(world: World) -> (Self, Vec<Effect>) {
        let mut home = Screen::Environments(EnvironmentsState::new());
        let effects = home.state_mut().open(&world);
        let mut state = Self {
            world,
            screens: vec![home],
            forward: Vec::new(),
            overlay: None,
            notices: Notices::default(),
            hits: Hits::default(),
            last_click: None,
        };
        let effects = state.settle(effects);
        (state, effects)
    }

    /// The view on top.
    pub fn screen(&self) -> &Screen {
        self.screens
            .last()
            .unwrap_or_else(|| unreachable!("the first view is never popped"))
    }

    fn screen_mut(&mut self) -> &mut Screen {
        self.screens
            .last_mut()
            .unwrap_or_else(|| unreachable!("the first view is never popped"))
    }

    /// What lies over it.
    pub fn overlay(&self) -> Option<&Overlay> {
        self.overlay.as_ref()
    }

    /// The views below the one on top, for the crumbs.
    pub fn depth(&self) -> usize {
        self.screens.len()
    }

    /// The environment that is looked at.
    pub fn environment(&self) -> Option<&EnvironmentName> {
        self.screen().state().environment(&self.world)
    }

    /// The change that an event makes, and what is to be done outside.
    pub fn update(&mut self, event: Event) -> Vec<Effect> {
        let effects = match event {
            Event::Key(key) => self.key(key),
            Event::Paste(text) => self.paste(&text),
            Event::Click(column, row) => self.click(column, row),
            Event::Wheel(lines) => self.pointer(Pointer::Wheel(lines)),
            Event::Resize(columns, rows) => {
                self.world.size = (columns, rows);
                Vec::new()
            }
            Event::Message(message) => self.message(&message),
            Event::Tick => {
                let Self { screens, world, .. } = self;
                screens
                    .last_mut()
                    .map(|screen| screen.state_mut().tick(world))
                    .unwrap_or_default()
            }
        };
        self.settle(effects)
    }

    fn key(&mut self, key: KeyEvent) -> Vec<Effect> {
        let chord = Chord::from(key);
        let place = self.screen().state().place();
        let quits =
            self.world.keys.command(place, chord) == Some(Command::Quit) && chord.has_ctrl();
        if quits {
            return vec![Effect::Quit];
        }
        if let Some(overlay) = &mut self.overlay {
            let outcome = overlay.state_mut().key(key, &self.world, &self.world.keys);
            return self.after_overlay(outcome);
        }
        let Self { screens, world, .. } = self;
        if let Some(screen) = screens.last_mut()
            && let Handled::Consumed(effects) = screen.state_mut().key(key, world)
        {
            return effects;
        }
        match self.world.keys.command(place, chord) {
            Some(command) => self.run(command, None),
            None => Vec::new(),
        }
    }

    fn paste(&mut self, text: &str) -> Vec<Effect> {
        if let Some(overlay) = &mut self.overlay {
            overlay.state_mut().paste(text, &self.world);
            return Vec::new();
        }
        let Self { screens, world, .. } = self;
        match screens
            .last_mut()
            .map(|screen| screen.state_mut().paste(text, world))
        {
            Some(Handled::Consumed(effects)) => effects,
            _ => Vec::new(),
        }
    }

    fn click(&mut self, column: u16, row: u16) -> Vec<Effect> {
        let Some(target) = self.hits.at(column, row) else {
            return Vec::new();
        };
        let again = self
            .last_click
            .take()
            .is_some_and(|(last, at)| last == target && self.world.ago(at) < DOUBLE_CLICK);
        self.last_click = (!again).then_some((target, self.world.now));
        match target {
            Target::Command(command) if self.overlay.is_none() => self.run(command, None),
            _ if again => self.pointer(Pointer::DoubleClick(target)),
            _ => self.pointer(Pointer::Click(target)),
        }
    }

    fn pointer(&mut self, pointer: Pointer) -> Vec<Effect> {
        if let Some(overlay) = &mut self.overlay {
            let outcome = overlay.state_mut().mouse(pointer, &self.world);
            return self.after_overlay(outcome);
        }
        let Self { screens, world, .. } = self;
        match screens
            .last_mut()
            .map(|screen| screen.state_mut().mouse(pointer, world))
        {
            Some(Handled::Consumed(effects)) => effects,
            // A second click opens what the first one selected, on every list.
            _ if matches!(pointer, Pointer::DoubleClick(_)) => self.run(Command::Open, None),
            _ => Vec::new(),
        }
    }

    fn message(&mut self, message: &Message) -> Vec<Effect> {
        if let Message::Notice(level, text) = message {
            self.notices.say(*level, text.clone(), self.world.now);
        }
        if let Message::Copy { text, what } = message {
            return vec![Effect::Copy {
                text: text.clone(),
                what: what.clone(),
            }];
        }
        self.tell_outcome(message);
        self.world.take(message);
        let mut effects = Vec::new();
        let Self {
            screens,
            forward,
            world,
            ..
        } = self;
        for screen in screens.iter_mut().chain(forward) {
            effects.extend(screen.state_mut().message(message, world));
        }
        if let Some(overlay) = &mut self.overlay {
            let outcome = overlay.state_mut().message(message, &self.world);
            effects.extend(self.after_overlay(outcome));
        }
        effects
    }

    /// Says how a run ended, unless its own screen is on top and says it already.
    fn tell_outcome(&mut self, message: &Message) {
        let Message::Run(id, plan, run) = message else {
            return;
        };
        let was_going = self
            .world
            .run(id)
            .is_some_and(|known| known.state.outcome.is_none());
        let is_looked_at = matches!(self.screen(), Screen::Rollout(screen) if screen.run(&self.world).is_some_and(|run| run.id == *id));
        if !was_going || is_looked_at {
            return;
        }
        let ended = super::RunView {
            id: id.clone(),
            plan: std::sync::Arc::clone(plan),
            state: (**run).clone(),
            before: (None, None),
            dismissed: false,
        };
        if let Some((headline, _)) = super::rollout::verdict(&ended, &self.world) {
            let level = match ended.state.outcome {
                Some(crate::model::RunOutcome::Done) => Level::Good,
                Some(crate::model::RunOutcome::Failed { .. }) => Level::Bad,
                _ => Level::Warn,
            };
            self.notices.say(level, headline, self.world.now);
        }
    }

    fn after_overlay(&mut self, outcome: Outcome) -> Vec<Effect> {
        match outcome {
            Outcome::Stay(effects) => effects,
            Outcome::Close(effects) => {
                self.overlay = None;
                effects
            }
            Outcome::Run(command, argument) => {
                self.overlay = None;
                self.run(command, argument.as_deref())
            }
        }
    }

    /// Runs a command on the view on top; what it ignores means the same everywhere.
    fn run(&mut self, command: Command, argument: Option<&str>) -> Vec<Effect> {
        let Self { screens, world, .. } = self;
        if let Some(screen) = screens.last_mut()
            && let Handled::Consumed(effects) = screen.state_mut().command(command, argument, world)
        {
            return effects;
        }
        self.everywhere(command, argument)
    }

    fn everywhere(&mut self, command: Command, argument: Option<&str>) -> Vec<Effect> {
        match command {
            Command::Quit => vec![Effect::Quit],
            Command::Suspend => vec![Effect::Suspend],
            Command::Help => self.over(Overlay::Help(HelpState {
                place: self.screen().state().place(),
                scroll: 0,
            })),
            Command::Palette => self.over(Overlay::Palette(PaletteState::new(
                self.screen().state().place(),
            ))),
            Command::Messages => self.over(Overlay::Messages(MessagesState {
                notices: self.notices.clone(),
                scroll: 0,
            })),
            Command::Back if self.notices.dismiss(self.world.now) => Vec::new(),
            Command::Back | Command::HistoryBack => vec![Effect::Back],
            Command::HistoryForward => {
                if let Some(screen) = self.forward.pop() {
                    self.screens.push(screen);
                }
                Vec::new()
            }
            Command::Environments => {
                while self.screens.len() > 1 {
                    self.back();
                }
                Vec::new()
            }
            Command::Refresh => vec![Effect::Refresh(self.environment().cloned())],
            Command::Rollout => self.show_rollout(),
            Command::History => {
                // From the list of all environments the history of all; else of the one looked at.
                let of = match self.screen().state().place() {
                    Place::Environments => None,
                    _ => self.environment().cloned(),
                };
                vec![Effect::Show(Box::new(Screen::History(HistoryState::new(
                    of,
                ))))]
            }
            Command::Service | Command::Logs | Command::Releases | Command::Cost => self
                .with_environment(argument, |name| {
                    let screen = match command {
                        Command::Service => Screen::Service(ServiceState::new(name)),
                        Command::Logs => Screen::Logs(LogsState::new(name)),
                        Command::Releases => Screen::Releases(ReleasesState::new(name)),
                        _ => Screen::Cost(CostState::new(name)),
                    };
                    vec![Effect::Show(Box::new(screen))]
                }),
            Command::Deploy
            | Command::Rollback
            | Command::Promote
            | Command::Restart
            | Command::Scale
            | Command::StopRollout => self.change(command, argument),
            _ => Vec::new(),
        }
    }

    /// Commands that change things, on the environment that is looked at. Each ends in
    /// [`Effect::Propose`]: the confirm dialog is the only way on.
    fn change(&mut self, command: Command, argument: Option<&str>) -> Vec<Effect> {
        let Some(name) = self.environment().cloned() else {
            return vec![Effect::Notify(
                Level::Warn,
                "No environment is selected".into(),
            )];
        };
        match (command, argument) {
            (Command::Deploy, Some(release)) => {
                let release = if release.starts_with("sha256:") {
                    ReleaseRef::Digest(release.into())
                } else {
                    ReleaseRef::Tag(release.to_owned())
                };
                vec![Effect::Propose(name, Action::Deploy { release })]
            }
            (Command::Deploy, None) => {
                let (picker, effects) = PickerState::releases(name);
                self.overlay = Some(Overlay::Picker(picker));
                effects
            }
            (Command::Rollback, _) => vec![Effect::Propose(name, Action::Rollback { to: None })],
            (Command::StopRollout, _) => {
                let in_flight = self
                    .world
                    .environment(&name)
                    .and_then(|env| env.service())
                    .is_some_and(|service| service.rollout.is_some())
                    || self
                        .world
                        .run_of(&name)
                        .is_some_and(|run| run.state.outcome.is_none());
                if in_flight {
                    vec![Effect::Propose(name, Action::Rollback { to: None })]
                } else {
                    vec![Effect::Notify(
                        Level::Info,
                        format!(
                            "No rollout goes on in {name}; R goes back to the last known-good release"
                        ),
                    )]
                }
            }
            (Command::Promote, Some(from)) => {
                let from = EnvironmentName::new(from);
                if self.world.environment(&from).is_none() {
                    return vec![self.no_environment(from.as_str())];
                }
                vec![Effect::Propose(name, Action::Promote { from })]
            }
            (Command::Promote, None) => {
                self.over(Overlay::Picker(PickerState::sources(name, &self.world)))
            }
            (Command::Restart, _) => vec![Effect::Propose(name, Action::Restart)],
            (Command::Scale, Some(count)) => match tasks(count) {
                Ok(desired) => vec![Effect::Propose(name, Action::Scale { desired })],
                Err(error) => vec![Effect::Notify(Level::Warn, error)],
            },
            (Command::Scale, None) => {
                let wanted = self
                    .world
                    .environment(&name)
                    .and_then(|env| env.service())
                    .map(|service| service.desired);
                self.over(Overlay::Scale(ScaleState::new(name, wanted)))
            }
            _ => Vec::new(),
        }
    }

    fn over(&mut self, overlay: Overlay) -> Vec<Effect> {
        self.overlay = Some(overlay);
        Vec::new()
    }

    fn show_rollout(&mut self) -> Vec<Effect> {
        let here = self.environment().and_then(|name| self.world.run_of(name));
        let going = self
            .world
            .runs
            .iter()
            .find(|run| run.state.outcome.is_none());
        match here.or(going).or(self.world.runs.first()) {
            Some(run) => {
                let screen = RolloutState::new(run.id.clone(), run.plan.environment.clone());
                vec![Effect::Show(Box::new(Screen::Rollout(screen)))]
            }
            None => vec![Effect::Notify(
                Level::Info,
                "No rollout was started from here. H shows the history, D deploys, R rolls back"
                    .into(),
            )],
        }
    }

    fn with_environment(
        &self,
        argument: Option<&str>,
        then: impl FnOnce(EnvironmentName) -> Vec<Effect>,
    ) -> Vec<Effect> {
        match argument {
            Some(name) if self.world.environment(&name.into()).is_some() => then(name.into()),
            Some(name) => vec![self.no_environment(name)],
            None => match self.environment() {
                Some(name) => then(name.clone()),
                None => vec![Effect::Notify(
                    Level::Warn,
                    "No environment is selected".into(),
                )],
            },
        }
    }

    fn no_environment(&self, name: &str) -> Effect {
        let near = self
            .world
            .environments
            .iter()
            .map(|env| env.name().as_str())
            .max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)))
            .map(|near| format!(". Did you mean {near}?"))
            .unwrap_or_default();
        Effect::Notify(
            Level::Warn,
            format!("There is no environment {name:?}{near}"),
        )
    }

    fn back(&mut self) {
        if self.screens.len() > 1
            && let Some(screen) = self.screens.pop()
        {
            self.forward.push(screen);
        }
    }

    /// Does the effects that concern only screens, and hands on the rest.
    fn settle(&mut self, effects: Vec<Effect>) -> Vec<Effect> {
        let mut rest = Vec::new();
        let mut queue: std::collections::VecDeque<Effect> = effects.into();
        while let Some(effect) = queue.pop_front() {
            match effect {
                Effect::Show(mut screen) => {
                    queue.extend(screen.state_mut().open(&self.world));
                    for mut gone in self.forward.drain(..) {
                        queue.extend(gone.state_mut().close());
                    }
                    self.screens.push(*screen);
                    if self.screens.len() > VIEWS_MAX {
                        // The home view stays; the oldest after it goes.
                        queue.extend(self.screens.remove(1).state_mut().close());
                    }
                }
                Effect::Back => self.back(),
                Effect::Notify(level, text) => self.notices.say(level, text, self.world.now),
                Effect::Propose(environment, action) => {
                    let (dialog, effects) = ConfirmState::open(environment, action);
                    self.overlay = Some(Overlay::Confirm(Box::new(dialog)));
                    queue.extend(effects);
                }
                Effect::ShowText { title, text } => {
                    self.overlay = Some(Overlay::Text(TextState::new(title, &text)))
                }
                Effect::ShowLastLogs(environment, task) => {
                    let (overlay, effects) = LastLogsState::open(environment, task);
                    self.overlay = Some(Overlay::LastLogs(overlay));
                    queue.extend(effects);
                }
                Effect::Dismiss(id) => {
                    if let Some(run) = self.world.runs.iter_mut().find(|run| run.id == id) {
                        run.dismissed = true;
                    }
                }
                other => rest.push(other),
            }
        }
        rest
    }

    /// For pictures and tests: the view on top, to be changed.
    pub fn top(&mut self) -> &mut Screen {
        self.screen_mut()
    }
}
