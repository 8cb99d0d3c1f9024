//! The environments of a configuration, each connected when it is first needed.
//!
//! The first frame must not wait for a network, and one environment's failure must not touch
//! another: so every environment connects by itself, and a failure is tried again next time.

use super::{Environment, Fleet, PlatformError};
use crate::{config::EnvironmentConfig, model::EnvironmentName};
use futures::future::{BoxFuture, join_all};
use std::sync::{Arc, Mutex, PoisonError};

/// Connects one environment: gives its platform, and its configuration as completed on the way
/// (the local cloud's endpoint is known only once it runs).
pub type Connector = Arc<
    dyn Fn(Arc<EnvironmentConfig>) -> BoxFuture<'static, Result<Environment, PlatformError>>
        + Send
        + Sync,
>;

struct Slot {
    config: Arc<EnvironmentConfig>,
    connected: Mutex<Option<Environment>>,
    connecting: tokio::sync::Mutex<()>,
}

/// All environments in the configuration's order. Cheap to clone.
#[derive(Clone)]
pub struct Connections {
    slots: Arc<Vec<Slot>>,
    connector: Connector,
}

impl Connections {
    /// Nothing is connected yet.
    pub fn new(configs: Vec<EnvironmentConfig>, connector: Connector) -> Self {
        let slots = configs
            .into_iter()
            .map(|config| Slot {
                config: Arc::new(config),
                connected: Mutex::new(None),
                connecting: tokio::sync::Mutex::new(()),
            })
            .collect();
        Self {
            slots: Arc::new(slots),
            connector,
        }
    }

    /// What the configuration says of each, in order.
    pub fn configs(&self) -> impl Iterator<Item = &Arc<EnvironmentConfig>> {
        self.slots.iter().map(|slot| &slot.config)
    }

    /// What the configuration says of one.
    pub fn config(&self, name: &EnvironmentName) -> Option<&Arc<EnvironmentConfig>> {
        self.slot(name).map(|slot| &slot.config)
    }

    /// The environment, if it is connected already. Never waits.
    pub fn get(&self, name: &EnvironmentName) -> Option<Environment> {
        self.slot(name).and_then(Slot::current)
    }

    /// Those that are connected now.
    pub fn fleet(&self) -> Fleet {
        Fleet::new(self.slots.iter().filter_map(Slot::current).collect())
    }

    /// The environment, connecting it if need be. Two callers at once connect once.
    ///
    /// # Errors
    /// What the connector says; the next call tries again. [`PlatformError::NotFound`] when the
    /// configuration has no such environment.
    pub async fn connect(&self, name: &EnvironmentName) -> Result<Environment, PlatformError> {
        let slot = self.slot(name).ok_or_else(|| PlatformError::NotFound {
            what: format!("environment {name}"),
            hint: None,
        })?;
        if let Some(environment) = slot.current() {
            return Ok(environment);
        }
        let _turn = slot.connecting.lock().await;
        if let Some(environment) = slot.current() {
            return Ok(environment);
        }
        let environment = (self.connector)(slot.config.clone()).await?;
        slot.set(Some(environment.clone()));
        Ok(environment)
    }

    /// Connects anew: after a new login, or when the local cloud came back somewhere else.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn reconnect(&self, name: &EnvironmentName) -> Result<Environment, PlatformError> {
        if let Some(slot) = self.slot(name) {
            slot.set(None);
        }
        self.connect(name).await
    }

    /// Connects all at once; each fails or succeeds by itself.
    pub async fn connect_all(&self) -> Vec<(EnvironmentName, Result<Environment, PlatformError>)> {
        join_all(self.slots.iter().map(|slot| async {
            let name = slot.config.name.clone();
            let result = self.connect(&name).await;
            (name, result)
        }))
        .await
    }

    fn slot(&self, name: &EnvironmentName) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.config.name == *name)
    }
}

impl Slot {
    fn current(&self) -> Option<Environment> {
        self.connected
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, environment: Option<Environment>) {
        *self
            .connected
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = environment;
    }
}
