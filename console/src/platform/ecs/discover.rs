//! Finds the ECS services of an account and region, for `opsconsole init`.

use super::{EcsPlatform, operations::LIST_CLUSTERS, text::clean};
use crate::{
    config::{EcsConfig, EnvironmentConfig, Guard, PlatformConfig},
    model::EnvironmentName,
    platform::PlatformError,
};

/// An account with more clusters is better served by naming them.
const CLUSTERS_MAX: usize = 200;

/// Lists clusters and their services, in the order of their names.
///
/// # Errors
/// As any reading call; a cluster whose services may not be listed is left out.
pub async fn discover(
    profile: Option<&str>,
    region: &str,
    endpoint_url: Option<&str>,
) -> Result<Vec<EcsConfig>, PlatformError> {
    let seed = EcsConfig {
        region: region.to_owned(),
        profile: profile.map(str::to_owned),
        role_arn: None,
        endpoint_url: endpoint_url.map(str::to_owned),
        static_credentials: None,
        local: false,
        cluster: String::new(),
        service: String::new(),
        container: None,
        log_group: None,
        alarm_prefixes: Vec::new(),
    };
    discover_with(&seed).await
}

/// As [`discover`], with everything that a configuration can say about the way in. Cluster and
/// service of `seed` do not matter.
///
/// # Errors
/// As [`discover`].
pub async fn discover_with(seed: &EcsConfig) -> Result<Vec<EcsConfig>, PlatformError> {
    let platform = EcsPlatform::new(&EnvironmentConfig {
        name: EnvironmentName::from("discovery"),
        guard: Guard::ReadOnly,
        freeze: Vec::new(),
        account: None,
        lock: None,
        runbook: None,
        refresh_s: 5,
        hours_per_month: None,
        extra_bill: Vec::new(),
        platform: PlatformConfig::Ecs(seed.clone()),
    })?;
    let mut found = Vec::new();
    for cluster in platform.clusters().await? {
        let mut services = match platform.service_names(&cluster).await {
            Ok(services) => services,
            Err(error @ PlatformError::Denied { .. }) => {
                tracing::warn!(%cluster, %error, "left out");
                continue;
            }
            Err(error) => return Err(error),
        };
        services.sort();
        found.extend(services.into_iter().map(|service| EcsConfig {
            cluster: cluster.clone(),
            service,
            ..seed.clone()
        }));
    }
    Ok(found)
}

impl EcsPlatform {
    async fn clusters(&self) -> Result<Vec<String>, PlatformError> {
        let mut names = Vec::new();
        let mut token = None;
        loop {
            let page = self
                .session
                .read(&LIST_CLUSTERS, |clients| {
                    clients
                        .ecs
                        .list_clusters()
                        .set_next_token(token.clone())
                        .send()
                })
                .await?;
            names.extend(
                page.cluster_arns()
                    .iter()
                    .filter_map(|arn| arn.rsplit('/').next())
                    .map(clean),
            );
            token = page.next_token().map(str::to_owned);
            if token.is_none() || names.len() >= CLUSTERS_MAX {
                names.sort();
                return Ok(names);
            }
        }
    }
}
