//! What stands around a Deployment: autoscaler, disruption budget, and the way users come in.

use super::{
    KubernetesPlatform,
    scene::{Scene, tolerate},
};
use crate::model::Change;
use k8s_openapi::api::{
    autoscaling::v2::HorizontalPodAutoscaler, core::v1::Service, networking::v1::Ingress,
    policy::v1::PodDisruptionBudget,
};
use kube::{Api, api::ListParams};

impl KubernetesPlatform {
    /// The autoscaler of the Deployment.
    pub(super) async fn autoscaler(&self, scene: &Scene) -> Option<HorizontalPodAutoscaler> {
        let link = self.session.link().await.ok()?;
        let api: Api<HorizontalPodAutoscaler> = Api::namespaced(link.client, &link.namespace);
        let all = self
            .list(&api, "horizontalpodautoscalers", &ListParams::default())
            .await;
        let all = tolerate("autoscalers", all).ok()?;
        all.into_iter().find(|autoscaler| {
            autoscaler.spec.as_ref().is_some_and(|spec| {
                spec.scale_target_ref.kind == "Deployment"
                    && spec.scale_target_ref.name == scene.name()
            })
        })
    }

    /// The disruption budget that covers the Deployment's pods.
    pub(super) async fn budget(&self, scene: &Scene) -> Option<PodDisruptionBudget> {
        let link = self.session.link().await.ok()?;
        let api: Api<PodDisruptionBudget> = Api::namespaced(link.client, &link.namespace);
        let all = self
            .list(&api, "poddisruptionbudgets", &ListParams::default())
            .await;
        let all = tolerate("disruption budgets", all).ok()?;
        let labels = template_labels(scene);
        all.into_iter().find(|budget| {
            budget
                .spec
                .as_ref()
                .and_then(|spec| spec.selector.as_ref())
                .and_then(|selector| selector.match_labels.as_ref())
                .is_some_and(|wanted| {
                    !wanted.is_empty()
                        && wanted
                            .iter()
                            .all(|(key, value)| labels.get(key) == Some(value))
                })
        })
    }

    /// What the operator should know of them before this change.
    pub(super) async fn guard_rails(
        &self,
        scene: &Scene,
        change: &Change,
        warnings: &mut Vec<String>,
    ) {
        if let Change::Scale { desired } = change
            && let Some(spec) = self.autoscaler(scene).await.and_then(|found| found.spec)
        {
            let least = spec.min_replicas.unwrap_or(1);
            warnings.push(format!(
                "a HorizontalPodAutoscaler keeps it between {least} and {}: it will move the count from {desired} again",
                spec.max_replicas
            ));
        }
        if matches!(change, Change::StopInstance { .. })
            && let Some(status) = self.budget(scene).await.and_then(|found| found.status)
            && status.disruptions_allowed == 0
        {
            warnings.push(format!(
                "its PodDisruptionBudget allows no disruption now ({} of {} healthy); deleting a pod does not ask it",
                status.current_healthy, status.desired_healthy
            ));
        }
    }

    /// Where users reach it: the first Ingress rule that leads to a Service of its pods.
    pub(super) async fn url(&self, scene: &Scene) -> Option<String> {
        let link = self.session.link().await.ok()?;
        let services: Api<Service> = Api::namespaced(link.client.clone(), &link.namespace);
        let ingresses: Api<Ingress> = Api::namespaced(link.client, &link.namespace);
        let all = ListParams::default();
        let (services, ingresses) = futures::join!(
            self.list(&services, "services", &all),
            self.list(&ingresses, "ingresses", &all)
        );
        let labels = template_labels(scene);
        let ours: Vec<String> = tolerate("services", services)
            .ok()?
            .into_iter()
            .filter(|service| {
                let selector = service
                    .spec
                    .as_ref()
                    .and_then(|spec| spec.selector.as_ref());
                selector.is_some_and(|wanted| {
                    !wanted.is_empty()
                        && wanted
                            .iter()
                            .all(|(key, value)| labels.get(key) == Some(value))
                })
            })
            .filter_map(|service| service.metadata.name)
            .collect();
        tolerate("ingresses", ingresses)
            .ok()?
            .into_iter()
            .filter_map(|ingress| ingress.spec)
            .find_map(|spec| {
                let rule = spec.rules.iter().flatten().find(|rule| {
                    rule.http.iter().flat_map(|http| &http.paths).any(|path| {
                        let service = path.backend.service.as_ref();
                        service.is_some_and(|service| ours.contains(&service.name))
                    })
                })?;
                let host = rule.host.as_deref()?;
                let scheme = if spec.tls.is_some() { "https" } else { "http" };
                Some(format!("{scheme}://{}", super::clean(host)))
            })
    }
}

fn template_labels(scene: &Scene) -> std::collections::BTreeMap<String, String> {
    super::template::of_deployment(&scene.deployment)
        .metadata
        .and_then(|metadata| metadata.labels)
        .unwrap_or_default()
}
