//! The bill, asked for by the Cost screen.

use crate::{
    model::{BillOfResources, EnvironmentName},
    platform::PlatformError,
    tui::message::Generation,
};

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CostRequest {
    /// What an environment runs that costs money.
    Bill(Generation, EnvironmentName),
}

/// What comes back.
#[derive(Debug)]
pub enum CostReply {
    /// For [`CostRequest::Bill`].
    Bill(Result<BillOfResources, PlatformError>),
}
