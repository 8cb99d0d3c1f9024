//! `opsconsole init`: finds ECS services in a profile and region and writes the configuration.

use super::{Failure, Global, OutputFormat, exit, output::print_json};
use crate::{config, platform::ecs::{self, DiscoverOptions}};
use clap::Args;
use serde_json::json;

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The profile in ~/.aws/config; the default credentials when not given.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// The region to look in; the profile's own when not given.
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// A role to assume on top.
    #[arg(long, value_name = "ARN")]
    role_arn: Option<String>,
    /// Another endpoint for every AWS service.
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
    /// Shows what would be written and writes nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Looks, then writes what is new; what the file says already, guards above all, stays.
pub async fn run(global: &Global, args: InitArgs) -> Result<u8, Failure> {
    let format = OutputFormat::table_or_json(global.output)?;
    let path = config::resolve_path(global.config.clone())
        .or_else(config::default_path)
        .ok_or_else(|| Failure::usage("there is no home directory; name a file with --config"))?;
    let found = ecs::discover(&DiscoverOptions {
        profile: args.profile,
        region: args.region,
        role_arn: args.role_arn,
        endpoint_url: args.endpoint_url,
    })
    .await?;
    if found.is_empty() {
        return Err(Failure::usage(
            "no ECS service is visible there. Check --profile and --region; `aws ecs list-clusters` shows what the credentials see",
        ));
    }
    let before = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Failure::internal(format!("cannot read {}: {error}", path.display()))),
    };
    let merged = config::merge(&path, &before, &found).map_err(|error| Failure::usage(error.to_string()))?;
    if args.dry_run {
        print!("{}", merged.text);
        return Ok(exit::DONE);
    }
    config::write(&path, &merged.text).map_err(|error| Failure::usage(error.to_string()))?;
    match format {
        OutputFormat::Json => print_json(&json!({"path": path, "added": merged.added, "kept": merged.kept}))?,
        _ => {
            for name in &merged.added {
                println!("added   {name}");
            }
            for name in &merged.kept {
                println!("kept    {name}, which the file has already");
            }
            println!("wrote {}. Next: opsconsole doctor", path.display());
        }
    }
    Ok(exit::DONE)
}
