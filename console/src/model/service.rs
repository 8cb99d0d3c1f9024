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
    /// How far this machine's clock is ahead of the platform's, in seconds, where that is known
    /// and enough to put ages wrong.
    #[serde(default)]
    pub clock_ahead_s: Option<i64>,
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
    /// Why fewer run than are wanted, in the platform's words, where it says so.
    #[serde(default)]
    pub shortage: Option<String>,
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
    /// What changes the number of instances by measuring, where something does.
    #[serde(default)]
    pub autoscaler: Option<Autoscaler>,
    /// How many instances may be taken away at once, where something says so.
    #[serde(default)]
    pub budget: Option<DisruptionBudget>,
}

/// What changes the number of instances by measuring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Autoscaler {
    /// Its name.
    pub name: String,
    /// It keeps at least so many.
    pub min: u32,
    /// And at most so many.
    pub max: u32,
    /// How many it counted last; `None` before its first look.
    pub current: Option<u32>,
    /// How many it wants.
    pub desired: Option<u32>,
    /// What it goes by: `cpu 85 % of 80 %`.
    pub measures: Vec<String>,
    /// Why it cannot do its work, in the platform's words.
    pub trouble: Option<String>,
    /// Why it stops where it is though it would go on: its maximum, its minimum.
    pub limit: Option<String>,
}

/// How many instances may be taken away at once, by whoever asks first (a node that is drained).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisruptionBudget {
    /// Its name.
    pub name: String,
    /// What it asks for: `min available 2`.
    pub rule: String,
    /// Healthy now.
    pub healthy: u32,
    /// That must stay healthy.
    pub needed: u32,
    /// May be taken away now.
    pub allowed: u32,
    /// Why it cannot be counted, in the platform's words.
    pub trouble: Option<String>,
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

impl StoppedInstance {
    /// Why it is gone: exit code and reason, as far as they are known.
    pub fn why(&self) -> String {
        let why = self.reason.as_deref().or(self.code.as_deref());
        let why = why.unwrap_or("no reason given");
        match self.exit_code {
            Some(code) => format!("exit {code}: {why}"),
            None => why.to_owned(),
        }
    }
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
