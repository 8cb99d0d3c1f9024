//! The looks at one environment, again and again: its own pace, its own failures.

use super::message::{Message, News};
use crate::{
    context::Context,
    cost::{PriceBook, estimate},
    model::{EnvironmentName, Metrics, Observation, RolloutRecord, Window},
    operate::{Assessed, assess},
    platform::{Environment, PlatformError},
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use std::{future::Future, sync::Arc, time::Duration};
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, timeout},
};

/// A call that takes longer is as good as no answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// While something rolls out, looks come this often.
const ROLLING_EVERY: Duration = Duration::from_secs(2);

/// After failures looks become rarer, but never rarer than this: a new login is noticed soon.
const FAILING_EVERY_MAX: Duration = Duration::from_secs(30);

/// CloudWatch's GetMetricData is billed by the metric: away from the local cloud it is asked less often.
const METRICS_EVERY: Duration = Duration::from_secs(30);
const METRICS_EVERY_LOCAL: Duration = Duration::from_secs(5);

/// Rollouts are asked for after every change, and this often besides.
const ROLLOUTS_EVERY: Duration = Duration::from_secs(300);

/// The bill changes with the service; this often it is asked for anyway.
const BILL_EVERY: Duration = Duration::from_secs(3_600);

/// The series on the screen.
const SERIES: SignedDuration = SignedDuration::from_hours(1);

/// One environment's poller.
pub struct Poller {
    /// Store, connections, executor.
    pub context: Context,
    /// Which environment.
    pub name: EnvironmentName,
    /// Look now.
    pub wake: Arc<Notify>,
    /// To the screens.
    pub send: mpsc::Sender<Message>,
    /// For the clock times in the sentence.
    pub zone: TimeZone,
}

/// What the poller holds of its environment between two looks.
#[derive(Default)]
struct Known {
    observation: Option<Observation>,
    metrics: Option<Metrics>,
    rollouts: Vec<RolloutRecord>,
    metrics_at: Option<Instant>,
    rollouts_at: Option<Instant>,
    bill_at: Option<Instant>,
}

/// The screens are gone: nothing is left to do.
struct Gone;

impl Poller {
    /// Looks until the screens are gone.
    pub async fn run(self) {
        let refresh = self
            .context
            .connections
            .config(&self.name)
            .map_or(5, |config| config.refresh_s);
        let refresh = Duration::from_secs(refresh);
        let mut known = Known::default();
        let mut failures = 0_u32;
        let mut connected: Option<Environment> = None;
        loop {
            let looked = match self.connection(&mut connected, failures).await {
                Ok(environment) => self.look(&environment, &mut known).await,
                Err(error) => self
                    .say(News::Observed(Err(error.clone())))
                    .await
                    .map(|()| Err(error)),
            };
            let pause = match looked {
                Err(Gone) => return,
                Ok(Ok(())) => {
                    failures = 0;
                    let rolling = known
                        .observation
                        .as_ref()
                        .is_some_and(|seen| seen.service.rollout.is_some());
                    if rolling {
                        ROLLING_EVERY.min(refresh)
                    } else {
                        refresh
                    }
                }
                Ok(Err(error)) => {
                    failures += 1;
                    let doubled = refresh
                        .saturating_mul(1 << failures.min(4))
                        .min(FAILING_EVERY_MAX.max(refresh));
                    match error {
                        PlatformError::Throttled { retry_after, .. } => doubled.max(retry_after),
                        _ => doubled,
                    }
                }
            };
            tokio::select! {
                () = tokio::time::sleep(jittered(pause)) => {}
                () = self.wake.notified() => {}
            }
        }
    }

    /// The connection; made anew after a failure, so that a new login or a local cloud that came
    /// back somewhere else is found.
    async fn connection(
        &self,
        connected: &mut Option<Environment>,
        failures: u32,
    ) -> Result<Environment, PlatformError> {
        if let Some(environment) = connected.as_ref().filter(|_| failures == 0) {
            return Ok(environment.clone());
        }
        let connections = &self.context.connections;
        let environment = if failures == 0 {
            within("connecting", connections.connect(&self.name)).await?
        } else {
            within("connecting", connections.reconnect(&self.name)).await?
        };
        let _ = self
            .say(News::Connected(environment.platform.capabilities().clone()))
            .await;
        let caller = within("GetCallerIdentity", environment.platform.caller()).await;
        let _ = self.say(News::Caller(caller)).await;
        *connected = Some(environment.clone());
        Ok(environment)
    }

    async fn look(
        &self,
        environment: &Environment,
        known: &mut Known,
    ) -> Result<Result<(), PlatformError>, Gone> {
        let platform = &environment.platform;
        let observation = match within("looking at the service", platform.observe()).await {
            Ok(observation) => observation,
            Err(error) => {
                self.say(News::Observed(Err(error.clone()))).await?;
                return Ok(Err(error));
            }
        };
        let changed = known
            .observation
            .as_ref()
            .is_none_or(|before| is_change(before, &observation));
        known.observation = Some(observation.clone());
        self.say(News::Observed(Ok(observation.clone()))).await?;

        let local = platform.capabilities().local;
        let metrics_every = if local {
            METRICS_EVERY_LOCAL
        } else {
            METRICS_EVERY
        };
        let now = Timestamp::now();
        let metrics = async {
            if !is_due(known.metrics_at, metrics_every) {
                return None;
            }
            Some(
                within(
                    "reading metrics",
                    platform.metrics(Window {
                        start: now - SERIES,
                        end: now,
                    }),
                )
                .await,
            )
        };
        let rollouts = async {
            if !changed && !is_due(known.rollouts_at, ROLLOUTS_EVERY) {
                return None;
            }
            Some(within("listing rollouts", platform.rollouts()).await)
        };
        let bill = async {
            if !changed && !is_due(known.bill_at, BILL_EVERY) {
                return None;
            }
            Some(within("reading the bill of resources", platform.bill()).await)
        };
        let (metrics, rollouts, bill) = tokio::join!(metrics, rollouts, bill);

        if let Some(metrics) = metrics {
            known.metrics_at = Some(Instant::now());
            if let Ok(metrics) = &metrics {
                known.metrics = Some(metrics.clone());
            }
            self.say(News::Measured(metrics)).await?;
        }
        if let Some(rollouts) = rollouts {
            // A failed list is asked for again with the next look.
            known.rollouts_at = rollouts.is_ok().then(Instant::now);
            if let Ok(rollouts) = &rollouts {
                known.rollouts.clone_from(rollouts);
            }
            self.say(News::Rollouts(rollouts)).await?;
        }
        if let Some(bill) = bill {
            known.bill_at = bill.is_ok().then(Instant::now);
            let monthly = bill.map(|bill| estimate(&bill, PriceBook::shipped()).total);
            self.say(News::Priced(monthly)).await?;
        }
        self.judge(&observation, known, now).await?;
        Ok(Ok(()))
    }

    async fn judge(
        &self,
        observation: &Observation,
        known: &Known,
        now: Timestamp,
    ) -> Result<(), Gone> {
        let none = Metrics::default();
        let judgements = self
            .context
            .store
            .judgements(&self.name)
            .await
            .unwrap_or_default();
        let assessment = assess(Assessed {
            observation,
            metrics: known.metrics.as_ref().unwrap_or(&none),
            rollouts: &known.rollouts,
            judgements: &judgements,
            now,
            zone: &self.zone,
        });
        self.say(News::Assessed(assessment)).await?;
        self.context
            .operator
            .remember(
                &self.name,
                observation,
                known.metrics.as_ref(),
                Some(&known.rollouts),
                now,
            )
            .await;
        Ok(())
    }

    async fn say(&self, news: News) -> Result<(), Gone> {
        let message = Message::World(self.name.clone(), Box::new(news));
        self.send.send(message).await.map_err(|_| Gone)
    }
}

fn is_due(last: Option<Instant>, every: Duration) -> bool {
    last.is_none_or(|at| at.elapsed() >= every)
}

/// Whether the list of rollouts and the bill may be other than before.
fn is_change(before: &Observation, after: &Observation) -> bool {
    let of = |seen: &Observation| {
        let service = &seen.service;
        (
            service
                .deployed
                .as_ref()
                .map(|deployed| deployed.revision.clone()),
            service
                .rollout
                .as_ref()
                .map(|rollout| rollout.record.id.clone()),
            service.desired,
        )
    };
    of(before) != of(after)
}

/// A tenth more or less, so that a hundred environments do not ask at the same moment.
fn jittered(pause: Duration) -> Duration {
    let chance = f64::from(uuid::Uuid::new_v4().as_bytes()[0]) / 255.0;
    pause.mul_f64(0.9 + 0.2 * chance)
}

async fn within<T>(
    what: &str,
    call: impl Future<Output = Result<T, PlatformError>>,
) -> Result<T, PlatformError> {
    timeout(ANSWER_WITHIN, call).await.unwrap_or_else(|_| {
        Err(PlatformError::Unreachable {
            endpoint: format!("the platform ({what})"),
            cause: format!("no answer within {} s", ANSWER_WITHIN.as_secs()),
        })
    })
}
