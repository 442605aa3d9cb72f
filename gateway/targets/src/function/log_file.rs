//! The log file of a function: bounded, with one predecessor.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

/// `{name}.log`, which becomes `{name}.log.1` when it has half of the bytes allowed.
pub(super) struct LogFile {
    path: PathBuf,
    file_bytes_max: u64,
    open: Mutex<Open>,
}

struct Open {
    file: File,
    bytes: u64,
    /// A full disk is reported once, not for every line.
    failing: bool,
}

impl LogFile {
    /// Opens the log of `function`, making the directory if it is missing.
    pub(super) fn open(directory: &Path, function: &str, bytes_max: u64) -> std::io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let path = directory.join(format!("{function}.log"));
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        let bytes = file.metadata()?.len();
        let open = Mutex::new(Open { file, bytes, failing: false });
        Ok(Self { path, file_bytes_max: bytes_max / 2, open })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a line. A line that can't be written is lost: a full disk must not stop the function.
    pub(super) fn write(&self, instance: &str, request_id: &str, line: &str) {
        let at_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let text = format!("{} {instance} {request_id} {line}\n", bus::event::rfc3339(at_ms));
        let mut open = self.open.lock();
        match self.append(&mut open, text.as_bytes()) {
            Ok(()) => open.failing = false,
            Err(error) if !open.failing => {
                open.failing = true;
                tracing::warn!(path = %self.path.display(), %error, "function log can't be written");
            }
            Err(_) => {}
        }
    }

    fn append(&self, open: &mut Open, text: &[u8]) -> std::io::Result<()> {
        if open.bytes > 0 && open.bytes + text.len() as u64 > self.file_bytes_max {
            std::fs::rename(&self.path, predecessor(&self.path))?;
            open.file = OpenOptions::new().create(true).append(true).open(&self.path)?;
            open.bytes = 0;
        }
        open.file.write_all(text)?;
        open.bytes += text.len() as u64;
        Ok(())
    }
}

/// What a full log file is renamed to.
pub(super) fn predecessor(path: &Path) -> PathBuf {
    path.with_extension("log.1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_stay_below_their_bound_and_keep_the_newest_lines() {
        let directory = tempfile::tempdir().unwrap();
        let log = LogFile::open(directory.path(), "f", 1000).unwrap();
        for number in 0..100 {
            log.write("i", "r", &format!("line {number}"));
        }
        drop(LogFile::open(directory.path(), "f", 1000).unwrap());
        let (now, before) = (directory.path().join("f.log"), directory.path().join("f.log.1"));
        let bytes = now.metadata().unwrap().len() + before.metadata().unwrap().len();
        assert!(bytes <= 1000, "{bytes}");
        assert!(std::fs::read_to_string(now).unwrap().ends_with(" i r line 99\n"));
    }
}
