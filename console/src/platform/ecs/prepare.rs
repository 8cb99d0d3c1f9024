//! Makes a change ready with reading calls only: what would be sent, what is in the way, what the
//! operator should know.

use super::{
    EcsPlatform,
    image::ImageRef,
    registry::no_container,
    request::{Precondition, Request},
    service,
    task_definition::{TaskDefinition, tags, with_our_tags},
    text::clean,
    warnings::{self, Judged},
};
use crate::{
    model::{
        Architecture, Change, InstanceId, Prepared, Release, ReleaseDigest, ReleaseRef, RevisionId,
        RolloutId, document_diff,
    },
    platform::{ChangeNote, PlatformError, draft::pack},
};
use aws_sdk_ecs::types::Service;
use serde_json::Value;
use std::sync::Arc;

type Draft = crate::platform::draft::Draft<Request, Value>;

impl EcsPlatform {
    pub(super) async fn make_ready(
        &self,
        change: &Change,
        note: &ChangeNote,
    ) -> Result<Prepared, PlatformError> {
        let service = self.service().await?;
        let running = self.running_definition(&service).await?;
        let mut draft = match change {
            Change::NewImage { release } => {
                self.new_image(&service, &running, release, note).await?
            }
            Change::ToRevision { revision } => {
                self.to_revision(&service, &running, revision, note).await?
            }
            Change::Restart => self.restart(&service, &running, note).await?,
            Change::Scale { desired } => scale(&service, &running, *desired),
            Change::StopRollout { rollout } => self.stop_rollout(&running, rollout).await?,
            Change::StopInstance { instance } => self.stop_instance(&service, instance).await?,
        };
        block_other_controllers(&service, change, &mut draft);
        let bill_after = match &draft.after {
            Some((document, desired)) => {
                let bill = self.bill_of(&service, document, *desired).await;
                bill.inspect_err(|error| tracing::warn!(%error, "the bill cannot be estimated"))
                    .ok()
            }
            None => None,
        };
        let precondition = Precondition::of(&service, matches!(change, Change::Scale { .. }));
        Ok(Prepared {
            change: change.clone(),
            diff: draft.diff,
            blockers: draft.blockers,
            warnings: draft.warnings,
            break_glass: draft.break_glass,
            precondition: serde_json::to_value(precondition).unwrap_or_default(),
            request: pack(&draft.request),
            bill_after,
        })
    }

    /// The task definition that users see now, freshly read: its tags and status count.
    async fn running_definition(
        &self,
        service: &Service,
    ) -> Result<Arc<TaskDefinition>, PlatformError> {
        let running = service::live(service)
            .and_then(|deployment| deployment.task_definition())
            .or(service.task_definition())
            .ok_or_else(|| PlatformError::NotFound {
                what: format!("a task definition of {}", self.config.service),
                hint: Some(
                    "Services with an EXTERNAL deployment controller keep it in task sets, which \
                     opsconsole does not change"
                        .to_owned(),
                ),
            })?;
        self.fresh_task_definition(&RevisionId::from(running)).await
    }

    /// A clone of the running task definition with only the image changed, pinned by digest.
    async fn new_image(
        &self,
        service: &Service,
        running: &TaskDefinition,
        release: &Release,
        note: &ChangeNote,
    ) -> Result<Draft, PlatformError> {
        let wanted = self.config.container.as_deref();
        let image = format!("{}@{}", release.repository, release.digest);
        let document = running
            .with_image(wanted, &image)
            .ok_or_else(|| no_container(wanted, &running.id))?;
        let name = note.release.as_deref().unwrap_or(release.name());
        let tags = our_tags(running, note, Some(name));
        let mut draft = Draft::new(Request::Register {
            document: document.clone(),
            tags,
        });
        draft.diff = document_diff(&running.document, &document);
        draft.after = Some((document, service::count(service.desired_count())));
        self.check_image(&image, name, running.architecture(), &mut draft)
            .await?;
        self.check_same_digest(running, &release.digest, &mut draft);
        self.check_rollout_in_flight(service, note, &mut draft)
            .await?;
        self.warn(service, running, true, &mut draft).await?;
        Ok(draft)
    }

    /// A task definition that exists; one that is no longer active is cloned and registered again.
    async fn to_revision(
        &self,
        service: &Service,
        running: &TaskDefinition,
        revision: &RevisionId,
        note: &ChangeNote,
    ) -> Result<Draft, PlatformError> {
        let wanted = self.config.container.as_deref();
        let target = self.fresh_task_definition(revision).await?;
        let image = target
            .image(wanted)
            .ok_or_else(|| no_container(wanted, &target.id))?;
        let image = ImageRef::parse(image);
        let recorded = self.recorded_digest(&target).await;
        let mut document = target.document.clone();
        let mut moved = None;
        if image.digest.is_none()
            && let Some(recorded) = &recorded
            && let Some(now) = self.digest_of_tag(&image).await?
            && now != *recorded
        {
            let pinned = format!("{}@{recorded}", image.repository);
            document = target
                .with_image(wanted, &pinned)
                .ok_or_else(|| no_container(wanted, &target.id))?;
            moved = Some(now);
        }
        let release = target
            .release(wanted)
            .or_else(|| note.release.clone())
            .or_else(|| image.tag.clone());
        let register = !target.is_active() || moved.is_some();
        let mut draft = Draft::new(if register {
            Request::Register {
                document: document.clone(),
                tags: our_tags(&target, note, release.as_deref()),
            }
        } else {
            Request::Update {
                revision: target.id.clone(),
            }
        });
        draft.diff = document_diff(&running.document, &document);
        draft.after = Some((document, service::count(service.desired_count())));
        if let Some(now) = moved {
            draft.warnings.push(format!(
                "the tag {} has moved to {} since: {} is registered again, pinned to what it \
                 really ran",
                image.tag.as_deref().unwrap_or_default(),
                now.short(),
                target.id.short()
            ));
        } else if !target.is_active() {
            draft.warnings.push(format!(
                "{} is {}: it is cloned and registered again",
                target.id.short(),
                clean(&target.status)
            ));
        }
        let reference = match (&image.digest, &recorded) {
            (Some(digest), _) | (None, Some(digest)) => {
                format!("{}@{digest}", image.repository)
            }
            (None, None) => target.image(wanted).unwrap_or_default().to_owned(),
        };
        let name = release.as_deref().unwrap_or(target.id.short());
        self.check_image(&reference, name, target.architecture(), &mut draft)
            .await?;
        self.check_rollout_in_flight(service, note, &mut draft)
            .await?;
        let pinned = reference.contains('@');
        self.warn(service, &target, pinned, &mut draft).await?;
        Ok(draft)
    }

    async fn restart(
        &self,
        service: &Service,
        running: &TaskDefinition,
        note: &ChangeNote,
    ) -> Result<Draft, PlatformError> {
        let wanted = self.config.container.as_deref();
        let mut draft = Draft::new(Request::Restart);
        if service.desired_count() == 0 {
            draft.block(
                format!("{} has no tasks to restart", self.config.service),
                "Scale it up instead",
            );
        }
        let image = running.image(wanted).unwrap_or_default().to_owned();
        let name = running.release(wanted).unwrap_or_else(|| image.clone());
        self.check_image(&image, &name, running.architecture(), &mut draft)
            .await?;
        let image = ImageRef::parse(&image);
        if image.digest.is_none()
            && let Some(recorded) = self.recorded_digest(running).await
            && let Some(now) = self.digest_of_tag(&image).await?
            && now != recorded
        {
            draft.warnings.push(format!(
                "the tag {} has moved from {} to {}: a forced new deployment resolves it again, \
                 so this is a deploy, not a restart",
                image.tag.as_deref().unwrap_or_default(),
                recorded.short(),
                now.short()
            ));
        }
        self.check_rollout_in_flight(service, note, &mut draft)
            .await?;
        self.warn(service, running, image.digest.is_some(), &mut draft)
            .await?;
        Ok(draft)
    }

    async fn stop_rollout(
        &self,
        running: &TaskDefinition,
        rollout: &RolloutId,
    ) -> Result<Draft, PlatformError> {
        let deployment =
            self.deployment(rollout)
                .await?
                .ok_or_else(|| PlatformError::NotFound {
                    what: format!("the rollout {}", rollout.short()),
                    hint: Some("It may be over; look at the Releases screen".to_owned()),
                })?;
        let record = self.record_of(&deployment, None).await?;
        let mut draft = Draft::new(Request::StopRollout {
            rollout: rollout.as_str().to_owned(),
            back_to: record.from.clone(),
        });
        if deployment.is_over() {
            draft.block(
                format!(
                    "the rollout of {} is over: {}",
                    record.to.short(),
                    record.outcome.word()
                ),
                "Roll back to a release instead",
            );
        } else if deployment.is_going_back() {
            draft.block(
                format!("the rollout of {} is going back already", record.to.short()),
                "Watch it finish",
            );
        }
        match &record.from {
            Some(from) => {
                let back = self.task_definition(from).await?;
                let coming = self.task_definition(&record.to).await?;
                draft.diff = document_diff(&coming.document, &back.document);
            }
            None => draft.block(
                format!(
                    "{} is the first deployment: there is nothing to go back to",
                    running.id.short()
                ),
                "Deploy a good release over it",
            ),
        }
        Ok(draft)
    }

    async fn stop_instance(
        &self,
        service: &Service,
        instance: &InstanceId,
    ) -> Result<Draft, PlatformError> {
        let mut draft = Draft::new(Request::StopTask {
            task: instance.as_str().to_owned(),
        });
        let found = self
            .describe_tasks(vec![instance.as_str().to_owned()])
            .await?;
        match found.first() {
            Some(task) if task.state != crate::model::InstanceState::Stopped => {}
            _ => draft.block(
                format!("the task {} is not running", instance.short()),
                "Look at the tasks again",
            ),
        }
        if service.running_count() <= 1 {
            draft.warnings.push(
                "it is the only running task: nothing serves until its replacement is healthy"
                    .to_owned(),
            );
        }
        Ok(draft)
    }

    /// An image that is gone, or that cannot run here, must not be rolled out.
    async fn check_image(
        &self,
        image: &str,
        name: &str,
        runs_on: Architecture,
        draft: &mut Draft,
    ) -> Result<(), PlatformError> {
        let reference = ImageRef::parse(image);
        let Some(repository) = reference.ecr() else {
            draft.warnings.push(format!(
                "{} is not in Amazon ECR: whether it exists and runs on {runs_on} was not checked",
                reference.repository
            ));
            return Ok(());
        };
        let wanted = match (&reference.digest, &reference.tag) {
            (Some(digest), _) => ReleaseRef::Digest(digest.clone()),
            (None, Some(tag)) => ReleaseRef::Tag(tag.clone()),
            (None, None) => ReleaseRef::Tag("latest".to_owned()),
        };
        let Some(found) = self.describe_image(&repository, &wanted).await? else {
            let what = match &wanted {
                ReleaseRef::Digest(digest) => format!("the image of {name} ({})", digest.short()),
                ReleaseRef::Tag(tag) => format!("the image {}:{tag}", repository.name),
            };
            draft.block(
                format!("{what} is not in ECR any more"),
                "Choose another release, or push it again (a lifecycle policy may have removed it)",
            );
            return Ok(());
        };
        let digest = ReleaseDigest::new(found.image_digest().unwrap_or_default());
        let architectures = self.architectures(&repository, &digest).await;
        if architectures.is_empty() {
            draft.warnings.push(format!(
                "the architecture of {name} could not be read; the service runs on {runs_on}"
            ));
        } else if !architectures.contains(&runs_on) {
            let built: Vec<String> = architectures.iter().map(ToString::to_string).collect();
            draft.block(
                format!(
                    "{name} is built for {} and the service runs on {runs_on}",
                    built.join(" and ")
                ),
                format!("Build and push {name} for {runs_on}"),
            );
        }
        Ok(())
    }

    fn check_same_digest(
        &self,
        running: &TaskDefinition,
        digest: &ReleaseDigest,
        draft: &mut Draft,
    ) {
        let wanted = self.config.container.as_deref();
        if running.pinned_digest(wanted).as_ref() == Some(digest) {
            draft.warnings.push(format!(
                "{} runs this very digest already",
                running.id.short()
            ));
        }
    }

    /// Another rollout would be superseded without a word; ECS itself does not refuse it.
    async fn check_rollout_in_flight(
        &self,
        service: &Service,
        note: &ChangeNote,
        draft: &mut Draft,
    ) -> Result<(), PlatformError> {
        let primary = service::primary(service);
        let state = primary
            .and_then(|primary| primary.rollout_state())
            .map(|state| state.as_str());
        let recorded = super::observe::tolerate("service deployments", self.current_deployment());
        let recorded = recorded.await?;
        if state != Some("IN_PROGRESS") && recorded.is_none() {
            return Ok(());
        }
        // ECS takes a new deployment over one in flight; who asks for that knows of this one.
        if let (Some(deployment), Some(replaced)) = (&recorded, &note.replaces)
            && deployment.id == *replaced
        {
            return Ok(());
        }
        let record = match &recorded {
            Some(deployment) => self.record_of(deployment, None).await.ok(),
            None => None,
        };
        let revision = record.as_ref().map(|record| record.to.clone()).or_else(|| {
            primary
                .and_then(|primary| primary.task_definition())
                .map(RevisionId::from)
        });
        let author = match (&record, &revision) {
            (Some(record), _) if record.author.is_some() => record.author.clone(),
            (_, Some(revision)) => self
                .task_definition(revision)
                .await
                .ok()
                .and_then(|definition| definition.author()),
            _ => None,
        };
        let since = record
            .as_ref()
            .map(|record| record.started_at)
            .or_else(|| primary.and_then(|primary| super::time::timestamp(primary.created_at())));
        let name = record
            .as_ref()
            .and_then(|record| record.release.clone())
            .or_else(|| {
                revision
                    .as_ref()
                    .map(|revision| revision.short().to_owned())
            });
        let what = format!(
            "a rollout of {} is going on{}{}",
            name.as_deref().unwrap_or("another revision"),
            author.map_or(String::new(), |author| format!(", by {}", author.name)),
            since.map_or(String::new(), |since| format!(
                ", since {}",
                since.strftime("%H:%M:%S UTC")
            )),
        );
        draft.block(what, "Wait for its end, or roll it back first");
        Ok(())
    }

    async fn warn(
        &self,
        service: &Service,
        definition: &TaskDefinition,
        pinned: bool,
        draft: &mut Draft,
    ) -> Result<(), PlatformError> {
        let guards = service::guarding_alarms(service);
        let alarms = super::observe::tolerate("alarms", self.alarms(&guards)).await?;
        draft.warnings.extend(warnings::of_rollout(&Judged {
            service,
            alarms: &alarms,
            definition,
            container: self.config.container.as_deref(),
            pinned,
        }));
        Ok(())
    }

    /// The digest that a task definition ran with when it was last rolled out.
    async fn recorded_digest(&self, definition: &TaskDefinition) -> Option<ReleaseDigest> {
        let wanted = self.config.container.as_deref();
        if let Some(pinned) = definition.pinned_digest(wanted) {
            return Some(pinned);
        }
        let history = self.rollout_history().await;
        let history = history
            .inspect_err(|error| tracing::warn!(%error, "the recorded digest cannot be read"))
            .ok()?;
        history
            .into_iter()
            .filter(|record| record.to == definition.id)
            .find_map(|record| record.digest)
    }
}

fn scale(service: &Service, running: &TaskDefinition, desired: u32) -> Draft {
    let mut draft = Draft::new(Request::Scale { desired });
    draft.after = Some((running.document.clone(), desired));
    if service
        .scheduling_strategy()
        .is_some_and(|strategy| strategy.as_str() == "DAEMON")
    {
        draft.block(
            "a DAEMON service runs one task on each instance and has no desired count",
            "Change the number of container instances instead",
        );
    }
    if i32::try_from(desired).is_err() {
        draft.block(
            format!("{desired} tasks are more than ECS takes"),
            "Choose a smaller number",
        );
    }
    if desired == 0 {
        draft
            .warnings
            .push("with 0 tasks nothing serves any more".to_owned());
    }
    if service::is_rolling_out(service) {
        draft
            .warnings
            .push("a rollout is going on; it goes on with the new count".to_owned());
    }
    draft.warnings.push(
        "where autoscaling is on, it keeps moving the count within its own bounds".to_owned(),
    );
    draft
}

/// UpdateService cannot change the task definition of services that CodeDeploy or an external
/// controller deploys (API reference, UpdateService).
fn block_other_controllers(service: &Service, change: &Change, draft: &mut Draft) {
    let controller = service
        .deployment_controller()
        .map_or("ECS", |controller| controller.r#type().as_str());
    let is_rollout = !matches!(change, Change::Scale { .. } | Change::StopInstance { .. });
    if controller == "ECS" || !is_rollout {
        return;
    }
    let (who, remedy) = match controller {
        "CODE_DEPLOY" => (
            "AWS CodeDeploy",
            "Deploy and roll back through CodeDeploy; opsconsole only watches this service",
        ),
        _ => (
            "an external controller (task sets)",
            "Deploy and roll back through that controller; opsconsole only watches this service",
        ),
    };
    draft.block(
        format!("this service is deployed by {who}, and ECS refuses other deployments"),
        remedy,
    );
}

fn our_tags(
    base: &TaskDefinition,
    note: &ChangeNote,
    release: Option<&str>,
) -> std::collections::BTreeMap<String, String> {
    with_our_tags(
        base.inherited_tags(),
        &[
            (tags::AUTHOR, Some(&note.author.name)),
            (tags::HOST, note.author.host.as_deref()),
            (tags::REASON, note.reason.as_deref()),
            (tags::RELEASE, release),
        ],
    )
}
