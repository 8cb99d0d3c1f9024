//! Stories of the executor, told against a scripted platform.
