//! Signature Version 4, the service's side: was this request signed with a key we gave out?
//!
//! The expected signature is computed by the same crate the SDKs sign with, over exactly the
//! headers that the client says it signed.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use hyper::HeaderMap;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::s3::rest::chunked;

/// How far a client's clock may be from ours.
const SKEW_MAX: Duration = Duration::from_secs(5 * 60);

/// A key that requests may be signed with.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// Shown in requests.
    pub id: String,
    /// Never shown.
    pub secret: String,
    /// What a temporary key must be accompanied by.
    pub session_token: Option<String>,
}

impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Why a request is not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no signature.
    #[error("Missing Authentication Token")]
    Missing,
    /// The `Authorization` header is not one of SigV4.
    #[error("{0}")]
    Incomplete(String),
    /// A key that was not given out here.
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    /// A temporary key whose time is over.
    #[error("The security token included in the request is expired")]
    Expired,
    /// Another secret, or a request changed on the way.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
    )]
    Mismatch,
    /// Signed too long ago or too far ahead.
    #[error("{0}")]
    Skewed(String),
    /// The body is not the one that was signed.
    #[error("The provided 'x-amz-content-sha256' header does not match what was computed.")]
    OtherBody,
}

/// A request as far as its signature covers it.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// `POST`, `GET`…
    pub method: &'a str,
    /// Path and query as they came.
    pub path_and_query: &'a str,
    /// All headers as they came.
    pub headers: &'a HeaderMap,
    /// The body as it came.
    pub body: &'a Bytes,
}

/// What the `Authorization` header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization<'a> {
    /// Who says to have signed.
    pub access_key_id: &'a str,
    /// The region signed for.
    pub region: &'a str,
    /// The service signed for, such as `ecs`.
    pub service: &'a str,
    date: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl<'a> Authorization<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`Refusal::Missing`] and [`Refusal::Incomplete`].
    pub fn read(headers: &'a HeaderMap) -> Result<Self, Refusal> {
        let header = headers.get("authorization").ok_or(Refusal::Missing)?;
        let incomplete = |what: &str| {
            Refusal::Incomplete(format!(
                "Authorization header requires {what}. (Hashed with SHA-256 and encoded with Base64) Authorization="
            ))
        };
        let header = header
            .to_str()
            .map_err(|_| incomplete("ASCII characters"))?
            .strip_prefix("AWS4-HMAC-SHA256")
            .ok_or_else(|| incomplete("'AWS4-HMAC-SHA256'"))?;
        let part = |name: &str| {
            header
                .split(',')
                .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
                .ok_or_else(|| incomplete(&format!("'{name}' parameter")))
        };
        let scope: Vec<&str> = part("Credential")?.split('/').collect();
        let [access_key_id, date, region, service, "aws4_request"] = scope[..] else {
            return Err(incomplete("a valid 'Credential' scope"));
        };
        Ok(Self {
            access_key_id,
            region,
            service,
            date,
            signed_headers: part("SignedHeaders")?,
            signature: part("Signature")?,
        })
    }
}

/// Checks a request's signature against `key` and gives the body it carries: as it came, or
/// what remains of a chunked upload when its framing is taken off.
///
/// # Errors
/// Any [`Refusal`] but [`Refusal::Missing`] and [`Refusal::UnknownKey`], which the caller has
/// looked at when it chose the key.
pub fn verify(
    request: Signed<'_>,
    authorization: &Authorization<'_>,
    key: &AccessKey,
    now: SystemTime,
) -> Result<Bytes, Refusal> {
    let header = |name: &str| request.headers.get(name).and_then(|v| v.to_str().ok());
    let date = header("x-amz-date").ok_or_else(|| {
        Refusal::Incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. Authorization=AWS4-HMAC-SHA256".to_owned())
    })?;
    let at = read_date(date).ok_or_else(|| {
        Refusal::Incomplete(format!(
            "Date in X-Amz-Date header must be in ISO8601 'basic format'. Got '{date}'."
        ))
    })?;
    check_clock(date, at, now)?;
    // A signature that leaves the host out would be as good for another one.
    if !authorization
        .signed_headers
        .split(';')
        .any(|name| name == "host")
    {
        return Err(Refusal::Incomplete(
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.".to_owned(),
        ));
    }
    if !date.starts_with(authorization.date)
        || header("x-amz-security-token") != key.session_token.as_deref()
    {
        return Err(Refusal::Mismatch);
    }

    let s3 = authorization.service == "s3";
    let declared = header("x-amz-content-sha256");
    let payload = match declared {
        Some(hash) => hash.to_owned(),
        None => hex::encode(Sha256::digest(request.body)),
    };
    let mut settings = SigningSettings::default();
    // The client says what it signed; nothing of that is left out.
    settings.excluded_headers = None;
    if s3 {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    }
    let identity = identity(key);
    let params = v4::SigningParams::builder()
        .region(authorization.region)
        .name(authorization.service)
        .time(at)
        .settings(settings)
        .identity(&identity)
        .build()
        .map_err(|_| Refusal::Mismatch)?
        .into();
    let expected = sign(canonical(request, authorization, payload.clone())?, &params)
        .map_err(|_| Refusal::Mismatch)?;
    if !same(expected.signature(), authorization.signature) {
        return Err(Refusal::Mismatch);
    }

    match payload.as_str() {
        "UNSIGNED-PAYLOAD" => Ok(request.body.clone()),
        framing if framing.starts_with("STREAMING-") => {
            let params = v4::SigningParams::builder()
                .region(authorization.region)
                .name(authorization.service)
                .time(at)
                .settings(())
                .identity(&identity)
                .build()
                .map_err(|_| Refusal::Mismatch)?;
            let signed = framing.starts_with("STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
            let seed = signed.then_some((authorization.signature, &params));
            chunked::decode(request.body, seed)
        }
        hash if hash == hex::encode(Sha256::digest(request.body)) => Ok(request.body.clone()),
        _ => Err(Refusal::OtherBody),
    }
}

fn identity(key: &AccessKey) -> aws_smithy_runtime_api::client::identity::Identity {
    Credentials::new(
        &key.id,
        &key.secret,
        key.session_token.clone(),
        None,
        "local-cloud",
    )
    .into()
}

/// The request with only the headers that its client signed.
fn canonical<'a>(
    request: Signed<'a>,
    authorization: &Authorization<'a>,
    payload: String,
) -> Result<SignableRequest<'a>, Refusal> {
    let headers: Vec<(&str, &str)> = authorization
        .signed_headers
        .split(';')
        .flat_map(|name| {
            request
                .headers
                .get_all(name)
                .into_iter()
                .filter_map(move |value| Some((name, value.to_str().ok()?)))
        })
        .collect();
    let body = SignableBody::Precomputed(payload);
    SignableRequest::new(
        request.method,
        request.path_and_query,
        headers.into_iter(),
        body,
    )
    .map_err(|_| Refusal::Mismatch)
}

/// Compares two signatures in a time that does not tell where they differ.
pub(crate) fn same(left: &str, right: &str) -> bool {
    left.as_bytes().ct_eq(right.as_bytes()).into()
}

fn check_clock(date: &str, at: SystemTime, now: SystemTime) -> Result<(), Refusal> {
    let stamp = |time: SystemTime| {
        jiff::Timestamp::try_from(time)
            .map(|t| t.strftime("%Y%m%dT%H%M%SZ").to_string())
            .unwrap_or_default()
    };
    if at + SKEW_MAX < now {
        return Err(Refusal::Skewed(format!(
            "Signature expired: {date} is now earlier than {} ({} - 5 min.)",
            stamp(now - SKEW_MAX),
            stamp(now)
        )));
    }
    if at > now + SKEW_MAX {
        return Err(Refusal::Skewed(format!(
            "Signature not yet current: {date} is still later than {} ({} + 5 min.)",
            stamp(now + SKEW_MAX),
            stamp(now)
        )));
    }
    Ok(())
}

/// Reads `20260301T120000Z`.
fn read_date(text: &str) -> Option<SystemTime> {
    let civil = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    let zoned = civil.to_zoned(TimeZone::UTC).ok()?;
    Some(zoned.timestamp().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{HeaderName, HeaderValue};

    fn key() -> AccessKey {
        AccessKey {
            id: "AKIATESTTESTTESTTEST".into(),
            secret: "a secret of nobody".into(),
            session_token: None,
        }
    }

    /// Signs as a client of `service` would at `at`, over `host` and `x-amz-target`.
    fn signed(
        key: &AccessKey,
        service: &str,
        uri: &str,
        body: &Bytes,
        at: SystemTime,
    ) -> HeaderMap {
        let host = "127.0.0.1:4566";
        let identity = identity(key);
        let params = v4::SigningParams::builder()
            .region("us-east-1")
            .name(service)
            .time(at)
            .settings(SigningSettings::default())
            .identity(&identity)
            .build()
            .expect("params")
            .into();
        let plain = [("host", host), ("x-amz-target", "X.Y")];
        let request = SignableRequest::new(
            "POST",
            uri,
            plain.iter().copied(),
            SignableBody::Bytes(body),
        )
        .expect("request");
        let (instructions, _) = sign(request, &params).expect("sign").into_parts();
        let (new, _) = instructions.into_parts();
        let mut headers = HeaderMap::new();
        for (name, value) in plain
            .into_iter()
            .chain(new.iter().map(|h| (h.name(), h.value())))
        {
            headers.insert(
                HeaderName::from_bytes(name.as_bytes()).expect("name"),
                HeaderValue::from_str(value).expect("value"),
            );
        }
        headers
    }

    fn check(
        headers: &HeaderMap,
        uri: &str,
        body: &Bytes,
        key: &AccessKey,
    ) -> Result<Bytes, Refusal> {
        let request = Signed {
            method: "POST",
            path_and_query: uri,
            headers,
            body,
        };
        verify(
            request,
            &Authorization::read(headers)?,
            key,
            SystemTime::now(),
        )
    }

    #[test]
    fn a_request_signed_with_the_key_is_let_in_with_its_body() {
        let body = Bytes::from_static(b"{}");
        for uri in ["/", "/a%20b/c?x=1&y=%2F&a"] {
            let headers = signed(&key(), "ecs", uri, &body, SystemTime::now());
            assert_eq!(check(&headers, uri, &body, &key()), Ok(body.clone()));
        }
    }

    #[test]
    fn whatever_is_changed_on_the_way_is_refused() {
        let body = Bytes::from_static(b"{}");
        let headers = signed(&key(), "ecs", "/?a=1", &body, SystemTime::now());
        let other = Bytes::from_static(b"{ }");
        assert_eq!(
            check(&headers, "/?a=1", &other, &key()),
            Err(Refusal::Mismatch)
        );
        assert_eq!(
            check(&headers, "/?a=2", &body, &key()),
            Err(Refusal::Mismatch)
        );
        let mut target = headers.clone();
        target.insert("x-amz-target", HeaderValue::from_static("X.Z"));
        assert_eq!(
            check(&target, "/?a=1", &body, &key()),
            Err(Refusal::Mismatch)
        );
        let mut secret = key();
        secret.secret.push('x');
        assert_eq!(
            check(&headers, "/?a=1", &body, &secret),
            Err(Refusal::Mismatch)
        );
    }

    #[test]
    fn a_temporary_key_needs_its_token() {
        let body = Bytes::new();
        let mut temporary = key();
        temporary.session_token = Some("token".into());
        let headers = signed(&temporary, "ecs", "/", &body, SystemTime::now());
        assert!(check(&headers, "/", &body, &temporary).is_ok());
        assert_eq!(check(&headers, "/", &body, &key()), Err(Refusal::Mismatch));
    }

    #[test]
    fn a_clock_six_minutes_off_is_refused_with_both_times() {
        let body = Bytes::new();
        let six = Duration::from_secs(360);
        for (at, says) in [
            (SystemTime::now() - six, "Signature expired"),
            (SystemTime::now() + six, "Signature not yet current"),
        ] {
            let headers = signed(&key(), "ecs", "/", &body, at);
            let refusal = check(&headers, "/", &body, &key()).expect_err("skewed");
            assert!(refusal.to_string().starts_with(says), "{refusal}");
        }
    }

    #[test]
    fn no_header_or_half_a_header_is_refused() {
        let mut headers = HeaderMap::new();
        assert_eq!(Authorization::read(&headers), Err(Refusal::Missing));
        for half in [
            "Bearer x",
            "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=x",
            "AWS4-HMAC-SHA256 Credential=a/20260101/r/s/aws4_request, Signature=x",
        ] {
            headers.insert("authorization", HeaderValue::from_static(half));
            let read = Authorization::read(&headers);
            assert!(matches!(read, Err(Refusal::Incomplete(_))), "{half}");
        }
    }
}
