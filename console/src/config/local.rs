//! The configuration of someone who has none: the three environments of the local cloud.

use super::{Config, EcsConfig, EnvironmentConfig, Guard, LockLocation, PlatformConfig};
use crate::model::EnvironmentName;
use std::collections::BTreeMap;

/// Memory for log lines when nothing else is said.
pub(super) const LOG_MEMORY_BYTES: usize = 256 * 1024 * 1024;

impl Config {
    /// Zero configuration: `dev`, `staging` and `prod` of the local cloud. Its endpoint and keys
    /// are filled in when an environment is connected, because it may have to be started first.
    pub fn local_cloud() -> Self {
        let environment = |name: &str| EnvironmentConfig {
            name: EnvironmentName::from(name),
            guard: Guard::default_for(name),
            freeze: Vec::new(),
            account: None,
            lock: Some(LockLocation {
                bucket: "opsconsole-locks".to_owned(),
                prefix: "opsconsole/".to_owned(),
            }),
            runbook: None,
            refresh_s: 5,
            hours_per_month: None,
            extra_bill: Vec::new(),
            platform: PlatformConfig::Ecs(EcsConfig {
                region: "us-east-1".to_owned(),
                profile: None,
                role_arn: None,
                endpoint_url: None,
                static_credentials: None,
                local: true,
                cluster: name.to_owned(),
                service: "api".to_owned(),
                container: None,
                log_group: None,
                alarm_prefixes: vec![format!("{name}-api-")],
            }),
        };
        Self {
            path: None,
            environments: ["dev", "staging", "prod"].map(environment).to_vec(),
            keys: BTreeMap::new(),
            log_memory_bytes: LOG_MEMORY_BYTES,
            local_time: false,
        }
    }
}
