//! The OpenAPI document: what handlers say of themselves, completed by what the layers around
//! them add to every answer.

use axum::http::Method;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{Object, Schema, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref, RefOr,
    ServerBuilder, tag::TagBuilder,
};
use utoipa::{PartialSchema, ToSchema};

use crate::auth::{Access, required_access};
use crate::problem::{self, Problem};

/// What groups of operations are for; an operation names its own group.
const TAGS: [(&str, &str); 5] = [
    ("about", "What this service is."),
    ("items", "Things with a name, kept in the database."),
    ("content", "Texts about locations, written by request."),
    (
        "health",
        "For load balancers, orchestrators and scrapers; always open.",
    ),
    ("admin", "API keys and dependencies; for the role admin."),
];

/// Errors that a layer or an extractor makes: status, name, meaning, the header that comes
/// with it.
const ERRORS: [(&str, &str, &str, Option<&str>); 13] = [
    (
        "400",
        "BadRequest",
        "The path, the query or the body cannot be read.",
        None,
    ),
    (
        "401",
        "Unauthenticated",
        "No credential, or one that is not accepted.",
        Some("WWW-Authenticate"),
    ),
    ("403", "Forbidden", "The credential may not do this.", None),
    (
        "413",
        "BodyTooLarge",
        "The body is larger than 64 KiB.",
        None,
    ),
    (
        "414",
        "UriTooLong",
        "Path and query are longer than 8 KiB.",
        None,
    ),
    (
        "415",
        "NotJson",
        "The body is not declared as JSON, or it is compressed.",
        None,
    ),
    (
        "422",
        "Unprocessable",
        "The body is JSON, but its shape or a value is not allowed; `errors` names the fields.",
        None,
    ),
    (
        "429",
        "TooManyRequests",
        "This caller has sent more requests than it may.",
        Some("Retry-After"),
    ),
    (
        "431",
        "HeadTooLarge",
        "There are more than 100 headers, or more than 16 KiB of them.",
        None,
    ),
    ("500", "Internal", "A defect of this service.", None),
    (
        "503",
        "Unavailable",
        "Something that this needs is away, or it took too long.",
        Some("Retry-After"),
    ),
    (
        "507",
        "StorageFull",
        "The disk of the database is full.",
        None,
    ),
    (
        "428",
        "PreconditionRequired",
        "A change must say with If-Match what it is based on.",
        None,
    ),
];

/// Headers of answers: name, whether it is a whole number, meaning.
const HEADERS: [(&str, bool, &str); 6] = [
    (
        "X-Request-Id",
        false,
        "Names this request in every log; the caller's own where it sent one.",
    ),
    (
        "Retry-After",
        true,
        "Seconds until the request is worth sending again.",
    ),
    (
        "WWW-Authenticate",
        false,
        "How to say who one is (RFC 9110 §11.6.1).",
    ),
    (
        "RateLimit-Limit",
        true,
        "Requests a second that this caller may send; absent without a limit.",
    ),
    ("RateLimit-Remaining", true, "Requests left for now."),
    ("RateLimit-Reset", true, "Seconds until there are more."),
];

const RATE_HEADERS: [&str; 3] = ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"];

/// Completes the operations of a group of routes. `is_limited` where the rate limit lies
/// around them.
pub(crate) fn describe_layers(api: &mut OpenApi, is_limited: bool) {
    for (path, item) in &mut api.paths.paths {
        for (method, operation) in operations(item) {
            describe(operation, &method, path, is_limited);
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    [
        (Method::GET, &mut item.get),
        (Method::PUT, &mut item.put),
        (Method::POST, &mut item.post),
        (Method::DELETE, &mut item.delete),
        (Method::PATCH, &mut item.patch),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

fn describe(operation: &mut Operation, method: &Method, path: &str, is_limited: bool) {
    for parameter in operation.parameters.iter_mut().flatten() {
        // What may be left out is not null when it is sent: headers and queries know no null.
        if let RefOr::T(parameter) = parameter
            && let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema
            && let SchemaType::Array(kinds) = &schema.schema_type
            && let Some(kind) = kinds.iter().find(|kind| **kind != Type::Null)
        {
            schema.schema_type = SchemaType::Type(kind.clone());
        }
    }
    let mut statuses = vec!["414", "431", "500", "503"];
    if operation.parameters.is_some() {
        statuses.push("400");
    }
    if operation.request_body.is_some() {
        statuses.extend(["400", "413", "415", "422"]);
    }
    if method != Method::GET {
        statuses.push("507");
    }
    if is_limited {
        statuses.push("429");
    }
    if let Access::Scope(scope) = required_access(method, path) {
        statuses.extend(["401", "403"]);
        operation.security = Some(
            ["api_key", "token"]
                .map(|scheme| SecurityRequirement::new(scheme, [scope.name()]))
                .into(),
        );
    }
    for (status, name, ..) in ERRORS {
        if statuses.contains(&status) {
            let shared = Ref::new(format!("#/components/responses/{name}"));
            operation
                .responses
                .responses
                .entry(status.into())
                .or_insert(RefOr::Ref(shared));
        }
    }
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            let names = RATE_HEADERS.iter().filter(|_| is_limited);
            for name in names.chain(&["X-Request-Id"]) {
                response.headers.insert((*name).into(), header_ref(name));
            }
        }
    }
}

fn header_ref(name: &str) -> RefOr<Header> {
    RefOr::Ref(Ref::new(format!("#/components/headers/{name}")))
}

/// Puts the routes' operations into the frame that they refer to.
pub(crate) fn framed(mut api: OpenApi) -> OpenApi {
    let components = api.components.get_or_insert_with(Components::new);
    let mut schemas = vec![(Problem::name().into_owned(), Problem::schema())];
    Problem::schemas(&mut schemas);
    components.schemas.extend(schemas);
    for (_, name, description, header) in ERRORS {
        let response = error_response(description, header, name == "TooManyRequests");
        components.responses.insert(name.into(), RefOr::T(response));
    }
    for (name, is_number, description) in HEADERS {
        let kind = if is_number {
            Type::Integer
        } else {
            Type::String
        };
        let header = HeaderBuilder::new()
            .schema(Some(Object::with_type(SchemaType::Type(kind))))
            .description(Some(description))
            .build();
        components.headers.insert(name.into(), RefOr::T(header));
    }
    for (name, format, description) in [
        (
            "api_key",
            "opk_<prefix>_<secret>",
            "A key made with POST /admin/keys. Its role and scopes say what it may do.",
        ),
        (
            "token",
            "JWT",
            "An access token of the identity provider in the settings; a claim of it gives the role.",
        ),
    ] {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format(format)
            .description(Some(description))
            .build();
        components
            .security_schemes
            .insert(name.into(), RefOr::T(SecurityScheme::Http(scheme)));
    }
    let info = InfoBuilder::new()
        .title("opsconsole-api")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Every error is a problem document (RFC 9457) with a stable `type` and the id of \
             the request. Lists are read page by page: give `next_cursor` back as `cursor`. \
             Changes say with If-Match what they are based on.",
        ))
        .license(Some(LicenseBuilder::new().name("MIT").build()))
        .build();
    let tags = TAGS.map(|(name, description)| {
        TagBuilder::new()
            .name(name)
            .description(Some(description))
            .build()
    });
    OpenApiBuilder::from(api)
        .info(info)
        .servers(Some([ServerBuilder::new().url("/").build()]))
        .tags(Some(tags))
        .build()
}

fn error_response(description: &str, header: Option<&str>, has_rate: bool) -> Response {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    let mut response = ResponseBuilder::new()
        .description(description)
        .content(problem::MEDIA_TYPE, content)
        .build();
    let rate = RATE_HEADERS.iter().filter(|_| has_rate);
    for name in header.iter().chain(rate).chain(&["X-Request-Id"]) {
        response.headers.insert((*name).into(), header_ref(name));
    }
    response
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use axum::body::Body;
    use axum::http::{Request, header};
    use serde_json::Value;
    use tower::ServiceExt;

    use crate::app::App;
    use crate::router::{document, router};
    use crate::settings::Settings;
    use crate::storage;

    /// Pages for people, and no part of the contract.
    const PAGES: [&str; 3] = ["/docs", "/docs/", "/docs/{file}"];

    fn app() -> App {
        let settings = Settings::from_pairs(&[]).expect("defaults are valid");
        let store = storage::open(&settings).expect("not touched yet");
        App::new(&settings, store)
    }

    /// Method and path of every operation.
    fn described() -> BTreeSet<(String, String)> {
        let document = serde_json::to_value(document()).expect("JSON");
        let paths = document["paths"].as_object().expect("paths");
        paths
            .iter()
            .flat_map(|(path, item)| {
                let methods = item.as_object().expect("operations").keys();
                methods.map(|method| (method.to_uppercase(), path.clone()))
            })
            .collect()
    }

    /// Method and path of every route, as the router itself tells: its paths by its debug
    /// output, their methods by the answer to one that none of them has.
    async fn served() -> BTreeSet<(String, String)> {
        let router = router(app(), false);
        let debug = format!("{router:?}");
        let (_, paths) = debug.split_once("paths: {").expect("axum shows the paths");
        let (paths, _) = paths.split_once("}, ").expect("they end");
        let paths = paths.split('"').skip(1).step_by(2);
        let mut served = BTreeSet::new();
        for path in paths.filter(|path| !PAGES.contains(path)) {
            let request = Request::builder()
                .method("TRACE")
                .uri(path.replace(['{', '}'], ""))
                .body(Body::empty())
                .expect("a request");
            let response = router.clone().oneshot(request).await.expect("an answer");
            let allow = response.headers().get(header::ALLOW);
            let allow = allow
                .and_then(|value| value.to_str().ok())
                .unwrap_or_else(|| panic!("{path}: {response:?}"));
            // HEAD comes with GET by itself.
            for method in allow.split(',').filter(|method| *method != "HEAD") {
                served.insert((method.to_owned(), path.to_owned()));
            }
        }
        served
    }

    #[tokio::test]
    async fn every_route_is_described_and_every_description_has_its_route() {
        let (described, served) = (described(), served().await);
        let undescribed: Vec<_> = served.difference(&described).collect();
        let unserved: Vec<_> = described.difference(&served).collect();
        assert!(
            undescribed.is_empty() && unserved.is_empty() && served.len() > 10,
            "not described: {undescribed:?}, not served: {unserved:?}"
        );
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_operation_has_a_name_of_its_own() {
        let document = serde_json::to_value(document()).expect("JSON");
        let mut names = BTreeSet::new();
        let mut open = vec![&document];
        while let Some(value) = open.pop() {
            match value {
                Value::Object(members) => {
                    if let Some(target) = members.get("$ref").and_then(Value::as_str) {
                        let pointer = target.trim_start_matches('#');
                        assert!(document.pointer(pointer).is_some(), "{target}");
                    }
                    if let Some(name) = members.get("operationId").and_then(Value::as_str) {
                        assert!(names.insert(name.to_owned()), "{name} is used twice");
                    }
                    open.extend(members.values());
                }
                Value::Array(values) => open.extend(values),
                _ => {}
            }
        }
    }
}
