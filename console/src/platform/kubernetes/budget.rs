//! The PodDisruptionBudget that covers the Deployment's pods, in the console's words.

use super::{
    KubernetesPlatform,
    scene::{Scene, count},
};
use crate::{
    model::DisruptionBudget,
    platform::{PlatformError, text::clean},
};
use k8s_openapi::{
    api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};
use kube::{Api, api::ListParams};
use std::collections::BTreeMap;

impl KubernetesPlatform {
    /// The budget that covers the Deployment's pods, if there is one.
    pub(super) async fn budget(
        &self,
        scene: &Scene,
    ) -> Result<Option<DisruptionBudget>, PlatformError> {
        let link = self.session.link().await?;
        let api: Api<PodDisruptionBudget> = Api::namespaced(link.client, &link.namespace);
        let all = self
            .list_if_allowed(&api, "poddisruptionbudgets", &ListParams::default())
            .await?;
        let labels = scene.pod_labels();
        Ok(all
            .iter()
            .find(|budget| {
                let selector = budget.spec.as_ref().and_then(|spec| spec.selector.as_ref());
                selector.is_some_and(|selector| selects(selector, &labels))
            })
            .map(told))
    }
}

fn told(budget: &PodDisruptionBudget) -> DisruptionBudget {
    let status = budget.status.clone().unwrap_or_default();
    let conditions = status.conditions.as_deref().unwrap_or_default();
    DisruptionBudget {
        name: clean(budget.metadata.name.as_deref().unwrap_or_default()),
        rule: budget.spec.as_ref().map(rule).unwrap_or_default(),
        healthy: count(status.current_healthy),
        needed: count(status.desired_healthy),
        allowed: count(status.disruptions_allowed),
        // The reasons InsufficientPods and SufficientPods are what the numbers say already.
        trouble: conditions
            .iter()
            .find(|known| known.type_ == "DisruptionAllowed" && known.reason == "SyncFailed")
            .map(|known| clean(&format!("{}: {}", known.reason, known.message))),
    }
}

fn rule(spec: &PodDisruptionBudgetSpec) -> String {
    let value = |value: &IntOrString| match value {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(text) => clean(text),
    };
    match (&spec.min_available, &spec.max_unavailable) {
        (Some(min), _) => format!("min available {}", value(min)),
        (None, Some(max)) => format!("max unavailable {}", value(max)),
        // Neither said is one unavailable (API reference, PodDisruptionBudgetSpec).
        (None, None) => "max unavailable 1".to_owned(),
    }
}

/// Whether a selector of `policy/v1` takes in pods with these labels; an empty one takes in all.
fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let equal = selector
        .match_labels
        .iter()
        .flatten()
        .all(|(key, value)| labels.get(key) == Some(value));
    let expressions = selector.match_expressions.iter().flatten();
    equal
        && expressions.into_iter().all(|wanted| {
            let values = wanted.values.as_deref().unwrap_or_default();
            let label = labels.get(&wanted.key);
            match wanted.operator.as_str() {
                "In" => label.is_some_and(|label| values.contains(label)),
                "NotIn" => label.is_none_or(|label| !values.contains(label)),
                "Exists" => label.is_some(),
                "DoesNotExist" => label.is_none(),
                _ => false,
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_budget_is_told_with_its_rule_and_what_it_allows_now() {
        // As a control plane of Kubernetes 1.34 wrote it.
        let recorded = serde_json::from_str(include_str!("samples/pdb-of-two.json"));
        let seen = told(&recorded.expect("a budget"));
        assert_eq!(
            (seen.rule.as_str(), seen.healthy, seen.needed, seen.allowed),
            ("min available 2", 4, 2, 2)
        );
        assert_eq!(seen.trouble, None);
    }

    #[test]
    fn one_that_cannot_be_counted_says_why() {
        let seen = told(
            &serde_json::from_value(json!({
                "spec": {"maxUnavailable": "25%"},
                "status": {"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0,
                    "expectedPods": 0, "conditions": [{
                        "type": "DisruptionAllowed", "status": "False", "reason": "SyncFailed",
                        "message": "found no controller ref for pod \"x\"",
                        "lastTransitionTime": "2026-11-21T19:43:14Z"
                    }]}
            }))
            .expect("a budget"),
        );
        assert_eq!(seen.rule, "max unavailable 25%");
        assert!(
            seen.trouble
                .is_some_and(|words| words.contains("no controller ref"))
        );
    }

    #[test]
    fn a_selector_takes_in_by_labels_and_by_expressions_and_an_empty_one_takes_in_all() {
        let labels = BTreeMap::from([("app".to_owned(), "api".to_owned())]);
        let takes = |selector: serde_json::Value| {
            let selector: LabelSelector = serde_json::from_value(selector).expect("a selector");
            selects(&selector, &labels)
        };
        assert!(takes(json!({})));
        assert!(takes(json!({"matchLabels": {"app": "api"}})));
        assert!(!takes(json!({"matchLabels": {"app": "web"}})));
        let by = |operator: &str, values: &[&str]| {
            takes(json!({"matchExpressions": [
                {"key": "app", "operator": operator, "values": values}
            ]}))
        };
        assert!(by("In", &["web", "api"]) && !by("NotIn", &["api"]));
        assert!(by("Exists", &[]) && !by("DoesNotExist", &[]));
    }
}
