//! A service as the platform shows it at one moment.

use super::{
    Alarm, ClusterName, Deployed, InstanceId, ReleaseDigest, RevisionId, RolloutProgress,
    ServiceName,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Everything one look at an environment yields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// When the platform was asked.
    pub at: Timestamp,
    /// What it answered.
    pub service: Service,
}

/// A service and all that hangs on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Its name.
    pub name: ServiceName,
    /// Where it lives.
    pub cluster: ClusterName,
    /// Instances wanted.
    pub desired: u32,
    /// Instances running.
    pub running: u32,
    /// Instances starting.
    pub pending: u32,
    /// What is live.
    pub deployed: Option<Deployed>,
    /// The rollout that goes on now.
    pub rollout: Option<RolloutProgress>,
    /// Running and starting instances.
    pub instances: Vec<Instance>,
    /// Instances that stopped lately, newest first, as long as the platform remembers them
    /// (ECS: about an hour).
    pub stopped: Vec<StoppedInstance>,
    /// What the load balancer thinks of each target.
    pub targets: Vec<Target>,
    /// The platform's events, newest first.
    pub events: Vec<Event>,
    /// The alarms that belong to it.
    pub alarms: Vec<Alarm>,
    /// Where its users reach it.
    pub url: Option<String>,
}

/// What an instance is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    /// Not yet running.
    Starting,
    /// Running.
    Running,
    /// On its way out.
    Stopping,
    /// Gone.
    Stopped,
}

/// One running copy of the service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// Which revision it runs.
    pub revision: RevisionId,
    /// The release's name, where known.
    pub release: Option<String>,
    /// The digest that really runs.
    pub digest: Option<ReleaseDigest>,
    /// What it is doing.
    pub state: InstanceState,
    /// `Some(true)` healthy, `Some(false)` unhealthy, `None` when nobody checks.
    pub healthy: Option<bool>,
    /// Since when.
    pub started_at: Option<Timestamp>,
    /// Share of its reserved CPU in percent, 0–100 and above when it bursts.
    pub cpu_percent: Option<f64>,
    /// Share of its memory limit in percent.
    pub memory_percent: Option<f64>,
    /// Address inside the network, `ip:port`.
    pub address: Option<String>,
    /// Availability zone or node.
    pub zone: Option<String>,
    /// The log stream it writes to.
    pub log_stream: Option<String>,
}

/// A copy that is gone, with why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoppedInstance {
    /// Its id.
    pub id: InstanceId,
    /// Which revision it ran.
    pub revision: RevisionId,
    /// The release's name, where known.
    pub release: Option<String>,
    /// When it stopped.
    pub stopped_at: Option<Timestamp>,
    /// The platform's reason.
    pub reason: Option<String>,
    /// The platform's code for it (ECS `stopCode`).
    pub code: Option<String>,
    /// Exit code of the service's container.
    pub exit_code: Option<i32>,
    /// The log stream it wrote to.
    pub log_stream: Option<String>,
}

/// A load balancer target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Its id: address and port.
    pub address: String,
    /// `healthy`, `unhealthy`, `initial`, `draining`, `unused`… in the platform's words.
    pub state: String,
    /// The platform's reason code and description.
    pub reason: Option<String>,
}

/// One line of the service's event list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// The platform's words, stripped of control characters.
    pub message: String,
}
