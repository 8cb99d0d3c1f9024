//! The shared lock: one S3 object an environment, taken and replaced by conditional writes
//! (S3 user guide, "conditional requests").

use super::{
    EcsPlatform,
    operations::{DELETE_OBJECT, GET_OBJECT, PUT_OBJECT},
};
use crate::{
    config::LockLocation,
    platform::{LockRecord, LockStore, Permit, PlatformError},
};
use async_trait::async_trait;

/// A lock record is some hundred bytes; a bigger object is not one.
const BYTES_MAX: i64 = 64 * 1024;

/// The lock of one environment.
pub struct S3Lock {
    platform: EcsPlatform,
    bucket: String,
    key: String,
}

impl S3Lock {
    pub fn new(platform: EcsPlatform, location: &LockLocation) -> Self {
        Self {
            bucket: location.bucket.clone(),
            key: format!("{}{}.lock", location.prefix, platform.environment.name),
            platform,
        }
    }

    fn taken(&self, by: Option<&LockRecord>) -> PlatformError {
        PlatformError::Conflict {
            what: format!("the lock {}", self.place()),
            change: by.map_or_else(
                || "somebody took or released it at this very moment".to_owned(),
                |record| {
                    format!(
                        "{} holds it for \"{}\" until {}",
                        record.owner.name, record.purpose, record.expires_at
                    )
                },
            ),
        }
    }

    /// The bucket's own errors name the bucket.
    fn explained(&self, error: PlatformError) -> PlatformError {
        match error {
            PlatformError::NotFound { .. } => PlatformError::NotFound {
                what: format!("the lock bucket {}", self.bucket),
                hint: Some("Create it, or correct `lock` in the configuration".to_owned()),
            },
            PlatformError::Denied {
                principal, action, ..
            } => PlatformError::Denied {
                principal,
                action,
                resource: self.place(),
            },
            error => error,
        }
    }
}

#[async_trait]
impl LockStore for S3Lock {
    fn place(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }

    async fn read(&self) -> Result<Option<LockRecord>, PlatformError> {
        let answer = self
            .platform
            .session
            .read(&GET_OBJECT, |clients| {
                clients
                    .s3
                    .get_object()
                    .bucket(&self.bucket)
                    .key(&self.key)
                    .send()
            })
            .await;
        let object = match answer {
            Ok(object) => object,
            Err(PlatformError::NotFound { what, .. }) if what.contains("NoSuchKey") => {
                return Ok(None);
            }
            Err(error) => return Err(self.explained(error)),
        };
        let unreadable = |cause: String| PlatformError::Other {
            operation: format!("reading the lock {}", self.place()),
            cause,
        };
        if object.content_length().unwrap_or_default() > BYTES_MAX {
            return Err(unreadable("the object is too big for a lock".to_owned()));
        }
        let version = object.e_tag().map(str::to_owned);
        let body = object
            .body
            .collect()
            .await
            .map_err(|error| unreadable(error.to_string()))?
            .into_bytes();
        let mut record: LockRecord = serde_json::from_slice(&body)
            .map_err(|error| unreadable(format!("it is not a lock record ({error})")))?;
        record.version = version;
        Ok(Some(record))
    }

    async fn take(
        &self,
        permit: &Permit,
        record: &LockRecord,
        replacing: Option<&LockRecord>,
    ) -> Result<(), PlatformError> {
        let stale = replacing.map(|stale| stale.version.clone().unwrap_or_default());
        let body = LockRecord {
            version: None,
            ..record.clone()
        };
        let body = serde_json::to_vec(&body).map_err(|error| PlatformError::Other {
            operation: PUT_OBJECT.iam_action.to_owned(),
            cause: error.to_string(),
        })?;
        let put = self
            .platform
            .session
            .mutate(permit, &PUT_OBJECT, |clients| {
                let request = clients
                    .s3
                    .put_object()
                    .bucket(&self.bucket)
                    .key(&self.key)
                    .content_type("application/json")
                    .body(body.into());
                match stale {
                    Some(version) => request.if_match(version),
                    None => request.if_none_match("*"),
                }
                .send()
            })
            .await;
        match put {
            Ok(_) => Ok(()),
            // If-Match on an object that is gone answers NoSuchKey: it was released meanwhile.
            Err(PlatformError::NotFound { what, .. }) if what.contains("NoSuchKey") => {
                Err(self.taken(None))
            }
            Err(PlatformError::Conflict { .. }) => {
                let holder = self.read().await.ok().flatten();
                // A retry after a lost answer finds the lock that it took itself.
                match &holder {
                    Some(holder) if holder.run == record.run => Ok(()),
                    holder => Err(self.taken(holder.as_ref())),
                }
            }
            Err(error) => Err(self.explained(error)),
        }
    }

    async fn release(&self, permit: &Permit, record: &LockRecord) -> Result<(), PlatformError> {
        let held = match self.read().await? {
            Some(held) if held.run == record.run => held,
            Some(other) => return Err(self.taken(Some(&other))),
            None => return Ok(()),
        };
        let deleted = self
            .platform
            .session
            .mutate(permit, &DELETE_OBJECT, |clients| {
                clients
                    .s3
                    .delete_object()
                    .bucket(&self.bucket)
                    .key(&self.key)
                    .set_if_match(held.version)
                    .send()
            })
            .await;
        match deleted {
            Ok(_) => Ok(()),
            Err(PlatformError::NotFound { what, .. }) if what.contains("NoSuchKey") => Ok(()),
            Err(PlatformError::Conflict { .. }) => Err(self.taken(None)),
            Err(error) => Err(self.explained(error)),
        }
    }
}
