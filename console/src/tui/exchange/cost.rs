//! The bill, asked for by the Cost screen.

use crate::{
    config::EnvironmentConfig,
    model::{BillLine, BillOfResources, EnvironmentName, Schedule},
    platform::{Connections, PlatformError},
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

/// Runs a request.
pub async fn answer(request: CostRequest, connections: &Connections) -> (Generation, CostReply) {
    let CostRequest::Bill(generation, name) = request;
    let bill = async {
        let environment = connections.connect(&name).await?;
        let bill = environment.platform.bill().await?;
        Ok(with_configured(bill, &environment.config))
    };
    (generation, CostReply::Bill(bill.await))
}

/// The bill with what the configuration adds: things that no platform call reports.
fn with_configured(mut bill: BillOfResources, config: &EnvironmentConfig) -> BillOfResources {
    bill.lines
        .extend(config.extra_bill.iter().map(|line| BillLine {
            what: line.what.clone(),
            sku: line.sku.clone(),
            quantity: line.quantity,
            schedule: Schedule::Always,
            basis: "configured".to_owned(),
        }));
    bill
}
