//! Filter patterns of CloudWatch Logs: terms, JSON conditions and space-delimited fields.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html>

mod cursor;
mod fields;
mod json;
mod terms;
mod value;

/// Bytes that a pattern may have.
const PATTERN_BYTES_MAX: usize = 1024;

/// The pattern is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// A character that needs quotes around its term.
    #[error("Invalid character(s) in term '{0}'")]
    Character(char),
    /// Anything else.
    #[error("Invalid filter pattern: {0}")]
    Syntax(String),
}

/// A pattern that was understood.
#[derive(Debug)]
pub struct FilterPattern {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Terms(terms::Terms),
    Json(json::Condition),
    Fields(fields::Fields),
}

impl FilterPattern {
    /// Reads a pattern; an empty one matches everything.
    ///
    /// # Errors
    /// When it is too long or not a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.len() > PATTERN_BYTES_MAX {
            return Err(PatternError::Syntax(format!(
                "longer than {PATTERN_BYTES_MAX} bytes"
            )));
        }
        let text = text.trim();
        let mut cursor = cursor::Cursor::new(text);
        let kind = match text.chars().next() {
            Some('{') => Kind::Json(json::parse(&mut cursor)?),
            Some('[') => Kind::Fields(fields::Fields::parse(&mut cursor)?),
            _ => Kind::Terms(terms::Terms::parse(&mut cursor)?),
        };
        Ok(Self { kind })
    }

    /// Whether a message matches.
    pub fn matches(&self, message: &str) -> bool {
        match &self.kind {
            Kind::Terms(terms) => terms.matches(message),
            Kind::Json(condition) => {
                // Only an object can match; looking at one character spares the parsing of text.
                message.trim_start().starts_with('{')
                    && serde_json::from_str(message).is_ok_and(|event| condition.holds(&event))
            }
            Kind::Fields(fields) => fields.matches(message),
        }
    }
}

#[cfg(test)]
mod tests;
