//! The Kubernetes adapter against a real control plane, named by `KUBECONFIG_TEST` or `KUBECONFIG`.

mod cluster;
#[path = "../common/conformance.rs"]
mod conformance;
mod faults;
mod helm;
mod helm_hooks;
mod logs;
mod meddler;
mod misfortunes;
mod recorder;
mod rights;
mod rollouts;
mod surroundings;
mod walk;
#[path = "../common/walk.rs"]
mod walked;
