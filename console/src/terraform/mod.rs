//! What Terraform knows of environments: reading a stack's `opsconsole` output, what it means in
//! the configuration, and what its bill comes to.
//!
//! The output's shape is a contract with a version (`docs/reference/terraform-contract.md`):
//! [`read_all`] takes any 1.x and refuses what is not whole, [`map()`] turns one into an
//! environment, [`price`] prices its bill and [`what_if`] asks what another choice would cost.

mod contract;
mod document;
mod environment;
mod error;
mod price;
mod read;
#[cfg(test)]
mod tests;
mod what_if;

pub use contract::{Bill, BillLine, Contract, Deployment, PlatformName, ReportedBy, Target};
pub use environment::{Mapped, guard_warning, map};
pub use error::TerraformError;
pub use price::{Overlap, PricedLine, StackCost, price};
pub use read::{Stack, read_all};
pub use what_if::{WhatIf, WhatIfCost, what_if};
