//! Requests as from people, so that logs and metrics live and a bad release is noticed.
//!
//! A modest mix of reads and a few writes against each environment's URL; it pauses while an
//! environment has nothing in service.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::cloud::Cloud;
use crate::protocol::now_ms;
use crate::proxy::{self, HttpClient};

/// Requests a second by environment: `dev=5,staging=8,prod=20`, or `off`.
pub const RATES_VARIABLE: &str = "OPSCONSOLE_LOCAL_TRAFFIC";

/// Where what was sent and what failed is counted.
const NAMESPACE: &str = "OpsConsole/Traffic";

/// Requests on their way at once in one environment; beyond it requests are left out, as people
/// who wait do not ask again.
const IN_FLIGHT_MAX: usize = 64;

/// How long somebody waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long an environment with nothing in service is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// Items whose ids are remembered for reading them.
const IDS_MAX: usize = 200;

/// An answer larger than this is not looked into.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// How many requests a second each environment gets.
#[derive(Debug, Clone, PartialEq)]
pub struct Rates {
    by_environment: BTreeMap<String, f64>,
    others: f64,
}

impl Default for Rates {
    fn default() -> Self {
        let rates = [("dev", 5.0), ("staging", 8.0), ("prod", 20.0)];
        Self {
            by_environment: rates.map(|(name, rate)| (name.to_owned(), rate)).into(),
            others: 5.0,
        }
    }
}

impl Rates {
    /// Reads `name=rate,…`; those not named keep their default, `off` is none at all.
    ///
    /// # Errors
    /// A sentence that names the part that is not a rate.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rates = Self::default();
        if text.trim() == "off" {
            rates.by_environment.clear();
            rates.others = 0.0;
            return Ok(rates);
        }
        for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let (name, rate) = part
                .split_once('=')
                .ok_or_else(|| format!("'{part}' is not environment=requests-per-second"))?;
            let rate: f64 = rate
                .parse()
                .ok()
                .filter(|rate| (0.0..=1000.0).contains(rate))
                .ok_or_else(|| format!("'{rate}' in '{part}' is not a number from 0 to 1000"))?;
            rates.by_environment.insert(name.to_owned(), rate);
        }
        Ok(rates)
    }

    fn of(&self, environment: &str) -> f64 {
        let known = self.by_environment.get(environment);
        known.copied().unwrap_or(self.others)
    }
}

/// Sends requests to every environment, until the task is ended.
pub async fn generate_forever(cloud: Arc<Cloud>) {
    let rates = match std::env::var(RATES_VARIABLE) {
        Err(_) => Rates::default(),
        Ok(text) => Rates::parse(&text).unwrap_or_else(|error| {
            tracing::warn!("{RATES_VARIABLE}: {error}; the default rates are used");
            Rates::default()
        }),
    };
    let mut environments = JoinSet::new();
    let mut known = Vec::new();
    loop {
        for balancer in cloud.elb.balancers() {
            let rate = rates.of(&balancer.name);
            if rate > 0.0 && !known.contains(&balancer.name) {
                known.push(balancer.name.clone());
                environments.spawn(send_to(Arc::clone(&cloud), balancer.name, rate));
            }
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

/// Somebody who uses one environment.
struct Visitor {
    client: HttpClient,
    url: String,
    ids: Mutex<VecDeque<String>>,
}

async fn send_to(cloud: Arc<Cloud>, environment: String, rate: f64) {
    let in_flight = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
    let client = proxy::http_client();
    let mut beat = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut visitor: Option<Arc<Visitor>> = None;
    let mut requests = JoinSet::new();
    let mut number: u64 = 0;
    // Nobody visits a place before it opens: its first figures would be errors.
    while !cloud.elb.is_in_service(&environment) {
        beat.tick().await;
    }
    loop {
        beat.tick().await;
        let mut idle = false;
        while let Some(done) = requests.try_join_next() {
            idle |= matches!(done, Ok(Outcome::NothingInService));
        }
        if idle {
            tokio::time::sleep(PAUSE).await;
        }
        let Some(url) = cloud.elb.url(&environment) else {
            continue;
        };
        let current = match &visitor {
            Some(current) if current.url == url => Arc::clone(current),
            _ => {
                let new = Arc::new(Visitor {
                    client: client.clone(),
                    url,
                    ids: Mutex::default(),
                });
                visitor = Some(Arc::clone(&new));
                new
            }
        };
        let Ok(permit) = Arc::clone(&in_flight).try_acquire_owned() else {
            continue;
        };
        number += 1;
        let (cloud, environment) = (Arc::clone(&cloud), environment.clone());
        requests.spawn(async move {
            let outcome = current.send(number).await;
            let count = |name: &str, value: f64| {
                let dimensions = [("Environment", &*environment)];
                cloud
                    .metrics
                    .record(NAMESPACE, name, &dimensions, now_ms(), value);
            };
            if outcome != Outcome::NothingInService {
                count("Requests", 1.0);
                count("Failures", f64::from(u8::from(outcome == Outcome::Failed)));
            }
            drop(permit);
            outcome
        });
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Answered,
    Failed,
    NothingInService,
}

impl Visitor {
    async fn send(&self, number: u64) -> Outcome {
        let request = match self.request(number) {
            Ok(request) => request,
            Err(error) => {
                tracing::warn!(%error, "a request of the traffic could not be made");
                return Outcome::Failed;
            }
        };
        let answered = tokio::time::timeout(PATIENCE, async {
            let response = self.client.request(request).await.ok()?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
            let body = body.collect().await.ok()?.to_bytes();
            Some((status, body))
        });
        match answered.await {
            Ok(Some((StatusCode::SERVICE_UNAVAILABLE, _))) => Outcome::NothingInService,
            Ok(Some((status, body))) if !status.is_server_error() => {
                self.learn(&body);
                Outcome::Answered
            }
            Ok(_) | Err(_) => Outcome::Failed,
        }
    }

    /// Of a hundred requests 42 list the items, 35 read one, 18 look at the front, 5 make one.
    fn request(&self, number: u64) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        // 37 and 100 have no common divisor: the kinds are spread, not in blocks.
        let kind = (number * 37) % 100;
        let known = {
            let ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
            let place = number as usize % ids.len().max(1);
            ids.get(place).cloned()
        };
        let (method, path, body) = match (kind, known) {
            (42..77, Some(id)) => (Method::GET, format!("/items/{id}"), Bytes::new()),
            (77..95, _) => (Method::GET, "/".to_owned(), Bytes::new()),
            (95.., _) => {
                let item = json!({ "name": format!("order {number}") });
                (Method::POST, "/items".to_owned(), item.to_string().into())
            }
            _ => (Method::GET, "/items".to_owned(), Bytes::new()),
        };
        Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("user-agent", "opsconsole-traffic")
            .header("content-type", "application/json")
            .body(Full::new(body))
    }

    /// Remembers the ids of items in an answer: of one, or of a list under `items`.
    fn learn(&self, body: &[u8]) {
        let Ok(answer) = serde_json::from_slice::<Value>(body) else {
            return;
        };
        let listed = answer["items"].as_array().into_iter().flatten();
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        for item in listed.chain([&answer]) {
            let Some(id) = item["id"].as_str() else {
                continue;
            };
            if !ids.iter().any(|known| known == id) {
                if ids.len() >= IDS_MAX {
                    ids.pop_front();
                }
                ids.push_back(id.to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visitor() -> Visitor {
        Visitor {
            client: proxy::http_client(),
            url: "http://127.0.0.1:1".to_owned(),
            ids: Mutex::default(),
        }
    }

    #[test]
    fn rates_are_read_and_what_is_not_one_is_named() {
        let rates = Rates::parse("dev=0.5, extra=2").expect("rates");
        assert_eq!(rates.of("dev"), 0.5);
        assert_eq!(rates.of("prod"), 20.0);
        assert_eq!(rates.of("extra"), 2.0);
        assert_eq!(Rates::parse("off").expect("off").of("prod"), 0.0);
        assert!(Rates::parse("dev=fast").expect_err("no").contains("fast"));
        assert!(Rates::parse("dev").is_err());
    }

    #[test]
    fn items_are_read_once_their_ids_are_known() {
        let visitor = visitor();
        let paths = |visitor: &Visitor| {
            let mut count: BTreeMap<String, u32> = BTreeMap::new();
            for number in 0..100 {
                let request = visitor.request(number).expect("request");
                let key = format!("{} {}", request.method(), request.uri().path());
                *count.entry(key).or_default() += 1;
            }
            count
        };
        assert_eq!(paths(&visitor).get("GET /items"), Some(&77));
        visitor.learn(br#"{"items": [{"id": "a", "name": "x"}]}"#);
        visitor.learn(br#"{"id": "a", "name": "x"}"#);
        let mix = paths(&visitor);
        assert_eq!(mix.get("GET /items"), Some(&42));
        assert_eq!(mix.get("GET /items/a"), Some(&35));
        assert_eq!(mix.get("POST /items"), Some(&5));
    }
}
