//! The last seen state of each environment, for the first frame of the next start.

use super::{Store, StoreError, millis, time};
use crate::model::{Metrics, Observation, RolloutRecord};
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use sqlx::Row;

/// A value, and when it was true.
#[derive(Clone, Debug, PartialEq)]
pub struct Aged<T> {
    /// When the platform was asked.
    pub at: Timestamp,
    /// What it answered.
    pub value: T,
}

/// What was last seen of one environment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// The service.
    pub observation: Option<Aged<Observation>>,
    /// The measured series.
    pub metrics: Option<Aged<Metrics>>,
    /// The rollouts, newest first.
    pub rollouts: Option<Aged<Vec<RolloutRecord>>>,
}

const OBSERVATION: &str = "observation";
const METRICS: &str = "metrics";
const ROLLOUTS: &str = "rollouts";

impl Store {
    /// Keeps an observation.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn save_observation(
        &self,
        scope: &str,
        observation: &Observation,
    ) -> Result<(), StoreError> {
        self.save(scope, OBSERVATION, observation.at, observation)
            .await
    }

    /// Keeps measured series.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn save_metrics(
        &self,
        scope: &str,
        at: Timestamp,
        metrics: &Metrics,
    ) -> Result<(), StoreError> {
        self.save(scope, METRICS, at, metrics).await
    }

    /// Keeps the list of rollouts.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn save_rollouts(
        &self,
        scope: &str,
        at: Timestamp,
        rollouts: &[RolloutRecord],
    ) -> Result<(), StoreError> {
        self.save(scope, ROLLOUTS, at, &rollouts).await
    }

    /// What was last seen. What cannot be read any more is as good as never seen.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn seen(&self, scope: &str) -> Result<Seen, StoreError> {
        let pool = self.readable()?;
        let rows = sqlx::query("SELECT what, at, document FROM seen WHERE scope = ?1")
            .bind(scope)
            .fetch_all(pool)
            .await
            .map_err(|error| self.failed(error))?;
        let mut seen = Seen::default();
        for row in &rows {
            let read = || -> Result<(String, i64, String), sqlx::Error> {
                Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
            };
            let (what, at, document) = read().map_err(|error| self.failed(error))?;
            match what.as_str() {
                OBSERVATION => seen.observation = aged(at, &document),
                METRICS => seen.metrics = aged(at, &document),
                ROLLOUTS => seen.rollouts = aged(at, &document),
                _ => {}
            }
        }
        Ok(seen)
    }

    async fn save<T: Serialize>(
        &self,
        scope: &str,
        what: &str,
        at: Timestamp,
        value: &T,
    ) -> Result<(), StoreError> {
        let pool = self.writable()?;
        let document = self.to_json(value)?;
        // Never older than what another console has put there meanwhile.
        sqlx::query(
            "INSERT INTO seen (scope, what, at, document) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (scope, what) DO UPDATE SET at = excluded.at, document = excluded.document \
             WHERE excluded.at >= seen.at",
        )
        .bind(scope)
        .bind(what)
        .bind(millis(at))
        .bind(document)
        .execute(pool)
        .await
        .map_err(|error| self.failed(error))?;
        Ok(())
    }
}

fn aged<T: DeserializeOwned>(at: i64, document: &str) -> Option<Aged<T>> {
    serde_json::from_str(document).ok().map(|value| Aged {
        at: time(at),
        value,
    })
}
