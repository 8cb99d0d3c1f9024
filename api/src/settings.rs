//! Settings from the environment and a file, validated at start with every mistake listed at once.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use tracing::level_filters::LevelFilter;

/// What every variable of this program starts with.
pub const PREFIX: &str = "OPSCONSOLE_API_";

/// ECS gives a Fargate task at most 120 s between SIGTERM and SIGKILL (`stopTimeout`).
const DRAIN_SECONDS_MAX: u64 = 120;

/// Environments whose customers are real: faults on purpose are refused there.
const PRODUCTION_NAMES: [&str; 3] = ["prod", "production", "live"];

/// The names this release knows, without [`PREFIX`].
const KNOWN: [&str; 26] = [
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
    "CONFIG_FILE",
    "DATABASE_URL_FILE",
    "DATABASE_CONNECTIONS",
    "MIGRATE_ON_START",
    "OPERATOR_LISTEN",
    "AUTH",
    "ADMIN_KEY",
    "ADMIN_KEY_FILE",
    "RATE_LIMIT_PER_SECOND",
    "CORS_ORIGINS",
    "REQUEST_SECONDS",
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
    /// The most connections to Postgres that one process opens.
    pub database_connections: u32,
    /// Whether `serve` brings the schema up itself. By default it does on SQLite, whose file
    /// belongs to the service, and leaves it to `migrate` on Postgres.
    pub migrate_on_start: bool,
    /// A second address for `/metrics` and `/admin`, which are then not on the first.
    pub operator_listen: Option<SocketAddr>,
    /// Whether callers must say who they are. By default they must, except in the
    /// environment `dev` and in the local cloud.
    pub auth_required: bool,
    /// A key with the role admin, to make the first API keys with.
    pub admin_key: Option<SecretString>,
    /// Requests a second that each caller may send; nothing means no limit.
    pub rate_limit_per_second: Option<NonZeroU32>,
    /// Origins whose pages may read our answers.
    pub cors_origins: Vec<String>,
    /// The longest time that a request may take. By default longer than the waits for a lock
    /// or a connection inside it, so that those get their own, clearer answer, and shorter
    /// than the 60 s of an AWS load balancer.
    pub request_time_max: Duration,
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

/// The databases that this release serves from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A file on a local disk.
    Sqlite,
    /// A server that tasks on several machines share.
    Postgres,
}

/// The URL of the database; its text is never shown, since a URL may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// Checks that this release can serve from the URL.
    ///
    /// # Errors
    /// Another backend than SQLite and Postgres, or SQLite in memory, which tasks cannot share.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return match PgConnectOptions::from_str(text) {
                Ok(_) => Ok(Self(text.to_owned())),
                // What the parser says may repeat the password.
                Err(_) => Err("cannot be read as a postgres:// URL; \
                               use postgres://user:password@host/database"
                    .into()),
            };
        }
        let Some(rest) = text.strip_prefix("sqlite:") else {
            return Err("is neither a sqlite:// nor a postgres:// URL; \
                        use for example sqlite:///data/api.db"
                .into());
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

    /// Which kind of database it names.
    #[must_use]
    pub fn backend(&self) -> Backend {
        if self.0.starts_with("postgres") {
            Backend::Postgres
        } else {
            Backend::Sqlite
        }
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
        let file = variables
            .iter()
            .find(|(name, value)| name == "CONFIG_FILE" && !value.is_empty());
        if let Some((_, path)) = file {
            match file_pairs(Path::new(path)) {
                // Behind those of the environment, which are found first.
                Ok(pairs) => variables.extend(pairs),
                Err(problem) => errors.push(mistake("CONFIG_FILE", &problem)),
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
        let url = reader.secret("DATABASE_URL", "DATABASE_URL_FILE");
        let url = url.as_deref().unwrap_or("sqlite://opsconsole-api.db");
        let database_url = reader.checked("DATABASE_URL", DatabaseUrl::parse(url));
        let database_connections = reader.number("DATABASE_CONNECTIONS", 8, 1000).max(1);
        let on_sqlite = database_url
            .as_ref()
            .is_none_or(|url| url.backend() == Backend::Sqlite);
        let migrate_on_start = reader.switch_or("MIGRATE_ON_START", on_sqlite);
        let operator_listen = reader.get("OPERATOR_LISTEN").map(str::parse);
        let operator_listen = operator_listen.and_then(|parsed| {
            reader.checked(
                "OPERATOR_LISTEN",
                parsed.map_err(|_| {
                    "is not an address and port; use for example 127.0.0.1:9090".to_owned()
                }),
            )
        });
        let cors_origins = reader
            .parsed("CORS_ORIGINS", "", parse_origins)
            .unwrap_or_default();
        let request_seconds = reader.number("REQUEST_SECONDS", 15, 300).max(1);
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
        let is_open_by_default = local_cloud || environment == "dev";
        let auth_required = reader.switch_or("AUTH", !is_open_by_default);
        if !auth_required && production && !local_cloud {
            reader.errors.push(mistake(
                "AUTH",
                "is off in an environment declared production: leave it on",
            ));
        }
        let admin_key = reader
            .secret("ADMIN_KEY", "ADMIN_KEY_FILE")
            .and_then(|key| {
                let checked = check_admin_key(&key, environment == "dev");
                reader.checked("ADMIN_KEY", checked)
            });
        let rate_default = if auth_required { 200 } else { 0 };
        let rate = reader.number("RATE_LIMIT_PER_SECOND", rate_default, 1_000_000);
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
            database_connections: u32::try_from(database_connections).unwrap_or(u32::MAX),
            migrate_on_start,
            operator_listen,
            auth_required,
            admin_key,
            rate_limit_per_second: u32::try_from(rate).ok().and_then(NonZeroU32::new),
            cors_origins,
            request_time_max: Duration::from_secs(request_seconds),
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

    /// The value, or nothing after noting the problem.
    fn checked<T>(&mut self, name: &str, outcome: Result<T, String>) -> Option<T> {
        outcome
            .map_err(|problem| self.errors.push(mistake(name, &problem)))
            .ok()
    }

    /// A secret given itself or by the name of the file it is mounted at.
    fn secret(&mut self, name: &str, file_name: &str) -> Option<String> {
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

    fn switch_or(&mut self, name: &str, default: bool) -> bool {
        if self.get(name).is_some() {
            self.switch(name)
        } else {
            default
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

/// The keys of a TOML file as the names of variables: `drain_seconds = 5` is DRAIN_SECONDS.
fn file_pairs(path: &Path) -> Result<Vec<(String, String)>, String> {
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

/// Origins with commas between, each as browsers write it: scheme, host, port if unusual.
fn parse_origins(text: &str) -> Result<Vec<String>, String> {
    text.split(',')
        .map(str::trim)
        .filter(|origin| !origin.is_empty())
        .map(|origin| match url::Url::parse(origin) {
            Ok(url) if url.origin().ascii_serialization() == origin => Ok(origin.to_owned()),
            _ => Err(format!(
                "holds {origin:?}, which is no origin; use for example https://example.com"
            )),
        })
        .collect()
}

/// Long enough not to be guessed; outside dev also none that stands in an example.
fn check_admin_key(key: &str, is_dev: bool) -> Result<SecretString, String> {
    const LENGTH_MIN: usize = 24;
    let lower = key.to_ascii_lowercase();
    let is_example = [
        "changeme",
        "change-me",
        "default",
        "example",
        "password",
        "secret",
    ]
    .iter()
    .any(|word| lower.contains(word));
    if is_example && !is_dev {
        return Err("is one from an example: make your own, such as openssl rand -hex 32".into());
    }
    if key.len() < LENGTH_MIN {
        return Err(format!("has fewer than {LENGTH_MIN} characters"));
    }
    Ok(key.to_owned().into())
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
    fn keys_are_asked_for_unless_the_environment_is_dev_or_the_local_cloud() {
        assert!(!read(&[]).expect("valid").auth_required);
        let staging = [("ENVIRONMENT", "staging")];
        let settings = read(&staging).expect("valid");
        assert!(settings.auth_required);
        assert_eq!(
            settings.rate_limit_per_second.map(NonZeroU32::get),
            Some(200)
        );
        assert!(
            !read(&[("ENVIRONMENT", "prod"), ("LOCAL_CLOUD", "on")])
                .expect("valid")
                .auth_required
        );
        let errors = read(&[("ENVIRONMENT", "prod"), ("AUTH", "off")]).expect_err("open");
        assert_eq!(errors[0].variable, "OPSCONSOLE_API_AUTH");
    }

    #[test]
    fn an_admin_key_from_an_example_is_refused_outside_dev() {
        let key = ("ADMIN_KEY", "changeme-changeme-changeme");
        read(&[key]).expect("dev may");
        let errors = read(&[key, ("ENVIRONMENT", "staging")]).expect_err("an example");
        assert_eq!(errors[0].variable, "OPSCONSOLE_API_ADMIN_KEY");
        assert!(read(&[("ADMIN_KEY", "short")]).is_err());
        let settings = read(&[key]).expect("valid");
        assert!(!format!("{settings:?}").contains("changeme"));
    }

    #[test]
    fn a_file_gives_what_the_environment_does_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("api.toml");
        std::fs::write(&path, "drain_seconds = 7\nexit_with_parent = true\n").expect("written");
        let mut pairs = vec![("DRAIN_SECONDS".to_owned(), "9".to_owned())];
        pairs.extend(file_pairs(&path).expect("read"));
        let settings = Settings::from_pairs(&pairs).expect("valid");
        assert_eq!(settings.drain, Duration::from_secs(9));
        assert!(settings.exit_with_parent);

        std::fs::write(&path, "database_url = 'postgres://u:hidden@h\n").expect("written");
        let problem = file_pairs(&path).expect_err("the quote is not closed");
        assert!(!problem.contains("hidden"), "{problem}");
    }

    #[test]
    fn a_secret_may_lie_in_a_mounted_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("url");
        std::fs::write(&path, "postgres://api:hidden@db/items\n").expect("written");
        let path = path.to_str().expect("UTF-8");
        let settings = read(&[("DATABASE_URL_FILE", path)]).expect("valid");
        assert_eq!(settings.database_url.backend(), Backend::Postgres);
        assert!(!settings.migrate_on_start);
        assert!(!format!("{settings:?}").contains("hidden"));
        assert!(read(&[("DATABASE_URL_FILE", "/nowhere/at/all")]).is_err());
    }

    #[test]
    fn the_database_url_is_not_shown() {
        let settings = read(&[("DATABASE_URL", "sqlite:///secret/path.db")]).expect("valid");
        assert!(!format!("{settings:?}").contains("secret"));
    }
}
