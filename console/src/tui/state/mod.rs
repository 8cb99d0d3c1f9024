//! What the terminal program knows and shows, as plain data.

pub mod cost;
pub mod cursor;
pub mod environments;
pub mod filter;
pub mod history;
pub mod logs;
pub mod releases;
pub mod rollout;
mod screen;
pub mod service;
pub mod world;

pub use screen::{Handled, Pointer, Screen, ScreenState, Target};
pub use world::{EnvironmentState, Face, RunView, World};
