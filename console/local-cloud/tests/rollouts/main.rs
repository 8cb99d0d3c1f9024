//! Rollouts of real processes, told as stories: what goes well, what fails, who comes back.

mod alarms;
mod outcomes;
mod support;
mod traffic;
