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

    // Not `read_before_execution`: for a client's interceptors it runs before the operation has
    // said its name.
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
