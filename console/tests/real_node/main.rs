//! The console, the chart and the API on a node that really runs them: real pods, probes, crashes,
//! log streams. Everything is done as an operator does it, by the built program, helm and kubectl.
//!
//! `KUBECONFIG_TEST_REAL` names the cluster; `.ci/api-images` makes the images that it must hold.

mod api;
mod follow;
mod install;
#[path = "../../../api/tests/stories/support/local_postgres.rs"]
mod local_postgres;
mod postgres;
mod releases;
mod room;
#[path = "../common/running.rs"]
mod running;
