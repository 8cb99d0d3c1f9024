//! A log line as rows of the screen: wrapped or cut, with its fields when it is expanded.

use crate::logs::{Line, LineId, line};
use std::{ops::Range, rc::Rc};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// So much of one line is laid out. A line of megabytes is held, saved and copied whole, but
/// nobody reads it here, and wrapping it would cost more than a frame.
pub const SHOWN_BYTES_MAX: usize = 16 * 1024;

/// Stands between what happened and the fields that say more about it.
const ACCESS_GAP: &str = "  ";

/// How lines become rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Columns of the text, beside time, task and level.
    pub columns: usize,
    /// Long lines go on in the next row.
    pub wrap: bool,
}

/// What a row shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// A stretch of the line's text.
    Text {
        /// Which, in bytes of [`Row::text`].
        range: Range<usize>,
        /// Whether it is the line's first row.
        first: bool,
    },
    /// A stretch of a field's value.
    Field {
        /// Which field, from 0.
        index: usize,
        /// Its name.
        name: Rc<str>,
        /// Columns of the widest name of this line.
        name_columns: usize,
        /// Which stretch of the value, in bytes of [`Row::text`].
        range: Range<usize>,
        /// Whether it is the value's first row.
        first: bool,
    },
    /// Time that could not be read, by its number in [`crate::logs::LogStore::gaps`].
    Gap(usize),
}

/// One row.
#[derive(Clone, Debug)]
pub struct Row {
    /// The line it belongs to.
    pub id: LineId,
    /// The text that [`Part`]'s range points into.
    pub text: Rc<str>,
    /// What it shows.
    pub part: Part,
}

impl Row {
    /// What the cursor is on when it is on this row: 0 the line, n its n-th field.
    pub fn field(&self) -> usize {
        match &self.part {
            Part::Text { .. } | Part::Gap(_) => 0,
            Part::Field { index, .. } => index + 1,
        }
    }
}

/// The rows of `held`; `expanded` adds its fields, or unfolds it where it has none.
pub fn rows_of(held: &Line<'_>, shape: Shape, expanded: bool) -> Vec<Row> {
    let shown = displayed(held);
    let fields = if expanded {
        line::fields(held.text)
    } else {
        Vec::new()
    };
    let unfold = shape.wrap || (expanded && fields.is_empty());
    let mut rows: Vec<Row> = stretches(&shown, shape.columns, unfold)
        .into_iter()
        .enumerate()
        .map(|(index, range)| Row {
            id: held.id,
            text: Rc::clone(&shown),
            part: Part::Text {
                range,
                first: index == 0,
            },
        })
        .collect();
    let name_columns = fields
        .iter()
        .map(|field| field.name.width())
        .max()
        .unwrap_or(0)
        .min(shape.columns / 3);
    // `└ name  value`: two columns before the name, two after it.
    let value_columns = shape.columns.saturating_sub(name_columns + 4).max(8);
    for (index, field) in fields.into_iter().enumerate() {
        let value: Rc<str> = capped(&field.value).into();
        let name: Rc<str> = field.name.into();
        for (row, range) in stretches(&value, value_columns, true)
            .into_iter()
            .enumerate()
        {
            rows.push(Row {
                id: held.id,
                text: Rc::clone(&value),
                part: Part::Field {
                    index,
                    name: Rc::clone(&name),
                    name_columns,
                    range,
                    first: row == 0,
                },
            });
        }
    }
    rows
}

/// The line's text in one row's form: message first, fields after it, cut to what is laid out.
pub fn displayed(held: &Line<'_>) -> Rc<str> {
    let compact = match access(held.text) {
        Some(line) => line.into(),
        None => line::compact(held.text),
    };
    let mut shown = capped(compact.trim_end()).replace('\t', "    ");
    if let Some(bytes) = held.truncated_from {
        shown.push_str(&format!(" … cut, {} as received", size(bytes)));
    } else if compact.len() > SHOWN_BYTES_MAX {
        let whole = u64::try_from(held.text.len()).unwrap_or(u64::MAX);
        shown.push_str(&format!(" … {} in all, c copies it", size(whole)));
    }
    shown.into()
}

/// A structured line about one request as access logs write it: `GET /items/14 504 2004 ms`,
/// then its other fields.
fn access(text: &str) -> Option<String> {
    let fields = line::json_fields(text)?;
    let value = |name: &str| {
        fields
            .iter()
            .find(|field| field.name == name)
            .map(|field| field.value.as_str())
    };
    let (method, status) = (value("method")?, value("status")?);
    let path = value("path").or(value("route"))?;
    if !matches!(value("message"), None | Some("request")) {
        return None;
    }
    let mut out = format!("{method} {path} {status}");
    if let Some(duration) = value("duration_ms") {
        out.push_str(&format!(" {duration} ms"));
    }
    const TOLD: [&str; 10] = [
        "method",
        "path",
        "status",
        "duration_ms",
        "message",
        "level",
        "timestamp",
        "time",
        "ts",
        "severity",
    ];
    let others: Vec<String> = fields
        .iter()
        .filter(|field| !TOLD.contains(&field.name.as_str()))
        .map(|field| format!("{}={}", field.name, field.value))
        .collect();
    if !others.is_empty() {
        out.push_str(ACCESS_GAP);
        out.push_str(&others.join(" "));
    }
    Some(out)
}

/// Where the quieter part of a displayed line begins: the fields after the message.
pub fn message_end(held: &Line<'_>, displayed: &str) -> usize {
    if let Some(at) = displayed.find(ACCESS_GAP)
        && access(held.text).is_some()
    {
        return at;
    }
    let message = line::message_of(held.text);
    if displayed.starts_with(&*message) {
        message.len()
    } else {
        displayed.len()
    }
}

fn capped(text: &str) -> &str {
    if text.len() <= SHOWN_BYTES_MAX {
        return text;
    }
    &text[..text.floor_char_boundary(SHOWN_BYTES_MAX)]
}

/// Bytes for people, in the powers of 1024 that tools print.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{bytes} B")
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

/// Where `text` is divided into rows of at most `columns`; at least one, and only one unless
/// `unfold`, which also breaks at newlines.
fn stretches(text: &str, columns: usize, unfold: bool) -> Vec<Range<usize>> {
    if !unfold {
        return std::iter::once(0..text.len()).collect();
    }
    let columns = columns.max(1);
    let mut rows = Vec::new();
    let (mut start, mut used) = (0, 0);
    for (at, cluster) in text.grapheme_indices(true) {
        if cluster == "\n" || cluster == "\r\n" {
            rows.push(start..at);
            (start, used) = (at + cluster.len(), 0);
            continue;
        }
        let wide = cluster.width();
        if used + wide > columns && used > 0 {
            rows.push(start..at);
            (start, used) = (at, 0);
        }
        used += wide;
    }
    if start < text.len() || rows.is_empty() {
        rows.push(start..text.len());
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Level;

    fn held(text: &str) -> Line<'_> {
        Line {
            id: LineId(7),
            at_ms: 0,
            stream: "api/api/7be1",
            level: Level::Info,
            late: false,
            text,
            truncated_from: None,
        }
    }

    fn shown(text: &str, columns: usize, wrap: bool, expanded: bool) -> Vec<String> {
        rows_of(&held(text), Shape { columns, wrap }, expanded)
            .iter()
            .map(|row| match &row.part {
                Part::Text { range, .. } => row.text[range.clone()].to_owned(),
                Part::Field { name, range, .. } => {
                    format!("{name}: {}", &row.text[range.clone()])
                }
                Part::Gap(_) => "gap".to_owned(),
            })
            .collect()
    }

    #[test]
    fn a_long_line_is_one_row_or_wrapped_by_columns() {
        assert_eq!(shown("abcdefgh", 3, false, false), ["abcdefgh"]);
        assert_eq!(shown("abcdefgh", 3, true, false), ["abc", "def", "gh"]);
        assert_eq!(shown("日本語", 4, true, false), ["日本", "語"]);
        assert_eq!(shown("", 4, true, false), [""]);
    }

    #[test]
    fn a_trace_of_many_lines_unfolds_when_it_is_expanded() {
        assert_eq!(shown("boom\n  at f", 20, false, true), ["boom", "  at f"]);
    }

    #[test]
    fn the_fields_of_a_json_line_follow_it_in_their_order() {
        let rows = shown(
            r#"{"message":"upstream timeout","route":"/items","status":504}"#,
            60,
            false,
            true,
        );
        assert!(rows[0].starts_with("upstream timeout"), "{rows:?}");
        assert!(rows.contains(&"route: /items".to_owned()), "{rows:?}");
        assert!(rows.contains(&"status: 504".to_owned()), "{rows:?}");
    }

    #[test]
    fn a_request_reads_like_an_access_log() {
        let rows = shown(
            r#"{"level":"INFO","message":"request","route":"/items/{id}","method":"GET","path":"/items/7","status":200,"duration_ms":3}"#,
            80,
            false,
            false,
        );
        assert_eq!(rows, ["GET /items/7 200 3 ms  route=/items/{id}"]);
    }

    #[test]
    fn of_a_line_of_ten_megabytes_only_the_head_is_laid_out_and_its_size_is_told() {
        let text = "x".repeat(10 << 20);
        let rows = rows_of(
            &held(&text),
            Shape {
                columns: 80,
                wrap: true,
            },
            false,
        );
        assert!(rows.len() <= SHOWN_BYTES_MAX / 80 + 2, "{}", rows.len());
        assert!(rows[0].text.ends_with("… 10.0 MiB in all, c copies it"));
    }
}
