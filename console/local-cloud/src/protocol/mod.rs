//! The shapes that every AWS protocol spoken here shares: errors, query parameters, XML, CBOR.
//!
//! Services speak in these types; [`crate::http`] turns them into the bytes of the protocol the
//! client used, so that a service never needs to know whether it was asked in JSON, in a form,
//! or in CBOR.

pub mod cbor;
mod error;
pub mod members;
mod query;
mod xml;

pub use error::{AwsError, Fault};
pub use query::QueryParams;
pub use xml::Xml;

/// The region that the local cloud says it is in.
pub const REGION: &str = "us-east-1";

/// The account that the local cloud says it is.
pub const ACCOUNT: &str = "123456789012";

/// The time now in milliseconds since the epoch, the unit every store here keeps.
pub fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// `2026-03-01T12:00:00.123Z` for a time in milliseconds since the epoch.
pub fn iso8601(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .strftime("%Y-%m-%dT%H:%M:%S.%3fZ")
        .to_string()
}

/// Seconds since the epoch with milliseconds, as the JSON protocols write a timestamp.
pub fn epoch_seconds(at_ms: i64) -> f64 {
    at_ms as f64 / 1000.0
}
