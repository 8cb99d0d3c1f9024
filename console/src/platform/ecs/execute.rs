//! Sends a prepared change. The order is that of `prepare`'s promise: register, look again, and
//! only if nothing changed update the service. What was registered stays registered.

use super::{
    EcsPlatform,
    operations::{REGISTER_TASK_DEFINITION, STOP_SERVICE_DEPLOYMENT, STOP_TASK, UPDATE_SERVICE},
    request::{Handle, Precondition, Request},
    service,
    task_definition::{TaskDefinition, register_request, tags},
    time::timestamp,
    wire_guard::KeepBody,
};
use crate::{
    model::{Prepared, RevisionId, RolloutId, RolloutTicket},
    platform::{Permit, PlatformError, draft::unpack},
};
use aws_sdk_ecs::types::{Service, StopServiceDeploymentStopType};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;

/// ECS lists our service deployment within moments; its times are its own clock's.
const OURS_SLACK: SignedDuration = SignedDuration::from_secs(2);

impl EcsPlatform {
    pub(super) async fn carry_out(
        &self,
        permit: &Permit,
        prepared: &Prepared,
    ) -> Result<RolloutTicket, PlatformError> {
        let request: Request = unpack(&prepared.request)?;
        let precondition: Precondition = serde_json::from_value(prepared.precondition.clone())
            .map_err(|error| PlatformError::Invalid {
                operation: "the plan".to_owned(),
                cause: format!("its precondition cannot be read ({error})"),
            })?;
        match request {
            Request::Register { document, tags } => {
                let revision = self.register(permit, &document, tags).await?;
                self.roll_out(permit, &precondition, Some(&revision)).await
            }
            Request::Update { revision } => {
                self.roll_out(permit, &precondition, Some(&revision)).await
            }
            Request::Restart => self.roll_out(permit, &precondition, None).await,
            Request::Scale { desired } => self.scale_to(permit, &precondition, desired).await,
            Request::StopRollout { rollout, back_to } => {
                self.stop_and_go_back(permit, rollout, back_to).await
            }
            Request::StopTask { task } => self.stop_task(permit, task).await,
        }
    }

    /// Registers the document byte for byte: the SDK's own request is built only to name the
    /// operation, and its body is replaced before it is signed.
    async fn register(
        &self,
        permit: &Permit,
        document: &Value,
        mut wanted_tags: BTreeMap<String, String>,
    ) -> Result<RevisionId, PlatformError> {
        wanted_tags.insert(tags::RUN.to_owned(), permit.run().to_string());
        let body = register_request(document, &wanted_tags).to_string();
        let family = document
            .get("family")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let answer = KeepBody::default();
        self.session
            .mutate(permit, &REGISTER_TASK_DEFINITION, |clients| {
                clients
                    .ecs
                    .register_task_definition()
                    .family(family)
                    .set_container_definitions(Some(Vec::new()))
                    .customize()
                    .interceptor(answer.clone())
                    .mutate_request(move |request| {
                        request
                            .headers_mut()
                            .insert("content-length", body.len().to_string());
                        *request.body_mut() = body.clone().into_bytes().into();
                    })
                    .send()
            })
            .await?;
        let registered = answer
            .take()
            .and_then(|body| TaskDefinition::from_answer(&body))
            .ok_or_else(|| PlatformError::Other {
                operation: REGISTER_TASK_DEFINITION.iam_action.to_owned(),
                cause: "the answer holds no task definition; the service was not touched"
                    .to_owned(),
            })?;
        Ok(registered.id)
    }

    /// Updates the service to a revision, or restarts it, if it is still as it was.
    async fn roll_out(
        &self,
        permit: &Permit,
        precondition: &Precondition,
        revision: Option<&RevisionId>,
    ) -> Result<RolloutTicket, PlatformError> {
        self.expect_unchanged(precondition).await?;
        let updated = self
            .update(permit, |request| match revision {
                Some(revision) => request.task_definition(revision.as_str()),
                None => request.force_new_deployment(true),
            })
            .await?;
        let primary = service::primary(&updated);
        let sent_at = primary
            .and_then(|primary| timestamp(primary.created_at()))
            .unwrap_or_else(Timestamp::now);
        let revision = revision.cloned().or_else(|| {
            primary
                .and_then(|primary| primary.task_definition())
                .map(RevisionId::from)
        });
        let rollout = match &revision {
            // Not finding it at once is normal; progress looks for it again.
            Some(revision) => self.our_rollout(revision, sent_at).await.unwrap_or(None),
            None => None,
        };
        Ok(RolloutTicket {
            rollout,
            revision,
            handle: primary
                .and_then(|primary| primary.id())
                .map(|id| Handle::Deployment(id.to_owned()).to_text()),
            sent_at,
            desired: service::count(updated.desired_count()),
        })
    }

    async fn scale_to(
        &self,
        permit: &Permit,
        precondition: &Precondition,
        desired: u32,
    ) -> Result<RolloutTicket, PlatformError> {
        self.expect_unchanged(precondition).await?;
        let wanted = i32::try_from(desired).map_err(|_| PlatformError::Invalid {
            operation: UPDATE_SERVICE.iam_action.to_owned(),
            cause: format!("{desired} tasks are more than ECS takes"),
        })?;
        let updated = self
            .update(permit, |request| request.desired_count(wanted))
            .await?;
        Ok(RolloutTicket {
            rollout: None,
            revision: updated.task_definition().map(RevisionId::from),
            handle: Some(Handle::Scale.to_text()),
            sent_at: Timestamp::now(),
            desired,
        })
    }

    async fn stop_and_go_back(
        &self,
        permit: &Permit,
        rollout: String,
        back_to: Option<RevisionId>,
    ) -> Result<RolloutTicket, PlatformError> {
        let sent_at = Timestamp::now();
        self.session
            .mutate(permit, &STOP_SERVICE_DEPLOYMENT, |clients| {
                clients
                    .ecs
                    .stop_service_deployment()
                    .service_deployment_arn(&rollout)
                    .stop_type(StopServiceDeploymentStopType::Rollback)
                    .send()
            })
            .await
            .map_err(|error| match error {
                // ECS refuses to stop what is over: that is a change of the world.
                PlatformError::Conflict { change, .. }
                | PlatformError::Invalid { cause: change, .. } => PlatformError::Conflict {
                    what: "the rollout".to_owned(),
                    change,
                },
                error => error,
            })?;
        let service = self.service().await?;
        Ok(RolloutTicket {
            rollout: Some(RolloutId::new(rollout)),
            revision: back_to,
            handle: Some(Handle::StopRollout.to_text()),
            sent_at,
            desired: service::count(service.desired_count()),
        })
    }

    async fn stop_task(
        &self,
        permit: &Permit,
        task: String,
    ) -> Result<RolloutTicket, PlatformError> {
        let service = self.service().await?;
        self.session
            .mutate(permit, &STOP_TASK, |clients| {
                clients
                    .ecs
                    .stop_task()
                    .cluster(&self.config.cluster)
                    .task(&task)
                    .reason("stopped with opsconsole")
                    .send()
            })
            .await?;
        Ok(RolloutTicket {
            rollout: None,
            revision: service.task_definition().map(RevisionId::from),
            handle: Some(Handle::StopTask(task).to_text()),
            sent_at: Timestamp::now(),
            desired: service::count(service.desired_count()),
        })
    }

    /// UpdateService has no precondition of its own, so the window is made as small as it can be.
    async fn expect_unchanged(&self, precondition: &Precondition) -> Result<(), PlatformError> {
        let now = self.service().await?;
        match precondition.violated_by(&now) {
            None => Ok(()),
            Some(change) => Err(PlatformError::Conflict {
                what: format!("service {}/{}", self.config.cluster, self.config.service),
                change,
            }),
        }
    }

    async fn update(
        &self,
        permit: &Permit,
        with: impl FnOnce(
            aws_sdk_ecs::operation::update_service::builders::UpdateServiceFluentBuilder,
        ) -> aws_sdk_ecs::operation::update_service::builders::UpdateServiceFluentBuilder,
    ) -> Result<Service, PlatformError> {
        let answer = self
            .session
            .mutate(permit, &UPDATE_SERVICE, |clients| {
                with(
                    clients
                        .ecs
                        .update_service()
                        .cluster(&self.config.cluster)
                        .service(&self.config.service),
                )
                .send()
            })
            .await?;
        match answer.service {
            Some(service) => Ok(service),
            None => self.service().await,
        }
    }

    /// Our service deployment: the first since ours was sent whose target revision uses our task
    /// definition; a later one of the same task definition is somebody's restart.
    /// (`currentServiceDeployment` of the service can be stale.)
    pub(super) async fn our_rollout(
        &self,
        revision: &RevisionId,
        sent_at: Timestamp,
    ) -> Result<Option<RolloutId>, PlatformError> {
        let briefs = self.deployment_briefs(sent_at - OURS_SLACK, &[]).await?;
        let targets = briefs
            .iter()
            .filter_map(|brief| brief.target_service_revision_arn())
            .map(str::to_owned);
        let revisions = self.service_revisions(targets).await?;
        // Newest first, so the first one is the last.
        Ok(briefs
            .iter()
            .rfind(|brief| {
                brief
                    .target_service_revision_arn()
                    .and_then(|arn| revisions.get(arn))
                    .is_some_and(|target| target.task_definition == *revision)
            })
            .and_then(|brief| brief.service_deployment_arn())
            .map(RolloutId::from))
    }
}
