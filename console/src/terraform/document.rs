//! Where the `opsconsole` output is in what `terraform` prints.
//!
//! Three kinds of document hold it: the output itself, all outputs (`terraform output -json`), and
//! `terraform show -json` of a state or a plan. In a plan, an output with any part that is known
//! only after the apply has no value under `planned_values`; it is under `output_changes`, beside
//! a tree of what is unknown (Terraform's JSON output format 1.x, "change representation").

use super::{contract::Contract, error::TerraformError};
use serde_json::{Map, Value};

/// Parts that the console can do without until the apply.
const DISPENSABLE: [&str; 7] = [
    "lock",
    "urls",
    "alarms.topic_arn",
    "target_groups",
    "ecr_repositories",
    "console_access",
    "tags",
];

/// An output that was read.
#[derive(Debug)]
pub(super) struct Found {
    pub contract: Contract,
    /// What a plan does not know yet and the console would have used.
    pub not_yet_known: Vec<String>,
}

/// Finds the output in a document and reads it; `from` is for the messages.
pub(super) fn find(from: &str, document: &Value) -> Result<Found, TerraformError> {
    let no_output = |cause: &str| TerraformError::NoOutput {
        from: from.to_owned(),
        cause: cause.to_owned(),
    };
    let Some(top) = document.as_object() else {
        return Err(no_output(
            "it is not a JSON object. Expected is what `terraform output -json` prints",
        ));
    };
    if top.contains_key("contract") {
        return read(from, top, &Value::Null);
    }
    if let Some(change) = document.pointer("/output_changes/opsconsole") {
        return match change.get("after").and_then(Value::as_object) {
            Some(after) => {
                let unknown = change.get("after_unknown").unwrap_or(&Value::Null);
                read(from, after, unknown)
            }
            None if change.get("after_unknown") == Some(&Value::Bool(true)) => {
                Err(TerraformError::NotYetKnown {
                    from: from.to_owned(),
                    key: "opsconsole".to_owned(),
                })
            }
            None => Err(no_output("the plan takes it away")),
        };
    }
    let value = [
        "/planned_values/outputs/opsconsole/value",
        "/values/outputs/opsconsole/value",
        "/opsconsole/value",
    ]
    .iter()
    .find_map(|path| document.pointer(path)?.as_object());
    match value {
        Some(output) => read(from, output, &Value::Null),
        None if top.contains_key("planned_values") || top.contains_key("values") => {
            Err(no_output("the stack does not declare it"))
        }
        None if top.is_empty() => Err(no_output(
            "there are no outputs at all. Has the stack been applied?",
        )),
        None => Err(no_output(
            "neither an output of infra/stacks, nor what `terraform output -json` or `terraform show -json` prints",
        )),
    }
}

fn read(from: &str, output: &Map<String, Value>, unknown: &Value) -> Result<Found, TerraformError> {
    let shape = |path: &str, cause: String| TerraformError::Shape {
        from: from.to_owned(),
        path: path.to_owned(),
        cause,
    };
    // The version first: another one may say anything in any shape.
    let version = output
        .get("contract")
        .and_then(Value::as_str)
        .ok_or_else(|| shape("contract", "is missing or not a text".to_owned()))?;
    match version.split_once('.') {
        Some(("1", minor)) if !minor.is_empty() && minor.bytes().all(|b| b.is_ascii_digit()) => {}
        _ => {
            return Err(TerraformError::Version {
                from: from.to_owned(),
                version: version.to_owned(),
            });
        }
    }
    let mut output = output.clone();
    let mut paths = Vec::new();
    unknown_paths(unknown, "", &mut paths);
    let mut not_yet_known = Vec::new();
    for path in paths {
        let belongs = |part: &&str| path == **part || path.starts_with(&format!("{part}."));
        match DISPENSABLE.iter().find(|part| belongs(part)) {
            Some(&"lock") => {
                output.insert("lock".to_owned(), Value::Null);
                not_yet_known.push(path);
            }
            Some(&"urls") if path == "urls" => {
                output.insert("urls".to_owned(), Value::Object(Map::new()));
                not_yet_known.push("urls.runbook".to_owned());
            }
            Some(_) if path == "urls.runbook" => not_yet_known.push(path),
            Some(_) => {}
            None => {
                return Err(TerraformError::NotYetKnown {
                    from: from.to_owned(),
                    key: path,
                });
            }
        }
    }
    let contract = Contract::parse(&output).map_err(|wrong| shape(&wrong.path, wrong.cause))?;
    Ok(Found {
        contract,
        not_yet_known,
    })
}

/// The paths that are `true` in a tree of what is unknown.
fn unknown_paths(unknown: &Value, path: &str, found: &mut Vec<String>) {
    match unknown {
        Value::Bool(true) => found.push(path.to_owned()),
        Value::Object(keys) => {
            for (key, inner) in keys {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                unknown_paths(inner, &path, found);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                unknown_paths(inner, &format!("{path}[{index}]"), found);
            }
        }
        _ => {}
    }
}
