//! An item: what it is, what a new one must be.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::fields::{Fields, now};
use crate::preconditions;
use crate::problem::FieldError;

/// Enough for any name, and an index entry stays small.
const NAME_CHARS_MAX: usize = 200;
const DESCRIPTION_CHARS_MAX: usize = 4_000;

/// The public id of an item; UUID version 7, so that neighbours in time are neighbours on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct ItemId(Uuid);

impl ItemId {
    fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// The id as the type that databases know.
    pub(crate) fn uuid(self) -> Uuid {
        self.0
    }

    /// Reads an id as it is written; nothing if no item can have it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(Self)
    }
}

impl From<Uuid> for ItemId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl std::fmt::Display for ItemId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

impl TryFrom<String> for ItemId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("{text:?} is not the id of an item"))
    }
}

impl From<ItemId> for String {
    fn from(id: ItemId) -> Self {
        id.to_string()
    }
}

/// An item as it is stored and answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Item {
    #[schema(value_type = String, format = "uuid")]
    pub(crate) id: ItemId,
    pub(crate) name: String,
    #[schema(required)]
    pub(crate) description: Option<String>,
    /// UTC, to the millisecond.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Timestamp,
    /// UTC, to the millisecond; equal to `created_at` until the first change.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) updated_at: Timestamp,
    /// Counts the changes from 1; what the entity tag is made of.
    #[schema(minimum = 1)]
    pub(crate) version: i64,
}

impl Item {
    /// The strong entity tag of this state of the item (RFC 9110 §8.8.3).
    pub(crate) fn etag(&self) -> String {
        preconditions::etag(self.version)
    }
}

/// The body that makes an item.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewItem {
    /// Blanks at both ends are left out.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    name: String,
    /// Newlines and tabs are allowed; an empty text counts as none.
    #[schema(max_length = 4000, pattern = r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f]*$")]
    description: Option<String>,
}

impl NewItem {
    /// The item that this body asks for, with a new id, made now.
    ///
    /// # Errors
    /// Every field that is not as it must be.
    pub(crate) fn check(self) -> Result<Item, Vec<FieldError>> {
        let (name, description) = self.fields()?;
        // What is answered now must equal what is read later: milliseconds are stored.
        let now = now();
        Ok(Item {
            id: ItemId::new(),
            name,
            description,
            created_at: now,
            updated_at: now,
            version: 1,
        })
    }

    /// The item that takes the place of `old` (PUT).
    ///
    /// # Errors
    /// Every field that is not as it must be.
    pub(crate) fn replace(self, old: Item) -> Result<Item, Vec<FieldError>> {
        let (name, description) = self.fields()?;
        Ok(Item {
            name,
            description,
            updated_at: now(),
            version: old.version + 1,
            ..old
        })
    }

    fn fields(self) -> Result<(String, Option<String>), Vec<FieldError>> {
        let mut fields = Fields::default();
        let name = fields.line("/name", &self.name, NAME_CHARS_MAX);
        let description = self.description.unwrap_or_default();
        let description = fields.text("/description", description, DESCRIPTION_CHARS_MAX);
        fields.finish((name, Some(description).filter(|text| !text.is_empty())))
    }
}

/// The body that changes some fields: a JSON merge patch (RFC 7396), where null removes.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ItemPatch {
    #[serde(default, deserialize_with = "some")]
    #[schema(
        value_type = String,
        required = false,
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(
        value_type = Option<String>,
        required = false,
        max_length = 4000,
        pattern = r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f]*$"
    )]
    description: Option<Option<String>>,
}

impl ItemPatch {
    /// The item after the change.
    ///
    /// # Errors
    /// Every field that is not as it must be.
    pub(crate) fn apply(self, old: Item) -> Result<Item, Vec<FieldError>> {
        NewItem {
            name: self.name.unwrap_or_else(|| old.name.clone()),
            description: self.description.unwrap_or_else(|| old.description.clone()),
        }
        .replace(old)
    }
}

/// A field that may be left out but not be null: an item has a name.
fn some<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

/// Tells a field that is null from one that is not there.
fn present<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
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
