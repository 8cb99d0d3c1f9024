//! `FilterLogEvents` and `GetLogEvents`: pages of events, with tokens that say where one ended.

use std::ops::Bound;

use serde_json::{Value, json};

use super::actions::{invalid, name, no_group, no_stream, with_token};
use super::filter::FilterPattern;
use super::store::{EventId, LogEvent, LogStore, ScanRange};
use crate::faults::{FaultKind, Faults};
use crate::protocol::AwsError;
use crate::protocol::members::{boolean, integer, text, texts};

/// "Each page returned can contain up to 1 MB of log events or up to 10,000 log events."
const PAGE_EVENTS_MAX: usize = 10_000;
const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// Events looked at for one page of `FilterLogEvents`. A rare match in many events gives empty
/// pages with a token, as on AWS.
const PAGE_LOOKED_AT_MAX: usize = 50_000;

/// Streams that `FilterLogEvents` may name.
const STREAM_NAMES_MAX: usize = 100;

pub(super) fn filter_events(
    store: &LogStore,
    faults: &Faults,
    input: &Value,
) -> Result<Value, AwsError> {
    let group = name(input)?;
    let names = texts(input, "logStreamNames");
    let prefix = text(input, "logStreamNamePrefix");
    if !names.is_empty() && prefix.is_some() {
        return Err(invalid(
            "Cannot specify both logStreamNames and logStreamNamePrefix.",
        ));
    }
    if names.len() > STREAM_NAMES_MAX {
        return Err(invalid(format!(
            "1 validation error detected: Value at 'logStreamNames' failed to satisfy constraint: Member must have length less than or equal to {STREAM_NAMES_MAX}"
        )));
    }
    let streams = store.streams(&group).ok_or_else(no_group)?;
    if let Some(unknown) = names
        .iter()
        .find(|name| !streams.iter().any(|s| &*s.name == **name))
    {
        tracing::debug!(%group, stream = %unknown, "asked for a log stream that does not exist");
        return Err(no_stream());
    }
    let pattern = FilterPattern::parse(text(input, "filterPattern").unwrap_or_default())
        .map_err(|e| invalid(e.to_string()))?;
    let start_ms = integer(input, "startTime").unwrap_or(0);
    let end_ms = integer(input, "endTime").unwrap_or(i64::MAX - 1);
    if end_ms < start_ms {
        return Err(invalid("End time should not be before the start time"));
    }
    let after = match text(input, "nextToken") {
        Some(token) => read_token(token)?,
        None => EventId::before(start_ms),
    };
    let first_page = text(input, "nextToken").is_none();
    let answer = |events: Vec<Value>, token: Option<EventId>| {
        let page = json!({ "events": events, "searchedLogStreams": [] });
        with_token(page, token.map(write_token))
    };
    if first_page
        && faults
            .hit(FaultKind::EmptyPages, "logs", "FilterLogEvents")
            .is_some()
    {
        return Ok(answer(Vec::new(), Some(after)));
    }
    let range = ScanRange {
        after: Bound::Excluded(after),
        // "Events with a timestamp later than this time are not returned."
        end_ms: end_ms + 1,
        events_max: limit(input)?,
        bytes_max: PAGE_BYTES_MAX,
        looked_at_max: PAGE_LOOKED_AT_MAX,
    };
    let wanted = |stream: &str| {
        (names.is_empty() || names.contains(&stream))
            && prefix.is_none_or(|p| stream.starts_with(p))
    };
    let scan = store
        .scan(&group, &range, wanted, |message| pattern.matches(message))
        .ok_or_else(no_group)?;
    let events = scan
        .events
        .iter()
        .map(|event| {
            json!({
                "logStreamName": &*event.stream,
                "timestamp": event.timestamp_ms,
                "message": &*event.message,
                "ingestionTime": event.ingestion_ms,
                "eventId": digits(event.id),
            })
        })
        .collect();
    Ok(answer(events, scan.resume_after))
}

pub(super) fn get_events(store: &LogStore, input: &Value) -> Result<Value, AwsError> {
    let group = name(input)?;
    let stream = text(input, "logStreamName").unwrap_or_default();
    let streams = store.streams(&group).ok_or_else(no_group)?;
    if !streams.iter().any(|known| &*known.name == stream) {
        return Err(no_stream());
    }
    let start_ms = integer(input, "startTime").unwrap_or(0);
    let end_ms = integer(input, "endTime").unwrap_or(i64::MAX);
    let events_max = limit(input)?;
    let forward = |after: EventId| -> Result<Vec<LogEvent>, AwsError> {
        let range = ScanRange {
            after: Bound::Excluded(after.max(EventId::before(start_ms))),
            end_ms,
            events_max,
            bytes_max: PAGE_BYTES_MAX,
            looked_at_max: usize::MAX,
        };
        let scan = store.scan(&group, &range, |name| name == stream, |_| true);
        Ok(scan.ok_or_else(no_group)?.events)
    };
    let backward = |before: EventId| -> Result<Vec<LogEvent>, AwsError> {
        let before = Bound::Excluded(before.min(EventId::before(end_ms)));
        let mut events = store
            .scan_back(&group, stream, before, start_ms, events_max, PAGE_BYTES_MAX)
            .ok_or_else(no_stream)?;
        events.reverse();
        Ok(events)
    };
    // What the tokens are when there is no event to take them from: where the reading began.
    let (events, from) = match text(input, "nextToken") {
        Some(token) => {
            let (direction, id) = read_stream_token(token)?;
            match direction {
                Direction::Forward => (forward(id)?, id),
                Direction::Backward => (backward(id)?, id),
            }
        }
        None if boolean(input, "startFromHead") == Some(true) => {
            let from = EventId::before(start_ms);
            (forward(from)?, from)
        }
        None => {
            let events = backward(EventId::before(end_ms))?;
            (events, EventId::before(start_ms))
        }
    };
    let first = events.first().map_or(from, |event| event.id);
    let last = events.last().map_or(from, |event| event.id);
    let events: Vec<Value> = events
        .iter()
        .map(|event| {
            json!({
                "timestamp": event.timestamp_ms,
                "message": &*event.message,
                "ingestionTime": event.ingestion_ms,
            })
        })
        .collect();
    Ok(json!({
        "events": events,
        "nextForwardToken": format!("f/{}/s", digits(last)),
        "nextBackwardToken": format!("b/{}/s", digits(first)),
    }))
}

fn limit(input: &Value) -> Result<usize, AwsError> {
    match integer(input, "limit") {
        None => Ok(PAGE_EVENTS_MAX),
        Some(limit) if (1..=PAGE_EVENTS_MAX as i64).contains(&limit) => Ok(limit as usize),
        Some(limit) => Err(invalid(format!(
            "1 validation error detected: Value '{limit}' at 'limit' failed to satisfy constraint: Member must have value less than or equal to {PAGE_EVENTS_MAX}"
        ))),
    }
}

/// The 56 digits that AWS names an event with: here its time and its place.
fn digits(id: EventId) -> String {
    format!("{:020}{:036}", id.timestamp_ms.max(0), id.sequence)
}

fn read_digits(text: &str) -> Option<EventId> {
    if text.len() != 56 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(EventId {
        timestamp_ms: text[..20].parse().ok()?,
        sequence: text[20..].parse().ok()?,
    })
}

fn write_token(id: EventId) -> String {
    format!("Bxkq6kVGFtq2y_{}", digits(id))
}

fn bad_token() -> AwsError {
    invalid("The specified nextToken is invalid.")
}

fn read_token(token: &str) -> Result<EventId, AwsError> {
    let (_, id) = token.rsplit_once('_').ok_or_else(bad_token)?;
    read_digits(id).ok_or_else(bad_token)
}

enum Direction {
    Forward,
    Backward,
}

fn read_stream_token(token: &str) -> Result<(Direction, EventId), AwsError> {
    let parts: Vec<&str> = token.split('/').collect();
    let [direction, id, "s"] = parts[..] else {
        return Err(bad_token());
    };
    let direction = match direction {
        "f" => Direction::Forward,
        "b" => Direction::Backward,
        _ => return Err(bad_token()),
    };
    Ok((direction, read_digits(id).ok_or_else(bad_token)?))
}
