//! Small state that changes: cursors, sessions, the registry, dead letters.
//!
//! A [`StateStore`] is a directory with named [`Table`]s of byte keys and values, ordered by key. Changes are gathered in a
//! [`Batch`] that is applied as a whole, over several tables, and is durable when
//! [`commit_durable`](Batch::commit_durable) returns. Large bodies belong in the journal, with their offset here.
//!
//! **Everything here blocks**, reads for microseconds, a durable commit for an fsync. From async code, use `spawn_blocking` or a
//! thread of one's own for commits. Concurrent durable commits do not share an fsync: gather changes.

use std::fmt;
use std::ops::RangeBounds;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fjall::{KeyspaceCreateOptions, PersistMode};

use self::backend::{Database, Guard, Iter, Keyspace, OwnedWriteBatch};
use self::room::Room;

mod backend;
mod room;
#[cfg(any(test, feature = "fault-injection"))]
pub mod simulated;
#[cfg(test)]
mod tests;

/// The version of the layout that the gateway's parts keep in a store.
pub const STATE_VERSION: u32 = 1;

/// The table that says of which version a store is.
const VERSION_TABLE: &str = "format";
const VERSION_KEY: &[u8] = b"version";

/// Longest key.
pub const KEY_BYTES_MAX: usize = 65_535;

/// Most bytes of memory for blocks read from disk.
const CACHE_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Bytes from a store: a key or a value. Cheap to clone, derefs to a slice.
pub use fjall::Slice;

/// A directory of tables.
#[derive(Clone)]
pub struct StateStore {
    database: Database,
    path: PathBuf,
    room: Arc<Room>,
}

/// Why a store cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another process has it open.
    #[error(
        "the state store `{path}` is in use by another process; stop that process or choose another directory"
    )]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// It was written by a newer program.
    #[error(
        "the state store `{path}` has version {version}, this program reads versions up to {supported}; run the program that wrote it, or a newer one"
    )]
    UnknownVersion {
        /// The directory.
        path: PathBuf,
        /// The version it states.
        version: u32,
        /// The newest version this program reads.
        supported: u32,
    },
    /// Its version entry is not a number.
    #[error("the version entry of the state store `{path}` is damaged; restore the directory from a copy")]
    DamagedVersion {
        /// The directory.
        path: PathBuf,
    },
    /// A table's name is empty, too long, or not of lower-case letters, digits, `_` and `-`.
    #[error("`{name}` cannot be the name of a table; use 1 to 64 of a-z, 0-9, `_` and `-`")]
    TableName {
        /// The name.
        name: String,
    },
    /// A key is empty or too long.
    #[error("a key of {bytes} bytes; it must have 1 to {KEY_BYTES_MAX}")]
    Key {
        /// Its size.
        bytes: usize,
    },
    /// A write failed before; the store takes no more until the process is started again. Nothing acknowledged is lost.
    #[error(
        "the state store `{path}` takes no more changes since a write failed; check the disk, then restart"
    )]
    Poisoned {
        /// The directory.
        path: PathBuf,
    },
    /// Less is free on the disk than has to stay free. Nothing was changed; the same works when there is room.
    #[error(
        "the disk is full: less than the {free_bytes_min} bytes are free that the state store `{path}` keeps; free space"
    )]
    NoRoom {
        /// The directory.
        path: PathBuf,
        /// What has to be free, in bytes.
        free_bytes_min: u64,
    },
    /// The disk fails, or what is on it is damaged.
    #[error("state store `{path}`: {source}; check the disk")]
    Disk {
        /// The directory.
        path: PathBuf,
        /// What the store said.
        source: fjall::Error,
    },
}

impl StateStore {
    /// Opens the store in a directory, and makes it if it is not there.
    ///
    /// # Errors
    /// Another process has it, it is of a newer version, or the disk fails.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, StateError> {
        Self::open_with_reserve(directory, 0)
    }

    /// The same, for a store that refuses to open, and to change, while fewer than `free_bytes_min` bytes are free on its disk. A store that
    /// meets the end of a disk takes no more changes until it is opened again.
    ///
    /// # Errors
    /// As for [`open`](Self::open), and when the disk is full.
    pub fn open_with_reserve(directory: impl AsRef<Path>, free_bytes_min: u64) -> Result<Self, StateError> {
        let path = directory.as_ref().to_path_buf();
        let room = Arc::new(Room::new(free_bytes_min));
        // It may not be there yet; then what holds it tells.
        let existing = path.ancestors().find(|ancestor| ancestor.is_dir()).unwrap_or(&path);
        if !room.is_free(existing) {
            return Err(StateError::NoRoom { path, free_bytes_min });
        }
        let database = backend::open(&path, CACHE_BYTES_MAX).map_err(|error| disk(&path, error))?;
        let store = Self { database, path, room };
        store.check_version()?;
        Ok(store)
    }

    /// Opens the store on a simulated disk, and makes it if it is not there.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    #[cfg(any(test, feature = "fault-injection"))]
    pub fn open_simulated(disk: &simulated::SimulatedStore) -> Result<Self, StateError> {
        let store =
            Self { database: Database::Simulated(disk.clone()), path: "memory".into(), room: Arc::default() };
        store.check_version()?;
        Ok(store)
    }

    fn check_version(&self) -> Result<(), StateError> {
        let table = self.open_table(VERSION_TABLE)?;
        let Some(stated) = table.get(VERSION_KEY)? else {
            let mut batch = self.batch();
            batch.insert(&table, VERSION_KEY, STATE_VERSION.to_be_bytes())?;
            return batch.commit_durable();
        };
        let stated =
            stated.as_ref().try_into().map_err(|_| StateError::DamagedVersion { path: self.path.clone() })?;
        match u32::from_be_bytes(stated) {
            STATE_VERSION => Ok(()),
            version => {
                Err(StateError::UnknownVersion { path: self.path.clone(), version, supported: STATE_VERSION })
            }
        }
    }

    /// A table, made if it is not there. Cheap, but keep the handle.
    ///
    /// # Errors
    /// The name cannot be a table's, or the disk fails.
    pub fn table(&self, name: &str) -> Result<Table, StateError> {
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
        if name.is_empty() || name.len() > 64 || name == VERSION_TABLE || !name.bytes().all(legal) {
            return Err(StateError::TableName { name: name.to_owned() });
        }
        self.open_table(name)
    }

    fn open_table(&self, name: &str) -> Result<Table, StateError> {
        let keyspace = self.database.keyspace(name, KeyspaceCreateOptions::default);
        let keyspace = keyspace.map_err(|error| disk(&self.path, error))?;
        Ok(Table { keyspace, path: self.path.clone(), room: Arc::clone(&self.room) })
    }

    /// An empty batch.
    pub fn batch(&self) -> Batch {
        Batch { batch: self.database.batch(), store: self.clone() }
    }

    /// Makes every change so far durable, those of lazy commits too.
    ///
    /// # Errors
    /// The disk fails; what is durable is then not known.
    pub fn sync(&self) -> Result<(), StateError> {
        self.database.persist(PersistMode::SyncData).map_err(|error| failed(&self.room, &self.path, error))
    }

    /// Whether a write failed: the store takes no more changes until it is opened again.
    pub fn has_failed(&self) -> bool {
        self.room.has_failed()
    }

    /// Whether the disk has room for changes.
    pub fn has_room(&self) -> bool {
        self.room.is_free(&self.path)
    }

    /// Blocks until the disk has room, or until [`end_waits`](Self::end_waits). For those who can neither leave out a change nor
    /// make it later.
    pub fn wait_for_room(&self) {
        self.room.wait(&self.path);
    }

    /// Has nobody wait for room any more, now and later: the process is to end.
    pub fn end_waits(&self) {
        self.room.end_waits();
    }

    /// Bytes that the store holds on disk.
    ///
    /// # Errors
    /// The disk fails.
    pub fn bytes_on_disk(&self) -> Result<u64, StateError> {
        self.database.disk_space().map_err(|error| disk(&self.path, error))
    }
}

/// A table: byte keys, in order, each with a value. A handle that is cheap to clone.
#[derive(Clone)]
pub struct Table {
    keyspace: Keyspace,
    path: PathBuf,
    room: Arc<Room>,
}

impl Table {
    /// The value of a key.
    ///
    /// # Errors
    /// The disk fails.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Slice>, StateError> {
        self.keyspace.get(key).map_err(|error| disk(&self.path, error))
    }

    /// Whether a key is there.
    ///
    /// # Errors
    /// The disk fails.
    pub fn contains(&self, key: impl AsRef<[u8]>) -> Result<bool, StateError> {
        self.keyspace.contains_key(key).map_err(|error| disk(&self.path, error))
    }

    /// Sets one key, lazily: durable with the next durable commit or [`StateStore::sync`].
    ///
    /// # Errors
    /// The key is empty or too long, or the disk fails.
    pub fn insert(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<(), StateError> {
        let key = check_key(key.as_ref())?;
        check_room(&self.room, &self.path)?;
        self.keyspace.insert(key, value.as_ref()).map_err(|error| failed(&self.room, &self.path, error))
    }

    /// Removes one key, lazily. It need not be there.
    ///
    /// # Errors
    /// The key is empty or too long, or the disk fails.
    pub fn remove(&self, key: impl AsRef<[u8]>) -> Result<(), StateError> {
        let key = check_key(key.as_ref())?;
        check_room(&self.room, &self.path)?;
        self.keyspace.remove(key).map_err(|error| failed(&self.room, &self.path, error))
    }

    /// All keys and values in order of the keys, as they are now: later changes are not seen. Also from the back (`rev`).
    pub fn iter(&self) -> Rows {
        self.rows(self.keyspace.iter())
    }

    /// The keys in a range and their values.
    pub fn range<K: AsRef<[u8]>>(&self, keys: impl RangeBounds<K>) -> Rows {
        self.rows(self.keyspace.range(keys))
    }

    /// The keys that begin with `prefix` and their values.
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Rows {
        self.rows(self.keyspace.prefix(prefix))
    }

    fn rows(&self, rows: Iter) -> Rows {
        Rows { rows, path: self.path.clone() }
    }

    /// About how many keys there are; changed and removed keys may count until the store tidies itself. For metrics.
    pub fn approximate_len(&self) -> usize {
        self.keyspace.approximate_len()
    }

    /// Exactly how many keys there are: reads them all.
    ///
    /// # Errors
    /// The disk fails.
    pub fn len(&self) -> Result<usize, StateError> {
        self.keyspace.len().map_err(|error| disk(&self.path, error))
    }

    /// Whether there is no key.
    ///
    /// # Errors
    /// The disk fails.
    pub fn is_empty(&self) -> Result<bool, StateError> {
        self.keyspace.is_empty().map_err(|error| disk(&self.path, error))
    }
}

/// Keys and values in order. Each row can fail on its own when the disk does.
pub struct Rows {
    rows: Iter,
    path: PathBuf,
}

impl Rows {
    fn row(&self, row: Guard) -> Result<(Slice, Slice), StateError> {
        row.into_inner().map_err(|error| disk(&self.path, error))
    }
}

impl Iterator for Rows {
    type Item = Result<(Slice, Slice), StateError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.rows.next()?;
        Some(self.row(row))
    }
}

impl DoubleEndedIterator for Rows {
    fn next_back(&mut self) -> Option<Self::Item> {
        let row = self.rows.next_back()?;
        Some(self.row(row))
    }
}

/// Changes over any tables of one store that happen together or not at all. Dropping it drops them.
pub struct Batch {
    batch: OwnedWriteBatch,
    store: StateStore,
}

impl Batch {
    /// Sets a key. Of several changes to a key the last one counts.
    ///
    /// # Errors
    /// The key is empty or too long.
    pub fn insert(
        &mut self,
        table: &Table,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<(), StateError> {
        self.batch.insert(&table.keyspace, check_key(key.as_ref())?, value.as_ref());
        Ok(())
    }

    /// Removes a key. It need not be there.
    ///
    /// # Errors
    /// The key is empty or too long.
    pub fn remove(&mut self, table: &Table, key: impl AsRef<[u8]>) -> Result<(), StateError> {
        self.batch.remove(&table.keyspace, check_key(key.as_ref())?);
        Ok(())
    }

    /// How many changes there are.
    pub fn len(&self) -> usize {
        self.batch.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// Applies the changes and waits until they, and all lazy ones before them, are on disk.
    ///
    /// # Errors
    /// The disk fails: it is not known whether the changes will be there after a restart.
    pub fn commit_durable(self) -> Result<(), StateError> {
        self.commit(Some(PersistMode::SyncData))
    }

    /// Applies the changes; they survive the death of the process, and a crash of the machine once something later was made durable.
    ///
    /// # Errors
    /// The disk fails.
    pub fn commit_lazily(self) -> Result<(), StateError> {
        self.commit(Some(PersistMode::Buffer))
    }

    fn commit(self, mode: Option<PersistMode>) -> Result<(), StateError> {
        if self.batch.is_empty() && matches!(mode, Some(PersistMode::SyncData)) {
            return self.store.sync();
        }
        if !self.batch.is_empty() {
            check_room(&self.store.room, &self.store.path)?;
        }
        let committed = self.batch.durability(mode).commit();
        committed.map_err(|error| failed(&self.store.room, &self.store.path, error))
    }
}

impl fmt::Debug for StateStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("StateStore").field("path", &self.path).finish_non_exhaustive()
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Table").field("name", &self.keyspace.name()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Rows").finish_non_exhaustive()
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Batch").field("len", &self.len()).finish_non_exhaustive()
    }
}

fn check_key(key: &[u8]) -> Result<&[u8], StateError> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(StateError::Key { bytes: key.len() });
    }
    Ok(key)
}

fn check_room(room: &Room, path: &Path) -> Result<(), StateError> {
    match room.is_free(path) {
        true => Ok(()),
        false => Err(StateError::NoRoom { path: path.to_path_buf(), free_bytes_min: room.free_bytes_min }),
    }
}

/// A change failed, and so will every one after it.
fn failed(room: &Room, path: &Path, error: fjall::Error) -> StateError {
    room.note_failure();
    disk(path, error)
}

fn disk(path: &Path, error: fjall::Error) -> StateError {
    let path = path.to_path_buf();
    match error {
        fjall::Error::Locked => StateError::Locked { path },
        fjall::Error::Poisoned => StateError::Poisoned { path },
        source => StateError::Disk { path, source },
    }
}
