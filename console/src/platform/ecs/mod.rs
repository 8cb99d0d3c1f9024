//! Environments on Amazon ECS: the AWS SDKs, with an endpoint override for the local cloud.
