//! What a line says of itself: level, fields and message.

use super::sanitize::clean;
use crate::model::Level;
use memchr::memmem;
use std::{borrow::Cow, fmt::Write as _};

/// Words are looked for this far into a line: a level stands near its beginning, and a long line
/// must not cost more than a short one. In bytes.
const WORDS_BYTES: usize = 200;
/// The same for the level in JSON, whose order of keys is free. In bytes.
const JSON_BYTES: usize = 8 * 1024;

/// The level that a line names, from its JSON (`level`, `severity`), its logfmt or its first
/// words; [`Level::Info`] when it does not say.
pub fn parse_level(text: &str) -> Level {
    let bytes = text.as_bytes();
    if memchr::memchr(b'{', head(bytes, WORDS_BYTES)).is_some()
        && let Some(level) = level_in_json(head(bytes, JSON_BYTES))
    {
        return level;
    }
    let start = head(bytes, WORDS_BYTES);
    level_in_prefix(start)
        .or_else(|| level_in_logfmt(start))
        .or_else(|| level_in_words(start))
        .unwrap_or(Level::Info)
}

fn head(bytes: &[u8], length: usize) -> &[u8] {
    &bytes[..bytes.len().min(length)]
}

/// The level that a word stands for, in any case.
pub fn level_of_word(word: &str) -> Option<Level> {
    level_of_bytes(word.as_bytes())
}

fn level_of_bytes(word: &[u8]) -> Option<Level> {
    const WORDS: [(&str, Level); 22] = [
        ("trace", Level::Trace),
        ("trc", Level::Trace),
        ("finest", Level::Trace),
        ("debug", Level::Debug),
        ("dbg", Level::Debug),
        ("info", Level::Info),
        ("inf", Level::Info),
        ("information", Level::Info),
        ("notice", Level::Info),
        ("warn", Level::Warn),
        ("wrn", Level::Warn),
        ("warning", Level::Warn),
        ("error", Level::Error),
        ("err", Level::Error),
        ("fatal", Level::Error),
        ("ftl", Level::Error),
        ("critical", Level::Error),
        ("crit", Level::Error),
        ("alert", Level::Error),
        ("panic", Level::Error),
        ("emerg", Level::Error),
        ("severe", Level::Error),
    ];
    WORDS
        .iter()
        .find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word))
        .map(|(_, level)| *level)
}

/// pino and bunyan write numbers: 10 trace … 50 error, 60 fatal.
fn level_of_number(number: u32) -> Option<Level> {
    match number {
        10..=19 => Some(Level::Trace),
        20..=29 => Some(Level::Debug),
        30..=39 => Some(Level::Info),
        40..=49 => Some(Level::Warn),
        50..=69 => Some(Level::Error),
        _ => None,
    }
}

fn level_in_json(bytes: &[u8]) -> Option<Level> {
    [
        "\"level\"",
        "\"severity\"",
        "\"lvl\"",
        "\"levelname\"",
        "\"log.level\"",
    ]
    .iter()
    .find_map(|key| {
        let at = memmem::find(bytes, key.as_bytes())?;
        let value = bytes[at + key.len()..].trim_ascii_start();
        let value = value.strip_prefix(b":")?.trim_ascii_start();
        if let Some(word) = value.strip_prefix(b"\"") {
            return level_of_bytes(word.split(|byte| *byte == b'"').next()?);
        }
        let digits = value.iter().take(3).take_while(|b| b.is_ascii_digit());
        level_of_number(digits.fold(0, |n, digit| n * 10 + u32::from(digit - b'0')))
    })
}

/// klog (`E0701 13:50:00`) and syslog (`<3>`, RFC 5424 §6.2.1: severity is the value mod 8).
fn level_in_prefix(bytes: &[u8]) -> Option<Level> {
    match bytes {
        [letter, a, b, c, d, b' ', ..] if [a, b, c, d].iter().all(|x| x.is_ascii_digit()) => {
            match letter {
                b'I' => Some(Level::Info),
                b'W' => Some(Level::Warn),
                b'E' | b'F' => Some(Level::Error),
                _ => None,
            }
        }
        [b'<', rest @ ..] => {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if !(1..=3).contains(&digits) || rest.get(digits) != Some(&b'>') {
                return None;
            }
            let value = rest[..digits]
                .iter()
                .fold(0u32, |n, d| n * 10 + u32::from(d - b'0'));
            Some(match value % 8 {
                0..=3 => Level::Error,
                4 => Level::Warn,
                5 | 6 => Level::Info,
                _ => Level::Debug,
            })
        }
        _ => None,
    }
}

fn level_in_logfmt(bytes: &[u8]) -> Option<Level> {
    ["level=", "lvl=", "severity="].iter().find_map(|key| {
        let at = memmem::find(bytes, key.as_bytes())?;
        if at > 0 && !bytes[at - 1].is_ascii_whitespace() {
            return None;
        }
        let value = &bytes[at + key.len()..];
        let value = value.strip_prefix(b"\"").unwrap_or(value);
        let end = value.iter().position(|byte| !byte.is_ascii_alphabetic());
        level_of_bytes(&value[..end.unwrap_or(value.len())])
    })
}

/// The first word that is a level: in capitals anywhere near the beginning (`… ERROR …`), or in
/// any case where punctuation sets it apart (`[error]`, `warning:`). A sentence about an error is
/// not an error.
fn level_in_words(bytes: &[u8]) -> Option<Level> {
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_alphabetic() {
            at += 1;
            continue;
        }
        let length = bytes[at..]
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
            .count();
        let word = &bytes[at..at + length];
        if (3..=11).contains(&length) {
            let before = at.checked_sub(1).map(|before| bytes[before]);
            let after = bytes.get(at + length);
            let in_capitals = word.iter().all(u8::is_ascii_uppercase)
                && !matches!(before, Some(b'/' | b'.' | b'-' | b'='))
                && !matches!(after, Some(b'/' | b'-' | b'='));
            let set_apart = matches!((before, after), (Some(b'['), Some(b']')))
                || (after == Some(&b':') && matches!(before, None | Some(b' ' | b'\t')));
            if (in_capitals || set_apart)
                && let Some(level) = level_of_bytes(word)
            {
                return Some(level);
            }
        }
        at += length;
    }
    const UNHANDLED: [&[u8]; 3] = [
        b"panicked at",
        b"Traceback (most recent call last)",
        b"Exception in thread",
    ];
    UNHANDLED
        .iter()
        .any(|words| memmem::find(bytes, words).is_some())
        .then_some(Level::Error)
}

/// One field of a structured line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its path, dotted where objects nest: `http.status`.
    pub name: String,
    /// Its value, safe for a terminal: strings without quotes, everything else as JSON.
    pub value: String,
}

/// The fields of a line that is, or ends in, a JSON object, in the line's order.
pub fn json_fields(text: &str) -> Option<Vec<Field>> {
    split_json(text).map(|(_, object)| flatten(object))
}

/// What stands before the JSON object (often nothing), and the object.
fn split_json(text: &str) -> Option<(&str, serde_json::Map<String, serde_json::Value>)> {
    let trimmed = text.trim();
    if !trimmed.ends_with('}') {
        return None;
    }
    let at = if trimmed.starts_with('{') {
        0
    } else {
        trimmed.find("{\"")?
    };
    let object = serde_json::from_str(&trimmed[at..]).ok()?;
    Some((trimmed[..at].trim_end(), object))
}

fn flatten(object: serde_json::Map<String, serde_json::Value>) -> Vec<Field> {
    fn add(prefix: &str, object: serde_json::Map<String, serde_json::Value>, to: &mut Vec<Field>) {
        for (key, value) in object {
            // JSON can spell an escape character (\u001b) that was no control before: clean again.
            let key = clean(&key);
            let name = if prefix.is_empty() {
                key.into_owned()
            } else {
                format!("{prefix}.{key}")
            };
            match value {
                serde_json::Value::Object(inner) if !inner.is_empty() => add(&name, inner, to),
                serde_json::Value::String(text) => {
                    to.push(Field {
                        name,
                        value: clean(&text).into_owned(),
                    });
                }
                other => to.push(Field {
                    name,
                    value: clean(&other.to_string()).into_owned(),
                }),
            }
        }
    }
    let mut fields = Vec::with_capacity(object.len());
    add("", object, &mut fields);
    fields
}

/// The fields of a line, from JSON or else from logfmt (`key=value`); empty when it has none.
pub fn fields(text: &str) -> Vec<Field> {
    json_fields(text).unwrap_or_else(|| logfmt_fields(text))
}

fn logfmt_fields(text: &str) -> Vec<Field> {
    let mut fields = Vec::new();
    let mut rest = text;
    while let Some(equals) = rest.find('=') {
        let (before, after) = (&rest[..equals], &rest[equals + 1..]);
        let name = before.rsplit(char::is_whitespace).next().unwrap_or(before);
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => match end_of_quoted(quoted) {
                Some(end) => (quoted[..end].replace("\\\"", "\""), &quoted[end + 1..]),
                None => (quoted.to_owned(), ""),
            },
            None => {
                let end = after.find(char::is_whitespace).unwrap_or(after.len());
                (after[..end].to_owned(), &after[end..])
            }
        };
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_.-@".contains(c));
        if is_name {
            fields.push(Field {
                name: name.to_owned(),
                value,
            });
        }
        rest = next;
    }
    fields
}

/// Where the quote ends that began just before `text`, skipping `\"`.
fn end_of_quoted(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    None
}

const MESSAGE: [&str; 6] = [
    "message",
    "msg",
    "fields.message",
    "event",
    "short_message",
    "error",
];
const OWN_COLUMN: [&str; 10] = [
    "level",
    "severity",
    "lvl",
    "levelname",
    "log.level",
    "ts",
    "time",
    "timestamp",
    "@timestamp",
    "datetime",
];

/// The human part of a line: the `message`, `msg` or `error` of a JSON object or logfmt, else
/// the whole.
pub fn message_of(text: &str) -> Cow<'_, str> {
    if let Some((before, object)) = split_json(text) {
        let fields = flatten(object);
        return match (message_in(&fields), before) {
            (Some(at), "") => Cow::Owned(fields[at].value.clone()),
            (Some(at), before) => Cow::Owned(format!("{before} {}", fields[at].value)),
            (None, "") => Cow::Borrowed(text),
            (None, before) => Cow::Borrowed(before),
        };
    }
    if memmem::find(text.as_bytes(), b"msg=").is_some() {
        let mut fields = logfmt_fields(text);
        if let Some(at) = fields.iter().position(|field| field.name == "msg") {
            return Cow::Owned(fields.swap_remove(at).value);
        }
    }
    Cow::Borrowed(text)
}

fn message_in(fields: &[Field]) -> Option<usize> {
    MESSAGE.iter().find_map(|name| {
        fields
            .iter()
            .position(|field| field.name == *name && !field.value.is_empty())
    })
}

/// A structured line for one row: its message, then its other fields as `name=value`, without
/// time and level, which have columns of their own. Any other line as it is.
pub fn compact(text: &str) -> Cow<'_, str> {
    let Some((before, object)) = split_json(text) else {
        return Cow::Borrowed(text);
    };
    let fields = flatten(object);
    let message = message_in(&fields);
    let mut row = String::with_capacity(text.len());
    row.push_str(before);
    if let Some(at) = message {
        if !row.is_empty() {
            row.push(' ');
        }
        row.push_str(&fields[at].value);
    }
    for (at, field) in fields.iter().enumerate() {
        if Some(at) == message || OWN_COLUMN.contains(&field.name.as_str()) {
            continue;
        }
        if !row.is_empty() {
            row.push(' ');
        }
        // Writing to a String cannot fail.
        let _ = if field.value.is_empty() || field.value.contains([' ', '"']) {
            write!(row, "{}={:?}", field.name, field.value)
        } else {
            write!(row, "{}={}", field.name, field.value)
        };
    }
    Cow::Owned(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(fields: &[Field]) -> Vec<(&str, &str)> {
        fields
            .iter()
            .map(|f| (f.name.as_str(), f.value.as_str()))
            .collect()
    }

    #[test]
    fn a_level_is_read_as_each_logger_writes_it() {
        for (line, level) in [
            (
                r#"{"timestamp":"t","level":"ERROR","fields":{"message":"x"}}"#,
                Level::Error,
            ),
            (r#"{"severity" : "warning","message":"level"}"#, Level::Warn),
            (r#"{"time":1,"level":30,"msg":"pino"}"#, Level::Info),
            (r#"{"level":50,"msg":"pino"}"#, Level::Error),
            (
                "time=x level=debug msg=\"an ERROR was avoided\"",
                Level::Debug,
            ),
            ("2025-07-01T10:00:00Z  WARN api: slow", Level::Warn),
            ("14:02:07.118 7be1 ERROR upstream timeout", Level::Error),
            ("[error] connect() failed", Level::Error),
            ("warning: unused variable", Level::Warn),
            ("E0701 13:50:00.123 main.go:1] boom", Level::Error),
            ("<4>kernel: hot", Level::Warn),
            (
                "<14>1 2025-07-01T10:00:00Z host app - - - hello",
                Level::Info,
            ),
            ("thread 'main' panicked at src/main.rs:1:1", Level::Error),
            ("Traceback (most recent call last):", Level::Error),
            ("TRACE enter", Level::Trace),
        ] {
            assert_eq!(parse_level(line), level, "{line}");
        }
    }

    #[test]
    fn a_sentence_about_an_error_is_not_an_error() {
        for line in [
            "no error so far",
            "retrying after error in 2 s",
            "GET /ERROR/page 200",
            "ERROR_RATE is 0",
            "error_count=0 fatal=0",
            "",
            "{not json",
        ] {
            assert_eq!(parse_level(line), Level::Info, "{line}");
        }
    }

    #[test]
    fn json_fields_are_flattened_in_the_lines_order() {
        let fields = json_fields(r#"{"b":1,"a":{"x":"s","y":[1,2]},"n":null,"e":{}}"#).unwrap();
        assert_eq!(
            pairs(&fields),
            [
                ("b", "1"),
                ("a.x", "s"),
                ("a.y", "[1,2]"),
                ("n", "null"),
                ("e", "{}")
            ]
        );
        let prefixed = json_fields(r#"14:02 INFO done {"ms":3}"#).unwrap();
        assert_eq!(pairs(&prefixed), [("ms", "3")]);
        assert_eq!(json_fields("plain {text}"), None);
        assert_eq!(json_fields(r#"{"cut":"#), None);
    }

    #[test]
    fn an_escape_character_spelled_in_json_does_not_get_through() {
        let line = r#"{"msg":"\u001b[31mred\u001b[0m","k\u001b]0;x\u0007":"\u202e"}"#;
        assert_eq!(message_of(line), "red");
        assert_eq!(
            pairs(&json_fields(line).unwrap()),
            [("msg", "red"), ("k", "")]
        );
        assert!(!compact(line).contains('\u{1b}'));
    }

    #[test]
    fn logfmt_fields_are_read_with_their_quotes() {
        let fields = fields(r#"upstream timeout route=/items/{id} why="a \"b\" c" url=/x?a=b n="#);
        assert_eq!(
            pairs(&fields),
            [
                ("route", "/items/{id}"),
                ("why", "a \"b\" c"),
                ("url", "/x?a=b"),
                ("n", "")
            ]
        );
    }

    #[test]
    fn a_row_shows_the_message_first_and_then_what_has_no_column() {
        let line =
            r#"{"timestamp":"t","level":"INFO","status":200,"message":"GET /items","q":"a b"}"#;
        assert_eq!(compact(line), r#"GET /items status=200 q="a b""#);
        assert_eq!(message_of(line), "GET /items");
        assert_eq!(compact("plain"), "plain");
        assert_eq!(message_of(r#"level=info msg="it works" n=1"#), "it works");
    }
}
