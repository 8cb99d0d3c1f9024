//! A job: what it is, the states it goes through, and how an attempt at it ends.

use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::calls;
use crate::fields::now;
use crate::ids::resource_id;
use crate::locations::LocationId;
use crate::preconditions;
use crate::prompts::PromptId;

resource_id!(
    /// The public id of a job.
    JobId,
    "job"
);

/// Makes an enumeration whose values are written and stored as one word each.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "lowercase")]
        pub(crate) enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// The word that it is written and stored as.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(format!("{text:?} is none of {}", [$($word),*].join(", "))),
                }
            }
        }
    };
}

words!(
    /// Where a job is in its life.
    JobState {
        /// It waits for a worker, perhaps until the time of its next attempt.
        Queued = "queued",
        /// A worker has it.
        Running = "running",
        /// Its content is stored. The end.
        Succeeded = "succeeded",
        /// Someone called it off. The end.
        Cancelled = "cancelled",
        /// It cannot succeed, or has failed too often; `last_error` says why. The end.
        Dead = "dead",
    }
);

impl JobState {
    /// Whether nothing comes after it.
    pub(crate) fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Cancelled | Self::Dead)
    }
}

words!(
    /// What a worker is doing with a job.
    JobStep {
        /// Asks Tavily about the location.
        Searching = "searching",
        /// Has Gemini write the content.
        Writing = "writing",
        /// Puts the content where it stays.
        Storing = "storing",
    }
);

/// A job as it is stored and answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Job {
    #[schema(value_type = String, format = "uuid")]
    pub(crate) id: JobId,
    #[schema(value_type = String, format = "uuid")]
    pub(crate) location_id: LocationId,
    #[schema(value_type = String, format = "uuid")]
    pub(crate) prompt_id: PromptId,
    /// The version that was present when the job was made; later ones do not change the job.
    #[schema(minimum = 1)]
    pub(crate) prompt_version: i64,
    pub(crate) state: JobState,
    /// Only while it is running.
    #[schema(required)]
    pub(crate) step: Option<JobStep>,
    /// Attempts begun.
    pub(crate) attempt: i64,
    pub(crate) attempts_max: i64,
    /// Only while it is queued.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub(crate) next_attempt_at: Option<Timestamp>,
    /// Why the last attempt failed.
    #[schema(required)]
    pub(crate) last_error: Option<String>,
    /// Someone has called it off and the worker has not stopped yet.
    pub(crate) cancel_requested: bool,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub(crate) started_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub(crate) finished_at: Option<Timestamp>,
    /// Only of a job that has succeeded.
    #[schema(required)]
    pub(crate) result: Option<StoredContent>,
    /// Counts the changes from 1; what the entity tag is made of.
    #[schema(minimum = 1)]
    pub(crate) version: i64,
    /// The trace of the request that made the job, which its calls go on with.
    #[serde(skip)]
    pub(crate) trace_id: String,
    /// The span of that request, where its trace was kept.
    #[serde(skip)]
    pub(crate) traceparent: Option<String>,
}

/// What is known about stored content without reading it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct StoredContent {
    /// Where it lies in the content store.
    #[serde(skip)]
    pub(crate) key: String,
    pub(crate) bytes: i64,
    /// Of the stored bytes, in hexadecimal.
    pub(crate) sha256: String,
    /// Which model wrote it.
    pub(crate) model: String,
}

impl Job {
    /// A job that waits for a worker from now on.
    pub(crate) fn new(
        location_id: LocationId,
        (prompt_id, prompt_version): (PromptId, i64),
        attempts_max: i64,
        trace_id: &str,
    ) -> Self {
        let now = now();
        Self {
            id: JobId::new(),
            location_id,
            prompt_id,
            prompt_version,
            state: JobState::Queued,
            step: None,
            attempt: 0,
            attempts_max,
            next_attempt_at: Some(now),
            last_error: None,
            cancel_requested: false,
            created_at: now,
            started_at: None,
            finished_at: None,
            result: None,
            version: 1,
            trace_id: trace_id.to_owned(),
            traceparent: calls::traceparent(),
        }
    }

    /// The strong entity tag of this state of the job.
    pub(crate) fn etag(&self) -> String {
        preconditions::etag(self.version)
    }
}

/// One thing that happened to a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct JobEvent {
    /// Grows with each event of a job.
    #[serde(skip)]
    pub(crate) position: i64,
    #[schema(value_type = String, format = "uuid")]
    pub(crate) job_id: JobId,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) at: Timestamp,
    /// The state that the job is in since then.
    pub(crate) state: JobState,
    pub(crate) step: Option<JobStep>,
    pub(crate) attempt: i64,
    /// For people.
    pub(crate) message: String,
}

/// Whether a worker may go on with a job it has claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// The lease is renewed.
    Held,
    /// Someone has called the job off.
    CancelRequested,
    /// The lease ended and another worker may have the job.
    Lost,
}

/// How an attempt at a job ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The content is stored.
    Succeeded(StoredContent),
    /// It failed and is worth another attempt after a pause.
    Retry {
        /// The pause.
        after: Duration,
        /// What failed.
        error: String,
    },
    /// It failed for good.
    Dead {
        /// What failed.
        error: String,
    },
    /// It was called off.
    Cancelled,
    /// The worker has to stop; the attempt does not count.
    HandedBack,
}

/// What a worker got when it asked for a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Claimed {
    /// The job, if one was due.
    pub(crate) job: Option<Job>,
    /// Jobs that ended on the way: their last worker was lost, and they were called off or
    /// had no attempt left.
    pub(crate) ended: Vec<Job>,
}

/// What waits and runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Queue {
    pub(crate) queued: i64,
    pub(crate) running: i64,
    /// How long the oldest queued job has been there, in milliseconds; 0 where none is.
    pub(crate) oldest_ms: i64,
}

/// Which jobs a caller wants to see.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct JobFilter {
    pub(crate) state: Option<JobState>,
    pub(crate) location: Option<LocationId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_as_they_are_written() {
        for state in ["queued", "running", "succeeded", "cancelled", "dead"] {
            let parsed: JobState = state.parse().expect("one of ours");
            assert_eq!(parsed.name(), state);
            assert_eq!(serde_json::json!(parsed), state);
        }
        let error = "paused".parse::<JobState>().expect_err("none of ours");
        assert!(error.contains("queued, running"), "{error}");
    }
}
