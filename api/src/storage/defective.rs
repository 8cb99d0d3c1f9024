//! A store with every defect, for tests: reading an item panics, writing is a bug, and the
//! rest never ends.

use std::future::pending;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    IdempotentRequest, ItemStore, JobStore, KeyStore, LocationStore, New, Once, PoolUsage,
    PromptStore, Schema, Store, StoreError,
};
use crate::auth::ApiKey;
use crate::items::{Cursor, Item, ItemId, Listing};
use crate::jobs::{Claimed, Ending, Hold, Job, JobEvent, JobFilter, JobId, JobStep, Queue};
use crate::locations::{Location, LocationId};
use crate::paging::Place;
use crate::prompts::{Prompt, PromptId};

/// See the top of this file.
pub(crate) struct Defective;

fn bug<T>() -> Result<T, StoreError> {
    Err(StoreError::Unexpected {
        reason: "near \"INSRT\": syntax error".into(),
    })
}

#[async_trait]
impl Store for Defective {
    async fn migrate(&self, _: bool) -> Result<(), StoreError> {
        Ok(())
    }

    async fn schema(&self) -> Result<Schema, StoreError> {
        pending().await
    }

    async fn insert(&self, _: New<'_>) -> Result<(), StoreError> {
        bug()
    }

    async fn insert_once(
        &self,
        _: New<'_>,
        _: &IdempotentRequest,
        _: &str,
    ) -> Result<Once, StoreError> {
        bug()
    }

    async fn answered(&self, _: &IdempotentRequest) -> Result<Option<Once>, StoreError> {
        bug()
    }

    fn connection_errors(&self) -> u64 {
        0
    }

    fn pools(&self) -> Vec<PoolUsage> {
        Vec::new()
    }

    async fn close(&self) {}
}

#[async_trait]
impl ItemStore for Defective {
    async fn update_item(&self, _: &Item) -> Result<bool, StoreError> {
        bug()
    }

    async fn delete_item(&self, _: ItemId, _: i64) -> Result<bool, StoreError> {
        pending().await
    }

    async fn item(&self, _: ItemId) -> Result<Option<Item>, StoreError> {
        panic!("index out of bounds at shelf 7")
    }

    async fn items(&self, _: &Listing, _: u32) -> Result<Vec<(Cursor, Item)>, StoreError> {
        pending().await
    }
}

#[async_trait]
impl KeyStore for Defective {
    async fn insert_api_key(&self, _: &ApiKey) -> Result<(), StoreError> {
        pending().await
    }

    async fn api_key(&self, _: &str) -> Result<Option<ApiKey>, StoreError> {
        pending().await
    }

    async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        pending().await
    }

    async fn touch_api_key(&self, _: &str, _: Timestamp) -> Result<(), StoreError> {
        pending().await
    }

    async fn revoke_api_key(&self, _: &str, _: Timestamp) -> Result<bool, StoreError> {
        pending().await
    }
}

#[async_trait]
impl PromptStore for Defective {
    async fn update_prompt(&self, _: &Prompt) -> Result<bool, StoreError> {
        bug()
    }

    async fn prompt(&self, _: PromptId) -> Result<Option<Prompt>, StoreError> {
        pending().await
    }

    async fn prompt_version(&self, _: PromptId, _: i64) -> Result<Option<Prompt>, StoreError> {
        pending().await
    }

    async fn prompt_versions(
        &self,
        _: PromptId,
        _: i64,
        _: u32,
    ) -> Result<Vec<Prompt>, StoreError> {
        pending().await
    }

    async fn prompts(&self, _: Place, _: u32) -> Result<Vec<(Cursor, Prompt)>, StoreError> {
        pending().await
    }
}

#[async_trait]
impl LocationStore for Defective {
    async fn update_location(&self, _: &Location) -> Result<bool, StoreError> {
        bug()
    }

    async fn delete_location(&self, _: LocationId, _: i64) -> Result<bool, StoreError> {
        pending().await
    }

    async fn location(&self, _: LocationId) -> Result<Option<Location>, StoreError> {
        pending().await
    }

    async fn locations(
        &self,
        _: Place,
        _: Option<&str>,
        _: u32,
    ) -> Result<Vec<(Cursor, Location)>, StoreError> {
        pending().await
    }
}

#[async_trait]
impl JobStore for Defective {
    async fn job(&self, _: JobId) -> Result<Option<Job>, StoreError> {
        pending().await
    }

    async fn jobs(&self, _: Place, _: JobFilter, _: u32) -> Result<Vec<(Cursor, Job)>, StoreError> {
        pending().await
    }

    async fn claim_job(&self, _: Uuid, _: Duration) -> Result<Claimed, StoreError> {
        bug()
    }

    async fn hold_job(
        &self,
        _: JobId,
        _: Uuid,
        _: Duration,
        _: Option<JobStep>,
    ) -> Result<Hold, StoreError> {
        bug()
    }

    async fn end_attempt(&self, _: JobId, _: Uuid, _: &Ending) -> Result<Option<Job>, StoreError> {
        bug()
    }

    async fn cancel_job(&self, _: JobId) -> Result<Option<Job>, StoreError> {
        bug()
    }

    async fn retry_job(&self, _: JobId) -> Result<Option<Job>, StoreError> {
        bug()
    }

    async fn keep_draft(&self, _: JobId, _: Uuid, _: &str) -> Result<bool, StoreError> {
        bug()
    }

    async fn draft(&self, _: JobId) -> Result<Option<String>, StoreError> {
        pending().await
    }

    async fn remove_old_jobs(&self, _: Duration, _: u32) -> Result<u64, StoreError> {
        bug()
    }

    async fn job_events(&self, _: JobId, _: i64, _: u32) -> Result<Vec<JobEvent>, StoreError> {
        pending().await
    }

    async fn queue(&self) -> Result<Queue, StoreError> {
        pending().await
    }
}
