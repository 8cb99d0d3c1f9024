//! One environment as `envs` and `status` tell it: what the screen's row shows, as data.

use crate::{
    context::Context,
    cost::{PriceBook, estimate},
    model::{Amount, Assessment, EnvironmentName, Metrics, Observation, RolloutRecord, Window},
    operate::{Assessed, assess},
    platform::PlatformError,
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde::Serialize;

/// How far back the assessment looks.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(1);

/// Everything known of one environment now.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Its name.
    pub environment: EnvironmentName,
    /// `ecs`, `ecs local`.
    pub platform: String,
    /// What the platform shows.
    pub observation: Observation,
    /// What is measured.
    pub metrics: Metrics,
    /// Its rollouts, newest first.
    pub rollouts: Vec<RolloutRecord>,
    /// The judgement.
    pub assessment: Assessment,
    /// A month's estimate; `None` when the bill could not be read.
    pub cost_per_month: Option<Amount>,
}

/// Looks at one environment: all calls at once.
pub async fn report(context: &Context, name: &EnvironmentName) -> Result<Report, PlatformError> {
    let environment = context.connections.connect(name).await?;
    let platform = &environment.platform;
    let now = Timestamp::now();
    let window = Window {
        start: now - LOOK_BACK,
        end: now,
    };
    let (observation, metrics, rollouts, bill) = tokio::join!(
        platform.observe(),
        platform.metrics(window),
        platform.rollouts(),
        platform.bill()
    );
    let observation = observation?;
    // The service is what was asked for; the rest may be denied or throttled without hiding it.
    let metrics = metrics.unwrap_or_default();
    let mut rollouts = rollouts.unwrap_or_default();
    // Without our records the platform's word on who did it stands.
    let _ = context.operator.credit(name, &mut rollouts).await;
    context
        .operator
        .remember(name, &observation, Some(&metrics), Some(&rollouts), now)
        .await;
    let judgements = context.store.judgements(name).await.unwrap_or_default();
    let zone = if context.config.local_time {
        TimeZone::system()
    } else {
        TimeZone::UTC
    };
    let assessment = assess(Assessed {
        observation: &observation,
        metrics: &metrics,
        rollouts: &rollouts,
        judgements: &judgements,
        now,
        zone: &zone,
    });
    Ok(Report {
        environment: name.clone(),
        platform: platform.capabilities().label.clone(),
        observation,
        metrics,
        rollouts,
        assessment,
        cost_per_month: bill
            .ok()
            .map(|bill| estimate(&bill, PriceBook::shipped()).total),
    })
}
