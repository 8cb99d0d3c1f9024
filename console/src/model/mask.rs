//! Hides what may be secret in a revision's document before it is shown, stored or compared.
//!
//! Plain environment values are secrets too: nobody can tell from the outside which of them is a
//! password, so none is shown and there is no list of exceptions.

use regex::Regex;
use serde_json::{Map, Value};
use std::{borrow::Cow, sync::LazyLock};

/// What stands where a secret was. Always the same length: not even that is given away.
pub const MASK: &str = "••••";

/// Field names whose string values are hidden wherever they stand.
const SECRET_WORDS: [&str; 9] = [
    "password",
    "passwd",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "credential",
    "passphrase",
];

/// Endings that make a name a reference to a secret instead of the secret itself.
const REFERENCE_ENDINGS: [&str; 5] = ["name", "arn", "parameter", "path", "file"];

/// kubectl keeps a whole copy of the object, environment included, in this annotation.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

static USER_INFO: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"([A-Za-z][A-Za-z0-9+.-]*://[^/\s:@]*:)[^/\s@]+@").ok());
static ASSIGNMENT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?i)((?:passw(?:or)?d|passphrase|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|credentials?)[A-Za-z0-9_-]*\s*=\s*)("[^"]*"|'[^']*'|[^\s"'&,;]+)"#,
    )
    .ok()
});
static BEARER: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{8,}").ok());

/// True when a field or variable of that name is likely to hold a secret itself.
///
/// ```
/// use opsconsole::model::is_secret_name;
/// assert!(is_secret_name("DB_PASSWORD"));
/// assert!(is_secret_name("splunk-token"));
/// assert!(!is_secret_name("secretName"));
/// assert!(!is_secret_name("awslogs-group"));
/// ```
pub fn is_secret_name(name: &str) -> bool {
    let name: String = name
        .chars()
        .filter(|c| c.is_ascii_alphanumeric())
        .map(|c| c.to_ascii_lowercase())
        .collect();
    SECRET_WORDS.iter().any(|word| name.contains(word))
        && !REFERENCE_ENDINGS
            .iter()
            .any(|ending| name.ends_with(ending))
}

/// A copy of `document` with every environment value, every secret and everything named like one
/// replaced by [`MASK`]. Understands task definitions and Kubernetes manifests.
pub fn mask_document(document: &Value) -> Value {
    match document {
        Value::Object(fields) => Value::Object(mask_object(fields)),
        Value::Array(items) => Value::Array(mask_array(items)),
        Value::String(text) => Value::String(mask_text(text).into_owned()),
        other => other.clone(),
    }
}

/// Hides passwords in URLs, `password=…` assignments and bearer tokens in free text, such as a
/// container's command line.
pub fn mask_text(text: &str) -> Cow<'_, str> {
    let mut masked = Cow::Borrowed(text);
    for (pattern, with) in [
        (&*USER_INFO, "${1}••••@"),
        (&*ASSIGNMENT, "${1}••••"),
        (&*BEARER, "${1} ••••"),
    ] {
        if let Some(pattern) = pattern
            && pattern.is_match(&masked)
        {
            masked = Cow::Owned(pattern.replace_all(&masked, with).into_owned());
        }
    }
    masked
}

fn mask_object(fields: &Map<String, Value>) -> Map<String, Value> {
    let is_secret_object = fields.get("kind").and_then(Value::as_str) == Some("Secret");
    let is_secret_pair = ["name", "key"]
        .iter()
        .filter_map(|key| fields.get(*key).and_then(Value::as_str))
        .any(is_secret_name);
    fields
        .iter()
        .map(|(key, value)| {
            let masked = if holds_secrets(key)
                || (is_secret_object && matches!(key.as_str(), "data" | "stringData"))
            {
                mask_values(value)
            } else if value.is_string()
                && (is_secret_name(key)
                    || key == LAST_APPLIED
                    || (is_secret_pair && key == "value"))
            {
                Value::String(MASK.to_owned())
            } else {
                mask_document(value)
            };
            (key.clone(), masked)
        })
        .collect()
}

/// Fields that hold named values, all of which are hidden.
fn holds_secrets(key: &str) -> bool {
    matches!(key, "environment" | "env" | "secrets" | "secretOptions")
}

/// Hides the values and keeps the names: of a list of `{name, value | valueFrom}`, or of a map.
fn mask_values(value: &Value) -> Value {
    match value {
        Value::Array(items) => items
            .iter()
            .map(|item| match item {
                Value::Object(fields) => fields
                    .iter()
                    .map(|(key, value)| {
                        let hide = matches!(key.as_str(), "value" | "valueFrom")
                            && !value.is_object()
                            && !value.is_null();
                        let value = if hide {
                            Value::String(MASK.to_owned())
                        } else {
                            mask_document(value)
                        };
                        (key.clone(), value)
                    })
                    .collect::<Map<_, _>>()
                    .into(),
                _ => Value::String(MASK.to_owned()),
            })
            .collect(),
        Value::Object(fields) => fields
            .keys()
            .map(|key| (key.clone(), Value::String(MASK.to_owned())))
            .collect::<Map<_, _>>()
            .into(),
        Value::Null => Value::Null,
        _ => Value::String(MASK.to_owned()),
    }
}

/// Also hides the argument after a flag such as `--db-password`.
fn mask_array(items: &[Value]) -> Vec<Value> {
    let mut after_secret_flag = false;
    items
        .iter()
        .map(|item| {
            let hide = after_secret_flag && item.is_string();
            after_secret_flag = item.as_str().is_some_and(|text| {
                text.starts_with('-') && !text.contains('=') && is_secret_name(text)
            });
            if hide && !item.as_str().is_some_and(|text| text.starts_with('-')) {
                Value::String(MASK.to_owned())
            } else {
                mask_document(item)
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_environment_value_is_hidden_and_every_name_stays() {
        let masked = mask_document(&json!({
            "containerDefinitions": [{
                "name": "api",
                "environment": [{"name": "LOG_LEVEL", "value": "hunter2"}],
                "secrets": [{"name": "DB", "valueFrom": "hunter2"}],
            }]
        }));
        assert!(!masked.to_string().contains("hunter2"));
        assert!(masked.to_string().contains("LOG_LEVEL"));
        assert_eq!(
            masked["containerDefinitions"][0]["environment"][0]["value"],
            MASK
        );
    }

    #[test]
    fn a_kubernetes_manifest_keeps_references_and_hides_values() {
        let masked = mask_document(&json!({
            "metadata": {"annotations": {LAST_APPLIED: "hunter2"}},
            "spec": {"containers": [{"name": "api", "env": [
                {"name": "A", "value": "hunter2"},
                {"name": "B", "valueFrom": {"secretKeyRef": {"name": "db", "key": "pw"}}},
            ]}]}
        }));
        assert!(!masked.to_string().contains("hunter2"));
        assert_eq!(
            masked["spec"]["containers"][0]["env"][1]["valueFrom"]["secretKeyRef"]["name"],
            "db"
        );
    }

    #[test]
    fn a_command_line_keeps_its_flags_and_loses_its_passwords() {
        let masked = mask_document(&json!({"command": [
            "run", "--db-password", "hunter2", "--token=hunter2", "postgres://app:hunter2@db/x", "--port", "8080"
        ]}));
        assert!(!masked.to_string().contains("hunter2"));
        assert!(masked.to_string().contains("8080"));
        assert!(masked.to_string().contains("postgres://app:••••@db/x"));
    }

    #[test]
    fn log_driver_options_hide_tokens_only() {
        let masked = mask_document(&json!({"options": {
            "splunk-token": "hunter2", "awslogs-group": "/ecs/prod/api"
        }}));
        assert_eq!(masked["options"]["splunk-token"], MASK);
        assert_eq!(masked["options"]["awslogs-group"], "/ecs/prod/api");
    }
}
