//! Notices that the database file was replaced or removed under open connections.
//!
//! SQLite keeps serving from a file that was deleted: writes would be answered with success
//! and lost with the process. So each use of a connection first looks whether the path still
//! leads to the file that the connection has open.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The file at one path, and since when it has been that file.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    path: PathBuf,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    /// Device and inode; nothing while there is no file.
    identity: Option<(u64, u64)>,
    /// Connections opened earlier lead to another file, or can no longer be trusted.
    since: Instant,
}

impl DatabaseFile {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            seen: Mutex::new(Seen {
                identity: identity(path),
                since: Instant::now(),
            }),
        }
    }

    /// Whether a connection of this age leads to the file that the path names now.
    pub(super) fn is_open_in(&self, connection_age: Duration) -> bool {
        let now = identity(&self.path);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.identity != now {
            // A file that has just been made was not there for older connections.
            seen.identity = now;
            seen.since = Instant::now();
        }
        now.is_some() && connection_age < seen.since.elapsed()
    }

    /// Gives up every connection opened until now, after an error that may stick to them.
    pub(super) fn distrust_connections(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.since = Instant::now();
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_to_a_file_that_was_replaced_is_given_up() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.db");
        std::fs::write(&path, "first").expect("written");
        let file = DatabaseFile::new(&path);
        let opened = Instant::now();
        assert!(file.is_open_in(opened.elapsed()));

        std::fs::rename(&path, folder.path().join("moved.db")).expect("moved away");
        assert!(!file.is_open_in(opened.elapsed()), "the file is gone");

        std::fs::write(&path, "second").expect("written");
        assert!(
            !file.is_open_in(opened.elapsed()),
            "it has the old file open"
        );
        let reopened = Instant::now();
        assert!(file.is_open_in(reopened.elapsed()));
    }
}
