//! All environments of a configuration, each with its platform.

use super::Platform;
use crate::{config::EnvironmentConfig, model::EnvironmentName};
use std::sync::Arc;

/// One environment: what the configuration says of it, and the platform that serves it.
#[derive(Clone)]
pub struct Environment {
    /// What the configuration says.
    pub config: Arc<EnvironmentConfig>,
    /// Where it lives.
    pub platform: Arc<dyn Platform>,
}

/// The environments in the configuration's order.
#[derive(Clone, Default)]
pub struct Fleet {
    environments: Vec<Environment>,
}

impl Fleet {
    /// Takes the environments in the order given.
    pub fn new(environments: Vec<Environment>) -> Self {
        Self { environments }
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Environment> {
        self.environments.iter()
    }

    /// The one of that name.
    pub fn get(&self, name: &EnvironmentName) -> Option<&Environment> {
        self.environments
            .iter()
            .find(|environment| environment.config.name == *name)
    }
}
