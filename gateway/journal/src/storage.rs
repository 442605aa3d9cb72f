//! Where the journal's bytes live: a directory of files, behind a trait so that tests can break it.
//!
//! It knows nothing of segments and records. [`Directory`] is the real one.

mod disk;
#[cfg(any(test, feature = "fault-injection"))]
pub mod faulty;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub use disk::Directory;

/// A flat directory of files.
///
/// What it promises is what a POSIX file system promises and no more: bytes are durable after
/// [`sync_data`](StorageFile::sync_data) returned without error, names after
/// [`sync_directory`](Storage::sync_directory) did; before that any part of them may be lost in a crash, in any order.
pub trait Storage: Send + Sync + fmt::Debug + 'static {
    /// The names of all files, in no particular order.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Opens a file that exists, for reading and writing.
    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>>;
    /// Makes an empty file, for reading and writing. Fails if it exists.
    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>>;
    /// Gives a file another name, in one step. Open handles stay valid.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file's name. Open handles stay valid.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes the names that exist now durable.
    fn sync_directory(&self) -> io::Result<()>;
    /// Takes the directory for this process until the returned lock is dropped. `None` if somebody else has it.
    fn lock(&self) -> io::Result<Option<Box<dyn StorageLock>>>;
    /// Bytes that may still be written to the disk, as far as it tells.
    fn free_bytes(&self) -> Option<u64> {
        None
    }
    /// How people call a file of this directory: its path.
    fn describe(&self, name: &str) -> String;
}

/// An open file.
pub trait StorageFile: Send + Sync + fmt::Debug {
    /// Reads at a position; may read less than asked, 0 at the end of the file.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;
    /// Writes at a position; may write less than asked.
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize>;
    /// Makes the bytes written so far durable. After an error nothing is known about any of them, and a second call
    /// that succeeds proves nothing about the first.
    fn sync_data(&self) -> io::Result<()>;
    /// Cuts or extends the file.
    fn truncate(&self, bytes: u64) -> io::Result<()>;
    /// The file's size.
    fn bytes(&self) -> io::Result<u64>;
}

/// Holds a directory; dropping it lets go.
pub trait StorageLock: Send + Sync + fmt::Debug {}

/// Bytes free for this user on the file system of a path, as far as it tells.
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Writes all of `bytes`.
pub(crate) fn write_all_at(file: &dyn StorageFile, mut bytes: &[u8], mut position: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(bytes, position) {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::WriteZero, "the disk took no bytes")),
            Ok(written) => {
                bytes = &bytes[written..];
                position += written as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Fills `buffer` as far as the file goes, and says how far.
pub(crate) fn read_up_to(file: &dyn StorageFile, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], position + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
