//! The resource `/jobs`: content that is generated for a location with a prompt, by a worker
//! of this process or another.

mod follow;
mod generate;
mod measures;
mod model;
mod old;
mod pause;
mod signals;
mod worker;

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use generate::Tools;
pub(crate) use measures::JobMeasures;
pub(crate) use model::{
    Claimed, Ending, Hold, Job, JobEvent, JobFilter, JobId, JobState, JobStep, Queue, StoredContent,
};
pub(crate) use signals::Signals;
pub(crate) use worker::Workers;

use crate::app::App;
use crate::auth::Principal;
use crate::content::{ContentError, ContentKey};
use crate::fields::Fields;
use crate::items::Cursor;
use crate::kept::{self, Kept};
use crate::locations::LocationId;
use crate::once::{self, Made};
use crate::paging::{self, Place};
use crate::preconditions::unless_known;
use crate::problem::{ApiError, Problem};
use crate::prompts::PromptId;
use crate::query::Utf8Query;
use crate::storage::{New, StoreError};
use crate::trace::TraceId;
use generate::Document;

/// Before a caller asks a content store again that does not say when.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The routes of this resource.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read))
        .routes(routes!(cancel))
        .routes(routes!(retry))
        .routes(routes!(result))
        .routes(routes!(events))
}

impl Made for Job {
    const PATH: &'static str = "/jobs";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn as_new(&self) -> New<'_> {
        New::Job(self)
    }
}

impl Kept for Job {
    type Id = JobId;
    const MISSING: ApiError = ApiError::JobNotFound;

    fn parse(text: &str) -> Option<JobId> {
        JobId::parse(text)
    }

    fn key(&self) -> JobId {
        self.id
    }

    async fn load(app: &App, id: JobId) -> Result<Option<Self>, StoreError> {
        app.store.job(id).await
    }
}

/// The body that makes a job.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewJob {
    #[schema(format = "uuid")]
    location_id: String,
    #[schema(format = "uuid")]
    prompt_id: String,
    /// The present one where left out or null.
    #[schema(minimum = 1)]
    prompt_version: Option<i64>,
}

/// Queues the generation of content for a location. The version of the prompt is fixed now.
#[utoipa::path(
    post,
    path = "/jobs",
    tag = "content",
    operation_id = "create_job",
    params(
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
            pattern = "^[\\x21-\\x7e]+$",
            description = "The caller's own name for this request, remembered for 24 hours: sent \
                           again it has no second effect and gets the same answer."),
    ),
    request_body = NewJob,
    responses(
        (status = 201, description = "The queued job.", body = Job, headers(
            ("Location" = String, description = "The address of the job."),
            ("ETag" = String, description = "The state of the job."),
            ("Idempotency-Replayed" = String, description = "`true` where the answer was given before."),
        )),
    ),
)]
async fn create(
    State(app): State<App>,
    principal: Option<Extension<Principal>>,
    trace: Option<Extension<TraceId>>,
    headers: HeaderMap,
    body: Result<Json<NewJob>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(new) = body?;
    // First, since the location may be gone since the request came before.
    let before = once::answered::<Job>(&app, principal.as_deref(), &headers, &new).await?;
    if let Some(answer) = before {
        return Ok(answer);
    }
    let job = made_from(&app, &new, trace.as_deref()).await?;
    once::create(&app, principal.as_deref(), &headers, &new, job, |app| {
        app.signals.due.notify_one();
    })
    .await
}

async fn made_from(app: &App, new: &NewJob, trace: Option<&TraceId>) -> Result<Job, ApiError> {
    let mut fields = Fields::default();
    let location = match LocationId::parse(&new.location_id) {
        Some(id) => app.store.location(id).await?,
        None => None,
    };
    if location.is_none() {
        fields.refuse("/location_id", "must be the id of a location that exists");
    }
    let prompt = match (PromptId::parse(&new.prompt_id), new.prompt_version) {
        (None, _) => None,
        (Some(id), None) => app.store.prompt(id).await?,
        (Some(id), Some(version)) => app.store.prompt_version(id, version).await?,
    };
    if prompt.is_none() {
        let (pointer, what) = match new.prompt_version {
            None => ("/prompt_id", "must be the id of a prompt that exists"),
            Some(_) => (
                "/prompt_version",
                "must be a version of a prompt that exists",
            ),
        };
        fields.refuse(pointer, what);
    }
    let trace = trace.cloned().unwrap_or_else(TraceId::new);
    let job = location.zip(prompt).map(|(location, prompt)| {
        let attempts_max = app.generation.attempts_max;
        let prompt = (prompt.id, prompt.version);
        Job::new(location.id, prompt, attempts_max, trace.as_str())
    });
    let job = fields.finish(job).map_err(ApiError::InvalidFields)?;
    job.ok_or_else(|| ApiError::Internal {
        cause: "a job without a location or prompt was let through".into(),
    })
}

/// One job, with where it is.
#[utoipa::path(
    get,
    path = "/jobs/{id}",
    tag = "content",
    operation_id = "read_job",
    params(
        ("id" = String, Path, format = "uuid", description = "The id of the job."),
        ("If-None-Match" = Option<String>, Header,
            description = "The ETag of the state that the caller has already."),
    ),
    responses(
        (status = 200, description = "The job.", body = Job, headers(
            ("ETag" = String, description = "The state of the job, for If-None-Match."),
        )),
        (status = 304, description = "The caller has this state already.", headers(
            ("ETag" = String, description = "The state of the job."),
        )),
        (status = 404, description = "No job has this id.", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn read(
    State(app): State<App>,
    headers: HeaderMap,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let job: Job = kept::find(&app, id).await?;
    Ok(unless_known(&headers, job.etag(), &job))
}

/// Calls a job off. One that waits ends at once; the worker of a running one stops within
/// seconds, and until then `cancel_requested` is true.
#[utoipa::path(
    post,
    path = "/jobs/{id}/cancel",
    tag = "content",
    operation_id = "cancel_job",
    params(
        ("id" = String, Path, format = "uuid", description = "The id of the job."),
    ),
    responses(
        (status = 200, description = "The job is cancelled.", body = Job),
        (status = 202, description = "The job's worker is told to stop.", body = Job),
        (status = 404, description = "No job has this id.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The job has ended already, in another way.", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn cancel(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let id = kept::id_in::<Job>(id)?;
    let job = app.store.cancel_job(id).await?;
    let job = job.ok_or(ApiError::JobNotFound)?;
    app.signals.cancelled.notify_waiters();
    app.signals.changed.notify_waiters();
    match job.state {
        JobState::Cancelled => Ok(Json(job).into_response()),
        JobState::Queued | JobState::Running => {
            Ok((StatusCode::ACCEPTED, Json(job)).into_response())
        }
        JobState::Succeeded | JobState::Dead => Err(ApiError::JobEnded(job.state.name())),
    }
}

/// Queues a dead job again, with all its attempts and the version of the prompt that it had. A
/// text that was written and could not be stored is kept and not written again. A job that
/// waits or runs is answered as it is.
#[utoipa::path(
    post,
    path = "/jobs/{id}/retry",
    tag = "content",
    operation_id = "retry_job",
    params(
        ("id" = String, Path, format = "uuid", description = "The id of the job."),
    ),
    responses(
        (status = 200, description = "The job waits or runs.", body = Job),
        (status = 404, description = "No job has this id.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The job has succeeded or was cancelled.", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn retry(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Job>, ApiError> {
    let id = kept::id_in::<Job>(id)?;
    let job = app.store.retry_job(id).await?;
    let job = job.ok_or(ApiError::JobNotFound)?;
    match job.state {
        JobState::Succeeded | JobState::Cancelled => Err(ApiError::JobEnded(job.state.name())),
        JobState::Queued | JobState::Running | JobState::Dead => {
            app.signals.changed.notify_waiters();
            app.signals.due.notify_one();
            Ok(Json(job))
        }
    }
}

/// The content that a job has generated, with all that it was made from.
#[utoipa::path(
    get,
    path = "/jobs/{id}/result",
    tag = "content",
    operation_id = "read_job_result",
    params(
        ("id" = String, Path, format = "uuid", description = "The id of the job."),
    ),
    responses(
        (status = 200, description = "The content.", body = Document),
        (status = 404, description = "No job has this id.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The job has no content, not yet or not at all.", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "The content was removed since.", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn result(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let job: Job = kept::find(&app, id).await?;
    if job.result.is_none() {
        return Err(ApiError::NoContent(job.state.name()));
    }
    let key = ContentKey::of_job(job.id);
    let Some(store) = &app.tools.content else {
        return Err(ApiError::Unavailable {
            cause: "this process has no content store: set OPSCONSOLE_API_CONTENT_URL".into(),
            retry_after: RETRY_AFTER,
        });
    };
    let document = store.get(&key).await.map_err(|error| {
        let cause = error.to_string();
        let retry_after = match error {
            ContentError::Unavailable { retry_after, .. } => retry_after,
            _ => None,
        };
        ApiError::Unavailable {
            cause,
            retry_after: retry_after.unwrap_or(RETRY_AFTER),
        }
    })?;
    let document = document.ok_or(ApiError::ContentGone)?;
    let json = [(header::CONTENT_TYPE, "application/json")];
    Ok((json, document).into_response())
}

/// What happens to a job, as server-sent events: first what has happened already (since
/// `Last-Event-ID`), then the rest as it happens, until the job has ended. Each event is named
/// after the state and holds a JSON object.
#[utoipa::path(
    get,
    path = "/jobs/{id}/events",
    tag = "content",
    operation_id = "follow_job",
    params(
        ("id" = String, Path, format = "uuid", description = "The id of the job."),
        ("Last-Event-ID" = Option<String>, Header, pattern = "^[0-9]+$",
            description = "The id of the last event that the caller has seen."),
    ),
    responses(
        (status = 200, description = "The events.", body = EventFrame, content_type = "text/event-stream"),
        (status = 204, description = "The job has ended and the caller has seen everything."),
        (status = 404, description = "No job has this id.", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn events(
    State(app): State<App>,
    headers: HeaderMap,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let job: Job = kept::find(&app, id).await?;
    follow::follow(app, job, &headers).await
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    /// How many jobs at most.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// `created_at` for oldest first, `-created_at` for newest first.
    #[param(pattern = "^-?created_at$", default = "created_at")]
    sort: Option<String>,
    /// Only jobs in this state.
    #[param(value_type = Option<JobState>)]
    state: Option<String>,
    /// Only jobs for this location.
    #[param(format = "uuid")]
    location_id: Option<String>,
}

/// One event of a stream (html.spec.whatwg.org §9.2), for the contract only.
#[derive(Serialize, Deserialize, ToSchema)]
struct EventFrame {
    /// Give the last one back as `Last-Event-ID` to go on from there.
    #[schema(required = false)]
    id: String,
    /// The state that the job is in.
    #[schema(required = false)]
    event: String,
    /// Milliseconds after which to ask again.
    #[schema(required = false)]
    retry: u64,
    /// A JSON object.
    #[schema(required = false)]
    data: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = JobPage)]
struct Page {
    jobs: Vec<Job>,
    #[schema(value_type = Option<String>, required)]
    /// Give it as `cursor` to read on; null on the last page.
    next_cursor: Option<Cursor>,
}

/// A page of the jobs that are wanted. The caller repeats filter and order with each cursor.
#[utoipa::path(
    get,
    path = "/jobs",
    tag = "content",
    operation_id = "list_jobs",
    params(ListQuery),
    responses((status = 200, description = "A page of jobs.", body = Page)),
)]
async fn list(
    State(app): State<App>,
    Utf8Query(query): Utf8Query<ListQuery>,
) -> Result<Json<Page>, ApiError> {
    let limit = paging::limit(query.limit)?;
    let order = paging::order(query.sort.as_deref())?;
    let place = Place::new(paging::cursor(query.cursor.as_deref())?, order);
    let state = match query.state.as_deref() {
        None => None,
        Some(text) => Some(text.parse().map_err(|problem| {
            ApiError::BadRequest(format!("The parameter state cannot be read: {problem}."))
        })?),
    };
    let location = match query.location_id.as_deref() {
        None => None,
        Some(text) => Some(LocationId::parse(text).ok_or_else(|| {
            ApiError::BadRequest("The parameter location_id is not the id of a location.".into())
        })?),
    };
    let filter = JobFilter { state, location };
    let found = app.store.jobs(place, filter, limit + 1).await?;
    let (jobs, next_cursor) = paging::cut(found, limit);
    Ok(Json(Page { jobs, next_cursor }))
}
