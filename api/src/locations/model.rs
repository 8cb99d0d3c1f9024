//! A location: what it is, what a new one must be.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::fields::{Fields, now};
use crate::ids::resource_id;
use crate::preconditions;
use crate::problem::FieldError;

const NAME_CHARS_MAX: usize = 200;
/// With the name it must leave room in a search of at most 400 characters.
const ADDRESS_CHARS_MAX: usize = 150;
const NOTES_CHARS_MAX: usize = 4_000;

resource_id!(
    /// The public id of a location.
    LocationId,
    "location"
);

/// A place that content is generated for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Location {
    #[schema(value_type = String, format = "uuid")]
    pub(crate) id: LocationId,
    pub(crate) name: String,
    /// In one line, as one would write it on a letter.
    #[schema(required)]
    pub(crate) address: Option<String>,
    /// What the model should know beyond what a search finds.
    #[schema(required)]
    pub(crate) notes: Option<String>,
    /// Counts the changes from 1; what the entity tag is made of.
    #[schema(minimum = 1)]
    pub(crate) version: i64,
    /// UTC, to the millisecond.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Timestamp,
    /// UTC, to the millisecond; equal to `created_at` until the first change.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) updated_at: Timestamp,
}

impl Location {
    /// The strong entity tag of this state.
    pub(crate) fn etag(&self) -> String {
        preconditions::etag(self.version)
    }
}

/// The body that makes a location or takes the place of one.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLocation {
    /// Blanks at both ends are left out.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    name: String,
    /// In one line; an empty one counts as none.
    #[schema(max_length = 150, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    address: Option<String>,
    /// What the model should know beyond what a search finds; an empty text counts as none.
    #[schema(max_length = 4000, pattern = r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f]*$")]
    notes: Option<String>,
}

impl NewLocation {
    /// The location that this body asks for, with a new id, made now.
    ///
    /// # Errors
    /// Every field that is not as it must be.
    pub(crate) fn check(self) -> Result<Location, Vec<FieldError>> {
        let (name, address, notes) = self.fields()?;
        let now = now();
        Ok(Location {
            id: LocationId::new(),
            name,
            address,
            notes,
            version: 1,
            created_at: now,
            updated_at: now,
        })
    }

    /// The location that takes the place of `old`.
    ///
    /// # Errors
    /// Every field that is not as it must be.
    pub(crate) fn replace(self, old: Location) -> Result<Location, Vec<FieldError>> {
        let (name, address, notes) = self.fields()?;
        Ok(Location {
            name,
            address,
            notes,
            version: old.version + 1,
            updated_at: now(),
            ..old
        })
    }

    fn fields(self) -> Result<(String, Option<String>, Option<String>), Vec<FieldError>> {
        let mut fields = Fields::default();
        let name = fields.line("/name", &self.name, NAME_CHARS_MAX);
        let address = self
            .address
            .filter(|text| !text.trim().is_empty())
            .map(|text| fields.line("/address", &text, ADDRESS_CHARS_MAX));
        let notes = self
            .notes
            .map(|text| fields.text("/notes", text, NOTES_CHARS_MAX))
            .filter(|text| !text.trim().is_empty());
        fields.finish((name, address, notes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_that_is_wrong_is_named() {
        let new: NewLocation = serde_json::from_value(serde_json::json!({
            "name": "\u{1b}[2J",
            "address": "a".repeat(151),
            "notes": "\u{7}",
        }))
        .expect("the shape of a location");
        let errors = new.check().expect_err("three fields are wrong");
        let pointers: Vec<_> = errors.iter().map(|error| error.pointer).collect();
        assert_eq!(pointers, ["/name", "/address", "/notes"]);
    }
}
