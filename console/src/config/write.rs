//! Writing the configuration file: environments that are new are added, and what people wrote
//! stays as it is, comments and guards included.

use super::{
    ConfigError, EcsConfig, EnvironmentConfig, Guard, KubernetesConfig, PlatformConfig, check,
};
use crate::model::EnvironmentName;
use std::{
    fs,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};
use toml_edit::{
    Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike, Value, value,
};

/// What became of the environments to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// They are new in the file.
    pub added: Vec<EnvironmentName>,
    /// The file has one of that name already; it was not touched.
    pub kept: Vec<EnvironmentName>,
}

/// Adds environments to the file, making it when there is none. An environment that is there
/// already is never changed: its guard may have been made stricter by hand.
///
/// # Errors
/// When the file that is there has a mistake, or cannot be read or written.
pub fn write(path: &Path, environments: &[EnvironmentConfig]) -> Result<Written, ConfigError> {
    let unwritable = |error: &dyn std::fmt::Display| ConfigError::Unwritable {
        path: path.to_owned(),
        cause: error.to_string(),
    };
    let (mut document, _) = open(path)?;
    let tables =
        environments_of(&mut document).ok_or_else(|| unwritable(&"environment is not a table"))?;
    let mut written = Written {
        added: Vec::new(),
        kept: Vec::new(),
    };
    for environment in environments {
        let name = environment.name.as_str();
        let is_there = tables
            .iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(name));
        if is_there {
            written.kept.push(environment.name.clone());
        } else {
            tables.insert(name, Item::Table(table(environment)));
            written.added.push(environment.name.clone());
        }
    }
    if written.added.is_empty() {
        return Ok(written);
    }
    let text = document.to_string();
    check(path, &text)?;
    replace(path, &text).map_err(|error| unwritable(&error))?;
    Ok(written)
}

/// The file as it is and what it says; both empty when there is none.
pub(super) fn open(path: &Path) -> Result<(DocumentMut, Vec<EnvironmentConfig>), ConfigError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => {
            return Err(ConfigError::Unreadable {
                path: path.to_owned(),
                cause: error.to_string(),
            });
        }
    };
    // Adding to a file with a mistake would hide the mistake among our lines.
    let environments = if text.trim().is_empty() {
        Vec::new()
    } else {
        check(path, &text)?.environments
    };
    let document = text
        .parse()
        .map_err(|error: toml_edit::TomlError| ConfigError::Unwritable {
            path: path.to_owned(),
            cause: error.to_string(),
        })?;
    Ok((document, environments))
}

/// The `[environment.…]` tables, made when there are none; `None` when `environment` is no table.
pub(super) fn environments_of(document: &mut DocumentMut) -> Option<&mut dyn TableLike> {
    document
        .entry("environment")
        .or_insert_with(|| {
            let mut parent = Table::new();
            parent.set_implicit(true);
            Item::Table(parent)
        })
        .as_table_like_mut()
}

/// All of the new file or all of the old one, whatever happens in between.
pub(super) fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)?;
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let mut file = fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

pub(super) fn table(environment: &EnvironmentConfig) -> Table {
    let mut table = Table::new();
    match &environment.platform {
        PlatformConfig::Ecs(ecs) => ecs_keys(&mut table, ecs),
        PlatformConfig::Kubernetes(kubernetes) => kubernetes_keys(&mut table, kubernetes),
    }
    let optional = [
        ("account", &environment.account),
        ("runbook", &environment.runbook),
    ];
    for (key, text) in optional {
        if let Some(text) = text {
            table[key] = value(text);
        }
    }
    // Written out even where it is the default, so that the reader sees what a change takes.
    table["guard"] = value(match environment.guard {
        Guard::Confirm => "confirm",
        Guard::TypeName => "type-name",
        Guard::ReadOnly => "read-only",
    });
    if let Ok(refresh_s) = i64::try_from(environment.refresh_s) {
        table["refresh_s"] = value(refresh_s);
    }
    if let Some(lock) = &environment.lock {
        let mut inline = InlineTable::new();
        inline.insert("bucket", Value::from(&lock.bucket));
        inline.insert("prefix", Value::from(&lock.prefix));
        table["lock"] = value(inline);
    }
    let freezes: ArrayOfTables = environment
        .freeze
        .iter()
        .map(|window| {
            let mut table = Table::new();
            table["reason"] = value(&window.reason);
            table["start"] = value(window.start.to_string());
            table["end"] = value(window.end.to_string());
            table
        })
        .collect();
    if !freezes.is_empty() {
        table["freeze"] = Item::ArrayOfTables(freezes);
    }
    if let Some(hours) = environment.hours_per_month {
        table["hours_per_month"] = value(hours);
    }
    let bill: ArrayOfTables = environment
        .extra_bill
        .iter()
        .map(|line| {
            let mut table = Table::new();
            table["what"] = value(&line.what);
            table["sku"] = value(&line.sku);
            table["quantity"] = value(line.quantity);
            if let Some(hours) = line.hours_per_month {
                table["hours_per_month"] = value(hours);
            }
            table
        })
        .collect();
    if !bill.is_empty() {
        table["extra_bill"] = Item::ArrayOfTables(bill);
    }
    table
}

fn ecs_keys(table: &mut Table, ecs: &EcsConfig) {
    table["region"] = value(&ecs.region);
    let optional = [
        ("profile", &ecs.profile),
        ("role_arn", &ecs.role_arn),
        ("endpoint_url", &ecs.endpoint_url),
    ];
    for (key, text) in optional {
        if let Some(text) = text {
            table[key] = value(text);
        }
    }
    table["cluster"] = value(&ecs.cluster);
    table["service"] = value(&ecs.service);
    let optional = [("container", &ecs.container), ("log_group", &ecs.log_group)];
    for (key, text) in optional {
        if let Some(text) = text {
            table[key] = value(text);
        }
    }
    if !ecs.alarm_prefixes.is_empty() {
        table["alarm_prefixes"] = value(ecs.alarm_prefixes.iter().collect::<Array>());
    }
}

fn kubernetes_keys(table: &mut Table, kubernetes: &KubernetesConfig) {
    table["platform"] = value("kubernetes");
    if let Some(path) = &kubernetes.kubeconfig {
        table["kubeconfig"] = value(path.display().to_string());
    }
    let optional = [
        ("context", &kubernetes.context),
        ("namespace", &kubernetes.namespace),
        ("deployment", &kubernetes.deployment),
        ("helm_release", &kubernetes.helm_release),
        ("container", &kubernetes.container),
    ];
    for (key, text) in optional {
        if let Some(text) = text {
            table[key] = value(text);
        }
    }
    table["region"] = value(&kubernetes.region);
}
