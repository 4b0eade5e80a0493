//! A file that appears under its name, or replaces the one before, once it is complete; readable by its owner
//! only.
//!
//! Until then it lies beside, hidden, under a name that follows from its own: `.NAME.rapport-part`. What a
//! killed run left there, the next one begins anew. Its lock, which ends with the run, keeps others away: two
//! at once to one name never mix.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};

use crate::Failure;

/// A file that is being written. Dropped before its end, it leaves nothing.
pub(crate) struct NewFile {
    beside: NamedTempFile,
    path: PathBuf,
}

impl NewFile {
    /// Begins to write.
    pub(crate) fn create(path: &Path) -> io::Result<NewFile> {
        // Through a link, what it leads to is replaced.
        let path = if path.exists() { path.canonicalize()? } else { path.to_owned() };
        if path.exists() && !path.is_file() {
            return Err(io::Error::other("it exists and is not a file"));
        }
        let mut hidden = OsString::from(".");
        hidden.push(path.file_name().ok_or_else(|| io::Error::other("it has no name"))?);
        hidden.push(".rapport-part");
        let beside = path.with_file_name(hidden);
        let file = alone(&beside)?;
        file.set_len(0)?;
        let beside = NamedTempFile::from_parts(file, TempPath::try_from_path(beside)?);
        Ok(NewFile { beside, path })
    }

    /// Ends it: it is complete, and has its name.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.beside.as_file().sync_all()?;
        self.beside.persist(self.path).map(drop).map_err(|error| error.error)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.beside.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.beside.flush()
    }
}

/// Writes a whole file.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let written = NewFile::create(path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.finish()
    });
    written.map_err(|error| unwritten(path, &error))
}

/// Why there is no new file.
pub(crate) fn unwritten(path: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!("{} cannot be written: {error}", path.display()))
}

/// Opens the file beside for this run alone. As long as it has the lock, no other run renames or removes it.
fn alone(beside: &Path) -> io::Result<File> {
    loop {
        if beside.is_symlink() {
            return Err(io::Error::other(format!("{} is in the way", beside.display())));
        }
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(beside)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::other("another run is writing it"),
            TryLockError::Error(error) => error,
        })?;
        // The run that had the lock before may have renamed or removed what was opened.
        let opened = file.metadata()?;
        match beside.symlink_metadata() {
            Ok(named) if (named.dev(), named.ino()) == (opened.dev(), opened.ino()) => return Ok(file),
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_in(dir: &Path) -> Vec<OsString> {
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    fn refused(path: &Path) -> String {
        NewFile::create(path).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_file_that_is_not_complete_leaves_the_old_one_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.csv");
        std::fs::write(&path, "old").unwrap();
        let mut file = NewFile::create(&path).unwrap();
        file.write_all(b"half").unwrap();
        file.flush().unwrap();
        assert_eq!(names_in(dir.path()).len(), 2);
        drop(file);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names_in(dir.path()), ["rows.csv"]);
        assert_eq!(refused(dir.path()), "it exists and is not a file");
    }

    #[test]
    fn what_a_killed_run_left_is_begun_anew_and_a_running_one_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (path, beside) = (dir.path().join("rows.csv"), dir.path().join(".rows.csv.rapport-part"));
        std::fs::write(&beside, "much more of an older run").unwrap();
        let mut file = NewFile::create(&path).unwrap();
        assert_eq!(refused(&path), "another run is writing it");
        file.write_all(b"whole").unwrap();
        file.finish().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "whole");
        assert_eq!(names_in(dir.path()), ["rows.csv"]);
        NewFile::create(&path).unwrap().finish().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    }

    #[test]
    fn links_are_followed_but_not_to_write_beside() {
        let dir = tempfile::tempdir().unwrap();
        let [file, link, beside] = ["file", "link", ".file.rapport-part"].map(|name| dir.path().join(name));
        std::fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let mut new = NewFile::create(&link).unwrap();
        new.write_all(b"new").unwrap();
        new.finish().unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
        std::os::unix::fs::symlink(&file, &beside).unwrap();
        assert!(refused(&link).ends_with(".file.rapport-part is in the way"));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
    }
}
