//! A typed client for opsconsole-api: items and jobs, with every refusal as the problem that
//! the service answered (RFC 9457).
//!
//! ```no_run
//! use opsconsole_api_client::{Client, NewItem};
//!
//! # async fn example() -> Result<(), opsconsole_api_client::Error> {
//! let client = Client::new("https://api.example.com", None)?;
//! let item = client.create_item(&NewItem::named("tea"), None).await?;
//! assert_eq!(client.item(&item.id).await?, item);
//! # Ok(())
//! # }
//! ```

mod model;

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, IF_MATCH, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

pub use model::{
    FieldProblem, Greeting, Item, ItemPatch, ItemQuery, Job, JobState, NewItem, NewJob, Page,
    Problem,
};

/// Above the 15 s that the service gives a request by default.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);

/// Why there is no answer to work with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The service refused, and said why.
    #[error("the service answered {}: {}", .problem.status, .problem.detail)]
    Refused {
        /// What it said.
        problem: Box<Problem>,
        /// When the request is worth sending again, where the service knows.
        retry_after: Option<Duration>,
    },
    /// The answer is not one of this service: a proxy's, most likely.
    #[error("{status} from {url}, without a problem document; is this opsconsole-api?")]
    Foreign {
        /// The status of the answer.
        status: u16,
        /// What was asked.
        url: String,
    },
    /// The service was not reached, or its answer did not arrive whole.
    #[error("no answer: {0}; check the address and the network")]
    Transport(#[from] reqwest::Error),
    /// The address or the key cannot be used.
    #[error("cannot call {what}: {reason}")]
    Unusable {
        /// What was given.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Error {
    /// The stable name of the problem, such as `item-not-found`.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        match self {
            Self::Refused { problem, .. } => problem.r#type.rsplit(':').next(),
            _ => None,
        }
    }
}

/// A service and a way to say who is calling. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    base: Url,
    http: reqwest::Client,
}

impl Client {
    /// A client for the service at this address, with an API key or access token if one is
    /// needed there.
    ///
    /// # Errors
    /// [`Error::Unusable`] for an address or key that cannot be sent.
    pub fn new(base: &str, key: Option<&SecretString>) -> Result<Self, Error> {
        let url = Url::parse(base).map_err(|error| Error::Unusable {
            what: base.to_owned(),
            reason: error.to_string(),
        })?;
        let mut headers = HeaderMap::new();
        if let Some(key) = key {
            let bearer = format!("Bearer {}", key.expose_secret());
            let mut bearer = HeaderValue::from_str(&bearer).map_err(|_| Error::Unusable {
                what: base.to_owned(),
                reason: "the key has characters that no header may have".into(),
            })?;
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        let http = reqwest::Client::builder()
            .timeout(ANSWER_TIME_MAX)
            .default_headers(headers)
            .build()?;
        Ok(Self { base: url, http })
    }

    /// What the service greets with.
    ///
    /// # Errors
    /// See [`Error`]; so for all that follow.
    pub async fn hello(&self) -> Result<Greeting, Error> {
        self.read(self.ask(Method::GET, &["api", "hello"], &[])?)
            .await
    }

    /// Stores a new item. With an idempotency key the same call has its effect once.
    ///
    /// # Errors
    /// `invalid-fields`, `idempotency-conflict` and those of every call.
    pub async fn create_item(&self, new: &NewItem, key: Option<&str>) -> Result<Item, Error> {
        self.create("items", new, key).await
    }

    /// One item.
    ///
    /// # Errors
    /// `item-not-found` and those of every call.
    pub async fn item(&self, id: &str) -> Result<Item, Error> {
        self.read(self.ask(Method::GET, &["items", id], &[])?).await
    }

    /// One page of items. Give its `next_cursor` back in the query to read on.
    ///
    /// # Errors
    /// `bad-request` for a cursor of another list, and those of every call.
    pub async fn items(&self, query: &ItemQuery) -> Result<Page, Error> {
        self.read(self.ask(Method::GET, &["items"], &query.pairs())?)
            .await
    }

    /// Puts other values in place of an item's, if it is still as the caller read it.
    ///
    /// # Errors
    /// `precondition-failed` where it has changed meanwhile, and those of every call.
    pub async fn replace_item(&self, read: &Item, new: &NewItem) -> Result<Item, Error> {
        let request = self.ask(Method::PUT, &["items", &read.id], &[])?;
        self.read(request.header(IF_MATCH, read.etag()).json(new))
            .await
    }

    /// Changes some values of an item, if it is still as the caller read it.
    ///
    /// # Errors
    /// `precondition-failed` where it has changed meanwhile, and those of every call.
    pub async fn change_item(&self, read: &Item, patch: &ItemPatch) -> Result<Item, Error> {
        let request = self.ask(Method::PATCH, &["items", &read.id], &[])?;
        self.read(request.header(IF_MATCH, read.etag()).json(patch))
            .await
    }

    /// Removes an item, if it is still as the caller read it.
    ///
    /// # Errors
    /// `precondition-failed` where it has changed meanwhile, and those of every call.
    pub async fn delete_item(&self, read: &Item) -> Result<(), Error> {
        let request = self.ask(Method::DELETE, &["items", &read.id], &[])?;
        self.send(request.header(IF_MATCH, read.etag()))
            .await
            .map(drop)
    }

    /// Queues the generation of content for a location.
    ///
    /// # Errors
    /// `invalid-fields` for a location or prompt that does not exist, and those of every call.
    pub async fn create_job(&self, new: &NewJob, key: Option<&str>) -> Result<Job, Error> {
        self.create("jobs", new, key).await
    }

    /// One job.
    ///
    /// # Errors
    /// `job-not-found` and those of every call.
    pub async fn job(&self, id: &str) -> Result<Job, Error> {
        self.read(self.ask(Method::GET, &["jobs", id], &[])?).await
    }

    async fn create<T: DeserializeOwned>(
        &self,
        collection: &str,
        new: &impl Serialize,
        key: Option<&str>,
    ) -> Result<T, Error> {
        let mut request = self.ask(Method::POST, &[collection], &[])?.json(new);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        self.read(request).await
    }

    fn ask(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<RequestBuilder, Error> {
        let mut url = self.base.clone();
        // Segment by segment, so that an id from outside cannot lead to another path.
        url.path_segments_mut()
            .map_err(|()| Error::Unusable {
                what: self.base.to_string(),
                reason: "it has no path to add to".into(),
            })?
            .pop_if_empty()
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(self.http.request(method, url))
    }

    async fn read<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Error> {
        Ok(self.send(request).await?.json().await?)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Error> {
        let response = request.send().await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let url = response.url().to_string();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        match response.json::<Problem>().await {
            Ok(problem) => Err(Error::Refused {
                problem: Box::new(problem),
                retry_after,
            }),
            Err(_) => Err(Error::Foreign {
                status: status.as_u16(),
                url,
            }),
        }
    }
}
