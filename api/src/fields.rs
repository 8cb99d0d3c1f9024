//! Checks of single fields of a body, gathered so that every mistake is named at once.

use jiff::Timestamp;

use crate::problem::FieldError;

/// Gathers what is wrong with the fields of one body.
#[derive(Debug, Default)]
pub(crate) struct Fields(Vec<FieldError>);

impl Fields {
    /// Notes that something is wrong with the field at this JSON pointer.
    pub(crate) fn refuse(&mut self, pointer: &'static str, detail: impl Into<String>) {
        self.0.push(FieldError {
            pointer,
            detail: detail.into(),
        });
    }

    /// A text of one line that must be there: trimmed, printable, 1 to `chars_max` characters.
    pub(crate) fn line(&mut self, pointer: &'static str, text: &str, chars_max: usize) -> String {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > chars_max {
            self.refuse(pointer, format!("must have 1 to {chars_max} characters"));
        }
        if text.chars().any(char::is_control) {
            self.refuse(pointer, "must not contain control characters");
        }
        text.to_owned()
    }

    /// A text of several lines, at most `chars_max` characters.
    pub(crate) fn text(&mut self, pointer: &'static str, text: String, chars_max: usize) -> String {
        if text.chars().count() > chars_max {
            self.refuse(pointer, format!("must have at most {chars_max} characters"));
        }
        if text
            .chars()
            .any(|c| c.is_control() && c != '\n' && c != '\t')
        {
            self.refuse(
                pointer,
                "must not contain control characters except newline and tab",
            );
        }
        text
    }

    /// `value`, if nothing was found wrong.
    pub(crate) fn finish<T>(self, value: T) -> Result<T, Vec<FieldError>> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(self.0)
        }
    }
}

/// The present time as it is stored: to the millisecond, so that what is answered now equals
/// what is read later.
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}
