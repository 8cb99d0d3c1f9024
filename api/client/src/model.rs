//! What the service sends and takes, as its OpenAPI document describes it. Members that a
//! later release adds are passed over.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The answer of `/api/hello`.
#[derive(Clone, Debug, Deserialize)]
pub struct Greeting {
    /// The greeting.
    pub message: String,
    /// The release that answered.
    pub version: String,
    /// Where it runs.
    pub environment: String,
}

/// An item as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Item {
    /// A UUID.
    pub id: String,
    /// 1 to 200 characters.
    pub name: String,
    /// Up to 4,000 characters.
    pub description: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// Counts the changes from 1.
    pub version: i64,
}

impl Item {
    /// What a change of this state is sent with.
    pub(crate) fn etag(&self) -> String {
        format!("\"{}\"", self.version)
    }
}

/// The values of an item.
#[derive(Clone, Debug, Serialize)]
pub struct NewItem {
    /// 1 to 200 characters.
    pub name: String,
    /// Up to 4,000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl NewItem {
    /// An item with a name and nothing else.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            description: None,
        }
    }
}

/// Some values of an item; what is `None` stays (RFC 7396).
#[derive(Clone, Debug, Default, Serialize)]
pub struct ItemPatch {
    /// The new name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The new description; `Some(None)` removes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Option<String>>,
}

/// Which items are wanted. The default is the first 20, oldest first.
#[derive(Clone, Debug, Default)]
pub struct ItemQuery {
    /// 1 to 100.
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Newest first.
    pub newest_first: bool,
    /// Part of the name, with case.
    pub name_contains: Option<String>,
}

impl ItemQuery {
    pub(crate) fn pairs(&self) -> Vec<(&'static str, String)> {
        let sort = self.newest_first.then(|| "-created_at".to_owned());
        [
            ("limit", self.limit.map(|limit| limit.to_string())),
            ("cursor", self.cursor.clone()),
            ("sort", sort),
            ("name_contains", self.name_contains.clone()),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

/// One page of items.
#[derive(Clone, Debug, Deserialize)]
pub struct Page {
    /// Those of this page.
    pub items: Vec<Item>,
    /// Where the next page starts; nothing on the last one.
    pub next_cursor: Option<String>,
}

/// What a job is made of.
#[derive(Clone, Debug, Serialize)]
pub struct NewJob {
    /// The id of the location.
    pub location_id: String,
    /// The id of the prompt.
    pub prompt_id: String,
    /// A version of the prompt; the present one where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_version: Option<i64>,
}

/// A job as it stands.
#[derive(Clone, Debug, Deserialize)]
pub struct Job {
    /// A UUID.
    pub id: String,
    /// The id of the location.
    pub location_id: String,
    /// The id of the prompt.
    pub prompt_id: String,
    /// The version of the prompt that the job was made with.
    pub prompt_version: i64,
    /// How far it is.
    pub state: JobState,
    /// Attempts begun.
    pub attempt: i64,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It waits for a worker.
    Queued,
    /// A worker has it.
    Running,
    /// Its content is stored.
    Succeeded,
    /// It was called off.
    Cancelled,
    /// All attempts failed.
    Dead,
    /// A state of a later release.
    #[serde(other)]
    Other,
}

/// Why the service refused (RFC 9457).
#[derive(Clone, Debug, Deserialize)]
pub struct Problem {
    /// The stable name, `urn:opsconsole:problem:…`.
    pub r#type: String,
    /// What kind of problem it is.
    pub title: String,
    /// The status of the answer.
    pub status: u16,
    /// What is wrong this time, and what to do.
    pub detail: String,
    /// Names the request in the service's log.
    pub request_id: Option<String>,
    /// What is wrong with which field.
    #[serde(default)]
    pub errors: Vec<FieldProblem>,
}

/// What is wrong with one field.
#[derive(Clone, Debug, Deserialize)]
pub struct FieldProblem {
    /// JSON pointer into the body (RFC 6901).
    pub pointer: String,
    /// What is wrong, and what would be right.
    pub detail: String,
}
