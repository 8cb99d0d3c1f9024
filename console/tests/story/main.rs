//! The operator's story, from a fresh data directory to the rollback of a real service: on the
//! screen through a pseudo-terminal, and headless by exit codes. Each test has a local cloud of
//! its own.

mod door;
mod faults;
mod headless;
mod laboratory;
mod operator;
mod pty;
#[path = "../common/running.rs"]
mod running;
mod walk;
#[path = "../common/walk.rs"]
mod walked;
