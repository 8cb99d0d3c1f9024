//! Cost: list prices with their date and source, and what a bill of resources comes to a month.

mod estimate;
mod price;

pub use estimate::{
    Delta, DeltaLine, Estimate, EstimateLine, HOURS_PER_MONTH, LineCost, delta, estimate, overlap,
    overlap_words,
};
pub use price::{Confidence, Price, PriceBook, PriceDate, PriceError, STALE_DAYS, Unit, UnitPrice};
