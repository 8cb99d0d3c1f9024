//! What outlives the process: audit, history and the cache of the last seen state, in SQLite.

/// Why the store failed.
#[derive(Debug, thiserror::Error)]
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
