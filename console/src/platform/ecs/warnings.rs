//! What an operator should know before a rollout: where ECS would not catch a bad one, and who
//! might undo a good one.

use super::{
    service,
    task_definition::{TaskDefinition, tags},
};
use crate::model::{Alarm, AlarmState};
use aws_sdk_ecs::types::{Service, Tag};

/// Everything that the warnings are judged from.
pub struct Judged<'a> {
    pub service: &'a Service,
    pub alarms: &'a [Alarm],
    /// What would be rolled out, before the image is replaced.
    pub definition: &'a TaskDefinition,
    /// The container that carries the release.
    pub container: Option<&'a str>,
    /// Whether the image is named by its digest, so that no tag can move under it.
    pub pinned: bool,
}

/// The warnings of a rollout, weightiest first.
pub fn of_rollout(judged: &Judged<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    let service = judged.service;
    let configuration = service.deployment_configuration();
    let breaker =
        configuration.and_then(|configuration| configuration.deployment_circuit_breaker());
    let breaker_on = breaker.is_some_and(|breaker| breaker.enable());
    let rolls_back = breaker.is_some_and(|breaker| breaker.enable() && breaker.rollback());
    let alarms = configuration
        .and_then(|configuration| configuration.alarms())
        .filter(|alarms| alarms.enable());
    let alarms_roll_back = alarms.is_some_and(|alarms| alarms.rollback());

    if !breaker_on {
        warnings.push(
            "the deployment circuit breaker is off: a release that never becomes healthy is \
             retried for ever, and only you can stop it"
                .to_owned(),
        );
    } else if !rolls_back {
        warnings.push(
            "the circuit breaker does not roll back: a failed rollout stops where it is".to_owned(),
        );
    }
    if (rolls_back || alarms_roll_back) && !has_completed(service) {
        warnings.push(
            "there is no COMPLETED deployment to roll back to: if this one fails, ECS stalls"
                .to_owned(),
        );
    }
    let ringing: Vec<&str> = judged
        .alarms
        .iter()
        .filter(|alarm| alarm.guards_rollouts && alarm.state == AlarmState::Alarm)
        .map(|alarm| alarm.name.as_str())
        .collect();
    if !ringing.is_empty() {
        warnings.push(format!(
            "already in ALARM, so ECS ignores it for this rollout: {}",
            ringing.join(", ")
        ));
    }
    if breaker_on && breaker.and_then(|breaker| breaker.reset_on_healthy_task()) != Some(false) {
        warnings.push(
            "a release that flaps may never trip the breaker (resetOnHealthyTask)".to_owned(),
        );
    }
    if is_managed_by_terraform(service.tags(), judged.definition) {
        warnings.push(format!(
            "Terraform manages this service: unless it ignores changes of the task definition, \
             its next apply reverts this (tag the service {}=ignore-changes to silence this)",
            tags::TERRAFORM
        ));
    }
    if !judged.pinned
        && !judged
            .definition
            .keeps_versions_consistent(judged.container)
    {
        warnings.push(
            "versionConsistency is disabled: a tag that moves changes what new tasks run"
                .to_owned(),
        );
    }
    warnings
}

fn has_completed(service: &Service) -> bool {
    service::live(service)
        .and_then(|deployment| deployment.rollout_state())
        .is_some_and(|state| state.as_str() == "COMPLETED")
}

fn is_managed_by_terraform(of_service: &[Tag], definition: &TaskDefinition) -> bool {
    let tags_of_service = of_service.iter().map(|tag| {
        (
            tag.key().unwrap_or_default(),
            tag.value().unwrap_or_default(),
        )
    });
    let tags_of_definition = definition
        .tags
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()));
    let mut managed = false;
    for (key, value) in tags_of_service.chain(tags_of_definition) {
        if key == tags::TERRAFORM {
            if value == "ignore-changes" {
                return false;
            }
            continue;
        }
        let (key, value) = (key.to_lowercase(), value.to_lowercase());
        let names_it = |text: &str| {
            ["terraform", "terragrunt", "opentofu"]
                .iter()
                .any(|tool| text.contains(tool))
        };
        managed |= (names_it(&key) && value != "false") || names_it(&value);
    }
    managed
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ecs::types::{
        Deployment, DeploymentCircuitBreaker, DeploymentConfiguration, DeploymentRolloutState,
    };

    fn service(breaker: Option<(bool, bool)>, completed: bool, tag: (&str, &str)) -> Service {
        let breaker = breaker.map(|(enable, rollback)| {
            DeploymentCircuitBreaker::builder()
                .enable(enable)
                .rollback(rollback)
                .reset_on_healthy_task(false)
                .build()
        });
        let state = if completed {
            DeploymentRolloutState::Completed
        } else {
            DeploymentRolloutState::InProgress
        };
        Service::builder()
            .deployment_configuration(
                DeploymentConfiguration::builder()
                    .set_deployment_circuit_breaker(breaker)
                    .build(),
            )
            .deployments(
                Deployment::builder()
                    .status("PRIMARY")
                    .rollout_state(state)
                    .build(),
            )
            .tags(Tag::builder().key(tag.0).value(tag.1).build())
            .build()
    }

    fn warn(service: &Service) -> Vec<String> {
        let definition = TaskDefinition::from_answer(
            br#"{"taskDefinition": {"taskDefinitionArn": "a/api:1", "containerDefinitions": [{"name": "api"}]}}"#,
        )
        .expect("a task definition");
        of_rollout(&Judged {
            service,
            alarms: &[],
            definition: &definition,
            container: None,
            pinned: true,
        })
    }

    #[test]
    fn a_well_guarded_service_has_no_warnings() {
        assert_eq!(
            warn(&service(Some((true, true)), true, ("team", "core"))),
            [""; 0]
        );
    }

    #[test]
    fn each_hole_in_the_net_is_named() {
        let off = warn(&service(None, true, ("a", "b")));
        assert!(off[0].contains("breaker is off"), "{off:?}");
        let stuck = warn(&service(Some((true, false)), true, ("a", "b")));
        assert!(stuck[0].contains("does not roll back"), "{stuck:?}");
        let first = warn(&service(Some((true, true)), false, ("a", "b")));
        assert!(first[0].contains("no COMPLETED deployment"), "{first:?}");
    }

    #[test]
    fn terraform_is_warned_of_unless_the_tag_says_that_it_looks_away() {
        let managed = service(Some((true, true)), true, ("ManagedBy", "Terraform"));
        assert!(warn(&managed)[0].contains("Terraform"));
        let ignoring = Service::builder()
            .set_deployment_configuration(managed.deployment_configuration().cloned())
            .set_deployments(Some(managed.deployments().to_vec()))
            .tags(Tag::builder().key("ManagedBy").value("Terraform").build())
            .tags(
                Tag::builder()
                    .key(tags::TERRAFORM)
                    .value("ignore-changes")
                    .build(),
            )
            .build();
        assert_eq!(warn(&ignoring), [""; 0]);
    }
}
