//! Comparisons of one value: numbers, texts with wildcards, regular expressions.

use regex::Regex;
use serde_json::Value;

use super::PatternError;
use super::cursor::Cursor;

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

const OPERATORS: [(&str, Operator); 6] = [
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

#[derive(Debug)]
enum Literal {
    Number { value: f64, text: String },
    Text(String),
    Wildcard(Regex),
    Regex(Regex),
}

/// An operator and what to compare with.
#[derive(Debug)]
pub struct Comparison {
    operator: Operator,
    literal: Literal,
}

impl Comparison {
    /// Reads a comparison; without an operator nothing is read.
    pub fn parse(cursor: &mut Cursor<'_>) -> Result<Option<Self>, PatternError> {
        cursor.skip_space();
        let found = OPERATORS.iter().find(|(token, _)| cursor.eat(token));
        let Some((_, operator)) = found else {
            return Ok(None);
        };
        cursor.skip_space();
        let literal = literal(cursor)?;
        let ordered = !matches!(operator, Operator::Equal | Operator::NotEqual);
        if ordered && !matches!(literal, Literal::Number { .. }) {
            return Err(PatternError::Syntax(
                "<, <=, > and >= compare with a number".into(),
            ));
        }
        Ok(Some(Self {
            operator: *operator,
            literal,
        }))
    }

    /// Whether it holds for a JSON value; never for an object, a list or null.
    pub fn holds_for(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.holds_for_text(text),
            Value::Number(number) => self.holds(&number.to_string(), number.as_f64()),
            Value::Bool(truth) => self.holds(if *truth { "true" } else { "false" }, None),
            Value::Null | Value::Array(_) | Value::Object(_) => false,
        }
    }

    /// Whether it holds for a text, which may be that of a number.
    pub fn holds_for_text(&self, text: &str) -> bool {
        self.holds(text, text.parse().ok())
    }

    fn holds(&self, text: &str, number: Option<f64>) -> bool {
        let equal = match &self.literal {
            Literal::Number { value, text: same } => number == Some(*value) || text == same,
            Literal::Text(wanted) => text == wanted,
            Literal::Wildcard(regex) | Literal::Regex(regex) => regex.is_match(text),
        };
        let ordering = match &self.literal {
            Literal::Number { value, .. } => number.and_then(|n| n.partial_cmp(value)),
            _ => None,
        };
        match self.operator {
            Operator::Equal => equal,
            Operator::NotEqual => !equal,
            Operator::Less => ordering.is_some_and(|o| o.is_lt()),
            Operator::LessOrEqual => ordering.is_some_and(|o| o.is_le()),
            Operator::Greater => ordering.is_some_and(|o| o.is_gt()),
            Operator::GreaterOrEqual => ordering.is_some_and(|o| o.is_ge()),
        }
    }
}

fn literal(cursor: &mut Cursor<'_>) -> Result<Literal, PatternError> {
    if let Some(regex) = cursor.regex()? {
        return Ok(Literal::Regex(regex));
    }
    if let Some(text) = cursor.quoted()? {
        return wildcard_or(text, Literal::Text);
    }
    let word = cursor.take_while(|c| c.is_alphanumeric() || "_*.:-+/@#".contains(c));
    if word.is_empty() {
        return Err(match cursor.peek() {
            Some(c) => PatternError::Character(c),
            None => cursor.unexpected("a value"),
        });
    }
    // A word such as `inf` is a word, although it parses as a number.
    match word.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(Literal::Number {
            value,
            text: word.to_owned(),
        }),
        _ => wildcard_or(word.to_owned(), Literal::Text),
    }
}

/// `*` in a text stands for any characters, none included.
fn wildcard_or(text: String, plain: fn(String) -> Literal) -> Result<Literal, PatternError> {
    if !text.contains('*') {
        return Ok(plain(text));
    }
    let parts: Vec<String> = text.split('*').map(regex::escape).collect();
    Regex::new(&format!("(?s)^{}$", parts.join(".*")))
        .map(Literal::Wildcard)
        .map_err(|_| PatternError::Syntax(format!("'{text}' has too many wildcards")))
}
