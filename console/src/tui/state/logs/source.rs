//! What the Logs screen reads: from when, and whose streams.

use super::{Awaited, LogsState};
use crate::{
    logs::{Anchor, LineId, LogStore, LogView, TailOptions, TailStart},
    model::Window,
    tui::{
        effect::{Effect, Level as Loudness},
        exchange::logs::LogsRequest,
        message::Generation,
        state::World,
    },
};
use jiff::Timestamp;

/// From when on it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// One of the keys 0–6.
    Anchor(Anchor),
    /// From a moment on, in milliseconds since the epoch: where a search on the server found
    /// something.
    Since(i64),
    /// From, to: nothing follows.
    Window(Window),
}

/// What is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// From when on.
    pub span: Span,
    /// Only these streams; all when empty.
    pub streams: Vec<String>,
    /// What people call those streams: `7be1, exit 137`.
    pub label: Option<String>,
}

impl Source {
    /// All streams, the newest lines first, following.
    pub fn live() -> Self {
        Self {
            span: Span::Anchor(Anchor::Tail),
            streams: Vec::new(),
            label: None,
        }
    }

    /// The end of one stream.
    pub fn stream(stream: String, label: String) -> Self {
        Self {
            span: Span::Anchor(Anchor::Tail),
            streams: vec![stream],
            label: Some(label),
        }
    }

    fn options(&self, now: Timestamp, oldest_task: Option<Timestamp>) -> TailOptions {
        let (start, end_ms) = match self.span {
            Span::Anchor(anchor) => (anchor.start(now, oldest_task), None),
            Span::Since(at_ms) => (TailStart::At(at_ms), None),
            Span::Window(window) => (
                TailStart::At(window.start.as_millisecond()),
                Some(window.end.as_millisecond()),
            ),
        };
        let mut options = TailOptions::from(start);
        options.end_ms = end_ms;
        options.streams.clone_from(&self.streams);
        options
    }
}

impl LogsState {
    /// Reads anew from the source; filter and search stay.
    pub(super) fn restart(&mut self, world: &World) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.generation != Generation::default() {
            effects.push(Effect::Logs(LogsRequest::Stop(self.generation)));
        }
        self.generation = Generation::next();
        self.log = None;
        *self.store = LogStore::new(0);
        let mut view = LogView::new();
        view.set_filter(self.view.filter().clone());
        view.set_search(self.view.search().cloned());
        *self.view = view;
        self.tail = None;
        self.failure = None;
        self.newest = LineId(0);
        self.behind = 0;
        self.paused = false;
        self.expanded.clear();
        self.cursor = None;
        effects.push(Effect::Logs(LogsRequest::Start {
            generation: self.generation,
            environment: self.environment.clone(),
            options: self.source.options(world.now, self.oldest_task(world)),
        }));
        effects
    }

    /// When the oldest task that still runs was started.
    fn oldest_task(&self, world: &World) -> Option<Timestamp> {
        let service = world.environment(&self.environment)?.service()?;
        service
            .instances
            .iter()
            .filter_map(|instance| instance.started_at)
            .min()
    }

    /// Reads from another span, from its beginning.
    pub(super) fn read(&mut self, span: Span, world: &World) -> Vec<Effect> {
        self.source.span = span;
        self.following = span == Span::Anchor(Anchor::Tail);
        self.awaited = match span {
            Span::Since(at_ms) => Some(Awaited::At(at_ms)),
            _ if self.following => None,
            _ => Some(Awaited::Start),
        };
        self.restart(world)
    }

    /// The keys 0–6. What is held already is not read again.
    pub(super) fn anchor(&mut self, key: u8, world: &World) -> Vec<Effect> {
        let Some(anchor) = Anchor::of_key(char::from(b'0' + key.min(9))) else {
            return Vec::new();
        };
        let is_live = !matches!(self.source.span, Span::Window(_));
        match anchor {
            Anchor::Tail if is_live => {
                self.paused = false;
                self.follow();
                self.refresh()
            }
            Anchor::Head if self.source.span == Span::Anchor(Anchor::Head) => self.go_to_oldest(),
            Anchor::Last(back) if is_live => {
                let since = world.now.checked_sub(back).unwrap_or(world.now);
                let since_ms = since.as_millisecond();
                let oldest = self.store.get(self.store.first_id());
                if oldest.is_some_and(|oldest| oldest.at_ms <= since_ms) {
                    self.go_to_time(since_ms)
                } else {
                    self.read(Span::Anchor(anchor), world)
                }
            }
            _ => self.read(Span::Anchor(anchor), world),
        }
    }

    /// `p`: the task that stopped last, then the one before, and so on.
    pub(super) fn previous_task(&mut self, world: &World) -> Vec<Effect> {
        let service = world
            .environment(&self.environment)
            .and_then(|env| env.service());
        let stopped: Vec<_> = service
            .iter()
            .flat_map(|service| &service.stopped)
            .filter_map(|task| Some((task, task.log_stream.clone()?)))
            .collect();
        let index = self.previous.map_or(0, |index| index + 1);
        let Some((task, stream)) = stopped.get(index).or(stopped.first()) else {
            let text = "no stopped task is remembered; ECS forgets them after about an hour. 5 and 6 go back in time";
            return vec![Effect::Notify(Loudness::Info, text.to_owned())];
        };
        self.previous = Some(if index < stopped.len() { index } else { 0 });
        let ending = match (task.exit_code, &task.reason) {
            (Some(code), _) => format!("exit {code}"),
            (None, Some(reason)) => reason.clone(),
            (None, None) => "stopped".to_owned(),
        };
        self.source = Source::stream(
            stream.clone(),
            format!("stopped task {}, {ending}", task.id.short()),
        );
        self.following = true;
        self.awaited = None;
        self.restart(world)
    }
}
