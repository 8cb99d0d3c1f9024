//! The Kubernetes adapter against a real control plane, named by `KUBECONFIG_TEST` or `KUBECONFIG`.

mod cluster;
mod faults;
mod helm;
mod logs;
mod rollouts;
