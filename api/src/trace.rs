//! The trace that a request belongs to, by the W3C Trace Context (w3.org/TR/trace-context).

use axum::http::{HeaderMap, HeaderName};
use uuid::Uuid;

/// Read from requests and written on calls to other services.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("traceparent");

/// The id of a trace: 32 lower-case hex digits, not all zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TraceId(String);

impl TraceId {
    /// The caller's trace, or a new one where the header is missing, repeated or not valid.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(HEADER).iter();
        let only = values.next().filter(|_| values.next().is_none());
        only.and_then(|value| value.to_str().ok())
            .and_then(parse)
            .unwrap_or_else(Self::new)
    }

    /// The trace with this id, or a new one where the text is none.
    pub(crate) fn from_text(text: &str) -> Self {
        let is_id = parse(&format!("00-{text}-00f067aa01a902b7-01"));
        is_id.unwrap_or_else(Self::new)
    }

    /// A new trace.
    pub(crate) fn new() -> Self {
        Self(Uuid::new_v4().simple().to_string())
    }

    /// The header of a call that belongs to this trace, with an id of its own (§3.2).
    pub(crate) fn child(&self) -> String {
        let id = Uuid::new_v4().simple().to_string();
        format!("00-{}-{}-01", self.0, &id[..16])
    }

    /// The id as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The caller's own span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parent {
    /// 16 lower-case hex digits, not all zero.
    pub(crate) span: String,
    /// Whether the caller keeps this trace.
    pub(crate) is_sampled: bool,
}

impl Parent {
    /// The span that the request was sent in, where its header is valid.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(HEADER).iter();
        let only = values.next().filter(|_| values.next().is_none())?;
        Self::from_text(only.to_str().ok()?)
    }

    /// The span that a `traceparent` names, where it is valid.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        parse(text)?;
        let mut parts = text.split('-').skip(2);
        let (span, flags) = (parts.next()?, parts.next()?);
        Some(Self {
            span: span.to_owned(),
            is_sampled: u8::from_str_radix(flags, 16).ok()? & 1 == 1,
        })
    }
}

/// `version-traceid-parentid-flags` (§3.2). Later versions may add fields at the end, and
/// version ff is forbidden.
fn parse(text: &str) -> Option<TraceId> {
    let is_hex = |part: &str, digits: usize| {
        part.len() == digits
            && part
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    let mut parts = text.split('-');
    let (version, trace, parent, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let has_more = parts.next().is_some();
    let is_valid = is_hex(version, 2)
        && version != "ff"
        && is_hex(trace, 32)
        && !is_zero(trace)
        && is_hex(parent, 16)
        && !is_zero(parent)
        && is_hex(flags, 2)
        && !(version == "00" && has_more);
    is_valid.then(|| TraceId(trace.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn a_callers_trace_is_followed() {
        for text in [
            format!("00-{TRACE}-00f067aa01a902b7-01"),
            format!("01-{TRACE}-00f067aa01a902b7-01-more"),
        ] {
            assert_eq!(parse(&text), Some(TraceId(TRACE.into())), "{text}");
        }
    }

    #[test]
    fn a_header_that_breaks_the_rules_starts_a_new_trace() {
        for text in [
            String::new(),
            TRACE.to_owned(),
            format!("ff-{TRACE}-00f067aa01a902b7-01"),
            format!("00-{}-00f067aa01a902b7-01", TRACE.to_uppercase()),
            format!("00-{}-00f067aa01a902b7-01", "0".repeat(32)),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{TRACE}-00f067aa01a902b7-01-more"),
        ] {
            assert_eq!(parse(&text), None, "{text}");
        }
        let made = TraceId::from_headers(&HeaderMap::new());
        assert_eq!(made.as_str().len(), 32);
    }
}
