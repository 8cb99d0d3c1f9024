//! Content in a directory of this machine, or on a file system that machines share.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use uuid::Uuid;

use super::{ContentError, ContentKey, ContentStore, DOCUMENT_BYTES_MAX, Put, check_size};

/// See the top of this file.
pub(super) struct Directory {
    root: PathBuf,
}

impl Directory {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    fn path(&self, key: &ContentKey) -> PathBuf {
        self.root.join(key.as_str())
    }
}

#[async_trait]
impl ContentStore for Directory {
    async fn put_new(&self, key: &ContentKey, document: Bytes) -> Result<Put, ContentError> {
        check_size(&document)?;
        let path = self.path(key);
        blocking(move || put_new(&path, &document)).await
    }

    async fn get(&self, key: &ContentKey) -> Result<Option<Bytes>, ContentError> {
        let path = self.path(key);
        let (document, bytes) = match blocking(move || read(&path)).await? {
            Some(found) => found,
            None => return Ok(None),
        };
        if bytes > DOCUMENT_BYTES_MAX as u64 {
            return Err(ContentError::TooLarge { bytes });
        }
        Ok(Some(document.into()))
    }

    async fn delete(&self, key: &ContentKey) -> Result<(), ContentError> {
        let path = self.path(key);
        blocking(move || match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
        .await
    }
}

/// Writes beside, then links: the name appears with the whole document behind it, and never
/// in place of another. A rename would replace.
fn put_new(path: &Path, document: &[u8]) -> io::Result<Put> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    if path.exists() {
        return Ok(Put::Existed);
    }
    let beside = folder.join(format!(".{}.part", Uuid::new_v4().simple()));
    let written = write(&beside, document).and_then(|()| match fs::hard_link(&beside, path) {
        Ok(()) => Ok(Put::Stored),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Put::Existed),
        Err(error) => Err(error),
    });
    // Left behind it would only take room.
    let _ = fs::remove_file(&beside);
    let put = written?;
    // A name is on disk when its directory is.
    File::open(folder)?.sync_all()?;
    Ok(put)
}

fn write(path: &Path, document: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(document)?;
    file.sync_all()
}

/// A document with its size; one that is too large is not read to its end.
fn read(path: &Path) -> io::Result<Option<(Vec<u8>, u64)>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let bytes = file.metadata()?.len();
    let mut document = Vec::new();
    file.take(DOCUMENT_BYTES_MAX as u64)
        .read_to_end(&mut document)?;
    Ok(Some((document, bytes)))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ContentError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(meaning(&error)),
        Err(_) => Err(ContentError::Unavailable {
            reason: "the process is stopping".into(),
            retry_after: None,
        }),
    }
}

/// Kinds and not messages: those would hold paths of this machine.
fn meaning(error: &io::Error) -> ContentError {
    let reason = error.kind().to_string();
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => ContentError::Denied(reason),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => ContentError::Full(reason),
        _ => ContentError::Unavailable {
            reason,
            retry_after: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::JobId;

    fn store() -> (tempfile::TempDir, Directory) {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Directory::new(&folder.path().join("content"));
        (folder, store)
    }

    fn files(folder: &Path) -> usize {
        let folder = folder.join("content/jobs");
        fs::read_dir(folder).expect("there").count()
    }

    #[tokio::test]
    async fn a_document_is_kept_once_and_stays_as_it_was() {
        let (folder, store) = store();
        let key = ContentKey::of_job(JobId::new());
        assert_eq!(store.get(&key).await, Ok(None));
        let put = store.put_new(&key, "first".into()).await;
        assert_eq!(put, Ok(Put::Stored));
        let put = store.put_new(&key, "second".into()).await;
        assert_eq!(put, Ok(Put::Existed));
        assert_eq!(store.get(&key).await, Ok(Some("first".into())));
        assert_eq!(files(folder.path()), 1, "nothing is left beside it");
        assert_eq!(store.delete(&key).await, Ok(()));
        assert_eq!(store.delete(&key).await, Ok(()));
        assert_eq!(store.get(&key).await, Ok(None));
    }

    #[tokio::test]
    async fn of_many_that_write_one_document_at_a_time_one_does() {
        let (folder, store) = store();
        let key = ContentKey::of_job(JobId::new());
        let puts = (0..16).map(|number| store.put_new(&key, format!("{number}").into()));
        let puts = futures::future::join_all(puts).await;
        let stored = puts.iter().filter(|put| **put == Ok(Put::Stored)).count();
        assert_eq!(stored, 1);
        assert_eq!(files(folder.path()), 1);
    }

    #[tokio::test]
    async fn what_is_too_large_is_neither_kept_nor_read() {
        let (folder, store) = store();
        let key = ContentKey::of_job(JobId::new());
        let large = vec![b'a'; DOCUMENT_BYTES_MAX + 1];
        let put = store.put_new(&key, large.clone().into()).await;
        assert!(matches!(put, Err(ContentError::TooLarge { .. })), "{put:?}");
        fs::create_dir_all(folder.path().join("content/jobs")).expect("made");
        fs::write(store.path(&key), large).expect("written by another");
        let got = store.get(&key).await;
        assert!(matches!(got, Err(ContentError::TooLarge { .. })), "{got:?}");
    }

    #[tokio::test]
    async fn a_place_that_is_no_directory_is_an_error_that_shows_no_path() {
        let (folder, store) = store();
        fs::write(folder.path().join("content"), "a file").expect("written");
        let put = store.put_new(&ContentKey::of_check(), "x".into()).await;
        let error = put.expect_err("there is a file in its place").to_string();
        assert!(!error.contains("content/"), "{error}");
    }
}
