//! Makes a change ready with reading calls and a server-side dry run.

use super::{
    KubernetesPlatform, annotations, gitops, helm,
    helm_program::HelmProblem,
    pods,
    request::{Precondition, Request},
    revisions::no_revision,
    scene::Scene,
    session::op,
    template::{self, Image},
};
use crate::{
    model::{Change, Prepared, Release, RevisionId, RolloutId, document_diff},
    platform::{ChangeNote, PlatformError, draft::pack, text::clean},
};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::PodTemplateSpec};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

/// Who we are in `managedFields`.
pub const FIELD_MANAGER: &str = "opsconsole";

type Draft = crate::platform::draft::Draft<Request, PodTemplateSpec>;

impl KubernetesPlatform {
    pub(super) async fn make_ready(
        &self,
        change: &Change,
        note: &ChangeNote,
    ) -> Result<Prepared, PlatformError> {
        let scene = self.scene().await?;
        let now = template::of_deployment(&scene.deployment);
        let mut draft = match change {
            Change::NewImage { release } => self.new_image(&scene, release, note).await?,
            Change::ToRevision { revision } => {
                self.to_revision(&scene, revision, note, false).await?
            }
            Change::StopRollout { rollout } => self.stop_rollout(&scene, rollout, note).await?,
            Change::Restart => {
                let mut draft = Draft::new(Request::Template {
                    patch: Value::Null,
                    strategic: true,
                    fingerprint: None,
                    annotations: annotations::of_change(note, "restart", ""),
                    revision: None,
                    back: false,
                });
                if scene.desired() == 0 {
                    draft.block(
                        format!("{} has no pods to restart", scene.name()),
                        "Scale it up instead",
                    );
                }
                draft
            }
            Change::Scale { desired } => scale(*desired),
            Change::StopInstance { instance } => stop_instance(&scene, instance.as_str()),
        };
        let is_rollout = matches!(
            draft.request,
            Request::Template { .. } | Request::Helm { .. }
        );
        if is_rollout && scene.is_paused() {
            draft.block(
                format!(
                    "the Deployment {} is paused: nothing would roll out",
                    scene.name()
                ),
                format!("`kubectl rollout resume deployment/{}` first", scene.name()),
            );
        }
        if let (true, Some(owner)) = (
            !matches!(change, Change::StopInstance { .. }),
            gitops::owner_of(&scene.deployment.metadata),
        ) {
            draft.block(
                format!("{owner} manages this Deployment and would revert the change"),
                owner.way_out(change),
            );
        }
        if is_rollout && !matches!(change, Change::StopRollout { .. }) {
            self.check_in_flight(&scene, note, &mut draft).await;
        }
        self.guard_rails(&scene, change, &mut draft.warnings).await;
        let bill_after = match &draft.after {
            Some((template, desired)) => Some(self.bill_of(&scene, template, *desired).await?),
            None => None,
        };
        let precondition = Precondition {
            uid: scene.deployment.metadata.uid.clone().unwrap_or_default(),
            fingerprint: template::fingerprint(&now),
            desired: matches!(change, Change::Scale { .. }).then(|| scene.desired()),
        };
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

    async fn new_image(
        &self,
        scene: &Scene,
        release: &Release,
        note: &ChangeNote,
    ) -> Result<Draft, PlatformError> {
        let now = template::of_deployment(&scene.deployment);
        let container = template::container(&now, self.config.container.as_deref())
            .ok_or_else(|| self.no_container(scene))?;
        let image = super::releases::reference(release);
        let patch = json!({
            "spec": {"containers": [{"name": container.name, "image": image}]}
        });
        let mut draft = self
            .rolled(scene, patch, true, note, &format!("deploy {image}"))
            .await?;
        if Image::parse(&image).digest.is_none() {
            draft.warnings.push(format!(
                "{image} is deployed by tag: whether it exists shows when it is pulled, and the tag may move"
            ));
        }
        if let Some(release) = helm::release_of(&scene.deployment.metadata) {
            draft.warnings.push(format!(
                "the Helm release {release} keeps its record of the image before: its next upgrade brings that back"
            ));
        }
        Ok(draft)
    }

    async fn to_revision(
        &self,
        scene: &Scene,
        revision: &RevisionId,
        note: &ChangeNote,
        back: bool,
    ) -> Result<Draft, PlatformError> {
        let set = scene
            .set(revision.as_str())
            .ok_or_else(|| no_revision(scene, revision))?;
        let (now, then) = (
            template::of_deployment(&scene.deployment),
            template::of_set(set),
        );
        let patch = template::merge_patch(&template::document(&now), &template::document(&then));
        let cause = format!("roll back to {revision}");
        let mut draft = self.rolled(scene, patch, false, note, &cause).await?;
        if let Request::Template {
            revision: to,
            back: stops,
            ..
        } = &mut draft.request
        {
            (*to, *stops) = (Some(revision.as_str().to_owned()), back);
        }
        if let Some(release) = helm::release_of(&scene.deployment.metadata) {
            self.by_helm(scene, &release, &then, revision, back, &mut draft)
                .await;
        }
        Ok(draft)
    }

    /// A Helm release goes back by helm, so that its record stays true.
    async fn by_helm(
        &self,
        scene: &Scene,
        release: &str,
        then: &PodTemplateSpec,
        revision: &RevisionId,
        back: bool,
        draft: &mut Draft,
    ) {
        let image = Image::of(then, self.config.container.as_deref());
        match self.helm_target(release, &image.reference).await {
            Ok(helm::HelmTarget {
                revision: helm_revision,
                from,
                diff,
            }) => {
                draft.warnings.push(format!(
                    "by `helm rollback {release} {helm_revision}` (from {from}): everything else of the release goes back too"
                ));
                // The whole of what goes back, not only the pods; nothing when Helm's record was
                // left behind by a change of the Deployment alone.
                if !diff.lines.is_empty() {
                    draft.diff = diff;
                }
                draft.request = Request::Helm {
                    release: release.to_owned(),
                    helm_revision,
                    fingerprint: template::fingerprint(then),
                    revision: revision.as_str().to_owned(),
                    back,
                };
            }
            Err(HelmProblem::NoSuchRevision) => {
                draft.break_glass = Some(format!(
                    "no revision of the Helm release {release} has {}: only the Deployment {} would go back, Helm's record stays as it is, and the next `helm upgrade` brings the newer one again",
                    clean(&image.reference),
                    scene.name()
                ));
            }
            Err(problem) => draft.block(problem.to_string(), problem.way_out(release)),
        }
    }

    async fn stop_rollout(
        &self,
        scene: &Scene,
        rollout: &RolloutId,
        note: &ChangeNote,
    ) -> Result<Draft, PlatformError> {
        let records = self.records(scene);
        let ours = records.iter().find(|record| record.id == *rollout);
        let ours = ours.ok_or_else(|| PlatformError::NotFound {
            what: format!("the rollout {rollout}"),
            hint: Some("It may be over; look at the Releases screen".to_owned()),
        })?;
        let live = self.live(scene).map(|live| live.revision);
        let Some(back) = live.filter(|live| *live != ours.to).or(ours.from.clone()) else {
            let mut draft = Draft::new(Request::Scale {
                desired: scene.desired(),
            });
            draft.block(
                format!(
                    "{} is the first rollout: there is nothing to go back to",
                    ours.to
                ),
                "Deploy a good release over it",
            );
            return Ok(draft);
        };
        let mut draft = self.to_revision(scene, &back, note, true).await?;
        if !ours.outcome.is_in_progress() {
            draft.block(
                format!(
                    "the rollout of {} is over: {}",
                    ours.to,
                    ours.outcome.word()
                ),
                "Roll back to a release instead",
            );
        }
        Ok(draft)
    }

    /// Asks the API server what the patch would make: admission, quota on the object, validation.
    async fn rolled(
        &self,
        scene: &Scene,
        patch: Value,
        strategic: bool,
        note: &ChangeNote,
        cause: &str,
    ) -> Result<Draft, PlatformError> {
        let now = template::of_deployment(&scene.deployment);
        let link = self.session.link().await?;
        let api: Api<Deployment> = Api::namespaced(link.client, &link.namespace);
        let params = PatchParams {
            dry_run: true,
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let body = json!({"spec": {"template": patch}});
        let answer = if strategic {
            api.patch(scene.name(), &params, &Patch::Strategic(&body))
                .await
        } else {
            api.patch(scene.name(), &params, &Patch::Merge(&body)).await
        };
        let would_be = match answer {
            Ok(would_be) => template::of_deployment(&would_be),
            Err(error) => {
                let operation = op("patch", "deployments", scene.name());
                return Err(self.session.sorted(&operation, error).await);
            }
        };
        let fingerprint = template::fingerprint(&would_be);
        let mut draft = Draft::new(Request::Template {
            patch,
            strategic,
            annotations: annotations::of_change(note, cause, &fingerprint),
            fingerprint: Some(fingerprint),
            revision: None,
            back: false,
        });
        draft.diff = document_diff(&template::document(&now), &template::document(&would_be));
        draft.after = Some((would_be, scene.desired()));
        Ok(draft)
    }

    async fn check_in_flight(&self, scene: &Scene, note: &ChangeNote, draft: &mut Draft) {
        let progress = self.progress_of(scene).await;
        if !progress.record.outcome.is_in_progress()
            || note.replaces.as_ref() == Some(&progress.record.id)
        {
            return;
        }
        draft.block(
            format!(
                "a rollout of {} is going on{}",
                progress
                    .record
                    .release
                    .as_deref()
                    .unwrap_or(progress.record.to.as_str()),
                progress
                    .record
                    .author
                    .map_or(String::new(), |author| format!(", by {}", author.name))
            ),
            "Wait for its end, or roll it back first",
        );
    }

    fn no_container(&self, scene: &Scene) -> PlatformError {
        PlatformError::NotFound {
            what: format!(
                "the container {} of the Deployment {}",
                self.config.container.as_deref().unwrap_or("(first)"),
                scene.name()
            ),
            hint: Some("Name one that it has with `container`".to_owned()),
        }
    }
}

fn scale(desired: u32) -> Draft {
    let mut draft = Draft::new(Request::Scale { desired });
    if i32::try_from(desired).is_err() {
        draft.block(
            format!("{desired} replicas are more than Kubernetes takes"),
            "Choose a smaller number",
        );
    }
    draft
}

fn stop_instance(scene: &Scene, name: &str) -> Draft {
    let pod = scene.pods.iter().find(|pod| pods::pod_name(pod) == name);
    let mut draft = Draft::new(Request::StopPod {
        name: name.to_owned(),
        uid: pod
            .and_then(|pod| pod.metadata.uid.clone())
            .unwrap_or_default(),
    });
    if pod.is_none() {
        draft.block(
            format!("the pod {name} is not there"),
            "Look at the pods again",
        );
    }
    let serving = scene.pods.iter().filter(|pod| pods::is_ready(pod)).count();
    if serving <= 1 && pod.is_some_and(|pod| pods::is_ready(pod)) {
        draft.warnings.push(
            "it is the only pod that is ready: nothing serves until its replacement is".to_owned(),
        );
    }
    draft
}
