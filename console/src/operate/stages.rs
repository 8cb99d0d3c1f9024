//! The named steps of a run, from what was done and what the platform reports.

use super::RunState;
use crate::model::{RolloutProgress, RunOutcome, Stage, StageState};
use jiff::Timestamp;

/// All steps, in the order they happen.
pub(super) const NAMES: [&str; 7] = [
    "planned",
    "confirmed",
    "locked",
    "sent",
    "new tasks",
    "draining",
    "stable",
];

/// A run at its beginning.
pub(super) fn begin(planned_at: Timestamp, started_at: Timestamp) -> RunState {
    let stages = NAMES
        .iter()
        .map(|name| Stage {
            name: (*name).to_owned(),
            state: StageState::Waiting,
            at: None,
            detail: None,
        })
        .collect();
    let mut state = RunState {
        started_at,
        stages,
        progress: None,
        lock: None,
        trouble: None,
        outcome: None,
        finished_at: None,
    };
    state.reach("planned", StageState::Done, planned_at, None);
    state.reach("confirmed", StageState::Done, started_at, None);
    state
}

impl RunState {
    /// Moves one step; its time is that of the first arrival in a state.
    pub(super) fn reach(
        &mut self,
        name: &str,
        state: StageState,
        at: Timestamp,
        detail: Option<String>,
    ) {
        if let Some(stage) = self.stages.iter_mut().find(|stage| stage.name == name) {
            if stage.state != state {
                stage.state = state;
                stage.at = Some(at);
            }
            stage.detail = detail;
        }
    }

    /// Takes in what the platform reports of the rollout.
    /// Where ours is the side that leaves, what comes in is the side that it was to replace.
    pub(super) fn follow(&mut self, progress: RolloutProgress, ours_leaves: bool) {
        let at = progress.at;
        let ours = std::slice::from_ref(&progress.ours);
        let (incoming, outgoing) = if ours_leaves {
            (progress.others.as_slice(), ours)
        } else {
            (ours, progress.others.as_slice())
        };
        let wanted: u32 = incoming.iter().map(|side| side.desired).sum();
        let serving: u32 = incoming.iter().map(|side| side.in_service).sum();
        let failed: u32 = incoming.iter().map(|side| side.failed).sum();
        let mut detail = format!("{serving}/{wanted} healthy");
        if failed > 0 {
            detail.push_str(&format!(", {failed} failed"));
        }
        let arrived = wanted > 0 && serving >= wanted;
        let arrival = if arrived {
            StageState::Done
        } else {
            StageState::Running
        };
        self.reach("new tasks", arrival, at, Some(detail));
        let leaving: u32 = outgoing
            .iter()
            .map(|side| side.running.max(side.draining))
            .sum();
        if arrived {
            let (state, detail) = if leaving == 0 {
                (StageState::Done, None)
            } else {
                (StageState::Running, Some(format!("{leaving} left")))
            };
            self.reach("draining", state, at, detail);
            if leaving == 0 {
                self.reach(
                    "stable",
                    StageState::Running,
                    at,
                    progress.platform_stage.clone(),
                );
            }
        }
        self.progress = Some(progress);
    }

    /// Ends the run.
    pub(super) fn end(&mut self, outcome: RunOutcome, at: Timestamp) {
        if outcome == RunOutcome::Done {
            for name in ["new tasks", "draining", "stable"] {
                let detail = self
                    .stages
                    .iter()
                    .find(|stage| stage.name == name)
                    .and_then(|stage| stage.detail.clone())
                    .filter(|_| name == "new tasks");
                self.reach(name, StageState::Done, at, detail);
            }
        } else if let Some(stage) = self
            .stages
            .iter_mut()
            .find(|stage| stage.state != StageState::Done)
        {
            stage.state = StageState::Failed;
            stage.at = Some(at);
            stage.detail = Some(match outcome.reason() {
                Some(reason) => format!("{}: {reason}", outcome.word()),
                None => outcome.word().to_owned(),
            });
        }
        self.trouble = None;
        self.outcome = Some(outcome);
        self.finished_at = Some(at);
    }
}
