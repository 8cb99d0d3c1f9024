//! From a tail's reader to whoever listens: lines are put in order of time, batched, counted.

use super::{
    merge::{Ordered, Reorder},
    tail::{TailEvent, TailHandle, TailLine, TailState},
};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

/// Lines in one event at most, so that a screen can take one between two keys.
const BATCH_LINES: usize = 2_000;
/// Events that wait for the receiver at most: then reading pauses, nothing is dropped.
const CHANNEL_EVENTS: usize = 16;

/// Nobody listens any more.
pub struct Gone;

/// From the reorder buffer to the receiver.
pub struct Outlet {
    /// To whoever listens.
    pub events: mpsc::Sender<TailEvent>,
    /// How it stands.
    pub state: watch::Sender<TailState>,
    reorder: Reorder<Received>,
    /// One copy of each stream's name, whatever the number of lines.
    streams: HashMap<String, Arc<str>>,
    began: Instant,
}

/// What waits in the reorder buffer.
pub struct Received {
    stream: Arc<str>,
    text: String,
}

impl Outlet {
    /// An empty one, and what it leads to.
    pub fn open() -> (Self, TailHandle) {
        let (events_tx, events) = mpsc::channel(CHANNEL_EVENTS);
        let (state_tx, state) = watch::channel(TailState::starting());
        let outlet = Self {
            events: events_tx,
            state: state_tx,
            reorder: Reorder::adaptive(),
            streams: HashMap::new(),
            began: Instant::now(),
        };
        (outlet, TailHandle { events, state })
    }

    /// The reorder buffer's clock: it never goes back, as the wall's may.
    fn clock_ms(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// When lines are due to go out.
    pub fn due(&self) -> Option<Instant> {
        let due_ms = self.reorder.due_ms()?.max(0);
        Some(self.began + Duration::from_millis(due_ms.unsigned_abs()))
    }

    /// A copy of a stream's name that all its lines share.
    pub fn name(&mut self, stream: &str) -> Arc<str> {
        if let Some(name) = self.streams.get(stream) {
            return name.clone();
        }
        let name: Arc<str> = stream.into();
        self.streams.insert(stream.to_owned(), name.clone());
        name
    }

    /// Takes lines; they go out in order, once they have waited for others.
    pub async fn take(
        &mut self,
        lines: impl IntoIterator<Item = (Arc<str>, i64, String)>,
    ) -> Result<(), Gone> {
        let mut out = Vec::new();
        let now_ms = self.clock_ms();
        for (stream, at_ms, text) in lines {
            self.reorder
                .push(at_ms, Received { stream, text }, now_ms, &mut out);
        }
        self.send(out).await
    }

    /// Lines that are in order already go out at once.
    pub async fn pass(
        &mut self,
        lines: impl IntoIterator<Item = (Arc<str>, i64, String)>,
    ) -> Result<(), Gone> {
        let out = lines
            .into_iter()
            .map(|(stream, at_ms, text)| Ordered {
                at_ms,
                late: false,
                item: Received { stream, text },
            })
            .collect();
        self.send(out).await
    }

    /// What waited long enough goes out.
    pub async fn release(&mut self) -> Result<(), Gone> {
        let mut out = Vec::new();
        self.reorder.release(self.clock_ms(), &mut out);
        self.send(out).await
    }

    /// Everything goes out.
    pub async fn flush(&mut self) -> Result<(), Gone> {
        let mut out = Vec::new();
        self.reorder.flush(&mut out);
        self.send(out).await
    }

    async fn send(&mut self, lines: Vec<Ordered<Received>>) -> Result<(), Gone> {
        let mut lines = lines.into_iter().map(|line| TailLine {
            stream: line.item.stream,
            at_ms: line.at_ms,
            text: line.item.text,
            late: line.late,
        });
        loop {
            let batch: Vec<_> = lines.by_ref().take(BATCH_LINES).collect();
            if batch.is_empty() {
                return Ok(());
            }
            let late = batch.iter().filter(|line| line.late).count() as u64;
            let count = batch.len() as u64;
            self.tell(TailEvent::Lines(batch)).await?;
            self.state.send_modify(|state| {
                state.lines += count;
                state.late += late;
            });
        }
    }

    /// Tells the listener; waits while it is busy.
    pub async fn tell(&self, event: TailEvent) -> Result<(), Gone> {
        self.events.send(event).await.map_err(|_| Gone)
    }
}
