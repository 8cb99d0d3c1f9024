//! Cost: list prices with their date and source, and what a bill of resources comes to a month.

mod estimate;
mod price;

pub use estimate::{Delta, DeltaLine, Estimate, EstimateLine, LineCost, delta, estimate, overlap};
pub use price::{Confidence, Price, PriceBook, PriceError, UnitPrice};
