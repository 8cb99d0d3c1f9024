//! The ECS adapter against a control plane that behaves: real rollouts of real processes, over
//! the wire protocols of AWS.

mod changes;
#[path = "../common/conformance.rs"]
mod conformance;
mod faults;
mod laboratory;
mod looking;
