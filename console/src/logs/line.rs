//! What a line says of itself: level, fields and message.

use crate::model::Level;
use std::borrow::Cow;

/// The level that a line names, from its JSON (`level`, `severity`), its logfmt or its first
/// words; [`Level::Info`] when it does not say.
pub fn parse_level(text: &str) -> Level {
    let _ = text;
    unimplemented!()
}

/// One field of a structured line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its path, dotted where objects nest: `http.status`.
    pub name: String,
    /// Its value: strings without quotes, everything else as JSON.
    pub value: String,
}

/// The fields of a line that is, or ends in, a JSON object, in the line's order.
pub fn json_fields(text: &str) -> Option<Vec<Field>> {
    let _ = text;
    unimplemented!()
}

/// The fields of a line, from JSON or else from logfmt (`key=value`); empty when it has none.
pub fn fields(text: &str) -> Vec<Field> {
    let _ = text;
    unimplemented!()
}

/// The human part of a line: the `message`, `msg` or `error` of a JSON object, else the whole.
pub fn message_of(text: &str) -> Cow<'_, str> {
    let _ = text;
    unimplemented!()
}

/// A structured line for one row: its message, then its other fields as `name=value`, without
/// time and level, which have columns of their own. Any other line as it is.
pub fn compact(text: &str) -> Cow<'_, str> {
    let _ = text;
    unimplemented!()
}
