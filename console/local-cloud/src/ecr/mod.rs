//! ECR: repositories of images whose digests are real, and the actions that read them.

// mod actions;
mod registry;

// pub use actions::{handle, layer_blob};
pub use registry::{ImageNotFound, Registry, ResolvedImage, registry_host};
