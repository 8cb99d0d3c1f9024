//! One attempt at a job: search, write, store.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Ending, Hold, Job, JobId, JobStep, StoredContent, pause};
use crate::app::App;
use crate::content::{self, ContentError, ContentKey, ContentStore, Put};
use crate::fields::now;
use crate::locations::{Location, LocationId};
use crate::prompts::{Prompt, PromptId};
use crate::settings::Generation;
use crate::storage::StoreError;
use crate::trace::TraceId;
use crate::vendors::{CallError, CallSeconds, Errand, Found, Gemini, Tavily, Written};

/// What a job is done with.
pub(crate) struct Tools {
    /// Nothing where there is no key.
    pub(crate) tavily: Option<Tavily>,
    /// Nothing where there is no key.
    pub(crate) gemini: Option<Gemini>,
    /// Nothing where no place is named.
    pub(crate) content: Option<Box<dyn ContentStore>>,
}

impl Tools {
    pub(crate) fn new(settings: &Generation, seconds: &CallSeconds) -> Self {
        let time_max = settings.outbound_time_max;
        Self {
            tavily: settings
                .tavily
                .as_ref()
                .map(|vendor| Tavily::new(vendor, time_max, seconds.clone())),
            gemini: settings.gemini.as_ref().map(|vendor| {
                Gemini::new(vendor, &settings.gemini_model, time_max, seconds.clone())
            }),
            content: settings
                .content
                .as_ref()
                .map(|place| content::open(place, seconds.clone())),
        }
    }
}

/// A document of the content store: a text with all that it was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Content)]
pub(crate) struct Document {
    #[schema(value_type = String, format = "uuid")]
    pub(crate) job_id: JobId,
    pub(crate) location: DocumentLocation,
    pub(crate) prompt: DocumentPrompt,
    /// The model that wrote the text.
    pub(crate) model: String,
    pub(crate) text: String,
    /// The pages that it was written from.
    pub(crate) sources: Vec<Source>,
    pub(crate) usage: TokenUsage,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) generated_at: Timestamp,
}

/// The location as it was then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct DocumentLocation {
    #[schema(value_type = String, format = "uuid")]
    pub(crate) id: LocationId,
    pub(crate) name: String,
    #[schema(minimum = 1)]
    pub(crate) version: i64,
}

/// The version of the prompt that was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct DocumentPrompt {
    #[schema(value_type = String, format = "uuid")]
    pub(crate) id: PromptId,
    pub(crate) name: String,
    #[schema(minimum = 1)]
    pub(crate) version: i64,
}

/// A page of the web.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Source {
    pub(crate) title: String,
    pub(crate) url: String,
}

/// What the model counts, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct TokenUsage {
    pub(crate) prompt_tokens: u64,
    pub(crate) output_tokens: u64,
}

/// Why an attempt did not come to its end.
enum Stop {
    /// The job is another worker's now.
    Lost,
    /// It ends so.
    With(Ending),
    /// Something failed that another attempt may find mended.
    Failed {
        error: String,
        retry_after: Option<Duration>,
    },
}

/// Makes one attempt. Nothing where the job was lost to another worker.
pub(super) async fn attempt(app: &App, job: &Job, claim: Uuid) -> Option<Ending> {
    match generate(app, job, claim).await {
        Ok(content) => Some(Ending::Succeeded(content)),
        Err(Stop::Lost) => None,
        Err(Stop::With(ending)) => Some(ending),
        Err(Stop::Failed { error, retry_after }) => {
            if job.attempt >= job.attempts_max {
                let times = job.attempt;
                return Some(Ending::Dead {
                    error: format!("{error} (attempt {times} of {times})"),
                });
            }
            let first = app.generation.retry_pause;
            Some(Ending::Retry {
                after: pause::pause(first, job.attempt, retry_after),
                error,
            })
        }
    }
}

async fn generate(app: &App, job: &Job, claim: Uuid) -> Result<StoredContent, Stop> {
    let (Some(tavily), Some(gemini), Some(content)) =
        (&app.tools.tavily, &app.tools.gemini, &app.tools.content)
    else {
        return Err(dead("this worker is not configured for generating content"));
    };
    let content = content.as_ref();
    let key = ContentKey::of_job(job.id);
    // Not its first claim: the second version is that of the first one.
    if job.version > 2 {
        if let Some(content) = kept_before(content, &key).await {
            return Ok(content);
        }
        if let Some((text, model)) = written_before(app, job).await? {
            step(app, job, claim, JobStep::Storing).await?;
            return keep(content, &key, text.into(), model).await;
        }
    }
    let location = app
        .store
        .location(job.location_id)
        .await?
        .ok_or_else(|| dead("the location was deleted"))?;
    let prompt = app
        .store
        .prompt_version(job.prompt_id, job.prompt_version)
        .await?
        .ok_or_else(|| dead("the version of the prompt is not there"))?;
    let errand = Errand {
        trace: TraceId::from_text(&job.trace_id),
    };

    step(app, job, claim, JobStep::Searching).await?;
    let query = prompt.query_about(&location);
    let found = tavily.search(&query, &errand).await?;

    step(app, job, claim, JobStep::Writing).await?;
    let text = prompt.text_about(&location, &listed(&found));
    let written = gemini.write(&text, &errand).await?;

    let document = document(job, location, prompt, found, written);
    let model = document.model.clone();
    let text = serde_json::to_string(&document)
        .map_err(|error| dead(&format!("the content cannot be written: {error}")))?;
    // It is paid for: a store that refuses it, or the end of this worker, must not cost it.
    if !app.store.keep_draft(job.id, claim, &text).await? {
        return Err(Stop::Lost);
    }
    step(app, job, claim, JobStep::Storing).await?;
    keep(content, &key, text.into(), model).await
}

/// The document that an attempt before this one has written and could not store, and its model.
async fn written_before(app: &App, job: &Job) -> Result<Option<(String, String)>, Stop> {
    let Some(text) = app.store.draft(job.id).await? else {
        return Ok(None);
    };
    // One that another release wrote in another shape is written anew.
    let document = serde_json::from_str::<Document>(&text).ok();
    Ok(document.map(|document| (text, document.model)))
}

/// Says where the attempt is, and hears whether to go on.
async fn step(app: &App, job: &Job, claim: Uuid, step: JobStep) -> Result<(), Stop> {
    let lease = app.generation.lease;
    let hold = app.store.hold_job(job.id, claim, lease, Some(step)).await?;
    app.signals.changed.notify_waiters();
    match hold {
        Hold::Held => Ok(()),
        Hold::CancelRequested => Err(Stop::With(Ending::Cancelled)),
        Hold::Lost => Err(Stop::Lost),
    }
}

/// What an attempt before this one has kept, when its worker was killed before it could say
/// so: it is not generated again. A store that cannot tell (S3 without the right to list
/// answers 403 to the read of what is not there) is no reason to stop.
async fn kept_before(content: &dyn ContentStore, key: &ContentKey) -> Option<StoredContent> {
    let bytes = content.get(key).await.ok().flatten()?;
    let document: Document = serde_json::from_slice(&bytes).ok()?;
    tracing::info!(job = %document.job_id, "the content was stored before");
    Some(stored(key, &bytes, document.model))
}

async fn keep(
    content: &dyn ContentStore,
    key: &ContentKey,
    bytes: Bytes,
    model: String,
) -> Result<StoredContent, Stop> {
    match content.put_new(key, bytes.clone()).await? {
        Put::Stored => Ok(stored(key, &bytes, model)),
        // Another worker was faster; what is there stays, and is what the job tells of.
        Put::Existed => kept_before(content, key).await.ok_or_else(|| Stop::Failed {
            error: "the content store has a document that cannot be read".into(),
            retry_after: None,
        }),
    }
}

fn stored(key: &ContentKey, bytes: &Bytes, model: String) -> StoredContent {
    StoredContent {
        key: key.as_str().to_owned(),
        bytes: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
        sha256: hex::encode(Sha256::digest(bytes)),
        model,
    }
}

/// The sources as the model reads them.
fn listed(found: &[Found]) -> String {
    if found.is_empty() {
        return "(no sources were found)".into();
    }
    found
        .iter()
        .enumerate()
        .map(|(index, found)| {
            let Found {
                title,
                url,
                excerpt,
            } = found;
            format!("[{}] {title}\n{url}\n{excerpt}\n", index + 1)
        })
        .collect::<Vec<_>>()
        .join("\n")
}

fn document(
    job: &Job,
    location: Location,
    prompt: Prompt,
    found: Vec<Found>,
    written: Written,
) -> Document {
    Document {
        job_id: job.id,
        location: DocumentLocation {
            id: location.id,
            name: location.name,
            version: location.version,
        },
        prompt: DocumentPrompt {
            id: prompt.id,
            name: prompt.name,
            version: prompt.version,
        },
        model: written.model,
        text: written.text,
        sources: found
            .into_iter()
            .map(|Found { title, url, .. }| Source { title, url })
            .collect(),
        usage: TokenUsage {
            prompt_tokens: written.prompt_tokens,
            output_tokens: written.output_tokens,
        },
        generated_at: now(),
    }
}

fn dead(error: &str) -> Stop {
    Stop::With(Ending::Dead {
        error: error.to_owned(),
    })
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        // The reason is for operators; the job's own error is shown to callers.
        tracing::warn!(%error, "the database failed in the middle of a job");
        Self::Failed {
            error: "the database did not work".into(),
            retry_after: None,
        }
    }
}

impl From<CallError> for Stop {
    fn from(error: CallError) -> Self {
        if error.kind.is_worth_a_retry() {
            Self::Failed {
                error: error.to_string(),
                retry_after: error.retry_after,
            }
        } else {
            dead(&error.to_string())
        }
    }
}

impl From<ContentError> for Stop {
    fn from(error: ContentError) -> Self {
        let retry_after = match &error {
            ContentError::TooLarge { .. } => return dead(&error.to_string()),
            ContentError::Unavailable { retry_after, .. } => *retry_after,
            ContentError::Denied(_) | ContentError::Full(_) => None,
        };
        Self::Failed {
            error: error.to_string(),
            retry_after,
        }
    }
}
