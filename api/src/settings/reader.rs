//! Reading single values, and gathering every mistake in them.

use std::path::Path;

use super::{PREFIX, SettingsError, is_known};

/// Reads single values and gathers what is wrong with them.
pub(super) struct Reader<'a> {
    pub(super) variables: &'a [(String, String)],
    pub(super) errors: Vec<SettingsError>,
}

impl Reader<'_> {
    /// The value that was given, if one was.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        debug_assert!(is_known(name), "{name} is missing in KNOWN");
        self.variables
            .iter()
            .find(|(known, value)| known == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// The value as it is.
    pub(super) fn text(&self, name: &str, default: &str) -> String {
        self.get(name).unwrap_or(default).to_owned()
    }

    /// The value read by `parse`, or nothing after noting what is wrong with it.
    pub(super) fn parsed<T>(
        &mut self,
        name: &str,
        default: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        match parse(self.get(name).unwrap_or(default)) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.errors.push(mistake(name, &problem));
                None
            }
        }
    }

    /// The value, or nothing after noting the problem.
    pub(super) fn checked<T>(&mut self, name: &str, outcome: Result<T, String>) -> Option<T> {
        outcome
            .map_err(|problem| self.errors.push(mistake(name, &problem)))
            .ok()
    }

    /// A secret given itself or by the name of the file it is mounted at.
    pub(super) fn secret(&mut self, name: &str, file_name: &str) -> Option<String> {
        if let Some(value) = self.get(name) {
            return Some(value.to_owned());
        }
        let path = self.get(file_name)?.to_owned();
        match std::fs::read_to_string(&path) {
            Ok(text) => Some(text.trim().to_owned()),
            Err(error) => {
                let problem = format!("names {path}, which cannot be read: {error}");
                self.errors.push(mistake(file_name, &problem));
                None
            }
        }
    }

    /// A switch whose default is not always off.
    pub(super) fn switch_or(&mut self, name: &str, default: bool) -> bool {
        if self.get(name).is_some() {
            self.switch(name)
        } else {
            default
        }
    }

    /// A whole number from 0 to `max`.
    pub(super) fn number(&mut self, name: &str, default: u64, max: u64) -> u64 {
        self.parsed(name, &default.to_string(), |text| {
            text.parse()
                .ok()
                .filter(|value| *value <= max)
                .ok_or_else(|| format!("is not a whole number from 0 to {max}"))
        })
        .unwrap_or(default)
    }

    /// A switch that is off by default.
    pub(super) fn switch(&mut self, name: &str) -> bool {
        self.parsed(name, "off", |text| match text {
            "on" | "true" | "1" => Ok(true),
            "off" | "false" | "0" => Ok(false),
            _ => Err("is neither on nor off".into()),
        })
        .unwrap_or(false)
    }
}

/// The keys of a TOML file as the names of variables: `drain_seconds = 5` is DRAIN_SECONDS.
pub(super) fn file_pairs(path: &Path) -> Result<Vec<(String, String)>, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("names {}, which cannot be read: {error}", path.display()))?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        // The whole message would show the line, which may hold a secret.
        format!(
            "names {}, which is not TOML: {}",
            path.display(),
            error.message()
        )
    })?;
    table
        .into_iter()
        .map(|(name, value)| {
            let value = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Float(number) => number.to_string(),
                toml::Value::Boolean(is_on) => if is_on { "on" } else { "off" }.to_owned(),
                _ => {
                    return Err(format!(
                        "names {}, where {name} is not a single value",
                        path.display()
                    ));
                }
            };
            Ok((name.to_ascii_uppercase(), value))
        })
        .collect()
}

/// A mistake in the variable `name`, given without [`PREFIX`].
pub(super) fn mistake(name: &str, problem: &str) -> SettingsError {
    SettingsError {
        variable: format!("{PREFIX}{name}"),
        problem: problem.to_owned(),
    }
}
