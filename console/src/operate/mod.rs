//! The one executor of every mutation: plan → read-only? → guard → confirm → lock → audit → run → watch.

mod types;

pub use types::{Confirmation, Gate, OperateError, RunHandle, RunOutcome, RunState};
