//! Stories about the API, told to real processes over real connections.

mod support;

mod caching;
mod callers;
mod changes;
mod client;
mod content;
mod contract;
mod database;
mod faults;
mod flags;
mod items;
mod logs;
mod many_processes;
mod on_postgres;
mod operators;
mod probes;
mod problems;
mod releases;
mod stopping;
mod tokens;
mod traces;
mod unreadable;
