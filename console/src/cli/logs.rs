//! `opsconsole logs`: prints or follows the logs of a service, all tasks merged by time.

use super::{
    Failure, Global, OutputFormat, exit,
    scope::{connect_one, open},
};
use crate::{
    logs::{
        Filter, FollowError, FollowOptions, LineFormat, Pattern, PatternKind, TailOptions,
        TailStart, follow_to_writer, parse_moment, parse_window,
    },
    model::Level,
};
use clap::{Args, ValueEnum};
use jiff::{Timestamp, tz::TimeZone};
use std::io::{IsTerminal, LineWriter};

/// Lines shown when nothing says where to begin.
const TAIL_LINES: usize = 100;

/// Arguments of `logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// From then on: 30m (ago), 13:50, a date and time, or a window such as 13:50–14:05.
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Up to then.
    #[arg(long, value_name = "WHEN", conflicts_with = "follow")]
    until: Option<String>,
    /// Begins with the last so many lines (100 where --since says nothing else).
    #[arg(long, value_name = "N", conflicts_with = "since")]
    tail: Option<usize>,
    /// Goes on with new lines until Ctrl-C.
    #[arg(long, short)]
    follow: bool,
    /// Only lines that match this regular expression; several: any of them.
    #[arg(long, short, value_name = "REGEX")]
    include: Vec<String>,
    /// No lines that match this regular expression.
    #[arg(long, short = 'x', value_name = "REGEX")]
    exclude: Vec<String>,
    /// Only lines at least so bad.
    #[arg(long, value_enum, value_name = "LEVEL")]
    level: Option<LevelArg>,
    /// Only this log stream; several: any of them.
    #[arg(long, value_name = "STREAM")]
    stream: Vec<String>,
}

/// A level on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum LevelArg {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl From<LevelArg> for Level {
    fn from(level: LevelArg) -> Self {
        match level {
            LevelArg::Trace => Self::Trace,
            LevelArg::Debug => Self::Debug,
            LevelArg::Info => Self::Info,
            LevelArg::Warn => Self::Warn,
            LevelArg::Error => Self::Error,
        }
    }
}

/// Prints them.
pub async fn run(global: &Global, args: LogsArgs) -> Result<u8, Failure> {
    let tail = tail_options(&args)?;
    let filter = filter(&args)?;
    let context = open(global).await?;
    let environment = connect_one(&context, global).await?;
    let options = FollowOptions {
        tail,
        filter,
        format: match global.output.unwrap_or(OutputFormat::Table) {
            OutputFormat::Table => LineFormat::Text,
            OutputFormat::Json => LineFormat::Json,
            OutputFormat::Raw => LineFormat::Raw,
        },
        // What is piped into a pager or grep reaches a terminal as well; only raw is byte for byte.
        clean: global.output != Some(OutputFormat::Raw) || std::io::stdout().is_terminal(),
    };
    let mut out = LineWriter::new(std::io::stdout());
    let mut notice = |text: &str| remark!("opsconsole: {text}");
    let follow = follow_to_writer(environment.platform.logs(), options, &mut out, &mut notice);
    tokio::select! {
        done = follow => match done {
            Ok(done) if done.read == 0 && !args.follow => {
                remark!("no log lines there; try an earlier --since");
            }
            Ok(_) => {}
            Err(FollowError::Platform(error)) => return Err(error.into()),
            Err(error @ FollowError::Write(_)) => return Err(Failure::internal(error.to_string())),
        },
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(exit::DONE)
}

fn tail_options(args: &LogsArgs) -> Result<TailOptions, Failure> {
    let now = Timestamp::now();
    let zone = TimeZone::UTC;
    let usage = |error: crate::logs::WindowError| Failure::usage(error.to_string());
    let mut end = None;
    let start = match &args.since {
        None => TailStart::LastLines(args.tail.unwrap_or(TAIL_LINES)),
        Some(text) => {
            let at = match parse_moment(text, now, &zone) {
                Ok(at) => at,
                Err(_) => {
                    let window = parse_window(text, now, &zone).map_err(usage)?;
                    end = Some(window.end);
                    window.start
                }
            };
            TailStart::At(at.as_millisecond())
        }
    };
    if let Some(text) = &args.until {
        end = Some(parse_moment(text, now, &zone).map_err(usage)?);
    }
    let mut options = TailOptions::from(start);
    options.end_ms = end.map(Timestamp::as_millisecond);
    options.once = !args.follow;
    options.streams.clone_from(&args.stream);
    Ok(options)
}

fn filter(args: &LogsArgs) -> Result<Filter, Failure> {
    let patterns = |texts: &[String]| {
        texts
            .iter()
            .map(|text| Pattern::new(text, PatternKind::Regex))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Failure::usage(error.to_string()))
    };
    Ok(Filter {
        include: patterns(&args.include)?,
        exclude: patterns(&args.exclude)?,
        level: args.level.map(Level::from),
        ..Filter::default()
    })
}
