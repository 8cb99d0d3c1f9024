//! The life of the process: start, listen, drain, end.

use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::logging;
use crate::settings::Settings;

/// Why the service did not start or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}; choose another in OPSCONSOLE_API_LISTEN")]
    Listen {
        /// What was asked for.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The runtime or a signal handler could not be set up.
    #[error("the system refused what the service needs to run: {0}")]
    System(#[from] std::io::Error),
}

pub(crate) fn main() -> ExitCode {
    let settings = match Settings::from_env() {
        Ok(settings) => settings,
        Err(errors) => {
            for error in errors {
                eprintln!("configuration error: {error}");
            }
            return ExitCode::from(2);
        }
    };
    logging::start(&settings);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "cannot start");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// See [`StartError`].
pub async fn run(settings: Settings) -> Result<(), StartError> {
    let draining = Arc::new(AtomicBool::new(false));
    let listener = tokio::net::TcpListener::bind(settings.listen)
        .await
        .map_err(|source| StartError::Listen {
            address: settings.listen,
            source,
        })?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    let probe = Arc::clone(&draining);
    let app = Router::new()
        .route("/livez", get(|| async { Json(json!({"status": "alive"})) }))
        .route(
            "/readyz",
            get(move || {
                let draining = probe.load(Ordering::SeqCst);
                async move {
                    if draining {
                        (
                            StatusCode::SERVICE_UNAVAILABLE,
                            Json(json!({"status": "draining"})),
                        )
                    } else {
                        (StatusCode::OK, Json(json!({"status": "ready"})))
                    }
                }
            }),
        );
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    axum::serve(listener, app)
        .with_graceful_shutdown(async move {
            terminate.recv().await;
            draining.store(true, Ordering::SeqCst);
        })
        .await?;
    Ok(())
}
