//! The endpoint as the AWS SDKs for Rust see it, and as nobody should ever call it.

mod hostile;
mod sdk;
mod support;
