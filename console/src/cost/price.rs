//! The price book: list prices, each with its date and source.

use crate::model::Usd;
use jiff::{ToSpan, civil::Date};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, fmt, str::FromStr, sync::LazyLock};

/// A price that nobody has seen hold for longer than this gets a badge. In days.
pub const STALE_DAYS: i64 = 90;

const HEADER: &str = "sku\tunit\tusd\tregion\teffective\tretrieved\tsource\tconfidence";

/// What a price is for one of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Unit {
    /// For every hour of so many things at once: `vCPU-h`, `h`, `h/AZ`.
    Hour {
        /// The thing; empty when it is the resource itself.
        of: String,
    },
    /// For a month of so many things: `GB-mo`, `mo`.
    Month {
        /// The thing; empty when it is the resource itself.
        of: String,
    },
    /// For every use, however long the month is: `GB`, `10k`, `request`.
    Use {
        /// The thing.
        of: String,
    },
    /// No price but a share off another one.
    Discount,
}

impl FromStr for Unit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let of = str::to_owned;
        Ok(match text {
            "h" => Self::Hour { of: String::new() },
            "h/AZ" => Self::Hour { of: of("AZ") },
            "mo" => Self::Month { of: String::new() },
            "discount" => Self::Discount,
            "GB" | "GB each way" | "10k" | "1M" | "request" => Self::Use { of: of(text) },
            _ => match text.rsplit_once('-') {
                Some((thing, "h")) if !thing.is_empty() => Self::Hour { of: of(thing) },
                Some((thing, "mo")) if !thing.is_empty() => Self::Month { of: of(thing) },
                _ => {
                    return Err(format!(
                        "{text:?} is not a unit; expected h, …-h, h/AZ, mo, …-mo, GB, GB each way, \
                         10k, 1M, request or discount"
                    ));
                }
            },
        })
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hour { of } if of.is_empty() => f.pad("h"),
            Self::Hour { of } if of == "AZ" => f.pad("h/AZ"),
            Self::Hour { of } => f.pad(&format!("{of}-h")),
            Self::Month { of } if of.is_empty() => f.pad("mo"),
            Self::Month { of } => f.pad(&format!("{of}-mo")),
            Self::Use { of } => f.pad(of),
            Self::Discount => f.pad("discount"),
        }
    }
}

impl TryFrom<String> for Unit {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Unit> for String {
    fn from(unit: Unit) -> Self {
        unit.to_string()
    }
}

/// A date as exact as its source: `2026`, `2026-06` or `2026-06-02`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PriceDate {
    first_day: Date,
    /// How many of year, month, day the source names.
    parts: u8,
}

impl PriceDate {
    /// The first day it can mean.
    pub fn first_day(self) -> Date {
        self.first_day
    }
}

impl FromStr for PriceDate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a date; expected 2026, 2026-06 or 2026-06-02");
        let (whole, parts) = match text.len() {
            4 => (format!("{text}-01-01"), 1),
            7 => (format!("{text}-01"), 2),
            10 => (text.to_owned(), 3),
            _ => return Err(wrong()),
        };
        let first_day = whole.parse().map_err(|_| wrong())?;
        Ok(Self { first_day, parts })
    }
}

impl fmt::Display for PriceDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = [4, 7, 10][usize::from(self.parts.clamp(1, 3)) - 1];
        f.pad(&self.first_day.to_string()[..length])
    }
}

impl TryFrom<String> for PriceDate {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<PriceDate> for String {
    fn from(date: PriceDate) -> Self {
        date.to_string()
    }
}

/// A price, or a range where the market moves it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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

impl FromStr for Confidence {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "stated" => Ok(Self::Stated),
            "illustrative" => Ok(Self::Illustrative),
            "unconfirmed" => Ok(Self::Unconfirmed),
            other => Err(format!(
                "{other:?} is not a confidence; expected stated, illustrative or unconfirmed"
            )),
        }
    }
}

/// One row of the book.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Price {
    /// Its key.
    pub sku: String,
    /// What it is for one of.
    pub unit: Unit,
    /// The price.
    pub price: UnitPrice,
    /// Where it applies.
    pub region: String,
    /// The earliest date at which a source states it.
    pub effective: Option<PriceDate>,
    /// The latest date at which a source states it.
    pub retrieved: Option<PriceDate>,
    /// Who says so.
    pub source: String,
    /// How sure.
    pub confidence: Confidence,
}

impl Price {
    /// True when nobody has seen it hold in the last 90 days, or nobody says when.
    pub fn is_stale(&self, today: Date) -> bool {
        self.retrieved.is_none_or(|seen| {
            let until = seen.first_day().checked_add(STALE_DAYS.days());
            until.is_ok_and(|until| today > until)
        })
    }

    /// Its date and what is to be known of it, for one column: `2026-06`, `undated`,
    /// `unconfirmed`, `2026-06, stale`.
    pub fn dated(&self, today: Date) -> String {
        let mut words = Vec::new();
        if self.confidence == Confidence::Unconfirmed {
            words.push("unconfirmed".to_owned());
        }
        match self.retrieved {
            Some(date) => words.push(date.to_string()),
            None => words.push("undated".to_owned()),
        }
        if self.retrieved.is_some() && self.is_stale(today) {
            words.push("stale".to_owned());
        }
        words.join(", ")
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
#[derive(Clone, Debug, Default)]
pub struct PriceBook {
    prices: Vec<Price>,
    by_key: HashMap<(String, String), usize>,
}

static SHIPPED: LazyLock<PriceBook> = LazyLock::new(|| {
    // The file is part of the program and a test reads it; a book without prices still says
    // "no price" everywhere instead of something wrong.
    PriceBook::parse("prices/us-east-1.tsv", include_str!("prices/us-east-1.tsv"))
        .unwrap_or_default()
});

impl PriceBook {
    /// The prices shipped with the console (us-east-1).
    pub fn shipped() -> &'static Self {
        &SHIPPED
    }

    /// Reads tab-separated rows under a header; lines that begin with `#` are remarks.
    pub fn parse(file: &str, text: &str) -> Result<Self, PriceError> {
        let mut book = Self::default();
        let mut has_header = false;
        for (index, row) in text.lines().enumerate() {
            let wrong = |cause: String| PriceError {
                file: file.to_owned(),
                line: index + 1,
                cause,
            };
            if row.trim().is_empty() || row.starts_with('#') {
                continue;
            }
            if !has_header {
                if row != HEADER {
                    let columns = HEADER.replace('\t', ", ");
                    return Err(wrong(format!(
                        "expected the header {columns}, apart by tabs"
                    )));
                }
                has_header = true;
                continue;
            }
            let price = parse_row(row).map_err(&wrong)?;
            let key = (price.sku.clone(), price.region.clone());
            if let Some(first) = book.by_key.insert(key, book.prices.len()) {
                let sku = &book.prices[first].sku;
                return Err(wrong(format!(
                    "{sku} has a price in {} already",
                    price.region
                )));
            }
            book.prices.push(price);
        }
        if !has_header {
            let line = text.lines().count().max(1);
            let cause = "there is no header; is the file empty?".to_owned();
            return Err(PriceError {
                file: file.to_owned(),
                line,
                cause,
            });
        }
        Ok(book)
    }

    /// The price of a sku in a region.
    pub fn get(&self, sku: &str, region: &str) -> Option<&Price> {
        let key = (sku.to_owned(), region.to_owned());
        self.by_key.get(&key).map(|index| &self.prices[*index])
    }

    /// Whether any price is known there.
    pub fn covers(&self, region: &str) -> bool {
        self.prices.iter().any(|price| price.region == region)
    }

    /// All prices, in the file's order.
    pub fn iter(&self) -> impl Iterator<Item = &Price> {
        self.prices.iter()
    }
}

fn parse_row(row: &str) -> Result<Price, String> {
    let cells: Vec<&str> = row.split('\t').map(str::trim).collect();
    let [
        sku,
        unit,
        usd,
        region,
        effective,
        retrieved,
        source,
        confidence,
    ] = cells[..]
    else {
        return Err(format!(
            "expected 8 columns apart by tabs, found {}",
            cells.len()
        ));
    };
    for (name, cell) in [("sku", sku), ("region", region), ("source", source)] {
        if cell.is_empty() {
            return Err(format!("the column {name} is empty"));
        }
    }
    let unit: Unit = unit.parse()?;
    let price = if unit == Unit::Discount {
        let (low, high) = usd.split_once(['-', '–']).ok_or_else(|| {
            format!("{usd:?} is not a discount; expected low-high, such as 0.50-0.70")
        })?;
        let (low, high) = (number(low)?, number(high)?);
        if low > high || high > 1.0 {
            return Err(format!(
                "{usd:?} is not a discount; expected 0 ≤ low ≤ high ≤ 1"
            ));
        }
        UnitPrice::Discount { low, high }
    } else {
        UnitPrice::Fixed(Usd(number(usd)?))
    };
    let date = |cell: &str| (!cell.is_empty()).then(|| cell.parse()).transpose();
    Ok(Price {
        sku: sku.to_owned(),
        unit,
        price,
        region: region.to_owned(),
        effective: date(effective)?,
        retrieved: date(retrieved)?,
        source: source.to_owned(),
        confidence: confidence.parse()?,
    })
}

fn number(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
        _ => Err(format!(
            "{text:?} is not a price; expected US dollars such as 0.04048"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn book(row: &str) -> Result<PriceBook, PriceError> {
        PriceBook::parse("prices.tsv", &format!("# remark\n{HEADER}\n{row}\n"))
    }

    #[test]
    fn the_shipped_prices_are_read_whole() {
        let text = include_str!("prices/us-east-1.tsv");
        let book = PriceBook::parse("prices/us-east-1.tsv", text).unwrap();
        let rows = text.lines().filter(|line| !line.starts_with('#')).count() - 1;
        assert_eq!(book.iter().count(), rows);
        assert_eq!(PriceBook::shipped().iter().count(), rows);
        let vcpu = book.get("fargate.linux.x86.vcpu", "us-east-1").unwrap();
        assert_eq!(vcpu.price, UnitPrice::Fixed(Usd(0.04048)));
        assert_eq!(vcpu.retrieved.unwrap().to_string(), "2026-06");
        let memory = book.get("fargate.linux.x86.gb", "us-east-1").unwrap();
        assert_eq!(
            (&memory.source, memory.retrieved),
            (&vcpu.source, vcpu.retrieved)
        );
        assert!(book.get("fargate.linux.x86.vcpu", "eu-west-1").is_none());
        assert!(!book.covers("eu-west-1"));
    }

    #[test]
    fn a_wrong_row_is_named_with_its_line_and_what_is_expected() {
        for (row, cause) in [
            ("a\th\t0.1\tr", "expected 8 columns apart by tabs, found 4"),
            (
                "a\tper day\t0.1\tr\t\t\ts\tstated",
                "\"per day\" is not a unit; expected h",
            ),
            ("a\th\tmuch\tr\t\t\ts\tstated", "\"much\" is not a price"),
            ("a\th\t-1\tr\t\t\ts\tstated", "\"-1\" is not a price"),
            ("a\th\tNaN\tr\t\t\ts\tstated", "\"NaN\" is not a price"),
            ("a\th\t0.1\tr\tJune\t\ts\tstated", "\"June\" is not a date"),
            ("a\th\t0.1\tr\t\t\ts\tsure", "\"sure\" is not a confidence"),
            (
                "a\tdiscount\t0.7-0.5\tr\t\t\ts\tstated",
                "expected 0 ≤ low ≤ high ≤ 1",
            ),
            ("a\th\t0.1\tr\t\t\t\tstated", "the column source is empty"),
        ] {
            let error = book(row).unwrap_err();
            assert_eq!(error.line, 3, "{row}");
            assert!(
                error.to_string().starts_with("prices.tsv, line 3: "),
                "{error}"
            );
            assert!(error.cause.contains(cause), "{error}");
        }
        let twice = "a\th\t0.1\tr\t\t\ts\tstated\na\th\t0.2\tr\t\t\ts\tstated";
        assert_eq!(book(twice).unwrap_err().line, 4);
        assert!(
            PriceBook::parse("x", "")
                .unwrap_err()
                .cause
                .contains("no header")
        );
        assert_eq!(PriceBook::parse("x", "sku,usd").unwrap_err().line, 1);
    }

    #[test]
    fn a_price_is_stale_after_ninety_days_or_without_a_date() {
        let book = book("a\th\t0.1\tr\t\t2026-06-02\ts\tstated\nb\th\t0.1\tr\t\t\ts\tunconfirmed")
            .unwrap();
        let (dated, undated) = (book.get("a", "r").unwrap(), book.get("b", "r").unwrap());
        assert!(!dated.is_stale(date(2026, 8, 31)));
        assert!(dated.is_stale(date(2026, 9, 1)));
        assert_eq!(dated.dated(date(2026, 9, 1)), "2026-06-02, stale");
        assert!(undated.is_stale(date(2026, 1, 1)));
        assert_eq!(undated.dated(date(2026, 1, 1)), "unconfirmed, undated");
    }

    #[test]
    fn units_and_dates_are_written_as_they_were_read() {
        for price in PriceBook::shipped().iter() {
            assert_eq!(price.unit.to_string().parse(), Ok(price.unit.clone()));
        }
        for text in ["2026", "2026-06", "2026-06-02"] {
            assert_eq!(text.parse::<PriceDate>().unwrap().to_string(), text);
        }
    }
}
