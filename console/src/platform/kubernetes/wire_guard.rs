//! What a client may send at all: one that only looks refuses whatever changes something, before
//! it reaches the wire.

use futures::{FutureExt, future::BoxFuture};
use http::{Method, Request};
use std::task::{Context, Poll};
use tower::{BoxError, Layer, Service};

/// Questions that are asked by creating an object that is not kept (API reference, authorization
/// and authentication).
const QUESTIONS: [&str; 2] = ["/selfsubjectaccessreviews", "/selfsubjectreviews"];

/// The refusal, found again in the client's error chain.
#[derive(Debug, thiserror::Error)]
#[error("{operation} is not allowed on this client")]
pub struct RefusedAtWire {
    /// Method and path.
    pub operation: String,
}

/// Puts the guard in front of a client that only looks.
#[derive(Clone, Copy, Debug)]
pub struct ReadOnly;

impl<S> Layer<S> for ReadOnly {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner }
    }
}

/// The guarded client.
#[derive(Clone, Debug)]
pub struct Guarded<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<B>>,
    S::Response: Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (path, query) = (request.uri().path(), request.uri().query());
        if !reads(request.method(), path, query.unwrap_or_default()) {
            let operation = format!("{} {path}", request.method());
            return async { Err(RefusedAtWire { operation }.into()) }.boxed();
        }
        self.inner
            .call(request)
            .map(|answer| answer.map_err(Into::into))
            .boxed()
    }
}

/// Whether a request changes nothing: it gets, it is a dry run, or it is a question.
fn reads(method: &Method, path: &str, query: &str) -> bool {
    if method == Method::GET || method == Method::HEAD {
        // These open a shell or a port, by GET too.
        return !["/exec", "/attach", "/portforward", "/proxy"]
            .iter()
            .any(|way| path.contains(way));
    }
    if method == Method::PATCH {
        return query.split('&').any(|part| part == "dryRun=All");
    }
    method == Method::POST && QUESTIONS.iter().any(|question| path.ends_with(question))
}

#[cfg(test)]
mod tests {
    use super::super::session::{Session, op};
    use crate::{config::KubernetesConfig, platform::PlatformError};
    use k8s_openapi::api::{apps::v1::Deployment, coordination::v1::Lease, core::v1::Pod};
    use kube::{
        Api,
        api::{DeleteParams, EvictParams, ListParams, Patch, PatchParams, PostParams},
    };
    use serde_json::json;
    use std::{future::Future, sync::Arc, time::Duration};
    use tokio::net::TcpListener;

    /// A session whose API server is a listener that nobody answers on; who connects is seen.
    async fn session() -> (Session, TcpListener, tempfile::TempDir) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("kubeconfig");
        let text = format!(
            "current-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n\
             clusters: [{{name: c, cluster: {{server: \"http://{address}\"}}}}]\n\
             users: [{{name: u, user: {{}}}}]\n"
        );
        std::fs::write(&path, text).expect("a kubeconfig");
        let session = Session::new(Arc::new(KubernetesConfig {
            kubeconfig: Some(path),
            ..KubernetesConfig::default()
        }));
        (session, listener, home)
    }

    async fn is_sent<T>(
        listener: &TcpListener,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Option<kube::Error> {
        tokio::select! {
            biased;
            answer = call => Some(answer.err().expect("nobody answers")),
            connection = listener.accept() => {
                connection.expect("a connection");
                None
            }
            () = tokio::time::sleep(Duration::from_secs(10)) => panic!("neither sent nor refused"),
        }
    }

    #[tokio::test]
    async fn whatever_changes_something_is_refused_before_the_wire_on_a_reading_client() {
        let (session, listener, _home) = session().await;
        let client = session.link().await.expect("a link").client;
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), "shop");
        let (pods, leases): (Api<Pod>, Api<Lease>) = (
            Api::namespaced(client.clone(), "shop"),
            Api::namespaced(client, "shop"),
        );
        let body = json!({"metadata": {"labels": {"a": "b"}}});
        let (patch, post) = (PatchParams::default(), PostParams::default());
        let (delete, lease) = (DeleteParams::default(), Lease::default());
        let refusals = [
            is_sent(
                &listener,
                deployments.patch("api", &patch, &Patch::Merge(&body)),
            )
            .await,
            is_sent(
                &listener,
                deployments.patch("api", &patch, &Patch::Strategic(&body)),
            )
            .await,
            is_sent(&listener, deployments.restart("api")).await,
            is_sent(
                &listener,
                deployments.patch_scale("api", &patch, &Patch::Merge(&body)),
            )
            .await,
            is_sent(&listener, pods.delete("api-1", &delete)).await,
            is_sent(&listener, pods.evict("api-1", &EvictParams::default())).await,
            is_sent(
                &listener,
                pods.delete_collection(&delete, &ListParams::default()),
            )
            .await,
            is_sent(&listener, leases.create(&post, &lease)).await,
            is_sent(&listener, leases.replace("lock", &post, &lease)).await,
        ];
        for (number, refusal) in refusals.into_iter().enumerate() {
            let error = refusal.unwrap_or_else(|| panic!("call {number} was sent"));
            let sorted = session
                .sorted(&op("patch", "deployments", "api"), error)
                .await;
            assert!(
                matches!(sorted, PlatformError::NotPermitted { .. }),
                "{number}: {sorted:?}"
            );
        }
    }

    #[tokio::test]
    async fn looking_and_dry_runs_are_sent() {
        let (session, listener, _home) = session().await;
        let client = session.link().await.expect("a link").client;
        let deployments: Api<Deployment> = Api::namespaced(client, "shop");
        let dry = PatchParams {
            dry_run: true,
            ..PatchParams::default()
        };
        let body = json!({"metadata": {"labels": {"a": "b"}}});
        assert!(is_sent(&listener, deployments.get("api")).await.is_none());
        let patch = Patch::Merge(&body);
        let call = deployments.patch("api", &dry, &patch);
        assert!(is_sent(&listener, call).await.is_none());
    }
}
