//! Which environments a command is about, opened and connected.

use super::{Failure, Global};
use crate::{
    context::{Context, ContextError, OpenOptions},
    model::EnvironmentName,
    platform::Environment,
};

/// Opens the context that the options name, and tells its notices on stderr.
pub async fn open(global: &Global) -> Result<Context, Failure> {
    let options = OpenOptions {
        config: global.config.clone(),
        ..OpenOptions::default()
    };
    let context = Context::open(options).await?;
    for notice in &context.notices {
        remark!("note: {notice}");
    }
    Ok(context)
}

/// Records what a console that was killed left unfinished, as far as it is over by now. Nothing is
/// sent again, and without anything unfinished nothing is even connected.
pub async fn settle(context: &Context) -> Result<(), Failure> {
    const WAIT: std::time::Duration = std::time::Duration::from_secs(2);
    Ok(context.operator.settle_unfinished(WAIT).await?)
}

impl From<ContextError> for Failure {
    fn from(error: ContextError) -> Self {
        Self::usage(error.to_string())
    }
}

/// The names that `--env` gives, all when it gives none; unknown names are refused.
pub fn environments(context: &Context, global: &Global) -> Result<Vec<EnvironmentName>, Failure> {
    let known: Vec<EnvironmentName> = context
        .config
        .environments
        .iter()
        .map(|environment| environment.name.clone())
        .collect();
    if global.env.is_empty() {
        return Ok(known);
    }
    global
        .env
        .iter()
        .map(|name| {
            known
                .iter()
                .find(|known| known.as_str() == name)
                .cloned()
                .ok_or_else(|| Failure::no_environment(name, &known))
        })
        .collect()
}

/// The one environment that `--env` names; the only one configured when it names none.
pub fn one_environment(context: &Context, global: &Global) -> Result<EnvironmentName, Failure> {
    let mut names = environments(context, global)?;
    if names.len() == 1 {
        return Ok(names.remove(0));
    }
    let all: Vec<&str> = names.iter().map(EnvironmentName::as_str).collect();
    Err(Failure::usage(format!(
        "name one environment with --env: {}",
        all.join(", ")
    )))
}

/// Connects the one environment.
pub async fn connect_one(context: &Context, global: &Global) -> Result<Environment, Failure> {
    let name = one_environment(context, global)?;
    Ok(context.connections.connect(&name).await?)
}
