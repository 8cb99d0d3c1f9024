//! The queue of jobs in Postgres: `FOR UPDATE SKIP LOCKED`, so that workers neither wait for
//! each other nor get the same job (postgresql.org/docs/current/sql-select.html).

use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};
use uuid::Uuid;

use super::{PostgresStore, timestamp, unexpected};
use crate::items::Cursor;
use crate::jobs::{
    Claimed, Ending, Hold, Job, JobEvent, JobFilter, JobId, JobState, JobStep, Queue, StoredContent,
};
use crate::locations::LocationId;
use crate::paging::Place;
use crate::storage::{Finish, JobStore, StoreError, messages, millis};

const COLUMNS: &str = "position, id, location_id, prompt_id, prompt_version, state, step, \
                       attempt, attempts_max, due_at_ms, last_error, cancel_requested, \
                       trace_id, created_at_ms, started_at_ms, finished_at_ms, content_key, \
                       content_bytes, content_sha256, content_model, version";
/// The clock of the database.
const NOW: &str = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

#[async_trait]
impl JobStore for PostgresStore {
    async fn job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        sqlx::query(AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM jobs WHERE id = $1"
        )))
        .bind(id.uuid())
        .fetch_optional(&self.pool)
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
            "SELECT {COLUMNS} FROM jobs WHERE position {compare} $1 \
             AND ($2::text IS NULL OR state = $2) AND ($3::uuid IS NULL OR location_id = $3) \
             ORDER BY position {direction} LIMIT $4"
        )))
        .bind(place.start)
        .bind(filter.state.map(JobState::name))
        .bind(filter.location.map(LocationId::uuid))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
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
        let take = async {
            let mut transaction = self.pool.begin().await?;
            let ended = sqlx::query(AssertSqlSafe(format!(
                "UPDATE jobs SET \
                 state = CASE WHEN cancel_requested THEN 'cancelled' ELSE 'dead' END, \
                 last_error = CASE WHEN cancel_requested THEN last_error ELSE $1 END, \
                 step = NULL, claim = NULL, due_at_ms = NULL, finished_at_ms = {NOW}, \
                 version = version + 1 \
                 WHERE position IN (SELECT position FROM jobs \
                 WHERE state = 'running' AND due_at_ms <= {NOW} \
                 AND (cancel_requested OR attempt >= attempts_max) FOR UPDATE SKIP LOCKED) \
                 RETURNING {COLUMNS}"
            )))
            .bind(messages::WORKER_LOST)
            .fetch_all(&mut *transaction)
            .await?;
            for row in &ended {
                note(&mut transaction, row, messages::WORKER_LOST).await?;
            }
            let due: Option<(i64, bool)> = sqlx::query_as(AssertSqlSafe(format!(
                "SELECT position, state = 'running' FROM jobs WHERE due_at_ms <= {NOW} \
                 ORDER BY due_at_ms, position LIMIT 1 FOR UPDATE SKIP LOCKED"
            )))
            .fetch_optional(&mut *transaction)
            .await?;
            let mut claimed = None;
            if let Some((position, was_running)) = due {
                let row = sqlx::query(AssertSqlSafe(format!(
                    "UPDATE jobs SET state = 'running', step = NULL, attempt = attempt + 1, \
                     claim = $1, due_at_ms = {NOW} + $2, \
                     started_at_ms = coalesce(started_at_ms, {NOW}), version = version + 1 \
                     WHERE position = $3 RETURNING {COLUMNS}"
                )))
                .bind(claim)
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
            let mut transaction = self.pool.begin().await?;
            let row = sqlx::query(AssertSqlSafe(format!(
                "UPDATE jobs SET due_at_ms = {NOW} + $1, step = coalesce($2::text, step), \
                 version = version + CASE WHEN $2::text IS NULL THEN 0 ELSE 1 END \
                 WHERE id = $3 AND claim = $4 RETURNING {COLUMNS}"
            )))
            .bind(millis(lease))
            .bind(step.map(JobStep::name))
            .bind(id.uuid())
            .bind(claim)
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
            let mut transaction = self.pool.begin().await?;
            let row = sqlx::query(AssertSqlSafe(format!(
                "UPDATE jobs SET \
                 state = CASE WHEN $1::text = 'queued' AND cancel_requested THEN 'cancelled' \
                 ELSE $1::text END, \
                 due_at_ms = CASE WHEN $1::text = 'queued' AND NOT cancel_requested THEN {NOW} + $2 END, \
                 finished_at_ms = CASE WHEN $1::text = 'queued' AND NOT cancel_requested THEN NULL \
                 ELSE {NOW} END, \
                 attempt = attempt - $3, last_error = coalesce($4::text, last_error), \
                 content_key = $5, content_bytes = $6, content_sha256 = $7, content_model = $8, \
                 step = NULL, claim = NULL, cancel_requested = FALSE, version = version + 1 \
                 WHERE id = $9 AND claim = $10 RETURNING {COLUMNS}"
            )))
            .bind(end.state.name())
            .bind(millis(end.after))
            .bind(end.attempts_back)
            .bind(end.error)
            .bind(end.content.map(|content| content.key.as_str()))
            .bind(end.content.map(|content| content.bytes))
            .bind(end.content.map(|content| content.sha256.as_str()))
            .bind(end.content.map(|content| content.model.as_str()))
            .bind(id.uuid())
            .bind(claim)
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
            let mut transaction = self.pool.begin().await?;
            let row = sqlx::query(AssertSqlSafe(format!(
                "UPDATE jobs SET \
                 finished_at_ms = CASE state WHEN 'queued' THEN {NOW} END, \
                 due_at_ms = CASE state WHEN 'queued' THEN NULL ELSE due_at_ms END, \
                 cancel_requested = (state = 'running'), \
                 state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state END, \
                 version = version + 1 \
                 WHERE id = $1 AND state IN ('queued', 'running') AND NOT cancel_requested \
                 RETURNING {COLUMNS}"
            )))
            .bind(id.uuid())
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

    async fn job_events(
        &self,
        id: JobId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<JobEvent>, StoreError> {
        sqlx::query(
            "SELECT position, at_ms, state, step, attempt, message FROM job_events \
             WHERE job_id = $1 AND position > $2 ORDER BY position LIMIT $3",
        )
        .bind(id.uuid())
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
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
             coalesce({NOW} - min(created_at_ms) FILTER (WHERE state = 'queued'), 0)::bigint \
             FROM jobs WHERE state IN ('queued', 'running')"
        )))
        .fetch_one(&self.pool)
        .await
        .map_err(|e| self.error(&e))?;
        Ok(Queue {
            queued,
            running,
            oldest_ms,
        })
    }
}

pub(super) async fn insert(connection: &mut PgConnection, job: &Job) -> Result<(), sqlx::Error> {
    let row = sqlx::query(AssertSqlSafe(format!(
        "INSERT INTO jobs (id, location_id, prompt_id, prompt_version, state, attempts_max, \
         due_at_ms, trace_id, created_at_ms) VALUES ($1, $2, $3, $4, $5, $6, {NOW}, $7, $8) \
         RETURNING {COLUMNS}"
    )))
    .bind(job.id.uuid())
    .bind(job.location_id.uuid())
    .bind(job.prompt_id.uuid())
    .bind(job.prompt_version)
    .bind(job.state.name())
    .bind(job.attempts_max)
    .bind(&job.trace_id)
    .bind(job.created_at.as_millisecond())
    .fetch_one(&mut *connection)
    .await?;
    note(connection, &row, messages::QUEUED).await
}

/// Keeps what has just happened to the job of this row.
async fn note(
    connection: &mut PgConnection,
    row: &PgRow,
    message: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(AssertSqlSafe(format!(
        "INSERT INTO job_events (job_id, at_ms, state, step, attempt, message) \
         VALUES ($1, {NOW}, $2, $3, $4, $5)"
    )))
    .bind(row.try_get::<Uuid, _>("id")?)
    .bind(row.try_get::<String, _>("state")?)
    .bind(row.try_get::<Option<String>, _>("step")?)
    .bind(row.try_get::<i64, _>("attempt")?)
    .bind(message)
    .execute(connection)
    .await
    .map(drop)
}

fn job(row: &PgRow) -> Result<Job, StoreError> {
    let text = |name| row.try_get::<String, _>(name).map_err(unexpected);
    let number = |name| row.try_get::<i64, _>(name).map_err(unexpected);
    let time = |name| {
        let ms: Option<i64> = row.try_get(name).map_err(unexpected)?;
        ms.map(timestamp).transpose()
    };
    let id = |name| row.try_get::<Uuid, _>(name).map_err(unexpected);
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
        id: id("id")?.into(),
        location_id: id("location_id")?.into(),
        prompt_id: id("prompt_id")?.into(),
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
    })
}

fn event(job_id: JobId, row: &PgRow) -> Result<JobEvent, StoreError> {
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
