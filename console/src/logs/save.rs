//! Saves what a view shows to a file that only its owner can read.

use super::{
    filter::Filter,
    format::{LineFormat, Printed},
    store::LogStore,
    view::{LogView, WorkBudget},
};
use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// What was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// Where.
    pub path: PathBuf,
    /// How many lines.
    pub lines: u64,
}

/// The file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// It is there already.
    #[error("{} is there already and was left as it is; choose another name", .0.display())]
    Exists(PathBuf),
    /// Anything else; a file begun is taken away.
    #[error("cannot save to {}: {cause}. Free some space, or choose another place", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

/// Writes every line of `store` that passes `filter` to a new file. It blocks: give it a clone of
/// the store on a thread of its own. Logs may hold personal data, so the file is readable for its
/// owner only; one that is there is never overwritten.
pub fn save(
    store: &LogStore,
    filter: Filter,
    format: LineFormat,
    path: &Path,
) -> Result<Saved, SaveError> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    let result = file.and_then(|file| write(store, filter, format, file));
    match result {
        Ok(lines) => Ok(Saved {
            path: path.to_owned(),
            lines,
        }),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(SaveError::Exists(path.to_owned()))
        }
        Err(cause) => {
            // Half a file would look like a whole one. It is ours: create_new made it.
            let _ = std::fs::remove_file(path);
            Err(SaveError::Io {
                path: path.to_owned(),
                cause,
            })
        }
    }
}

fn write(store: &LogStore, filter: Filter, format: LineFormat, file: File) -> io::Result<u64> {
    let mut view = LogView::new();
    view.set_filter(filter);
    while !view.work(store, WorkBudget::lines(usize::MAX)).complete {}
    let mut out = BufWriter::new(file);
    let mut lines = 0;
    for line in view.lines(store, 0) {
        let printed = Printed {
            at_ms: line.at_ms,
            stream: line.stream,
            level: line.level,
            late: line.late,
            text: line.text,
        };
        format.write(printed, &mut out)?;
        lines += 1;
    }
    out.flush()?;
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::TailLine;
    use std::os::unix::fs::PermissionsExt;

    fn store() -> LogStore {
        let mut store = LogStore::new(1 << 20);
        for text in ["INFO one", "ERROR two", "ERROR three"] {
            let stream = "api".into();
            store.push(&TailLine {
                stream,
                at_ms: 0,
                text: text.to_owned(),
                late: false,
            });
        }
        store
    }

    #[test]
    fn what_is_shown_is_saved_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("api.log");
        let filter = "level>=error".parse().unwrap();
        let saved = save(&store(), filter, LineFormat::Raw, &path).unwrap();
        assert_eq!(
            saved,
            Saved {
                path: path.clone(),
                lines: 2
            }
        );
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "ERROR two\nERROR three\n"
        );
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_is_there_is_left_alone_and_one_that_fails_says_where() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mine.txt");
        std::fs::write(&path, "mine").unwrap();
        let again = save(&store(), Filter::default(), LineFormat::Raw, &path);
        assert!(matches!(again, Err(SaveError::Exists(_))));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        let nowhere = directory.path().join("no/such/place");
        let error = save(&store(), Filter::default(), LineFormat::Json, &nowhere).unwrap_err();
        assert!(error.to_string().contains("no/such/place"), "{error}");
    }

    #[test]
    fn a_full_disk_is_reported_and_leaves_no_half_file() {
        // Linux's own full disk.
        let full = File::options().write(true).open("/dev/full");
        if let Ok(full) = full {
            let error = write(&store(), Filter::default(), LineFormat::Raw, full).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        }
    }
}
