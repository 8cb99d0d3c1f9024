//! Small pieces that screens are made of. Each draws into a buffer and knows no state.

pub mod paint;
pub mod spark;
pub mod text;
