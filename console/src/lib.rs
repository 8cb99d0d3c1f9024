//! One terminal console over every environment. The rooms and the arrows between them are in
//! `docs/architecture.md`; arrows point down this list.

pub mod cli;
pub mod tui;

pub mod context;
pub mod terraform;

pub mod cost;
pub mod logs;
pub mod operate;

pub mod platform;
pub mod store;

pub mod config;
pub mod model;

#[cfg(test)]
mod rooms;
