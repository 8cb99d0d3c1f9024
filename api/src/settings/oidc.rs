//! The identity provider whose tokens are accepted.

use std::time::Duration;

use super::reader::{Reader, mistake};

/// The names read here, without the prefix.
pub(super) const NAMES: &[&str] = &[
    "OIDC_ISSUER",
    "OIDC_AUDIENCE",
    "OIDC_JWKS_URL",
    "OIDC_ROLES_CLAIM",
    "OIDC_LEEWAY_SECONDS",
];

/// Whose tokens are accepted, and how they are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oidc {
    /// What the claim `iss` must be, to the letter.
    pub issuer: String,
    /// What the claim `aud` must hold.
    pub audience: String,
    /// Where the keys are; nothing means that the issuer's discovery document tells.
    pub jwks_url: Option<String>,
    /// The claim with the roles; dots lead into objects, as in `realm_access.roles`.
    pub roles_claim: String,
    /// How far the clocks of issuer and service may be apart.
    pub leeway: Duration,
}

/// Reads the settings of the provider; nothing where there is none.
pub(super) fn read(reader: &mut Reader, is_dev: bool) -> Option<Oidc> {
    const LEEWAY_SECONDS_MAX: u64 = 300;
    let issuer = reader.get("OIDC_ISSUER").map(str::to_owned);
    let audience = reader.get("OIDC_AUDIENCE").map(str::to_owned);
    let jwks_url = reader.get("OIDC_JWKS_URL").map(str::to_owned);
    for (name, url) in [("OIDC_ISSUER", &issuer), ("OIDC_JWKS_URL", &jwks_url)] {
        if let Some(url) = url {
            let checked = check_url(url, is_dev);
            reader.checked(name, checked);
        }
    }
    let roles_claim = reader.text("OIDC_ROLES_CLAIM", "roles");
    let leeway = reader.number("OIDC_LEEWAY_SECONDS", 60, LEEWAY_SECONDS_MAX);
    match (issuer, audience) {
        (Some(issuer), Some(audience)) => Some(Oidc {
            issuer,
            audience,
            jwks_url,
            roles_claim,
            leeway: Duration::from_secs(leeway),
        }),
        (Some(_), None) => {
            reader.errors.push(mistake(
                "OIDC_AUDIENCE",
                "is missing: without it, tokens made for any other service would be accepted",
            ));
            None
        }
        (None, Some(_)) => {
            reader.errors.push(mistake(
                "OIDC_ISSUER",
                "is missing, and OIDC_AUDIENCE is set",
            ));
            None
        }
        (None, None) => None,
    }
}

/// Keys fetched without TLS could be anyone's.
fn check_url(text: &str, is_dev: bool) -> Result<(), String> {
    let url = url::Url::parse(text)
        .map_err(|_| "is not a URL; use for example https://login.example.com/realms/ops")?;
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_dev => Ok(()),
        _ => Err("does not start with https://".into()),
    }
}
