//! US dollars, and amounts of which a part may have no known price.

use serde::{Deserialize, Serialize};
use std::{fmt, iter::Sum, ops::Add, ops::Mul, ops::Neg, ops::Sub};

/// US dollars. Held as a float of dollars: list prices have up to nine decimals, and sums here
/// are estimates that are rounded to cents only when shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Usd(pub f64);

impl Add for Usd {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Usd {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Neg for Usd {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl Mul<f64> for Usd {
    type Output = Self;
    fn mul(self, factor: f64) -> Self {
        Self(self.0 * factor)
    }
}

impl Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self(0.0), Add::add)
    }
}

impl fmt::Display for Usd {
    /// Cents, with a sign before the dollar sign: `$12.34`, `-$0.50`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cents = (self.0 * 100.0).round() / 100.0;
        let text = if cents < 0.0 {
            format!("-${:.2}", -cents)
        } else {
            format!("${:.2}", cents.abs())
        };
        f.pad(&text)
    }
}

/// A sum, and whether something in it had no price: then it is a lower bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Amount {
    /// What is known.
    pub usd: Usd,
    /// True when a line without a price was left out: show `≥`.
    pub at_least: bool,
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.at_least { "≥" } else { "" };
        f.pad(&format!("{sign}{}", self.usd))
    }
}
