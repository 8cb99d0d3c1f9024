//! The resource `/jobs`: content that is generated for a location with a prompt.

mod model;

pub(crate) use model::{
    Claimed, Ending, Hold, Job, JobEvent, JobFilter, JobId, JobState, JobStep, Queue, StoredContent,
};
