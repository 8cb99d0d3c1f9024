//! Which path leads where, and which layers lie around.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use tower_http::catch_panic::CatchPanicLayer;

use crate::app::App;
use crate::problem::ApiError;
use crate::{about, faults, health, items, metrics, observe};

/// Items are small; more is a mistake or an attack.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// The whole service.
pub(crate) fn router(app: App) -> Router {
    let mut business = Router::new()
        .merge(about::business_routes())
        .merge(items::routes());
    if app.faults.concerns_requests() {
        business = business.route_layer(middleware::from_fn_with_state(
            app.clone(),
            faults::misbehave,
        ));
    }
    Router::new()
        .merge(business)
        .merge(about::operator_routes())
        .merge(health::routes())
        .merge(metrics::routes())
        .fallback(|| async { ApiError::PathNotFound })
        .method_not_allowed_fallback(|| async { ApiError::MethodNotAllowed })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        // From here outwards: a panic becomes an answer, every answer is observed.
        .layer(CatchPanicLayer::custom(observe::panicked))
        .layer(middleware::from_fn_with_state(
            app.clone(),
            observe::observe,
        ))
        .with_state(app)
}
