//! Finding out what became of a run whose console ended before it did. Nothing is sent here.

use super::watch::HEARTBEAT;
use crate::{
    model::{Change, Plan, RolloutRecord, RolloutTicket, RunId},
    platform::{Platform, PlatformError},
    store::RunRecord,
};
use jiff::{SignedDuration, Timestamp};
use nix::{errno::Errno, sys::signal::kill, unistd::Pid};

/// Clocks of the platform and of this machine may differ so much.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(5);

/// Without a mark of the run, a rollout to the same target counts as ours when it began so soon.
const SENT_WITHIN: SignedDuration = SignedDuration::from_secs(120);

/// A watcher that gave no sign of life for so long is gone, even if its pid is somebody's again.
const SILENCE: u32 = 6;

/// Whether nobody watches a run any more. `mine` are the runs that this process watches.
pub(super) fn is_orphaned(run: &RunRecord, now: Timestamp, mine: &[RunId]) -> bool {
    if mine.contains(&run.id) {
        return false;
    }
    let Some(pid) = run.watcher else { return true };
    let silent = now.duration_since(run.heartbeat_at) > super::watch::signed(HEARTBEAT * SILENCE);
    silent || pid == std::process::id() || !is_alive(pid)
}

fn is_alive(pid: u32) -> bool {
    let Ok(pid) = i32::try_from(pid) else {
        return false;
    };
    // Signal 0 only asks; EPERM means that it lives and is somebody else's.
    !matches!(kill(Pid::from_raw(pid), None), Err(Errno::ESRCH)) && !is_zombie(pid)
}

/// Ended, though its parent has not asked for its exit code: a container's first process may never
/// do so. Only Linux tells (proc(5): the state follows the name's closing parenthesis).
fn is_zombie(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| {
            stat.rsplit_once(") ")
                .map(|(_, rest)| rest.starts_with('Z'))
        })
        .unwrap_or(false)
}

/// What the platform shows of a run that was recorded and whose ticket was not: `None` when there
/// is no trace of it.
///
/// First by the mark that the run left on what it registered; then, for changes that register
/// nothing, by their effect, where only one thing can have caused it.
pub(super) async fn trace(
    platform: &dyn Platform,
    run: &RunId,
    plan: &Plan,
    since: Timestamp,
) -> Result<Option<RolloutTicket>, PlatformError> {
    if let Some(ticket) = platform.find_run(run, &plan.prepared.change, since).await? {
        return Ok(Some(ticket));
    }
    match &plan.prepared.change {
        Change::ToRevision { revision } => {
            let rollouts = platform.rollouts().await?;
            Ok(only(&rollouts, since, |rollout| rollout.to == *revision))
        }
        Change::NewImage { release } => {
            let rollouts = platform.rollouts().await?;
            let author = &plan.author;
            Ok(only(&rollouts, since, |rollout| {
                rollout.digest.as_ref() == Some(&release.digest)
                    && rollout.author.as_ref() == Some(author)
            }))
        }
        // Their effects are the platform's to know, or look like anybody's: a restart like any
        // restart, and a task that is gone may have fallen.
        Change::StopRollout { .. }
        | Change::Scale { .. }
        | Change::Restart
        | Change::StopInstance { .. } => Ok(None),
    }
}

fn only(
    rollouts: &[RolloutRecord],
    since: Timestamp,
    is_ours: impl Fn(&RolloutRecord) -> bool,
) -> Option<RolloutTicket> {
    let mut candidates = rollouts.iter().filter(|rollout| {
        let began = rollout.started_at;
        since <= began + CLOCK_SKEW && began <= since + SENT_WITHIN && is_ours(rollout)
    });
    let found = candidates.next()?;
    candidates.next().is_none().then(|| ticket(found, since))
}

fn ticket(rollout: &RolloutRecord, sent_at: Timestamp) -> RolloutTicket {
    RolloutTicket {
        rollout: Some(rollout.id.clone()),
        revision: Some(rollout.to.clone()),
        handle: None,
        sent_at,
        desired: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{process::Command, time::Instant};

    #[test]
    fn a_console_that_ended_and_was_never_waited_for_does_not_live() {
        let mut child = Command::new("true").spawn().expect("a process");
        let begun = Instant::now();
        while is_alive(child.id()) {
            assert!(begun.elapsed().as_secs() < 20, "it still counts as living");
            std::thread::yield_now();
        }
        assert!(is_alive(std::process::id()));
        child.wait().expect("its exit code");
    }
}
