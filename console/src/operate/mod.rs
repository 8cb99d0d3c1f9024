//! The one executor of every mutation: plan → read-only? → guard → confirm → lock → audit → run → watch.

mod assess;
mod executor;
mod known_good;
mod types;

pub use crate::model::RunOutcome;
pub use assess::{Assessed, assess};
pub use executor::{Operator, Settings};
pub use types::{Confirmation, Gate, OperateError, RunHandle, RunOptions, RunState};
