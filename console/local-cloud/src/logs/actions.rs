//! The actions of CloudWatch Logs that make, fill and describe groups and streams.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/Welcome.html>

use serde_json::{Value, json};

use super::reading;
use super::store::{EVENT_BYTES_MAX, EVENT_OVERHEAD_BYTES, LogStore, StreamFacts};
use crate::faults::Faults;
use crate::protocol::members::{boolean, integer, list, text};
use crate::protocol::{ACCOUNT, AwsError, REGION, now_ms};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Events older than this, or newer than the next, are rejected by `PutLogEvents`.
const OLD_MAX_MS: i64 = 14 * DAY_MS;
const NEW_MAX_MS: i64 = 2 * 60 * 60 * 1000;

const PUT_EVENTS_MAX: usize = 10_000;
const PUT_BYTES_MAX: usize = 1024 * 1024;

/// The values that `PutRetentionPolicy` takes, in days.
const RETENTION_DAYS: [i64; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

/// Answers one action.
///
/// # Errors
/// The service's own errors; `UnknownOperationException` for an action not offered here.
pub fn handle(
    store: &LogStore,
    faults: &Faults,
    action: &str,
    input: &Value,
) -> Result<Value, AwsError> {
    match action {
        "CreateLogGroup" => create_group(store, input),
        "DeleteLogGroup" => known(store.delete_group(&name(input)?)),
        "DescribeLogGroups" => describe_groups(store, input),
        "PutRetentionPolicy" => put_retention(store, input),
        "DeleteRetentionPolicy" => known(store.set_retention(&name(input)?, None)),
        "CreateLogStream" => create_stream(store, input),
        "DescribeLogStreams" => describe_streams(store, input),
        "PutLogEvents" => put_events(store, input),
        "FilterLogEvents" => reading::filter_events(store, faults, input),
        "GetLogEvents" => reading::get_events(store, input),
        _ => Err(AwsError::unknown_operation(action)),
    }
}

pub(super) fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidParameterException", message)
}

pub(super) fn no_group() -> AwsError {
    AwsError::client(
        "ResourceNotFoundException",
        "The specified log group does not exist.",
    )
}

pub(super) fn no_stream() -> AwsError {
    AwsError::client(
        "ResourceNotFoundException",
        "The specified log stream does not exist.",
    )
}

fn exists(what: &str) -> AwsError {
    AwsError::client(
        "ResourceAlreadyExistsException",
        format!("The specified {what} already exists"),
    )
}

/// An empty answer when the group was there.
fn known(found: bool) -> Result<Value, AwsError> {
    if found {
        Ok(json!({}))
    } else {
        Err(no_group())
    }
}

/// The group's name, given as a name or within an ARN.
pub(super) fn name(input: &Value) -> Result<String, AwsError> {
    match (
        text(input, "logGroupName"),
        text(input, "logGroupIdentifier"),
    ) {
        (Some(_), Some(_)) => Err(invalid(
            "LogGroup name and LogGroup identifier cannot both be specified.",
        )),
        (Some(name), None) => Ok(name.to_owned()),
        (None, Some(identifier)) => {
            let name = identifier
                .split_once(":log-group:")
                .map_or(identifier, |(_, name)| name);
            Ok(name.trim_end_matches(":*").to_owned())
        }
        (None, None) => Err(invalid(
            "At least one of logGroupName or logGroupIdentifier must be specified.",
        )),
    }
}

fn required<'a>(input: &'a Value, member: &str) -> Result<&'a str, AwsError> {
    text(input, member).filter(|t| !t.is_empty()).ok_or_else(|| {
        invalid(format!(
            "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"
        ))
    })
}

fn check_name(name: &str, member: &str, also: &str) -> Result<(), AwsError> {
    let fits = (1..=512).contains(&name.len())
        && name
            .chars()
            .all(|c| !c.is_control() && (c.is_ascii_alphanumeric() || also.contains(c)));
    if fits {
        return Ok(());
    }
    Err(invalid(format!(
        "1 validation error detected: Value '{name}' at '{member}' failed to satisfy constraint: Member must satisfy regular expression pattern: [{also}A-Za-z0-9]+"
    )))
}

fn group_arn(name: &str) -> String {
    format!("arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}")
}

fn create_group(store: &LogStore, input: &Value) -> Result<Value, AwsError> {
    let name = required(input, "logGroupName")?;
    check_name(name, "logGroupName", "._-/#")?;
    if store.ensure_group(name) {
        Ok(json!({}))
    } else {
        Err(exists("log group"))
    }
}

fn create_stream(store: &LogStore, input: &Value) -> Result<Value, AwsError> {
    let stream = required(input, "logStreamName")?;
    if stream.len() > 512 || stream.contains([':', '*']) {
        return Err(invalid(format!(
            "1 validation error detected: Value '{stream}' at 'logStreamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [^:*]*"
        )));
    }
    match store.ensure_stream(&name(input)?, stream) {
        None => Err(no_group()),
        Some(false) => Err(exists("log stream")),
        Some(true) => Ok(json!({})),
    }
}

fn put_retention(store: &LogStore, input: &Value) -> Result<Value, AwsError> {
    let days = integer(input, "retentionInDays").unwrap_or(0);
    if !RETENTION_DAYS.contains(&days) {
        return Err(invalid(format!(
            "1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: {RETENTION_DAYS:?}"
        )));
    }
    known(store.set_retention(&name(input)?, Some(days)))
}

/// The part of a list that a call gives, and the token for the rest: the name it begins after.
fn page<T>(
    items: Vec<T>,
    input: &Value,
    key: impl Fn(&T) -> String,
) -> Result<(Vec<T>, Option<String>), AwsError> {
    let limit = integer(input, "limit").unwrap_or(50);
    if !(1..=50).contains(&limit) {
        return Err(invalid(format!(
            "1 validation error detected: Value '{limit}' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 50"
        )));
    }
    let from = match text(input, "nextToken") {
        None => 0,
        Some(token) => {
            1 + items
                .iter()
                .position(|item| key(item) == token)
                .ok_or_else(|| invalid("The specified nextToken is invalid."))?
        }
    };
    let mut rest = items.into_iter().skip(from);
    let page: Vec<T> = rest.by_ref().take(limit as usize).collect();
    let token = match rest.next() {
        Some(_) => page.last().map(key),
        None => None,
    };
    Ok((page, token))
}

fn describe_groups(store: &LogStore, input: &Value) -> Result<Value, AwsError> {
    let prefix = text(input, "logGroupNamePrefix");
    let part = text(input, "logGroupNamePattern");
    if prefix.is_some() && part.is_some() {
        return Err(invalid(
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
        ));
    }
    let mut groups = store.groups();
    groups.retain(|group| {
        prefix.is_none_or(|p| group.name.starts_with(p))
            && part.is_none_or(|p| group.name.contains(p))
    });
    let (groups, token) = page(groups, input, |group| group.name.clone())?;
    let groups: Vec<Value> = groups
        .into_iter()
        .map(|group| {
            let mut value = json!({
                "logGroupName": group.name,
                "creationTime": group.created_ms,
                "metricFilterCount": 0,
                "arn": format!("{}:*", group_arn(&group.name)),
                "logGroupArn": group_arn(&group.name),
                "storedBytes": group.stored_bytes,
                "logGroupClass": "STANDARD",
            });
            if let Some(days) = group.retention_days {
                value["retentionInDays"] = days.into();
            }
            value
        })
        .collect();
    Ok(with_token(json!({ "logGroups": groups }), token))
}

pub(super) fn with_token(mut value: Value, token: Option<String>) -> Value {
    if let Some(token) = token {
        value["nextToken"] = token.into();
    }
    value
}

fn describe_streams(store: &LogStore, input: &Value) -> Result<Value, AwsError> {
    let group = name(input)?;
    let by_time = text(input, "orderBy") == Some("LastEventTime");
    let prefix = text(input, "logStreamNamePrefix");
    if by_time && prefix.is_some() {
        return Err(invalid(
            "Cannot order by LastEventTime with a logStreamNamePrefix.",
        ));
    }
    let mut streams = store.streams(&group).ok_or_else(no_group)?;
    streams.retain(|stream| prefix.is_none_or(|p| stream.name.starts_with(p)));
    if by_time {
        streams.sort_by_key(|stream| stream.first_last_ms.map(|(_, last)| last));
    }
    if boolean(input, "descending") == Some(true) {
        streams.reverse();
    }
    let (streams, token) = page(streams, input, |stream| stream.name.to_string())?;
    let streams: Vec<Value> = streams
        .iter()
        .map(|stream| describe_stream(&group, stream))
        .collect();
    Ok(with_token(json!({ "logStreams": streams }), token))
}

fn describe_stream(group: &str, stream: &StreamFacts) -> Value {
    let mut value = json!({
        "logStreamName": &*stream.name,
        "creationTime": stream.created_ms,
        "arn": format!("{}:log-stream:{}", group_arn(group), stream.name),
        // Always 0 since 2019, as documented.
        "storedBytes": 0,
    });
    if let Some((first, last)) = stream.first_last_ms {
        value["firstEventTimestamp"] = first.into();
        value["lastEventTimestamp"] = last.into();
    }
    if let Some(ingested) = stream.ingested_ms {
        value["lastIngestionTime"] = ingested.into();
    }
    value
}

fn put_events(store: &LogStore, input: &Value) -> Result<Value, AwsError> {
    let group = name(input)?;
    let stream = required(input, "logStreamName")?;
    let streams = store.streams(&group).ok_or_else(no_group)?;
    if !streams.iter().any(|known| &*known.name == stream) {
        return Err(no_stream());
    }
    let events: Vec<(i64, &str)> = list(input, "logEvents")
        .iter()
        .map(|event| {
            let at = integer(event, "timestamp");
            at.zip(text(event, "message"))
                .ok_or_else(|| invalid("A log event needs a timestamp and a message."))
        })
        .collect::<Result<_, _>>()?;
    let bytes: usize = events
        .iter()
        .map(|(_, message)| message.len() + EVENT_OVERHEAD_BYTES)
        .sum();
    if events.is_empty() || events.len() > PUT_EVENTS_MAX {
        return Err(invalid(format!(
            "1 validation error detected: Value at 'logEvents' failed to satisfy constraint: Member must have length between 1 and {PUT_EVENTS_MAX}"
        )));
    }
    if bytes > PUT_BYTES_MAX {
        return Err(invalid(format!(
            "Upload too large: {bytes} bytes exceeds limit of {PUT_BYTES_MAX}"
        )));
    }
    if let Some((_, message)) = events
        .iter()
        .find(|(_, m)| m.len() + EVENT_OVERHEAD_BYTES > EVENT_BYTES_MAX)
    {
        return Err(invalid(format!(
            "Log event too large: {} bytes exceeds limit of {EVENT_BYTES_MAX}",
            message.len() + EVENT_OVERHEAD_BYTES
        )));
    }
    if events.windows(2).any(|two| two[0].0 > two[1].0) {
        return Err(invalid(
            "Log events in a single PutLogEvents request must be in chronological order.",
        ));
    }
    let now = now_ms();
    let too_old = events
        .iter()
        .filter(|(at, _)| *at < now - OLD_MAX_MS)
        .count();
    let too_new = events
        .iter()
        .filter(|(at, _)| *at > now + NEW_MAX_MS)
        .count();
    for (at, message) in &events[too_old..events.len() - too_new] {
        store.put(&group, stream, *at, (*message).to_owned());
    }
    let mut answer = json!({ "nextSequenceToken": format!("{now:056}") });
    if too_old > 0 {
        answer["rejectedLogEventsInfo"]["tooOldLogEventEndIndex"] = too_old.into();
    }
    if too_new > 0 {
        answer["rejectedLogEventsInfo"]["tooNewLogEventStartIndex"] =
            (events.len() - too_new).into();
    }
    Ok(answer)
}
