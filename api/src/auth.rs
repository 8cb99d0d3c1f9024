//! Who is asking, and whether they may: API keys, roles, and the policy of each route.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::app::App;
use crate::problem::ApiError;

/// What every key starts with, so that scanners for leaked secrets know ours.
const KEY_START: &str = "opk";
/// A key that was looked up is believed for this long; another task's revocation takes
/// effect after it at the latest.
const KEY_TRUSTED: Duration = Duration::from_secs(5);
/// More keys than this at a time are looked up each time.
const KEYS_REMEMBERED_MAX: usize = 1024;
/// `last_used_at` is no finer than this, so that reading does not become writing.
const LAST_USED_STEP: SignedDuration = SignedDuration::from_secs(60);

/// What a caller may do; each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Reads resources.
    Reader,
    /// Reads and changes resources.
    Writer,
    /// Also manages keys and sees what operators see.
    Admin,
}

impl Role {
    /// The role as it is written and stored.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Reader, Self::Writer, Self::Admin]
            .into_iter()
            .find(|role| role.name() == text)
            .ok_or_else(|| format!("{text:?} is not a role; use reader, writer or admin"))
    }
}

/// An API key as it is stored: the secret itself is known to its owner only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ApiKey {
    #[serde(serialize_with = "as_text")]
    pub(crate) id: Uuid,
    /// The part of the key that may be shown; names the key in addresses and logs.
    pub(crate) prefix: String,
    #[serde(skip)]
    pub(crate) secret_sha256: [u8; 32],
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) last_used_at: Option<Timestamp>,
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
            created_at: Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now),
            expires_at,
            last_used_at: None,
            revoked_at: None,
            prefix,
        };
        let text = format!("{KEY_START}_{}_{secret}", key.prefix);
        (key, text.into())
    }

    fn is_opened_by(&self, secret: &str) -> bool {
        let found: [u8; 32] = Sha256::digest(secret).into();
        found.ct_eq(&self.secret_sha256).into()
    }
}

/// Who sends a request, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Principal {
    /// `anonymous`, `key:<prefix>`, or `bootstrap` for the key of the settings.
    pub(crate) name: String,
    /// Nothing for those who did not say who they are.
    pub(crate) role: Option<Role>,
}

impl Principal {
    fn anonymous() -> Self {
        Self {
            name: "anonymous".into(),
            role: None,
        }
    }
}

/// Why a caller was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No credential was sent.
    Missing,
    /// The credential is none of ours, or not any more.
    Invalid,
    /// The credential's time is over.
    Expired,
}

/// What deciding needs: whether keys are asked for, and those seen lately.
pub(crate) struct Doorkeeper {
    is_required: bool,
    bootstrap_sha256: Option<[u8; 32]>,
    seen: Mutex<HashMap<String, (Instant, ApiKey)>>,
}

impl Doorkeeper {
    pub(crate) fn new(is_required: bool, bootstrap: Option<&SecretString>) -> Self {
        Self {
            is_required,
            bootstrap_sha256: bootstrap.map(|key| Sha256::digest(key.expose_secret()).into()),
            seen: Mutex::new(HashMap::new()),
        }
    }

    /// Whether callers must say who they are.
    pub(crate) fn is_required(&self) -> bool {
        self.is_required
    }

    /// Forgets a key, so that it is looked up again.
    pub(crate) fn forget(&self, prefix: &str) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.remove(prefix);
    }

    fn recall(&self, prefix: &str) -> Option<ApiKey> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, key) = seen.get(prefix)?;
        (at.elapsed() < KEY_TRUSTED).then(|| key.clone())
    }

    fn remember(&self, key: ApiKey) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= KEYS_REMEMBERED_MAX {
            seen.retain(|_, (at, _)| at.elapsed() < KEY_TRUSTED);
        }
        if seen.len() < KEYS_REMEMBERED_MAX {
            seen.insert(key.prefix.clone(), (Instant::now(), key));
        }
    }
}

/// The role that a route asks for; nothing where everyone may.
fn required_role(method: &Method, route: &str) -> Option<Role> {
    const OPEN: [&str; 7] = [
        "/",
        "/api/hello",
        "/livez",
        "/readyz",
        "/health",
        "/version",
        "/metrics",
    ];
    if OPEN.contains(&route) {
        None
    } else if route.starts_with("/admin") {
        Some(Role::Admin)
    } else if method == Method::GET || method == Method::HEAD {
        Some(Role::Reader)
    } else {
        Some(Role::Writer)
    }
}

/// Inside the observing layer: finds out who is asking, refuses those who may not, and leaves
/// the [`Principal`] with the request and with the answer, for the log.
pub(crate) async fn authorize(
    State(app): State<App>,
    mut request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let required = route.and_then(|route| required_role(request.method(), route.as_str()));
    let is_admin_route = required == Some(Role::Admin);
    let (principal, refusal) = match identify(&app, request.headers()).await {
        Ok(Ok(principal)) => (principal, None),
        Ok(Err(refusal)) => (Principal::anonymous(), Some(refusal)),
        Err(error) if required.is_some() => return error.into_response(),
        // Probes and the like answer also while the database is away.
        Err(_) => (Principal::anonymous(), None),
    };
    // Where keys are not asked for, what operators manage still is only for those with one.
    let is_asked = app.door.is_required() || is_admin_route;
    if let (Some(required), true) = (required, is_asked) {
        match principal.role {
            None => {
                let refusal = refusal.unwrap_or(Refusal::Missing);
                return ApiError::Unauthenticated(refusal).into_response();
            }
            Some(role) if role < required => {
                return ApiError::Forbidden(required).into_response();
            }
            Some(_) => {}
        }
    }
    request.extensions_mut().insert(principal.clone());
    let mut response = next.run(request).await;
    response.extensions_mut().insert(principal);
    response
}

async fn identify(app: &App, headers: &HeaderMap) -> Result<Result<Principal, Refusal>, ApiError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(Err(Refusal::Missing));
    };
    let token = value.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        // Schemes are compared without case (RFC 9110 §11.1).
        scheme
            .eq_ignore_ascii_case("bearer")
            .then_some(token.trim())
    });
    let Some(token) = token else {
        return Ok(Err(Refusal::Invalid));
    };
    if let Some(bootstrap) = app.door.bootstrap_sha256 {
        let found: [u8; 32] = Sha256::digest(token).into();
        if found.ct_eq(&bootstrap).into() {
            return Ok(Ok(Principal {
                name: "bootstrap".into(),
                role: Some(Role::Admin),
            }));
        }
    }
    let mut parts = token.splitn(3, '_');
    let (Some(KEY_START), Some(prefix), Some(secret)) = (parts.next(), parts.next(), parts.next())
    else {
        return Ok(Err(Refusal::Invalid));
    };
    let key = match app.door.recall(prefix) {
        Some(key) => key,
        None => match app.store.api_key(prefix).await? {
            Some(key) => {
                app.door.remember(key.clone());
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
        // Worth knowing, not worth failing a request.
        if let Err(error) = app.store.touch_api_key(prefix, now).await {
            tracing::warn!(%error, "cannot note that an API key was used");
        }
        app.door.remember(ApiKey {
            last_used_at: Some(now),
            ..key.clone()
        });
    }
    Ok(Ok(Principal {
        name: format!("key:{prefix}"),
        role: Some(key.role),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_opens_with_its_own_secret_only() {
        let (key, text) = ApiKey::generate("ci".into(), Role::Writer, None);
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

    #[test]
    fn each_route_asks_for_the_least_role_that_does() {
        assert_eq!(required_role(&Method::GET, "/"), None);
        assert_eq!(required_role(&Method::GET, "/readyz"), None);
        assert_eq!(
            required_role(&Method::GET, "/items/{id}"),
            Some(Role::Reader)
        );
        assert_eq!(required_role(&Method::POST, "/items"), Some(Role::Writer));
        assert_eq!(
            required_role(&Method::GET, "/admin/keys"),
            Some(Role::Admin)
        );
        assert!(Role::Reader < Role::Writer && Role::Writer < Role::Admin);
    }
}
