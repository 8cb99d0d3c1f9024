//! How OUR rollout stands: never "something is stable", always "what we sent won".

use super::{
    EcsPlatform,
    deployments::DeploymentView,
    observe::World,
    request::Handle,
    service::{self, count},
    text::clean,
};
use crate::{
    model::{
        InstanceState, RevisionId, RolloutId, RolloutOutcome, RolloutProgress, RolloutRecord,
        RolloutTicket,
    },
    platform::PlatformError,
};
use aws_sdk_ecs::types::Service;
use jiff::Timestamp;

impl EcsPlatform {
    pub(super) async fn follow(
        &self,
        ticket: &RolloutTicket,
    ) -> Result<RolloutProgress, PlatformError> {
        let at = Timestamp::now();
        match ticket.handle.as_deref().map(Handle::from_text) {
            Some(Handle::Scale) => self.follow_scale(ticket, at).await,
            Some(Handle::StopTask(task)) => self.follow_stop_task(ticket, &task, at).await,
            // Of a rollout that is being stopped, its own end is told: rolled back is what was
            // asked for.
            Some(Handle::StopRollout) => self.follow_rollout(ticket, None, at).await,
            Some(Handle::Deployment(id)) => self.follow_rollout(ticket, Some(&id), at).await,
            None => self.follow_rollout(ticket, None, at).await,
        }
    }

    async fn follow_rollout(
        &self,
        ticket: &RolloutTicket,
        handle: Option<&str>,
        at: Timestamp,
    ) -> Result<RolloutProgress, PlatformError> {
        let (world, deployment) = futures::try_join!(self.world(), async {
            self.or_without_history(self.our_deployment_view(ticket))
                .await
        })?;
        let Some(deployment) = deployment else {
            return Ok(self.without_history(ticket, handle, &world, at));
        };
        let next = if deployment.status == "STOPPED" {
            self.next_created_at(&deployment).await?
        } else {
            None
        };
        let mut record = self.record_of(&deployment, next).await?;
        if record.outcome == RolloutOutcome::Superseded {
            record.reason = Some(self.superseded_by(&world, record.reason.as_deref()).await);
        }
        Ok(self.rollout_progress(&world, record, Some(&deployment), handle, at))
    }

    /// Our service deployment; looked for as long as ECS has not listed it.
    async fn our_deployment_view(
        &self,
        ticket: &RolloutTicket,
    ) -> Result<Option<DeploymentView>, PlatformError> {
        let known = match (&ticket.rollout, &ticket.revision) {
            (Some(rollout), _) => Some(rollout.clone()),
            (None, Some(revision)) => self.our_rollout(revision, ticket.sent_at).await?,
            (None, None) => None,
        };
        match known {
            Some(id) => self.deployment(&id).await,
            None => Ok(None),
        }
    }

    /// Where the service deployments cannot be read, DescribeServices has to do.
    async fn or_without_history(
        &self,
        call: impl Future<Output = Result<Option<DeploymentView>, PlatformError>>,
    ) -> Result<Option<DeploymentView>, PlatformError> {
        super::observe::tolerate("service deployments", call).await
    }

    fn without_history(
        &self,
        ticket: &RolloutTicket,
        handle: Option<&str>,
        world: &World,
        at: Timestamp,
    ) -> RolloutProgress {
        let (outcome, reason) = handle.map_or((RolloutOutcome::InProgress, None), |handle| {
            outcome_without_history(&world.service, handle)
        });
        let to = ticket.revision.clone().unwrap_or_else(|| {
            RevisionId::from(world.service.task_definition().unwrap_or_default())
        });
        let record = RolloutRecord {
            inferred: false,
            id: ticket
                .rollout
                .clone()
                .unwrap_or_else(|| RolloutId::new(handle.unwrap_or_default())),
            finished_at: (!outcome.is_in_progress()).then_some(at),
            reason,
            outcome,
            ..bare_record(to, ticket.sent_at)
        };
        self.rollout_progress(world, record, None, handle, at)
    }

    async fn superseded_by(&self, world: &World, words: Option<&str>) -> String {
        let revision = world.service.task_definition().map(RevisionId::from);
        let definition = match &revision {
            Some(revision) => self.task_definition(revision).await.ok(),
            None => None,
        };
        let name = revision
            .as_ref()
            .and_then(|revision| world.releases.get(revision).cloned())
            .or_else(|| {
                revision
                    .as_ref()
                    .map(|revision| revision.short().to_owned())
            })
            .unwrap_or_else(|| "another deployment".to_owned());
        let author = definition
            .and_then(|definition| definition.author())
            .map_or(String::new(), |author| format!(", by {}", author.name));
        match words {
            Some(words) => format!("superseded by {name}{author}: {words}"),
            None => format!("superseded by {name}{author}"),
        }
    }

    async fn follow_scale(
        &self,
        ticket: &RolloutTicket,
        at: Timestamp,
    ) -> Result<RolloutProgress, PlatformError> {
        let world = self.world().await?;
        let (outcome, reason) = outcome_of_scale(&world.service, ticket.desired);
        Ok(self.on_the_primary(&world, ticket, outcome, reason, at))
    }

    async fn follow_stop_task(
        &self,
        ticket: &RolloutTicket,
        task: &str,
        at: Timestamp,
    ) -> Result<RolloutProgress, PlatformError> {
        let world = self.world().await?;
        let gone = world
            .tasks
            .iter()
            .find(|view| view.id.as_str() == task)
            .is_none_or(|view| view.state == InstanceState::Stopped);
        let whole = world.service.running_count() >= world.service.desired_count()
            && world.service.pending_count() == 0;
        let outcome = if gone && whole {
            RolloutOutcome::Succeeded
        } else {
            RolloutOutcome::InProgress
        };
        let reason = (!whole && gone).then(|| "its replacement is starting".to_owned());
        Ok(self.on_the_primary(&world, ticket, outcome, reason, at))
    }

    /// Changes that have no service deployment of their own are shown on the PRIMARY one.
    fn on_the_primary(
        &self,
        world: &World,
        ticket: &RolloutTicket,
        outcome: RolloutOutcome,
        reason: Option<String>,
        at: Timestamp,
    ) -> RolloutProgress {
        let primary = service::primary(&world.service);
        let id = primary.and_then(|primary| primary.id()).unwrap_or_default();
        let to = RevisionId::from(world.service.task_definition().unwrap_or_default());
        let record = RolloutRecord {
            inferred: false,
            id: RolloutId::from(id),
            finished_at: (!outcome.is_in_progress()).then_some(at),
            outcome,
            reason,
            ..bare_record(to, ticket.sent_at)
        };
        self.rollout_progress(world, record, None, Some(id), at)
    }
}

fn bare_record(to: RevisionId, started_at: Timestamp) -> RolloutRecord {
    RolloutRecord {
        inferred: false,
        id: RolloutId::from(""),
        from: None,
        to,
        release: None,
        digest: None,
        started_at,
        finished_at: None,
        outcome: RolloutOutcome::InProgress,
        reason: None,
        alarms: Vec::new(),
        author: None,
    }
}

/// A scaling is done when as many run as we asked for and nothing is on its way.
fn outcome_of_scale(service: &Service, wanted: u32) -> (RolloutOutcome, Option<String>) {
    let desired = count(service.desired_count());
    if desired != wanted {
        return (
            RolloutOutcome::Superseded,
            Some(format!(
                "somebody, or autoscaling, set the desired count to {desired}"
            )),
        );
    }
    let running = count(service.running_count());
    if running == wanted && service.pending_count() == 0 {
        (RolloutOutcome::Succeeded, None)
    } else {
        (
            RolloutOutcome::InProgress,
            Some(format!("{running} of {wanted} running")),
        )
    }
}

/// The outcome of the deployment with our id as DescribeServices alone tells it: when ECS rolls
/// back, ours is FAILED and then vanishes, and the PRIMARY one or the events say that it is a
/// rollback; when somebody else deploys, ours vanishes without that.
fn outcome_without_history(service: &Service, ours: &str) -> (RolloutOutcome, Option<String>) {
    let state = |deployment: &aws_sdk_ecs::types::Deployment| {
        deployment
            .rollout_state()
            .map(|state| state.as_str().to_owned())
            .unwrap_or_default()
    };
    let words =
        |deployment: &aws_sdk_ecs::types::Deployment| deployment.rollout_state_reason().map(clean);
    let primary = service::primary(service);
    let found = service
        .deployments()
        .iter()
        .find(|deployment| deployment.id() == Some(ours));
    if let Some(found) = found
        && found.status() == Some("PRIMARY")
    {
        let outcome = match state(found).as_str() {
            "COMPLETED" => RolloutOutcome::Succeeded,
            "FAILED" => RolloutOutcome::Failed,
            _ => RolloutOutcome::InProgress,
        };
        return (outcome, words(found));
    }
    let Some(primary) = primary else {
        return (RolloutOutcome::InProgress, None);
    };
    let says_rollback = words(primary).is_some_and(|words| {
        let words = words.to_lowercase();
        words.contains("rolling back")
            || words.contains("rollback")
            || words.contains("rolled back")
    });
    let failed = found.is_some_and(|found| state(found) == "FAILED");
    if failed || says_rollback || events_tell_of_failure(service, ours) {
        let outcome = match state(primary).as_str() {
            "COMPLETED" => RolloutOutcome::RolledBack,
            "FAILED" => RolloutOutcome::Failed,
            _ => RolloutOutcome::InProgress,
        };
        return (outcome, found.and_then(words).or_else(|| words(primary)));
    }
    let by = primary.task_definition().unwrap_or_default();
    (
        RolloutOutcome::Superseded,
        Some(format!(
            "superseded by {}",
            by.rsplit('/').next().unwrap_or(by)
        )),
    )
}

/// ECS's events outlive the deployment: `(service api) (deployment ecs-svc/1) deployment failed: …`.
fn events_tell_of_failure(service: &Service, ours: &str) -> bool {
    service
        .events()
        .iter()
        .filter_map(|event| event.message())
        .any(|message| {
            message.contains(&format!("(deployment {ours})"))
                && message.contains("deployment failed")
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ecs::types::{Deployment, DeploymentRolloutState, ServiceEvent};

    fn deployment(id: &str, status: &str, state: &str, reason: &str) -> Deployment {
        Deployment::builder()
            .id(id)
            .status(status)
            .task_definition(format!("x/{id}"))
            .rollout_state(DeploymentRolloutState::from(state))
            .rollout_state_reason(reason)
            .build()
    }

    fn outcome(deployments: Vec<Deployment>) -> RolloutOutcome {
        let service = Service::builder()
            .set_deployments(Some(deployments))
            .build();
        outcome_without_history(&service, "ours").0
    }

    #[test]
    fn without_the_deployments_api_only_our_own_completion_is_success() {
        let ours = |state| vec![deployment("ours", "PRIMARY", state, "")];
        assert_eq!(outcome(ours("COMPLETED")), RolloutOutcome::Succeeded);
        assert_eq!(outcome(ours("FAILED")), RolloutOutcome::Failed);
        assert_eq!(outcome(ours("IN_PROGRESS")), RolloutOutcome::InProgress);
    }

    #[test]
    fn a_rollback_is_not_over_before_the_old_revision_is_back() {
        let going_back = |state| {
            vec![
                deployment(
                    "old",
                    "PRIMARY",
                    state,
                    "ECS deployment circuit breaker: rolling back to x",
                ),
                deployment("ours", "ACTIVE", "FAILED", "tasks failed to start"),
            ]
        };
        assert_eq!(
            outcome(going_back("IN_PROGRESS")),
            RolloutOutcome::InProgress
        );
        assert_eq!(outcome(going_back("COMPLETED")), RolloutOutcome::RolledBack);
    }

    #[test]
    fn ours_gone_and_nobody_speaking_of_a_rollback_means_superseded() {
        let other = vec![deployment(
            "other",
            "PRIMARY",
            "COMPLETED",
            "ECS deployment completed",
        )];
        assert_eq!(outcome(other), RolloutOutcome::Superseded);
        let vanished = vec![deployment(
            "old",
            "PRIMARY",
            "COMPLETED",
            "Rolling back to x",
        )];
        assert_eq!(outcome(vanished), RolloutOutcome::RolledBack);
    }

    #[test]
    fn a_scaling_is_done_only_when_all_run_and_is_superseded_by_another() {
        let service = |desired, running, pending| {
            Service::builder()
                .desired_count(desired)
                .running_count(running)
                .pending_count(pending)
                .build()
        };
        let outcome = |service: &Service| outcome_of_scale(service, 3).0;
        assert_eq!(outcome(&service(3, 3, 0)), RolloutOutcome::Succeeded);
        assert_eq!(outcome(&service(3, 2, 1)), RolloutOutcome::InProgress);
        assert_eq!(outcome(&service(5, 3, 0)), RolloutOutcome::Superseded);
    }

    #[test]
    fn ecs_events_remember_that_ours_failed_when_it_has_vanished_already() {
        let failed = ServiceEvent::builder()
            .message("(service api) (deployment ours) deployment failed: tasks failed to start.")
            .build();
        let service = Service::builder()
            .set_deployments(Some(vec![deployment(
                "old",
                "PRIMARY",
                "COMPLETED",
                "completed.",
            )]))
            .events(failed)
            .build();
        let told = outcome_without_history(&service, "ours").0;
        assert_eq!(told, RolloutOutcome::RolledBack);
    }
}
