//! What `doctor` tries: every reading operation once, with what it found and what to do.

use super::{
    EcsPlatform,
    operations::{
        self, BATCH_GET_IMAGE, DESCRIBE_ALARMS, DESCRIBE_IMAGES, DESCRIBE_LISTENERS,
        DESCRIBE_LOAD_BALANCERS, DESCRIBE_LOG_GROUPS, DESCRIBE_SERVICE_DEPLOYMENTS,
        DESCRIBE_SERVICE_REVISIONS, DESCRIBE_SERVICES, DESCRIBE_TARGET_GROUPS,
        DESCRIBE_TARGET_HEALTH, DESCRIBE_TASK_DEFINITION, DESCRIBE_TASKS, Effect,
        FILTER_LOG_EVENTS, GET_CALLER_IDENTITY, GET_DOWNLOAD_URL_FOR_LAYER, GET_METRIC_DATA,
        GET_OBJECT, LIST_SERVICE_DEPLOYMENTS, LIST_TASKS, OPERATIONS, Operation,
    },
    service,
    wire_guard::KeepDate,
};
use crate::{
    model::{ReleaseRef, RevisionId, Window},
    platform::{Check, LogPages, PageRequest, Platform, PlatformError},
};
use aws_sdk_ecs::types::Service;
use jiff::{SignedDuration, Timestamp};
use std::time::{Duration, Instant};

/// Signatures hold for five minutes around AWS's own clock (SigV4, "request expiration").
const SKEW_MAX: SignedDuration = SignedDuration::from_secs(240);

/// What one check found.
type Found = Result<String, PlatformError>;

impl EcsPlatform {
    pub(super) async fn examine(&self) -> Vec<Check> {
        let mut checks = self.check_identity().await;
        if checks.first().is_some_and(|check| !check.ok) {
            // Nothing else can work, and a list of the same error helps nobody.
            return checks;
        }
        let (service_check, service) = self.check_service().await;
        checks.push(service_check);
        if let Some(service) = &service {
            checks.extend(self.check_what_hangs_on(service).await);
        }
        checks.extend(self.check_lock().await);
        checks.push(not_tried());
        checks
    }

    async fn check_identity(&self) -> Vec<Check> {
        let began = Instant::now();
        let date = KeepDate::default();
        let answer = self
            .session
            .read(&GET_CALLER_IDENTITY, |clients| {
                clients
                    .sts
                    .get_caller_identity()
                    .customize()
                    .interceptor(date.clone())
                    .send()
            })
            .await;
        let took = began.elapsed();
        let found = answer.and_then(|answer| {
            let account = answer.account().unwrap_or_default().to_owned();
            let principal = answer.arn().unwrap_or_default().to_owned();
            match &self.environment.account {
                Some(expected) if *expected != account => Err(PlatformError::Conflict {
                    what: format!("the account of {}", self.environment.name),
                    change: format!(
                        "{principal} is in {account} and the configuration expects {expected}"
                    ),
                }),
                _ => Ok(format!("{principal} in account {account}")),
            }
        });
        let mut checks = vec![check("credentials", took, found)];
        if let Some(theirs) = date.take() {
            checks.push(clock(theirs, Timestamp::now()));
        }
        checks
    }

    async fn check_service(&self) -> (Check, Option<Service>) {
        let began = Instant::now();
        let service = self.service().await;
        let words = service
            .as_ref()
            .map(|service| {
                format!(
                    "{}/{}: {} of {} tasks run",
                    self.config.cluster,
                    self.config.service,
                    service.running_count(),
                    service.desired_count()
                )
            })
            .map_err(Clone::clone);
        let line = check(DESCRIBE_SERVICES.iam_action, began.elapsed(), words);
        (line, service.ok())
    }

    async fn check_what_hangs_on(&self, service: &Service) -> Vec<Check> {
        let (groups, _) = service::target_groups(service);
        let mut checks = Vec::new();
        checks.extend(self.check_tasks().await);
        checks.extend(self.check_definition_and_image(service).await);
        checks.extend(self.check_history().await);
        if !groups.is_empty() {
            checks.extend(self.check_balancers(&groups).await);
        }
        let guards = service::guarding_alarms(service);
        checks.push(
            timed(DESCRIBE_ALARMS.iam_action, async {
                let alarms = self.alarms(&guards).await?;
                let missing: Vec<&str> = guards
                    .iter()
                    .filter(|name| !alarms.iter().any(|alarm| alarm.name == **name))
                    .map(String::as_str)
                    .collect();
                if missing.is_empty() {
                    Ok(format!("{} alarms", alarms.len()))
                } else {
                    Err(PlatformError::NotFound {
                        what: format!("the alarm {} that guards deployments", missing.join(", ")),
                        hint: Some("Correct the service's deployment configuration".to_owned()),
                    })
                }
            })
            .await,
        );
        checks.push(timed(GET_METRIC_DATA.iam_action, self.found_metrics()).await);
        checks.extend(self.check_logs().await);
        checks
    }

    async fn check_tasks(&self) -> Vec<Check> {
        // ListTasks and DescribeTasks are of no use without each other.
        let tasks = timed(LIST_TASKS.iam_action, async {
            let tasks = self.tasks().await?;
            Ok(format!("{} tasks, stopped ones included", tasks.len()))
        })
        .await;
        if tasks.ok {
            let described = Check {
                name: DESCRIBE_TASKS.iam_action.to_owned(),
                ..tasks.clone()
            };
            vec![tasks, described]
        } else {
            vec![tasks]
        }
    }

    async fn check_definition_and_image(&self, service: &Service) -> Vec<Check> {
        let wanted = self.config.container.as_deref();
        let Some(running) = service.task_definition().map(RevisionId::from) else {
            return Vec::new();
        };
        let began = Instant::now();
        let definition = self.fresh_task_definition(&running).await;
        let words = match &definition {
            Ok(definition) => match definition.container_name(wanted) {
                Some(container) => Ok(format!("{}, container {container}", running.short())),
                None => Err(super::registry::no_container(wanted, &running)),
            },
            Err(error) => Err(error.clone()),
        };
        let mut checks = vec![check(
            DESCRIBE_TASK_DEFINITION.iam_action,
            began.elapsed(),
            words,
        )];
        let image = definition
            .ok()
            .and_then(|definition| definition.image(wanted).map(str::to_owned));
        let Some(image) = image.map(|image| super::image::ImageRef::parse(&image)) else {
            return checks;
        };
        let Some(repository) = image.ecr() else {
            return checks;
        };
        let reference = match (&image.digest, &image.tag) {
            (Some(digest), _) => ReleaseRef::Digest(digest.clone()),
            (None, tag) => ReleaseRef::Tag(tag.clone().unwrap_or_else(|| "latest".to_owned())),
        };
        let began = Instant::now();
        let described = self.describe_image(&repository, &reference).await;
        let words = match &described {
            Ok(Some(_)) => Ok(format!("the running image is in {}", repository.name)),
            Ok(None) => Err(PlatformError::NotFound {
                what: format!("the running image in {}", repository.name),
                hint: Some("A task that restarts now cannot pull it".to_owned()),
            }),
            Err(error) => Err(error.clone()),
        };
        checks.push(check(DESCRIBE_IMAGES.iam_action, began.elapsed(), words));
        if let Some(digest) = described
            .ok()
            .flatten()
            .and_then(|image| image.image_digest)
        {
            let name = format!(
                "{}, {}",
                BATCH_GET_IMAGE.iam_action, GET_DOWNLOAD_URL_FOR_LAYER.iam_action
            );
            let read = async {
                let found = self
                    .read_architectures(&repository, &digest.as_str().into())
                    .await?;
                let names: Vec<String> = found.iter().map(ToString::to_string).collect();
                Ok(format!("the running image is for {}", names.join(" and ")))
            };
            checks.push(timed(&name, read).await);
        }
        checks
    }

    async fn check_history(&self) -> Vec<Check> {
        let began = Instant::now();
        let since = Timestamp::now() - SignedDuration::from_hours(24 * 90);
        let briefs = self.deployment_briefs(since, &[]).await;
        let words = briefs
            .as_ref()
            .map(|briefs| format!("{} deployments in 90 days", briefs.len()))
            .map_err(Clone::clone);
        let mut checks = vec![check(
            LIST_SERVICE_DEPLOYMENTS.iam_action,
            began.elapsed(),
            words,
        )];
        let newest = briefs.ok().and_then(|briefs| briefs.into_iter().next());
        let Some(newest) = newest else {
            return checks;
        };
        if let Some(arn) = newest.service_deployment_arn() {
            checks.push(
                timed(DESCRIBE_SERVICE_DEPLOYMENTS.iam_action, async {
                    let found = self.deployment(&arn.into()).await?;
                    Ok(found.map_or_else(
                        || "no deployment".to_owned(),
                        |found| format!("the newest is {}", found.status),
                    ))
                })
                .await,
            );
        }
        if let Some(arn) = newest.target_service_revision_arn() {
            checks.push(
                timed(DESCRIBE_SERVICE_REVISIONS.iam_action, async {
                    let found = self.service_revisions([arn.to_owned()]).await?;
                    Ok(found.get(arn).map_or_else(
                        || "no revision".to_owned(),
                        |found| found.task_definition.short().to_owned(),
                    ))
                })
                .await,
            );
        }
        checks
    }

    async fn check_balancers(&self, groups: &[String]) -> Vec<Check> {
        let name = format!(
            "{}, {}, {}",
            DESCRIBE_TARGET_GROUPS.iam_action,
            DESCRIBE_LOAD_BALANCERS.iam_action,
            DESCRIBE_LISTENERS.iam_action
        );
        let balancers = timed(&name, async {
            let found = self.balancers(groups).await?;
            Ok(found
                .url
                .clone()
                .unwrap_or_else(|| "no load balancer".to_owned()))
        })
        .await;
        let health = timed(DESCRIBE_TARGET_HEALTH.iam_action, async {
            let targets = self.targets(groups).await?;
            let healthy = targets
                .iter()
                .filter(|target| target.state == "healthy")
                .count();
            Ok(format!("{healthy} of {} targets healthy", targets.len()))
        })
        .await;
        vec![balancers, health]
    }

    async fn found_metrics(&self) -> Found {
        let end = Timestamp::now();
        let window = Window {
            start: end - SignedDuration::from_mins(10),
            end,
        };
        let metrics = self.measure(window).await?;
        let count = |series: &crate::model::Series| series.values.iter().flatten().count();
        Ok(format!(
            "{} request counts and {} CPU values in 10 min",
            count(&metrics.requests_per_second),
            count(&metrics.cpu_percent)
        ))
    }

    async fn check_logs(&self) -> Vec<Check> {
        let logs = super::log_pages::EcsLogs::new(self.clone());
        let page = timed(FILTER_LOG_EVENTS.iam_action, async {
            let start = Timestamp::now() - SignedDuration::from_mins(10);
            let page = logs
                .page(&PageRequest {
                    start_ms: start.as_millisecond(),
                    limit: Some(1),
                    ..PageRequest::default()
                })
                .await?;
            let group = self.log_group().await?.group;
            Ok(if page.events.is_empty() && page.token.is_none() {
                format!("{group}: nothing in the last 10 min")
            } else {
                format!("{group} has events")
            })
        })
        .await;
        let stored = timed(DESCRIBE_LOG_GROUPS.iam_action, async {
            let bytes = self.log_bytes_stored().await?;
            Ok(bytes.map_or_else(
                || "the group is not listed".to_owned(),
                |bytes| format!("{:.1} MB kept", bytes / 1e6),
            ))
        })
        .await;
        vec![page, stored]
    }

    async fn check_lock(&self) -> Option<Check> {
        let Some(store) = self.lock_store() else {
            return Some(Check {
                name: "shared lock".to_owned(),
                ok: true,
                detail: "none configured: locks hold on this machine only".to_owned(),
                remedy: Some("Name a bucket with `lock` in the configuration".to_owned()),
                took: Duration::ZERO,
            });
        };
        let name = GET_OBJECT.iam_action;
        Some(
            timed(name, async {
                let held = store.read().await?;
                Ok(match held {
                    Some(held) => format!("{}: held by {}", store.place(), held.owner.name),
                    None => format!("{}: free", store.place()),
                })
            })
            .await,
        )
    }
}

async fn timed(name: &str, look: impl Future<Output = Found>) -> Check {
    let began = Instant::now();
    let found = look.await;
    check(name, began.elapsed(), found)
}

fn check(name: &str, took: Duration, found: Found) -> Check {
    let (ok, detail, remedy) = match found {
        Ok(detail) => (true, detail, None),
        Err(error) => (false, error.to_string(), Some(remedy(name, &error))),
    };
    Check {
        name: name.to_owned(),
        ok,
        detail,
        remedy,
        took,
    }
}

fn remedy(name: &str, error: &PlatformError) -> String {
    match error {
        PlatformError::Credentials { remedy, .. } => remedy.clone(),
        PlatformError::Denied {
            action, resource, ..
        } => {
            let without = features(name);
            format!("Allow {action} on {resource}; without it: {without}")
        }
        PlatformError::NotFound {
            hint: Some(hint), ..
        } => hint.clone(),
        PlatformError::Unreachable { .. } => {
            "Check the network, the region and the endpoint".to_owned()
        }
        PlatformError::Throttled { .. } => "Try again in a moment".to_owned(),
        PlatformError::Conflict { .. } => {
            "Choose another profile or role, or correct `account` in the configuration".to_owned()
        }
        _ => "Look at the log file for the whole answer".to_owned(),
    }
}

/// What does not work without the actions that a check names.
fn features(name: &str) -> String {
    let listed = |operation: &&Operation| name.split(", ").any(|one| one == operation.iam_action);
    let mut features: Vec<&str> = OPERATIONS
        .iter()
        .filter(listed)
        .map(|operation| operation.feature)
        .collect();
    features.dedup();
    features.join("; ")
}

/// AWS refuses signatures from a clock that is far off; the SDK corrects for it, but times on the
/// screen would still be wrong.
fn clock(theirs: Timestamp, ours: Timestamp) -> Check {
    let skew = ours.duration_since(theirs);
    let ok = skew.abs() <= SKEW_MAX;
    Check {
        name: "clock".to_owned(),
        ok,
        detail: format!("{:+} s against the platform's", skew.as_secs()),
        remedy: (!ok).then(|| "Set this machine's clock (NTP)".to_owned()),
        took: Duration::ZERO,
    }
}

/// Changes cannot be tried without changing something.
fn not_tried() -> Check {
    let actions: Vec<&str> = operations::OPERATIONS
        .iter()
        .filter(|operation| operation.effect == Effect::Mutates)
        .map(|operation| operation.iam_action)
        .collect();
    Check {
        name: "changes".to_owned(),
        ok: true,
        detail: format!("not tried, because trying is doing: {}", actions.join(", ")),
        remedy: None,
        took: Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_five_minutes_off_is_named() {
        let at = |second| Timestamp::from_second(second).expect("a time");
        assert!(clock(at(1_000), at(1_003)).ok);
        let off = clock(at(1_000), at(1_300));
        assert!(!off.ok && off.detail.contains("+300 s"));
    }

    #[test]
    fn a_missing_permission_says_what_does_not_work_without_it() {
        let denied = PlatformError::Denied {
            principal: "ana".to_owned(),
            action: "logs:FilterLogEvents".to_owned(),
            resource: "*".to_owned(),
        };
        let check = check(FILTER_LOG_EVENTS.iam_action, Duration::ZERO, Err(denied));
        assert!(
            check
                .remedy
                .is_some_and(|remedy| remedy.ends_with("without it: logs"))
        );
    }
}
