//! Pods read as instances, and what a failing one says of itself.

use super::{
    KubernetesPlatform,
    scene::{Scene, count, event_time, name_of},
    template::{self, Image},
};
use crate::{
    model::{Instance, InstanceId, InstanceState, ReleaseDigest, RevisionId, StoppedInstance},
    platform::text::clean,
};
use k8s_openapi::api::{
    apps::v1::ReplicaSet,
    core::v1::{ContainerStatus, Pod},
};

/// Why a pod does not serve, worst first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// In one word: `CrashLoopBackOff`.
    pub code: String,
    /// In a sentence.
    pub text: String,
    /// The container whose previous run tells more.
    pub crashed: Option<String>,
}

impl KubernetesPlatform {
    pub(super) fn instances(&self, scene: &Scene) -> Vec<Instance> {
        let mut all: Vec<Instance> = Vec::new();
        for set in &scene.sets {
            let template = template::of_set(set);
            let wanted = self.config.container.as_deref();
            let release = Image::of(&template, wanted).release();
            let container = template::container(&template, wanted);
            let container = container.map_or("", |container| container.name.as_str());
            let port = template::container(&template, wanted)
                .and_then(|container| container.ports.as_ref()?.first())
                .map(|port| port.container_port);
            all.extend(
                scene
                    .pods_of(set)
                    .filter(|pod| state(pod) != InstanceState::Stopped)
                    .map(|pod| {
                        let status = pod.status.as_ref();
                        let own = status_of(pod, container);
                        Instance {
                            id: InstanceId::new(pod_name(pod)),
                            revision: RevisionId::from(name_of(set)),
                            release: release.as_deref().map(clean),
                            digest: own
                                .and_then(|own| own.image_id.rsplit_once('@'))
                                .map(|(_, digest)| ReleaseDigest::from(clean(digest))),
                            state: state(pod),
                            healthy: (state(pod) == InstanceState::Running).then(|| is_ready(pod)),
                            started_at: status
                                .and_then(|status| status.start_time.as_ref())
                                .map(|time| time.0),
                            cpu_percent: None,
                            memory_percent: None,
                            address: status.and_then(|status| status.pod_ip.as_ref()).map(|ip| {
                                match port {
                                    Some(port) => format!("{ip}:{port}"),
                                    None => ip.clone(),
                                }
                            }),
                            zone: pod
                                .spec
                                .as_ref()
                                .and_then(|spec| spec.node_name.as_deref())
                                .map(clean),
                            log_stream: Some(format!("{}/{container}", pod_name(pod))),
                        }
                    }),
            );
        }
        all
    }

    /// Container runs that ended: finished pods, and the run before a restart.
    pub(super) fn stopped(&self, scene: &Scene) -> Vec<StoppedInstance> {
        let mut all: Vec<StoppedInstance> = Vec::new();
        for set in &scene.sets {
            let image = Image::of(&template::of_set(set), self.config.container.as_deref());
            for pod in scene.pods_of(set) {
                let statuses = pod
                    .status
                    .as_ref()
                    .and_then(|status| status.container_statuses.as_deref())
                    .unwrap_or_default();
                for status in statuses {
                    let ended = |state: &Option<k8s_openapi::api::core::v1::ContainerState>| {
                        state.as_ref().and_then(|state| state.terminated.clone())
                    };
                    let Some(end) = ended(&status.state).or_else(|| ended(&status.last_state))
                    else {
                        continue;
                    };
                    let reason = end.reason.as_deref().unwrap_or("ended");
                    all.push(StoppedInstance {
                        id: InstanceId::new(pod_name(pod)),
                        revision: RevisionId::from(name_of(set)),
                        release: image.release().as_deref().map(clean),
                        stopped_at: end.finished_at.as_ref().map(|time| time.0),
                        reason: Some(clean(&format!(
                            "container {} {reason}{}",
                            status.name,
                            end.message
                                .as_deref()
                                .map_or(String::new(), |message| format!(": {message}"))
                        ))),
                        code: Some(clean(reason)),
                        exit_code: Some(end.exit_code),
                        log_stream: Some(format!("{}/{}", pod_name(pod), status.name)),
                    });
                }
            }
        }
        all.sort_by_key(|stopped| std::cmp::Reverse(stopped.stopped_at));
        all
    }
}

/// A pod's name.
pub fn pod_name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}

/// What a pod is doing.
pub fn state(pod: &Pod) -> InstanceState {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    match phase {
        Some("Succeeded" | "Failed") => InstanceState::Stopped,
        _ if pod.metadata.deletion_timestamp.is_some() => InstanceState::Stopping,
        Some("Running") => InstanceState::Running,
        _ => InstanceState::Starting,
    }
}

/// Whether the pod gets requests.
pub fn is_ready(pod: &Pod) -> bool {
    condition(pod, "Ready").is_some_and(|(is_true, _)| is_true)
}

fn condition<'a>(pod: &'a Pod, kind: &str) -> Option<(bool, &'a str)> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let found = conditions.iter().find(|known| known.type_ == kind)?;
    Some((
        found.status == "True",
        found.message.as_deref().unwrap_or_default(),
    ))
}

fn status_of<'a>(pod: &'a Pod, container: &str) -> Option<&'a ContainerStatus> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.iter().find(|status| status.name == container)
}

/// Why this pod does not serve; `None` when it does, or is merely young.
pub fn trouble(scene: &Scene, pod: &Pod) -> Option<Trouble> {
    let name = pod_name(pod);
    let status = pod.status.as_ref()?;
    let statuses = status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses)
        .flatten();
    for container in statuses {
        let state = container.state.as_ref();
        let waiting = state.and_then(|state| state.waiting.as_ref());
        let last = container.last_state.as_ref();
        let ended = last.and_then(|state| state.terminated.as_ref()).or(state
            .and_then(|state| state.terminated.as_ref())
            .filter(|end| end.exit_code != 0));
        let waits_for = waiting.and_then(|waiting| waiting.reason.as_deref());
        match waits_for {
            None | Some("ContainerCreating" | "PodInitializing") => {}
            Some("CrashLoopBackOff") => {}
            Some(reason) => {
                let message = waiting
                    .and_then(|waiting| waiting.message.as_deref())
                    .unwrap_or("no further word");
                return Some(Trouble {
                    code: clean(reason),
                    text: clean(&format!("{name}: {reason}: {message}")),
                    crashed: None,
                });
            }
        }
        if let Some(end) = ended
            && (waits_for == Some("CrashLoopBackOff") || !container.ready)
        {
            let reason = end.reason.as_deref().unwrap_or("Error");
            return Some(Trouble {
                code: if reason == "OOMKilled" {
                    reason.to_owned()
                } else {
                    "CrashLoopBackOff".to_owned()
                },
                text: clean(&format!(
                    "{name}: container {} ended with exit code {} ({reason}), {} restarts",
                    container.name, end.exit_code, container.restart_count
                )),
                crashed: Some(container.name.clone()),
            });
        }
    }
    if let Some((false, message)) = condition(pod, "PodScheduled") {
        return Some(Trouble {
            code: "Unschedulable".to_owned(),
            text: clean(&format!("{name} cannot be scheduled: {message}")),
            crashed: None,
        });
    }
    if !is_ready(pod) {
        let uid = pod.metadata.uid.as_deref();
        let unhealthy = scene.events.iter().find(|event| {
            event.involved_object.uid.as_deref() == uid
                && event.reason.as_deref() == Some("Unhealthy")
        })?;
        return Some(Trouble {
            code: "Unhealthy".to_owned(),
            text: clean(&format!(
                "{name} is not ready: {}",
                unhealthy.message.as_deref().unwrap_or("its probe fails")
            )),
            crashed: None,
        });
    }
    None
}

/// What holds up a ReplicaSet: its first pod in trouble, or that pods cannot even be made.
pub fn why_stuck(scene: &Scene, set: &ReplicaSet) -> Option<Trouble> {
    if let Some(trouble) = scene.pods_of(set).find_map(|pod| trouble(scene, pod)) {
        return Some(trouble);
    }
    let status = set.status.as_ref()?;
    let wanted = set.spec.as_ref().and_then(|spec| spec.replicas);
    if status.replicas >= wanted.unwrap_or_default() {
        return None;
    }
    // The condition may be gone between two attempts; the event stays.
    let uid = set.metadata.uid.as_deref();
    let condition = status
        .conditions
        .iter()
        .flatten()
        .find(|known| known.type_ == "ReplicaFailure" && known.status == "True")
        .and_then(|known| known.message.clone());
    let message = condition.or_else(|| {
        scene
            .events
            .iter()
            .find(|event| {
                event.involved_object.uid.as_deref() == uid
                    && event.reason.as_deref() == Some("FailedCreate")
            })
            .and_then(|event| event.message.clone())
    })?;
    Some(Trouble {
        code: "FailedCreate".to_owned(),
        text: clean(&format!("pods cannot be created: {message}")),
        crashed: None,
    })
}

/// Pods of a ReplicaSet that are in trouble.
pub fn failed(scene: &Scene, set: &ReplicaSet) -> u32 {
    let failed = scene
        .pods_of(set)
        .filter(|pod| trouble(scene, pod).is_some())
        .count();
    count(i32::try_from(failed).unwrap_or(i32::MAX))
}

/// The scene's events in the console's words, newest first.
pub fn events(scene: &Scene) -> Vec<crate::model::Event> {
    scene
        .events
        .iter()
        .filter_map(|event| {
            let of = event.involved_object.name.as_deref().unwrap_or_default();
            Some(crate::model::Event {
                at: event_time(event)?,
                message: clean(&format!(
                    "{of}: {}{}",
                    event.message.as_deref().unwrap_or_default(),
                    event
                        .count
                        .filter(|count| *count > 1)
                        .map_or(String::new(), |count| format!(" (×{count})"))
                )),
            })
        })
        .collect()
}
