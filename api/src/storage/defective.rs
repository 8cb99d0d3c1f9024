//! A store with every defect, for tests: reading an item panics, writing is a bug, and the
//! rest never ends.

use std::future::pending;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    IdempotentRequest, ItemStore, KeyStore, New, Once, PoolUsage, Schema, Store, StoreError,
};
use crate::auth::ApiKey;
use crate::items::{Cursor, Item, ItemId, Listing};

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
