//! placeholder
pub mod cloudwatch;
pub mod ecr;
pub mod faults;
pub mod logs;
pub mod protocol;
pub mod s3;
