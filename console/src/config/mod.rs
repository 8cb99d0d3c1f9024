//! The configuration file: what it may say, and how a mistake in it is reported.

mod error;
mod file;
mod load;
mod local;
mod merge;
#[cfg(test)]
mod tests;
mod types;
mod write;

pub use error::{ConfigError, Problem, nearest};
pub use load::{CONFIG_VARIABLE, check, default_path, load, resolve_path, schema};
pub use merge::{Difference, MergeOptions, Merged, MergedHow, merge};
pub use types::{
    Config, EcsConfig, EnvironmentConfig, ExtraBillLine, FreezeWindow, Guard, KubernetesConfig,
    LockLocation, PlatformConfig,
};
pub use write::{Written, write};
