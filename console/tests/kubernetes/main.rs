//! The Kubernetes adapter against a real control plane, named by `KUBECONFIG_TEST` or `KUBECONFIG`.

mod cluster;
mod rollouts;
