//! The Kubernetes adapter against a real control plane, named by `KUBECONFIG_TEST` or `KUBECONFIG`.

mod cluster;
#[path = "../common/conformance.rs"]
mod conformance;
mod faults;
mod helm;
mod logs;
mod rollouts;
