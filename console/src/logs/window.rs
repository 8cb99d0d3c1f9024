//! Times as an operator says them: the 0–6 anchors, `13:50–14:05`, `15m`.

use super::tail::TailStart;
use crate::model::Window;
use jiff::{
    SignedDuration, Timestamp, ToSpan,
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};
use regex::Regex;
use std::{sync::LazyLock, time::Duration};

/// Lines that the anchor `tail` begins with.
pub const TAIL_LINES: usize = 500;
/// Where `head` begins when nobody knows since when the tasks run.
const HEAD_HOURS: i64 = 24;

/// Where the keys `0`–`6` begin, as in k9s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// `0`: the newest lines.
    Tail,
    /// `1`: from the beginning: of the oldest running task, else a day ago.
    Head,
    /// `2`–`6`: 1, 5, 15, 30 minutes, 1 hour ago.
    Last(Duration),
}

impl Anchor {
    /// The anchor of a key.
    pub fn of_key(key: char) -> Option<Self> {
        let minutes = |minutes: u64| Some(Self::Last(Duration::from_secs(minutes * 60)));
        match key {
            '0' => Some(Self::Tail),
            '1' => Some(Self::Head),
            '2' => minutes(1),
            '3' => minutes(5),
            '4' => minutes(15),
            '5' => minutes(30),
            '6' => minutes(60),
            _ => None,
        }
    }

    /// `tail`, `head`, `15m`, `1h`.
    pub fn label(self) -> String {
        match self {
            Self::Tail => "tail".to_owned(),
            Self::Head => "head".to_owned(),
            Self::Last(span) => match span.as_secs() {
                seconds if seconds % 3_600 == 0 => format!("{}h", seconds / 3_600),
                seconds if seconds % 60 == 0 => format!("{}m", seconds / 60),
                seconds => format!("{seconds}s"),
            },
        }
    }

    /// Where to begin; `oldest_task` is when the oldest running task started.
    pub fn start(self, now: Timestamp, oldest_task: Option<Timestamp>) -> TailStart {
        match self {
            Self::Tail => TailStart::LastLines(TAIL_LINES),
            Self::Head => {
                let day_ago = now - SignedDuration::from_hours(HEAD_HOURS);
                TailStart::At(oldest_task.unwrap_or(day_ago).as_millisecond())
            }
            Self::Last(span) => {
                let back_ms = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
                TailStart::At(now.as_millisecond().saturating_sub(back_ms))
            }
        }
    }
}

/// A window or time that does not parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a window of time: {cause}. Write 13:50-14:05, 13:50-14:05 local, \
     2025-07-01 13:50-14:05, or 15m"
)]
pub struct WindowError {
    /// As typed.
    pub text: String,
    /// Why.
    pub cause: String,
}

static SPAN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)^(\d{1,6})\s*(s|m|h|d)(?:\s+ago)?$").ok());

static CLOCK: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?ix)^ (?:(?P<date> \d{4}-\d{2}-\d{2} | today | yesterday) [\sT]+)?
        (?P<from> \d{1,2}:\d{2}(?::\d{2})?)
        (?P<range> \s*(?:-|–|—|\.\.|to)\s* (?P<to> \d{1,2}:\d{2}(?::\d{2})?)? )?
        \s* (?P<zone> utc|z|local)? $",
    )
    .ok()
});

/// Reads `13:50–14:05` (also `-`, `..`), with a date before it (`yesterday` too), `utc` or `local`
/// after it, or a span back from now (`15m`); `13:50–` goes up to now. Without a date it is the
/// last time that it was so. `zone` counts where the text names none.
pub fn parse_window(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Window, WindowError> {
    window_in(text.trim(), now, zone, &TimeZone::system()).map_err(|cause| WindowError {
        text: text.to_owned(),
        cause,
    })
}

/// Reads one time for `--since` and `--until`: `15m` (back from now), `13:50`,
/// `2025-07-01 13:50 local`, or RFC 3339.
pub fn parse_moment(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, WindowError> {
    let trimmed = text.trim();
    let wrong = |cause| WindowError {
        text: text.to_owned(),
        cause,
    };
    if let Ok(moment) = trimmed.parse::<Timestamp>() {
        return Ok(moment);
    }
    if let Some(span) = span(trimmed).map_err(wrong)? {
        return back_from(now, span).map_err(wrong);
    }
    let clock = Clock::parse(trimmed).map_err(wrong)?;
    if clock.is_range {
        return Err(wrong("one time was expected, not a window".to_owned()));
    }
    let local = TimeZone::system();
    let zone = clock.zone(zone, &local);
    clock
        .start(now, zone)
        .and_then(|start| moment(start, zone))
        .map_err(wrong)
}

fn window_in(
    text: &str,
    now: Timestamp,
    zone: &TimeZone,
    local: &TimeZone,
) -> Result<Window, String> {
    if let Some(span) = span(text)? {
        return Ok(Window {
            start: back_from(now, span)?,
            end: now,
        });
    }
    let halves = text
        .split_once("..")
        .or_else(|| text.split_once(['–', '—']));
    if let Some((start, end)) = halves
        && let (Ok(start), Ok(end)) = (start.trim().parse(), end.trim().parse())
    {
        return in_order(start, end);
    }
    let clock = Clock::parse(text)?;
    if !clock.is_range {
        return Err("it has no end".to_owned());
    }
    let zone = clock.zone(zone, local);
    let start = clock.start(now, zone)?;
    let end = match clock.to {
        None => now,
        Some(to) => {
            let mut end = start.date().to_datetime(to);
            if end <= start {
                // Over midnight.
                end = end
                    .checked_add(1.day())
                    .map_err(|error| error.to_string())?;
            }
            moment(end, zone)?
        }
    };
    in_order(moment(start, zone)?, end)
}

fn in_order(start: Timestamp, end: Timestamp) -> Result<Window, String> {
    if end <= start {
        return Err("it ends before it begins".to_owned());
    }
    Ok(Window { start, end })
}

/// A time of day, or two, as written.
struct Clock {
    date: Option<String>,
    from: Time,
    to: Option<Time>,
    is_range: bool,
    zone: Option<String>,
}

impl Clock {
    fn parse(text: &str) -> Result<Self, String> {
        let shape = || "it is neither times of day nor a span".to_owned();
        let captures = CLOCK
            .as_ref()
            .and_then(|clock| clock.captures(text))
            .ok_or_else(shape)?;
        let part = |name| captures.name(name).map(|part| part.as_str().to_lowercase());
        let from = part("from").ok_or_else(shape)?;
        Ok(Self {
            date: part("date"),
            from: time_of_day(&from)?,
            to: part("to").as_deref().map(time_of_day).transpose()?,
            is_range: captures.name("range").is_some(),
            zone: part("zone"),
        })
    }

    fn zone<'a>(&self, zone: &'a TimeZone, local: &'a TimeZone) -> &'a TimeZone {
        static UTC: TimeZone = TimeZone::UTC;
        match self.zone.as_deref() {
            None => zone,
            Some("local") => local,
            Some(_) => &UTC,
        }
    }

    fn start(&self, now: Timestamp, zone: &TimeZone) -> Result<DateTime, String> {
        let today = zone.to_datetime(now).date();
        let yesterday = || today.yesterday().map_err(|error| error.to_string());
        let date = match self.date.as_deref() {
            Some("today") => today,
            Some("yesterday") => yesterday()?,
            Some(date) => date
                .parse::<Date>()
                .map_err(|_| format!("there is no day {date}"))?,
            None if moment(today.to_datetime(self.from), zone)? > now => yesterday()?,
            None => today,
        };
        Ok(date.to_datetime(self.from))
    }
}

fn time_of_day(text: &str) -> Result<Time, String> {
    let padded = if text.find(':') == Some(1) {
        format!("0{text}")
    } else {
        text.to_owned()
    };
    padded
        .parse()
        .map_err(|_| format!("there is no time of day {text}"))
}

/// A time that a clock change skips or repeats is taken as RFC 5545 says: later, or the first.
fn moment(at: DateTime, zone: &TimeZone) -> Result<Timestamp, String> {
    zone.to_timestamp(at).map_err(|error| error.to_string())
}

fn span(text: &str) -> Result<Option<SignedDuration>, String> {
    let Some(captures) = SPAN.as_ref().and_then(|span| span.captures(text)) else {
        return Ok(None);
    };
    let count: i64 = captures[1]
        .parse()
        .map_err(|_| "the number is too large".to_owned())?;
    let unit_s = match captures[2].to_lowercase().as_str() {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => 86_400,
    };
    if count == 0 {
        return Err("it is empty".to_owned());
    }
    Ok(Some(SignedDuration::from_secs(count * unit_s)))
}

fn back_from(now: Timestamp, span: SignedDuration) -> Result<Timestamp, String> {
    now.checked_sub(span)
        .ok()
        .filter(|start| *start >= Timestamp::UNIX_EPOCH)
        .ok_or_else(|| "it reaches too far back".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two hours east of UTC, the whole year.
    fn east() -> TimeZone {
        TimeZone::fixed(jiff::tz::offset(2))
    }

    fn window(text: &str, now: &str) -> Result<(String, String), String> {
        let now = now.parse().unwrap();
        let window = window_in(text, now, &TimeZone::UTC, &east())?;
        Ok((window.start.to_string(), window.end.to_string()))
    }

    fn is(text: &str, now: &str, start: &str, end: &str) {
        let expected = Ok((start.to_owned(), end.to_owned()));
        assert_eq!(window(text, now), expected, "{text}");
    }

    const NOW: &str = "2026-07-02T15:00:00Z";

    #[test]
    fn a_window_is_read_however_it_is_written() {
        for text in [
            "13:50–14:05",
            "13:50-14:05",
            "13:50 .. 14:05",
            "13:50 to 14:05 UTC",
            "today 13:50-14:05z",
        ] {
            is(text, NOW, "2026-07-02T13:50:00Z", "2026-07-02T14:05:00Z");
        }
        is(
            "15:50-16:05 local",
            NOW,
            "2026-07-02T13:50:00Z",
            "2026-07-02T14:05:00Z",
        );
        is(
            "2026-06-30 9:05:30-9:06",
            NOW,
            "2026-06-30T09:05:30Z",
            "2026-06-30T09:06:00Z",
        );
        is(
            "yesterday 13:50–14:05",
            NOW,
            "2026-07-01T13:50:00Z",
            "2026-07-01T14:05:00Z",
        );
        is("14:50-", NOW, "2026-07-02T14:50:00Z", NOW);
        is("15m", NOW, "2026-07-02T14:45:00Z", NOW);
        is("2 h ago", NOW, "2026-07-02T13:00:00Z", NOW);
        is(
            "2026-07-01T10:00:00Z..2026-07-01T11:00:00Z",
            NOW,
            "2026-07-01T10:00:00Z",
            "2026-07-01T11:00:00Z",
        );
    }

    #[test]
    fn without_a_date_it_is_the_last_time_that_it_was_so() {
        is(
            "23:50-00:10",
            "2026-07-02T08:00:00Z",
            "2026-07-01T23:50:00Z",
            "2026-07-02T00:10:00Z",
        );
        is(
            "16:00-16:30",
            NOW,
            "2026-07-01T16:00:00Z",
            "2026-07-01T16:30:00Z",
        );
        // One that goes on is followed to its end.
        is(
            "14:50-15:30",
            NOW,
            "2026-07-02T14:50:00Z",
            "2026-07-02T15:30:00Z",
        );
        // In the local zone today began two hours earlier.
        is(
            "00:30-00:40 local",
            "2026-07-01T23:00:00Z",
            "2026-07-01T22:30:00Z",
            "2026-07-01T22:40:00Z",
        );
    }

    #[test]
    fn what_is_no_window_says_why_and_what_to_write() {
        for (text, cause) in [
            ("25:00-26:00", "there is no time of day 25:00"),
            ("2026-02-30 10:00-11:00", "there is no day 2026-02-30"),
            ("13:50", "it has no end"),
            ("0m", "it is empty"),
            ("soon", "it is neither times of day nor a span"),
            ("999999d", "it reaches too far back"),
            (
                "2026-07-01T11:00:00Z..2026-07-01T10:00:00Z",
                "it ends before it begins",
            ),
        ] {
            let error = parse_window(text, NOW.parse().unwrap(), &TimeZone::UTC).unwrap_err();
            assert_eq!(error.cause, cause);
            assert!(error.to_string().contains("Write 13:50-14:05"));
        }
    }

    #[test]
    fn one_time_is_read_for_since_and_until() {
        let read = |text| {
            parse_moment(text, NOW.parse().unwrap(), &TimeZone::UTC).map(|at| at.to_string())
        };
        assert_eq!(read("15m").unwrap(), "2026-07-02T14:45:00Z");
        assert_eq!(read("13:50").unwrap(), "2026-07-02T13:50:00Z");
        assert_eq!(read("16:50").unwrap(), "2026-07-01T16:50:00Z");
        assert_eq!(
            read("2026-07-01T10:00:00+02:00").unwrap(),
            "2026-07-01T08:00:00Z"
        );
        assert_eq!(
            read("13:50-14:00").unwrap_err().cause,
            "one time was expected, not a window"
        );
    }

    #[test]
    fn the_keys_0_to_6_begin_where_they_say() {
        let now: Timestamp = NOW.parse().unwrap();
        let labels: Vec<_> = "0123456"
            .chars()
            .filter_map(Anchor::of_key)
            .map(Anchor::label)
            .collect();
        assert_eq!(labels, ["tail", "head", "1m", "5m", "15m", "30m", "1h"]);
        assert_eq!(Anchor::of_key('7'), None);
        assert_eq!(
            Anchor::Tail.start(now, None),
            TailStart::LastLines(TAIL_LINES)
        );
        let ago = |minutes: i64| TailStart::At(now.as_millisecond() - minutes * 60_000);
        assert_eq!(Anchor::of_key('4').unwrap().start(now, None), ago(15));
        let started = now - SignedDuration::from_mins(7);
        assert_eq!(Anchor::Head.start(now, Some(started)), ago(7));
        assert_eq!(Anchor::Head.start(now, None), ago(24 * 60));
    }
}
