//! Search in the Logs screen: next and previous, errors, and older lines on the server.

use super::{LogsState, Span, Spot};
use crate::{
    logs::{HistoryFound, HistoryProgress, HistorySearch, LineId, Seek, SeekDirection, WorkBudget},
    tui::{
        effect::{Effect, Level as Loudness},
        exchange::logs::{LogsReply, LogsRequest},
        message::Generation,
        state::World,
    },
};

/// Lines before a match that was found on the server, in milliseconds: what led to it.
const CONTEXT_BEFORE_MS: i64 = 60_000;

/// How far back the server is asked, in milliseconds: three days.
const SEARCH_BACK_MS: i64 = 3 * 24 * 3_600_000;

/// What the search is doing beside the view's own counting.
#[derive(Clone, Debug, Default)]
pub struct Find {
    /// What a jump that is not over yet looks for.
    pending: Option<Wanted>,
    /// The search in lines that are not held.
    pub server: Option<ServerSearch>,
    /// The pattern that the server does not have either, and back to when, in milliseconds.
    pub nowhere: Option<(String, i64)>,
}

/// A search on the server.
#[derive(Clone, Debug)]
pub struct ServerSearch {
    generation: Generation,
    /// How far it has come; not before its first page.
    pub progress: Option<HistoryProgress>,
}

/// What is jumped to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Match(SeekDirection),
    Error,
}

impl Find {
    /// Forgets the search on the server; answers what to stop.
    pub(super) fn cancel_server(&mut self) -> Option<Generation> {
        self.server.take().map(|server| server.generation)
    }

    pub(super) fn is_server(&self, generation: Generation) -> bool {
        self.server
            .as_ref()
            .is_some_and(|server| server.generation == generation)
    }
}

impl LogsState {
    /// Where a jump starts: at the cursor, or below the newest line while following.
    fn from(&self) -> LineId {
        self.cursor
            .map_or_else(|| self.store.next_id(), |spot| spot.id)
    }

    pub(super) fn seek_match(&mut self, direction: SeekDirection) -> Vec<Effect> {
        if self.view.search().is_none() {
            let text = "nothing is searched for; / starts a search".to_owned();
            return vec![Effect::Notify(Loudness::Info, text)];
        }
        self.find.pending = Some(Wanted::Match(direction));
        let budget = WorkBudget::time(super::WORK_SLICE);
        let seek = self
            .view
            .next_match(&self.store, self.from(), direction, budget);
        self.landed(seek)
    }

    pub(super) fn seek_error(&mut self, direction: SeekDirection) -> Vec<Effect> {
        self.find.pending = Some(Wanted::Error);
        let budget = WorkBudget::time(super::WORK_SLICE);
        let seek = self
            .view
            .next_error(&self.store, self.from(), direction, budget);
        self.landed(seek)
    }

    /// A jump gave an answer.
    pub(super) fn landed(&mut self, seek: Seek) -> Vec<Effect> {
        let Some(wanted) = self.find.pending else {
            return Vec::new();
        };
        let older = wanted == Wanted::Match(SeekDirection::Backward);
        match seek {
            Seek::Pending => {
                return vec![Effect::Logs(LogsRequest::Continue(self.generation))];
            }
            // Past the oldest line held, older ones come before the newest again.
            Seek::Found { wrapped: true, .. } if older && !self.is_known_nowhere() => {
                self.find.pending = None;
                return self.search_server();
            }
            Seek::Found { id, wrapped } => {
                self.find.pending = None;
                self.stand_on(Spot::line(id));
                if wrapped {
                    let text = match wanted {
                        Wanted::Match(SeekDirection::Forward) => {
                            "no match below; went on from the oldest line"
                        }
                        Wanted::Match(SeekDirection::Backward) => {
                            "no match above; went on from the newest line"
                        }
                        Wanted::Error => "no error in that direction; went on from the other end",
                    };
                    return vec![Effect::Notify(Loudness::Info, text.to_owned())];
                }
            }
            Seek::Nowhere => {
                self.find.pending = None;
                let text = match wanted {
                    Wanted::Error => "no error in what is held; 1–6 read further back".to_owned(),
                    Wanted::Match(_) if !self.is_known_nowhere() => return self.search_server(),
                    Wanted::Match(_) => format!(
                        "`{}` is nowhere, neither here nor on the server",
                        self.view.search().map_or("", |pattern| pattern.text()),
                    ),
                };
                return vec![Effect::Notify(Loudness::Info, text)];
            }
        }
        Vec::new()
    }

    fn is_known_nowhere(&self) -> bool {
        let text = self.view.search().map(|pattern| pattern.text());
        self.find
            .nowhere
            .as_ref()
            .is_some_and(|(known, _)| Some(known.as_str()) == text)
    }

    /// Looks for the pattern in what is older than all that is held.
    fn search_server(&mut self) -> Vec<Effect> {
        let Some(pattern) = self.view.search().cloned() else {
            return Vec::new();
        };
        let oldest = self.store.get(self.store.first_id());
        let Some(before_ms) = oldest.map(|oldest| oldest.at_ms) else {
            return Vec::new();
        };
        let mut effects = Vec::new();
        effects.extend(
            self.find
                .cancel_server()
                .map(|old| Effect::Logs(LogsRequest::Stop(old))),
        );
        let generation = Generation::next();
        self.find.server = Some(ServerSearch {
            generation,
            progress: None,
        });
        effects.push(Effect::Logs(LogsRequest::SearchBack {
            generation,
            environment: self.environment.clone(),
            search: HistorySearch {
                pattern,
                streams: self.source.streams.clone(),
                before_ms,
                back_to_ms: before_ms - SEARCH_BACK_MS,
            },
        }));
        effects
    }

    /// The search on the server goes on or is over.
    pub(super) fn server_says(&mut self, reply: &LogsReply, world: &World) -> Vec<Effect> {
        match reply {
            LogsReply::Searching(progress) => {
                if let Some(server) = &mut self.find.server {
                    server.progress = Some(progress.clone());
                }
                Vec::new()
            }
            LogsReply::Searched(result) => {
                self.find.server = None;
                match result {
                    Ok(HistoryFound::At { at_ms, .. }) => {
                        let mut effects = self.read(Span::Since(at_ms - CONTEXT_BEFORE_MS), world);
                        self.awaited = Some(super::Awaited::At(*at_ms));
                        let text = "found on the server; reading from a minute before it. 0 goes back to now";
                        effects.push(Effect::Notify(Loudness::Good, text.to_owned()));
                        effects
                    }
                    Ok(HistoryFound::NothingSince(back_to_ms)) => {
                        let pattern = self.view.search().map_or("", |pattern| pattern.text());
                        let text = format!("the server has no `{pattern}` either, three days back");
                        self.find.nowhere = Some((pattern.to_owned(), *back_to_ms));
                        vec![Effect::Notify(Loudness::Info, text)]
                    }
                    Err(error) => {
                        let text = format!("the search on the server ended: {error}");
                        vec![Effect::Notify(Loudness::Bad, text)]
                    }
                }
            }
            _ => Vec::new(),
        }
    }
}
