//! The logs of the Deployment's containers as streams, followed while they run.

mod lanes;

use super::{KubernetesPlatform, log_lines::LineSplitter, pods, session::op};
use crate::platform::{LogSource, LogStreams, OpenLog, PlatformError, StreamLine};
use futures::{
    AsyncBufRead, AsyncBufReadExt, StreamExt,
    stream::{self, BoxStream},
};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::{Api, api::LogParams};
use lanes::Lanes;
use std::{pin::Pin, sync::Arc};

/// Streams held open at once: each costs the API server a connection on to a kubelet.
const OPEN_MAX: usize = 250;

/// The streams of one Deployment's containers.
pub struct PodStreams {
    platform: KubernetesPlatform,
    lanes: Arc<Lanes>,
}

impl PodStreams {
    /// The streams of that platform's Deployment.
    pub fn new(platform: KubernetesPlatform) -> Self {
        Self {
            platform,
            lanes: Arc::default(),
        }
    }
}

impl LogStreams for PodStreams {
    fn open_max(&self) -> usize {
        OPEN_MAX
    }

    fn sources(&self) -> BoxStream<'static, Result<Vec<LogSource>, PlatformError>> {
        let platform = self.platform.clone();
        stream::unfold(
            (platform, None),
            |(platform, known): (_, Option<Result<Vec<LogSource>, PlatformError>>)| async move {
                let mirror = platform.mirror.clone();
                let mut changes = mirror.changes();
                loop {
                    let now = mirror
                        .pods(&platform)
                        .await
                        .map(|pods| pods.iter().flat_map(|pod| sources(pod)).collect());
                    if known.as_ref() != Some(&now) {
                        return Some((now.clone(), (platform, Some(now))));
                    }
                    // Ends only with the mirror, which the platform holds.
                    changes.changed().await;
                }
            },
        )
        .boxed()
    }

    fn open(
        &self,
        source: &LogSource,
        how: &OpenLog,
    ) -> BoxStream<'static, Result<Vec<StreamLine>, PlatformError>> {
        let (platform, lanes) = (self.platform.clone(), Arc::clone(&self.lanes));
        let (source, how) = (source.clone(), *how);
        stream::once(async move { connect(platform, &lanes, source, how).await })
            .flat_map(|opened| match opened {
                Ok(lines) => lines,
                Err(error) => stream::iter([Err(error)]).boxed(),
            })
            .boxed()
    }
}

type Lines = BoxStream<'static, Result<Vec<StreamLine>, PlatformError>>;

async fn connect(
    platform: KubernetesPlatform,
    lanes: &Lanes,
    source: LogSource,
    how: OpenLog,
) -> Result<Lines, PlatformError> {
    let link = platform.session.link().await?;
    let place = lanes.place(&link)?;
    let api: Api<Pod> = Api::namespaced(place.client.clone(), &link.namespace);
    let (pod, container) = source
        .stream
        .split_once('/')
        .unwrap_or((&source.stream, ""));
    let params = LogParams {
        container: Some(container.to_owned()),
        follow: how.follow,
        previous: how.previous,
        // Whole seconds already: kube would round to the nearest (kubernetes#92389).
        since_time: how.since,
        tail_lines: how.last_lines.map(i64::from),
        timestamps: true,
        ..LogParams::default()
    };
    match api.log_stream(pod, &params).await {
        Ok(reader) => {
            let is_final = source.is_over || how.previous;
            let lines = lines(Box::pin(reader), source.stream.clone(), is_final);
            // Held as long as the stream is.
            Ok(lines.inspect(move |_| _ = &place).boxed())
        }
        Err(error) => {
            let operation = op("get", "pods/log", pod);
            match platform.session.sorted(&operation, error).await {
                // The container waits to start, or has no run before this one.
                PlatformError::Invalid { .. } => Ok(stream::empty().boxed()),
                error => Err(error),
            }
        }
    }
}

struct Reading<R> {
    reader: Option<Pin<Box<R>>>,
    splitter: LineSplitter,
    stream: String,
    is_final: bool,
}

/// A last line without its end counts only where nothing more can be written (`is_final`): else it
/// is still being written, and is read whole the next time.
fn lines<R: AsyncBufRead + Send + 'static>(
    reader: Pin<Box<R>>,
    stream: String,
    is_final: bool,
) -> Lines {
    let reading = Reading {
        reader: Some(reader),
        splitter: LineSplitter::default(),
        stream,
        is_final,
    };
    stream::unfold(reading, |mut reading| async move {
        loop {
            if let Some(refusal) = reading.splitter.refusal() {
                reading.reader = None;
                if refusal.is_missing && !reading.is_final {
                    // There will be something to read in a moment; that is no trouble.
                    return None;
                }
                return Some((Err(refusal.error(&reading.stream)), reading));
            }
            let reader = reading.reader.as_mut()?;
            let (lines, is_end) = match reader.fill_buf().await {
                Ok([]) => {
                    let rest = reading.splitter.rest().filter(|_| reading.is_final);
                    (rest.into_iter().collect::<Vec<_>>(), true)
                }
                Ok(bytes) => {
                    let (lines, count) = (reading.splitter.push(bytes), bytes.len());
                    reader.consume_unpin(count);
                    (lines, false)
                }
                Err(error) => {
                    reading.reader = None;
                    let error = PlatformError::Unreachable {
                        endpoint: format!("the log of {}", reading.stream),
                        cause: error.to_string(),
                    };
                    return Some((Err(error), reading));
                }
            };
            if is_end {
                reading.reader = None;
            }
            if !lines.is_empty() {
                return Some((Ok(lines), reading));
            }
        }
    })
    .boxed()
}

/// The containers of a pod that have written something, or may have.
fn sources(pod: &Pod) -> Vec<LogSource> {
    let Some(status) = &pod.status else {
        return Vec::new();
    };
    let is_finished = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
    let is_leaving = pod.metadata.deletion_timestamp.is_some();
    let of = |container: &ContainerStatus, is_init: bool| {
        let state = container.state.as_ref();
        let ended = state.and_then(|state| state.terminated.as_ref());
        let is_running = state.is_some_and(|state| state.running.is_some());
        let has_run = ended.is_some() || is_running || container.restart_count > 0;
        has_run.then(|| LogSource {
            id: format!(
                "{}/{}",
                pod.metadata.uid.as_deref().unwrap_or_default(),
                container.name
            ),
            stream: format!("{}/{}", pods::pod_name(pod), container.name),
            restarts: super::scene::count(container.restart_count),
            is_over: ((is_finished || is_leaving) && !is_running)
                || (is_init && ended.is_some_and(|ended| ended.exit_code == 0)),
        })
    };
    let inits = status.init_container_statuses.iter().flatten();
    let mains = status.container_statuses.iter().flatten();
    inits
        .filter_map(|container| of(container, true))
        .chain(mains.filter_map(|container| of(container, false)))
        .collect()
}

#[cfg(test)]
mod tests;
