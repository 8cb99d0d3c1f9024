//! Settings from the environment, validated at start with every mistake listed at once.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use tracing::level_filters::LevelFilter;

/// What every variable of this program starts with.
pub const PREFIX: &str = "OPSCONSOLE_API_";

/// ECS gives a Fargate task at most 120 s between SIGTERM and SIGKILL (`stopTimeout`).
const DRAIN_SECONDS_MAX: u64 = 120;

/// Environments whose customers are real: faults on purpose are refused there.
const PRODUCTION_NAMES: [&str; 3] = ["prod", "production", "live"];

/// The names this release knows, without [`PREFIX`].
const KNOWN: [&str; 15] = [
    "LISTEN",
    "DATABASE_URL",
    "RELEASE",
    "GIT_SHA",
    "ENVIRONMENT",
    "DRAIN_SECONDS",
    "LOG_LEVEL",
    "EXIT_WITH_PARENT",
    "LOCAL_CLOUD",
    "REHEARSAL",
    "FAULT_CRASH_AFTER_MS",
    "FAULT_NEVER_READY",
    "FAULT_FAIL_PERCENT",
    "FAULT_LATENCY_MS",
    "FAULT_LEAK_KB_PER_REQUEST",
];

/// Everything the process is told from outside.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address and port to serve on; port 0 takes a free one, which the `listening` line names.
    pub listen: SocketAddr,
    /// Where the items live.
    pub database_url: DatabaseUrl,
    /// The release as people call it, for example `1.5.0`.
    pub release: String,
    /// The commit the release was built from.
    pub git_sha: String,
    /// `dev`, `staging`, `prod` or another name.
    pub environment: String,
    /// The longest time between the signal to stop and the end of the process.
    pub drain: Duration,
    /// The least severe level that is written; successful probes are written at `debug`.
    pub log_level: LevelFilter,
    /// Stop when standard input ends: the parent holds the other end.
    pub exit_with_parent: bool,
    /// What goes wrong on purpose; all off unless rehearsal is on.
    pub faults: Faults,
    /// Variables with our prefix that this release does not know. They do not stop the
    /// start: a release that is rolled back to meets the settings of its successor.
    pub unknown: Vec<String>,
}

/// Faults on purpose, for rehearsals. The default is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// Exit with 1 this long after the start.
    pub crash_after: Option<Duration>,
    /// Never answer that the process is ready.
    pub never_ready: bool,
    /// The share of business requests that fail, from 0 to 100.
    pub fail_percent: f64,
    /// Added to each business request.
    pub latency: Duration,
    /// Memory that each business request keeps for ever, in KiB.
    pub leak_kib_per_request: usize,
}

/// The URL of the database; its text is never shown, since a URL may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// Checks that this release can serve from the URL.
    ///
    /// # Errors
    /// Another backend than SQLite, or SQLite in memory, which tasks cannot share.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix("sqlite:") else {
            return Err("is not a sqlite:// URL; use for example sqlite:///data/api.db".into());
        };
        if rest.contains(":memory:") || rest.contains("mode=memory") {
            return Err(
                "is in memory, which tasks cannot share; name a file: sqlite:///data/api.db".into(),
            );
        }
        if rest.trim_start_matches('/').is_empty() {
            return Err("names no file; use for example sqlite:///data/api.db".into());
        }
        if SqliteConnectOptions::from_str(text).is_err() {
            return Err(
                "has a parameter that SQLite does not know; leave out what follows ?".into(),
            );
        }
        Ok(Self(text.to_owned()))
    }

    /// The URL itself, for the driver only.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.0.split(':').next().unwrap_or_default();
        write!(formatter, "{scheme}:[redacted]")
    }
}

/// One mistake in the settings: which variable, what is wrong, what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable} {problem}")]
pub struct SettingsError {
    /// The variable as it is spelled in the environment.
    pub variable: String,
    /// What is wrong and what to write instead, to be read after the variable's name.
    pub problem: String,
}

impl Settings {
    /// Reads the settings from the environment of the process.
    ///
    /// # Errors
    /// Every mistake found, so that one look at the log is enough to mend them all.
    pub fn from_env() -> Result<Self, Vec<SettingsError>> {
        let mut variables = Vec::new();
        let mut errors = Vec::new();
        for (name, value) in std::env::vars_os() {
            let Some(name) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else {
                continue;
            };
            match value.into_string() {
                Ok(value) => variables.push((name.to_owned(), value)),
                Err(_) => errors.push(mistake(name, "is not valid UTF-8")),
            }
        }
        match Self::from_pairs(&variables) {
            Ok(settings) if errors.is_empty() => Ok(settings),
            Ok(_) => Err(errors),
            Err(more) => {
                errors.extend(more);
                Err(errors)
            }
        }
    }

    /// Reads the settings from pairs of name (without [`PREFIX`]) and value. An empty value
    /// counts as not given, because task definitions cannot leave a variable out by stage.
    ///
    /// # Errors
    /// Every mistake found.
    pub fn from_pairs(variables: &[(String, String)]) -> Result<Self, Vec<SettingsError>> {
        let mut reader = Reader {
            variables,
            errors: Vec::new(),
        };
        let listen = reader.parsed("LISTEN", "0.0.0.0:8080", |text| {
            text.parse()
                .map_err(|_| "is not an address and port; use for example 0.0.0.0:8080".into())
        });
        let database_url = reader.parsed(
            "DATABASE_URL",
            "sqlite://opsconsole-api.db",
            DatabaseUrl::parse,
        );
        let drain = reader.number("DRAIN_SECONDS", 25, DRAIN_SECONDS_MAX);
        let log_level = reader.parsed("LOG_LEVEL", "info", |text| {
            text.parse()
                .map_err(|_| "is not a level; use error, warn, info, debug or trace".into())
        });
        let environment = reader.text("ENVIRONMENT", "dev");
        let exit_with_parent = reader.switch("EXIT_WITH_PARENT");
        let local_cloud = reader.switch("LOCAL_CLOUD");
        let rehearsal = reader.switch("REHEARSAL");
        let production = PRODUCTION_NAMES.contains(&environment.to_ascii_lowercase().as_str());
        if rehearsal && production && !local_cloud {
            reader.errors.push(mistake(
                "REHEARSAL",
                "is on in an environment declared production; faults on purpose run there only \
                 in the local cloud: unset it",
            ));
        }
        let faults = if rehearsal {
            reader.faults()
        } else {
            Faults::default()
        };
        let settings = Self {
            listen: listen.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 8080))),
            database_url: database_url.unwrap_or_else(|| DatabaseUrl(String::new())),
            release: reader.text("RELEASE", env!("CARGO_PKG_VERSION")),
            git_sha: reader.text("GIT_SHA", "unknown"),
            environment,
            drain: Duration::from_secs(drain),
            log_level: log_level.unwrap_or(LevelFilter::INFO),
            exit_with_parent,
            faults,
            unknown: variables
                .iter()
                .filter(|(name, _)| !KNOWN.contains(&name.as_str()))
                .map(|(name, _)| format!("{PREFIX}{name}"))
                .collect(),
        };
        if reader.errors.is_empty() {
            Ok(settings)
        } else {
            Err(reader.errors)
        }
    }
}

/// Reads single values and gathers what is wrong with them.
struct Reader<'a> {
    variables: &'a [(String, String)],
    errors: Vec<SettingsError>,
}

impl Reader<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        debug_assert!(KNOWN.contains(&name), "{name} is missing in KNOWN");
        self.variables
            .iter()
            .find(|(known, value)| known == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    fn text(&self, name: &str, default: &str) -> String {
        self.get(name).unwrap_or(default).to_owned()
    }

    /// The value read by `parse`, or nothing after noting what is wrong with it.
    fn parsed<T>(
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

    fn number(&mut self, name: &str, default: u64, max: u64) -> u64 {
        self.parsed(name, &default.to_string(), |text| {
            text.parse()
                .ok()
                .filter(|value| *value <= max)
                .ok_or_else(|| format!("is not a whole number from 0 to {max}"))
        })
        .unwrap_or(default)
    }

    fn switch(&mut self, name: &str) -> bool {
        self.parsed(name, "off", |text| match text {
            "on" | "true" | "1" => Ok(true),
            "off" | "false" | "0" => Ok(false),
            _ => Err("is neither on nor off".into()),
        })
        .unwrap_or(false)
    }

    fn faults(&mut self) -> Faults {
        const HOUR_MS: u64 = 3_600_000;
        const LEAK_KIB_MAX: u64 = 1024 * 1024;
        let crash = self
            .get("FAULT_CRASH_AFTER_MS")
            .is_some()
            .then(|| Duration::from_millis(self.number("FAULT_CRASH_AFTER_MS", 0, HOUR_MS)));
        Faults {
            crash_after: crash,
            never_ready: self.switch("FAULT_NEVER_READY"),
            fail_percent: self
                .parsed("FAULT_FAIL_PERCENT", "0", |text| {
                    text.parse::<f64>()
                        .ok()
                        .filter(|percent| (0.0..=100.0).contains(percent))
                        .ok_or_else(|| "is not a number from 0 to 100".into())
                })
                .unwrap_or_default(),
            latency: Duration::from_millis(self.number("FAULT_LATENCY_MS", 0, HOUR_MS)),
            leak_kib_per_request: usize::try_from(self.number(
                "FAULT_LEAK_KB_PER_REQUEST",
                0,
                LEAK_KIB_MAX,
            ))
            .unwrap_or_default(),
        }
    }
}

fn mistake(name: &str, problem: &str) -> SettingsError {
    SettingsError {
        variable: format!("{PREFIX}{name}"),
        problem: problem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, Vec<SettingsError>> {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Settings::from_pairs(&pairs)
    }

    #[test]
    fn nothing_set_serves_on_8080_and_drains_for_25_seconds() {
        let settings = read(&[]).expect("defaults are valid");
        assert_eq!(settings.listen.to_string(), "0.0.0.0:8080");
        assert_eq!(settings.drain, Duration::from_secs(25));
        assert_eq!(settings.faults, Faults::default());
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let errors = read(&[
            ("LISTEN", "8080"),
            ("DATABASE_URL", "mysql://root@db"),
            ("DRAIN_SECONDS", "-1"),
            ("EXIT_WITH_PARENT", "perhaps"),
        ])
        .expect_err("four values are wrong");
        let named: Vec<_> = errors.iter().map(|error| error.variable.as_str()).collect();
        assert_eq!(
            named,
            [
                "OPSCONSOLE_API_LISTEN",
                "OPSCONSOLE_API_DATABASE_URL",
                "OPSCONSOLE_API_DRAIN_SECONDS",
                "OPSCONSOLE_API_EXIT_WITH_PARENT"
            ]
        );
        assert!(
            errors
                .iter()
                .all(|error| !error.to_string().contains("root@db"))
        );
    }

    #[test]
    fn faults_are_ignored_unless_rehearsal_is_on() {
        let faults = [("FAULT_FAIL_PERCENT", "8"), ("FAULT_NEVER_READY", "on")];
        assert_eq!(read(&faults).expect("ignored").faults, Faults::default());

        let mut rehearsed = faults.to_vec();
        rehearsed.push(("REHEARSAL", "on"));
        let settings = read(&rehearsed).expect("valid");
        assert!(settings.faults.never_ready);
        assert!((settings.faults.fail_percent - 8.0).abs() < f64::EPSILON);
    }

    #[test]
    fn rehearsal_is_refused_in_production_outside_the_local_cloud() {
        for name in ["prod", "production", "live", "PROD"] {
            let errors = read(&[("REHEARSAL", "on"), ("ENVIRONMENT", name)])
                .expect_err("production must not rehearse");
            assert_eq!(errors[0].variable, "OPSCONSOLE_API_REHEARSAL");
            read(&[
                ("REHEARSAL", "on"),
                ("ENVIRONMENT", name),
                ("LOCAL_CLOUD", "on"),
            ])
            .expect("the local cloud may");
        }
    }

    #[test]
    fn a_variable_of_a_later_release_does_not_stop_the_start() {
        let settings = read(&[("CACHE_URL", "redis://cache")]).expect("unknown is no mistake");
        assert_eq!(settings.unknown, ["OPSCONSOLE_API_CACHE_URL"]);
    }

    #[test]
    fn a_database_in_memory_or_without_a_name_is_refused() {
        for url in [
            "sqlite::memory:",
            "sqlite://",
            "sqlite://x?mode=memory",
            "sqlite://x?colour=red",
            "",
        ] {
            assert!(DatabaseUrl::parse(url).is_err(), "{url} must be refused");
        }
    }

    #[test]
    fn the_database_url_is_not_shown() {
        let settings = read(&[("DATABASE_URL", "sqlite:///secret/path.db")]).expect("valid");
        assert!(!format!("{settings:?}").contains("secret"));
    }
}
