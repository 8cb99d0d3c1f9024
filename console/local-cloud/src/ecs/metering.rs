//! Measures tasks and records what CloudWatch has about ECS: CPU and memory of a service in
//! `AWS/ECS`, of each task in `ECS/ContainerInsights`.
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/available-metrics.html>

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::model::{ServiceStatus, Task, World};
use crate::cloud::Cloud;
use crate::process::{Usage, UsageMeter};
use crate::protocol::now_ms;

const BYTES_PER_MIB: f64 = 1024.0 * 1024.0;

/// A task to be measured, with what it has reserved.
struct Measured {
    pid: u32,
    cluster: String,
    service: Option<String>,
    family: String,
    id: String,
    cpu_units: f64,
    memory_mib: f64,
}

/// Measures until the cloud shuts down.
pub async fn measure_forever(cloud: Arc<Cloud>) {
    let mut meter = UsageMeter::default();
    let mut due = tokio::time::interval(cloud.settings.pace.usage_interval);
    while !cloud.ecs.closing.load(Ordering::Acquire) {
        due.tick().await;
        let tasks = cloud.ecs.read(running);
        let measured = tokio::task::spawn_blocking(move || {
            let pids: Vec<u32> = tasks.iter().map(|t| t.pid).collect();
            meter.keep(&pids);
            let used: Vec<(Measured, Usage)> = tasks
                .into_iter()
                .filter_map(|task| {
                    let usage = meter.measure(task.pid)?;
                    Some((task, usage))
                })
                .collect();
            (meter, used)
        });
        let Ok((kept, used)) = measured.await else {
            return;
        };
        meter = kept;
        let at = now_ms();
        for (task, usage) in &used {
            record(&cloud, task, usage, at);
        }
        record_counts(&cloud, at);
    }
}

fn running(world: &World) -> Vec<Measured> {
    world
        .tasks
        .values()
        .filter(|t| t.is_running())
        .filter_map(|task| {
            let definition = world.task_definition(&task.task_definition)?;
            Some(Measured {
                pid: task.pid?,
                cluster: task.cluster.clone(),
                service: task.service().map(str::to_owned),
                family: task.task_definition.family.clone(),
                id: task.id.clone(),
                cpu_units: f64::from(definition.cpu_units()),
                memory_mib: f64::from(definition.memory_mib()),
            })
        })
        .collect()
}

fn record(cloud: &Cloud, task: &Measured, usage: &Usage, at: i64) {
    let used_units = usage.cores * 1024.0;
    let used_mib = usage.memory_bytes as f64 / BYTES_PER_MIB;
    let cpu_percent = used_units / task.cpu_units * 100.0;
    let memory_percent = used_mib / task.memory_mib * 100.0;
    let cluster = ("ClusterName", task.cluster.as_str());
    if let Some(service) = &task.service {
        let dimensions = [cluster, ("ServiceName", service)];
        for (name, value) in [
            ("CPUUtilization", cpu_percent),
            ("MemoryUtilization", memory_percent),
        ] {
            cloud
                .metrics
                .record("AWS/ECS", name, &dimensions, at, value);
        }
    }
    let mut of_task = vec![cluster];
    match &task.service {
        Some(service) => of_task.push(("ServiceName", service)),
        None => of_task.push(("TaskDefinitionFamily", &task.family)),
    }
    of_task.push(("TaskId", &task.id));
    for (name, value) in [
        ("CpuUtilized", used_units),
        ("CpuReserved", task.cpu_units),
        ("MemoryUtilized", used_mib),
        ("MemoryReserved", task.memory_mib),
        ("TaskCpuUtilization", cpu_percent),
        ("TaskMemoryUtilization", memory_percent),
    ] {
        cloud
            .metrics
            .record("ECS/ContainerInsights", name, &of_task, at, value);
    }
}

fn record_counts(cloud: &Cloud, at: i64) {
    cloud.ecs.read(|world| {
        let services = world.services.iter();
        for service in services.filter(|s| s.status != ServiceStatus::Inactive) {
            let count = |want: fn(&Task) -> bool| {
                let own = world.tasks.values().filter(|t| {
                    t.cluster == service.cluster && t.service() == Some(service.name.as_str())
                });
                own.filter(|t| want(t)).count()
            };
            let dimensions = [
                ("ClusterName", service.cluster.as_str()),
                ("ServiceName", service.name.as_str()),
            ];
            for (name, value) in [
                ("RunningTaskCount", count(Task::is_running)),
                ("PendingTaskCount", count(Task::is_pending)),
                ("DesiredTaskCount", service.desired_count as usize),
            ] {
                cloud
                    .metrics
                    .record("ECS/ContainerInsights", name, &dimensions, at, value as f64);
            }
        }
    });
}
