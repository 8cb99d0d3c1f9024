//! The loop: events in, state changed, effects out, a frame when something changed.

use super::{
    command::{KeyMap, KeysError},
    effect::{Effect, Level},
    message::{Message, News},
    run_effects::Runner,
    state::{AppState, EnvironmentState, Event, World},
    terminal::Session,
    theme::Theme,
    view,
};
use crate::{
    context::Context,
    model::Metrics,
    operate::{Assessed, assess},
};
use crossterm::event::{
    Event as TerminalEvent, EventStream, KeyEventKind, MouseButton, MouseEventKind,
};
use futures::StreamExt;
use jiff::{Timestamp, tz::TimeZone};
use std::{future::poll_fn, io, sync::Arc, task::Poll, time::Duration};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

/// Messages that wait for the screen; tasks that are ahead of it wait.
const MESSAGES: usize = 1_024;

/// At most so many are taken before keys are looked at again.
const BATCH: usize = 256;

/// At most one frame in this time, unless a key was pressed.
const FRAME: Duration = Duration::from_millis(16);

/// Keys that wait already are taken together before one frame is drawn for them.
const KEYS_AT_ONCE: usize = 32;

/// Lines of one turn of the wheel.
const WHEEL_LINES: i32 = 3;

/// Why the screen could not be opened, or had to close.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    /// No terminal.
    #[error(
        "the terminal cannot be used: {0}. Run it in a terminal, or use a command such as `opsconsole envs`"
    )]
    Terminal(#[from] io::Error),
    /// Keys in the configuration.
    #[error(transparent)]
    Keys(#[from] KeysError),
}

/// Opens the screen and stays until the operator leaves. The first frame shows what the store
/// remembers; only then is anything connected.
///
/// # Errors
/// Without a terminal, and for a `[keys]` table that cannot be.
pub async fn run(context: Context) -> Result<(), TuiError> {
    let keys = KeyMap::new(&context.config.keys)?;
    let zone = if context.config.local_time {
        TimeZone::system()
    } else {
        TimeZone::UTC
    };
    let theme = Theme::detect(|name| std::env::var(name).ok());
    let world = world(&context, keys, &zone).await;
    let (mut state, effects) = AppState::new(world);
    for notice in &context.notices {
        state.update(Event::Message(Message::Notice(Level::Warn, notice.clone())));
    }
    // Before the screen is taken: a signal must not end the program without giving it back.
    let signals = Signals::listen()?;
    let session = Session::enter()?;
    super::hangup::watch();
    let mut app = App {
        state,
        theme,
        session,
        leaving: false,
    };
    app.draw()?;
    let (send, messages) = mpsc::channel(MESSAGES);
    let mut runner = Runner::start(context, send, &zone);
    for effect in effects {
        app.perform(effect, &mut runner)?;
    }
    app.turn(&mut runner, messages, signals).await?;
    // The terminal comes back first: letting locks go may take a moment.
    drop(app);
    runner.leave().await;
    Ok(())
}

/// What the shell and the kernel tell.
struct Signals {
    terminated: Signal,
    hung_up: Signal,
    interrupted: Signal,
    continued: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminated: signal(SignalKind::terminate())?,
            hung_up: signal(SignalKind::hangup())?,
            interrupted: signal(SignalKind::interrupt())?,
            continued: signal(SignalKind::from_raw(nix::libc::SIGCONT))?,
        })
    }
}

struct App {
    state: AppState,
    theme: Theme,
    session: Session,
    leaving: bool,
}

impl App {
    async fn turn(
        &mut self,
        runner: &mut Runner,
        mut messages: mpsc::Receiver<Message>,
        mut signals: Signals,
    ) -> io::Result<()> {
        let mut events = EventStream::new();
        let mut seconds = interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut batch = Vec::with_capacity(BATCH);
        let mut drawn_at = Instant::now();
        let mut dirty = false;
        while !self.leaving {
            let mut at_once = false;
            tokio::select! {
                biased;
                event = events.next() => {
                    let Some(event) = event else { return Ok(()) };
                    self.terminal_event(event?, runner)?;
                    for _ in 0..KEYS_AT_ONCE {
                        let Some(event) = at_hand(&mut events).await else { break };
                        self.terminal_event(event?, runner)?;
                    }
                    (dirty, at_once) = (true, true);
                }
                _ = signals.terminated.recv() => self.leaving = true,
                _ = signals.hung_up.recv() => self.leaving = true,
                _ = signals.interrupted.recv() => self.leaving = true,
                _ = signals.continued.recv() => {
                    self.session.resume()?;
                    (dirty, at_once) = (true, true);
                }
                () = sleep_until(drawn_at + FRAME), if dirty => at_once = true,
                taken = messages.recv_many(&mut batch, BATCH) => {
                    if taken == 0 {
                        return Ok(());
                    }
                    for message in batch.drain(..) {
                        self.update(Event::Message(message), runner)?;
                    }
                    dirty = true;
                }
                _ = seconds.tick() => {
                    self.update(Event::Tick, runner)?;
                    dirty = true;
                }
            }
            if dirty && (at_once || drawn_at.elapsed() >= FRAME) && !self.leaving {
                self.draw()?;
                (dirty, drawn_at) = (false, Instant::now());
            }
        }
        Ok(())
    }

    fn terminal_event(&mut self, event: TerminalEvent, runner: &mut Runner) -> io::Result<()> {
        let event = match event {
            TerminalEvent::Key(key) if key.kind != KeyEventKind::Release => Event::Key(key),
            TerminalEvent::Paste(text) => Event::Paste(text),
            TerminalEvent::Resize(columns, rows) => Event::Resize(columns, rows),
            TerminalEvent::Mouse(mouse) => match mouse.kind {
                MouseEventKind::Down(MouseButton::Left) => Event::Click(mouse.column, mouse.row),
                MouseEventKind::ScrollUp => Event::Wheel(-WHEEL_LINES),
                MouseEventKind::ScrollDown => Event::Wheel(WHEEL_LINES),
                _ => return Ok(()),
            },
            _ => return Ok(()),
        };
        self.update(event, runner)
    }

    fn update(&mut self, event: Event, runner: &mut Runner) -> io::Result<()> {
        self.state.world.now = Timestamp::now();
        for effect in self.state.update(event) {
            self.perform(effect, runner)?;
        }
        Ok(())
    }

    /// Effects on the terminal are done here; the rest goes to tasks.
    fn perform(&mut self, effect: Effect, runner: &mut Runner) -> io::Result<()> {
        match effect {
            Effect::Quit => self.leaving = true,
            Effect::Suspend => self.session.suspend()?,
            Effect::Copy { text, what } => {
                let now = self.state.world.now;
                if text.is_empty() {
                    self.state
                        .notices
                        .say(Level::Info, "there is nothing to copy".into(), now);
                } else {
                    self.session.copy(&text)?;
                    self.state
                        .notices
                        .say(Level::Good, format!("copied: {what}"), now);
                }
            }
            other => runner.run(other),
        }
        Ok(())
    }

    fn draw(&mut self) -> io::Result<()> {
        self.state.world.now = Timestamp::now();
        self.state.world.size = self.session.size()?;
        let Self {
            state,
            theme,
            session,
            ..
        } = self;
        let mut hits = None;
        session.draw(|area, buf| hits = Some(view::app(state, theme, area, buf)))?;
        self.state.hits = hits.unwrap_or_default();
        Ok(())
    }
}

/// The next event if there is one already. The stream remembers the first waker that found it
/// empty, so it must be ours: with one that wakes nobody the next key waits for the next second.
async fn at_hand(events: &mut EventStream) -> Option<io::Result<TerminalEvent>> {
    poll_fn(|context| match events.poll_next_unpin(context) {
        Poll::Ready(event) => Poll::Ready(event),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// The world as the configuration names it and the store remembers it.
async fn world(context: &Context, keys: KeyMap, zone: &TimeZone) -> World {
    let now = Timestamp::now();
    let mut world = World {
        now,
        size: (80, 24),
        zone: zone.clone(),
        zone_label: now.to_zoned(zone.clone()).strftime("%Z").to_string(),
        user: context.author.name.clone(),
        keys: Arc::new(keys),
        local: context.local,
        environments: context
            .connections
            .configs()
            .cloned()
            .map(EnvironmentState::new)
            .collect(),
        runs: Vec::new(),
    };
    for (name, seen) in context.seen().await {
        let judgements = context.store.judgements(&name).await.unwrap_or_default();
        let none = Metrics::default();
        // Judged as of then: what it says about "now" is the age beside it.
        let assessment = seen.observation.as_ref().map(|aged| {
            assess(Assessed {
                observation: &aged.value,
                metrics: seen
                    .metrics
                    .as_ref()
                    .map_or(&none, |metrics| &metrics.value),
                rollouts: seen
                    .rollouts
                    .as_ref()
                    .map_or(&[], |rollouts| &rollouts.value),
                judgements: &judgements,
                now: aged.at,
                zone,
            })
        });
        world.take(&Message::World(
            name,
            Box::new(News::Cached(Box::new(seen), assessment)),
        ));
    }
    world
}
