//! Merging what another program knows of environments into the configuration file, key by key.
//!
//! What the file says already stays, with its comments: a key is only added where it is missing,
//! unless the operator asked for the other program's values. Guards, freezes and everything else
//! that only people decide are never touched either way.

use super::{
    ConfigError, EnvironmentConfig, ExtraBillLine, Guard, check,
    write::{environments_of, open, replace, table},
};
use crate::model::EnvironmentName;
use serde::Serialize;
use std::path::Path;
use toml_edit::{ArrayOfTables, Item, Table, TableLike, Value, value};

/// Keys that may be merged. `guard`, `freeze`, `role_arn`, `endpoint_url` and `refresh_s` are the
/// operator's own.
const KEYS: [&str; 13] = [
    "region",
    "profile",
    "cluster",
    "service",
    "context",
    "namespace",
    "helm_release",
    "container",
    "log_group",
    "account",
    "runbook",
    "alarm_prefixes",
    "lock",
];

/// The keys that say which service it is. A kubeconfig's context is none: everyone names their own.
const IDENTITY: [&str; 6] = [
    "platform",
    "region",
    "cluster",
    "service",
    "namespace",
    "helm_release",
];

/// How to merge.
#[derive(Clone, Copy, Debug, Default)]
pub struct MergeOptions {
    /// Take the new value where the file says another; [`KEYS`] and bill lines only.
    pub update: bool,
    /// Work out what would happen and write nothing.
    pub dry_run: bool,
}

/// What became of one environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MergedHow {
    /// It is new in the file.
    Added,
    /// It was there and got something.
    Changed,
    /// It was there and stays as it is.
    Kept,
    /// It was there and is another service of the same name; it stays as it is.
    KeptAsAnotherService,
}

/// A key with two values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The key: `cluster`, or `extra_bill "NAT gateway"`.
    pub key: String,
    /// What the file says (or said, when it was changed).
    pub file: String,
    /// What the other program says.
    pub wanted: String,
}

/// One environment after merging.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Merged {
    /// As the file spells it.
    pub environment: EnvironmentName,
    /// In one word.
    pub how: MergedHow,
    /// The guard that holds now.
    pub guard: Guard,
    /// Keys that were missing and were added.
    pub added: Vec<String>,
    /// Keys that got another value, as was asked for.
    pub changed: Vec<Difference>,
    /// Keys where the file says something else and keeps it.
    pub kept: Vec<Difference>,
}

/// Merges environments into the file, making it when there is none. The result is checked as a
/// whole before it takes the old file's place; nothing is written when nothing changes.
///
/// # Errors
/// When the file that is there has a mistake, or cannot be read or written, or when what was to be
/// written is not a right configuration.
pub fn merge(
    path: &Path,
    wanted: &[EnvironmentConfig],
    options: MergeOptions,
) -> Result<Vec<Merged>, ConfigError> {
    let unwritable = |error: &dyn std::fmt::Display| ConfigError::Unwritable {
        path: path.to_owned(),
        cause: error.to_string(),
    };
    let (mut document, in_file) = open(path)?;
    let tables =
        environments_of(&mut document).ok_or_else(|| unwritable(&"environment is not a table"))?;
    let mut all = Vec::new();
    for environment in wanted {
        let name = environment.name.as_str();
        let known = in_file
            .iter()
            .find(|known| known.name.as_str().eq_ignore_ascii_case(name));
        match known {
            Some(known) => {
                let existing = tables
                    .get_mut(known.name.as_str())
                    .and_then(Item::as_table_like_mut)
                    .ok_or_else(|| unwritable(&format!("environment.{name} is not a table")))?;
                all.push(merge_one(existing, known, environment, options.update));
            }
            None => {
                let table = table(environment);
                let added = table.iter().map(|(key, _)| key.to_owned()).collect();
                tables.insert(name, Item::Table(table));
                all.push(Merged {
                    environment: environment.name.clone(),
                    how: MergedHow::Added,
                    guard: environment.guard,
                    added,
                    changed: Vec::new(),
                    kept: Vec::new(),
                });
            }
        }
    }
    let is_new = |merged: &Merged| matches!(merged.how, MergedHow::Added | MergedHow::Changed);
    if all.iter().any(is_new) {
        let text = document.to_string();
        check(path, &text)?;
        if !options.dry_run {
            replace(path, &text).map_err(|error| unwritable(&error))?;
        }
    }
    Ok(all)
}

fn merge_one(
    existing: &mut dyn TableLike,
    file: &EnvironmentConfig,
    wanted: &EnvironmentConfig,
    update: bool,
) -> Merged {
    // Both written by the same hand, so that equal text is an equal value.
    let (in_file, new) = (table(file), table(wanted));
    let mut merged = Merged {
        environment: file.name.clone(),
        how: MergedHow::Kept,
        guard: file.guard,
        added: Vec::new(),
        changed: Vec::new(),
        kept: Vec::new(),
    };
    let difference = |key: &str| {
        let (old, new) = (shown(in_file.get(key)), shown(new.get(key)));
        (old != new).then(|| Difference {
            key: key.to_owned(),
            file: old,
            wanted: new,
        })
    };
    let elsewhere: Vec<Difference> = IDENTITY.iter().filter_map(|key| difference(key)).collect();
    // The keys of two platforms do not mix, so another platform's environment is not taken over at all.
    let is_another_platform = elsewhere.iter().any(|other| other.key == "platform");
    if is_another_platform || (!elsewhere.is_empty() && !update) {
        // Another service's lock or bill would be wrong here, whatever is missing.
        merged.how = MergedHow::KeptAsAnotherService;
        merged.kept = elsewhere;
        return merged;
    }
    for key in KEYS {
        let Some(item) = new.get(key) else { continue };
        if !existing.contains_key(key) {
            existing.insert(key, item.clone());
            merged.added.push(key.to_owned());
        } else if let Some(difference) = difference(key) {
            if update {
                set(existing, key, item.clone());
                merged.changed.push(difference);
            } else {
                merged.kept.push(difference);
            }
        }
    }
    merge_bill(existing, file, wanted, update, &mut merged);
    if !merged.added.is_empty() || !merged.changed.is_empty() {
        merged.how = MergedHow::Changed;
    }
    merged
}

/// Lines are told apart by name and sku; of several alike, the first goes with the first.
fn merge_bill(
    existing: &mut dyn TableLike,
    file: &EnvironmentConfig,
    wanted: &EnvironmentConfig,
    update: bool,
    merged: &mut Merged,
) {
    let mut taken = vec![false; file.extra_bill.len()];
    for (line, table) in wanted.extra_bill.iter().zip(bill_tables(wanted).iter()) {
        let key = format!("extra_bill {:?}", line.what);
        let known = file
            .extra_bill
            .iter()
            .enumerate()
            .find(|(index, known)| {
                !taken[*index] && known.what == line.what && known.sku == line.sku
            })
            .map(|(index, known)| (index, amount(known)));
        let Some((index, old)) = known else {
            if push_line(existing, table) {
                merged.added.push(key);
            }
            continue;
        };
        taken[index] = true;
        if old == amount(line) {
            continue;
        }
        let difference = Difference {
            key,
            file: old,
            wanted: amount(line),
        };
        match existing
            .get_mut("extra_bill")
            .and_then(|lines| line_at(lines, index))
        {
            Some(target) if update => {
                set(target, "quantity", value(line.quantity));
                match line.hours_per_month {
                    Some(hours) => set(target, "hours_per_month", value(hours)),
                    None => {
                        target.remove("hours_per_month");
                    }
                }
                merged.changed.push(difference);
            }
            _ => merged.kept.push(difference),
        }
    }
}

fn bill_tables(environment: &EnvironmentConfig) -> ArrayOfTables {
    match table(environment).remove("extra_bill") {
        Some(Item::ArrayOfTables(lines)) => lines,
        _ => ArrayOfTables::new(),
    }
}

/// Adds a line in the way the file writes them: `[[…extra_bill]]`, or an array of inline tables.
fn push_line(existing: &mut dyn TableLike, line: &Table) -> bool {
    match existing.get_mut("extra_bill") {
        None => {
            let mut lines = ArrayOfTables::new();
            lines.push(line.clone());
            existing.insert("extra_bill", Item::ArrayOfTables(lines));
            true
        }
        Some(Item::ArrayOfTables(lines)) => {
            lines.push(line.clone());
            true
        }
        Some(Item::Value(Value::Array(lines))) => {
            lines.push(Value::InlineTable(line.clone().into_inline_table()));
            true
        }
        Some(_) => false,
    }
}

fn line_at(lines: &mut Item, index: usize) -> Option<&mut dyn TableLike> {
    match lines {
        Item::ArrayOfTables(lines) => lines
            .get_mut(index)
            .map(|table| table as &mut dyn TableLike),
        Item::Value(Value::Array(lines)) => lines
            .get_mut(index)
            .and_then(Value::as_inline_table_mut)
            .map(|table| table as &mut dyn TableLike),
        _ => None,
    }
}

/// Puts a value in a key's place and keeps the comment behind it.
fn set(table: &mut dyn TableLike, key: &str, mut item: Item) {
    let decor = table
        .get(key)
        .and_then(Item::as_value)
        .map(|old| old.decor().clone());
    if let (Some(decor), Some(new)) = (decor, item.as_value_mut()) {
        *new.decor_mut() = decor;
    }
    table.insert(key, item);
}

fn shown(item: Option<&Item>) -> String {
    item.map_or_else(
        || "nothing".to_owned(),
        |item| item.to_string().trim().to_owned(),
    )
}

/// How much of it: `2`, or `1 for 260.7 hours`.
fn amount(line: &ExtraBillLine) -> String {
    match line.hours_per_month {
        Some(hours) => format!("{} for {hours} hours", line.quantity),
        None => line.quantity.to_string(),
    }
}

#[cfg(test)]
mod tests;
