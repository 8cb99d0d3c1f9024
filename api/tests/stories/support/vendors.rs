//! Tavily, Gemini and S3 as their documentation describes them, on this machine: they check
//! what they are sent, answer in the documented shapes, and fail as they are told.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Router, routing};
use serde_json::{Value, json};

pub const TAVILY_KEY: &str = "tvly-for-tests-0123456789";
pub const GEMINI_KEY: &str = "gemini-for-tests-0123456789";
/// What Gemini writes unless it is told otherwise.
pub const TEXT: &str = "Bern lies in a bend of the Aare.";

/// An answer out of the ordinary.
#[derive(Clone, Debug)]
pub enum Reply {
    /// This status and body.
    Body(u16, String),
    /// As `Body`, and a pause in seconds is asked for in the header.
    Later(u16, String, u64),
    /// No answer, until the caller gives up.
    Silence,
    /// More than anyone asked for.
    Flood,
}

impl Reply {
    pub fn json(status: u16, body: &Value) -> Self {
        Self::Body(status, body.to_string())
    }

    /// An error of Gemini's, in the shape of `google.rpc.Status`.
    pub fn gemini(code: u16, status: &str, message: &str) -> Self {
        let error = json!({"error": {"code": code, "message": message, "status": status}});
        Self::json(code, &error)
    }

    /// An answer of Gemini's that ended for this reason, with no more than a beginning.
    pub fn finished(reason: &str) -> Self {
        Self::json(200, &generated("Bern", reason))
    }
}

fn generated(text: &str, reason: &str) -> Value {
    json!({
        "candidates": [{
            "content": {"parts": [{"text": text}], "role": "model"},
            "finishReason": reason,
            "index": 0,
        }],
        "usageMetadata": {
            "promptTokenCount": 120, "candidatesTokenCount": 9, "totalTokenCount": 129,
        },
        "modelVersion": "gemini-2.5-flash",
        "responseId": "a1b2",
    })
}

/// One request that came.
#[derive(Clone, Debug)]
pub struct Call {
    pub headers: HeaderMap,
    pub body: Value,
}

#[derive(Default)]
struct Inside {
    tavily: VecDeque<Reply>,
    gemini: VecDeque<Reply>,
    searches: Vec<Call>,
    texts: Vec<Call>,
}

/// Both vendors on one port.
#[derive(Clone)]
pub struct Vendors {
    pub address: SocketAddr,
    inside: Arc<Mutex<Inside>>,
}

impl Vendors {
    pub async fn start() -> Self {
        let inside = Arc::<Mutex<Inside>>::default();
        let routes = Router::new()
            .route("/search", routing::post(search))
            .route("/usage", routing::get(usage))
            .route("/v1beta/models/{call}", routing::post(generate).get(model))
            .with_state(Arc::clone(&inside));
        Self {
            address: serve(routes).await,
            inside,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What Tavily answers next, before it goes on as usual.
    pub fn tavily_says(&self, reply: Reply) {
        self.lock().tavily.push_back(reply);
    }

    /// What Gemini answers next, before it goes on as usual.
    pub fn gemini_says(&self, reply: Reply) {
        self.lock().gemini.push_back(reply);
    }

    pub fn searches(&self) -> Vec<Call> {
        self.lock().searches.clone()
    }

    pub fn texts(&self) -> Vec<Call> {
        self.lock().texts.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().expect("no panic holds it")
    }
}

async fn serve(routes: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

async fn give(reply: Reply) -> Response {
    match reply {
        Reply::Body(status, body) => answer(status, body),
        Reply::Later(status, body, seconds) => {
            let mut response = answer(status, body);
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, seconds.into());
            response
        }
        Reply::Silence => std::future::pending().await,
        Reply::Flood => answer(200, "a".repeat(5 * 1024 * 1024)),
    }
}

fn answer(status: u16, body: String) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn tavily_error(status: u16, error: &str) -> Response {
    answer(status, json!({"detail": {"error": error}}).to_string())
}

fn has_tavily_key(headers: &HeaderMap) -> bool {
    headers
        .get(header::AUTHORIZATION)
        .is_some_and(|value| *value == format!("Bearer {TAVILY_KEY}"))
}

/// docs.tavily.com/documentation/api-reference/endpoint/search
async fn search(
    State(inside): State<Arc<Mutex<Inside>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !has_tavily_key(&headers) {
        return tavily_error(401, "Unauthorized: missing or invalid API key.");
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let query = body["query"].as_str().unwrap_or_default().to_owned();
    if query.is_empty() || query.len() > 400 {
        return tavily_error(400, "Query is missing or too long.");
    }
    let reply = {
        let mut inside = inside.lock().expect("no panic holds it");
        inside.searches.push(Call { headers, body });
        inside.tavily.pop_front()
    };
    if let Some(reply) = reply {
        return give(reply).await;
    }
    let results = json!([
        {
            "title": "Bern", "url": "https://example.org/bern",
            "content": "Bern is the\u{1b}[31m federal city.", "score": 0.98,
            "raw_content": null,
        },
        {
            "title": "Aare", "url": "https://example.org/aare",
            "content": "A river.", "score": 0.5, "raw_content": null,
        },
    ]);
    let found = json!({
        "query": query, "follow_up_questions": null, "answer": null, "images": [],
        "results": results, "response_time": 0.67, "request_id": "r-1",
    });
    answer(200, found.to_string())
}

async fn usage(headers: HeaderMap) -> Response {
    if !has_tavily_key(&headers) {
        return tavily_error(401, "Unauthorized: missing or invalid API key.");
    }
    let usage = json!({
        "key": {"usage": 150, "limit": 1000},
        "account": {"current_plan": "Bootstrap", "plan_usage": 500, "plan_limit": 15000},
    });
    answer(200, usage.to_string())
}

fn bad_gemini_key(headers: &HeaderMap) -> Option<Response> {
    let is_good = headers
        .get("x-goog-api-key")
        .is_some_and(|value| value == GEMINI_KEY);
    let error = json!({"error": {
        "code": 400,
        "message": "API key not valid. Please pass a valid API key.",
        "status": "INVALID_ARGUMENT",
        "details": [{
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "API_KEY_INVALID", "domain": "googleapis.com",
        }],
    }});
    (!is_good).then(|| answer(400, error.to_string()))
}

/// ai.google.dev/api/generate-content
async fn generate(
    State(inside): State<Arc<Mutex<Inside>>>,
    Path(call): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Some(refusal) = bad_gemini_key(&headers) {
        return refusal;
    }
    if call != "gemini-2.5-flash:generateContent" {
        return give(Reply::gemini(404, "NOT_FOUND", "The model is not found.")).await;
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    if !body["contents"][0]["parts"][0]["text"].is_string() {
        let message = "contents is not specified";
        return give(Reply::gemini(400, "INVALID_ARGUMENT", message)).await;
    }
    let reply = {
        let mut inside = inside.lock().expect("no panic holds it");
        inside.texts.push(Call { headers, body });
        inside.gemini.pop_front()
    };
    match reply {
        Some(reply) => give(reply).await,
        None => answer(200, generated(TEXT, "STOP").to_string()),
    }
}

async fn model(Path(name): Path<String>, headers: HeaderMap) -> Response {
    if let Some(refusal) = bad_gemini_key(&headers) {
        return refusal;
    }
    answer(200, json!({"name": format!("models/{name}")}).to_string())
}

#[derive(Default)]
struct Objects {
    by_path: HashMap<String, Bytes>,
    is_denied: bool,
    puts: usize,
}

/// A bucket of S3, as far as documents need it.
#[derive(Clone)]
pub struct Bucket {
    pub address: SocketAddr,
    objects: Arc<Mutex<Objects>>,
}

impl Bucket {
    pub async fn start() -> Self {
        let objects = Arc::<Mutex<Objects>>::default();
        let routes = Router::new()
            .fallback(object)
            .with_state(Arc::clone(&objects));
        Self {
            address: serve(routes).await,
            objects,
        }
    }

    /// From now on nothing is allowed any more, or all is again.
    pub fn deny(&self, is_denied: bool) {
        self.lock().is_denied = is_denied;
    }

    /// The paths of all objects, bucket included.
    pub fn paths(&self) -> Vec<String> {
        self.lock().by_path.keys().cloned().collect()
    }

    /// How many times something was stored.
    pub fn puts(&self) -> usize {
        self.lock().puts
    }

    fn lock(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().expect("no panic holds it")
    }
}

fn s3_error(status: u16, code: &str) -> Response {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>\
         <Message>arn:aws:iam::123456789012:role/shop is told about it</Message>\
         <RequestId>4442587FB7D0A2F9</RequestId></Error>"
    );
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [(header::CONTENT_TYPE, "application/xml")], body).into_response()
}

/// docs.aws.amazon.com/AmazonS3/latest/API: PutObject with If-None-Match, GetObject,
/// DeleteObject; signed with version 4, the bucket in the path.
async fn object(State(objects): State<Arc<Mutex<Objects>>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let signed = head
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|text| {
            text.starts_with("AWS4-HMAC-SHA256 Credential=") && text.contains("/s3/aws4_request")
        });
    let is_ours = head.uri.path().starts_with("/shop-content/made/");
    let body = axum::body::to_bytes(body, 8 << 20)
        .await
        .unwrap_or_default();
    let mut objects = objects.lock().expect("no panic holds it");
    if objects.is_denied || !signed || !is_ours {
        return s3_error(403, "AccessDenied");
    }
    let path = head.uri.path().to_owned();
    match head.method {
        Method::PUT => {
            let only_new = head.headers.get(header::IF_NONE_MATCH);
            if only_new.is_some_and(|value| value == "*") && objects.by_path.contains_key(&path) {
                return s3_error(412, "PreconditionFailed");
            }
            objects.by_path.insert(path, body);
            objects.puts += 1;
            [(header::ETAG, "\"e\"")].into_response()
        }
        Method::GET => match objects.by_path.get(&path) {
            Some(body) => body.clone().into_response(),
            None => s3_error(404, "NoSuchKey"),
        },
        Method::DELETE => {
            objects.by_path.remove(&path);
            StatusCode::NO_CONTENT.into_response()
        }
        _ => s3_error(405, "MethodNotAllowed"),
    }
}
