//! `issued.jsonl`: what was issued and revoked.
//!
//! Append only. The first line states the format and its version; each further line is one event. Lines are appended
//! under an exclusive lock and flushed to disk before the certificate they speak of is written, so a certificate that
//! exists is always in the books. A line without its line feed is the mark of a crash in the middle of an append: the
//! event did not happen, and the line is cut off by the next process that takes the lock. Unknown fields are skipped,
//! unknown events refused.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Error, Issued, Revocation};

const FORMAT: &str = "iot-gateway issued certificates";
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
}

/// One line after the first.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    /// A certificate was issued.
    Issued(Issued),
    /// A certificate was revoked.
    Revoked {
        serial: String,
        #[serde(flatten)]
        revocation: Revocation,
    },
    /// A revocation list was made.
    RevocationList { number: u64, this_update_secs: i64, next_update_secs: i64 },
}

/// The index, held in memory, and its open file.
#[derive(Debug)]
pub(crate) struct Index {
    file: File,
    path: PathBuf,
    entries: Vec<Issued>,
    by_serial: HashMap<String, usize>,
    revocation_list_number: u64,
    read_bytes: u64,
    read_lines: usize,
}

impl Index {
    /// Opens the index, or begins one if the file is missing.
    pub(crate) fn open_or_create(path: &Path) -> Result<Self, Error> {
        let mut options = OpenOptions::new();
        Self::opened(options.read(true).write(true).create(true).truncate(false), path)
    }

    /// Opens the index; `None` if there is none.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, Error> {
        match Self::opened(OpenOptions::new().read(true).write(true), path) {
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
            result => result.map(Some),
        }
    }

    fn opened(options: &mut OpenOptions, path: &Path) -> Result<Self, Error> {
        let file = options.open(path).map_err(Error::io("open", path))?;
        let mut index = Self {
            file,
            path: path.to_path_buf(),
            entries: Vec::new(),
            by_serial: HashMap::new(),
            revocation_list_number: 0,
            read_bytes: 0,
            read_lines: 0,
        };
        index.lock()?;
        Ok(index)
    }

    /// Every certificate, oldest first, as of the last time the lock was held.
    pub(crate) fn entries(&self) -> &[Issued] {
        &self.entries
    }

    /// The number of the latest revocation list; zero before the first.
    pub(crate) fn revocation_list_number(&self) -> u64 {
        self.revocation_list_number
    }

    /// Takes the lock and reads what others have appended meanwhile.
    pub(crate) fn lock(&mut self) -> Result<Locked<'_>, Error> {
        self.file.lock().map_err(Error::io("lock", &self.path))?;
        let mut locked = Locked { index: self };
        locked.catch_up()?;
        Ok(locked)
    }

    fn catch_up(&mut self) -> Result<(), Error> {
        let io = |error| Error::io("read", &self.path)(error);
        self.file.seek(SeekFrom::Start(self.read_bytes)).map_err(io)?;
        let mut bytes = Vec::new();
        self.file.read_to_end(&mut bytes).map_err(io)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |position| position + 1);
        if whole < bytes.len() {
            let length = self.read_bytes + whole as u64;
            self.file.set_len(length).map_err(Error::io("write", &self.path))?;
        }
        for line in bytes[..whole].split_inclusive(|byte| *byte == b'\n') {
            self.read_line(line)?;
            self.read_bytes += line.len() as u64;
            self.read_lines += 1;
        }
        if self.read_lines == 0 {
            self.write(&line_of(&Header { format: FORMAT.to_owned(), version: VERSION }))?;
        }
        Ok(())
    }

    fn read_line(&mut self, line: &[u8]) -> Result<(), Error> {
        if self.read_lines == 0 {
            return self.check_header(line);
        }
        let event = serde_json::from_slice(line).map_err(|error| self.damaged(&error))?;
        self.check_event(&event)?;
        self.apply(event)
    }

    fn check_header(&self, line: &[u8]) -> Result<(), Error> {
        let header: Header = serde_json::from_slice(line).map_err(|error| self.damaged(&error))?;
        if header.format != FORMAT {
            return Err(self.damaged(&format!("format `{}` is not `{FORMAT}`", header.format.escape_debug())));
        }
        if header.version > VERSION {
            return Err(Error::NewerIndex { file: self.path.clone(), found: header.version, known: VERSION });
        }
        Ok(())
    }

    /// A revoked certificate must never be left out of a revocation list because its line can't be used there.
    fn check_event(&self, event: &Event) -> Result<(), Error> {
        match event {
            Event::Issued(issued) if hex::decode(&issued.serial).is_err() || issued.serial.is_empty() => {
                Err(self.damaged(&format!("serial number `{}` is not hex", issued.serial.escape_debug())))
            }
            Event::Revoked { revocation, .. }
                if time::OffsetDateTime::from_unix_timestamp(revocation.at_secs).is_err() =>
            {
                Err(self.damaged(&format!("no date has {} seconds since 1970", revocation.at_secs)))
            }
            _ => Ok(()),
        }
    }

    fn apply(&mut self, event: Event) -> Result<(), Error> {
        match event {
            Event::Issued(issued) => {
                self.by_serial.insert(issued.serial.clone(), self.entries.len());
                self.entries.push(issued);
            }
            Event::Revoked { serial, revocation } => {
                let Some(&position) = self.by_serial.get(&serial) else {
                    return Err(
                        self.damaged(&format!("revokes `{}`, which was not issued", serial.escape_debug()))
                    );
                };
                self.entries[position].revocation = Some(revocation);
            }
            Event::RevocationList { number, .. } => self.revocation_list_number = number,
        }
        Ok(())
    }

    fn damaged(&self, reason: &dyn std::fmt::Display) -> Error {
        Error::DamagedIndex { file: self.path.clone(), line: self.read_lines + 1, reason: reason.to_string() }
    }

    /// Appends whole lines and flushes them; on failure the file is as it was.
    fn write(&mut self, lines: &[u8]) -> Result<(), Error> {
        let appended = self
            .file
            .seek(SeekFrom::Start(self.read_bytes))
            .and_then(|_| self.file.write_all(lines))
            .and_then(|()| self.file.sync_data());
        if let Err(error) = appended {
            // If this fails as well, the torn line is cut off by whoever takes the lock next.
            let _ = self.file.set_len(self.read_bytes);
            return Err(Error::io("write", &self.path)(error));
        }
        self.read_bytes += lines.len() as u64;
        self.read_lines += lines.iter().filter(|byte| **byte == b'\n').count();
        Ok(())
    }
}

/// The index while this process alone may change it.
pub(crate) struct Locked<'a> {
    index: &'a mut Index,
}

impl Locked<'_> {
    /// Appends events, all of them durable when this returns.
    pub(crate) fn append(&mut self, events: Vec<Event>) -> Result<(), Error> {
        let lines: Vec<u8> = events.iter().flat_map(line_of).collect();
        self.index.write(&lines)?;
        events.into_iter().try_for_each(|event| self.index.apply(event))
    }
}

impl Deref for Locked<'_> {
    type Target = Index;

    fn deref(&self) -> &Index {
        self.index
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Index {
        self.index
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // The lock also ends with the file; a failure here can only mean that the file is already closed.
        let _ = self.index.file.unlock();
    }
}

fn line_of(value: &impl Serialize) -> Vec<u8> {
    let mut line =
        serde_json::to_vec(value).expect("lines hold only strings and numbers, which JSON can express");
    line.push(b'\n');
    line
}
