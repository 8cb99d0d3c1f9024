//! `opsconsole logs`: prints or follows the logs of a service, all tasks merged by time.

use super::{
    Failure, Global, OutputFormat, exit,
    change::parse_duration,
    scope::{connect_one, open},
};
use crate::logs::{Filter, FollowFormat, FollowOptions, Pattern, PatternKind, TailOptions, TailStart, follow_to_writer, parse_window};
use clap::Args;
use jiff::{Timestamp, tz::TimeZone};
use std::{io::IsTerminal, time::Duration};

/// Arguments of `logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// From that long ago (30m), that time, or a window such as 13:50–14:05 (UTC).
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Up to that time; with --follow it is not allowed.
    #[arg(long, value_name = "TIME", conflicts_with = "follow")]
    until: Option<String>,
    /// The last so many lines (100 unless --since says more).
    #[arg(long, value_name = "N")]
    tail: Option<usize>,
    /// Goes on with new lines until Ctrl-C.
    #[arg(long, short)]
    follow: bool,
    /// Only lines that match this regular expression.
    #[arg(long, short, value_name = "REGEX")]
    include: Vec<String>,
    /// No lines that match this regular expression.
    #[arg(long, short = 'x', value_name = "REGEX")]
    exclude: Vec<String>,
    /// Only these log streams.
    #[arg(long, value_name = "STREAM")]
    stream: Vec<String>,
}
