//! Interceptors at the wire: what a client may send at all, and the exact answer it got.

use super::operations::{self, Effect};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{
                AfterDeserializationInterceptorContextRef,
                BeforeDeserializationInterceptorContextRef,
                BeforeSerializationInterceptorContextRef,
            },
        },
        orchestrator::Metadata,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;
use jiff::Timestamp;
use std::sync::{Arc, Mutex, PoisonError};

/// Stops an operation before it is even serialized unless the list of operations allows it.
#[derive(Debug)]
pub struct WireGuard {
    allows_mutations: bool,
}

impl WireGuard {
    /// For clients that only look.
    pub fn reading() -> Self {
        Self {
            allows_mutations: false,
        }
    }

    /// For clients that are reached with a permit.
    pub fn mutating() -> Self {
        Self {
            allows_mutations: true,
        }
    }
}

/// The interceptor's refusal, found again in the SDK's error chain.
#[derive(Debug, thiserror::Error)]
#[error("{operation} is not allowed on this client")]
pub struct RefusedAtWire {
    /// Which call.
    pub operation: String,
}

impl Intercept for WireGuard {
    fn name(&self) -> &'static str {
        "WireGuard"
    }

    // Earlier, in `read_before_execution`, a client's interceptors do not see the operation yet.
    fn read_before_serialization(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let (service, name) = config.load::<Metadata>().map_or_else(
            || {
                (
                    "an unknown service".to_owned(),
                    "an unnamed call".to_owned(),
                )
            },
            |call| (call.service().to_owned(), call.name().to_owned()),
        );
        let allowed = operations::find(&service, &name)
            .is_some_and(|operation| operation.effect == Effect::Reads || self.allows_mutations);
        if allowed {
            Ok(())
        } else {
            Err(Box::new(RefusedAtWire { operation: name }))
        }
    }
}

/// Keeps the body of an answer as it came, so that no field is lost that this version of the SDK
/// does not know.
#[derive(Clone, Debug, Default)]
pub struct KeepBody(Arc<Mutex<Option<Vec<u8>>>>);

impl KeepBody {
    /// The body of the last answer.
    pub fn take(&self) -> Option<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Intercept for KeepBody {
    fn name(&self) -> &'static str {
        "KeepBody"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            context.response().body().bytes().map(<[u8]>::to_vec);
        Ok(())
    }
}

/// Keeps the `Date` header of the last answer: the platform's own clock.
#[derive(Clone, Debug, Default)]
pub struct KeepDate(Arc<Mutex<Option<Timestamp>>>);

impl KeepDate {
    /// The platform's time when it answered.
    pub fn take(&self) -> Option<Timestamp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Intercept for KeepDate {
    fn name(&self) -> &'static str {
        "KeepDate"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context
            .response()
            .headers()
            .get("date")
            .and_then(|date| jiff::fmt::rfc2822::parse(date).ok())
            .map(|date| date.timestamp());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{operations::OPERATIONS, session::Session};
    use super::*;
    use crate::{config::EcsConfig, platform::PlatformError};
    use std::time::Duration;
    use tokio::net::TcpListener;

    /// A session whose endpoint is a listener that nobody answers on; who connects is seen.
    async fn session() -> (Session, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let session = Session::new(&EcsConfig {
            region: "us-east-1".to_owned(),
            profile: None,
            role_arn: None,
            endpoint_url: Some(format!("http://{address}")),
            static_credentials: Some(("key".to_owned(), "secret".to_owned())),
            local: true,
            cluster: "dev".to_owned(),
            service: "api".to_owned(),
            container: None,
            log_group: None,
            alarm_prefixes: Vec::new(),
        });
        (session, listener)
    }

    async fn nobody_connected(listener: &TcpListener) -> bool {
        tokio::time::timeout(Duration::from_millis(20), listener.accept())
            .await
            .is_err()
    }

    #[tokio::test]
    async fn no_mutating_operation_of_the_list_leaves_a_reading_client() {
        let (session, listener) = session().await;
        for operation in OPERATIONS {
            if operation.effect == Effect::Reads {
                continue;
            }
            macro_rules! attempt {
                ($client:ident, $call:ident $(, $field:ident = $value:expr)*) => {
                    session
                        .read(operation, |clients| {
                            clients.$client.$call()$(.$field($value))*.send()
                        })
                        .await
                        .map(drop)
                };
            }
            let result = match operation.name {
                "RegisterTaskDefinition" => attempt!(ecs, register_task_definition, family = "a"),
                "UpdateService" => attempt!(ecs, update_service, service = "api"),
                "StopServiceDeployment" => {
                    attempt!(ecs, stop_service_deployment, service_deployment_arn = "a")
                }
                "StopTask" => attempt!(ecs, stop_task, task = "a"),
                "PutObject" => attempt!(s3, put_object, bucket = "b", key = "k"),
                "DeleteObject" => attempt!(s3, delete_object, bucket = "b", key = "k"),
                name => panic!("{name} is new in the list and not tried here"),
            };
            let refused = PlatformError::NotPermitted {
                operation: operation.name.to_owned(),
            };
            assert_eq!(result, Err(refused));
            assert!(
                nobody_connected(&listener).await,
                "{} was sent",
                operation.name
            );
        }
    }

    #[tokio::test]
    async fn an_operation_that_is_not_on_the_list_is_refused_whatever_it_does() {
        let (session, listener) = session().await;
        let result = session
            .read(&super::super::operations::LIST_TASKS, |clients| {
                clients.ecs.list_account_settings().send()
            })
            .await;
        assert!(
            matches!(result, Err(PlatformError::NotPermitted { .. })),
            "{result:?}"
        );
        assert!(nobody_connected(&listener).await);
    }

    #[tokio::test]
    async fn a_reading_operation_is_sent() {
        let (session, listener) = session().await;
        let call = session.read(&super::super::operations::LIST_TASKS, |clients| {
            clients.ecs.list_tasks().cluster("dev").send()
        });
        tokio::select! {
            _ = call => panic!("nobody answers"),
            connection = listener.accept() => assert!(connection.is_ok()),
        }
    }
}
