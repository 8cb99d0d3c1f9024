//! Reading the members of a request whose leaves may be typed (JSON, CBOR) or text (awsQuery).

use serde_json::Value;

/// The text of a member.
pub fn text<'a>(input: &'a Value, name: &str) -> Option<&'a str> {
    input.get(name)?.as_str()
}

/// A whole number, or its text as awsQuery sends it.
pub fn integer(input: &Value, name: &str) -> Option<i64> {
    match input.get(name)? {
        Value::String(text) => text.parse().ok(),
        value => value.as_i64().or_else(|| value.as_f64().map(|f| f as i64)),
    }
}

/// A number, or its text as awsQuery sends it.
pub fn number(input: &Value, name: &str) -> Option<f64> {
    as_number(input.get(name)?)
}

/// A number, or its text as awsQuery sends it.
pub fn as_number(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => text.parse().ok(),
        value => value.as_f64(),
    }
}

/// A truth value, or its text as awsQuery sends it.
pub fn boolean(input: &Value, name: &str) -> Option<bool> {
    match input.get(name)? {
        Value::String(text) => text.parse().ok(),
        value => value.as_bool(),
    }
}

/// A time in milliseconds since the epoch: epoch seconds as JSON and CBOR send it, ISO 8601 as
/// awsQuery sends it.
pub fn time_ms(input: &Value, name: &str) -> Option<i64> {
    match input.get(name)? {
        Value::String(text) => match text.parse::<f64>() {
            Ok(seconds) => Some((seconds * 1000.0).round() as i64),
            Err(_) => Some(
                text.parse::<jiff::Timestamp>()
                    .or_else(|_| format!("{text}Z").parse())
                    .ok()?
                    .as_millisecond(),
            ),
        },
        value => Some((value.as_f64()? * 1000.0).round() as i64),
    }
}

/// The members of a list, none when it is missing.
pub fn list<'a>(input: &'a Value, name: &str) -> &'a [Value] {
    input
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The texts of a list, others left out.
pub fn texts<'a>(input: &'a Value, name: &str) -> Vec<&'a str> {
    list(input, name).iter().filter_map(Value::as_str).collect()
}
