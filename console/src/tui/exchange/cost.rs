//! The bill, asked for by the Cost screen.

use crate::{
    model::{BillOfResources, EnvironmentName},
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
        environment.platform.bill().await
    };
    (generation, CostReply::Bill(bill.await))
}
