//! Stories of the executor, told against a scripted platform.

mod assess;
mod audit;
mod fake;
mod guard;
mod known_good;
mod lock;
mod notes;
mod outcomes;
mod plan;
mod resume;
mod sources;
mod world;
