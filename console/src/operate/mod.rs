//! The one executor of every mutation: plan → read-only? → guard → confirm → lock → audit → run → watch.

mod assess;
mod executor;
mod facts;
mod guard;
mod known_good;
mod lock;
mod memory;
mod notes;
mod plan;
mod resume;
mod signals;
mod stages;
#[cfg(test)]
mod tests;
mod types;
mod watch;
mod way_back;
mod words;

pub use crate::model::RunOutcome;
pub use assess::{Assessed, assess};
pub use executor::{Operator, Settings};
pub use known_good::{Choice, Evidence, History, KnownGood, PROVING, PassedOver};
pub use types::{Confirmation, Gate, OperateError, RunHandle, RunOptions, RunState};
pub use words::duration_words;
