//! Access tokens of an OpenID Connect provider: JWTs (RFC 7519) checked with the provider's
//! published keys (RFC 7517), which are fetched when needed and change as it rotates them.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use governor::clock::DefaultClock;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Principal, Refusal, Role};
use crate::settings::Oidc;

/// A provider that takes longer keeps requests waiting.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
/// Key sets have a few KiB; discovery documents too.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// A key that the provider withdrew is believed no longer than this.
const KEYS_TRUSTED: Duration = Duration::from_secs(600);
/// Tokens with made-up key ids must not make us flood the provider: so many fetches at
/// once, then one each [`FETCH_PAUSE`].
const FETCH_BURST: std::num::NonZeroU32 = std::num::NonZeroU32::new(3).expect("not zero");
const FETCH_PAUSE: Duration = Duration::from_secs(10);
/// How much of a subject goes into logs.
const SUBJECT_CHARS_MAX: usize = 128;

/// Why a token was not accepted, or could not be judged.
#[derive(Debug)]
pub(super) enum TokenError {
    /// It is not good.
    Refused(Refusal),
    /// There are no keys to judge it with; the text is for operators.
    NoKeys(String),
}

impl From<Refusal> for TokenError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Judges the tokens of one provider.
pub(super) struct Tokens {
    settings: Oidc,
    client: reqwest::Client,
    keys: RwLock<Option<Arc<Keys>>>,
    /// Held while keys are fetched, so that of many requests one asks.
    fetching: tokio::sync::Mutex<()>,
    fetches: RateLimiter<NotKeyed, InMemoryState, DefaultClock>,
}

/// The provider's keys as they were fetched.
struct Keys {
    fetched: Instant,
    by_id: HashMap<Option<String>, Key>,
}

struct Key {
    key: DecodingKey,
    /// Those that go with this kind of key; what a token's head names must be among them.
    algorithms: Vec<Algorithm>,
}

#[derive(Deserialize)]
struct Discovery {
    jwks_uri: String,
}

impl Tokens {
    /// # Errors
    /// TLS cannot be set up.
    pub(super) fn new(settings: Oidc) -> reqwest::Result<Self> {
        let quota = Quota::with_period(FETCH_PAUSE)
            .unwrap_or_else(|| Quota::per_minute(FETCH_BURST))
            .allow_burst(FETCH_BURST);
        Ok(Self {
            settings,
            client: reqwest::Client::builder()
                .timeout(ANSWER_TIME_MAX)
                // Keys come from where the settings say, and nowhere else.
                .redirect(reqwest::redirect::Policy::none())
                .build()?,
            keys: RwLock::new(None),
            fetching: tokio::sync::Mutex::new(()),
            fetches: RateLimiter::direct(quota),
        })
    }

    /// Who sent this token.
    pub(super) async fn identify(&self, token: &str) -> Result<Principal, TokenError> {
        let head = decode_header(token).map_err(|_| Refusal::Invalid)?;
        let keys = self.keys_with(&head.kid).await?;
        let key = keys.by_id.get(&head.kid).ok_or(Refusal::UnknownKey)?;
        if !key.algorithms.contains(&head.alg) {
            return Err(Refusal::Invalid.into());
        }
        let mut rules = Validation::new(head.alg);
        rules.leeway = self.settings.leeway.as_secs();
        rules.validate_nbf = true;
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        rules.set_issuer(&[&self.settings.issuer]);
        rules.set_audience(&[&self.settings.audience]);
        let claims = decode::<Map<String, Value>>(token, &key.key, &rules)
            .map_err(|error| match error.kind() {
                ErrorKind::ExpiredSignature => Refusal::Expired,
                ErrorKind::ImmatureSignature => Refusal::NotYetValid,
                ErrorKind::InvalidAudience => Refusal::WrongAudience,
                ErrorKind::InvalidIssuer => Refusal::WrongIssuer,
                _ => Refusal::Invalid,
            })?
            .claims;
        let subject = claims.get("sub").and_then(Value::as_str);
        let subject: String = subject
            .ok_or(Refusal::Invalid)?
            .chars()
            .filter(|c| !c.is_control())
            .take(SUBJECT_CHARS_MAX)
            .collect();
        Ok(Principal {
            name: format!("oidc:{subject}"),
            role: role(&claims, &self.settings.roles_claim),
            scopes: None,
        })
    }

    /// Keys with this one among them, as far as the provider has it.
    async fn keys_with(&self, id: &Option<String>) -> Result<Arc<Keys>, TokenError> {
        let is_enough =
            |keys: &Keys| keys.fetched.elapsed() < KEYS_TRUSTED && keys.by_id.contains_key(id);
        if let Some(keys) = self.known().filter(|keys| is_enough(keys)) {
            return Ok(keys);
        }
        let _one = self.fetching.lock().await;
        // Another request may have fetched them while this one waited.
        if let Some(keys) = self.known().filter(|keys| is_enough(keys)) {
            return Ok(keys);
        }
        if self.fetches.check().is_ok() {
            match self.fetch().await {
                Ok(keys) => {
                    let keys = Arc::new(keys);
                    let mut known = self.keys.write().unwrap_or_else(PoisonError::into_inner);
                    *known = Some(Arc::clone(&keys));
                    return Ok(keys);
                }
                Err(reason) => tracing::warn!(reason, "cannot fetch the keys of the issuer"),
            }
        }
        // Keys a little older than wanted are better than nobody being let in.
        self.known()
            .ok_or_else(|| TokenError::NoKeys("the keys of the issuer cannot be fetched".into()))
    }

    fn known(&self) -> Option<Arc<Keys>> {
        let known = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }

    async fn fetch(&self) -> Result<Keys, String> {
        let address = match &self.settings.jwks_url {
            Some(url) => url.clone(),
            None => {
                let issuer = self.settings.issuer.trim_end_matches('/');
                let url = format!("{issuer}/.well-known/openid-configuration");
                self.get::<Discovery>(&url).await?.jwks_uri
            }
        };
        let set: JwkSet = self.get(&address).await?;
        let by_id: HashMap<_, _> = set.keys.iter().filter_map(usable).collect();
        if by_id.is_empty() {
            return Err(format!("{address} holds no key that this service can use"));
        }
        tracing::info!(keys = by_id.len(), "fetched the keys of the issuer");
        Ok(Keys {
            fetched: Instant::now(),
            by_id,
        })
    }

    async fn get<T: for<'de> Deserialize<'de>>(&self, url: &str) -> Result<T, String> {
        let asking = async {
            let mut response = self.client.get(url).send().await?.error_for_status()?;
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await? {
                if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                    return Ok(None);
                }
                body.extend_from_slice(&chunk);
            }
            Ok(Some(body))
        };
        let body = asking
            .await
            .map_err(|error: reqwest::Error| error.to_string())?
            .ok_or_else(|| format!("{url} answered with more than {ANSWER_BYTES_MAX} bytes"))?;
        serde_json::from_slice(&body).map_err(|error| format!("{url}: {error}"))
    }
}

/// A published key with its id, if it is one for signatures that only its owner can make.
fn usable(jwk: &Jwk) -> Option<(Option<String>, Key)> {
    use Algorithm as A;
    if jwk
        .common
        .public_key_use
        .as_ref()
        .is_some_and(|usage| *usage != PublicKeyUse::Signature)
    {
        return None;
    }
    let fitting: &[Algorithm] = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => {
            &[A::RS256, A::RS384, A::RS512, A::PS256, A::PS384, A::PS512]
        }
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => &[A::ES256],
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => &[A::ES384],
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            &[A::EdDSA]
        }
        // Symmetric keys above all: who can check with one can also sign with it.
        _ => return None,
    };
    let named = jwk.common.key_algorithm;
    let algorithms: Vec<_> = fitting
        .iter()
        .copied()
        .filter(|algorithm| named.is_none_or(|named| named == KeyAlgorithm::from(*algorithm)))
        .collect();
    let key = DecodingKey::from_jwk(jwk).ok()?;
    (!algorithms.is_empty()).then(|| (jwk.common.key_id.clone(), Key { key, algorithms }))
}

/// The highest role in a claim, which is a list of texts or one text with blanks between.
fn role(claims: &Map<String, Value>, claim: &str) -> Option<Role> {
    // A claim may have dots in its own name, as URLs do (RFC 7519 §4.2).
    let found = claims.get(claim).or_else(|| {
        let mut parts = claim.split('.');
        let first = claims.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))
    })?;
    let names: Vec<&str> = match found {
        Value::String(text) => text.split_whitespace().collect(),
        Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    names.iter().filter_map(|name| name.parse().ok()).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn claims(value: Value) -> Map<String, Value> {
        value.as_object().expect("an object").clone()
    }

    #[test]
    fn the_highest_role_of_the_claim_counts_wherever_it_lies() {
        let lists = claims(json!({"roles": ["reader", "other", "writer"]}));
        assert_eq!(role(&lists, "roles"), Some(Role::Writer));
        let nested = claims(json!({"realm_access": {"roles": ["admin"]}}));
        assert_eq!(role(&nested, "realm_access.roles"), Some(Role::Admin));
        let url = claims(json!({"https://ops.example.com/roles": "reader guest"}));
        assert_eq!(
            role(&url, "https://ops.example.com/roles"),
            Some(Role::Reader)
        );
        for none in [
            json!({}),
            json!({"roles": []}),
            json!({"roles": {"admin": true}}),
        ] {
            assert_eq!(role(&claims(none), "roles"), None);
        }
    }

    #[test]
    fn a_published_secret_or_an_encryption_key_is_not_used() {
        let secret: Jwk =
            serde_json::from_value(json!({"kty": "oct", "k": "AAAA", "kid": "a"})).expect("a key");
        assert!(usable(&secret).is_none());
    }
}
