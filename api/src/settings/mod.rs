//! Settings from the environment and a file, validated at start with every mistake listed at once.

mod access;
mod cache;
mod database;
mod faults;
mod flags;
mod generation;
mod oidc;
mod otlp;
mod reader;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use secrecy::SecretString;
use tracing::level_filters::LevelFilter;

pub use cache::Cache;
pub use database::{Backend, DatabaseUrl};
pub use faults::Faults;
pub use flags::{FlagSettings, Unleash};
pub use generation::{ContentPlace, Generation, Vendor};
pub use oidc::Oidc;
pub use otlp::Otlp;

use access::{check_admin_key, parse_origins};
use reader::{Reader, file_pairs, mistake};

/// What every variable of this program starts with.
pub const PREFIX: &str = "OPSCONSOLE_API_";

/// ECS gives a Fargate task at most 120 s between SIGTERM and SIGKILL (`stopTimeout`).
const DRAIN_SECONDS_MAX: u64 = 120;

/// Environments whose customers are real: faults on purpose are refused there.
const PRODUCTION_NAMES: [&str; 3] = ["prod", "production", "live"];

/// The names this release knows, without [`PREFIX`], by concern.
const KNOWN: &[&[&str]] = &[
    &[
        "LISTEN",
        "RELEASE",
        "GIT_SHA",
        "ENVIRONMENT",
        "DRAIN_SECONDS",
        "LOG_LEVEL",
        "EXIT_WITH_PARENT",
        "LOCAL_CLOUD",
        "REHEARSAL",
        "CONFIG_FILE",
        "OPERATOR_LISTEN",
        "REQUEST_SECONDS",
    ],
    database::NAMES,
    access::NAMES,
    oidc::NAMES,
    flags::NAMES,
    cache::NAMES,
    otlp::NAMES,
    faults::NAMES,
    generation::NAMES,
];

fn is_known(name: &str) -> bool {
    KNOWN.iter().any(|names| names.contains(&name))
}

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
    /// The identity provider whose tokens are accepted beside API keys.
    pub oidc: Option<Oidc>,
    /// What is switched on, and who decides it.
    pub flags: FlagSettings,
    /// Where hot reads are kept; nothing means nowhere.
    pub cache: Option<Cache>,
    /// Where traces are sent; nothing means nowhere.
    pub otlp: Option<Otlp>,
    /// Requests a second that each caller may send; nothing means no limit.
    pub rate_limit_per_second: Option<NonZeroU32>,
    /// Origins whose pages may read our answers.
    pub cors_origins: Vec<String>,
    /// The longest time that a request may take. By default longer than the waits for a lock
    /// or a connection inside it, so that those get their own, clearer answer, and shorter
    /// than the 60 s of an AWS load balancer.
    pub request_time_max: Duration,
    /// How content is generated.
    pub generation: Generation,
    /// What goes wrong on purpose; all off unless rehearsal is on.
    pub faults: Faults,
    /// Variables with our prefix that this release does not know. They do not stop the
    /// start: a release that is rolled back to meets the settings of its successor.
    pub unknown: Vec<String>,
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
        let of_vendors = generation::VENDOR_NAMES
            .into_iter()
            .filter(|name| std::env::var_os(format!("{PREFIX}{name}_FILE")).is_none())
            .filter_map(|name| Some((name.to_owned(), std::env::var_os(name)?)));
        let own = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.to_str()?.strip_prefix(PREFIX)?;
            Some((name.to_owned(), value))
        });
        // Behind our own names, which are found first.
        for (name, value) in own.chain(of_vendors) {
            match value.into_string() {
                Ok(value) => variables.push((name, value)),
                Err(_) => errors.push(mistake(&name, "is not valid UTF-8")),
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
        let oidc = oidc::read(&mut reader, environment == "dev" || local_cloud);
        let flags = flags::read(&mut reader);
        let cache = cache::read(&mut reader);
        let otlp = otlp::read(&mut reader);
        let rate_default = if auth_required { 200 } else { 0 };
        let rate = reader.number("RATE_LIMIT_PER_SECOND", rate_default, 1_000_000);
        let folder = database_url.as_ref().and_then(DatabaseUrl::folder);
        let generation = generation::read(&mut reader, folder.as_deref(), is_open_by_default);
        let faults = if rehearsal {
            faults::read(&mut reader)
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
            oidc,
            flags,
            cache,
            otlp,
            rate_limit_per_second: u32::try_from(rate).ok().and_then(NonZeroU32::new),
            cors_origins,
            request_time_max: Duration::from_secs(request_seconds),
            generation,
            faults,
            unknown: variables
                .iter()
                .filter(|(name, _)| !is_known(name))
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
