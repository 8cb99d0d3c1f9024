//! The difference of two revisions' documents, field by field.

use super::mask::{MASK, mask_document};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One field that differs. Secret values are masked before they come here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiffLine {
    /// The field's path: `containerDefinitions[api].environment[FEATURE_X]`.
    pub path: String,
    /// The old value; `None` where it was not there.
    pub from: Option<String>,
    /// The new value; `None` where it is gone.
    pub to: Option<String>,
}

/// All fields that differ, sorted by path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentDiff {
    /// Empty when nothing differs.
    pub lines: Vec<DiffLine>,
}

/// Fields that name an element of a list, so that inserting one does not shift all others.
const IDENTITIES: [&str; 8] = [
    "name",
    "key",
    "containerName",
    "containerPath",
    "containerPort",
    "sourceVolume",
    "namespace",
    "mountPath",
];

/// Compares two documents field by field. Lists of named things (containers, variables, volumes,
/// ports) are compared by name, lists of plain values as a whole. An empty list or object and a
/// missing one are the same: platforms fill in empty defaults. Values come out masked as in
/// [`mask_document`]; a hidden value that differs reads `•••• (changed)`.
pub fn document_diff(from: &Value, to: &Value) -> DocumentDiff {
    let mut lines = Vec::new();
    let (masked_from, masked_to) = (mask_document(from), mask_document(to));
    compare(
        String::new(),
        Side::of(from, &masked_from),
        Side::of(to, &masked_to),
        &mut lines,
    );
    lines.sort_by(|a, b| a.path.cmp(&b.path));
    DocumentDiff { lines }
}

/// The same place in a document and in its masked copy: the first decides, the second is shown.
#[derive(Clone, Copy)]
struct Side<'a> {
    value: &'a Value,
    shown: &'a Value,
}

impl<'a> Side<'a> {
    fn of(value: &'a Value, shown: &'a Value) -> Option<Self> {
        (!is_empty(value)).then_some(Self { value, shown })
    }

    fn field(self, key: &str) -> Option<Self> {
        Self::of(self.value.get(key)?, self.shown.get(key)?)
    }

    fn item(self, index: usize) -> Option<Self> {
        Self::of(self.value.get(index)?, self.shown.get(index)?)
    }

    fn items(self) -> &'a [Value] {
        self.value.as_array().map_or(&[], Vec::as_slice)
    }

    fn text(self) -> String {
        match self.shown {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

fn compare(path: String, from: Option<Side<'_>>, to: Option<Side<'_>>, lines: &mut Vec<DiffLine>) {
    if from.map(|side| side.value) == to.map(|side| side.value) {
        return;
    }
    let sides: Vec<Side<'_>> = from.into_iter().chain(to).collect();
    if sides.iter().all(|side| side.value.is_object()) {
        compare_objects(&path, from, to, &[], lines);
    } else if let Some(identity) = identity_of(&sides) {
        compare_named(&path, identity, from, to, lines);
    } else if sides
        .iter()
        .all(|side| !side.items().is_empty() && side.items().iter().all(Value::is_object))
    {
        let length = sides.iter().map(|side| side.items().len()).max();
        for index in 0..length.unwrap_or_default() {
            compare(
                format!("{path}[{index}]"),
                from.and_then(|side| side.item(index)),
                to.and_then(|side| side.item(index)),
                lines,
            );
        }
    } else {
        lines.push(line(path, from, to));
    }
}

fn compare_objects(
    path: &str,
    from: Option<Side<'_>>,
    to: Option<Side<'_>>,
    without: &[&str],
    lines: &mut Vec<DiffLine>,
) {
    let keys: std::collections::BTreeSet<&String> = from
        .iter()
        .chain(&to)
        .filter_map(|side| side.value.as_object())
        .flat_map(|fields| fields.keys())
        .filter(|key| !without.contains(&key.as_str()))
        .collect();
    for key in keys {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        compare(
            path,
            from.and_then(|side| side.field(key)),
            to.and_then(|side| side.field(key)),
            lines,
        );
    }
}

fn compare_named(
    path: &str,
    identity: &str,
    from: Option<Side<'_>>,
    to: Option<Side<'_>>,
    lines: &mut Vec<DiffLine>,
) {
    let names: std::collections::BTreeSet<String> = from
        .iter()
        .chain(&to)
        .flat_map(|side| side.items())
        .filter_map(|item| name_of(item, identity))
        .collect();
    for name in names {
        compare_element(
            format!("{path}[{name}]"),
            identity,
            element(from, identity, &name),
            element(to, identity, &name),
            lines,
        );
    }
}

/// The element of that name. It is there even if nothing but its name is.
fn element<'a>(side: Option<Side<'a>>, identity: &str, name: &str) -> Option<Side<'a>> {
    let side = side?;
    let index = side
        .items()
        .iter()
        .position(|item| name_of(item, identity).as_deref() == Some(name))?;
    Some(Side {
        value: side.value.get(index)?,
        shown: side.shown.get(index)?,
    })
}

/// One element of a named list. `{name, value}` pairs have no fields worth a path of their own.
fn compare_element(
    path: String,
    identity: &str,
    from: Option<Side<'_>>,
    to: Option<Side<'_>>,
    lines: &mut Vec<DiffLine>,
) {
    let only = |field: &str| {
        from.iter().chain(&to).all(|side| {
            side.value.as_object().is_some_and(|fields| {
                fields.keys().all(|key| key == field || key == identity)
                    && fields.get(field).is_some_and(|value| !value.is_object())
            })
        })
    };
    for field in ["value", "valueFrom"] {
        if only(field) {
            compare(
                path,
                from.and_then(|side| side.field(field)),
                to.and_then(|side| side.field(field)),
                lines,
            );
            return;
        }
    }
    let before = lines.len();
    compare_objects(&path, from, to, &[identity], lines);
    if lines.len() == before && from.is_some() != to.is_some() {
        lines.push(DiffLine {
            path,
            from: from.map(|_| "present".to_owned()),
            to: to.map(|_| "present".to_owned()),
        });
    }
}

/// The field that names every element of both lists, uniquely in each.
fn identity_of(sides: &[Side<'_>]) -> Option<&'static str> {
    IDENTITIES.into_iter().find(|identity| {
        sides.iter().all(|side| {
            let names: Vec<Option<String>> = side
                .items()
                .iter()
                .map(|item| name_of(item, identity))
                .collect();
            let unique: std::collections::BTreeSet<&Option<String>> = names.iter().collect();
            !names.is_empty() && names.iter().all(Option::is_some) && unique.len() == names.len()
        })
    })
}

fn name_of(item: &Value, identity: &str) -> Option<String> {
    match item.get(identity)? {
        Value::String(name) => Some(name.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn line(path: String, from: Option<Side<'_>>, to: Option<Side<'_>>) -> DiffLine {
    let old = from.map(Side::text);
    let mut new = to.map(Side::text);
    if old.is_some() && old == new {
        let text = new.as_deref().unwrap_or(MASK);
        new = Some(format!("{text} (changed)"));
    }
    DiffLine {
        path,
        from: old,
        to: new,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn diff(from: Value, to: Value) -> Vec<(String, Option<String>, Option<String>)> {
        document_diff(&from, &to)
            .lines
            .into_iter()
            .map(|line| (line.path, line.from, line.to))
            .collect()
    }

    fn container(environment: Value) -> Value {
        json!({"containerDefinitions": [
            {"name": "api", "image": "r/api:1", "environment": environment}
        ]})
    }

    #[test]
    fn equal_documents_have_no_difference_and_empty_defaults_do_not_count() {
        assert!(diff(json!({"a": 1, "volumes": []}), json!({"a": 1, "tags": {}})).is_empty());
    }

    #[test]
    fn a_changed_variable_is_named_and_its_values_are_not_shown() {
        let lines = diff(
            container(json!([{"name": "A", "value": "one"}, {"name": "B", "value": "x"}])),
            container(json!([{"name": "B", "value": "x"}, {"name": "A", "value": "two"}])),
        );
        assert_eq!(
            lines,
            [(
                "containerDefinitions[api].environment[A]".to_owned(),
                Some("••••".to_owned()),
                Some("•••• (changed)".to_owned())
            )]
        );
    }

    #[test]
    fn a_container_put_in_front_does_not_make_the_others_differ() {
        let lines = diff(
            json!({"containerDefinitions": [{"name": "api", "image": "r/api:1"}]}),
            json!({"containerDefinitions": [
                {"name": "agent", "image": "r/agent:1"}, {"name": "api", "image": "r/api:2"}
            ]}),
        );
        assert_eq!(
            lines,
            [
                (
                    "containerDefinitions[agent].image".to_owned(),
                    None,
                    Some("r/agent:1".to_owned())
                ),
                (
                    "containerDefinitions[api].image".to_owned(),
                    Some("r/api:1".to_owned()),
                    Some("r/api:2".to_owned())
                ),
            ]
        );
    }

    #[test]
    fn a_variable_that_goes_and_one_that_comes_are_both_seen() {
        let lines = diff(
            container(json!([{"name": "GONE", "value": "x"}])),
            container(json!([{"name": "NEW", "value": "y"}])),
        );
        let there: Vec<(bool, bool)> = lines
            .iter()
            .map(|line| (line.1.is_some(), line.2.is_some()))
            .collect();
        assert_eq!(there, [(true, false), (false, true)]);
    }

    #[test]
    fn a_moved_secret_in_a_command_line_is_still_a_difference() {
        let lines = diff(
            json!({"command": ["run", "--token=one"]}),
            json!({"command": ["run", "--token=two"]}),
        );
        assert_eq!(lines.len(), 1);
        assert!(!format!("{lines:?}").contains("one"));
        assert!(
            lines[0]
                .2
                .as_deref()
                .is_some_and(|to| to.ends_with("(changed)"))
        );
    }

    #[test]
    fn a_field_whose_kind_changes_is_one_line() {
        let lines = diff(json!({"cpu": "256"}), json!({"cpu": {"units": 256}}));
        assert_eq!(lines.len(), 1);
    }
}
