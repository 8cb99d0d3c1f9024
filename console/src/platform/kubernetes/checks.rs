//! Checks for `doctor`: can we connect, and may we do what the console does.

use super::KubernetesPlatform;
use crate::platform::Check;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::{Api, api::PostParams};
use std::time::{Duration, Instant};

/// verb, group, resource, subresource, what for.
const RIGHTS: [(&str, &str, &str, &str, &str); 13] = [
    ("get", "apps", "deployments", "", "look at it"),
    ("list", "apps", "replicasets", "", "know what to go back to"),
    ("list", "", "pods", "", "see instances"),
    ("get", "", "pods", "log", "read logs"),
    ("list", "", "events", "", "explain what is stuck"),
    ("patch", "apps", "deployments", "", "deploy and roll back"),
    ("delete", "", "pods", "", "stop a pod"),
    (
        "get",
        "coordination.k8s.io",
        "leases",
        "",
        "see who holds the lock",
    ),
    (
        "create",
        "coordination.k8s.io",
        "leases",
        "",
        "take the lock",
    ),
    (
        "update",
        "coordination.k8s.io",
        "leases",
        "",
        "renew the lock",
    ),
    (
        "delete",
        "coordination.k8s.io",
        "leases",
        "",
        "let the lock go",
    ),
    (
        "list",
        "autoscaling",
        "horizontalpodautoscalers",
        "",
        "tell how it scales",
    ),
    (
        "list",
        "policy",
        "poddisruptionbudgets",
        "",
        "tell what may be taken away",
    ),
];

impl KubernetesPlatform {
    pub(super) async fn examine(&self) -> Vec<Check> {
        let began = Instant::now();
        let mut checks = Vec::new();
        let link = match self.session.link().await {
            Ok(link) => link,
            Err(error) => {
                return vec![Check {
                    name: "kubeconfig".to_owned(),
                    ok: false,
                    detail: error.to_string(),
                    remedy: Some("`kubectl config get-contexts` shows what there is".to_owned()),
                    took: began.elapsed(),
                }];
            }
        };
        checks.push(Check {
            name: "kubeconfig".to_owned(),
            ok: true,
            detail: format!("{} as {}", link.context, link.user),
            remedy: None,
            took: began.elapsed(),
        });
        let began = Instant::now();
        let found = self.scene().await;
        checks.push(Check {
            name: "deployment".to_owned(),
            ok: found.is_ok(),
            detail: match &found {
                Ok(scene) => format!("{}/{}", link.namespace, scene.name()),
                Err(error) => error.to_string(),
            },
            remedy: found
                .is_err()
                .then(|| "Check namespace and deployment in the configuration".to_owned()),
            took: began.elapsed(),
        });
        // The answers before have brought the server's time with them.
        let ahead_s = self.session.clock.ahead_s();
        checks.push(Check {
            name: "clock".to_owned(),
            ok: ahead_s.is_none(),
            detail: match ahead_s {
                None => "as the API server's".to_owned(),
                Some(ahead) if ahead > 0 => format!("{ahead} s ahead of the API server's"),
                Some(behind) => format!("{} s behind the API server's", behind.abs()),
            },
            remedy: ahead_s.map(|_| "Set this machine's clock by NTP: ages are off".to_owned()),
            took: Duration::ZERO,
        });
        let api: Api<SelfSubjectAccessReview> = Api::all(link.client.clone());
        for (verb, group, resource, subresource, what_for) in RIGHTS {
            let began = Instant::now();
            let of = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            let review = SelfSubjectAccessReview {
                spec: SelfSubjectAccessReviewSpec {
                    resource_attributes: Some(ResourceAttributes {
                        namespace: Some(link.namespace.clone()),
                        verb: of(verb),
                        group: of(group),
                        resource: of(resource),
                        subresource: of(subresource),
                        ..ResourceAttributes::default()
                    }),
                    non_resource_attributes: None,
                },
                ..SelfSubjectAccessReview::default()
            };
            let name = match subresource {
                "" => format!("{verb} {resource}"),
                subresource => format!("{verb} {resource}/{subresource}"),
            };
            let answer = api.create(&PostParams::default(), &review).await;
            let allowed = answer
                .ok()
                .and_then(|answer| answer.status)
                .is_some_and(|status| status.allowed);
            checks.push(Check {
                ok: allowed,
                detail: if allowed {
                    "allowed".to_owned()
                } else {
                    format!("{} may not: the console cannot {what_for}", link.user)
                },
                remedy: (!allowed)
                    .then(|| format!("Add the verb {verb} on {resource} to its Role")),
                name,
                took: began.elapsed(),
            });
        }
        checks
    }
}
