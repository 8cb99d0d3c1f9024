//! The measured parts of a bill: log volume, load balancer use.

use super::{
    EcsPlatform,
    balancer::Balancers,
    operations::{DESCRIBE_LOG_GROUPS, FILTER_LOG_EVENTS},
    service,
};
use crate::{
    model::Window,
    platform::{LogPages, PageRequest, PlatformError},
};
use aws_sdk_ecs::types::Service;
use jiff::{SignedDuration, Timestamp};

/// CloudWatch Logs bills so much on top of each event (API reference, PutLogEvents).
const BYTES_PER_EVENT: usize = 26;
/// One load balancer capacity unit carries so many new connections a second (ELB pricing).
const CONNECTIONS_PER_LCU: f64 = 25.0;
/// Measured over so long, where CloudWatch has the figures.
const MEASURED_OVER: SignedDuration = SignedDuration::from_hours(24);
/// A sample of the tasks' own output, where it has not.
const SAMPLE: SignedDuration = SignedDuration::from_mins(5);
const SAMPLE_PAGES_MAX: usize = 3;

/// The measured parts of a bill.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rates {
    /// Log bytes a second, and how that is known.
    pub log_bytes_per_second: Option<(f64, String)>,
    /// Bytes of the log group that are kept.
    pub log_bytes_stored: Option<f64>,
    /// Load balancer capacity units in use, and how that is known.
    pub lcus: Option<(f64, String)>,
    /// Alarms of the service.
    pub alarms: usize,
}

impl EcsPlatform {
    /// Measures what the bill cannot know from the definitions.
    pub(super) async fn rates(
        &self,
        service: &Service,
        balancers: &Balancers,
    ) -> Result<Rates, PlatformError> {
        let guards = service::guarding_alarms(service);
        let (alarms, logged, stored, lcus) = futures::try_join!(
            super::observe::tolerate("alarms", self.alarms(&guards)),
            super::observe::tolerate("log volume", self.log_rate()),
            super::observe::tolerate("stored logs", self.log_bytes_stored()),
            super::observe::tolerate("load balancer use", self.lcus(balancers)),
        )?;
        Ok(Rates {
            log_bytes_per_second: logged,
            log_bytes_stored: stored,
            lcus,
            alarms: alarms.len(),
        })
    }

    /// `IncomingBytes` where CloudWatch has it, else a sample of what the tasks wrote lately.
    async fn log_rate(&self) -> Result<Option<(f64, String)>, PlatformError> {
        let group = self.log_group().await?.group;
        let end = Timestamp::now();
        let day = Window {
            start: end - MEASURED_OVER,
            end,
        };
        let dimensions = [("LogGroupName", group.as_str())];
        let counted = self
            .sum("AWS/Logs", "IncomingBytes", &dimensions, day)
            .await?;
        if let Some(bytes) = counted {
            let seconds = MEASURED_OVER.as_secs_f64();
            return Ok(Some((
                bytes / seconds,
                "IncomingBytes over 24 h".to_owned(),
            )));
        }
        self.log_sample(end).await
    }

    async fn log_sample(&self, end: Timestamp) -> Result<Option<(f64, String)>, PlatformError> {
        let start = end - SAMPLE;
        let logs = super::log_pages::EcsLogs::new(self.clone());
        let mut request = PageRequest {
            start_ms: start.as_millisecond(),
            end_ms: Some(end.as_millisecond()),
            ..PageRequest::default()
        };
        let mut bytes = 0;
        let mut newest_ms = request.start_ms;
        for _ in 0..SAMPLE_PAGES_MAX {
            let page = logs.page(&request).await?;
            for event in &page.events {
                bytes += event.message.len() + BYTES_PER_EVENT;
                newest_ms = newest_ms.max(event.timestamp_ms);
            }
            request.token = page.token;
            if request.token.is_none() {
                newest_ms = end.as_millisecond();
                break;
            }
        }
        let covered_ms = newest_ms - start.as_millisecond();
        if covered_ms <= 0 {
            return Ok(None);
        }
        let seconds = SignedDuration::from_millis(covered_ms).as_secs_f64();
        Ok(Some((
            bytes as f64 / seconds,
            format!("{} over the last {seconds:.0} s", FILTER_LOG_EVENTS.name),
        )))
    }

    pub(super) async fn log_bytes_stored(&self) -> Result<Option<f64>, PlatformError> {
        let group = self.log_group().await?.group;
        let answer = self
            .session
            .read(&DESCRIBE_LOG_GROUPS, |clients| {
                clients
                    .logs
                    .describe_log_groups()
                    .log_group_name_prefix(&group)
                    .send()
            })
            .await?;
        Ok(answer
            .log_groups()
            .iter()
            .find(|found| found.log_group_name() == Some(group.as_str()))
            .and_then(|found| found.stored_bytes())
            .map(|bytes| bytes as f64))
    }

    /// `ConsumedLCUs` where CloudWatch has it, else an estimate from the requests.
    async fn lcus(&self, balancers: &Balancers) -> Result<Option<(f64, String)>, PlatformError> {
        let Some(balancer) = balancers.balancers.first() else {
            return Ok(None);
        };
        let end = Timestamp::now();
        let day = Window {
            start: end - MEASURED_OVER,
            end,
        };
        let dimensions = [("LoadBalancer", balancer.dimension.as_str())];
        let namespace = "AWS/ApplicationELB";
        let consumed = self
            .sum(namespace, "ConsumedLCUs", &dimensions, day)
            .await?;
        if let Some(consumed) = consumed {
            // Summed, it is LCU-hours of the window.
            return Ok(Some((
                consumed / 24.0 / balancer.target_groups as f64,
                "ConsumedLCUs over 24 h".to_owned(),
            )));
        }
        let hour = Window {
            start: end - SignedDuration::from_hours(1),
            end,
        };
        let mut requests = None;
        for route in &balancers.routes {
            let dimensions = [
                ("LoadBalancer", route.load_balancer.as_str()),
                ("TargetGroup", route.target_group.as_str()),
            ];
            let sum = self
                .sum(namespace, "RequestCount", &dimensions, hour)
                .await?;
            requests = match (requests, sum) {
                (None, sum) => sum,
                (Some(all), sum) => Some(all + sum.unwrap_or(0.0)),
            };
        }
        Ok(requests.map(|requests: f64| {
            let per_second = requests / 3600.0;
            (
                per_second / CONNECTIONS_PER_LCU,
                format!("estimated from {per_second:.1} requests/s, a connection each"),
            )
        }))
    }
}
