//! The search: Tavily's `POST /search` (docs.tavily.com/documentation/api-reference).

use std::time::Duration;

use reqwest::StatusCode;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Explanation, Peer};
use super::{CallError, CallSeconds, Errand, Failure};
use crate::settings::Vendor;

/// Enough to write from, few enough to read.
const RESULTS_MAX: usize = 5;
/// The documented limit of a query.
const QUERY_CHARS_MAX: usize = 400;
/// A result's excerpt beyond this says nothing new.
const EXCERPT_CHARS_MAX: usize = 2_000;

/// A client for Tavily.
pub(crate) struct Tavily {
    peer: Peer,
    base: String,
}

/// One page that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) title: String,
    pub(crate) url: String,
    /// What of the page has to do with the query.
    pub(crate) excerpt: String,
}

#[derive(Deserialize)]
struct SearchAnswer {
    results: Vec<SearchResult>,
}

#[derive(Deserialize)]
struct SearchResult {
    title: String,
    url: String,
    content: String,
}

impl Tavily {
    pub(crate) fn new(vendor: &Vendor, time_max: Duration, seconds: CallSeconds) -> Self {
        Self {
            peer: Peer::new("Tavily", vendor.key.clone(), time_max, seconds),
            base: vendor.base.as_str().trim_end_matches('/').to_owned(),
        }
    }

    /// Pages about a query, the best first; none is no error.
    pub(crate) async fn search(
        &self,
        query: &str,
        errand: &Errand,
    ) -> Result<Vec<Found>, CallError> {
        let query: String = query.chars().take(QUERY_CHARS_MAX).collect();
        let body = json!({
            "query": query,
            "search_depth": "basic",
            "max_results": RESULTS_MAX,
        });
        let build = |http: &reqwest::Client| {
            http.post(format!("{}/search", self.base))
                .bearer_auth(self.peer.key.expose_secret())
                .json(&body)
        };
        self.peer
            .call(errand, build, explain, |answer| {
                let answer: SearchAnswer = answer.json(&self.peer)?;
                let results = answer.results.into_iter().take(RESULTS_MAX);
                Ok(results.map(SearchResult::into_found).collect())
            })
            .await
    }

    /// Asks how much of the plan is used (`GET /usage`), which costs nothing.
    pub(crate) async fn check(&self, errand: &Errand) -> Result<(), CallError> {
        let build = |http: &reqwest::Client| {
            http.get(format!("{}/usage", self.base))
                .bearer_auth(self.peer.key.expose_secret())
        };
        self.peer
            .call(errand, build, explain, |answer| {
                answer.json::<serde_json::Map<String, Value>>(&self.peer)
            })
            .await
            .map(drop)
    }
}

impl SearchResult {
    fn into_found(self) -> Found {
        Found {
            title: plain(&self.title, EXCERPT_CHARS_MAX),
            url: plain(&self.url, EXCERPT_CHARS_MAX),
            excerpt: plain(&self.content, EXCERPT_CHARS_MAX),
        }
    }
}

/// Text of the web, without what could harm a terminal.
fn plain(text: &str, chars_max: usize) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(chars_max)
        .collect()
}

/// `{"detail": {"error": "…"}}`; beyond the usual, 432 and 433 say that the plan's limit is
/// reached, which is over with the month or a payment.
fn explain(status: StatusCode, body: &[u8]) -> Explanation {
    let detail = serde_json::from_slice::<Value>(body)
        .ok()
        .map(|body| body["detail"].clone())
        .unwrap_or_default();
    let said = detail["error"].as_str().or(detail.as_str());
    Explanation {
        said: said.unwrap_or_default().to_owned(),
        kind: matches!(status.as_u16(), 432 | 433).then_some(Failure::RateLimited),
        retry_after: None,
    }
}
