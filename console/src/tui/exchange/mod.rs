//! What screens ask of the rooms below, and what comes back: one file a room, each with its
//! `…Request`, its `…Reply` and the task that turns one into the other.

pub mod cost;
pub mod history;
pub mod logs;
pub mod releases;
