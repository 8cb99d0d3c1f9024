//! ELB v2: the load balancers and target groups, and the actions that read them.

mod actions;
mod model;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fs, io};

use tokio::sync::Notify;
use tokio::task::AbortHandle;

pub use actions::handle;
pub use model::{LoadBalancer, TargetGroup};

use crate::cloud::Cloud;
use crate::cloudwatch::MetricStore;
use crate::proxy::{self, HealthCheck, HttpClient, Route, TargetGroupTargets};
use crate::settings::{DataDir, write_whole};

/// How often the numbers of healthy and unhealthy hosts are recorded.
const HOST_COUNT_INTERVAL: Duration = Duration::from_secs(1);

/// The load balancers of the cloud.
pub struct Elb {
    file: std::path::PathBuf,
    state: Mutex<State>,
    client: HttpClient,
    changed: Arc<Notify>,
}

#[derive(Default)]
struct State {
    balancers: Vec<LoadBalancer>,
    groups: BTreeMap<String, TargetGroup>,
    targets: BTreeMap<String, Arc<TargetGroupTargets>>,
    listening: Vec<AbortHandle>,
}

impl Elb {
    /// As it was kept in the data directory, or none. `changed` is told when a target becomes
    /// healthy or unhealthy.
    ///
    /// # Errors
    /// When the kept state cannot be read.
    pub fn load(data: &DataDir, changed: Arc<Notify>) -> io::Result<Self> {
        let file = data.world().join("elb.json");
        let (balancers, kept): (Vec<LoadBalancer>, Vec<TargetGroup>) = match fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Default::default(),
            Err(error) => return Err(error),
        };
        let elb = Self {
            file,
            state: Mutex::default(),
            client: proxy::http_client(),
            changed,
        };
        {
            let mut state = elb.lock();
            state.balancers = balancers;
            for group in kept {
                let targets = TargetGroupTargets::new(group.check.clone(), elb.changed.clone());
                state.targets.insert(group.arn.clone(), Arc::new(targets));
                state.groups.insert(group.arn.clone(), group);
            }
        }
        Ok(elb)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn save(&self) -> io::Result<()> {
        let state = self.lock();
        let groups: Vec<&TargetGroup> = state.groups.values().collect();
        let text = serde_json::to_vec_pretty(&(&state.balancers, groups))?;
        drop(state);
        write_whole(&self.file, &text)
    }

    /// Makes a load balancer with one listener and the target group it sends everything to,
    /// unless it is there. Returns both.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub fn ensure(
        &self,
        balancer: &str,
        group: &str,
        check: HealthCheck,
        deregistration_delay: Duration,
        at_ms: i64,
    ) -> io::Result<(LoadBalancer, TargetGroup)> {
        let (balancer, group) = {
            let mut state = self.lock();
            let found = state.balancers.iter().find(|b| b.name == balancer).cloned();
            let made = found.and_then(|balancer| {
                let group = state.groups.get(&balancer.target_group_arn)?.clone();
                Some((balancer, group))
            });
            if let Some(both) = made {
                return Ok(both);
            }
            let delay_ms = u64::try_from(deregistration_delay.as_millis()).unwrap_or(u64::MAX);
            let group = TargetGroup::new(group, check, delay_ms);
            let balancer = LoadBalancer::new(balancer, &group.arn, at_ms);
            let targets = TargetGroupTargets::new(group.check.clone(), self.changed.clone());
            state.targets.insert(group.arn.clone(), Arc::new(targets));
            state.groups.insert(group.arn.clone(), group.clone());
            state.balancers.push(balancer.clone());
            (balancer, group)
        };
        self.save()?;
        Ok((balancer, group))
    }

    /// Listens for every load balancer that does not listen yet.
    ///
    /// # Errors
    /// When no port can be had or the ports cannot be kept.
    pub async fn open_listeners(&self, metrics: &Arc<MetricStore>) -> io::Result<()> {
        let balancers = self.lock().balancers.clone();
        for balancer in balancers {
            let Some(targets) = self.targets(&balancer.target_group_arn) else {
                continue;
            };
            let listener = proxy::bind_stable(balancer.port).await?;
            let port = listener.local_addr()?.port();
            if let Some(kept) = self
                .lock()
                .balancers
                .iter_mut()
                .find(|b| b.arn == balancer.arn)
            {
                kept.port = Some(port);
            }
            let route = Arc::new(Route {
                targets,
                load_balancer: balancer.dimension().to_owned(),
                target_group: model::dimension_of_group(&balancer.target_group_arn).to_owned(),
                metrics: metrics.clone(),
                client: self.client.clone(),
            });
            let counted = route.clone();
            let counting = tokio::spawn(async move {
                let mut due = tokio::time::interval(HOST_COUNT_INTERVAL);
                loop {
                    due.tick().await;
                    counted.count_hosts();
                }
            });
            let serving = tokio::spawn(async move {
                if let Err(error) = proxy::serve(listener, route).await {
                    tracing::error!(%error, "a load balancer's listener ended");
                }
            });
            let handles = [counting.abort_handle(), serving.abort_handle()];
            self.lock().listening.extend(handles);
        }
        self.save()
    }

    /// Listens no more.
    pub fn close_listeners(&self) {
        for task in self.lock().listening.drain(..) {
            task.abort();
        }
    }

    /// The targets of a target group.
    pub fn targets(&self, group_arn: &str) -> Option<Arc<TargetGroupTargets>> {
        self.lock().targets.get(group_arn).cloned()
    }

    /// Whether there is such a target group, for a service that wants to use it.
    pub fn has_group(&self, group_arn: &str) -> bool {
        self.lock().groups.contains_key(group_arn)
    }

    /// Registers a task's port with a target group and probes it.
    pub fn register(&self, group_arn: &str, port: u16) {
        if let Some(targets) = self.targets(group_arn) {
            targets.register(port, self.client.clone());
        }
    }

    /// How long a target of the group may drain.
    pub fn deregistration_delay(&self, group_arn: &str) -> Duration {
        let state = self.lock();
        let group = state.groups.get(group_arn);
        group.map_or(Duration::ZERO, |g| {
            Duration::from_millis(g.deregistration_delay_ms)
        })
    }

    /// All load balancers.
    pub fn balancers(&self) -> Vec<LoadBalancer> {
        self.lock().balancers.clone()
    }

    /// All target groups.
    pub fn groups(&self) -> Vec<TargetGroup> {
        self.lock().groups.values().cloned().collect()
    }

    /// Whether a load balancer has a healthy target.
    pub fn is_in_service(&self, balancer: &str) -> bool {
        let state = self.lock();
        let found = state.balancers.iter().find(|b| b.name == balancer);
        found
            .and_then(|balancer| state.targets.get(&balancer.target_group_arn))
            .is_some_and(|targets| targets.host_counts().0 > 0)
    }

    /// Where people reach an environment: `http://127.0.0.1:PORT`.
    pub fn url(&self, balancer: &str) -> Option<String> {
        let state = self.lock();
        let port = state.balancers.iter().find(|b| b.name == balancer)?.port?;
        Some(format!("http://127.0.0.1:{port}"))
    }
}

impl Cloud {
    /// Where people reach an environment: `http://127.0.0.1:PORT`.
    pub fn environment_url(&self, balancer: &str) -> Option<String> {
        self.elb.url(balancer)
    }
}
