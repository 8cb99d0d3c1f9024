//! The whole cloud: one part a service, shared by everything that runs in the supervisor.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::Notify;

use crate::cloudwatch::{AlarmStore, MetricStore};
use crate::ecr::Registry;
use crate::ecs::Ecs;
use crate::elb::Elb;
use crate::faults::Faults;
use crate::logs::LogStore;
use crate::protocol::now_ms;
use crate::s3::Buckets;
use crate::settings::Settings;

/// One local cloud.
pub struct Cloud {
    /// What it was told at its start.
    pub settings: Settings,
    /// CloudWatch Logs.
    pub logs: LogStore,
    /// CloudWatch metrics.
    pub metrics: Arc<MetricStore>,
    /// CloudWatch alarms.
    pub alarms: AlarmStore,
    /// ECR.
    pub ecr: Registry,
    /// S3.
    pub s3: Buckets,
    /// ECS.
    pub ecs: Ecs,
    /// ELB v2.
    pub elb: Elb,
    /// What goes wrong on request.
    pub faults: Faults,
    last_use_ms: AtomicI64,
}

impl Cloud {
    /// The cloud as it was kept in the data directory, with nothing running yet.
    ///
    /// # Errors
    /// When what was kept cannot be read.
    pub fn load(settings: Settings) -> io::Result<Arc<Self>> {
        settings.data.prepare()?;
        for directory in [settings.data.world(), settings.data.file("databases")] {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory)?;
        }
        let wake = Arc::new(Notify::new());
        Ok(Arc::new(Self {
            logs: LogStore::new(),
            metrics: Arc::new(MetricStore::new()),
            alarms: AlarmStore::new(),
            ecr: Registry::new(),
            s3: Buckets::new(),
            ecs: Ecs::load(&settings.data, wake.clone())?,
            elb: Elb::load(&settings.data, wake)?,
            faults: Faults::new(),
            last_use_ms: AtomicI64::new(now_ms()),
            settings,
        }))
    }

    /// Somebody used the cloud, so that it is not idle.
    pub fn touch(&self) {
        self.last_use_ms.store(now_ms(), Ordering::Relaxed);
    }

    /// Milliseconds since somebody used the cloud.
    pub fn idle_ms(&self) -> i64 {
        now_ms().saturating_sub(self.last_use_ms.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::settings::{Credentials, DataDir, Pace, TaskProgram};

    /// Settings of a cloud in a directory of its own.
    pub(crate) fn settings_in(directory: &std::path::Path) -> Settings {
        Settings {
            data: DataDir::under(directory),
            credentials: Credentials::generate(),
            idle: None,
            pace: Pace::default(),
            task_program: TaskProgram::this_executable().expect("this executable"),
        }
    }

    /// A cloud in a directory of its own, with nothing running.
    pub(crate) fn cloud_in(directory: &std::path::Path) -> Arc<Cloud> {
        Cloud::load(settings_in(directory)).expect("a cloud")
    }

    #[test]
    fn using_a_cloud_ends_its_idleness() {
        let directory = tempfile::tempdir().expect("a directory");
        let cloud = cloud_in(directory.path());
        cloud
            .last_use_ms
            .store(now_ms() - 60_000, Ordering::Relaxed);
        assert!(cloud.idle_ms() >= 60_000);
        cloud.touch();
        assert!(cloud.idle_ms() < 60_000);
    }
}
