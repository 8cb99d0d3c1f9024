//! Why the store failed, sorted by what the operator can do about it.

use std::path::Path;

/// Why the store failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The data directory cannot be used.
    #[error(
        "cannot use the data directory {path}: {cause}. Make it writable, or set OPSCONSOLE_DATA_DIR"
    )]
    Directory {
        /// Which.
        path: String,
        /// Why.
        cause: String,
    },
    /// It was found read-only, or not there, when the console started.
    #[error(
        "the store {path} cannot be written: {cause}. Make it writable and start again, or set OPSCONSOLE_DATA_DIR"
    )]
    NotWritable {
        /// Which.
        path: String,
        /// Why.
        cause: String,
    },
    /// No space left.
    #[error("the disk that holds {path} is full. Free some space and try again")]
    Full {
        /// Which.
        path: String,
    },
    /// SQLite.
    #[error(
        "the store {path} failed: {cause}. Free some space or move the file away; it is made anew"
    )]
    Database {
        /// Which.
        path: String,
        /// Why.
        cause: String,
    },
}

/// SQLite's primary result codes that have an answer of their own, <https://sqlite.org/rescode.html>.
pub(super) const READONLY: i32 = 8;
pub(super) const CORRUPT: i32 = 11;
pub(super) const FULL: i32 = 13;
pub(super) const CANT_OPEN: i32 = 14;
pub(super) const NOT_A_DATABASE: i32 = 26;

/// The primary result code: the low byte of the extended one.
pub(super) fn code_of(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

impl StoreError {
    pub(super) fn from_sqlx(path: &Path, error: &sqlx::Error) -> Self {
        let path = path.display().to_string();
        match code_of(error) {
            Some(FULL) => Self::Full { path },
            Some(READONLY) => Self::NotWritable {
                path,
                cause: "it is read-only".to_owned(),
            },
            _ => Self::Database {
                path,
                cause: error.to_string(),
            },
        }
    }
}
