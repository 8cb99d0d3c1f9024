//! Small pieces that screens are made of. Each draws into a buffer and knows no state.

pub mod chart;
pub mod input;
pub mod paint;
pub mod spark;
pub mod table;
pub mod text;
