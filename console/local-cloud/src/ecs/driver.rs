//! Does what the scheduler decides: starts and ends the processes of tasks and tells the load
//! balancer about them.

use std::cell::LazyCell;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::model::{StopCode, Task, TaskStatus, World};
use super::scheduler::{self, AlarmView, Effect, Observation, TargetState};
use crate::cloud::Cloud;
use crate::cloudwatch::AlarmState;
use crate::process::{self, Exit, LineSink, ProcessSpec};
use crate::protocol::{members, now_ms};
use crate::proxy::{self, HealthState};

/// Runs the service scheduler until the cloud shuts down.
pub async fn run_forever(cloud: Arc<Cloud>) {
    let tick = cloud.settings.pace.scheduler_tick;
    while !cloud.ecs.closing.load(Ordering::Acquire) {
        let changed = cloud.ecs.changed.swap(false, Ordering::AcqRel);
        let effects = look(&cloud);
        for effect in effects {
            tokio::spawn(perform(cloud.clone(), effect));
        }
        // A steady service says nothing new, and writing it five times a second would only
        // keep a processor warm.
        let moving = cloud
            .ecs
            .read(|world| world.services.iter().any(|s| !s.steady));
        if (changed || moving)
            && let Err(error) = cloud.ecs.save()
        {
            tracing::error!(%error, "the state of ECS cannot be kept; free some space");
        }
        let _ = tokio::time::timeout(tick, cloud.ecs.wake.notified()).await;
    }
}

/// One look of the scheduler at the world.
fn look(cloud: &Cloud) -> Vec<Effect> {
    let alarms = LazyCell::new(|| cloud.alarms.all());
    let alarm = |name: &str| {
        let found = alarms.iter().find(|a| a.definition.name == name)?;
        // One more than it looks at, since the first may have begun before the rollout.
        let periods = i64::from(found.definition.evaluation_periods) + 1;
        Some(AlarmView {
            red: found.status.state == AlarmState::Alarm,
            window_ms: periods * found.definition.metric.period_s() * 1000,
        })
    };
    let target = |task: &Task| target_state(cloud, task);
    let observation = Observation {
        now_ms: now_ms(),
        target: &target,
        alarm: &alarm,
        pace: &cloud.settings.pace,
    };
    scheduler::tick(&mut cloud.ecs.lock(), &observation)
}

/// What the load balancers think of a task: healthy when all of them do.
fn target_state(cloud: &Cloud, task: &Task) -> TargetState {
    let Some(port) = task.port else {
        return TargetState::Initial;
    };
    let mut state = TargetState::Healthy;
    for balancer in &task.load_balancers {
        let target = cloud
            .elb
            .targets(&balancer.target_group_arn)
            .and_then(|targets| targets.get(port));
        match target {
            Some(target) if target.state == HealthState::Healthy => {}
            Some(target) if target.state == HealthState::Unhealthy => {
                let reason = target.description;
                return TargetState::Unhealthy(
                    reason.unwrap_or_else(|| "Health checks failed".to_owned()),
                );
            }
            _ => state = TargetState::Initial,
        }
    }
    state
}

pub(super) async fn perform(cloud: Arc<Cloud>, effect: Effect) {
    match effect {
        Effect::Launch(id) => {
            if let Err(reason) = launch(&cloud, &id).await {
                fail_to_start(&cloud, &id, reason);
            }
        }
        Effect::Stop(id) => end(&cloud, &id).await,
    }
}

/// Everything a launch needs, read from the world at once.
struct Plan {
    task: Task,
    container: Value,
    architecture: Option<String>,
}

fn plan(world: &mut World, id: &str) -> Option<Plan> {
    let task = world.tasks.get_mut(id)?;
    if task.desired_status == TaskStatus::Stopped {
        return None;
    }
    task.last_status = TaskStatus::Pending;
    let task = task.clone();
    let definition = world.task_definition(&task.task_definition)?;
    let container = definition.containers().first()?.clone();
    let platform = definition.body.get("runtimePlatform");
    let architecture = platform
        .and_then(|p| members::text(p, "cpuArchitecture"))
        .map(str::to_owned);
    Some(Plan {
        task,
        container,
        architecture,
    })
}

/// Starts a task's process. The error is the task's `stoppedReason`.
async fn launch(cloud: &Arc<Cloud>, id: &str) -> Result<(), String> {
    let pace = &cloud.settings.pace;
    wait(cloud, pace.provisioning).await;
    let Some(plan) = cloud.ecs.change(|world| plan(world, id)) else {
        return Err("Task stopped before it was started".to_owned());
    };
    let task = &plan.task;
    let reference = match &task.image_digest {
        Some(digest) => at_digest(&task.image, digest),
        None => task.image.clone(),
    };
    let image = cloud.ecr.resolve(&reference).map_err(|e| e.to_string())?;
    check_architecture(&image.architecture, plan.architecture.as_deref())?;
    if !members::list(&plan.container, "secrets").is_empty() {
        return Err(
            "ResourceInitializationError: unable to pull secrets or registry auth: the local \
             cloud has no Secrets Manager; use plain environment variables"
                .to_owned(),
        );
    }
    wait(cloud, pace.pulling).await;
    let port = proxy::free_port().map_err(|e| e.to_string())?;
    let spec = ProcessSpec {
        arguments: arguments(&plan),
        environment: environment(cloud, &plan, &image.config_env, port),
    };
    let program = &cloud.settings.task_program;
    let sink = log_sink(cloud, &plan);
    let (process, exit) = process::start(program, &spec, sink)
        .map_err(|error| format!("CannotStartContainerError: {error}"))?;
    let pid = process.pid;
    cloud.ecs.processes().insert(id.to_owned(), process);

    let wanted = cloud.ecs.change(|world| {
        let task = world.tasks.get_mut(id)?;
        let now = now_ms();
        task.image_digest.get_or_insert(image.digest.clone());
        task.port = Some(port);
        task.pid = Some(pid);
        task.pulled_at = Some(now);
        task.started_at = Some(now);
        task.last_status = TaskStatus::Running;
        Some(task.desired_status == TaskStatus::Running)
    });
    for balancer in &task.load_balancers {
        cloud.elb.register(&balancer.target_group_arn, port);
        let sentence = format!(
            "registered 1 targets in (target-group {})",
            balancer.target_group_arn
        );
        say(cloud, task, &sentence);
    }
    let waiting = cloud.clone();
    let ended_id = id.to_owned();
    tokio::spawn(async move {
        let exit = exit.await.unwrap_or(Exit { code: 255 });
        ended(&waiting, &ended_id, exit);
    });
    if wanted == Some(false) {
        end(cloud, id).await;
    }
    Ok(())
}

/// What takes its time on Fargate takes some here, too, so that a rollout can be watched and
/// stopped.
async fn wait(cloud: &Cloud, time: Duration) {
    if !cloud.ecs.hurried.load(Ordering::Acquire) {
        tokio::time::sleep(time).await;
    }
}

/// The image with its digest instead of its tag.
fn at_digest(image: &str, digest: &str) -> String {
    let without_digest = image.split('@').next().unwrap_or(image);
    let name = match without_digest.rsplit_once(':') {
        // A colon before a slash belongs to the registry's port.
        Some((name, tag)) if !tag.contains('/') => name,
        _ => without_digest,
    };
    format!("{name}@{digest}")
}

/// Fargate refuses an image that was built for another processor.
fn check_architecture(image: &str, wanted: Option<&str>) -> Result<(), String> {
    let wanted = match wanted {
        Some("ARM64") => "arm64",
        _ => "amd64",
    };
    if image == wanted {
        return Ok(());
    }
    Err(format!(
        "CannotPullContainerError: pull image manifest has been retried 1 time(s): image Manifest \
         does not contain descriptor matching platform 'linux/{wanted}'"
    ))
}

/// The override of this task's container, if any.
fn container_override(task: &Task) -> Option<&Value> {
    members::list(&task.overrides, "containerOverrides")
        .iter()
        .find(|o| members::text(o, "name") == Some(task.container.as_str()))
}

/// The container's command. Without one the process is told which task it is, which the API does
/// not read but `ps` shows.
fn arguments(plan: &Plan) -> Vec<String> {
    let own = container_override(&plan.task)
        .map(|o| members::texts(o, "command"))
        .filter(|command| !command.is_empty());
    let command = own.unwrap_or_else(|| members::texts(&plan.container, "command"));
    if command.is_empty() {
        return vec![
            format!(
                "{}:{}",
                plan.task.task_definition.family, plan.task.task_definition.revision
            ),
            plan.task.id.clone(),
        ];
    }
    command.into_iter().map(str::to_owned).collect()
}

/// The image's environment, the definition's over it, the override's over that, and on top what
/// the platform itself decides.
fn environment(
    cloud: &Cloud,
    plan: &Plan,
    image: &[(String, String)],
    port: u16,
) -> Vec<(String, String)> {
    let task = &plan.task;
    let database = cloud.settings.data.database(&task.cluster);
    let own = [
        ("PORT", port.to_string()),
        ("OPSCONSOLE_API_LISTEN", format!("127.0.0.1:{port}")),
        (
            "OPSCONSOLE_API_DATABASE_URL",
            format!("sqlite://{}", database.display()),
        ),
        ("OPSCONSOLE_API_EXIT_WITH_PARENT", "on".to_owned()),
        ("OPSCONSOLE_API_LOCAL_CLOUD", "on".to_owned()),
        ("OPSCONSOLE_API_REHEARSAL", "on".to_owned()),
    ];
    let mut all = vec![("OPSCONSOLE_API_DRAIN_SECONDS".to_owned(), "3".to_owned())];
    all.extend(image.iter().cloned());
    all.extend(pairs(&plan.container));
    all.extend(container_override(task).map(pairs).unwrap_or_default());
    all.extend(own.map(|(name, value)| (name.to_owned(), value)));
    all
}

/// `environment[]` of a container definition or an override.
fn pairs(container: &Value) -> Vec<(String, String)> {
    members::list(container, "environment")
        .iter()
        .filter_map(|pair| {
            let name = members::text(pair, "name")?;
            let value = members::text(pair, "value").unwrap_or_default();
            Some((name.to_owned(), value.to_owned()))
        })
        .collect()
}

/// Lines go to the log group and stream that the awslogs options name; without the driver they
/// go nowhere, as on Fargate.
fn log_sink(cloud: &Arc<Cloud>, plan: &Plan) -> LineSink {
    let options = plan
        .container
        .get("logConfiguration")
        .filter(|c| members::text(c, "logDriver") == Some("awslogs"))
        .and_then(|c| c.get("options"));
    let Some(group) = options.and_then(|o| members::text(o, "awslogs-group")) else {
        return Arc::new(|_| {});
    };
    let group = group.to_owned();
    let container = members::text(&plan.container, "name").unwrap_or_default();
    let stream = match options.and_then(|o| members::text(o, "awslogs-stream-prefix")) {
        Some(prefix) => format!("{prefix}/{container}/{}", plan.task.id),
        None => plan.task.id.clone(),
    };
    cloud.logs.ensure_group(&group);
    let cloud = Arc::downgrade(cloud);
    Arc::new(move |line| {
        if let Some(cloud) = cloud.upgrade() {
            cloud.logs.put_bytes(&group, &stream, now_ms(), line);
        }
    })
}

fn fail_to_start(cloud: &Cloud, id: &str, reason: String) {
    cloud.ecs.change(|world| {
        let Some(task) = world.tasks.get_mut(id) else {
            return;
        };
        let now = now_ms();
        task.last_status = TaskStatus::Stopped;
        task.desired_status = TaskStatus::Stopped;
        task.stop_code.get_or_insert(StopCode::TaskFailedToStart);
        task.stopped_reason.get_or_insert(reason.clone());
        task.container_reason = Some(reason);
        task.stopping_at.get_or_insert(now);
        task.stopped_at = Some(now);
    });
}

/// Ends a task in order: no new requests, the last answers, SIGTERM, SIGKILL.
pub(super) async fn end(cloud: &Arc<Cloud>, id: &str) {
    let found = cloud.ecs.change(|world| {
        let task = world.tasks.get_mut(id)?;
        // One that is still being started is ended by its launch; one that leaves is leaving.
        if task.last_status != TaskStatus::Running {
            return None;
        }
        task.last_status = TaskStatus::Deactivating;
        task.stopping_at.get_or_insert(now_ms());
        let task = task.clone();
        let timeout = stop_timeout(world, &task);
        Some((task, timeout))
    });
    let Some((task, timeout)) = found else { return };
    if !task.load_balancers.is_empty() {
        say(cloud, &task, "has begun draining connections on 1 tasks.");
    }
    if let Some(port) = task.port {
        for balancer in &task.load_balancers {
            let group = &balancer.target_group_arn;
            say(
                cloud,
                &task,
                &format!("deregistered 1 targets in (target-group {group})"),
            );
            if let Some(targets) = cloud.elb.targets(group) {
                targets
                    .deregister(port, cloud.elb.deregistration_delay(group))
                    .await;
            }
        }
    }
    cloud.ecs.change(|world| {
        if let Some(task) = world.tasks.get_mut(id)
            && task.last_status == TaskStatus::Deactivating
        {
            task.last_status = TaskStatus::Stopping;
        }
    });
    let timeout = timeout.unwrap_or(cloud.settings.pace.stop_timeout);
    if let Some(process) = cloud.ecs.processes().get(id) {
        process.stop(timeout);
    }
}

/// `stopTimeout` of the task's container.
fn stop_timeout(world: &World, task: &Task) -> Option<Duration> {
    let definition = world.task_definition(&task.task_definition)?;
    let seconds = members::integer(definition.containers().first()?, "stopTimeout")?;
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

/// A task's process has ended, asked or not.
fn ended(cloud: &Cloud, id: &str, exit: Exit) {
    cloud.ecs.processes().remove(id);
    let gone = cloud.ecs.change(|world| {
        let task = world.tasks.get_mut(id)?;
        let now = now_ms();
        task.last_status = TaskStatus::Stopped;
        task.desired_status = TaskStatus::Stopped;
        task.exit_code = Some(exit.code);
        task.stopping_at.get_or_insert(now);
        task.stopped_at = Some(now);
        task.pid = None;
        if task.stop_code.is_none() {
            task.stop_code = Some(StopCode::EssentialContainerExited);
            task.stopped_reason = Some("Essential container in task exited".to_owned());
        }
        Some(task.clone())
    });
    let Some(task) = gone else { return };
    let Some(port) = task.port else { return };
    for balancer in &task.load_balancers {
        if let Some(targets) = cloud.elb.targets(&balancer.target_group_arn) {
            targets.remove(port);
        }
    }
}

/// A sentence in the events of a task's service.
fn say(cloud: &Cloud, task: &Task, sentence: &str) {
    let Some(name) = task.service() else { return };
    cloud.ecs.change(|world| {
        if let Some(service) = world.service_mut(&task.cluster, name) {
            service.say(now_ms(), sentence);
        }
    });
}

/// Ends every process, in order but quickly, and keeps the world. Nothing is started any more.
pub async fn shut_down(cloud: &Arc<Cloud>, within: Duration) {
    cloud.ecs.closing.store(true, Ordering::Release);
    cloud.ecs.change(|world| {
        for task in world
            .tasks
            .values_mut()
            .filter(|t| t.last_status != TaskStatus::Stopped)
        {
            task.desired_status = TaskStatus::Stopped;
            task.stop_code.get_or_insert(StopCode::TerminationNotice);
            task.stopped_reason
                .get_or_insert_with(|| "The local cloud was stopped.".to_owned());
        }
    });
    let deadline = Instant::now() + within;
    let soft = within.mul_f32(0.75);
    loop {
        let left = {
            let processes = cloud.ecs.processes();
            for process in processes.values() {
                process.stop(soft);
            }
            processes.len()
        };
        if left == 0 || Instant::now() >= deadline {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    if let Err(error) = cloud.ecs.save() {
        tracing::error!(%error, "the state of ECS could not be kept");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_takes_the_place_of_the_tag() {
        let digest = "sha256:abc";
        assert_eq!(at_digest("host/api:1.0", digest), "host/api@sha256:abc");
        assert_eq!(
            at_digest("host:5000/api", digest),
            "host:5000/api@sha256:abc"
        );
        assert_eq!(
            at_digest("host/api@sha256:old", digest),
            "host/api@sha256:abc"
        );
    }

    #[test]
    fn fargate_wants_the_architecture_of_the_task_definition() {
        assert!(check_architecture("amd64", None).is_ok());
        assert!(check_architecture("arm64", Some("ARM64")).is_ok());
        let refused = check_architecture("arm64", Some("X86_64")).expect_err("refused");
        assert!(refused.starts_with("CannotPullContainerError"), "{refused}");
    }
}
