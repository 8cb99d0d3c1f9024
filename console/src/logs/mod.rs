//! Logs: read ([`Tail`]), put in order, kept ([`LogStore`]), filtered and searched ([`LogView`]).
//! Knows nothing of the screen.
//!
//! ```text
//! LogPages ───poll───▶ reorder ──bounded channel──▶ LogStore ◀── LogView (filter, search)
//! LogStreams ─follow─▶
//! ```
//! A filter changes the view, never what is read or kept.

mod budget;
#[cfg(test)]
mod fake;
mod filter;
mod follow;
mod format;
mod history;
pub mod line;
pub mod merge;
mod outlet;
pub mod poll;
mod sanitize;
mod save;
mod search;
mod seen;
mod store;
pub(crate) mod streams;
mod tail;
mod view;
mod window;

pub use budget::Budget;
pub use filter::{FieldFilter, FieldTest, Filter, FilterError, Pattern, PatternError, PatternKind};
pub use follow::{FollowError, FollowOptions, Followed, follow_to_writer, follow_with_budget};
pub use format::{LineFormat, Printed, short_stream, stream_mark};
pub use history::{HistoryFound, HistoryProgress, HistorySearch, search_history, server_pattern};
pub use sanitize::{clean, clean_bytes};
pub use save::{SaveError, Saved, save};
pub use search::{SearchStatus, Seek, SeekDirection};
pub use store::{Gap, Line, LineId, Lines, LogStore, MinuteCount};
pub use tail::{
    SourceCount, Tail, TailEvent, TailHandle, TailLine, TailOptions, TailPhase, TailStart,
    TailState,
};
pub use view::{LogView, WorkBudget, WorkDone};
pub use window::{Anchor, WindowError, parse_moment, parse_window};
