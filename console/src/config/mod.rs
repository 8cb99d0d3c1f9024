//! The configuration file: what it may say, and how a mistake in it is reported.

mod types;

pub use types::{
    Config, EcsConfig, EnvironmentConfig, ExtraBillLine, FreezeWindow, Guard, LockLocation,
    PlatformConfig,
};
