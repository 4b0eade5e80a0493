//! The file that messages are appended to, one line each, by one process at a time.
//!
//! Beside it lies a second file, `<name>.sink`, which holds the sink's id. Deliveries are handed over to that
//! id and not to a path, which two machines may share without sharing the file. Its lock keeps other
//! processes away until this one ends, however it ends.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ambient::Ids;
use uuid::Uuid;

use super::line;

/// An open sink. All its calls block.
#[derive(Debug)]
pub(super) struct FileSink {
    path: PathBuf,
    id: Uuid,
    _lock: File,
}

impl FileSink {
    /// Opens the sink for this process alone; files that are missing are created for their owner only.
    pub(super) fn open(path: &Path, ids: &Ids) -> io::Result<FileSink> {
        let mut beside = OsString::from(path);
        beside.push(".sink");
        let mut lock = private().read(true).write(true).open(&beside)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::other("another process writes to it"),
            TryLockError::Error(error) => error,
        })?;
        let id = identity(&mut lock, ids)?;
        // Opened once to see that it can be; a torn line at its end is not touched before it was read.
        private().append(true).open(path)?;
        Ok(FileSink { path: path.to_owned(), id, _lock: lock })
    }

    /// What deliveries are handed over to.
    pub(super) fn id(&self) -> Uuid {
        self.id
    }

    /// The length of the file in bytes, which is where the next line begins.
    pub(super) fn ready(&self) -> io::Result<u64> {
        let mut file = private().read(true).append(true).open(&self.path)?;
        let length = file.seek(SeekFrom::End(0))?;
        if length == 0 {
            sync_folder(&self.path)?;
            return Ok(0);
        }
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last == *b"\n" {
            return Ok(length);
        }
        // Somebody else's line, without an end.
        file.write_all(b"\n")?;
        Ok(length + 1)
    }

    /// Appends whole lines in one write; when this returns, they are durable.
    pub(super) fn append(&self, lines: &[u8]) -> io::Result<()> {
        let mut file = private().append(true).open(&self.path)?;
        file.write_all(lines)?;
        file.sync_all()
    }

    /// The ids of the whole lines from `offset` on, which are durable when this returns. The rest of a line
    /// that was torn is cut off.
    pub(super) fn written_since(&self, offset: u64) -> io::Result<HashSet<Uuid>> {
        let mut file = private().read(true).write(true).open(&self.path)?;
        let mut tail = Vec::new();
        file.seek(SeekFrom::Start(offset))?;
        file.read_to_end(&mut tail)?;
        let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        if whole < tail.len() {
            file.set_len(offset + whole as u64)?;
        }
        file.sync_all()?;
        Ok(tail[..whole].split(|byte| *byte == b'\n').filter_map(line::id_of).collect())
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).mode(0o600);
    options
}

/// The id in the file beside, drawn when it is first opened.
fn identity(beside: &mut File, ids: &Ids) -> io::Result<Uuid> {
    let mut text = String::new();
    beside.read_to_string(&mut text)?;
    if let Ok(id) = Uuid::try_parse(text.trim()) {
        return Ok(id);
    }
    let id = ids.v4();
    beside.set_len(0)?;
    beside.seek(SeekFrom::Start(0))?;
    writeln!(beside, "{id}")?;
    beside.sync_all()?;
    Ok(id)
}

/// Makes the name of a new file durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn open(path: &Path) -> io::Result<FileSink> {
        FileSink::open(path, &Ids::Random)
    }

    fn line(n: u128) -> String {
        format!("{{\"notification_id\":\"{}\",\"body\":\"x\"}}\n", Uuid::from_u128(n))
    }

    #[test]
    fn a_sink_keeps_its_id_and_has_one_process() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("messages.jsonl");
        let first = open(&path).unwrap();
        let id = first.id();
        assert_eq!(open(&path).unwrap_err().to_string(), "another process writes to it");
        drop(first);
        assert_eq!(open(&path).unwrap().id(), id);
        let beside = dir.path().join("messages.jsonl.sink");
        for file in [&path, &beside] {
            assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        std::fs::write(&beside, "torn").unwrap();
        assert_ne!(open(&path).unwrap().id(), id);
    }

    #[test]
    fn a_torn_line_is_cut_off_and_whole_ones_stay() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("messages.jsonl");
        let sink = open(&path).unwrap();
        sink.append(line(1).as_bytes()).unwrap();
        let offset = sink.ready().unwrap();
        let text = line(2) + "not a message\n" + &line(3) + &line(4)[..30];
        sink.append(text.as_bytes()).unwrap();
        let found = sink.written_since(offset).unwrap();
        assert_eq!(found, HashSet::from([Uuid::from_u128(2), Uuid::from_u128(3)]));
        let kept = line(1) + &line(2) + "not a message\n" + &line(3);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), kept);
        assert_eq!(sink.ready().unwrap(), kept.len() as u64);
        assert!(sink.written_since(kept.len() as u64 + 99).unwrap().is_empty(), "the file was cut since");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), kept);
    }

    #[test]
    fn a_line_without_an_end_is_not_continued() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("messages.jsonl");
        std::fs::write(&path, "somebody else's").unwrap();
        let sink = open(&path).unwrap();
        assert_eq!(sink.ready().unwrap(), 16);
        sink.append(line(1).as_bytes()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("somebody else's\n{}", line(1)));
    }
}
