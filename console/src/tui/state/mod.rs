//! What the terminal program knows and shows, as plain data.

mod app_state;
pub mod cost;
pub mod cursor;
pub mod environments;
pub mod filter;
pub mod fuzzy;
pub mod history;
pub mod logs;
pub mod notices;
pub mod overlay;
pub mod releases;
pub mod rollout;
mod screen;
pub mod service;
pub mod world;

pub use app_state::{AppState, Event};
pub use screen::{Handled, Pointer, Screen, ScreenState, Target};
pub use world::{EnvironmentState, Face, RunView, World};
