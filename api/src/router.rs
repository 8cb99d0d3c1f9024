//! Which path leads where, and which layers lie around.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::problem::ApiError;
use crate::{
    about, admin, auth, browsers, docs, faults, health, items, jobs, locations, metrics, observe,
    openapi, prompts, rate_limit,
};

/// Items are small; more is a mistake or an attack.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// The routes whose requests are limited, and that faults on purpose concern. A new resource
/// is added here, and its document follows.
fn business_routes() -> OpenApiRouter<App> {
    described(
        OpenApiRouter::new()
            .merge(about::business_routes())
            .merge(items::routes())
            .merge(prompts::routes())
            .merge(locations::routes())
            .merge(jobs::routes()),
        true,
    )
}

/// What both ports have.
fn shared_routes() -> OpenApiRouter<App> {
    described(
        OpenApiRouter::new()
            .merge(about::operator_routes())
            .merge(health::routes()),
        false,
    )
}

/// What only operators reach where they have a port of their own.
fn operator_routes() -> OpenApiRouter<App> {
    described(
        OpenApiRouter::new()
            .merge(metrics::routes())
            .merge(admin::routes()),
        false,
    )
}

fn described(mut routes: OpenApiRouter<App>, is_limited: bool) -> OpenApiRouter<App> {
    openapi::describe_layers(routes.get_openapi_mut(), is_limited);
    routes
}

/// The description of everything that one port can serve.
pub(crate) fn document() -> OpenApi {
    let all = business_routes()
        .merge(shared_routes())
        .merge(operator_routes());
    docs::with_docs(all).1
}

/// What customers reach, and unless operators have a port of their own, they too.
pub(crate) fn router(app: App, has_operator_port: bool) -> Router {
    let mut business = business_routes();
    if app.faults.concerns_requests() {
        business = business.route_layer(middleware::from_fn_with_state(
            app.clone(),
            faults::misbehave,
        ));
    }
    business = business.route_layer(middleware::from_fn_with_state(
        app.clone(),
        rate_limit::limit,
    ));
    let mut all = business.merge(shared_routes());
    if !has_operator_port {
        all = all.merge(operator_routes());
    }
    layered(docs::with_docs(all).0, app)
}

/// What only operators reach, on a port of their own.
pub(crate) fn operator_router(app: App) -> Router {
    let all = shared_routes().merge(operator_routes());
    layered(docs::with_docs(all).0, app)
}

fn layered(routes: Router<App>, app: App) -> Router {
    routes
        .fallback(|| async { ApiError::PathNotFound })
        .method_not_allowed_fallback(|| async { ApiError::MethodNotAllowed })
        // One stack, from the outside in: each `layer` of a router costs every request a box more.
        .layer(
            ServiceBuilder::new()
                .layer(middleware::from_fn_with_state(
                    app.clone(),
                    observe::observe,
                ))
                .layer(CatchPanicLayer::custom(observe::panicked))
                .layer(middleware::from_fn_with_state(app.clone(), browsers::cors))
                .layer(middleware::from_fn_with_state(app.clone(), auth::authorize))
                .layer(DefaultBodyLimit::max(BODY_BYTES_MAX)),
        )
        .with_state(app)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::{Body, to_bytes};
    use axum::http::{Request, Response, StatusCode};
    use serde_json::Value;
    use tower::ServiceExt;

    use super::*;
    use crate::settings::Settings;
    use crate::storage::defective::Defective;

    fn defective() -> App {
        let settings = Settings::from_pairs(&[]).expect("defaults are valid");
        App::with_time_limit(&settings, Box::new(Defective), Duration::from_millis(50))
    }

    async fn answer(app: &App, method: &str, path: &str, body: &str) -> Response<Body> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json")
            .body(Body::from(body.to_owned()))
            .expect("a request");
        router(app.clone(), false)
            .oneshot(request)
            .await
            .expect("an answer")
    }

    async fn problem(app: &App, method: &str, path: &str, body: &str) -> (StatusCode, Value) {
        let response = answer(app, method, path, body).await;
        let status = response.status();
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
        let id = response.headers()["x-request-id"].clone();
        let body = to_bytes(response.into_body(), usize::MAX)
            .await
            .expect("a body");
        let problem: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(problem["request_id"], id.to_str().expect("ASCII"));
        (status, problem)
    }

    const ITEM: &str = "/items/01890a5d-ac96-774b-bcce-b302099a8057";

    #[tokio::test]
    async fn a_panic_is_a_problem_that_gives_nothing_away() {
        let app = defective();
        let (status, problem) = problem(&app, "GET", ITEM, "").await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!problem.to_string().contains("shelf"), "{problem}");
        assert_eq!(app.metrics.in_flight.get(), 0);
    }

    #[tokio::test]
    async fn a_defect_of_ours_is_a_problem_that_gives_nothing_away() {
        let (status, problem) = problem(&defective(), "POST", "/items", r#"{"name": "a"}"#).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!problem.to_string().contains("INSRT"), "{problem}");
    }

    #[tokio::test]
    async fn a_request_that_takes_too_long_is_given_up_with_a_problem() {
        let app = defective();
        let response = answer(&app, "GET", "/items", "").await;
        assert_eq!(response.headers()["retry-after"], "1");
        let (status, problem) = problem(&app, "GET", "/items", "").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(problem["type"], "urn:opsconsole:problem:timed-out");
    }

    #[tokio::test]
    async fn an_error_in_another_format_leaves_as_a_problem() {
        let app = defective();
        let foreign = Router::new()
            .route(
                "/foreign",
                axum::routing::get(|| async { (StatusCode::IM_A_TEAPOT, "sqlx::Error at line 7") }),
            )
            .layer(middleware::from_fn_with_state(
                app.clone(),
                observe::observe,
            ));
        let request = Request::get("/foreign")
            .body(Body::empty())
            .expect("a request");
        let response = foreign.oneshot(request).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
        let body = to_bytes(response.into_body(), usize::MAX)
            .await
            .expect("a body");
        assert!(!String::from_utf8_lossy(&body).contains("sqlx"));
    }

    #[tokio::test]
    async fn a_caller_who_goes_away_is_counted_once_and_no_longer_in_flight() {
        let app = defective();
        let service = router(app.clone(), false);
        let request = Request::get("/items")
            .body(Body::empty())
            .expect("a request");
        {
            let mut going = Box::pin(service.oneshot(request));
            assert!(futures::poll!(&mut going).is_pending());
            assert_eq!(app.metrics.in_flight.get(), 1);
        }
        assert_eq!(app.metrics.in_flight.get(), 0);
        assert_eq!(app.metrics.answered("/items", "GET", "499"), 1);
    }

    #[tokio::test]
    async fn readiness_answers_before_its_caller_loses_patience() {
        let settings = Settings::from_pairs(&[]).expect("defaults are valid");
        let app = App::new(&settings, Box::new(Defective));
        for probe in ["/readyz", "/health"] {
            let (status, problem) = problem(&app, "GET", probe, "").await;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(problem["checks"]["database"], "no answer within 1 s");
        }
    }
}
