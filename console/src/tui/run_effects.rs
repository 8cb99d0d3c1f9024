//! Does what `update` asks for, in tasks that answer with messages. Nothing here is waited for
//! by the screen.

use super::{
    effect::{Effect, Level},
    exchange::{cost, history, logs::LogsExchange, releases},
    message::{Message, Refusal},
    poller::Poller,
};
use crate::{
    context::Context,
    model::{EnvironmentName, RawLogEvent},
    operate::{RunHandle, RunOptions},
    platform::{LinkTarget, LogAccess, PageRequest, PlatformError},
};
use jiff::{Timestamp, tz::TimeZone};
use std::{
    collections::HashMap, io::Write as _, path::PathBuf, process::Stdio, sync::Arc, time::Duration,
};
use tokio::sync::{Notify, mpsc};

/// How often runs that a console left alone are looked for; it asks only the audit.
const RESUME_EVERY: Duration = Duration::from_secs(30);

/// A short tail shows so many lines at most, and reads so many pages for them.
const TAIL_LINES: usize = 400;
const TAIL_PAGES: usize = 20;

/// Runs effects.
pub struct Runner {
    context: Context,
    send: mpsc::Sender<Message>,
    logs: LogsExchange,
    wake: HashMap<EnvironmentName, Arc<Notify>>,
}

impl Runner {
    /// Starts the pollers, and finds the runs that another console left unfinished.
    pub fn start(context: Context, send: mpsc::Sender<Message>, zone: &TimeZone) -> Self {
        let mut wake = HashMap::new();
        for config in context.connections.configs() {
            let notify = Arc::new(Notify::new());
            wake.insert(config.name.clone(), Arc::clone(&notify));
            let poller = Poller {
                context: context.clone(),
                name: config.name.clone(),
                wake: notify,
                send: send.clone(),
                zone: zone.clone(),
            };
            tokio::spawn(poller.run());
        }
        let logs = LogsExchange::new(
            context.connections.clone(),
            context.config.log_memory_bytes,
            send.clone(),
        );
        let runner = Self {
            context,
            send,
            logs,
            wake,
        };
        runner.resume();
        runner
    }

    fn resume(&self) {
        let (operator, send) = (self.context.operator.clone(), self.send.clone());
        tokio::spawn(async move {
            let mut is_told = false;
            while !send.is_closed() {
                match operator.resume_unfinished().await {
                    Ok(handles) => {
                        for handle in handles {
                            let text = format!(
                                "a run of another console in {} was left alone; it is watched, not sent again",
                                handle.plan.environment
                            );
                            say(&send, Level::Warn, text).await;
                            tokio::spawn(follow(handle, send.clone()));
                        }
                    }
                    Err(error) if !is_told => {
                        is_told = true;
                        let text = format!("unfinished runs cannot be looked up: {error}");
                        say(&send, Level::Warn, text).await;
                    }
                    Err(_) => {}
                }
                tokio::time::sleep(RESUME_EVERY).await;
            }
        });
    }

    /// Does one effect. Those of the screens and of the terminal are the app's and do not come here.
    pub fn run(&mut self, effect: Effect) {
        match effect {
            Effect::Refresh(name) => {
                for (known, wake) in &self.wake {
                    if name.as_ref().is_none_or(|name| name == known) {
                        wake.notify_one();
                    }
                }
            }
            Effect::Plan {
                generation,
                environment,
                action,
            } => {
                let (operator, send) = (self.context.operator.clone(), self.send.clone());
                tokio::spawn(async move {
                    let made = async {
                        let plan = operator.plan(&environment, action, None).await?;
                        let gate = operator.gate(&plan).await?;
                        Ok((Arc::new(plan), gate))
                    };
                    let made = made
                        .await
                        .map_err(|error: crate::operate::OperateError| Refusal::from(&error));
                    let _ = send.send(Message::Planned(generation, made)).await;
                });
            }
            Effect::Execute {
                generation,
                plan,
                confirmation,
            } => {
                let (operator, send) = (self.context.operator.clone(), self.send.clone());
                let wake = self.wake.get(&plan.environment).cloned();
                tokio::spawn(async move {
                    match operator
                        .execute(plan, confirmation, RunOptions::default())
                        .await
                    {
                        Ok(handle) => {
                            let id = handle.id.clone();
                            // The run is known before its screen opens.
                            report(&handle, &send).await;
                            let _ = send.send(Message::Started(generation, Ok(id))).await;
                            if let Some(wake) = &wake {
                                wake.notify_one();
                            }
                            follow(handle, send).await;
                            if let Some(wake) = &wake {
                                wake.notify_one();
                            }
                        }
                        Err(error) => {
                            let _ = send
                                .send(Message::Started(generation, Err(Refusal::from(&error))))
                                .await;
                        }
                    }
                });
            }
            Effect::OpenLink(name, target) => self.open_link(&name, &target),
            Effect::OpenUrl(url) => open(url, self.send.clone()),
            Effect::Save { name, text } => save(name, text, self.send.clone()),
            Effect::Tail {
                generation,
                environment,
                streams,
                back_ms,
            } => {
                let (connections, send) = (self.context.connections.clone(), self.send.clone());
                tokio::spawn(async move {
                    let read = async {
                        let found = connections.connect(&environment).await?;
                        tail(found.platform.logs(), streams, back_ms).await
                    };
                    let _ = send.send(Message::Tail(generation, read.await)).await;
                });
            }
            Effect::Logs(request) => self.logs.handle(request),
            Effect::Releases(request) => {
                let connections = self.context.connections.clone();
                self.answer(async move {
                    let (generation, reply) = releases::answer(request, &connections).await;
                    Message::Releases(generation, reply)
                });
            }
            Effect::Cost(request) => {
                let connections = self.context.connections.clone();
                self.answer(async move {
                    let (generation, reply) = cost::answer(request, &connections).await;
                    Message::Cost(generation, reply)
                });
            }
            Effect::History(request) => {
                let store = self.context.store.clone();
                self.answer(async move {
                    let (generation, reply) = history::answer(request, &store).await;
                    Message::History(generation, reply)
                });
            }
            // Settled by the state, or done by the app.
            Effect::Show(_)
            | Effect::Back
            | Effect::Notify(..)
            | Effect::Propose(..)
            | Effect::ShowText { .. }
            | Effect::ShowLastLogs(..)
            | Effect::Dismiss(_)
            | Effect::Copy { .. }
            | Effect::Suspend
            | Effect::Quit => {}
        }
    }

    /// Lets the runs go to the next console, with their locks.
    pub async fn leave(self) {
        self.context.operator.leave().await;
        self.context.store.close().await;
    }

    fn answer(&self, work: impl Future<Output = Message> + Send + 'static) {
        let send = self.send.clone();
        tokio::spawn(async move {
            let _ = send.send(work.await).await;
        });
    }

    fn open_link(&self, name: &EnvironmentName, target: &LinkTarget) {
        let environment = self.context.connections.get(name);
        let link = environment.and_then(|environment| {
            let runbook = environment.config.runbook.clone();
            environment.platform.links(target).or(runbook)
        });
        match link {
            Some(url) => open(url, self.send.clone()),
            None => {
                let send = self.send.clone();
                let text = format!(
                    "there is no page for this in {name}: it is not connected, or lives on this machine only"
                );
                tokio::spawn(async move { say(&send, Level::Info, text).await });
            }
        }
    }
}

async fn say(send: &mpsc::Sender<Message>, level: Level, text: String) {
    // The screens may be gone; then nobody reads it.
    let _ = send.send(Message::Notice(level, text)).await;
}

async fn report(handle: &RunHandle, send: &mpsc::Sender<Message>) {
    let state = handle.state.borrow().clone();
    let _ = send
        .send(Message::Run(
            handle.id.clone(),
            Arc::clone(&handle.plan),
            Box::new(state),
        ))
        .await;
}

/// Tells every change of a run until it is over.
async fn follow(mut handle: RunHandle, send: mpsc::Sender<Message>) {
    loop {
        report(&handle, &send).await;
        if handle.state.borrow().outcome.is_some() || handle.state.changed().await.is_err() {
            return;
        }
    }
}

async fn tail(
    access: LogAccess,
    streams: Vec<String>,
    back_ms: i64,
) -> Result<Vec<RawLogEvent>, PlatformError> {
    let pages = access.pages();
    let mut request = PageRequest {
        start_ms: Timestamp::now().as_millisecond() - back_ms,
        streams,
        ..PageRequest::default()
    };
    let mut lines = Vec::new();
    for _ in 0..TAIL_PAGES {
        let page = pages.page(&request).await?;
        lines.extend(page.events);
        request.token = page.token;
        if request.token.is_none() {
            break;
        }
    }
    lines.sort_by_key(|line| (line.timestamp_ms, line.ingested_ms));
    lines.drain(..lines.len().saturating_sub(TAIL_LINES));
    Ok(lines)
}

/// Opens an address where this session has a desktop; else it is copied.
fn open(url: String, send: mpsc::Sender<Message>) {
    tokio::spawn(async move {
        let shown = url.clone();
        if has_desktop() && opened(&url).await {
            say(&send, Level::Good, format!("opened {shown}")).await;
        } else {
            let _ = send
                .send(Message::Copy {
                    text: url,
                    what: shown,
                })
                .await;
        }
    });
}

/// Over ssh a browser would open on the wrong machine, or not at all.
fn has_desktop() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if is_set("SSH_CONNECTION") {
        return false;
    }
    cfg!(target_os = "macos") || is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")
}

async fn opened(url: &str) -> bool {
    // Only web pages: a link from outside must not start another kind of program.
    if !(url.starts_with("https://") || url.starts_with("http://")) {
        return false;
    }
    let opener = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    tokio::process::Command::new(opener)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await
        .is_ok_and(|status| status.success())
}

fn save(name: String, text: String, send: mpsc::Sender<Message>) {
    tokio::task::spawn_blocking(move || {
        // Names hold environments' and runs' names: never a way out of the directory.
        let safe: String = name
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                    c
                } else {
                    '_'
                }
            })
            .collect();
        let path = PathBuf::from(safe);
        let written =
            std::fs::File::create(&path).and_then(|mut file| file.write_all(text.as_bytes()));
        let message = match written {
            Ok(()) => Message::Notice(
                Level::Good,
                format!(
                    "saved to {}",
                    std::path::absolute(&path).unwrap_or(path).display()
                ),
            ),
            Err(error) => Message::Notice(
                Level::Bad,
                format!("{} was not saved: {error}", path.display()),
            ),
        };
        let _ = send.blocking_send(message);
    });
}
