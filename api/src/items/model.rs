//! An item: what it is, what a new one must be.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::problem::FieldError;

/// Enough for any name, and an index entry stays small.
const NAME_CHARS_MAX: usize = 200;
const DESCRIPTION_CHARS_MAX: usize = 4_000;

/// The public id of an item; UUID version 7, so that neighbours in time are neighbours on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub(crate) struct ItemId(Uuid);

impl ItemId {
    fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// Reads an id as it is written; nothing if no item can have it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(Self)
    }
}

impl std::fmt::Display for ItemId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

impl From<ItemId> for String {
    fn from(id: ItemId) -> Self {
        id.to_string()
    }
}

/// An item as it is stored and answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Item {
    pub(crate) id: ItemId,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    /// UTC, to the millisecond.
    pub(crate) created_at: Timestamp,
}

/// The body that makes an item.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewItem {
    name: String,
    description: Option<String>,
}

impl NewItem {
    /// The item that this body asks for, with a new id, made now.
    ///
    /// # Errors
    /// Every field that is not as it must be.
    pub(crate) fn check(self) -> Result<Item, Vec<FieldError>> {
        let mut errors = Vec::new();
        let name = self.name.trim();
        if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
            errors.push(FieldError {
                pointer: "/name",
                detail: format!("must have 1 to {NAME_CHARS_MAX} characters"),
            });
        }
        if name.chars().any(char::is_control) {
            errors.push(FieldError {
                pointer: "/name",
                detail: "must not contain control characters".into(),
            });
        }
        let description = self.description.unwrap_or_default();
        if description.chars().count() > DESCRIPTION_CHARS_MAX {
            errors.push(FieldError {
                pointer: "/description",
                detail: format!("must have at most {DESCRIPTION_CHARS_MAX} characters"),
            });
        }
        if description
            .chars()
            .any(|c| c.is_control() && c != '\n' && c != '\t')
        {
            errors.push(FieldError {
                pointer: "/description",
                detail: "must not contain control characters except newline and tab".into(),
            });
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        // What is answered now must equal what is read later: milliseconds are stored.
        let now = Timestamp::now();
        Ok(Item {
            id: ItemId::new(),
            name: name.to_owned(),
            description: Some(description).filter(|text| !text.is_empty()),
            created_at: Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointers(name: &str, description: Option<&str>) -> Vec<&'static str> {
        let new = NewItem {
            name: name.into(),
            description: description.map(Into::into),
        };
        match new.check() {
            Ok(_) => Vec::new(),
            Err(errors) => errors.into_iter().map(|error| error.pointer).collect(),
        }
    }

    #[test]
    fn names_and_descriptions_have_limits() {
        assert!(pointers(&"ä".repeat(200), Some("two\nlines")).is_empty());
        assert_eq!(pointers("  ", None), ["/name"]);
        assert_eq!(pointers(&"a".repeat(201), None), ["/name"]);
        assert_eq!(
            pointers("\u{1b}[2J", Some("\u{1b}[31mred")),
            ["/name", "/description"]
        );
        assert_eq!(pointers("a", Some(&"b".repeat(4_001))), ["/description"]);
    }
}
