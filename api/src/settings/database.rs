//! Where the items live.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

/// The names that concern the database, without the prefix.
pub(super) const NAMES: &[&str] = &[
    "DATABASE_URL",
    "DATABASE_URL_FILE",
    "DATABASE_CONNECTIONS",
    "MIGRATE_ON_START",
];

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
pub struct DatabaseUrl(pub(super) String);

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

    /// The folder of the file of SQLite.
    pub(super) fn folder(&self) -> Option<PathBuf> {
        let options = match self.backend() {
            Backend::Sqlite => SqliteConnectOptions::from_str(&self.0).ok()?,
            Backend::Postgres => return None,
        };
        options.get_filename().parent().map(Path::to_owned)
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
