//! Files that are written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::Error;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Everybody: certificates and revocation lists.
    All,
    /// The owner alone: private keys.
    Owner,
}

impl Readers {
    fn mode(self) -> u32 {
        match self {
            Self::All => 0o644,
            Self::Owner => 0o600,
        }
    }
}

/// Replaces `file` by `content`: a crash leaves the old file or the new one. The directory is not flushed; call
/// `flush_directory` after the last file of a batch.
pub(crate) fn replace(file: &Path, content: &[u8], readers: Readers) -> Result<(), Error> {
    let temporary = temporary_beside(file);
    let result = write_new(&temporary, content, readers)
        .map_err(Error::io("write", &temporary))
        .and_then(|()| fs::rename(&temporary, file).map_err(Error::io("write", file)));
    if result.is_err() {
        // Nothing more can be done if this fails as well, and the first error is the one that explains.
        let _ = fs::remove_file(&temporary);
    }
    result
}

/// Makes the renames in a directory durable.
pub(crate) fn flush_directory(directory: &Path) -> Result<(), Error> {
    File::open(directory).and_then(|opened| opened.sync_all()).map_err(Error::io("write", directory))
}

/// Makes a directory with its parents; one that is there already is fine.
pub(crate) fn make_directory(directory: &Path) -> Result<(), Error> {
    fs::create_dir_all(directory).map_err(Error::io("create", directory))
}

/// Reads a file that may be missing.
pub(crate) fn read_if_present(file: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", file)(error)),
    }
}

fn write_new(temporary: &Path, content: &[u8], readers: Readers) -> std::io::Result<()> {
    let mut opened = OpenOptions::new().write(true).create_new(true).mode(readers.mode()).open(temporary)?;
    opened.write_all(content)?;
    opened.sync_all()
}

/// A name no other writer uses, so that `create_new` never meets a file left by a crash.
fn temporary_beside(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{:016x}.new", rand::random::<u64>()));
    file.with_file_name(name)
}
