//! Logs of all containers of the Deployment's pods, read page by page like any other source.
//!
//! Every line gets an id that is the same whenever it is read again: pod uid, container, run of
//! the container, timestamp and its number among lines of that timestamp. So the poller above may
//! read an overlap and neither loses nor doubles a line. `sinceTime` has a resolution of a second
//! and kube rounds to the nearest (kubernetes#92389), so it is floored here and what is too old is
//! skipped. The run of a container before its restart is read too, for as long as it is kept.

use super::{KubernetesPlatform, pods, session::op};
use crate::{
    model::RawLogEvent,
    platform::{LogPages, Page, PageRequest, PlatformError},
};
use async_trait::async_trait;
use futures::{AsyncReadExt, StreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::LogParams};

/// Containers read at once; the API server shares its connections among all its clients.
const AT_ONCE: usize = 16;
/// What one container may give in one page, in bytes.
const BYTES_MAX: usize = 16 * 1024 * 1024;
/// A longer line is cut, and says so.
const LINE_BYTES_MAX: usize = 256 * 1024;
/// Lines in one page when nobody says how many.
const LINES_MAX: usize = 10_000;

/// The logs of one Deployment.
pub struct PodLogs {
    platform: KubernetesPlatform,
}

/// One run of one container.
#[derive(Clone, Debug)]
struct Source {
    pod: String,
    uid: String,
    container: String,
    run: i32,
    previous: bool,
}

impl PodLogs {
    /// The logs of that platform's Deployment.
    pub fn new(platform: KubernetesPlatform) -> Self {
        Self { platform }
    }

    async fn read(
        &self,
        api: &Api<Pod>,
        source: Source,
        start_ms: i64,
    ) -> Result<Vec<RawLogEvent>, PlatformError> {
        let start_s = start_ms.div_euclid(1000);
        let params = LogParams {
            container: Some(source.container.clone()),
            previous: source.previous,
            since_time: (start_s > 0)
                .then(|| Timestamp::from_second(start_s).ok())
                .flatten(),
            timestamps: true,
            ..LogParams::default()
        };
        let stream = match api.log_stream(&source.pod, &params).await {
            Ok(stream) => stream,
            Err(error) => {
                let operation = op("get", "pods/log", &source.pod);
                return match self.platform.session.sorted(&operation, error).await {
                    // The container has not started, or its log or its pod is gone.
                    PlatformError::NotFound { .. }
                    | PlatformError::Invalid { .. }
                    | PlatformError::Other { .. } => Ok(Vec::new()),
                    error => Err(error),
                };
            }
        };
        let mut bytes = Vec::new();
        let mut stream = std::pin::pin!(stream.take(BYTES_MAX as u64));
        stream
            .read_to_end(&mut bytes)
            .await
            .map_err(|error| PlatformError::Unreachable {
                endpoint: format!("the log of {}/{}", source.pod, source.container),
                cause: error.to_string(),
            })?;
        Ok(parse(&bytes, &source))
    }
}

#[async_trait]
impl LogPages for PodLogs {
    fn budget_key(&self) -> String {
        let config = &self.platform.config;
        format!(
            "kubernetes:{}",
            config.context.as_deref().unwrap_or("current")
        )
    }

    async fn page(&self, request: &PageRequest) -> Result<Page, PlatformError> {
        let scene = self.platform.scene().await?;
        let link = self.platform.session.link().await?;
        let api: Api<Pod> = Api::namespaced(link.client, &link.namespace);
        let sources: Vec<Source> = scene
            .pods
            .iter()
            .flat_map(sources)
            .filter(|source| {
                let name = format!("{}/{}", source.pod, source.container);
                request.streams.is_empty() || request.streams.contains(&name)
            })
            .collect();
        let from = request.token.as_deref().and_then(Mark::parse);
        let start_ms = from
            .as_ref()
            .map_or(request.start_ms, |mark| mark.timestamp_ms);
        let mut reads = Vec::new();
        for source in sources {
            reads.push(self.read(&api, source, start_ms));
        }
        let read: Vec<_> = stream::iter(reads)
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let mut events = Vec::new();
        for result in read {
            events.extend(result?);
        }
        events.retain(|event| {
            event.timestamp_ms >= request.start_ms
                && request
                    .end_ms
                    .is_none_or(|end_ms| event.timestamp_ms < end_ms)
                && request
                    .filter
                    .as_ref()
                    .is_none_or(|filter| event.message.contains(filter.trim_matches('"')))
        });
        events.sort_by(|a, b| (a.timestamp_ms, &a.id).cmp(&(b.timestamp_ms, &b.id)));
        if let Some(mark) = from {
            events.retain(|event| {
                (event.timestamp_ms, event.id.as_str()) > (mark.timestamp_ms, mark.id.as_str())
            });
        }
        let limit = request
            .limit
            .map_or(LINES_MAX, |limit| {
                usize::try_from(limit).unwrap_or(LINES_MAX)
            })
            .max(1);
        let token = if events.len() > limit {
            events.truncate(limit);
            events.last().map(|last| Mark::of(last).to_text())
        } else {
            None
        };
        Ok(Page { events, token })
    }
}

/// Where a page ended.
struct Mark {
    timestamp_ms: i64,
    id: String,
}

impl Mark {
    fn of(event: &RawLogEvent) -> Self {
        Self {
            timestamp_ms: event.timestamp_ms,
            id: event.id.clone(),
        }
    }

    fn to_text(&self) -> String {
        format!("{} {}", self.timestamp_ms, self.id)
    }

    fn parse(text: &str) -> Option<Self> {
        let (timestamp_ms, id) = text.split_once(' ')?;
        Some(Self {
            timestamp_ms: timestamp_ms.parse().ok()?,
            id: id.to_owned(),
        })
    }
}

/// The runs of a pod's containers whose logs are kept.
fn sources(pod: &Pod) -> Vec<Source> {
    let Some(status) = &pod.status else {
        return Vec::new();
    };
    let mut all = Vec::new();
    for container in status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses)
        .flatten()
    {
        let source = Source {
            pod: pods::pod_name(pod).to_owned(),
            uid: pod.metadata.uid.clone().unwrap_or_default(),
            container: container.name.clone(),
            run: container.restart_count,
            previous: false,
        };
        if container.restart_count > 0 {
            all.push(Source {
                run: container.restart_count - 1,
                previous: true,
                ..source.clone()
            });
        }
        all.push(source);
    }
    all
}

/// `2026-01-02T03:04:05.000000000Z the text` line by line. A last line without its end is still
/// being written and is read next time.
fn parse(bytes: &[u8], source: &Source) -> Vec<RawLogEvent> {
    let whole = memchr::memrchr(b'\n', bytes).map_or(0, |end| end + 1);
    let mut events: Vec<RawLogEvent> = Vec::new();
    let mut before = (i128::MIN, 0_u32);
    for line in bytes[..whole].split(|byte| *byte == b'\n') {
        let cut = line.len() > LINE_BYTES_MAX;
        let line = String::from_utf8_lossy(&line[..line.len().min(LINE_BYTES_MAX)]);
        let Some((stamp, text)) = line.split_once(' ') else {
            continue;
        };
        let Ok(at) = stamp.parse::<Timestamp>() else {
            continue;
        };
        let nanoseconds = at.as_nanosecond();
        before = if before.0 == nanoseconds {
            (nanoseconds, before.1 + 1)
        } else {
            (nanoseconds, 0)
        };
        let mut message = text.trim_end_matches('\r').to_owned();
        if cut {
            message.push_str(" … (cut)");
        }
        events.push(RawLogEvent {
            id: format!(
                "{}/{}/{}/{nanoseconds}/{:06}",
                source.uid, source.container, source.run, before.1
            ),
            stream: format!("{}/{}", source.pod, source.container),
            timestamp_ms: at.as_millisecond(),
            ingested_ms: at.as_millisecond(),
            message,
        });
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Source {
        Source {
            pod: "api-1".to_owned(),
            uid: "u".to_owned(),
            container: "api".to_owned(),
            run: 0,
            previous: false,
        }
    }

    #[test]
    fn lines_of_one_instant_have_ids_of_their_own_that_stay_the_same() {
        let text = "2026-01-02T03:04:05.6Z one\n2026-01-02T03:04:05.6Z two\nnot a line\n2026-01-02T03:04:06Z unfin";
        let events = parse(text.as_bytes(), &source());
        let messages: Vec<&str> = events.iter().map(|event| event.message.as_str()).collect();
        assert_eq!(messages, ["one", "two"]);
        assert_ne!(events[0].id, events[1].id);
        assert_eq!(events, parse(text.as_bytes(), &source()));
    }

    #[test]
    fn a_line_of_ten_megabytes_is_cut_and_says_so() {
        let mut text = "2026-01-02T03:04:05Z ".to_owned();
        text.push_str(&"x".repeat(10 * 1024 * 1024));
        text.push('\n');
        let events = parse(text.as_bytes(), &source());
        assert!(events[0].message.ends_with("(cut)"));
        assert!(events[0].message.len() < LINE_BYTES_MAX + 100);
    }
}
