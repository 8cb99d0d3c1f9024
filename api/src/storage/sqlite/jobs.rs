//! The queue of jobs in SQLite: one writer at a time, so that a claim cannot be had twice.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, SqliteConnection};
use uuid::Uuid;

use super::{SqliteStore, timestamp, unexpected};
use crate::items::Cursor;
use crate::jobs::{
    Claimed, Ending, Hold, Job, JobEvent, JobFilter, JobId, JobState, JobStep, Queue, StoredContent,
};
use crate::locations::LocationId;
use crate::paging::Place;
use crate::prompts::PromptId;
use crate::storage::{Finish, JobStore, StoreError, messages, millis};

const COLUMNS: &str = "position, id, location_id, prompt_id, prompt_version, state, step, \
                       attempt, attempts_max, due_at_ms, last_error, cancel_requested, \
                       trace_id, created_at_ms, started_at_ms, finished_at_ms, content_key, \
                       content_bytes, content_sha256, content_model, version, traceparent";
/// The clock of the database.
const NOW: &str = "CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER)";

#[async_trait]
impl JobStore for SqliteStore {
    async fn job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        sqlx::query(AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM jobs WHERE id = ?"
        )))
        .bind(id.to_string())
        .fetch_optional(&self.readers)
        .await
        .map_err(|e| self.error(&e))?
        .map(|row| job(&row))
        .transpose()
    }

    async fn jobs(
        &self,
        place: Place,
        filter: JobFilter,
        limit: u32,
    ) -> Result<Vec<(Cursor, Job)>, StoreError> {
        let (compare, direction) = place.sql();
        sqlx::query(AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM jobs WHERE position {compare} ?1 \
             AND (?2 IS NULL OR state = ?2) AND (?3 IS NULL OR location_id = ?3) \
             ORDER BY position {direction} LIMIT ?4"
        )))
        .bind(place.start)
        .bind(filter.state.map(JobState::name))
        .bind(filter.location.map(|id| id.to_string()))
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await
        .map_err(|e| self.error(&e))?
        .iter()
        .map(|row| {
            let position = row.try_get("position").map_err(unexpected)?;
            Ok((Cursor::at(position), job(row)?))
        })
        .collect()
    }

    async fn claim_job(&self, claim: Uuid, lease: Duration) -> Result<Claimed, StoreError> {
        // The usual answer, without a wait for the one writer.
        let is_due: bool = sqlx::query_scalar(AssertSqlSafe(format!(
            "SELECT EXISTS (SELECT 1 FROM jobs WHERE due_at_ms <= {NOW})"
        )))
        .fetch_one(&self.readers)
        .await
        .map_err(|e| self.error(&e))?;
        if !is_due {
            return Ok(Claimed::default());
        }
        let take = async {
            let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
            let ended = sqlx::query(AssertSqlSafe(format!(
                "UPDATE jobs SET \
                 state = CASE WHEN cancel_requested THEN 'cancelled' ELSE 'dead' END, \
                 last_error = CASE WHEN cancel_requested THEN last_error ELSE ? END, \
                 step = NULL, claim = NULL, due_at_ms = NULL, finished_at_ms = {NOW}, \
                 version = version + 1 \
                 WHERE state = 'running' AND due_at_ms <= {NOW} \
                 AND (cancel_requested OR attempt >= attempts_max) RETURNING {COLUMNS}"
            )))
            .bind(messages::WORKER_LOST)
            .fetch_all(&mut *transaction)
            .await?;
            for row in &ended {
                note(&mut transaction, row, messages::WORKER_LOST).await?;
            }
            let due: Option<(i64, bool)> = sqlx::query_as(AssertSqlSafe(format!(
                "SELECT position, state = 'running' FROM jobs WHERE due_at_ms <= {NOW} \
                 ORDER BY due_at_ms, position LIMIT 1"
            )))
            .fetch_optional(&mut *transaction)
            .await?;
            let mut claimed = None;
            if let Some((position, was_running)) = due {
                let row = sqlx::query(AssertSqlSafe(format!(
                    "UPDATE jobs SET state = 'running', step = NULL, attempt = attempt + 1, \
                     claim = ?, due_at_ms = {NOW} + ?, \
                     started_at_ms = coalesce(started_at_ms, {NOW}), version = version + 1 \
                     WHERE position = ? RETURNING {COLUMNS}"
                )))
                .bind(claim.to_string())
                .bind(millis(lease))
                .bind(position)
                .fetch_one(&mut *transaction)
                .await?;
                let message = messages::claimed(row.try_get("attempt")?, was_running);
                note(&mut transaction, &row, &message).await?;
                claimed = Some(row);
            }
            transaction.commit().await?;
            Ok((claimed, ended))
        };
        let (claimed, ended) = take.await.map_err(|e: sqlx::Error| self.error(&e))?;
        Ok(Claimed {
            job: claimed.map(|row| job(&row)).transpose()?,
            ended: ended.iter().map(job).collect::<Result<_, _>>()?,
        })
    }

    async fn hold_job(
        &self,
        id: JobId,
        claim: Uuid,
        lease: Duration,
        step: Option<JobStep>,
    ) -> Result<Hold, StoreError> {
        let hold = async {
            let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
            let row = sqlx::query(AssertSqlSafe(format!(
                "UPDATE jobs SET due_at_ms = {NOW} + ?1, step = coalesce(?2, step), \
                 version = version + (?2 IS NOT NULL) \
                 WHERE id = ?3 AND claim = ?4 RETURNING {COLUMNS}"
            )))
            .bind(millis(lease))
            .bind(step.map(JobStep::name))
            .bind(id.to_string())
            .bind(claim.to_string())
            .fetch_optional(&mut *transaction)
            .await?;
            let Some(row) = row else {
                transaction.rollback().await?;
                return Ok(Hold::Lost);
            };
            if let Some(step) = step {
                note(&mut transaction, &row, step.name()).await?;
            }
            transaction.commit().await?;
            Ok(if row.try_get("cancel_requested")? {
                Hold::CancelRequested
            } else {
                Hold::Held
            })
        };
        hold.await.map_err(|e: sqlx::Error| self.error(&e))
    }

    async fn end_attempt(
        &self,
        id: JobId,
        claim: Uuid,
        ending: &Ending,
    ) -> Result<Option<Job>, StoreError> {
        let end = Finish::of(ending);
        let finish = async {
            let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
            let row = sqlx::query(AssertSqlSafe(format!(
                "UPDATE jobs SET \
                 state = CASE WHEN ?1 = 'queued' AND cancel_requested THEN 'cancelled' ELSE ?1 END, \
                 due_at_ms = CASE WHEN ?1 = 'queued' AND NOT cancel_requested THEN {NOW} + ?2 END, \
                 finished_at_ms = CASE WHEN ?1 = 'queued' AND NOT cancel_requested THEN NULL \
                 ELSE {NOW} END, \
                 attempt = attempt - ?3, last_error = coalesce(?4, last_error), \
                 content_key = ?5, content_bytes = ?6, content_sha256 = ?7, content_model = ?8, \
                 draft = CASE WHEN ?1 = 'dead' OR ?1 = 'queued' AND NOT cancel_requested \
                     THEN draft END, \
                     step = NULL, claim = NULL, cancel_requested = 0, version = version + 1 \
                 WHERE id = ?9 AND claim = ?10 RETURNING {COLUMNS}"
            )))
            .bind(end.state.name())
            .bind(millis(end.after))
            .bind(end.attempts_back)
            .bind(end.error)
            .bind(end.content.map(|content| content.key.as_str()))
            .bind(end.content.map(|content| content.bytes))
            .bind(end.content.map(|content| content.sha256.as_str()))
            .bind(end.content.map(|content| content.model.as_str()))
            .bind(id.to_string())
            .bind(claim.to_string())
            .fetch_optional(&mut *transaction)
            .await?;
            if let Some(row) = &row {
                note(&mut transaction, row, &end.message).await?;
            }
            transaction.commit().await?;
            Ok(row)
        };
        let row = finish.await.map_err(|e: sqlx::Error| self.error(&e))?;
        row.map(|row| job(&row)).transpose()
    }

    async fn cancel_job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        let cancel = async {
            let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
            let row = sqlx::query(AssertSqlSafe(format!(
                "UPDATE jobs SET \
                 finished_at_ms = CASE state WHEN 'queued' THEN {NOW} END, \
                 due_at_ms = CASE state WHEN 'queued' THEN NULL ELSE due_at_ms END, \
                 draft = CASE state WHEN 'queued' THEN NULL ELSE draft END, \
                     cancel_requested = (state = 'running'), \
                 state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state END, \
                 version = version + 1 \
                 WHERE id = ? AND state IN ('queued', 'running') AND NOT cancel_requested \
                 RETURNING {COLUMNS}"
            )))
            .bind(id.to_string())
            .fetch_optional(&mut *transaction)
            .await?;
            if let Some(row) = &row {
                let message = if row.try_get("cancel_requested")? {
                    messages::CANCEL_REQUESTED
                } else {
                    messages::CANCELLED
                };
                note(&mut transaction, row, message).await?;
            }
            transaction.commit().await?;
            Ok(row)
        };
        match cancel.await.map_err(|e: sqlx::Error| self.error(&e))? {
            Some(row) => job(&row).map(Some),
            None => self.job(id).await,
        }
    }

    async fn retry_job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        let retry = async {
            let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
            let row = sqlx::query(AssertSqlSafe(format!(
                "UPDATE jobs SET state = 'queued', attempt = 0, due_at_ms = {NOW}, \
                 finished_at_ms = NULL, version = version + 1 \
                 WHERE id = ? AND state = 'dead' RETURNING {COLUMNS}"
            )))
            .bind(id.to_string())
            .fetch_optional(&mut *transaction)
            .await?;
            if let Some(row) = &row {
                note(&mut transaction, row, messages::RETRIED).await?;
            }
            transaction.commit().await?;
            Ok(row)
        };
        match retry.await.map_err(|e: sqlx::Error| self.error(&e))? {
            Some(row) => job(&row).map(Some),
            None => self.job(id).await,
        }
    }

    async fn keep_draft(&self, id: JobId, claim: Uuid, draft: &str) -> Result<bool, StoreError> {
        let change = sqlx::query("UPDATE jobs SET draft = ? WHERE id = ? AND claim = ?")
            .bind(draft)
            .bind(id.to_string())
            .bind(claim.to_string());
        self.changes_one(change).await
    }

    async fn draft(&self, id: JobId) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar::<_, Option<String>>("SELECT draft FROM jobs WHERE id = ?")
            .bind(id.to_string())
            .fetch_optional(&self.readers)
            .await
            .map(Option::flatten)
            .map_err(|e| self.error(&e))
    }

    async fn remove_old_jobs(&self, kept: Duration, limit: u32) -> Result<u64, StoreError> {
        let remove = async {
            let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
            let ids: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!(
                "DELETE FROM jobs WHERE position IN (SELECT position FROM jobs \
                 WHERE finished_at_ms < {NOW} - ? ORDER BY finished_at_ms LIMIT ?) RETURNING id"
            )))
            .bind(millis(kept))
            .bind(i64::from(limit))
            .fetch_all(&mut *transaction)
            .await?;
            for id in &ids {
                sqlx::query("DELETE FROM job_events WHERE job_id = ?")
                    .bind(id)
                    .execute(&mut *transaction)
                    .await?;
            }
            transaction.commit().await?;
            Ok(ids.len() as u64)
        };
        remove.await.map_err(|e: sqlx::Error| self.error(&e))
    }

    async fn job_events(
        &self,
        id: JobId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<JobEvent>, StoreError> {
        sqlx::query(
            "SELECT position, at_ms, state, step, attempt, message FROM job_events \
             WHERE job_id = ? AND position > ? ORDER BY position LIMIT ?",
        )
        .bind(id.to_string())
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await
        .map_err(|e| self.error(&e))?
        .iter()
        .map(|row| event(id, row))
        .collect()
    }

    async fn queue(&self) -> Result<Queue, StoreError> {
        let (queued, running, oldest_ms) = sqlx::query_as(AssertSqlSafe(format!(
            "SELECT count(*) FILTER (WHERE state = 'queued'), \
             count(*) FILTER (WHERE state = 'running'), \
             coalesce({NOW} - min(created_at_ms) FILTER (WHERE state = 'queued'), 0) \
             FROM jobs WHERE state IN ('queued', 'running')"
        )))
        .fetch_one(&self.readers)
        .await
        .map_err(|e| self.error(&e))?;
        Ok(Queue {
            queued,
            running,
            oldest_ms,
        })
    }
}

pub(super) async fn insert(
    connection: &mut SqliteConnection,
    job: &Job,
) -> Result<(), sqlx::Error> {
    let row = sqlx::query(AssertSqlSafe(format!(
        "INSERT INTO jobs (id, location_id, prompt_id, prompt_version, state, attempts_max, \
         due_at_ms, trace_id, created_at_ms, traceparent) VALUES (?, ?, ?, ?, ?, ?, {NOW}, ?, ?, ?) \
         RETURNING {COLUMNS}"
    )))
    .bind(job.id.to_string())
    .bind(job.location_id.to_string())
    .bind(job.prompt_id.to_string())
    .bind(job.prompt_version)
    .bind(job.state.name())
    .bind(job.attempts_max)
    .bind(&job.trace_id)
    .bind(job.created_at.as_millisecond())
    .bind(job.traceparent.as_deref())
    .fetch_one(&mut *connection)
    .await?;
    note(connection, &row, messages::QUEUED).await
}

/// Keeps what has just happened to the job of this row.
async fn note(
    connection: &mut SqliteConnection,
    row: &SqliteRow,
    message: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(AssertSqlSafe(format!(
        "INSERT INTO job_events (job_id, at_ms, state, step, attempt, message) \
         VALUES (?, {NOW}, ?, ?, ?, ?)"
    )))
    .bind(row.try_get::<String, _>("id")?)
    .bind(row.try_get::<String, _>("state")?)
    .bind(row.try_get::<Option<String>, _>("step")?)
    .bind(row.try_get::<i64, _>("attempt")?)
    .bind(message)
    .execute(connection)
    .await
    .map(drop)
}

fn job(row: &SqliteRow) -> Result<Job, StoreError> {
    let text = |name| row.try_get::<String, _>(name).map_err(unexpected);
    let number = |name| row.try_get::<i64, _>(name).map_err(unexpected);
    let time = |name| {
        let ms: Option<i64> = row.try_get(name).map_err(unexpected)?;
        ms.map(timestamp).transpose()
    };
    let wrong = |what: &str| unexpected(format!("a job has {what} that is none"));
    let state: JobState = text("state")?.parse().map_err(unexpected)?;
    let step: Option<String> = row.try_get("step").map_err(unexpected)?;
    let key: Option<String> = row.try_get("content_key").map_err(unexpected)?;
    let result = match key {
        Some(key) => Some(StoredContent {
            key,
            bytes: number("content_bytes")?,
            sha256: text("content_sha256")?,
            model: text("content_model")?,
        }),
        None => None,
    };
    Ok(Job {
        id: JobId::parse(&text("id")?).ok_or_else(|| wrong("an id"))?,
        location_id: LocationId::parse(&text("location_id")?)
            .ok_or_else(|| wrong("a location_id"))?,
        prompt_id: PromptId::parse(&text("prompt_id")?).ok_or_else(|| wrong("a prompt_id"))?,
        prompt_version: number("prompt_version")?,
        state,
        step: step
            .map(|step| step.parse().map_err(unexpected))
            .transpose()?,
        attempt: number("attempt")?,
        attempts_max: number("attempts_max")?,
        next_attempt_at: time("due_at_ms")?.filter(|_| state == JobState::Queued),
        last_error: row.try_get("last_error").map_err(unexpected)?,
        cancel_requested: row.try_get("cancel_requested").map_err(unexpected)?,
        created_at: timestamp(number("created_at_ms")?)?,
        started_at: time("started_at_ms")?,
        finished_at: time("finished_at_ms")?,
        result,
        version: number("version")?,
        trace_id: text("trace_id")?,
        traceparent: row.try_get("traceparent").map_err(unexpected)?,
    })
}

fn event(job_id: JobId, row: &SqliteRow) -> Result<JobEvent, StoreError> {
    let text = |name| row.try_get::<String, _>(name).map_err(unexpected);
    let number = |name| row.try_get::<i64, _>(name).map_err(unexpected);
    let step: Option<String> = row.try_get("step").map_err(unexpected)?;
    Ok(JobEvent {
        position: number("position")?,
        job_id,
        at: timestamp(number("at_ms")?)?,
        state: text("state")?.parse().map_err(unexpected)?,
        step: step
            .map(|step| step.parse().map_err(unexpected))
            .transpose()?,
        attempt: number("attempt")?,
        message: text("message")?,
    })
}
