//! The one dialog before every mutation: it makes the plan, shows all of it, takes what the gate
//! asks for, and hands it to the executor. Cancel has the focus.

use super::{Outcome, OverlayState};
use crate::{
    model::{Action, EnvironmentName, Plan},
    operate::{Confirmation, Gate},
    tui::{
        chord::Chord,
        command::{Command, KeyMap, Place},
        effect::{Effect, Level},
        message::{Generation, Message, Refusal},
        state::{Pointer, Screen, Target, World, rollout::RolloutState},
    },
};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use jiff::SignedDuration;
use std::sync::Arc;
use tui_input::{Input, backend::crossterm::EventHandler};

/// A plan is made anew rather than sent after so long; the executor refuses it as well.
const STALE_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// How far it is.
#[derive(Debug)]
pub enum Phase {
    /// The plan is being made.
    Planning,
    /// The plan is there.
    Ready(Arc<Plan>, Gate),
    /// There is no plan, or the executor refused it.
    Refused(Refusal),
    /// It was confirmed and is on its way.
    Sending(Arc<Plan>),
}

/// What Enter and typing go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Focus {
    /// The reason to break the glass.
    Reason,
    /// The environment's name.
    Name,
    /// Do nothing. Where it starts.
    Cancel,
    /// Do it.
    Go,
}

/// The dialog.
#[derive(Debug)]
pub struct ConfirmState {
    /// Where.
    pub environment: EnvironmentName,
    /// What was asked.
    pub action: Action,
    /// How far it is.
    pub phase: Phase,
    /// What Enter goes to.
    pub focus: Focus,
    /// The environment's name as typed.
    pub name: Input,
    /// The reason as typed.
    pub reason: Input,
    /// The first line of the details shown.
    pub scroll: usize,
    generation: Generation,
}

impl ConfirmState {
    /// The dialog, and the question for its plan.
    pub fn open(environment: EnvironmentName, action: Action) -> (Self, Vec<Effect>) {
        let mut state = Self {
            environment,
            action,
            phase: Phase::Planning,
            focus: Focus::Cancel,
            name: Input::default(),
            reason: Input::default(),
            scroll: 0,
            generation: Generation::next(),
        };
        let effects = state.plan_again();
        (state, effects)
    }

    fn plan_again(&mut self) -> Vec<Effect> {
        self.generation = Generation::next();
        self.phase = Phase::Planning;
        self.focus = Focus::Cancel;
        self.name.reset();
        vec![Effect::Plan {
            generation: self.generation,
            environment: self.environment.clone(),
            action: self.action.clone(),
        }]
    }

    /// Whether it cannot be done as things stand; planned again later, it may be.
    pub fn is_refused(&self) -> bool {
        match &self.phase {
            Phase::Refused(_) => true,
            Phase::Ready(plan, gate) => !can_go(plan, gate),
            Phase::Planning | Phase::Sending(_) => false,
        }
    }

    /// The parts that can have the focus now, in the order of Tab.
    pub fn parts(&self) -> Vec<Focus> {
        let mut parts = Vec::new();
        if let Phase::Ready(plan, gate) = &self.phase {
            if matches!(gate, Gate::BreakGlass { .. }) {
                parts.push(Focus::Reason);
            }
            if wants_name(gate) {
                parts.push(Focus::Name);
            }
            parts.push(Focus::Cancel);
            if can_go(plan, gate) {
                parts.push(Focus::Go);
            }
        } else {
            parts.push(Focus::Cancel);
        }
        parts
    }

    /// What is still missing before it can be confirmed, for people; `None` when nothing is.
    pub fn missing(&self) -> Option<String> {
        let Phase::Ready(_, gate) = &self.phase else {
            return None;
        };
        if matches!(gate, Gate::BreakGlass { .. }) && self.reason.value().trim().is_empty() {
            return Some("write the reason first".into());
        }
        if wants_name(gate) && self.name.value().trim() != self.environment.as_str() {
            return Some(format!("type {} first", self.environment));
        }
        None
    }

    fn go(&mut self, world: &World) -> Outcome {
        if let Some(missing) = self.missing() {
            self.focus = if missing.contains("reason") {
                Focus::Reason
            } else {
                Focus::Name
            };
            return Outcome::Stay(vec![Effect::Notify(
                Level::Warn,
                format!("Not yet: {missing}"),
            )]);
        }
        let Phase::Ready(plan, gate) = &self.phase else {
            return Outcome::stay();
        };
        if !can_go(plan, gate) {
            return Outcome::stay();
        }
        if world.ago(plan.made_at) > STALE_AFTER {
            let mut effects = self.plan_again();
            effects.push(Effect::Notify(
                Level::Warn,
                "The plan was older than five minutes; it is made anew. Look at it again".into(),
            ));
            return Outcome::Stay(effects);
        }
        let confirmation = Confirmation {
            yes: true,
            typed_name: wants_name(gate).then(|| self.name.value().trim().to_owned()),
            break_glass: matches!(gate, Gate::BreakGlass { .. })
                .then(|| self.reason.value().trim().to_owned()),
        };
        let plan = Arc::clone(plan);
        self.generation = Generation::next();
        self.phase = Phase::Sending(Arc::clone(&plan));
        self.focus = Focus::Cancel;
        Outcome::Stay(vec![Effect::Execute {
            generation: self.generation,
            plan,
            confirmation,
        }])
    }

    fn press(&mut self, focus: Focus, world: &World) -> Outcome {
        match focus {
            Focus::Cancel => Outcome::close(),
            Focus::Go => self.go(world),
            Focus::Reason | Focus::Name => {
                self.focus = self.next(focus, true);
                Outcome::stay()
            }
        }
    }

    fn next(&self, from: Focus, forward: bool) -> Focus {
        let parts = self.parts();
        let at = parts.iter().position(|part| *part == from).unwrap_or(0);
        let step = if forward { 1 } else { parts.len() - 1 };
        parts[(at + step) % parts.len()]
    }

    /// The input that typed characters go to: the focused one, else the first that is unfinished.
    fn typing(&self) -> Option<Focus> {
        let parts = self.parts();
        if matches!(self.focus, Focus::Reason | Focus::Name) {
            return Some(self.focus);
        }
        let unfinished = |part: &Focus| match part {
            Focus::Reason => self.reason.value().trim().is_empty(),
            Focus::Name => true,
            _ => false,
        };
        parts.into_iter().find(unfinished)
    }

    fn typed(&mut self, into: Focus, change: impl FnOnce(&mut Input)) {
        let input = if into == Focus::Reason {
            &mut self.reason
        } else {
            &mut self.name
        };
        change(input);
        if into == Focus::Reason {
            self.focus = Focus::Reason;
        } else {
            // The name typed in full is the deliberate act: Enter may follow it.
            self.focus = if self.missing().is_none() {
                Focus::Go
            } else {
                Focus::Name
            };
        }
    }
}

fn wants_name(gate: &Gate) -> bool {
    matches!(
        gate,
        Gate::TypeName
            | Gate::BreakGlass {
                type_name: true,
                ..
            }
    )
}

/// Whether anything can be confirmed: nothing refuses it, nothing is in the way, and it would do
/// something.
fn can_go(plan: &Plan, gate: &Gate) -> bool {
    !matches!(gate, Gate::Refused { .. }) && plan.prepared.blockers.is_empty() && !plan.is_noop()
}

impl OverlayState for ConfirmState {
    fn key(&mut self, key: KeyEvent, world: &World, keys: &KeyMap) -> Outcome {
        let plain = !key
            .modifiers
            .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        match key.code {
            KeyCode::Esc => return Outcome::close(),
            KeyCode::Enter => return self.press(self.focus, world),
            KeyCode::Tab => self.focus = self.next(self.focus, true),
            KeyCode::BackTab => self.focus = self.next(self.focus, false),
            KeyCode::Left | KeyCode::Right
                if !matches!(self.focus, Focus::Name | Focus::Reason) =>
            {
                let to = if key.code == KeyCode::Left {
                    Focus::Cancel
                } else {
                    Focus::Go
                };
                if self.parts().contains(&to) {
                    self.focus = to;
                }
            }
            KeyCode::Char(_)
            | KeyCode::Backspace
            | KeyCode::Delete
            | KeyCode::Left
            | KeyCode::Right
                if plain && self.typing().is_some() =>
            {
                if let Some(into) = self.typing() {
                    self.typed(into, |input| _ = input.handle_event(&Event::Key(key)));
                }
            }
            KeyCode::Char('r') if self.is_refused() => {
                return Outcome::Stay(self.plan_again());
            }
            KeyCode::Char('q') => return Outcome::close(),
            _ => {
                self.scroll = match keys.command(Place::Environments, Chord::from(key)) {
                    Some(Command::Up) => self.scroll.saturating_sub(1),
                    Some(Command::Down) => self.scroll + 1,
                    Some(Command::PageUp) => self.scroll.saturating_sub(world.page_rows() / 2),
                    Some(Command::PageDown) => self.scroll + world.page_rows() / 2,
                    Some(Command::Top) => 0,
                    _ => self.scroll,
                };
            }
        }
        Outcome::stay()
    }

    fn paste(&mut self, text: &str, _world: &World) {
        // A pasted name would make the question pointless; a reason may be pasted.
        if self.typing() == Some(Focus::Reason) {
            self.typed(Focus::Reason, |input| {
                for character in text.chars().filter(|c| !c.is_control()) {
                    input.handle(tui_input::InputRequest::InsertChar(character));
                }
            });
        }
    }

    fn mouse(&mut self, pointer: Pointer, world: &World) -> Outcome {
        match pointer {
            Pointer::Click(Target::Button(0)) | Pointer::DoubleClick(Target::Button(0)) => {
                Outcome::close()
            }
            // The first click takes the focus, a second one presses: one stray click does nothing.
            Pointer::Click(Target::Button(1)) if self.focus != Focus::Go => {
                if self.parts().contains(&Focus::Go) {
                    self.focus = Focus::Go;
                }
                Outcome::stay()
            }
            Pointer::Click(Target::Button(1)) | Pointer::DoubleClick(Target::Button(1)) => {
                self.press(Focus::Go, world)
            }
            Pointer::Wheel(lines) => {
                let by = usize::try_from(lines.unsigned_abs()).unwrap_or(0);
                self.scroll = if lines < 0 {
                    self.scroll.saturating_sub(by)
                } else {
                    self.scroll + by
                };
                Outcome::stay()
            }
            _ => Outcome::stay(),
        }
    }

    fn message(&mut self, message: &Message, _world: &World) -> Outcome {
        match message {
            Message::Planned(generation, result) if *generation == self.generation => {
                self.phase = match result {
                    Ok((plan, gate)) => Phase::Ready(Arc::clone(plan), gate.clone()),
                    Err(refusal) => Phase::Refused(refusal.clone()),
                };
                Outcome::stay()
            }
            Message::Started(generation, result) if *generation == self.generation => {
                match result {
                    Ok(run) => Outcome::Close(vec![Effect::Show(Box::new(Screen::Rollout(
                        RolloutState::new(run.clone(), self.environment.clone()),
                    )))]),
                    Err(refusal) => {
                        self.phase = Phase::Refused(refusal.clone());
                        Outcome::stay()
                    }
                }
            }
            _ => Outcome::stay(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::fixtures;

    fn ready(plan: Plan, gate: Gate) -> ConfirmState {
        let (mut dialog, _) = ConfirmState::open(plan.environment.clone(), plan.action.clone());
        dialog.message(
            &Message::Planned(dialog.generation, Ok((Arc::new(plan), gate))),
            &fixtures::world(),
        );
        dialog
    }

    fn press(dialog: &mut ConfirmState, code: KeyCode) -> Outcome {
        dialog.key(
            KeyEvent::new(code, KeyModifiers::NONE),
            &fixtures::world(),
            &fixtures::keys(),
        )
    }

    fn type_text(dialog: &mut ConfirmState, text: &str) {
        for character in text.chars() {
            press(dialog, KeyCode::Char(character));
        }
    }

    fn executed(outcome: Outcome) -> Option<Confirmation> {
        match outcome {
            Outcome::Stay(effects) => effects.into_iter().find_map(|effect| match effect {
                Effect::Execute { confirmation, .. } => Some(confirmation),
                _ => None,
            }),
            _ => None,
        }
    }

    #[test]
    fn enter_alone_cancels() {
        let mut dialog = ready(fixtures::deploy_plan("1.6.0"), Gate::Confirm);
        assert_eq!(dialog.focus, Focus::Cancel);
        assert!(
            matches!(press(&mut dialog, KeyCode::Enter), Outcome::Close(effects) if effects.is_empty())
        );
    }

    #[test]
    fn tab_and_enter_confirm() {
        let mut dialog = ready(fixtures::deploy_plan("1.6.0"), Gate::Confirm);
        press(&mut dialog, KeyCode::Tab);
        let given = executed(press(&mut dialog, KeyCode::Enter)).expect("executed");
        assert_eq!(
            given,
            Confirmation {
                yes: true,
                typed_name: None,
                break_glass: None
            }
        );
    }

    #[test]
    fn production_wants_its_name_typed_and_nothing_less() {
        let mut dialog = ready(fixtures::rollback_plan(), Gate::TypeName);
        type_text(&mut dialog, "pro");
        dialog.focus = Focus::Go;
        assert_eq!(executed(press(&mut dialog, KeyCode::Enter)), None);
        type_text(&mut dialog, "d");
        assert_eq!(dialog.focus, Focus::Go);
        let given = executed(press(&mut dialog, KeyCode::Enter)).expect("executed");
        assert_eq!(given.typed_name.as_deref(), Some("prod"));
    }

    #[test]
    fn the_name_cannot_be_pasted() {
        let mut dialog = ready(fixtures::rollback_plan(), Gate::TypeName);
        dialog.paste("prod", &fixtures::world());
        assert_eq!(dialog.name.value(), "");
    }

    #[test]
    fn breaking_the_glass_takes_a_reason_and_the_name() {
        let gate = Gate::BreakGlass {
            why: "freeze: Black Friday".into(),
            type_name: true,
        };
        let mut dialog = ready(fixtures::rollback_plan(), gate);
        type_text(&mut dialog, "payments are down");
        press(&mut dialog, KeyCode::Tab);
        type_text(&mut dialog, "prod");
        let given = executed(press(&mut dialog, KeyCode::Enter)).expect("executed");
        assert_eq!(given.break_glass.as_deref(), Some("payments are down"));
    }

    #[test]
    fn a_blocked_plan_has_no_button_to_press() {
        let mut plan = fixtures::rollback_plan();
        plan.prepared.blockers.push(crate::model::Blocker {
            what: "the image is gone".into(),
            remedy: "push it again".into(),
        });
        let mut dialog = ready(plan, Gate::Confirm);
        assert_eq!(dialog.parts(), [Focus::Cancel]);
        press(&mut dialog, KeyCode::Tab);
        assert!(matches!(
            press(&mut dialog, KeyCode::Enter),
            Outcome::Close(_)
        ));
    }

    #[test]
    fn a_blocked_plan_can_be_made_again_where_it_stands() {
        let mut plan = fixtures::deploy_plan("1.6.0");
        plan.prepared.blockers.push(crate::model::Blocker {
            what: "a rollout of 1.5.0 is going on".into(),
            remedy: "wait for its end".into(),
        });
        let gate = Gate::Refused {
            why: "a rollout of 1.5.0 is going on".into(),
            remedy: "wait for its end".into(),
        };
        let mut dialog = ready(plan, gate);
        let Outcome::Stay(effects) = press(&mut dialog, KeyCode::Char('r')) else {
            panic!("it left")
        };
        assert!(matches!(effects[..], [Effect::Plan { .. }]));
        let mut dialog = ready(fixtures::deploy_plan("1.6.0"), Gate::Confirm);
        let Outcome::Stay(effects) = press(&mut dialog, KeyCode::Char('r')) else {
            panic!("it left")
        };
        assert!(effects.is_empty());
    }

    #[test]
    fn an_old_plan_is_made_anew_instead_of_sent() {
        let mut plan = fixtures::deploy_plan("1.6.0");
        plan.made_at = fixtures::ago(301);
        let mut dialog = ready(plan, Gate::Confirm);
        press(&mut dialog, KeyCode::Tab);
        let Outcome::Stay(effects) = press(&mut dialog, KeyCode::Enter) else {
            panic!("it left")
        };
        assert!(matches!(effects[0], Effect::Plan { .. }));
        assert!(matches!(dialog.phase, Phase::Planning));
    }
}
