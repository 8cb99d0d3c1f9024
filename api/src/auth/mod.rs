//! Who is asking, and whether they may: the layer that lets callers in.

mod key;
mod policy;
mod token;

use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub(crate) use key::ApiKey;
pub(crate) use policy::{Access, Role, Scope, Scopes, required_access};

use token::TokenError;

use crate::app::App;
use crate::problem::ApiError;
use crate::settings::Settings;

/// When a token that could not be judged is worth sending again.
const KEYS_RETRY: Duration = Duration::from_secs(5);

/// Who sends a request, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Principal {
    /// `anonymous`, `key:<prefix>`, `oidc:<subject>`, or `bootstrap` for the key of the
    /// settings.
    pub(crate) name: String,
    /// Nothing for those who did not say who they are, and for those to whom the identity
    /// provider gave none.
    pub(crate) role: Option<Role>,
    /// Nothing for those who may do all that their role may.
    pub(crate) scopes: Option<Scopes>,
}

impl Principal {
    fn anonymous() -> Self {
        Self {
            name: "anonymous".into(),
            role: None,
            scopes: None,
        }
    }

    fn may(&self, scope: Scope) -> bool {
        self.role.is_some_and(|role| role >= scope.least_role())
            && self.scopes.is_none_or(|scopes| scopes.contain(scope))
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
    /// The token's time has not come.
    NotYetValid,
    /// The token was made for another service.
    WrongAudience,
    /// The token was made by another issuer.
    WrongIssuer,
    /// The token was signed with a key that the issuer does not publish.
    UnknownKey,
}

/// What deciding needs: whether keys are asked for, and those seen lately.
pub(crate) struct Doorkeeper {
    is_required: bool,
    bootstrap_sha256: Option<[u8; 32]>,
    keys: key::SeenKeys,
    tokens: Option<token::Tokens>,
}

impl Doorkeeper {
    pub(crate) fn new(settings: &Settings) -> Self {
        let bootstrap = settings.admin_key.as_ref();
        Self {
            is_required: settings.auth_required,
            bootstrap_sha256: bootstrap.map(|key| Sha256::digest(key.expose_secret()).into()),
            keys: key::SeenKeys::default(),
            tokens: settings.oidc.clone().and_then(|oidc| {
                token::Tokens::new(oidc)
                    .inspect_err(|error| tracing::error!(%error, "tokens are not accepted"))
                    .ok()
            }),
        }
    }

    /// Forgets a key, so that it is looked up again.
    pub(crate) fn forget(&self, prefix: &str) {
        self.keys.forget(prefix);
    }
}

/// Inside the observing layer: finds out who is asking, refuses those who may not, and leaves
/// the [`Principal`] with the request and with the answer, for the log.
pub(crate) async fn authorize(
    State(app): State<App>,
    mut request: Request,
    next: Next,
) -> Response {
    let access = request
        .extensions()
        .get::<MatchedPath>()
        .map_or(Access::Open, |route| {
            required_access(request.method(), route.as_str())
        });
    let (principal, refusal) = match identify(&app, request.headers()).await {
        Ok(Ok(principal)) => (principal, None),
        Ok(Err(refusal)) => (Principal::anonymous(), Some(refusal)),
        Err(error) if access != Access::Open => return error.into_response(),
        // Probes and the like answer also while the database is away.
        Err(_) => (Principal::anonymous(), None),
    };
    if let Access::Scope(scope) = access {
        // Where keys are not asked for, what operators manage still is only for those with one.
        let is_asked = app.door.is_required || scope == Scope::Admin;
        if let (true, Some(refusal)) = (is_asked, refusal) {
            return ApiError::Unauthenticated(refusal).into_response();
        }
        if is_asked && !principal.may(scope) {
            let mut response = ApiError::Forbidden(scope).into_response();
            response.extensions_mut().insert(principal);
            return response;
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
                scopes: None,
            }));
        }
    }
    if let Some(text) = token.strip_prefix(key::KEY_START) {
        return Ok(key::identify(app, text).await?);
    }
    let Some(tokens) = &app.door.tokens else {
        return Ok(Err(Refusal::Invalid));
    };
    match tokens.identify(token).await {
        Ok(principal) => Ok(Ok(principal)),
        Err(TokenError::Refused(refusal)) => Ok(Err(refusal)),
        Err(TokenError::NoKeys(cause)) => Err(ApiError::Unavailable {
            cause,
            retry_after: KEYS_RETRY,
        }),
    }
}
