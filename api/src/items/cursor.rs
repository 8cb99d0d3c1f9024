//! The opaque token that names a place in the list of items.

use serde::{Serialize, Serializer};

/// The kind and version of the token, so that another sort order can tell its own apart.
const PREFIX: &str = "p1";

/// A place in the order in which items were stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor(i64);

impl Cursor {
    /// The place of the item at this position.
    pub(crate) fn at(position: i64) -> Self {
        Self(position)
    }

    /// The position of the item at this place.
    pub(crate) fn position(self) -> i64 {
        self.0
    }

    /// Reads a token back; nothing if it is none of ours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?;
        let position = i64::from_str_radix(digits, 36).ok()?;
        // Only the one spelling that we give out, and only places that exist.
        (position > 0 && Self(position).to_string() == text).then_some(Self(position))
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut digits = Vec::new();
        let mut rest = self.0.unsigned_abs();
        while rest > 0 || digits.is_empty() {
            digits.push(b"0123456789abcdefghijklmnopqrstuvwxyz"[(rest % 36) as usize] as char);
            rest /= 36;
        }
        let text: String = digits.iter().rev().collect();
        write!(formatter, "{PREFIX}{text}")
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cursor_comes_back_as_it_went_out(position in 1..=i64::MAX) {
            let cursor = Cursor::at(position);
            prop_assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        }

        #[test]
        fn any_text_is_a_cursor_of_ours_or_refused(text in "(p1)?.{0,20}") {
            if let Some(cursor) = Cursor::parse(&text) {
                prop_assert!(cursor.position() > 0);
                prop_assert_eq!(cursor.to_string(), text);
            }
        }
    }
}
