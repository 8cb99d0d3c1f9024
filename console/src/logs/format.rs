//! A line as it is printed or saved.

use super::{
    line::{compact, json_fields},
    sanitize::clean,
};
use crate::model::Level;
use serde_json::{Map, Value, json};
use std::io::{self, Write};

/// How lines are printed or saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFormat {
    /// Time, stream, level and text: `2026-07-02T14:02:07.118Z 7be1c0de ERROR upstream timeout`. JSON
    /// reads as its message and then `name=value`.
    Text,
    /// The text alone, as the service wrote it.
    Raw,
    /// One JSON object a line: `time`, `stream`, `level`, `late` where it is, `message` (the whole
    /// text) and `fields` where the text is structured.
    Json,
}

/// What a format needs of a line.
#[derive(Clone, Copy, Debug)]
pub struct Printed<'a> {
    /// When it happened, in milliseconds since the epoch.
    pub at_ms: i64,
    /// The stream it came from.
    pub stream: &'a str,
    /// How bad.
    pub level: Level,
    /// True when lines of a later time were out before it.
    pub late: bool,
    /// Its text.
    pub text: &'a str,
}

impl LineFormat {
    /// Writes one line and the newline.
    pub fn write(self, line: Printed<'_>, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Raw => writeln!(out, "{}", line.text),
            Self::Text => {
                let level = level_tag(line.level);
                let late = if line.late { " (late)" } else { "" };
                let stream = clean(short_stream(line.stream));
                writeln!(
                    out,
                    "{} {stream} {level}{late} {}",
                    time(line.at_ms),
                    compact(line.text)
                )
            }
            Self::Json => {
                let mut object = Map::new();
                object.insert("time".to_owned(), json!(time(line.at_ms)));
                object.insert("stream".to_owned(), json!(line.stream));
                object.insert("level".to_owned(), json!(line.level));
                if line.late {
                    object.insert("late".to_owned(), json!(true));
                }
                object.insert("message".to_owned(), json!(line.text));
                if let Some(fields) = json_fields(line.text) {
                    let fields: Map<_, _> = fields
                        .into_iter()
                        .map(|field| (field.name, Value::String(field.value)))
                        .collect();
                    object.insert("fields".to_owned(), Value::Object(fields));
                }
                serde_json::to_writer(&mut *out, &object)?;
                writeln!(out)
            }
        }
    }
}

/// The word for a column of five: `ERROR`, `WARN `.
fn level_tag(level: Level) -> &'static str {
    match level {
        Level::Trace => "TRACE",
        Level::Debug => "DEBUG",
        Level::Info => "INFO ",
        Level::Warn => "WARN ",
        Level::Error => "ERROR",
    }
}

/// What tells streams of one service apart, as the screens show it: eight digits of the task's id
/// (`prefix/container/task-id`), or a pod's own end and its container (`x2x4z/api` of
/// `shop-6c9f8d6b5-x2x4z/api`); any other name whole.
pub fn short_stream(stream: &str) -> &str {
    let Some((before, last)) = stream.rsplit_once('/') else {
        return stream;
    };
    if last.len() >= 8 && last.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return last.get(..8).unwrap_or(last);
    }
    match before.rsplit_once('-') {
        Some((name, own)) if !before.contains('/') && !own.is_empty() => {
            stream.get(name.len() + 1..).unwrap_or(stream)
        }
        _ => stream,
    }
}

/// Four characters for a narrow column: the first of a task's id, the last of a pod's name.
pub fn stream_mark(stream: &str) -> &str {
    let short = short_stream(stream);
    match short.split_once('/') {
        Some((own, _)) if short.len() < stream.len() => {
            own.get(own.len().saturating_sub(4)..).unwrap_or(own)
        }
        _ => short.get(..4).unwrap_or(short),
    }
}

/// RFC 3339 in UTC with milliseconds.
fn time(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms)
        .map(|at| format!("{at:.3}"))
        .unwrap_or_else(|_| format!("{at_ms} ms"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_one_service_are_told_apart_in_short() {
        for (stream, short) in [
            ("api/api/7be1f2d0aa314c5b9e77", "7be1f2d0"),
            (
                "opsconsole-api-6c9f8d6b5-x2x4z/opsconsole-api",
                "x2x4z/opsconsole-api",
            ),
            ("shop-6c9f8d6b5-x2x4z/api", "x2x4z/api"),
            ("alone", "alone"),
            ("a-b/c/odd", "a-b/c/odd"),
        ] {
            assert_eq!(short_stream(stream), short);
        }
        assert_eq!(stream_mark("api/api/7be1f2d0aa314c5b9e77"), "7be1");
        assert_eq!(stream_mark("shop-6c9f8d6b5-x2x4z/api"), "2x4z");
        assert_eq!(stream_mark("x"), "x");
    }

    fn printed(format: LineFormat, line: Printed<'_>) -> String {
        let mut out = Vec::new();
        format.write(line, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    const LINE: Printed<'static> = Printed {
        at_ms: 1_782_999_727_118,
        stream: "api/api/7be1c0de4f5a",
        level: Level::Error,
        late: false,
        text: r#"{"level":"error","message":"no","n":1}"#,
    };

    #[test]
    fn a_line_is_printed_in_each_format() {
        assert_eq!(printed(LineFormat::Raw, LINE), format!("{}\n", LINE.text));
        assert_eq!(
            printed(LineFormat::Text, LINE),
            "2026-07-02T13:42:07.118Z 7be1c0de ERROR no n=1\n"
        );
        let parsed: Value = serde_json::from_str(&printed(LineFormat::Json, LINE)).unwrap();
        assert_eq!(parsed["time"], "2026-07-02T13:42:07.118Z");
        assert_eq!(parsed["level"], "error");
        assert_eq!(parsed["message"], LINE.text);
        assert_eq!(parsed["fields"]["n"], "1");
        assert_eq!(parsed.get("late"), None);
    }

    #[test]
    fn a_late_line_says_so_and_an_odd_stream_keeps_its_name() {
        let late = Printed {
            late: true,
            stream: "worker",
            text: "x",
            ..LINE
        };
        assert!(printed(LineFormat::Text, late).contains(" worker ERROR (late) x"));
        let parsed: Value = serde_json::from_str(&printed(LineFormat::Json, late)).unwrap();
        assert_eq!(parsed["late"], true);
        assert_eq!(parsed.get("fields"), None);
    }
}
