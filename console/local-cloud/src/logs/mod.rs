//! CloudWatch Logs: groups and streams of events in memory, and the actions that read them.

mod actions;
pub mod filter;
mod reading;
mod store;

pub use actions::handle;
pub use store::{Lateness, LogEvent, LogStore};

#[cfg(test)]
mod tests;
