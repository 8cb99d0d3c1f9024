//! Which lines a view shows: include → exclude → level → fields.

use super::{
    line::{fields, level_of_word},
    store::Line,
};
use crate::model::Level;
use regex::{Regex, RegexBuilder};
use std::{fmt, ops::Range, str::FromStr};

/// Memory that one compiled expression may take, in bytes: `\w{1000}{1000}` is refused with a
/// message instead of stopping the console.
const REGEX_BYTES_MAX: usize = 4 * 1024 * 1024;

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
pub struct Pattern {
    text: String,
    kind: PatternKind,
    regex: Regex,
}

/// A regular expression that does not parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a regular expression: {cause}. Correct it, or look for it as plain text")]
pub struct PatternError {
    /// As typed.
    pub text: String,
    /// Why, in one line.
    pub cause: String,
}

/// A filter that does not parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// In one of its expressions.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// A level that does not exist.
    #[error("{0:?} is not a level: write trace, debug, info, warn or error after level>=")]
    Level(String),
}

impl Pattern {
    /// Reads `text` as `kind` says.
    pub fn new(text: &str, kind: PatternKind) -> Result<Self, PatternError> {
        let source = match kind {
            PatternKind::Literal => regex::escape(text),
            PatternKind::Regex => text.to_owned(),
        };
        let regex = RegexBuilder::new(&source)
            .case_insensitive(!counts_case(text, kind))
            .multi_line(true)
            .size_limit(REGEX_BYTES_MAX)
            .build()
            .map_err(|error| PatternError {
                text: text.to_owned(),
                cause: one_line(&error),
            })?;
        Ok(Self {
            text: text.to_owned(),
            kind,
            regex,
        })
    }

    /// A regular expression if it is one, else the same text as it stands.
    pub fn lenient(text: &str) -> Self {
        Self::new(text, PatternKind::Regex).unwrap_or_else(|_| Self::literal(text))
    }

    /// Plain text; a text too long to compile is cut where it still does.
    pub fn literal(text: &str) -> Self {
        let mut end = text.len();
        loop {
            match Self::new(&text[..end], PatternKind::Literal) {
                Ok(pattern) => return pattern,
                // Only the size can be wrong with an escaped text; an empty one always compiles.
                Err(_) => end = text.floor_char_boundary(end / 2),
            }
        }
    }

    /// As typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How it is read.
    pub fn kind(&self) -> PatternKind {
        self.kind
    }

    /// Whether capitals must match.
    pub fn counts_case(&self) -> bool {
        counts_case(&self.text, self.kind)
    }

    /// Whether it occurs.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// Where it occurs, in bytes of `text`, in order and not overlapping; no empty ranges.
    pub fn ranges(&self, text: &str) -> Vec<Range<usize>> {
        self.regex
            .find_iter(text)
            .map(|found| found.range())
            .filter(|range| !range.is_empty())
            .collect()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        (&self.text, self.kind) == (&other.text, other.kind)
    }
}

/// Smart case, as in ripgrep and vim: a capital that was typed is meant. `\S` is no capital.
fn counts_case(text: &str, kind: PatternKind) -> bool {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\\' && kind == PatternKind::Regex {
            // The escaped character, and the braces of \p{Greek}.
            if matches!(chars.next(), Some('p' | 'P')) && chars.as_str().starts_with('{') {
                chars.by_ref().find(|c| *c == '}');
            }
        } else if c.is_uppercase() {
            return true;
        }
    }
    false
}

/// The regex crate draws the expression with a caret over several lines; its last line says why.
fn one_line(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => "it is too big; use smaller repetitions".to_owned(),
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or(&text);
            last.trim_start_matches("error: ").to_owned()
        }
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

/// A test of one field of a structured line (JSON or logfmt).
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
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// A line must match one of these, if there are any.
    pub include: Vec<Pattern>,
    /// A line must match none of these.
    pub exclude: Vec<Pattern>,
    /// At least so bad.
    pub level: Option<Level>,
    /// All of these must hold.
    pub fields: Vec<FieldFilter>,
    /// Only streams whose name contains one of these; all when empty.
    pub streams: Vec<String>,
}

impl FromStr for Filter {
    type Err = FilterError;

    /// Reads the `f` box: `upstream timeout !healthz level>=warn status=500 path!="/a b"`.
    ///
    /// Words that are none of the special forms make one include expression together. Quotes make
    /// plain text of what they hold: `"a=b"`, `!"GET /livez"`; parentheses keep an expression one:
    /// `(status=5..)`. `stream=7be1` keeps one task.
    fn from_str(text: &str) -> Result<Self, FilterError> {
        Self::parse(text, PatternKind::Regex)
    }
}

impl Filter {
    /// As [`FromStr`], but every pattern is plain text: the way out when an expression does not
    /// parse.
    pub fn literal(text: &str) -> Result<Self, FilterError> {
        Self::parse(text, PatternKind::Literal)
    }

    fn parse(text: &str, bare: PatternKind) -> Result<Self, FilterError> {
        let mut filter = Self::default();
        let mut words: Vec<String> = Vec::new();
        for token in tokens(text) {
            let is_quoted = token.quoted_from == Some(0);
            if is_quoted {
                filter
                    .include
                    .push(Pattern::new(&token.text, PatternKind::Literal)?);
            } else if let Some(rest) = token.text.strip_prefix('!').filter(|rest| !rest.is_empty())
            {
                let kind = if token.quoted_from == Some(1) {
                    PatternKind::Literal
                } else {
                    bare
                };
                filter.exclude.push(Pattern::new(rest, kind)?);
            } else if let Some(level) = token
                .text
                .strip_prefix("level>=")
                .or_else(|| token.text.strip_prefix("level≥"))
            {
                let level = level_of_word(level).ok_or(FilterError::Level(level.to_owned()))?;
                filter.level = Some(level);
            } else if let Some(field) = field_filter(&token.text) {
                if field.name == "stream" && field.test == FieldTest::Is {
                    filter.streams.push(field.value);
                } else {
                    filter.fields.push(field);
                }
            } else {
                words.push(token.text);
            }
        }
        if !words.is_empty() {
            filter
                .include
                .insert(0, Pattern::new(&words.join(" "), bare)?);
        }
        Ok(filter)
    }

    /// Shows everything.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it lets the line through. The cheap questions come first; all must be answered
    /// with yes, so the order does not change the answer.
    pub fn passes(&self, line: &Line<'_>) -> bool {
        self.level.is_none_or(|level| line.level >= level)
            && (self.streams.is_empty()
                || self
                    .streams
                    .iter()
                    .any(|stream| line.stream.contains(stream.as_str())))
            && (self.include.is_empty()
                || self
                    .include
                    .iter()
                    .any(|pattern| pattern.is_match(line.text)))
            && !self
                .exclude
                .iter()
                .any(|pattern| pattern.is_match(line.text))
            && self.fields_pass(line.text)
    }

    fn fields_pass(&self, text: &str) -> bool {
        if self.fields.is_empty() {
            return true;
        }
        // A value that must be there nearly always stands in the text as it is: most lines are
        // settled without parsing them.
        let is_impossible = self.fields.iter().any(|field| {
            field.test == FieldTest::Is
                && is_written_alike(&field.value)
                && !text.contains('\\')
                && memchr::memmem::find(text.as_bytes(), field.value.as_bytes()).is_none()
        });
        if is_impossible {
            return false;
        }
        let found = fields(text);
        self.fields.iter().all(|wanted| {
            let is_there = found
                .iter()
                .any(|field| field.name == wanted.name && field.value == wanted.value);
            is_there == (wanted.test == FieldTest::Is)
        })
    }
}

/// Whether a value stands in every line that has it, byte for byte: unlike numbers with a fraction
/// (`1.50` is 1.5), arrays and objects, and what JSON may escape.
fn is_written_alike(value: &str) -> bool {
    let is_number = value.parse::<f64>().is_ok();
    value.is_ascii()
        && !value.contains(['"', '\\', '/'])
        && !value.starts_with(['[', '{'])
        && (!is_number || value.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `name=value` or `name!=value`.
fn field_filter(token: &str) -> Option<FieldFilter> {
    let equals = token.find('=')?;
    let (name, test) = match token[..equals].strip_suffix('!') {
        Some(name) => (name, FieldTest::IsNot),
        None => (&token[..equals], FieldTest::Is),
    };
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '@')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_.-@".contains(c));
    is_name.then(|| FieldFilter {
        name: name.to_owned(),
        test,
        value: token[equals + 1..].to_owned(),
    })
}

struct Token {
    text: String,
    /// Where in `text` its quoted part began.
    quoted_from: Option<usize>,
}

/// Words apart by spaces; quotes keep a word together, `\"` is a quote inside them. A quote in
/// the middle of a bare word stands for itself, so that expressions may hold it.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        if chars.peek().is_none() {
            return tokens;
        }
        let mut token = Token {
            text: String::new(),
            quoted_from: None,
        };
        let mut is_inside = false;
        while let Some(c) = chars.next_if(|c| is_inside || !c.is_whitespace()) {
            let opens = token.quoted_from.is_none()
                && (token.text.is_empty() || token.text == "!" || token.text.ends_with('='));
            match c {
                '"' if is_inside => is_inside = false,
                '"' if opens => {
                    token.quoted_from = Some(token.text.len());
                    is_inside = true;
                }
                '\\' if is_inside => match chars.next_if(|next| matches!(next, '"' | '\\')) {
                    Some(escaped) => token.text.push(escaped),
                    None => token.text.push('\\'),
                },
                c => token.text.push(c),
            }
        }
        tokens.push(token);
    }
}

impl fmt::Display for Filter {
    /// In the form that [`FromStr`] reads: `level>=info timeout`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if let Some(level) = self.level {
            parts.push(format!("level>={}", level_word(level)));
        }
        parts.extend(self.include.iter().map(|pattern| written(pattern, "")));
        parts.extend(self.exclude.iter().map(|pattern| written(pattern, "!")));
        parts.extend(self.fields.iter().map(|field| {
            let test = if field.test == FieldTest::Is {
                "="
            } else {
                "!="
            };
            format!("{}{test}{}", field.name, quoted_if_needed(&field.value))
        }));
        parts.extend(
            self.streams
                .iter()
                .map(|stream| format!("stream={}", quoted_if_needed(stream))),
        );
        f.write_str(&parts.join(" "))
    }
}

fn written(pattern: &Pattern, prefix: &str) -> String {
    match pattern.kind {
        PatternKind::Literal => format!("{prefix}{}", quoted(&pattern.text)),
        PatternKind::Regex => format!("{prefix}{}", pattern.text),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn quoted_if_needed(text: &str) -> String {
    if text.contains([' ', '\t', '"']) {
        quoted(text)
    } else {
        text.to_owned()
    }
}

/// The word that `level>=` takes.
pub fn level_word(level: Level) -> &'static str {
    match level {
        Level::Trace => "trace",
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::{LineId, line::parse_level};

    fn passes(filter: &str, text: &str) -> bool {
        let line = Line {
            id: LineId(0),
            at_ms: 0,
            stream: "api/api/7be1c0",
            level: parse_level(text),
            late: false,
            text,
            truncated_from: None,
        };
        filter.parse::<Filter>().unwrap().passes(&line)
    }

    #[test]
    fn case_counts_only_when_a_capital_was_typed() {
        assert!(Pattern::lenient("timeout").is_match("Upstream TIMEOUT"));
        assert!(!Pattern::lenient("Timeout").is_match("upstream timeout"));
        assert!(Pattern::lenient(r"\Stime\S\p{Lu}").is_match("xTIMExA"));
    }

    #[test]
    fn an_expression_that_does_not_parse_says_why_in_one_line_and_can_be_plain_text() {
        let error = Pattern::new("items/{id", PatternKind::Regex).unwrap_err();
        assert!(!error.to_string().contains('\n'), "{error}");
        assert!(error.to_string().contains("repetition"), "{error}");
        assert!(Pattern::lenient("items/{id").is_match("GET /items/{id}"));
        let big = Pattern::new(r"\w{1000}{1000}", PatternKind::Regex).unwrap_err();
        assert!(big.cause.contains("too big"), "{big}");
        assert!("f(o".parse::<Filter>().is_err());
        assert_eq!(
            Filter::literal("f(o").unwrap().include,
            [Pattern::literal("f(o")]
        );
    }

    #[test]
    fn matches_are_given_as_ranges_of_bytes() {
        assert_eq!(Pattern::lenient("é+").ranges("né éé x"), [1..3, 4..8]);
        assert!(Pattern::lenient("x*").ranges("abc").is_empty());
    }

    #[test]
    fn bare_words_are_one_expression_and_special_forms_stand_apart() {
        let filter: Filter =
            r#"upstream time.ut !healthz level>=warn status=500 path!="/a b" stream=7be1"#
                .parse()
                .unwrap();
        assert_eq!(filter.include.len(), 1);
        assert_eq!(filter.include[0].text(), "upstream time.ut");
        assert_eq!(filter.exclude[0].text(), "healthz");
        assert_eq!(filter.level, Some(Level::Warn));
        assert_eq!(filter.fields[0].test, FieldTest::Is);
        assert_eq!(
            (filter.fields[1].test, filter.fields[1].value.as_str()),
            (FieldTest::IsNot, "/a b")
        );
        assert_eq!(filter.streams, ["7be1"]);
        assert_eq!(filter.to_string().parse::<Filter>().unwrap(), filter);
    }

    #[test]
    fn quotes_make_plain_text() {
        let filter: Filter = r#""a=b (x)" !"GET /livez""#.parse().unwrap();
        assert_eq!(filter.include, [Pattern::literal("a=b (x)")]);
        assert_eq!(filter.exclude, [Pattern::literal("GET /livez")]);
        assert_eq!(filter.to_string().parse::<Filter>().unwrap(), filter);
        assert!(r#""never closed"#.parse::<Filter>().is_ok());
    }

    #[test]
    fn a_wrong_level_is_named() {
        let error = "level>=loud".parse::<Filter>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"loud\" is not a level: write trace, debug, info, warn or error after level>="
        );
    }

    #[test]
    fn a_line_passes_when_every_question_is_answered_with_yes() {
        assert!(passes("", "anything"));
        assert!(passes("level>=warn", "ERROR x") && !passes("level>=warn", "INFO x"));
        assert!(passes("get !livez", "GET /items") && !passes("get !livez", "GET /livez"));
        assert!(passes("stream=7be1", "x") && !passes("stream=9f3c", "x"));
    }

    #[test]
    fn fields_are_compared_in_json_and_logfmt() {
        let json = r#"{"http":{"status":500},"route":"/items","note":"a\"b"}"#;
        assert!(passes("http.status=500", json) && !passes("http.status=50", json));
        assert!(passes("route!=/livez", json) && !passes("route!=/items", json));
        assert!(passes(r#"note="a\"b""#, json));
        assert!(passes("absent!=1", json) && !passes("absent=1", json));
        assert!(passes("ms=3", "done ms=3") && !passes("ms=3", "done 3"));
        assert!(passes("s=1.5", r#"{"s":1.50}"#) && passes("a=[1,2]", r#"{"a":[1, 2]}"#));
        assert!(passes("(status=5..)", "GET / status=503"));
    }
}
