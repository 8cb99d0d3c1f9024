//! The queue of jobs in Postgres: `FOR UPDATE SKIP LOCKED`, so that workers neither wait for
//! each other nor get the same job (postgresql.org/docs/current/sql-select.html).

use std::time::Duration;

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use super::{PostgresStore, timestamp, unexpected};
use crate::items::Cursor;
use crate::jobs::{
    Claimed, Ending, Hold, Job, JobEvent, JobFilter, JobId, JobState, JobStep, Queue, StoredContent,
};
use crate::locations::LocationId;
use crate::paging::Place;
use crate::storage::{Finish, JobStore, StoreError, messages, millis};

/// One of sqlx's checked statements, with the parts that many have in common put into its text:
/// `NOW` is the clock of the database, `COLUMNS` all of [`JobRow`].
macro_rules! checked {
    (@ $row:tt ($($sql:tt)+) (NOW $($rest:tt)*) $arguments:tt) => {
        checked!(@ $row
            ($($sql)+ + "(extract(epoch FROM clock_timestamp()) * 1000)::bigint")
            ($($rest)*) $arguments)
    };
    (@ $row:tt ($($sql:tt)+) (COLUMNS $($rest:tt)*) $arguments:tt) => {
        checked!(@ $row
            ($($sql)+ + "position, id, location_id, prompt_id, prompt_version, state, step, \
             attempt, attempts_max, due_at_ms, last_error, cancel_requested, trace_id, \
             created_at_ms, started_at_ms, finished_at_ms, content_key, content_bytes, \
             content_sha256, content_model, version, traceparent")
            ($($rest)*) $arguments)
    };
    (@ $row:tt ($($sql:tt)+) ($part:tt $($rest:tt)*) $arguments:tt) => {
        checked!(@ $row ($($sql)+ + $part) ($($rest)*) $arguments)
    };
    (@ () ($($sql:tt)+) () ($($argument:expr),*)) => {
        sqlx::query!($($sql)+, $($argument),*)
    };
    (@ ($row:ident) ($($sql:tt)+) () ($($argument:expr),*)) => {
        sqlx::query_as!($row, $($sql)+, $($argument),*)
    };
    ($($row:ident,)? ($first:tt $($part:tt)*) $(, $argument:expr)* $(,)?) => {
        checked!(@ ($($row)?) ($first) ($($part)*) ($($argument),*))
    };
}

#[async_trait]
impl JobStore for PostgresStore {
    async fn job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        checked!(JobRow, ("SELECT " COLUMNS " FROM jobs WHERE id = $1"), id.uuid())
            .fetch_optional(&self.pool)
            .await
            .map_err(|e| self.error(&e))?
            .map(Job::try_from)
            .transpose()
    }

    async fn jobs(
        &self,
        place: Place,
        filter: JobFilter,
        limit: u32,
    ) -> Result<Vec<(Cursor, Job)>, StoreError> {
        // Not checked when it is built: a direction cannot be a parameter.
        let (compare, direction) = place.sql();
        sqlx::query_as::<_, JobRow>(AssertSqlSafe(format!(
            "SELECT position, id, location_id, prompt_id, prompt_version, state, step, attempt, attempts_max, \
             due_at_ms, last_error, cancel_requested, trace_id, created_at_ms, started_at_ms, \
             finished_at_ms, content_key, content_bytes, content_sha256, content_model, version, traceparent FROM jobs WHERE position {compare} $1 \
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
        .into_iter()
        .map(|row| Ok((Cursor::at(row.position), row.try_into()?)))
        .collect()
    }

    async fn claim_job(&self, claim: Uuid, lease: Duration) -> Result<Claimed, StoreError> {
        let take = async {
            let mut transaction = self.pool.begin().await?;
            let ended = checked!(JobRow, ("UPDATE jobs SET \
                 state = CASE WHEN cancel_requested THEN 'cancelled' ELSE 'dead' END, \
                 last_error = CASE WHEN cancel_requested THEN last_error ELSE $1 END, \
                 step = NULL, claim = NULL, due_at_ms = NULL, finished_at_ms = " NOW ", \
                 version = version + 1 \
                 WHERE position IN (SELECT position FROM jobs \
                 WHERE state = 'running' AND due_at_ms <= " NOW " \
                 AND (cancel_requested OR attempt >= attempts_max) FOR UPDATE SKIP LOCKED) \
                 RETURNING " COLUMNS), messages::WORKER_LOST)
            .fetch_all(&mut *transaction)
            .await?;
            for row in &ended {
                note(&mut transaction, row, messages::WORKER_LOST).await?;
            }
            let due = checked!(("SELECT position, state = 'running' AS \"was_running!\" FROM jobs \
                 WHERE due_at_ms <= " NOW " \
                 ORDER BY due_at_ms, position LIMIT 1 FOR UPDATE SKIP LOCKED"))
            .fetch_optional(&mut *transaction)
            .await?;
            let mut claimed = None;
            if let Some(due) = due {
                let row = checked!(JobRow, ("UPDATE jobs SET state = 'running', step = NULL, attempt = attempt + 1, \
                     claim = $1, due_at_ms = " NOW " + $2, \
                     started_at_ms = coalesce(started_at_ms, " NOW "), version = version + 1 \
                     WHERE position = $3 RETURNING " COLUMNS), claim, millis(lease), due.position)
                .fetch_one(&mut *transaction)
                .await?;
                let message = messages::claimed(row.attempt, due.was_running);
                note(&mut transaction, &row, &message).await?;
                claimed = Some(row);
            }
            transaction.commit().await?;
            Ok((claimed, ended))
        };
        let (claimed, ended) = take.await.map_err(|e: sqlx::Error| self.error(&e))?;
        Ok(Claimed {
            job: claimed.map(Job::try_from).transpose()?,
            ended: ended
                .into_iter()
                .map(Job::try_from)
                .collect::<Result<_, _>>()?,
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
            let row = checked!(JobRow, ("UPDATE jobs SET due_at_ms = " NOW " + $1, step = coalesce($2::text, step), \
                 version = version + CASE WHEN $2::text IS NULL THEN 0 ELSE 1 END \
                 WHERE id = $3 AND claim = $4 RETURNING " COLUMNS), millis(lease), step.map(JobStep::name), id.uuid(), claim)
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
            Ok(if row.cancel_requested {
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
            let row = checked!(JobRow, ("UPDATE jobs SET \
                 state = CASE WHEN $1::text = 'queued' AND cancel_requested THEN 'cancelled' \
                 ELSE $1::text END, \
                 due_at_ms = CASE WHEN $1::text = 'queued' AND NOT cancel_requested THEN " NOW " + $2 END, \
                 finished_at_ms = CASE WHEN $1::text = 'queued' AND NOT cancel_requested THEN NULL \
                 ELSE " NOW " END, \
                 attempt = attempt - $3, last_error = coalesce($4::text, last_error), \
                 content_key = $5, content_bytes = $6, content_sha256 = $7, content_model = $8, \
                 draft = CASE WHEN $1::text = 'dead' OR $1::text = 'queued' AND NOT cancel_requested \
                     THEN draft END, \
                     step = NULL, claim = NULL, cancel_requested = FALSE, version = version + 1 \
                 WHERE id = $9 AND claim = $10 RETURNING " COLUMNS), end.state.name(), millis(end.after), end.attempts_back, end.error, end.content.map(|content| content.key.as_str()), end.content.map(|content| content.bytes), end.content.map(|content| content.sha256.as_str()), end.content.map(|content| content.model.as_str()), id.uuid(), claim)
            .fetch_optional(&mut *transaction)
            .await?;
            if let Some(row) = &row {
                note(&mut transaction, row, &end.message).await?;
            }
            transaction.commit().await?;
            Ok(row)
        };
        let row = finish.await.map_err(|e: sqlx::Error| self.error(&e))?;
        row.map(Job::try_from).transpose()
    }

    async fn cancel_job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        let cancel = async {
            let mut transaction = self.pool.begin().await?;
            let row = checked!(JobRow, ("UPDATE jobs SET \
                 finished_at_ms = CASE state WHEN 'queued' THEN " NOW " END, \
                 due_at_ms = CASE state WHEN 'queued' THEN NULL ELSE due_at_ms END, \
                 draft = CASE state WHEN 'queued' THEN NULL ELSE draft END, \
                     cancel_requested = (state = 'running'), \
                 state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state END, \
                 version = version + 1 \
                 WHERE id = $1 AND state IN ('queued', 'running') AND NOT cancel_requested \
                 RETURNING " COLUMNS), id.uuid())
            .fetch_optional(&mut *transaction)
            .await?;
            if let Some(row) = &row {
                let message = if row.cancel_requested {
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
            Some(row) => row.try_into().map(Some),
            None => self.job(id).await,
        }
    }

    async fn retry_job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        let retry = async {
            let mut transaction = self.pool.begin().await?;
            let row = checked!(
                JobRow,
                (
                    "UPDATE jobs SET state = 'queued', attempt = 0, due_at_ms = " NOW ", \
                     finished_at_ms = NULL, version = version + 1 \
                     WHERE id = $1 AND state = 'dead' RETURNING " COLUMNS
                ),
                id.uuid()
            )
            .fetch_optional(&mut *transaction)
            .await?;
            if let Some(row) = &row {
                note(&mut transaction, row, messages::RETRIED).await?;
            }
            transaction.commit().await?;
            Ok(row)
        };
        match retry.await.map_err(|e: sqlx::Error| self.error(&e))? {
            Some(row) => row.try_into().map(Some),
            None => self.job(id).await,
        }
    }

    async fn keep_draft(&self, id: JobId, claim: Uuid, draft: &str) -> Result<bool, StoreError> {
        let change = sqlx::query!(
            "UPDATE jobs SET draft = $1 WHERE id = $2 AND claim = $3",
            draft,
            id.uuid(),
            claim,
        );
        self.changes_one(change).await
    }

    async fn draft(&self, id: JobId) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar!("SELECT draft FROM jobs WHERE id = $1", id.uuid())
            .fetch_optional(&self.pool)
            .await
            .map(Option::flatten)
            .map_err(|e| self.error(&e))
    }

    async fn remove_old_jobs(&self, kept: Duration, limit: u32) -> Result<u64, StoreError> {
        let remove = async {
            let mut transaction = self.pool.begin().await?;
            let removed = checked!(
                (
                    "DELETE FROM jobs WHERE position IN (SELECT position FROM jobs \
                     WHERE finished_at_ms < " NOW " - $1 \
                     ORDER BY finished_at_ms LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING id"
                ),
                millis(kept),
                i64::from(limit)
            )
            .fetch_all(&mut *transaction)
            .await?;
            let ids: Vec<_> = removed.into_iter().map(|row| row.id).collect();
            sqlx::query!("DELETE FROM job_events WHERE job_id = ANY($1)", &ids)
                .execute(&mut *transaction)
                .await?;
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
        sqlx::query_as!(
            EventRow,
            "SELECT job_id, position, at_ms, state, step, attempt, message FROM job_events \
             WHERE job_id = $1 AND position > $2 ORDER BY position LIMIT $3",
            id.uuid(),
            after,
            i64::from(limit),
        )
        .fetch_all(&self.pool)
        .await
        .map_err(|e| self.error(&e))?
        .into_iter()
        .map(JobEvent::try_from)
        .collect()
    }

    async fn queue(&self) -> Result<Queue, StoreError> {
        checked!(Queue, (
            "SELECT count(*) FILTER (WHERE state = 'queued') AS \"queued!\", \
             count(*) FILTER (WHERE state = 'running') AS \"running!\", \
             coalesce(" NOW " - min(created_at_ms) FILTER (WHERE state = 'queued'), 0)::bigint \
             AS \"oldest_ms!\" FROM jobs WHERE state IN ('queued', 'running')"
        ))
        .fetch_one(&self.pool)
        .await
        .map_err(|e| self.error(&e))
    }
}

pub(super) async fn insert(connection: &mut PgConnection, job: &Job) -> Result<(), sqlx::Error> {
    let row = checked!(JobRow, ("INSERT INTO jobs (id, location_id, prompt_id, prompt_version, state, attempts_max, \
         due_at_ms, trace_id, created_at_ms, traceparent) VALUES ($1, $2, $3, $4, $5, $6, " NOW ", $7, $8, $9) \
         RETURNING " COLUMNS), job.id.uuid(), job.location_id.uuid(), job.prompt_id.uuid(), job.prompt_version, job.state.name(), job.attempts_max, &job.trace_id, job.created_at.as_millisecond(),
        job.traceparent.as_deref())
    .fetch_one(&mut *connection)
    .await?;
    note(connection, &row, messages::QUEUED).await
}

/// Keeps what has just happened to the job of this row.
async fn note(
    connection: &mut PgConnection,
    row: &JobRow,
    message: &str,
) -> Result<(), sqlx::Error> {
    checked!(
        (
            "INSERT INTO job_events (job_id, at_ms, state, step, attempt, message) \
             VALUES ($1, " NOW ", $2, $3, $4, $5)"
        ),
        row.id,
        row.state,
        row.step,
        row.attempt,
        message
    )
    .execute(connection)
    .await
    .map(drop)
}

#[derive(sqlx::FromRow)]
struct JobRow {
    position: i64,
    id: Uuid,
    location_id: Uuid,
    prompt_id: Uuid,
    prompt_version: i64,
    state: String,
    step: Option<String>,
    attempt: i64,
    attempts_max: i64,
    due_at_ms: Option<i64>,
    last_error: Option<String>,
    cancel_requested: bool,
    trace_id: String,
    created_at_ms: i64,
    started_at_ms: Option<i64>,
    finished_at_ms: Option<i64>,
    content_key: Option<String>,
    content_bytes: Option<i64>,
    content_sha256: Option<String>,
    content_model: Option<String>,
    version: i64,
    traceparent: Option<String>,
}

impl TryFrom<JobRow> for Job {
    type Error = StoreError;

    fn try_from(row: JobRow) -> Result<Self, StoreError> {
        let missing = |name| unexpected(format!("{name} of stored content is null"));
        let result = match row.content_key {
            Some(key) => Some(StoredContent {
                key,
                bytes: row.content_bytes.ok_or_else(|| missing("content_bytes"))?,
                sha256: row
                    .content_sha256
                    .ok_or_else(|| missing("content_sha256"))?,
                model: row.content_model.ok_or_else(|| missing("content_model"))?,
            }),
            None => None,
        };
        let state: JobState = row.state.parse().map_err(unexpected)?;
        let step = row.step.map(|step| step.parse().map_err(unexpected));
        Ok(Self {
            id: row.id.into(),
            location_id: row.location_id.into(),
            prompt_id: row.prompt_id.into(),
            prompt_version: row.prompt_version,
            state,
            step: step.transpose()?,
            attempt: row.attempt,
            attempts_max: row.attempts_max,
            next_attempt_at: row
                .due_at_ms
                .filter(|_| state == JobState::Queued)
                .map(timestamp)
                .transpose()?,
            last_error: row.last_error,
            cancel_requested: row.cancel_requested,
            created_at: timestamp(row.created_at_ms)?,
            started_at: row.started_at_ms.map(timestamp).transpose()?,
            finished_at: row.finished_at_ms.map(timestamp).transpose()?,
            result,
            version: row.version,
            trace_id: row.trace_id,
            traceparent: row.traceparent,
        })
    }
}

struct EventRow {
    job_id: Uuid,
    position: i64,
    at_ms: i64,
    state: String,
    step: Option<String>,
    attempt: i64,
    message: String,
}

impl TryFrom<EventRow> for JobEvent {
    type Error = StoreError;

    fn try_from(row: EventRow) -> Result<Self, StoreError> {
        let step = row.step.map(|step| step.parse().map_err(unexpected));
        Ok(Self {
            position: row.position,
            job_id: row.job_id.into(),
            at: timestamp(row.at_ms)?,
            state: row.state.parse().map_err(unexpected)?,
            step: step.transpose()?,
            attempt: row.attempt,
            message: row.message,
        })
    }
}
