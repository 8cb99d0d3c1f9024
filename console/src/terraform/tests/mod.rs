//! Stories over the outputs that the stacks of `infra/stacks` really have: their plans' and
//! applies' JSON, cut to the output. `NAME.plan.json` is `terraform show -json PLAN` of the stack's
//! example, `NAME.output.json` and `NAME.state.json` were printed after an apply. `infra/test.sh`
//! holds them against the stacks, and `infra/test.sh fixtures` writes them anew.

mod by_hand;
mod pricing;
mod reading;

use super::{Stack, read::parse};
use serde_json::Value;

const EFS: &str = include_str!("fixtures/ecs-efs.plan.json");
const FARGATE: &str = include_str!("fixtures/ecs-fargate.plan.json");
const SPOT_ARM: &str = include_str!("fixtures/ecs-fargate-spot-arm.plan.json");
const BLUE_GREEN_PROD: &str = include_str!("fixtures/ecs-bluegreen-prod.plan.json");
const BLUE_GREEN_OUTPUT: &str = include_str!("fixtures/ecs-bluegreen-dev.output.json");
const BLUE_GREEN_STATE: &str = include_str!("fixtures/ecs-bluegreen-dev.state.json");
const EC2: &str = include_str!("fixtures/ec2.plan.json");
const EKS: &str = include_str!("fixtures/eks.plan.json");

fn stack(text: &str) -> Stack {
    parse("stack.json", text).unwrap().remove(0)
}

/// The applied stack's bare output, to change one thing in.
fn output() -> Value {
    let document: Value = serde_json::from_str(BLUE_GREEN_OUTPUT).unwrap();
    document["opsconsole"]["value"].clone()
}

/// What reading it says with one thing changed.
fn refusal(change: impl FnOnce(&mut Value)) -> String {
    let mut output = output();
    change(&mut output);
    parse("stack.json", &output.to_string())
        .unwrap_err()
        .to_string()
}
