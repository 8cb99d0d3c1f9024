//! A prompt: what it is, what a new one must be, and how it is filled in.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::fields::{Fields, now};
use crate::ids::resource_id;
use crate::locations::Location;
use crate::preconditions;
use crate::problem::FieldError;

const NAME_CHARS_MAX: usize = 200;
/// Several pages of instructions; the model's own limit is far above.
const TEXT_CHARS_MAX: usize = 20_000;
/// Tavily takes at most 400 characters, and the values of the location come on top.
const QUERY_CHARS_MAX: usize = 200;
/// What is searched for where a prompt does not say.
const QUERY_DEFAULT: &str = "{{location.name}} {{location.address}}";

/// What may stand between double braces in a prompt's text.
const PLACEHOLDERS: [&str; 4] = [
    "location.name",
    "location.address",
    "location.notes",
    "sources",
];

resource_id!(
    /// The public id of a prompt.
    PromptId,
    "prompt"
);

/// One version of a prompt. Older versions stay as they are: jobs name the one they use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Prompt {
    #[schema(value_type = String, format = "uuid")]
    pub(crate) id: PromptId,
    pub(crate) name: String,
    /// What the model is told, with placeholders such as `{{location.name}}`.
    pub(crate) text: String,
    /// What is searched for before, with the placeholders of the location.
    pub(crate) search_query: String,
    /// Counts the changes from 1.
    #[schema(minimum = 1)]
    pub(crate) version: i64,
    /// When the prompt was made. UTC, to the millisecond.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Timestamp,
    /// When this version was made. UTC, to the millisecond.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) updated_at: Timestamp,
}

impl Prompt {
    /// The strong entity tag of this version.
    pub(crate) fn etag(&self) -> String {
        preconditions::etag(self.version)
    }

    /// What to search for about a location.
    pub(crate) fn query_about(&self, location: &Location) -> String {
        let query = fill(&self.search_query, location, "");
        query.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// What to tell the model about a location and what was found.
    pub(crate) fn text_about(&self, location: &Location, sources: &str) -> String {
        let text = fill(&self.text, location, sources);
        if self.text.contains("{{sources}}") {
            text
        } else {
            format!("{text}\n\nSources:\n{sources}")
        }
    }
}

/// The body that makes a prompt or a new version of one.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPrompt {
    /// What people call it; blanks at both ends are left out.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    name: String,
    /// What the model is told. Filled in are `{{location.name}}`, `{{location.address}}`,
    /// `{{location.notes}}` and `{{sources}}`; other double braces are refused.
    #[schema(min_length = 1, max_length = 20000)]
    text: String,
    /// What is searched for, with the placeholders of the location; its name and address
    /// where left out or null.
    #[schema(min_length = 1, max_length = 200)]
    search_query: Option<String>,
}

impl NewPrompt {
    /// The prompt that this body asks for, with a new id, made now.
    ///
    /// # Errors
    /// Every field that is not as it must be.
    pub(crate) fn check(self) -> Result<Prompt, Vec<FieldError>> {
        let (name, text, search_query) = self.fields()?;
        let now = now();
        Ok(Prompt {
            id: PromptId::new(),
            name,
            text,
            search_query,
            version: 1,
            created_at: now,
            updated_at: now,
        })
    }

    /// The version that comes after `old`.
    ///
    /// # Errors
    /// Every field that is not as it must be.
    pub(crate) fn after(self, old: Prompt) -> Result<Prompt, Vec<FieldError>> {
        let (name, text, search_query) = self.fields()?;
        Ok(Prompt {
            name,
            text,
            search_query,
            version: old.version + 1,
            updated_at: now(),
            ..old
        })
    }

    fn fields(self) -> Result<(String, String, String), Vec<FieldError>> {
        let mut fields = Fields::default();
        let name = fields.line("/name", &self.name, NAME_CHARS_MAX);
        let text = fields.text("/text", self.text, TEXT_CHARS_MAX);
        if text.trim().is_empty() {
            fields.refuse("/text", "must say something");
        }
        if let Err(problem) = check_placeholders(&text, &PLACEHOLDERS) {
            fields.refuse("/text", problem);
        }
        let query = self.search_query.as_deref().unwrap_or(QUERY_DEFAULT);
        let query = fields.line("/search_query", query, QUERY_CHARS_MAX);
        if let Err(problem) = check_placeholders(&query, &PLACEHOLDERS[..3]) {
            fields.refuse("/search_query", problem);
        }
        fields.finish((name, text, query))
    }
}

/// Whether all that stands between double braces is something we fill in.
fn check_placeholders(text: &str, known: &[&str]) -> Result<(), String> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("{{") {
        let Some((name, after)) = after.split_once("}}") else {
            return Err("has {{ without }}".into());
        };
        if !known.contains(&name) {
            let known = known.join("}}, {{");
            return Err(format!(
                "has a placeholder that is not filled in; use {{{{{known}}}}}"
            ));
        }
        rest = after;
    }
    Ok(())
}

/// Puts values in place of the placeholders, in one pass: what a value holds is not looked at.
fn fill(template: &str, location: &Location, sources: &str) -> String {
    let mut filled = String::with_capacity(template.len() + sources.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        filled.push_str(before);
        let Some((name, after)) = after.split_once("}}") else {
            filled.push_str("{{");
            rest = after;
            continue;
        };
        filled.push_str(match name {
            "location.name" => &location.name,
            "location.address" => location.address.as_deref().unwrap_or_default(),
            "location.notes" => location.notes.as_deref().unwrap_or_default(),
            "sources" => sources,
            _ => "",
        });
        rest = after;
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn prompt(text: &str, query: Option<&str>) -> Result<Prompt, Vec<&'static str>> {
        let new: NewPrompt = serde_json::from_value(
            json!({"name": "Visitor guide", "text": text, "search_query": query}),
        )
        .expect("the shape of a prompt");
        new.check()
            .map_err(|errors| errors.into_iter().map(|error| error.pointer).collect())
    }

    fn location(name: &str) -> Location {
        let new: crate::locations::NewLocation =
            serde_json::from_value(json!({"name": name})).expect("the shape of a location");
        new.check().expect("a valid location")
    }

    #[test]
    fn only_placeholders_that_are_filled_in_are_taken() {
        assert!(prompt("About {{location.name}}: {{sources}}", None).is_ok());
        assert!(prompt("{ braces } {alone} are fine", None).is_ok());
        assert_eq!(prompt("About {{location.motto}}", None), Err(vec!["/text"]));
        assert_eq!(prompt("About {{location", None), Err(vec!["/text"]));
        assert_eq!(prompt(" ", None), Err(vec!["/text"]));
        assert_eq!(
            prompt("About", Some("{{sources}}")),
            Err(vec!["/search_query"])
        );
    }

    #[test]
    fn a_location_cannot_smuggle_in_a_placeholder() {
        let prompt = prompt("{{location.name}}|{{sources}}", None).expect("valid");
        let text = prompt.text_about(&location("{{sources}}"), "secret");
        assert_eq!(text, "{{sources}}|secret");
    }

    #[test]
    fn a_prompt_without_a_place_for_sources_gets_them_at_its_end() {
        let prompt = prompt("Describe {{location.name}}.", None).expect("valid");
        let text = prompt.text_about(&location("Bern"), "1. A page");
        assert_eq!(text, "Describe Bern.\n\nSources:\n1. A page");
        assert_eq!(prompt.query_about(&location("Bern")), "Bern");
    }
}
