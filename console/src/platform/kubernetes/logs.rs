//! Logs of all containers of the Deployment's pods, read page by page like any other source.
//!
//! Every line gets an id that is the same whenever it is read again: pod uid, container, run of
//! the container, timestamp and its number among lines of that timestamp. So the poller above may
//! read an overlap and neither loses nor doubles a line. `sinceTime` has a resolution of a second
//! and kube rounds to the nearest (kubernetes#92389), so it is floored here and what is too old is
//! skipped. The run of a container before its restart is read too, for as long as it is kept.

use super::{KubernetesPlatform, log_lines::LineSplitter, pods, session::op};
use crate::{
    model::RawLogEvent,
    platform::{LogPages, Page, PageRequest, PlatformError, StreamLine},
};
use async_trait::async_trait;
use futures::{AsyncBufReadExt, StreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::LogParams};

/// Containers read at once; the API server shares its connections among all its clients.
const AT_ONCE: usize = 16;
/// What one container may give in one page, in bytes.
const BYTES_MAX: usize = 8 * 1024 * 1024;
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
        wants: &Wants<'_>,
    ) -> Result<Read, PlatformError> {
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
        let reader = match api.log_stream(&source.pod, &params).await {
            Ok(reader) => reader,
            Err(error) => {
                let operation = op("get", "pods/log", &source.pod);
                return match self.platform.session.sorted(&operation, error).await {
                    // The container has not started, or its log or its pod is gone.
                    PlatformError::NotFound { .. }
                    | PlatformError::Invalid { .. }
                    | PlatformError::Other { .. } => Ok(Read::default()),
                    error => Err(error),
                };
            }
        };
        let mut reader = std::pin::pin!(reader);
        let (mut splitter, mut numbers) = (LineSplitter::default(), Numbers::default());
        let mut read = Read::default();
        let mut bytes_left = BYTES_MAX;
        loop {
            let bytes = reader
                .fill_buf()
                .await
                .map_err(|error| PlatformError::Unreachable {
                    endpoint: format!("the log of {}/{}", source.pod, source.container),
                    cause: error.to_string(),
                })?;
            let count = bytes.len();
            let lines: Vec<StreamLine> = if count == 0 {
                // Without its end it is still being written, unless nobody writes any more.
                let rest = splitter.rest().filter(|_| source.previous);
                rest.into_iter().collect()
            } else {
                splitter.push(bytes)
            };
            reader.consume_unpin(count);
            for line in lines {
                let event = numbers.event(line, &source);
                if wants.takes(&event) {
                    bytes_left = bytes_left.saturating_sub(event.message.len());
                    read.events.push(event);
                }
            }
            // One that is missing has nothing to read.
            if let Some(refusal) = splitter.refusal().filter(|refusal| !refusal.is_missing) {
                return Err(refusal.error(&format!("{}/{}", source.pod, source.container)));
            }
            if count == 0 {
                return Ok(read);
            }
            if bytes_left == 0 {
                read.is_cut = true;
                return Ok(read);
            }
        }
    }
}

/// What one container gave.
#[derive(Default)]
struct Read {
    events: Vec<RawLogEvent>,
    /// There is more.
    is_cut: bool,
}

/// Which events a page takes.
struct Wants<'a> {
    request: &'a PageRequest,
    after: Option<Mark>,
}

impl Wants<'_> {
    fn takes(&self, event: &RawLogEvent) -> bool {
        let request = self.request;
        event.timestamp_ms >= request.start_ms
            && request
                .end_ms
                .is_none_or(|end_ms| event.timestamp_ms < end_ms)
            && request
                .filter
                .as_ref()
                .is_none_or(|filter| event.message.contains(filter.trim_matches('"')))
            && self.after.as_ref().is_none_or(|mark| {
                (event.timestamp_ms, event.id.as_str()) > (mark.timestamp_ms, mark.id.as_str())
            })
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
            .flat_map(|pod| sources(pod))
            .filter(|source| {
                let name = format!("{}/{}", source.pod, source.container);
                request.streams.is_empty() || request.streams.contains(&name)
            })
            .collect();
        let from = request.token.as_deref().and_then(Mark::parse);
        let start_ms = from
            .as_ref()
            .map_or(request.start_ms, |mark| mark.timestamp_ms);
        let wants = Wants {
            request,
            after: from,
        };
        let mut reads = Vec::new();
        for source in sources {
            reads.push(self.read(&api, source, start_ms, &wants));
        }
        let read: Vec<_> = stream::iter(reads)
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let mut events = Vec::new();
        // Where a container gave only a part, nothing later of the others belongs to this page.
        let mut cut_ms: Option<i64> = None;
        for result in read {
            let read = result?;
            if let Some(last) = read.events.last().filter(|_| read.is_cut) {
                cut_ms = Some(cut_ms.map_or(last.timestamp_ms, |cut| cut.min(last.timestamp_ms)));
            }
            events.extend(read.events);
        }
        // Its next line may be of that very millisecond: that one is left for the next page whole.
        if let Some(cut_ms) = cut_ms
            && events.iter().any(|event| event.timestamp_ms < cut_ms)
        {
            events.retain(|event| event.timestamp_ms < cut_ms);
        }
        events.sort_by(|a, b| (a.timestamp_ms, &a.id).cmp(&(b.timestamp_ms, &b.id)));
        let limit = request
            .limit
            .map_or(LINES_MAX, |limit| {
                usize::try_from(limit).unwrap_or(LINES_MAX)
            })
            .max(1);
        let token = if events.len() > limit || cut_ms.is_some() {
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
        // While it waits to be started again, "previous" and "current" are the same run.
        let state = container.state.as_ref();
        let waits = state.is_some_and(|state| state.waiting.is_some());
        if container.restart_count > 0 && !waits {
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

/// Numbers the lines of one container's run.
#[derive(Default)]
struct Numbers {
    before: Option<(i64, u32)>,
}

impl Numbers {
    fn event(&mut self, line: StreamLine, source: &Source) -> RawLogEvent {
        let number = match self.before {
            Some((at_ns, number)) if at_ns == line.at_ns => number + 1,
            _ => 0,
        };
        self.before = Some((line.at_ns, number));
        let at_ms = line.at_ns.div_euclid(1_000_000);
        RawLogEvent {
            id: format!(
                "{}/{}/{}/{}/{number:06}",
                source.uid, source.container, source.run, line.at_ns
            ),
            stream: format!("{}/{}", source.pod, source.container),
            timestamp_ms: at_ms,
            ingested_ms: at_ms,
            message: line.text,
        }
    }
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

    fn runs(state: serde_json::Value) -> Vec<(i32, bool)> {
        let pod = serde_json::json!({"metadata": {"name": "api-1", "uid": "u"}, "status": {
            "containerStatuses": [{
                "name": "api", "image": "api:1", "imageID": "", "ready": false, "restartCount": 2,
                "state": state
            }]
        }});
        let pod: Pod = serde_json::from_value(pod).expect("a pod");
        sources(&pod)
            .into_iter()
            .map(|source| (source.run, source.previous))
            .collect()
    }

    #[test]
    fn the_last_run_of_a_container_that_waits_to_be_started_again_is_read_once() {
        let runs_while = |state: &str| runs(serde_json::json!({state: {"exitCode": 1}}));
        assert_eq!(runs_while("running"), [(1, true), (2, false)]);
        assert_eq!(runs_while("terminated"), [(1, true), (2, false)]);
        assert_eq!(runs_while("waiting"), [(2, false)]);
    }

    #[test]
    fn lines_of_one_instant_have_ids_of_their_own_that_stay_the_same() {
        let text = "2026-01-02T03:04:05.6Z one\n2026-01-02T03:04:05.6Z two\n";
        let read = || -> Vec<RawLogEvent> {
            let mut numbers = Numbers::default();
            let lines = LineSplitter::default().push(text.as_bytes());
            lines
                .into_iter()
                .map(|line| numbers.event(line, &source()))
                .collect()
        };
        assert_ne!(read()[0].id, read()[1].id);
        assert_eq!(read(), read());
    }
}
