//! The terminal program: a loop, a table of commands, states without a screen and views without
//! I/O.
//!
//! - [`command`] is the one list of what can be asked for.
//! - [`state`] holds plain data; `update` turns an event into effects and never waits.
//! - [`view`] draws a state into a buffer.
//! - [`exchange`] asks the rooms below and brings their answers as messages.

pub mod app;
pub mod chord;
pub mod command;
pub mod effect;
pub mod exchange;
pub mod fixtures;
mod hangup;
pub mod message;
pub mod pictures;
mod poller;
mod run_effects;
pub mod state;
pub mod svg;
mod svg_shapes;
mod terminal;
pub mod theme;
pub mod view;
pub mod widgets;

#[cfg(test)]
mod tests;
