//! The price book: list prices, each with its date and source.

use crate::model::Usd;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// A price, or a range where the market moves it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum UnitPrice {
    /// One price a unit.
    Fixed(Usd),
    /// A share taken off another price, between two bounds (0–1).
    Discount {
        /// Smallest.
        low: f64,
        /// Largest.
        high: f64,
    },
}

/// How sure a price is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// The source states it.
    Stated,
    /// The source shows it as an example of what floats.
    Illustrative,
    /// Derived, not stated anywhere.
    Unconfirmed,
}

/// One row of the book.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Price {
    /// Its key.
    pub sku: String,
    /// `vCPU-h`, `GB-mo`, `h`…
    pub unit: String,
    /// The price.
    pub price: UnitPrice,
    /// Where it applies.
    pub region: String,
    /// Since when it is known to hold, as far as the source says: year, month or day.
    pub effective: Option<String>,
    /// When it was last seen to hold.
    pub retrieved: Option<Date>,
    /// Who says so.
    pub source: String,
    /// How sure.
    pub confidence: Confidence,
}

impl Price {
    /// True when nobody has seen it hold in the last 90 days, or nobody says when.
    pub fn is_stale(&self, today: Date) -> bool {
        let _ = today;
        unimplemented!()
    }
}

/// A price file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}, line {line}: {cause}")]
pub struct PriceError {
    /// Which file.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// Why, and what is expected.
    pub cause: String,
}

/// Prices by sku and region.
#[derive(Clone, Debug)]
pub struct PriceBook {}

impl PriceBook {
    /// The prices shipped with the console (us-east-1).
    pub fn shipped() -> &'static Self {
        unimplemented!()
    }
    /// Reads tab-separated rows under a header.
    pub fn parse(file: &str, text: &str) -> Result<Self, PriceError> {
        let _ = (file, text);
        unimplemented!()
    }
    /// The price of a sku in a region.
    pub fn get(&self, sku: &str, region: &str) -> Option<&Price> {
        let _ = (sku, region);
        unimplemented!()
    }
    /// All prices, in the file's order.
    pub fn iter(&self) -> impl Iterator<Item = &Price> {
        [].iter()
    }
}
