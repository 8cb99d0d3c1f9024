//! The cache of hot reads: off unless there is a Redis.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::reader::Reader;

/// The names read here, without the prefix.
pub(super) const NAMES: &[&str] = &["REDIS_URL", "REDIS_URL_FILE", "CACHE_SECONDS"];

/// A Redis, and how long it keeps what was read.
#[derive(Clone, Debug)]
pub struct Cache {
    /// `redis://user:password@host:port/database`; `rediss://` over TLS.
    pub url: SecretString,
    /// The longest time that another process may see what this one has changed while the
    /// two do not reach the same Redis.
    pub ttl: Duration,
}

/// Reads the settings of the cache; nothing where there is none.
pub(super) fn read(reader: &mut Reader) -> Option<Cache> {
    const SECONDS_MAX: u64 = 3600;
    let ttl = reader.number("CACHE_SECONDS", 30, SECONDS_MAX).max(1);
    let url = reader.secret("REDIS_URL", "REDIS_URL_FILE")?;
    // What a parser says of it may repeat the password.
    let checked = match Url::parse(&url) {
        Ok(parsed) if matches!(parsed.scheme(), "redis" | "rediss") && parsed.has_host() => {
            Ok(url.into())
        }
        _ => Err("is not a URL; use for example redis://cache.internal:6379/0".to_owned()),
    };
    let url = reader.checked("REDIS_URL", checked)?;
    Some(Cache {
        url,
        ttl: Duration::from_secs(ttl),
    })
}
