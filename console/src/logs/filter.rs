//! Which lines a view shows: include → exclude → level → fields.

use super::store::Line;
use crate::model::Level;
use std::{ops::Range, str::FromStr};

/// How a pattern's text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternKind {
    /// As it stands.
    Literal,
    /// As a regular expression (the `regex` crate's syntax).
    Regex,
}

/// A text or regular expression to look for. Case counts only when the text has a capital.
#[derive(Clone, Debug)]
pub struct Pattern {}

/// A regular expression that does not parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a regular expression: {cause}. Correct it, or look for it as plain text")]
pub struct PatternError {
    /// As typed.
    pub text: String,
    /// Why, in one line.
    pub cause: String,
}

impl Pattern {
    /// Reads `text` as `kind` says.
    pub fn new(text: &str, kind: PatternKind) -> Result<Self, PatternError> {
        let _ = (text, kind);
        unimplemented!()
    }
    /// Plain text; cannot fail.
    pub fn literal(text: &str) -> Self {
        let _ = text;
        unimplemented!()
    }
    /// As typed.
    pub fn text(&self) -> &str {
        unimplemented!()
    }
    /// How it is read.
    pub fn kind(&self) -> PatternKind {
        unimplemented!()
    }
    /// Whether it occurs.
    pub fn is_match(&self, text: &str) -> bool {
        let _ = text;
        unimplemented!()
    }
    /// Where it occurs, in bytes of `text`, in order and not overlapping.
    pub fn ranges(&self, text: &str) -> Vec<Range<usize>> {
        let _ = text;
        unimplemented!()
    }
}

/// `=` or `!=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldTest {
    /// The field is there with that value.
    Is,
    /// The field is absent or has another value.
    IsNot,
}

/// A test of one field of a structured line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFilter {
    /// Its dotted path.
    pub name: String,
    /// `=` or `!=`.
    pub test: FieldTest,
    /// Compared as text.
    pub value: String,
}

/// What a view shows. Empty shows everything.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// A line must match one of these, if there are any.
    pub include: Vec<Pattern>,
    /// A line must match none of these.
    pub exclude: Vec<Pattern>,
    /// At least so bad.
    pub level: Option<Level>,
    /// All of these must hold.
    pub fields: Vec<FieldFilter>,
    /// Only these streams; all when empty.
    pub streams: Vec<String>,
}

impl FromStr for Filter {
    type Err = PatternError;
    /// Reads the `f` box: `upstream timeout !healthz level>=warn status=500 path!="/a b"`. Words
    /// that are none of the special forms make one include pattern, in order.
    fn from_str(text: &str) -> Result<Self, PatternError> {
        let _ = text;
        unimplemented!()
    }
}

impl Filter {
    /// As [`FromStr`], but every pattern is plain text, so it cannot fail.
    pub fn literal(text: &str) -> Self {
        let _ = text;
        unimplemented!()
    }
    /// Shows everything.
    pub fn is_empty(&self) -> bool {
        unimplemented!()
    }
    /// Whether it lets the line through.
    pub fn passes(&self, line: &Line<'_>) -> bool {
        let _ = line;
        unimplemented!()
    }
}

impl std::fmt::Display for Filter {
    /// In the form that [`FromStr`] reads: `level>=info timeout`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let _ = f;
        unimplemented!()
    }
}
