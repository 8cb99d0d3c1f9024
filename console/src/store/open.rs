//! Opening the store: what to do about a file that is missing, read-only or damaged.

use super::{
    Access, Inner, Store,
    error::{CANT_OPEN, CORRUPT, NOT_A_DATABASE, StoreError, code_of},
};
use jiff::Timestamp;
use sqlx::{
    SqlitePool,
    migrate::{MigrateError, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{
    fs,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

static MIGRATOR: Migrator = sqlx::migrate!("src/store/migrations");

/// The store's file in the data directory.
const FILE: &str = "console.db";

/// Another console may be writing; its transactions take milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A few readers beside the one writer that SQLite allows.
const CONNECTIONS: u32 = 4;

impl Store {
    /// Opens the store in `directory`, making both when they are not there. Never fails: see
    /// [`Store::access`]. The second value is what the operator should be told.
    pub async fn open(directory: &Path) -> (Self, Vec<String>) {
        let path = directory.join(FILE);
        let mut notices = Vec::new();
        let error = match prepare_directory(directory) {
            Ok(()) => match open_for_writing(directory, &path).await {
                Ok(pool) => return (Self::with(path, Some(pool), Access::ReadWrite), notices),
                Err(OpenError::Damaged(cause)) => match move_aside(&path) {
                    Ok(moved) => {
                        notices.push(format!(
                            "the store was damaged ({cause}) and was moved to {}; history starts anew",
                            moved.display()
                        ));
                        match open_for_writing(directory, &path).await {
                            Ok(pool) => {
                                return (Self::with(path, Some(pool), Access::ReadWrite), notices);
                            }
                            Err(error) => error.into_store_error(&path),
                        }
                    }
                    Err(error) => StoreError::Database {
                        path: path.display().to_string(),
                        cause: format!("{cause}, and it cannot be moved aside: {error}"),
                    },
                },
                Err(error) => error.into_store_error(&path),
            },
            Err(error) => error,
        };
        notices.push(format!("{error} (until then nothing can be changed)"));
        let cause = error.to_string();
        match open_for_reading(&path).await {
            Some(pool) => (
                Self::with(path, Some(pool), Access::ReadOnly { cause }),
                notices,
            ),
            None => (Self::with(path, None, Access::Absent { cause }), notices),
        }
    }

    fn with(path: PathBuf, pool: Option<SqlitePool>, access: Access) -> Self {
        Self {
            inner: Arc::new(Inner { path, pool, access }),
        }
    }
}

enum OpenError {
    /// Not a database, or one whose pages contradict each other.
    Damaged(String),
    Other(sqlx::Error),
    Migration(MigrateError),
    Io(std::io::Error),
}

impl OpenError {
    fn from_sqlx(error: sqlx::Error) -> Self {
        match code_of(&error) {
            Some(CORRUPT | NOT_A_DATABASE) => Self::Damaged(error.to_string()),
            _ => Self::Other(error),
        }
    }

    fn into_store_error(self, path: &Path) -> StoreError {
        let shown = path.display().to_string();
        match self {
            Self::Other(error) if code_of(&error) == Some(CANT_OPEN) => StoreError::NotWritable {
                path: shown,
                cause: error.to_string(),
            },
            Self::Other(error) => StoreError::from_sqlx(path, &error),
            Self::Migration(error) => StoreError::Database {
                path: shown,
                cause: error.to_string(),
            },
            Self::Damaged(cause) => StoreError::Database { path: shown, cause },
            Self::Io(error) => StoreError::NotWritable {
                path: shown,
                cause: error.to_string(),
            },
        }
    }
}

fn prepare_directory(directory: &Path) -> Result<(), StoreError> {
    let failed = |error: std::io::Error| StoreError::Directory {
        path: directory.display().to_string(),
        cause: error.to_string(),
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(failed)?;
    let mode = fs::metadata(directory)
        .map_err(failed)?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).map_err(failed)?;
    }
    Ok(())
}

async fn open_for_writing(directory: &Path, path: &Path) -> Result<SqlitePool, OpenError> {
    // SQLite would make the file with the umask's mode, and its WAL with the file's: so it is
    // made here, owner-only, first.
    fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(OpenError::Io)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // The audit's promise: what was recorded before a change survives a power cut.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT);
    let pool = SqlitePoolOptions::new()
        .max_connections(CONNECTIONS)
        .connect_with(options)
        .await
        .map_err(OpenError::from_sqlx)?;
    let opened = migrate(directory, &pool).await;
    if opened.is_err() {
        pool.close().await;
    }
    opened.map(|()| pool)
}

async fn migrate(directory: &Path, pool: &SqlitePool) -> Result<(), OpenError> {
    // SQLite's migrator takes no lock of its own, and two consoles may start at once.
    let gate = directory.join("console.db.migrating");
    let turn = tokio::task::spawn_blocking(move || -> std::io::Result<fs::File> {
        let file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(gate)?;
        file.lock()?;
        Ok(file)
    })
    .await
    .map_err(|error| OpenError::Io(std::io::Error::other(error)))?
    .map_err(OpenError::Io)?;
    let mut migrator = Migrator {
        migrations: MIGRATOR.migrations.clone(),
        ..Migrator::DEFAULT
    };
    // A newer console may have been here: migrations only add, so its file serves us as well.
    migrator.set_ignore_missing(true);
    migrator.run(pool).await.map_err(|error| match error {
        MigrateError::Execute(error) => OpenError::from_sqlx(error),
        other => OpenError::Migration(other),
    })?;
    drop(turn);
    // A file without write permission opens well and fails at the first write: find out now.
    sqlx::raw_sql("BEGIN IMMEDIATE; ROLLBACK;")
        .execute(pool)
        .await
        .map_err(OpenError::from_sqlx)?;
    Ok(())
}

async fn open_for_reading(path: &Path) -> Option<SqlitePool> {
    if !path.exists() {
        return None;
    }
    // `immutable` because a WAL database in a directory that cannot be written has nowhere to
    // put its shared memory; what is read may then lack the last writes of another console.
    for immutable in [false, true] {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .immutable(immutable)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .connect_with(options)
            .await;
        if let Ok(pool) = pool {
            let readable = sqlx::query("SELECT count(*) FROM runs")
                .fetch_one(&pool)
                .await;
            if readable.is_ok() {
                return Some(pool);
            }
            pool.close().await;
        }
    }
    None
}

/// Renames the file and its WAL, so that nothing is lost and a new one can be made.
fn move_aside(path: &Path) -> std::io::Result<PathBuf> {
    let stamp = Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    let name = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let moved = name(&format!(".damaged-{stamp}"));
    fs::rename(path, &moved)?;
    for suffix in ["-wal", "-shm"] {
        let companion = name(suffix);
        if companion.exists() {
            fs::rename(&companion, name(&format!(".damaged-{stamp}{suffix}")))?;
        }
    }
    Ok(moved)
}
