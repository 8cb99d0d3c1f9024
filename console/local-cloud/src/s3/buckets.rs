//! Buckets and objects, with the conditions under which a write or a deletion may happen.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html>

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use md5::{Digest, Md5};

use crate::protocol::{AwsError, now_ms};

/// All objects together; the lock's are a few hundred bytes each.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// One object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its bytes.
    pub body: Bytes,
    /// The MD5 of its bytes in quotes.
    pub etag: String,
    /// When it was written, in milliseconds since the epoch.
    pub modified_ms: i64,
    /// As the writer said.
    pub content_type: String,
    /// `x-amz-meta-…` headers without the prefix.
    pub metadata: BTreeMap<String, String>,
}

/// Under which condition a write or a deletion happens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Condition {
    /// Always.
    #[default]
    None,
    /// Only when there is no such object (`If-None-Match: *`).
    Absent,
    /// Only when the object has this ETag (`If-Match`); `*` is any object.
    Matches(String),
}

#[derive(Debug, Default)]
struct Bucket {
    created_ms: i64,
    objects: BTreeMap<String, Object>,
}

/// All buckets of the cloud. One lock over all: a condition and its write are one step.
#[derive(Debug, Default)]
pub struct Buckets {
    buckets: Mutex<BTreeMap<String, Bucket>>,
}

impl Buckets {
    /// No buckets.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a bucket unless it exists.
    pub fn ensure_bucket(&self, name: &str) {
        self.lock()
            .entry(name.to_owned())
            .or_insert_with(|| Bucket {
                created_ms: now_ms(),
                objects: BTreeMap::new(),
            });
    }

    /// Names and times of all buckets, in order of name.
    pub fn list(&self) -> Vec<(String, i64)> {
        self.lock()
            .iter()
            .map(|(name, bucket)| (name.clone(), bucket.created_ms))
            .collect()
    }

    /// Whether there is such a bucket.
    ///
    /// # Errors
    /// `NoSuchBucket`.
    pub fn check(&self, name: &str) -> Result<(), AwsError> {
        self.lock().get(name).map(|_| ()).ok_or_else(no_bucket)
    }

    /// Forgets an empty bucket.
    ///
    /// # Errors
    /// `NoSuchBucket`, `BucketNotEmpty`.
    pub fn delete_bucket(&self, name: &str) -> Result<(), AwsError> {
        let mut buckets = self.lock();
        let bucket = buckets.get(name).ok_or_else(no_bucket)?;
        if !bucket.objects.is_empty() {
            return Err(AwsError::client(
                "BucketNotEmpty",
                "The bucket you tried to delete is not empty",
            )
            .with_status(409));
        }
        buckets.remove(name);
        Ok(())
    }

    /// Writes an object and gives its ETag.
    ///
    /// # Errors
    /// `NoSuchBucket`; `PreconditionFailed` when the condition does not hold; `NoSuchKey` for
    /// a condition on an object that is not there, as S3 has it for `If-Match`.
    pub fn put(
        &self,
        bucket: &str,
        key: &str,
        mut object: Object,
        condition: &Condition,
    ) -> Result<String, AwsError> {
        object.etag = etag_of(&object.body);
        let etag = object.etag.clone();
        let mut buckets = self.lock();
        let held: usize = buckets
            .values()
            .flat_map(|b| b.objects.values())
            .map(|o| o.body.len())
            .sum();
        if held + object.body.len() > BYTES_MAX {
            return Err(AwsError::client(
                "EntityTooLarge",
                "The local cloud keeps 64 MiB of objects; delete some first",
            ));
        }
        let bucket = buckets.get_mut(bucket).ok_or_else(no_bucket)?;
        check_condition(condition, bucket.objects.get(key))?;
        bucket.objects.insert(key.to_owned(), object);
        Ok(etag)
    }

    /// An object.
    ///
    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`.
    pub fn get(&self, bucket: &str, key: &str) -> Result<Object, AwsError> {
        let buckets = self.lock();
        let bucket = buckets.get(bucket).ok_or_else(no_bucket)?;
        bucket.objects.get(key).cloned().ok_or_else(no_key)
    }

    /// Deletes an object; one that is not there is no error unless a condition was given.
    ///
    /// # Errors
    /// `NoSuchBucket`, `PreconditionFailed`, `NoSuchKey`.
    pub fn delete(&self, bucket: &str, key: &str, condition: &Condition) -> Result<(), AwsError> {
        let mut buckets = self.lock();
        let bucket = buckets.get_mut(bucket).ok_or_else(no_bucket)?;
        check_condition(condition, bucket.objects.get(key))?;
        bucket.objects.remove(key);
        Ok(())
    }

    /// Keys that begin with `prefix` and come after `after`, in order.
    ///
    /// # Errors
    /// `NoSuchBucket`.
    pub fn keys(
        &self,
        bucket: &str,
        prefix: &str,
        after: &str,
    ) -> Result<Vec<(String, Object)>, AwsError> {
        let buckets = self.lock();
        let bucket = buckets.get(bucket).ok_or_else(no_bucket)?;
        Ok(bucket
            .objects
            .iter()
            .filter(|(key, _)| key.starts_with(prefix) && key.as_str() > after)
            .map(|(key, object)| (key.clone(), object.clone()))
            .collect())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Bucket>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_condition(condition: &Condition, object: Option<&Object>) -> Result<(), AwsError> {
    match (condition, object) {
        (Condition::None, _) | (Condition::Absent, None) => Ok(()),
        (Condition::Matches(_), None) => Err(no_key()),
        (Condition::Matches(etag), Some(object))
            if etag == "*" || etag.trim_matches('"') == object.etag.trim_matches('"') =>
        {
            Ok(())
        }
        (Condition::Absent | Condition::Matches(_), Some(_)) => Err(AwsError::client(
            "PreconditionFailed",
            "At least one of the pre-conditions you specified did not hold",
        )
        .with_status(412)),
    }
}

/// The ETag of an object that was put in one piece: the MD5 of its bytes in quotes.
fn etag_of(body: &[u8]) -> String {
    format!("\"{}\"", hex::encode(Md5::digest(body)))
}

fn no_bucket() -> AwsError {
    AwsError::client("NoSuchBucket", "The specified bucket does not exist").with_status(404)
}

fn no_key() -> AwsError {
    AwsError::client("NoSuchKey", "The specified key does not exist.").with_status(404)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn object(text: &str) -> Object {
        Object {
            body: Bytes::copy_from_slice(text.as_bytes()),
            etag: String::new(),
            modified_ms: 0,
            content_type: "text/plain".into(),
            metadata: BTreeMap::new(),
        }
    }

    #[test]
    fn of_many_who_create_the_same_lock_exactly_one_wins() {
        let buckets = Arc::new(Buckets::new());
        buckets.ensure_bucket("locks");
        let wins: usize = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..8)
                .map(|i| {
                    let buckets = Arc::clone(&buckets);
                    scope.spawn(move || {
                        buckets
                            .put("locks", "prod", object(&i.to_string()), &Condition::Absent)
                            .is_ok()
                    })
                })
                .collect();
            tries
                .into_iter()
                .map(|t| usize::from(t.join().expect("no panic")))
                .sum()
        });
        assert_eq!(wins, 1);
    }

    #[test]
    fn a_lock_is_taken_over_and_released_only_by_who_knows_its_etag() {
        let buckets = Buckets::new();
        buckets.ensure_bucket("locks");
        let first = buckets
            .put("locks", "prod", object("a"), &Condition::None)
            .expect("put");
        assert_eq!(first, "\"0cc175b9c0f1b6a831c399e269772661\"");
        let second = buckets
            .put(
                "locks",
                "prod",
                object("b"),
                &Condition::Matches(first.clone()),
            )
            .expect("take over");
        let stale = Condition::Matches(first);
        let refused = buckets.delete("locks", "prod", &stale).expect_err("stale");
        assert_eq!(
            (refused.code.as_ref(), refused.status),
            ("PreconditionFailed", 412)
        );
        buckets
            .delete("locks", "prod", &Condition::Matches(second))
            .expect("release");
        let gone = buckets.get("locks", "prod").expect_err("gone");
        assert_eq!(gone.code, "NoSuchKey");
    }
}
