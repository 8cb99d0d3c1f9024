//! Sends a prepared change: looks again, and patches with the resourceVersion just read, so that a
//! writer in between makes the API server refuse it.

use super::{
    KubernetesPlatform, annotations,
    prepare::FIELD_MANAGER,
    request::{Handle, Precondition, Request},
    scene::name_of,
    session::{Link, op},
    template::{self, Image},
};
use crate::{
    model::{Prepared, RevisionId, RolloutTicket},
    platform::{Permit, PlatformError, draft::unpack},
};
use jiff::Timestamp;
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

/// A status written in between changes the resourceVersion and nothing that matters here.
const ATTEMPTS: u32 = 5;
/// The controller makes the ReplicaSet within moments.
const NAMED_WITHIN: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(200);

impl KubernetesPlatform {
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
        let link = self.session.link().await?;
        let sent_at = Timestamp::now();
        match request {
            Request::Template {
                mut patch,
                strategic,
                fingerprint,
                annotations: mut ours,
                revision,
                back,
            } => {
                ours.extend(annotations::of_sending(permit.run().as_str(), sent_at));
                if patch.is_null() {
                    patch = json!({"metadata": {"annotations": {
                        annotations::RESTARTED_AT: sent_at.to_string()
                    }}});
                }
                let spec = json!({"template": patch});
                let sent = self
                    .send(permit, &link, &precondition, &ours, spec, strategic)
                    .await?;
                let print = template::fingerprint(&template::of_deployment(&sent));
                if fingerprint.as_ref().is_some_and(|wanted| *wanted != print) {
                    tracing::warn!("admission made another template than in the dry run");
                }
                self.ticket(&sent, print, back, revision, sent_at).await
            }
            Request::Helm {
                release,
                helm_revision,
                fingerprint,
                revision,
                back,
            } => {
                let now = self.unchanged(&link, &precondition).await?;
                let made = self
                    .helm_rollback(permit, &link, &release, helm_revision)
                    .await?;
                let handle = Handle::Helm {
                    release,
                    helm_revision: made,
                    to: helm_revision,
                    fingerprint,
                    back,
                };
                let desired = now.spec.as_ref().and_then(|spec| spec.replicas);
                Ok(RolloutTicket {
                    rollout: None,
                    revision: Some(RevisionId::from(revision)),
                    handle: Some(handle.to_text()),
                    sent_at,
                    desired: desired.map_or(1, super::scene::count),
                })
            }
            Request::Scale { desired } => {
                let none = BTreeMap::new();
                let spec = json!({"replicas": desired});
                self.send(permit, &link, &precondition, &none, spec, false)
                    .await?;
                Ok(RolloutTicket {
                    rollout: None,
                    revision: None,
                    handle: Some(Handle::Scale.to_text()),
                    sent_at,
                    desired,
                })
            }
            Request::StopPod { name, uid } => {
                let now = self.unchanged(&link, &precondition).await?;
                let api: Api<Pod> = Api::namespaced(link.changing(permit), &link.namespace);
                let params = DeleteParams {
                    preconditions: Some(Preconditions {
                        uid: Some(uid.clone()),
                        resource_version: None,
                    }),
                    ..DeleteParams::default()
                };
                if let Err(error) = api.delete(&name, &params).await {
                    return Err(self
                        .session
                        .sorted(&op("delete", "pods", &name), error)
                        .await);
                }
                let desired = now.spec.as_ref().and_then(|spec| spec.replicas);
                Ok(RolloutTicket {
                    rollout: None,
                    revision: None,
                    handle: Some(Handle::StopPod { uid }.to_text()),
                    sent_at,
                    desired: desired.map_or(1, super::scene::count),
                })
            }
        }
    }

    /// The Deployment, if it is still as the plan presumes.
    async fn unchanged(
        &self,
        link: &Link,
        precondition: &Precondition,
    ) -> Result<Deployment, PlatformError> {
        let now = self.deployment(link).await?;
        let conflict = |change: String| PlatformError::Conflict {
            what: format!(
                "the Deployment {}",
                now.metadata.name.as_deref().unwrap_or_default()
            ),
            change,
        };
        if now.metadata.uid.as_deref() != Some(precondition.uid.as_str()) {
            return Err(conflict("it was deleted and made anew".to_owned()));
        }
        let template = template::of_deployment(&now);
        if template::fingerprint(&template) != precondition.fingerprint {
            let image = Image::of(&template, self.config.container.as_deref());
            return Err(conflict(format!(
                "somebody changed its pod template; it asks for {} now",
                image.reference
            )));
        }
        let replicas = now.spec.as_ref().and_then(|spec| spec.replicas);
        let desired = replicas.map_or(1, super::scene::count);
        if precondition.desired.is_some_and(|wanted| wanted != desired) {
            return Err(conflict(format!("{desired} replicas are wanted now")));
        }
        Ok(now)
    }

    async fn send(
        &self,
        permit: &Permit,
        link: &Link,
        precondition: &Precondition,
        ours: &BTreeMap<String, Option<String>>,
        spec: Value,
        strategic: bool,
    ) -> Result<Deployment, PlatformError> {
        let api: Api<Deployment> = Api::namespaced(link.changing(permit), &link.namespace);
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let mut attempt = 1;
        loop {
            let now = self.unchanged(link, precondition).await?;
            let name = now.metadata.name.clone().unwrap_or_default();
            let mut metadata = json!({"resourceVersion": now.metadata.resource_version});
            if !ours.is_empty() {
                metadata["annotations"] = json!(ours);
            }
            let body = json!({"metadata": metadata, "spec": spec});
            let answer = if strategic {
                api.patch(&name, &params, &Patch::Strategic(&body)).await
            } else {
                api.patch(&name, &params, &Patch::Merge(&body)).await
            };
            match answer {
                Ok(sent) => return Ok(sent),
                Err(error) => {
                    let operation = op("patch", "deployments", &name);
                    match self.session.sorted(&operation, error).await {
                        PlatformError::Conflict { .. } if attempt < ATTEMPTS => attempt += 1,
                        error => return Err(error),
                    }
                }
            }
        }
    }

    /// Waits a moment for the controller to make the ReplicaSet: the audit then knows its name.
    async fn ticket(
        &self,
        sent: &Deployment,
        fingerprint: String,
        back: bool,
        known: Option<String>,
        sent_at: Timestamp,
    ) -> Result<RolloutTicket, PlatformError> {
        let generation = sent.metadata.generation.unwrap_or_default();
        let replicas = sent.spec.as_ref().and_then(|spec| spec.replicas);
        let mut revision = known;
        if revision.is_none() {
            let deadline = tokio::time::Instant::now() + NAMED_WITHIN;
            while revision.is_none() && tokio::time::Instant::now() < deadline {
                // The change is sent: trouble in looking must not make it look undone.
                let found = self.scene().await.ok();
                revision = found.and_then(|scene| {
                    let set =
                        scene.sets.iter().rev().find(|set| {
                            template::fingerprint(&template::of_set(set)) == fingerprint
                        })?;
                    Some(name_of(set).to_owned())
                });
                if revision.is_none() {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            }
        }
        let handle = Handle::Rollout {
            generation,
            fingerprint,
            back,
        };
        Ok(RolloutTicket {
            rollout: None,
            revision: revision.map(RevisionId::from),
            handle: Some(handle.to_text()),
            sent_at,
            desired: replicas.map_or(1, super::scene::count),
        })
    }
}
