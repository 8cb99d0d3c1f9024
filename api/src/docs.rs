//! `/openapi.json` and `/docs`: the contract for programs, and for people in Swagger UI, whose
//! files are in this binary.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Router, routing};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::Config;

use crate::app::App;
use crate::openapi;
use crate::problem::ApiError;

/// Where the page finds the document.
const DOCUMENT: &str = "/openapi.json";

/// What the page may load: its own files and, for its small pictures, data. Nothing of other
/// hosts. Its styles are set by script, which `unsafe-inline` allows for styles only.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' \
                           'unsafe-inline'; img-src 'self' data:; connect-src 'self'; \
                           frame-ancestors 'none'";

/// The document as it is sent.
#[derive(Clone)]
struct Document(Bytes);

/// Splits routes into what serves and what describes, adds the routes of this file, and gives
/// the whole description beside the whole router.
pub(crate) fn with_docs(routes: OpenApiRouter<App>) -> (Router<App>, OpenApi) {
    let (router, mut api) = routes.split_for_parts();
    let (own, mut own_api) = OpenApiRouter::<App>::new()
        .routes(routes!(document))
        .split_for_parts();
    openapi::describe_layers(&mut own_api, false);
    api.merge(own_api);
    let api = openapi::framed(api);
    // The types are ours: a refusal is a defect that the first test finds.
    let bytes = serde_json::to_vec_pretty(&api).expect("the document is JSON");
    let page = Arc::new(
        Config::new([DOCUMENT])
            // By default the page shows the document to a service on the internet.
            .validator_url("none")
            .try_it_out_enabled(true)
            .display_request_duration(true),
    );
    let own = own
        .layer(Extension(Document(bytes.into())))
        .route(
            "/docs",
            routing::get(|| async { Redirect::permanent("/docs/") }),
        )
        .route(
            "/docs/",
            routing::get({
                let page = Arc::clone(&page);
                async move || file("", page)
            }),
        )
        .route(
            "/docs/{file}",
            routing::get(async move |Path(name): Path<String>| file(&name, page)),
        );
    (router.merge(own), api)
}

/// This document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "about",
    operation_id = "openapi",
    responses((status = 200, description = "OpenAPI 3.1.", body = Object, content_type = "application/json")),
)]
async fn document(Extension(Document(bytes)): Extension<Document>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], bytes)
}

/// A file of the page; with no name, the page itself.
fn file(name: &str, page: Arc<Config<'static>>) -> Result<Response, ApiError> {
    let found = utoipa_swagger_ui::serve(name, page).map_err(|error| ApiError::Internal {
        cause: format!("the page of the documentation cannot be made: {error}"),
    })?;
    let Some(file) = found else {
        return Err(ApiError::PathNotFound);
    };
    let body = match file.bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    let mut response = ([(header::CONTENT_TYPE, file.content_type)], body).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(PAGE_POLICY),
    );
    if file.gzpipped {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}
