//! The directory that holds the embedded databases: private to its owner and to one process.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::Error;

/// A data directory held exclusively until this value is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Creates the directory (mode 0700) if it is missing and locks it against a second process.
    ///
    /// # Errors
    /// `Error::Settings`, one line: the directory cannot be created or written, or another process holds it.
    pub fn lock(path: &Path) -> Result<DataDir, Error> {
        let refused = |what: &str, e: io::Error| {
            Error::Settings(format!("data directory {}: {what}: {e}", path.display()))
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|e| refused("cannot be created", e))?;
        let lock_path = path.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .map_err(|e| refused("cannot be written", e))?;
        match lock.try_lock() {
            Ok(()) => Ok(DataDir { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::Settings(format!(
                "data directory {} is in use by another rapport process; stop it or choose another \
                 --data-dir",
                path.display()
            ))),
            Err(TryLockError::Error(e)) => Err(refused("cannot be locked", e)),
        }
    }

    /// The file of one service's database, created empty with mode 0600 if it is missing.
    ///
    /// # Errors
    /// `Error::Settings` if the file cannot be written.
    pub fn database_file(&self, service: &str) -> Result<PathBuf, Error> {
        let file = self.path.join(format!("{service}.sqlite"));
        OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&file).map_err(|e| {
            Error::Settings(format!("database file {} cannot be written: {e}", file.display()))
        })?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_refused_until_the_first_lets_go() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("data");
        let first = DataDir::lock(&path).unwrap();
        let refused = DataDir::lock(&path).unwrap_err().to_string();
        assert!(refused.contains("in use by another rapport process"), "{refused}");
        drop(first);
        DataDir::lock(&path).unwrap();
    }

    #[test]
    fn directory_and_files_are_private() {
        use std::os::unix::fs::PermissionsExt;
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("data");
        let dir = DataDir::lock(&path).unwrap();
        let file = dir.database_file("loyalty").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
