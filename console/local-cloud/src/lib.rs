//! A loopback cloud of real processes that speaks the AWS wire protocols opsconsole uses.
//!
//! A detached supervisor ([`supervisor`]), found and started through [`client`], answers ECS,
//! CloudWatch, CloudWatch Logs, ECR, ELB v2, S3 and STS for the AWS SDKs and the aws CLI. Its
//! tasks are processes of `opsconsole-api` behind a reverse proxy, so that a rollout, its
//! failure and its way back really happen.

mod admin;
pub mod client;
pub mod cloud;
pub mod cloudwatch;
pub mod ecr;
pub mod ecs;
pub mod elb;
pub mod faults;
pub mod hidden;
pub mod http;
pub mod logs;
pub mod process;
pub mod protocol;
pub mod proxy;
pub mod s3;
pub mod seed;
pub mod settings;
pub mod sigv4;
mod state_file;
mod sts;
pub mod supervisor;
pub mod traffic;

pub use client::{ClientError, Endpoint, LocalCloud};
pub use cloud::Cloud;
pub use hidden::hidden_main;
pub use seed::{SeededRelease, releases};
pub use settings::DataDir;
