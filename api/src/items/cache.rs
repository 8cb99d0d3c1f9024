//! Items that are read often, kept in Redis: never what a caller of this process has changed,
//! and never a reason for a request to fail.
//!
//! Each key holds a version, and behind it the item or nothing. Before an item is changed,
//! the version it is about to have is written with nothing behind it; from then on a reader
//! that still holds the state of before cannot put it back, since a lower version never takes
//! the place of a higher one. Where Redis cannot be told, this process trusts it no more until
//! all that it kept has expired; another process may then see the old state for so long.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use prometheus::core::Collector;
use prometheus::{IntCounterVec, Opts};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisError, RedisResult};
use secrecy::ExposeSecret;

use super::{Item, ItemId};
use crate::calls;
use crate::settings::Cache;

/// A cache that takes longer than the database has no use.
const ANSWER_TIME_MAX: Duration = Duration::from_millis(100);
/// Redis is left alone this long after it did not answer a reader.
const REST: Duration = Duration::from_secs(1);
/// Above every version, and still exact in Lua's numbers (2⁵³ − 1).
const VERSION_OF_GONE: i64 = 9_007_199_254_740_991;
/// Writes `version` and what is behind it, unless a higher version is there.
const PUT: &str = "\
    local old = redis.call('GET', KEYS[1]) \
    if old and tonumber(string.match(old, '^%d+')) > tonumber(ARGV[1]) then return 0 end \
    redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2], 'PX', ARGV[3]) \
    return 1";

/// See the module.
pub(crate) struct ItemCache {
    client: Client,
    /// Made on first use, since it needs a runtime.
    connection: Mutex<Option<ConnectionManager>>,
    ttl: Duration,
    /// Not asked before then.
    distrusted_until: Mutex<Option<Instant>>,
    requests: IntCounterVec,
}

impl ItemCache {
    /// Prepares the cache without connecting.
    ///
    /// # Errors
    /// The URL is none that Redis has.
    pub(crate) fn new(settings: &Cache, request_time_max: Duration) -> RedisResult<Self> {
        Ok(Self {
            client: Client::open(settings.url.expose_secret())?,
            connection: Mutex::new(None),
            // A request that read the state of before may live so long, and what forbids it
            // to put that back must outlive it.
            ttl: settings.ttl.max(request_time_max * 2),
            distrusted_until: Mutex::new(None),
            requests: IntCounterVec::new(
                Opts::new(
                    "opsconsole_api_cache_requests_total",
                    "Reads of the cache, by result: hit, miss, or bypass while it is not trusted.",
                ),
                &["result"],
            )
            .map_err(|error| RedisError::from(std::io::Error::other(error)))?,
        })
    }

    /// What the registry is given.
    pub(crate) fn collector(&self) -> Box<dyn Collector> {
        Box::new(self.requests.clone())
    }

    /// The item, if it is there and current.
    pub(crate) async fn get(&self, id: ItemId) -> Option<Item> {
        let result = if self.is_trusted() {
            match self
                .ask::<Option<String>>("GET", redis::cmd("GET").arg(key(id)))
                .await
            {
                Ok(text) => {
                    let item = text.as_deref().and_then(parse);
                    let result = if item.is_some() { "hit" } else { "miss" };
                    self.requests.with_label_values(&[result]).inc();
                    return item;
                }
                Err(error) => {
                    self.distrust(REST);
                    tracing::warn!(%error, "the cache does not answer; it is left alone for a second");
                    "bypass"
                }
            }
        } else {
            "bypass"
        };
        self.requests.with_label_values(&[result]).inc();
        None
    }

    /// Keeps an item that was read from the database.
    pub(crate) async fn keep(&self, item: &Item) {
        if !self.is_trusted() {
            return;
        }
        let Ok(text) = serde_json::to_string(item) else {
            return;
        };
        if let Err(error) = self.put(item.id, item.version, &text).await {
            self.distrust(REST);
            tracing::warn!(%error, "the cache does not take an item");
        }
    }

    /// To be called before an item gets this version.
    pub(crate) async fn expect(&self, id: ItemId, version: i64) {
        // Also while Redis is not trusted: other processes may still read there.
        if let Err(error) = self.put(id, version, "").await {
            self.distrust(self.ttl);
            tracing::warn!(
                %error,
                seconds = self.ttl.as_secs(),
                "the cache cannot be told of a change; it is not used for a while"
            );
        }
    }

    /// To be called before an item is removed.
    pub(crate) async fn expect_gone(&self, id: ItemId) {
        self.expect(id, VERSION_OF_GONE).await;
    }

    /// Whether Redis answers; for the checks.
    ///
    /// # Errors
    /// Why it does not.
    pub(crate) async fn probe(&self) -> RedisResult<()> {
        self.ask::<String>("PING", &mut redis::cmd("PING"))
            .await
            .map(drop)
    }

    async fn put(&self, id: ItemId, version: i64, text: &str) -> RedisResult<()> {
        let ttl_ms = u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX);
        let mut command = redis::cmd("EVAL");
        command
            .arg(PUT)
            .arg(1)
            .arg(key(id))
            .arg(version)
            .arg(text)
            .arg(ttl_ms);
        self.ask::<i64>("EVAL", &mut command).await.map(drop)
    }

    async fn ask<T: redis::FromRedisValue>(
        &self,
        name: &'static str,
        command: &mut redis::Cmd,
    ) -> RedisResult<T> {
        let mut connection = self.connection()?;
        let span = calls::begin(name, || {
            vec![
                KeyValue::new("db.system.name", "redis"),
                KeyValue::new("db.operation.name", name),
            ]
        });
        let answer = command.query_async(&mut connection);
        let outcome = tokio::time::timeout(ANSWER_TIME_MAX, answer)
            .await
            .unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()));
        if let Some(span) = span {
            span.end(outcome.as_ref().err().map(|_| "unavailable"));
        }
        outcome
    }

    fn connection(&self) -> RedisResult<ConnectionManager> {
        let mut made = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(connection) = &*made {
            return Ok(connection.clone());
        }
        let config = ConnectionManagerConfig::new()
            .set_max_delay(REST)
            .set_connection_timeout(Some(ANSWER_TIME_MAX * 5))
            .set_response_timeout(Some(ANSWER_TIME_MAX));
        let connection = ConnectionManager::new_lazy_with_config(self.client.clone(), config)?;
        *made = Some(connection.clone());
        Ok(connection)
    }

    fn is_trusted(&self) -> bool {
        let until = self.distrusted_until.lock();
        until
            .unwrap_or_else(PoisonError::into_inner)
            .is_none_or(|until| Instant::now() >= until)
    }

    /// Never shortens an earlier distrust.
    fn distrust(&self, time: Duration) {
        let mut until = self
            .distrusted_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(Some(Instant::now() + time));
    }
}

fn key(id: ItemId) -> String {
    format!("opsconsole-api:item:{id}")
}

/// What is behind the version, where something is.
fn parse(text: &str) -> Option<Item> {
    let (version, text) = text.split_once(' ')?;
    let item: Item = serde_json::from_str(text).ok()?;
    (version.parse() == Ok(item.version)).then_some(item)
}
