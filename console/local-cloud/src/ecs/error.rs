//! The errors of ECS, worded as ECS words them.

use crate::protocol::AwsError;

/// A parameter that cannot be so.
pub fn invalid_parameter(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidParameterException", message)
}

/// A request that cannot be so.
pub fn client(message: impl Into<String>) -> AwsError {
    AwsError::client("ClientException", message)
}

/// No cluster of that name.
pub fn cluster_not_found() -> AwsError {
    AwsError::client("ClusterNotFoundException", "Cluster not found.")
}

/// No service of that name in the cluster.
pub fn service_not_found() -> AwsError {
    AwsError::client("ServiceNotFoundException", "Service not found.")
}

/// The service was deleted.
pub fn service_not_active() -> AwsError {
    AwsError::client("ServiceNotActiveException", "Service was not ACTIVE.")
}

/// A parameter that is missing.
pub fn missing(name: &str) -> AwsError {
    invalid_parameter(format!("{name} must not be null."))
}
