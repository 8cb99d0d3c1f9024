//! The audit: every change is recorded before it is sent, and again when it is over.

use super::{Store, StoreError, millis, time};
use crate::model::{Author, Change, EnvironmentName, Plan, RolloutTicket, RunId, RunOutcome};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::{Row, sqlite::SqliteRow};
use std::time::Duration;

/// What is recorded before a change is sent.
#[derive(Clone, Debug)]
pub struct NewRun<'a> {
    /// The run.
    pub id: &'a RunId,
    /// Which service the environment's name stands for ([`crate::config::EnvironmentConfig::scope`]).
    pub scope: &'a str,
    /// What is to be done. Its request is never stored, and neither is its precondition.
    pub plan: &'a Plan,
    /// The principal the platform takes us for.
    pub principal: Option<&'a str>,
    /// The reason to break the glass, when it was broken.
    pub break_glass: Option<&'a str>,
    /// When it was confirmed.
    pub started_at: Timestamp,
    /// When its watcher gives up.
    pub deadline_at: Timestamp,
    /// The process that watches it.
    pub watcher: u32,
}

/// One run as the audit tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The run; sorts by time.
    pub id: RunId,
    /// Where.
    pub environment: EnvironmentName,
    /// Which service the environment's name stood for.
    pub scope: String,
    /// `deploy`, `roll back`…
    pub verb: String,
    /// Who, and from where.
    pub author: Author,
    /// The principal the platform took them for.
    pub principal: Option<String>,
    /// Why, if they said so.
    pub reason: Option<String>,
    /// The reason to break the glass, when it was broken.
    pub break_glass: Option<String>,
    /// What was live, for people.
    pub from: Option<String>,
    /// What was to be, for people.
    pub to: Option<String>,
    /// The plan, masked; `None` when another version of the console wrote it in another shape.
    pub plan: Option<Plan>,
    /// When it was confirmed.
    pub started_at: Timestamp,
    /// When its watcher gives up.
    pub deadline_at: Timestamp,
    /// What the platform gave us; `None` until it was sent.
    pub ticket: Option<RolloutTicket>,
    /// How it ended; `None` while it goes on.
    pub outcome: Option<RunOutcome>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The process that watches or watched it.
    pub watcher: Option<u32>,
    /// When its watcher last gave a sign of life.
    pub heartbeat_at: Timestamp,
}

impl RunRecord {
    /// True when it stopped a rollout, so that its ticket names somebody's rollout, not its own.
    pub fn stops(&self) -> bool {
        self.plan
            .as_ref()
            .is_some_and(|plan| matches!(plan.prepared.change, Change::StopRollout { .. }))
    }

    /// How long it took, when it is over.
    pub fn duration(&self) -> Option<Duration> {
        let finished = self.finished_at?;
        Duration::try_from(finished.duration_since(self.started_at)).ok()
    }
}

/// Which runs to read, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Only this environment's.
    pub environment: Option<EnvironmentName>,
    /// Only runs older than this one: the last of the page before.
    pub before: Option<RunId>,
    /// At most so many; 50 when 0.
    pub limit: u32,
}

impl Store {
    /// Records a run before anything is sent. On return it is on the disk.
    ///
    /// # Errors
    /// When it could not be written: then nothing may be sent.
    pub async fn begin_run(&self, run: &NewRun<'_>) -> Result<(), StoreError> {
        let pool = self.writable()?;
        let mut plan = run.plan.clone();
        plan.prepared.precondition = serde_json::Value::Null;
        let plan_json = self.to_json(&plan)?;
        let name = |side: &Option<crate::model::PlanSide>| {
            side.as_ref().map(|side| side.deployed.name().to_owned())
        };
        sqlx::query(
            "INSERT INTO runs (id, environment, scope, verb, author, host, principal, reason, \
             break_glass, from_name, to_name, plan, started_at, deadline_at, watcher, heartbeat_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?13)",
        )
        .bind(run.id.as_str())
        .bind(plan.environment.as_str())
        .bind(run.scope)
        .bind(plan.action.verb())
        .bind(&plan.author.name)
        .bind(&plan.author.host)
        .bind(run.principal)
        .bind(&plan.reason)
        .bind(run.break_glass)
        .bind(name(&plan.from))
        .bind(name(&plan.to))
        .bind(plan_json)
        .bind(millis(run.started_at))
        .bind(millis(run.deadline_at))
        .bind(i64::from(run.watcher))
        .execute(pool)
        .await
        .map_err(|error| self.failed(error))?;
        Ok(())
    }

    /// Records what the platform gave for a run that was sent.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn record_ticket(
        &self,
        run: &RunId,
        ticket: &RolloutTicket,
    ) -> Result<(), StoreError> {
        let pool = self.writable()?;
        sqlx::query("UPDATE runs SET ticket = ?2 WHERE id = ?1")
            .bind(run.as_str())
            .bind(self.to_json(ticket)?)
            .execute(pool)
            .await
            .map_err(|error| self.failed(error))?;
        Ok(())
    }

    /// Records how a run ended. The first word stands: a second watcher's is ignored.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn finish_run(
        &self,
        run: &RunId,
        outcome: &RunOutcome,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let pool = self.writable()?;
        sqlx::query(
            "UPDATE runs SET outcome = ?2, finished_at = ?3 WHERE id = ?1 AND finished_at IS NULL",
        )
        .bind(run.as_str())
        .bind(self.to_json(outcome)?)
        .bind(millis(at))
        .execute(pool)
        .await
        .map_err(|error| self.failed(error))?;
        Ok(())
    }

    /// A watcher's sign of life.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn heartbeat(&self, run: &RunId, at: Timestamp) -> Result<(), StoreError> {
        let pool = self.writable()?;
        sqlx::query("UPDATE runs SET heartbeat_at = ?2 WHERE id = ?1")
            .bind(run.as_str())
            .bind(millis(at))
            .execute(pool)
            .await
            .map_err(|error| self.failed(error))?;
        Ok(())
    }

    /// Takes over the watch of an unfinished run, if it is still exactly as `seen`: of two
    /// consoles that find it at once, one gets it.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn claim_run(
        &self,
        seen: &RunRecord,
        watcher: u32,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let pool = self.writable()?;
        let done = sqlx::query(
            "UPDATE runs SET watcher = ?2, heartbeat_at = ?3 \
             WHERE id = ?1 AND finished_at IS NULL AND watcher IS ?4 AND heartbeat_at = ?5",
        )
        .bind(seen.id.as_str())
        .bind(i64::from(watcher))
        .bind(millis(at))
        .bind(seen.watcher.map(i64::from))
        .bind(millis(seen.heartbeat_at))
        .execute(pool)
        .await
        .map_err(|error| self.failed(error))?;
        Ok(done.rows_affected() == 1)
    }

    /// Gives up the watch of a run that goes on, so that the next console resumes it at once.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn leave_run(&self, run: &RunId) -> Result<(), StoreError> {
        let pool = self.writable()?;
        sqlx::query("UPDATE runs SET watcher = NULL WHERE id = ?1")
            .bind(run.as_str())
            .execute(pool)
            .await
            .map_err(|error| self.failed(error))?;
        Ok(())
    }

    /// Runs that have no end yet, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn unfinished_runs(&self) -> Result<Vec<RunRecord>, StoreError> {
        let pool = self.readable()?;
        let rows = sqlx::query("SELECT * FROM runs WHERE finished_at IS NULL ORDER BY id")
            .fetch_all(pool)
            .await
            .map_err(|error| self.failed(error))?;
        rows.iter().map(|row| self.run_of(row)).collect()
    }

    /// One run.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn run(&self, id: &RunId) -> Result<Option<RunRecord>, StoreError> {
        let pool = self.readable()?;
        let row = sqlx::query("SELECT * FROM runs WHERE id = ?1")
            .bind(id.as_str())
            .fetch_optional(pool)
            .await
            .map_err(|error| self.failed(error))?;
        row.as_ref().map(|row| self.run_of(row)).transpose()
    }

    /// A page of history, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn history(&self, query: &HistoryQuery) -> Result<Vec<RunRecord>, StoreError> {
        let pool = self.readable()?;
        let limit = if query.limit == 0 { 50 } else { query.limit };
        let rows = sqlx::query(
            "SELECT * FROM runs WHERE (?1 IS NULL OR environment = ?1) AND (?2 IS NULL OR id < ?2) \
             ORDER BY id DESC LIMIT ?3",
        )
        .bind(query.environment.as_ref().map(EnvironmentName::as_str))
        .bind(query.before.as_ref().map(RunId::as_str))
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await
        .map_err(|error| self.failed(error))?;
        rows.iter().map(|row| self.run_of(row)).collect()
    }

    fn run_of(&self, row: &SqliteRow) -> Result<RunRecord, StoreError> {
        let read = || -> Result<RunRecord, sqlx::Error> {
            // A ticket or outcome in a shape we do not know must not read as "there is none":
            // that could have a run resumed that is over.
            let document = |column: &str| -> Result<Option<serde_json::Value>, sqlx::Error> {
                row.try_get::<Option<String>, _>(column)?
                    .map(|text| serde_json::from_str(&text))
                    .transpose()
                    .map_err(|error| sqlx::Error::Decode(error.into()))
            };
            let decode = |error: serde_json::Error| sqlx::Error::Decode(error.into());
            Ok(RunRecord {
                id: RunId::new(row.try_get::<String, _>("id")?),
                environment: EnvironmentName::new(row.try_get::<String, _>("environment")?),
                scope: row.try_get("scope")?,
                verb: row.try_get("verb")?,
                author: Author {
                    name: row.try_get("author")?,
                    host: row.try_get("host")?,
                },
                principal: row.try_get("principal")?,
                reason: row.try_get("reason")?,
                break_glass: row.try_get("break_glass")?,
                from: row.try_get("from_name")?,
                to: row.try_get("to_name")?,
                plan: serde_json::from_str(&row.try_get::<String, _>("plan")?).ok(),
                started_at: time(row.try_get("started_at")?),
                deadline_at: time(row.try_get("deadline_at")?),
                ticket: document("ticket")?
                    .map(serde_json::from_value)
                    .transpose()
                    .map_err(decode)?,
                outcome: document("outcome")?
                    .map(serde_json::from_value)
                    .transpose()
                    .map_err(decode)?,
                finished_at: row.try_get::<Option<i64>, _>("finished_at")?.map(time),
                watcher: row
                    .try_get::<Option<i64>, _>("watcher")?
                    .and_then(|pid| u32::try_from(pid).ok()),
                heartbeat_at: time(row.try_get("heartbeat_at")?),
            })
        };
        read().map_err(|error| self.failed(error))
    }
}
