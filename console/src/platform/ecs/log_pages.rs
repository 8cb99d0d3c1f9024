//! The service's logs, page by page from CloudWatch Logs.

use super::{EcsPlatform, operations::FILTER_LOG_EVENTS, task_definition::AwsLogs};
use crate::{
    model::{RawLogEvent, RevisionId},
    platform::{LogPages, Page, PageRequest, PlatformError},
};
use async_trait::async_trait;

/// FilterLogEvents takes at most so many streams, and gives at most so many events (API reference).
const STREAMS_MAX: usize = 100;
const EVENTS_MAX: u32 = 10_000;

/// Reads the log group that the running task definition writes to.
pub struct EcsLogs {
    platform: EcsPlatform,
}

impl EcsLogs {
    pub fn new(platform: EcsPlatform) -> Self {
        Self { platform }
    }
}

impl EcsPlatform {
    /// Where the service writes its logs: as configured, else as its task definition says.
    pub(super) async fn log_group(&self) -> Result<AwsLogs, PlatformError> {
        if let Some(group) = &self.config.log_group {
            return Ok(AwsLogs {
                group: group.clone(),
                region: None,
                stream_prefix: None,
            });
        }
        if let Some(known) = self.caches.log_group.get(&()) {
            return Ok(known);
        }
        let service = self.service().await?;
        let running = RevisionId::from(service.task_definition().unwrap_or_default());
        let definition = self.task_definition(&running).await?;
        let logs = definition
            .awslogs(self.config.container.as_deref())
            .ok_or_else(|| PlatformError::NotFound {
                what: format!("a CloudWatch log group in {}", running.short()),
                hint: Some(
                    "The container does not use the awslogs driver; name the group with \
                     `log_group` in the configuration"
                        .to_owned(),
                ),
            })?;
        self.caches.log_group.put((), logs.clone());
        Ok(logs)
    }
}

#[async_trait]
impl LogPages for EcsLogs {
    fn budget_key(&self) -> String {
        let platform = &self.platform;
        let account = platform.known_account().unwrap_or_else(|| {
            // Until the account is known, whoever logs in the same way is in the same account.
            [
                &platform.config.profile,
                &platform.config.role_arn,
                &platform.config.endpoint_url,
            ]
            .map(|part| part.clone().unwrap_or_default())
            .join("|")
        });
        format!("{account}/{}", platform.config.region)
    }

    async fn page(&self, request: &PageRequest) -> Result<Page, PlatformError> {
        if request.streams.len() > STREAMS_MAX {
            return Err(PlatformError::Invalid {
                operation: FILTER_LOG_EVENTS.iam_action.to_owned(),
                cause: format!(
                    "{} streams at once, CloudWatch takes {STREAMS_MAX}",
                    request.streams.len()
                ),
            });
        }
        let platform = &self.platform;
        let logs = platform.log_group().await?;
        let region = logs
            .region
            .clone()
            .unwrap_or_else(|| platform.config.region.clone());
        let streams = (!request.streams.is_empty()).then(|| request.streams.clone());
        let limit = request
            .limit
            .map(|limit| limit.clamp(1, EVENTS_MAX).cast_signed());
        let answer = platform
            .session
            .read(&FILTER_LOG_EVENTS, |clients| {
                clients
                    .logs
                    .filter_log_events()
                    .log_group_name(&logs.group)
                    .start_time(request.start_ms.max(0))
                    // Ours is exclusive, CloudWatch's is too ("events with a timestamp later than
                    // this time are not returned" holds for whole milliseconds).
                    .set_end_time(request.end_ms.map(|end| end - 1))
                    .set_filter_pattern(request.filter.clone())
                    .set_log_stream_names(streams.clone())
                    .set_limit(limit)
                    .set_next_token(request.token.clone())
                    .customize()
                    .config_override(
                        aws_sdk_cloudwatchlogs::config::Builder::new()
                            .region(aws_sdk_cloudwatchlogs::config::Region::new(region.clone())),
                    )
                    .send()
            })
            .await
            .map_err(|error| match error {
                PlatformError::NotFound { .. } => PlatformError::NotFound {
                    what: format!("the log group {} in {region}", logs.group),
                    hint: Some(
                        "Nothing was logged yet, or `log_group` in the configuration is wrong"
                            .to_owned(),
                    ),
                },
                error => error,
            })?;
        Ok(Page {
            token: answer.next_token,
            events: answer
                .events
                .unwrap_or_default()
                .into_iter()
                .map(event)
                .collect(),
        })
    }
}

fn event(event: aws_sdk_cloudwatchlogs::types::FilteredLogEvent) -> RawLogEvent {
    let timestamp_ms = event.timestamp.unwrap_or_default();
    RawLogEvent {
        id: event.event_id.unwrap_or_default(),
        stream: event.log_stream_name.unwrap_or_default(),
        timestamp_ms,
        ingested_ms: event.ingestion_time.unwrap_or(timestamp_ms),
        message: event.message.unwrap_or_default(),
    }
}
