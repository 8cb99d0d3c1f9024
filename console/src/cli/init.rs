//! `opsconsole init`: finds environments, in AWS or in Terraform's outputs, and writes the configuration.

use super::{
    Failure, Global, OutputFormat, exit,
    output::print_json,
    terraform::{TerraformArgs, init_from_terraform},
};
use crate::{
    config::{self, EcsConfig, EnvironmentConfig, Guard, PlatformConfig},
    model::EnvironmentName,
    platform::ecs,
};
use clap::Args;
use serde_json::json;
use std::collections::BTreeMap;

/// How often a found environment is looked at, in seconds.
const REFRESH_S: u64 = 5;

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The profile in ~/.aws/config; the default credentials when not given.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// The region to look in.
    #[arg(
        long,
        env = "AWS_REGION",
        value_name = "REGION",
        required_unless_present = "from_terraform"
    )]
    region: Option<String>,
    /// Another endpoint for every AWS service.
    #[arg(long, env = "AWS_ENDPOINT_URL", value_name = "URL")]
    endpoint_url: Option<String>,
    /// Lists what was found and writes nothing.
    #[arg(long)]
    dry_run: bool,
    /// Where Terraform is asked instead of AWS.
    #[command(flatten)]
    terraform: TerraformArgs,
    /// With --from-terraform: where the file says something else, take Terraform's value. Guards
    /// and freezes stay either way.
    #[arg(long, requires = "from_terraform")]
    update: bool,
}

/// Looks, then writes what is new; what the file says already, guards above all, stays.
pub async fn run(global: &Global, args: InitArgs) -> Result<u8, Failure> {
    let format = OutputFormat::table_or_json(global.output)?;
    let path = global
        .config
        .clone()
        .or_else(|| config::resolve_path(None))
        .or_else(config::default_path)
        .ok_or_else(|| Failure::usage("there is no home directory; name a file with --config"))?;
    if !args.terraform.from_terraform.is_empty() {
        let options = config::MergeOptions {
            update: args.update,
            dry_run: args.dry_run,
        };
        let profile = args.profile.as_deref();
        return init_from_terraform(&path, format, &args.terraform, profile, options).await;
    }
    let region = args
        .region
        .ok_or_else(|| Failure::usage("name a region with --region"))?;
    let found = ecs::discover(
        args.profile.as_deref(),
        &region,
        args.endpoint_url.as_deref(),
    )
    .await?;
    if found.is_empty() {
        return Err(Failure::usage(
            "no ECS service is visible there. Check --profile and --region; `aws ecs list-clusters` shows what the credentials see",
        ));
    }
    let environments = named(found);
    if args.dry_run {
        for environment in &environments {
            let PlatformConfig::Ecs(ecs) = &environment.platform else {
                continue;
            };
            say!(
                "{}: {}/{} in {}",
                environment.name,
                ecs.cluster,
                ecs.service,
                ecs.region
            );
        }
        return Ok(exit::DONE);
    }
    let written =
        config::write(&path, &environments).map_err(|error| Failure::usage(error.to_string()))?;
    match format {
        OutputFormat::Json => {
            print_json(&json!({"path": path, "added": written.added, "kept": written.kept}))?;
        }
        _ => {
            for name in &written.added {
                say!("added  {name}");
            }
            for name in &written.kept {
                say!("kept   {name}, which the file has already");
            }
            say!("wrote {}. Next: opsconsole doctor", path.display());
        }
    }
    Ok(exit::DONE)
}

/// Names them: the cluster's name where it has one service, else cluster and service.
fn named(found: Vec<EcsConfig>) -> Vec<EnvironmentConfig> {
    let mut services: BTreeMap<String, usize> = BTreeMap::new();
    for ecs in &found {
        *services.entry(ecs.cluster.clone()).or_default() += 1;
    }
    found
        .into_iter()
        .map(|ecs| {
            let name = if services.get(&ecs.cluster) == Some(&1) {
                ecs.cluster.clone()
            } else {
                format!("{}-{}", ecs.cluster, ecs.service)
            };
            EnvironmentConfig {
                guard: Guard::default_for(&name),
                name: EnvironmentName::new(name),
                freeze: Vec::new(),
                account: None,
                lock: None,
                runbook: None,
                refresh_s: REFRESH_S,
                hours_per_month: None,
                extra_bill: Vec::new(),
                platform: PlatformConfig::Ecs(ecs),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(cluster: &str, service: &str) -> EcsConfig {
        EcsConfig {
            region: "eu-central-1".to_owned(),
            profile: None,
            role_arn: None,
            endpoint_url: None,
            static_credentials: None,
            local: false,
            cluster: cluster.to_owned(),
            service: service.to_owned(),
            container: None,
            log_group: None,
            alarm_prefixes: Vec::new(),
        }
    }

    #[test]
    fn a_cluster_of_one_service_gives_its_name_and_production_is_guarded() {
        let named = named(vec![
            service("shop-prod", "api"),
            service("lab", "a"),
            service("lab", "b"),
        ]);
        let names: Vec<&str> = named
            .iter()
            .map(|environment| environment.name.as_str())
            .collect();
        assert_eq!(names, ["shop-prod", "lab-a", "lab-b"]);
        assert_eq!(named[0].guard, Guard::TypeName);
        assert_eq!(named[1].guard, Guard::Confirm);
    }
}
