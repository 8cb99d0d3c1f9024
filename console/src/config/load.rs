//! Finding, reading and checking the configuration file.

use super::{
    Config, ConfigError, EcsConfig, EnvironmentConfig, ExtraBillLine, FreezeWindow, Guard,
    KubernetesConfig, LockLocation, PlatformConfig,
    error::{Problem, nearest},
    file::{EnvironmentFile, File, FreezeFile, MomentFile, PlatformName},
    local::LOG_MEMORY_BYTES,
};
use crate::model::EnvironmentName;
use jiff::{Timestamp, Zoned};
use std::{
    ops::Range,
    path::{Path, PathBuf},
};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// Names the configuration file.
pub const CONFIG_VARIABLE: &str = "OPSCONSOLE_CONFIG";

/// How often an environment is looked at, in seconds. Below two, three consoles of a team eat the
/// API's rate; above five minutes, nobody would call it live.
const REFRESH_S: std::ops::RangeInclusive<i64> = 2..=300;
const REFRESH_S_DEFAULT: u64 = 5;
/// Hours in a month, as prices count them.
const HOURS_PER_MONTH: f64 = 730.0;
const LOG_MEMORY_MIB: std::ops::RangeInclusive<i64> = 1..=65_536;

/// Where the file is looked for when nothing names one.
pub fn default_path() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "opsconsole")
        .map(|dirs| dirs.config_dir().join("config.toml"))
}

/// The file to read: `--config`, else `OPSCONSOLE_CONFIG`, else the default place if there is a
/// file. `None` means zero configuration. A file that was named must exist.
pub fn resolve_path(given: Option<PathBuf>) -> Option<PathBuf> {
    given
        .or_else(|| {
            std::env::var_os(CONFIG_VARIABLE)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        })
        .or_else(|| default_path().filter(|path| path.exists()))
}

/// Reads and checks a file.
///
/// # Errors
/// [`ConfigError`] with every mistake found.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable {
        path: path.to_owned(),
        cause: error.to_string(),
    })?;
    check(path, &text)
}

/// Checks a file's text; `path` is for the messages.
///
/// # Errors
/// [`ConfigError::Invalid`] with every mistake found.
pub fn check(path: &Path, text: &str) -> Result<Config, ConfigError> {
    let file: File = toml::from_str(text).map_err(|error| ConfigError::Invalid {
        path: path.to_owned(),
        problems: vec![syntax_problem(text, &error)],
    })?;
    let mut checker = Checker {
        text,
        problems: Vec::new(),
    };
    let config = checker.config(path, file);
    if checker.problems.is_empty() {
        Ok(config)
    } else {
        checker
            .problems
            .sort_by_key(|problem| (problem.line, problem.column));
        Err(ConfigError::Invalid {
            path: path.to_owned(),
            problems: checker.problems,
        })
    }
}

/// The file's JSON Schema, for editors.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(File).to_value()
}

struct Checker<'a> {
    text: &'a str,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn config(&mut self, path: &Path, file: File) -> Config {
        if file.environment.0.is_empty() {
            self.problem(
                0..0,
                "environment",
                "there is no environment; add a table [environment.dev] with region, cluster and service",
            );
        }
        let mut environments: Vec<EnvironmentConfig> = Vec::new();
        for (name, environment) in file.environment.0 {
            if let Some(twin) = environments
                .iter()
                .find(|known| known.name.as_str().eq_ignore_ascii_case(name.get_ref()))
            {
                let message = format!("it differs from `{}` only in case", twin.name);
                let key = format!("environment.{}", name.get_ref());
                self.problem(name.span(), &key, &message);
            }
            environments.push(self.environment(name, environment));
        }
        let log_memory_bytes = file.log_memory_mib.map_or(LOG_MEMORY_BYTES, |mib| {
            let mib = self.within(&mib, "log_memory_mib", &LOG_MEMORY_MIB);
            usize::try_from(mib)
                .unwrap_or(256)
                .saturating_mul(1024 * 1024)
        });
        Config {
            path: Some(path.to_owned()),
            environments,
            keys: file.keys,
            log_memory_bytes,
            local_time: file.local_time,
        }
    }

    fn environment(&mut self, name: Spanned<String>, file: EnvironmentFile) -> EnvironmentConfig {
        let key = |field: &str| format!("environment.{}.{field}", name.get_ref());
        if let Err(message) = sane_name(name.get_ref()) {
            self.problem(
                name.span(),
                &format!("environment.{}", name.get_ref()),
                message,
            );
        }
        let has_account = file.account.is_some();
        let has_lock = file.lock.is_some();
        let account = file.account.map(|account| {
            let value = account.get_ref();
            if value.len() != 12 || !value.bytes().all(|byte| byte.is_ascii_digit()) {
                self.problem(
                    account.span(),
                    &key("account"),
                    "an AWS account is twelve digits in quotes, such as \"123456789012\"",
                );
            }
            account.into_inner()
        });
        for (field, value) in [
            ("region", &file.region),
            ("cluster", &file.cluster),
            ("service", &file.service),
        ] {
            match value {
                Some(value) if value.get_ref().trim().is_empty() => {
                    self.problem(value.span(), &key(field), "it is empty");
                }
                None if file.platform == PlatformName::Ecs => self.problem(
                    name.span(),
                    &format!("environment.{}", name.get_ref()),
                    &format!("missing field `{field}`"),
                ),
                _ => {}
            }
        }
        let misplaced: &[(&str, bool)] = match file.platform {
            PlatformName::Ecs => &[
                ("kubeconfig", file.kubeconfig.is_some()),
                ("context", file.context.is_some()),
                ("namespace", file.namespace.is_some()),
                ("deployment", file.deployment.is_some()),
                ("helm_release", file.helm_release.is_some()),
            ],
            PlatformName::Kubernetes => &[
                ("cluster", file.cluster.is_some()),
                ("service", file.service.is_some()),
                ("profile", file.profile.is_some()),
                ("role_arn", file.role_arn.is_some()),
                ("endpoint_url", file.endpoint_url.is_some()),
                ("log_group", file.log_group.is_some()),
                ("alarm_prefixes", !file.alarm_prefixes.is_empty()),
                ("account", has_account),
                ("lock", has_lock),
            ],
        };
        for (field, _) in misplaced.iter().filter(|(_, is_there)| *is_there) {
            let message = match file.platform {
                PlatformName::Ecs => "it is for platform = \"kubernetes\" only",
                PlatformName::Kubernetes => {
                    "it is for ECS; on Kubernetes name the context, the namespace and the deployment"
                }
            };
            self.problem(name.span(), &key(field), message);
        }
        if file.platform == PlatformName::Kubernetes
            && file.deployment.is_none()
            && file.helm_release.is_none()
        {
            self.problem(
                name.span(),
                &format!("environment.{}", name.get_ref()),
                "missing field `deployment` (or `helm_release`)",
            );
        }
        if let Some(region) = &file.region
            && !is_region(region.get_ref())
            && !region.get_ref().trim().is_empty()
        {
            self.problem(
                region.span(),
                &key("region"),
                "a region looks like `eu-central-1`",
            );
        }
        for (field, value) in [
            ("endpoint_url", &file.endpoint_url),
            ("runbook", &file.runbook),
        ] {
            if let Some(url) = value
                && !["http://", "https://"]
                    .iter()
                    .any(|scheme| url.get_ref().starts_with(scheme))
            {
                self.problem(
                    url.span(),
                    &key(field),
                    "it must begin with https:// or http://",
                );
            }
        }
        if let Some(role) = &file.role_arn
            && !(role.get_ref().starts_with("arn:") && role.get_ref().contains(":role/"))
        {
            self.problem(
                role.span(),
                &key("role_arn"),
                "a role's ARN looks like `arn:aws:iam::123456789012:role/operator`",
            );
        }
        let lock = file.lock.map(|lock| {
            if lock.bucket.get_ref().trim().is_empty() {
                self.problem(lock.bucket.span(), &key("lock.bucket"), "it is empty");
            }
            LockLocation {
                bucket: lock.bucket.into_inner(),
                prefix: lock.prefix.unwrap_or_else(|| "opsconsole/".to_owned()),
            }
        });
        let refresh_s = file.refresh_s.map_or(REFRESH_S_DEFAULT, |refresh| {
            self.within(&refresh, &key("refresh_s"), &REFRESH_S)
        });
        let freeze = file
            .freeze
            .into_iter()
            .map(|window| self.freeze(&key("freeze"), window))
            .collect();
        let hours_per_month = file
            .hours_per_month
            .map(|hours| self.hours(hours, &key("hours_per_month")));
        let extra_bill = file
            .extra_bill
            .into_iter()
            .map(|line| ExtraBillLine {
                quantity: line.quantity.map_or(1.0, |quantity| {
                    if !quantity.get_ref().is_finite() || *quantity.get_ref() < 0.0 {
                        self.problem(
                            quantity.span(),
                            &key("extra_bill.quantity"),
                            "it must be a number that is not negative",
                        );
                    }
                    quantity.into_inner()
                }),
                hours_per_month: line
                    .hours_per_month
                    .map(|hours| self.hours(hours, &key("extra_bill.hours_per_month"))),
                what: line.what,
                sku: line.sku,
            })
            .collect();
        let text =
            |value: Option<Spanned<String>>| value.map_or_else(String::new, Spanned::into_inner);
        let platform = match file.platform {
            PlatformName::Kubernetes => PlatformConfig::Kubernetes(KubernetesConfig {
                kubeconfig: file.kubeconfig,
                context: file.context,
                namespace: file.namespace,
                deployment: file.deployment,
                helm_release: file.helm_release,
                container: file.container,
                region: file
                    .region
                    .map_or_else(|| "us-east-1".to_owned(), Spanned::into_inner),
            }),
            PlatformName::Ecs => PlatformConfig::Ecs(EcsConfig {
                region: text(file.region),
                profile: file.profile,
                role_arn: file.role_arn.map(Spanned::into_inner),
                endpoint_url: file.endpoint_url.map(Spanned::into_inner),
                static_credentials: None,
                local: false,
                cluster: text(file.cluster),
                service: text(file.service),
                container: file.container,
                log_group: file.log_group,
                alarm_prefixes: file.alarm_prefixes,
            }),
        };
        EnvironmentConfig {
            guard: file
                .guard
                .unwrap_or_else(|| Guard::default_for(name.get_ref())),
            name: EnvironmentName::new(name.into_inner()),
            freeze,
            account,
            lock,
            runbook: file.runbook.map(Spanned::into_inner),
            refresh_s,
            hours_per_month,
            extra_bill,
            platform,
        }
    }

    fn freeze(&mut self, key: &str, file: FreezeFile) -> FreezeWindow {
        if file.reason.get_ref().trim().is_empty() {
            self.problem(file.reason.span(), &format!("{key}.reason"), "it is empty");
        }
        let mut instant = |field: &str, text: &Spanned<MomentFile>| match parse_instant(
            &text.get_ref().to_string(),
        ) {
            Ok(instant) => instant,
            Err(message) => {
                self.problem(text.span(), &format!("{key}.{field}"), &message);
                Timestamp::UNIX_EPOCH
            }
        };
        let start = instant("start", &file.start);
        let end = instant("end", &file.end);
        let both = start != Timestamp::UNIX_EPOCH && end != Timestamp::UNIX_EPOCH;
        if both && end <= start {
            self.problem(
                file.end.span(),
                &format!("{key}.end"),
                "it must be after the start",
            );
        }
        FreezeWindow {
            reason: file.reason.into_inner(),
            start,
            end,
        }
    }

    fn hours(&mut self, hours: Spanned<f64>, key: &str) -> f64 {
        if !(0.0..=HOURS_PER_MONTH).contains(hours.get_ref()) {
            self.problem(
                hours.span(),
                key,
                "a month has 0 to 730 hours; leave it out for what always runs",
            );
        }
        hours.into_inner()
    }

    fn within(
        &mut self,
        value: &Spanned<i64>,
        key: &str,
        range: &std::ops::RangeInclusive<i64>,
    ) -> u64 {
        if !range.contains(value.get_ref()) {
            let message = format!(
                "{} is out of bounds; it may be {} to {}",
                value.get_ref(),
                range.start(),
                range.end()
            );
            self.problem(value.span(), key, &message);
        }
        u64::try_from(*value.get_ref()).unwrap_or_default()
    }

    fn problem(&mut self, span: Range<usize>, key: &str, message: &str) {
        let (line, column) = position(self.text, span.start);
        self.problems.push(Problem {
            line,
            column,
            key: key.to_owned(),
            message: message.to_owned(),
            nearest: None,
        });
    }
}

fn sane_name(name: &str) -> Result<(), &'static str> {
    // It is typed to confirm, passed as an argument and shown in a narrow column.
    let sane = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    if name.is_empty() || name.len() > 40 || !sane || name.starts_with('-') {
        return Err(
            "an environment's name is 1 to 40 letters, digits, `-`, `_` and `.`, and does not begin with `-`",
        );
    }
    Ok(())
}

fn is_region(region: &str) -> bool {
    let parts: Vec<&str> = region.split('-').collect();
    let (Some(last), true) = (parts.last(), parts.len() >= 3) else {
        return false;
    };
    last.bytes().all(|byte| byte.is_ascii_digit())
        && parts[..parts.len() - 1]
            .iter()
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase()))
}

/// An RFC 3339 time, or a local date and time with its zone in brackets (RFC 9557).
fn parse_instant(text: &str) -> Result<Timestamp, String> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    text.parse::<Zoned>().map(|zoned| zoned.timestamp()).map_err(|_| {
        format!(
            "`{text}` is not a time with its zone; write `2026-11-27T00:00:00Z` or `2026-11-27T00:00[Europe/Berlin]`"
        )
    })
}

/// What serde or the TOML parser says, with the key's path and the nearest name.
fn syntax_problem(text: &str, error: &toml::de::Error) -> Problem {
    let offset = error.span().map_or(0, |span| span.start);
    let (line, column) = position(text, offset);
    let full = error.message();
    let names: Vec<&str> = full.split('`').skip(1).step_by(2).collect();
    let nearest = match names.split_first() {
        Some((given, expected)) if full.starts_with("unknown ") => {
            nearest(given, expected.iter().copied())
        }
        _ => None,
    };
    Problem {
        line,
        column,
        key: path_at(text, offset),
        message: full.replace('\n', " "),
        nearest,
    }
}

/// The dotted path of the key or value at `offset`; empty when there is none.
fn path_at(text: &str, offset: usize) -> String {
    fn search(
        table: &DeTable<'_>,
        prefix: &str,
        offset: usize,
        best: &mut Option<(usize, String)>,
    ) {
        for (key, value) in table {
            let path = if prefix.is_empty() {
                key.get_ref().to_string()
            } else {
                format!("{prefix}.{}", key.get_ref())
            };
            for span in [key.span(), value.span()] {
                let length = span.end - span.start;
                if span.contains(&offset) && best.as_ref().is_none_or(|(known, _)| length <= *known)
                {
                    *best = Some((length, path.clone()));
                }
            }
            match value.get_ref() {
                DeValue::Table(inner) => search(inner, &path, offset, best),
                DeValue::Array(items) => {
                    for item in items {
                        if let DeValue::Table(inner) = item.get_ref() {
                            search(inner, &path, offset, best);
                        }
                    }
                }
                _ => {}
            }
        }
    }
    let mut best = None;
    if let Ok(table) = DeTable::parse(text) {
        search(table.get_ref(), "", offset, &mut best);
    }
    best.map(|(_, path)| path).unwrap_or_default()
}

/// Line and column, both from 1, of a byte offset.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}
