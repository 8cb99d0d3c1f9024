//! API keys: what is stored of them, and how one is recognized.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde::Serialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Principal, Refusal, Role, Scope, Scopes};
use crate::app::App;
use crate::storage::StoreError;

/// What every key starts with, so that scanners for leaked secrets know ours.
pub(super) const KEY_START: &str = "opk_";
/// A key that was looked up is believed for this long; another task's revocation takes
/// effect after it at the latest.
const KEY_TRUSTED: Duration = Duration::from_secs(5);
/// More keys than this at a time are looked up each time.
const KEYS_REMEMBERED_MAX: usize = 1024;
/// `last_used_at` is no finer than this, so that reading does not become writing.
const LAST_USED_STEP: SignedDuration = SignedDuration::from_secs(60);

/// An API key as it is stored: the secret itself is known to its owner only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ApiKey {
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = "uuid")]
    pub(crate) id: Uuid,
    /// The part of the key that may be shown; names the key in addresses and logs.
    pub(crate) prefix: String,
    #[serde(skip)]
    pub(crate) secret_sha256: [u8; 32],
    pub(crate) name: String,
    pub(crate) role: Role,
    /// What the key may do of what its role may; null where all of it.
    #[schema(value_type = Option<Vec<Scope>>, required)]
    pub(crate) scopes: Option<Scopes>,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub(crate) expires_at: Option<Timestamp>,
    /// To the minute.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub(crate) last_used_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub(crate) revoked_at: Option<Timestamp>,
}

fn as_text<S: serde::Serializer>(id: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

impl ApiKey {
    /// A new key and its whole text, which cannot be had again. 244 random bits need no slow
    /// hash: nobody can try them out.
    pub(crate) fn generate(
        name: String,
        role: Role,
        scopes: Option<Scopes>,
        expires_at: Option<Timestamp>,
    ) -> (Self, SecretString) {
        let now = Timestamp::now();
        let prefix = Uuid::new_v4().simple().to_string()[..12].to_owned();
        let secret = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let key = Self {
            id: Uuid::now_v7(),
            secret_sha256: Sha256::digest(&secret).into(),
            name,
            role,
            scopes,
            created_at: Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now),
            expires_at,
            last_used_at: None,
            revoked_at: None,
            prefix,
        };
        let text = format!("{KEY_START}{}_{secret}", key.prefix);
        (key, text.into())
    }

    fn is_opened_by(&self, secret: &str) -> bool {
        let found: [u8; 32] = Sha256::digest(secret).into();
        found.ct_eq(&self.secret_sha256).into()
    }
}

/// The keys seen lately, so that most requests ask no database.
#[derive(Default)]
pub(super) struct SeenKeys(Mutex<HashMap<String, (Instant, ApiKey)>>);

impl SeenKeys {
    pub(super) fn forget(&self, prefix: &str) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.remove(prefix);
    }

    fn recall(&self, prefix: &str) -> Option<ApiKey> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, key) = seen.get(prefix)?;
        (at.elapsed() < KEY_TRUSTED).then(|| key.clone())
    }

    fn remember(&self, key: ApiKey) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= KEYS_REMEMBERED_MAX {
            seen.retain(|_, (at, _)| at.elapsed() < KEY_TRUSTED);
        }
        if seen.len() < KEYS_REMEMBERED_MAX {
            seen.insert(key.prefix.clone(), (Instant::now(), key));
        }
    }

    /// Notes the use of a key that is remembered already, without trusting it any longer.
    fn note_use(&self, prefix: &str, at: Timestamp) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, key)) = seen.get_mut(prefix) {
            key.last_used_at = Some(at);
        }
    }
}

/// Whose key it is, given as the text behind [`KEY_START`].
pub(super) async fn identify(
    app: &App,
    text: &str,
) -> Result<Result<Principal, Refusal>, StoreError> {
    let Some((prefix, secret)) = text.split_once('_') else {
        return Ok(Err(Refusal::Invalid));
    };
    let seen = &app.door.keys;
    let key = match seen.recall(prefix) {
        Some(key) => key,
        None => match app.store.api_key(prefix).await? {
            Some(key) => {
                seen.remember(key.clone());
                key
            }
            None => return Ok(Err(Refusal::Invalid)),
        },
    };
    if !key.is_opened_by(secret) || key.revoked_at.is_some() {
        return Ok(Err(Refusal::Invalid));
    }
    let now = Timestamp::now();
    if key.expires_at.is_some_and(|end| end <= now) {
        return Ok(Err(Refusal::Expired));
    }
    if key
        .last_used_at
        .is_none_or(|last| now.duration_since(last) >= LAST_USED_STEP)
    {
        // Before the write, so that of many requests at a time one writes.
        seen.note_use(prefix, now);
        // Worth knowing, not worth failing a request.
        if let Err(error) = app.store.touch_api_key(prefix, now).await {
            tracing::warn!(%error, "cannot note that an API key was used");
        }
    }
    Ok(Ok(Principal {
        name: format!("key:{prefix}"),
        role: Some(key.role),
        scopes: key.scopes,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn a_key_opens_with_its_own_secret_only() {
        let (key, text) = ApiKey::generate("ci".into(), Role::Writer, None, None);
        let secret = text
            .expose_secret()
            .rsplit('_')
            .next()
            .expect("three parts");
        assert!(key.is_opened_by(secret));
        assert!(!key.is_opened_by(&secret[1..]));
        assert!(!key.is_opened_by(""));
        let shown = serde_json::to_string(&key).expect("JSON");
        assert!(
            !shown.contains(secret) && !shown.contains("sha256"),
            "{shown}"
        );
    }
}
