//! The terminal.

pub mod svg;
mod svg_shapes;
