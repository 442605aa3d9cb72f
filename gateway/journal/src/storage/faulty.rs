//! A storage in memory that breaks on demand: for tests of the journal and of what stands on it.
//!
//! It keeps to what [`Storage`] promises and to nothing more. What was not synced survives [`power_loss`](FaultyStorage::power_loss) sector
//! by sector as a seed decides, in any order, and some sectors by half; names do so one by one. After an fsync that failed, some
//! sectors are on the disk and some are not, all are taken for clean and none is written again, as Linux does it: not by
//! this process and not by the next one, which still reads from memory what is not on the disk.

pub(crate) mod inode;
pub mod power;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use self::inode::{Inode, Random};
use self::power::{Power, stopped};
use super::{Storage, StorageFile, StorageLock};

/// Files in memory, with faults. Clones are handles of the same storage.
#[derive(Debug, Clone, Default)]
pub struct FaultyStorage {
    state: Arc<Mutex<State>>,
    locked: Arc<AtomicBool>,
}

type SharedInode = Arc<Mutex<Inode>>;
type Names = BTreeMap<String, SharedInode>;

#[derive(Debug, Default)]
struct State {
    names: Names,
    durable_names: Names,
    /// Changes of names since the last sync of the directory.
    changes: Vec<NameChange>,
    faults: Faults,
    power: Power,
    random: Random,
}

#[derive(Debug, Clone)]
enum NameChange {
    Create(String, SharedInode),
    Rename(String, String),
    Remove(String),
}

/// What goes wrong, and when.
#[derive(Debug, Clone, Default)]
struct Faults {
    capacity_bytes: Option<u64>,
    failing_syncs: u64,
    failing_writes: u64,
    short_writes: bool,
    failing_reads: bool,
}

impl FaultyStorage {
    /// An empty storage without faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Limits the bytes of all files together; more gives "no space left". `None` takes the limit away.
    pub fn set_capacity_bytes(&self, capacity_bytes: Option<u64>) {
        self.state.lock().faults.capacity_bytes = capacity_bytes;
    }

    /// Lets the next syncs of file data fail.
    pub fn fail_syncs(&self, count: u64) {
        self.state.lock().faults.failing_syncs = count;
    }

    /// Lets the next writes fail after a part of them.
    pub fn fail_writes(&self, count: u64) {
        self.state.lock().faults.failing_writes = count;
    }

    /// Lets every read of a file fail, as on bad sectors, until it is told otherwise.
    pub fn set_failing_reads(&self, failing: bool) {
        self.state.lock().faults.failing_reads = failing;
    }

    /// Lets every write take only a part of what it is given.
    pub fn set_short_writes(&self, short: bool) {
        self.state.lock().faults.short_writes = short;
    }

    /// Lets the machine stop after so many more changes (writes, syncs, names): the last one happens by half, and everything from then on fails.
    pub fn crash_after(&self, operations: u64) {
        self.state.lock().power.cut_after(operations);
    }

    /// Shares the power of other disks.
    pub fn plug_into(&self, power: &Power) {
        self.state.lock().power = power.clone();
    }

    /// How many changes were made or tried.
    pub fn operations(&self) -> u64 {
        self.state.lock().power.changes()
    }

    /// What a machine finds after losing power now: of what was not synced, what `seed` decides.
    pub fn power_loss(&self, seed: u64) -> Self {
        let state = self.state.lock();
        let mut random = Random::new(seed);
        let mut names = state.durable_names.clone();
        for change in &state.changes {
            if random.coin() {
                change.apply(&mut names);
            }
        }
        let survivors = names.into_iter().map(|(name, inode)| {
            let survivor = inode.lock().after_power_loss(&mut random);
            (name, Arc::new(Mutex::new(survivor)))
        });
        Self::holding(survivors.collect(), seed)
    }

    /// What the next process finds after this one was killed now: everything, synced or not.
    pub fn process_killed(&self) -> Self {
        let state = self.state.lock();
        let mut copies: Vec<(SharedInode, SharedInode)> = Vec::new();
        let mut copy = |inode: &SharedInode| {
            if let Some((_, copy)) = copies.iter().find(|(original, _)| Arc::ptr_eq(original, inode)) {
                return Arc::clone(copy);
            }
            let fresh = Arc::new(Mutex::new(inode.lock().clone()));
            copies.push((Arc::clone(inode), Arc::clone(&fresh)));
            fresh
        };
        let mut copy_names =
            |names: &Names| names.iter().map(|(name, inode)| (name.clone(), copy(inode))).collect::<Names>();
        let names = copy_names(&state.names);
        let durable_names = copy_names(&state.durable_names);
        let changes = state.changes.iter().map(|change| match change {
            NameChange::Create(name, inode) => NameChange::Create(name.clone(), copy(inode)),
            other => other.clone(),
        });
        let changes = changes.collect();
        let copied = State { names, durable_names, changes, ..State::default() };
        Self { state: Arc::new(Mutex::new(copied)), locked: Arc::default() }
    }

    fn holding(names: Names, seed: u64) -> Self {
        let state =
            State { durable_names: names.clone(), names, random: Random::new(seed), ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), locked: Arc::default() }
    }

    /// The bytes of a file.
    pub fn contents(&self, name: &str) -> Option<Vec<u8>> {
        Some(self.state.lock().names.get(name)?.lock().live().to_vec())
    }

    /// Makes a file with these bytes, durably.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let inode = Arc::new(Mutex::new(Inode::durable(bytes)));
        let mut state = self.state.lock();
        state.names.insert(name.to_owned(), Arc::clone(&inode));
        state.durable_names.insert(name.to_owned(), inode);
    }

    /// Flips bits of one byte of a file, durably, as a failing disk does.
    ///
    /// # Panics
    /// The file is not there or is shorter.
    pub fn flip(&self, name: &str, position: usize, bits: u8) {
        let mut contents = self.contents(name).expect("the test names a file that is there");
        contents[position] ^= bits;
        self.put(name, &contents);
    }
}

impl NameChange {
    fn apply(&self, names: &mut Names) {
        match self {
            Self::Create(name, inode) => {
                names.insert(name.clone(), Arc::clone(inode));
            }
            Self::Rename(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
            Self::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

impl State {
    /// Counts a change. `Ok(true)` if it happens by half because the machine stops in it.
    fn change(&mut self) -> io::Result<bool> {
        self.power.change()
    }

    fn used_bytes(&self) -> u64 {
        self.names.values().map(|inode| inode.lock().live().len() as u64).sum()
    }

    fn rename_or_remove(&mut self, name: &str, change: NameChange) -> io::Result<()> {
        self.change()?;
        if !self.names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        change.apply(&mut self.names);
        self.changes.push(change);
        Ok(())
    }

    /// How much of a write the disk takes.
    fn taken_bytes(&mut self, live_bytes: usize, length: usize, position: u64) -> io::Result<usize> {
        if self.change()? {
            return Ok(self.random.below(length));
        }
        if let Some(capacity) = self.faults.capacity_bytes {
            let growth = (position + length as u64).saturating_sub(live_bytes as u64);
            let room = capacity.saturating_sub(self.used_bytes());
            if growth > room {
                let taken = length.saturating_sub((growth - room) as usize);
                return if taken == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) };
            }
        }
        if self.faults.short_writes && length > 1 {
            return Ok(1 + self.random.below(length));
        }
        Ok(length)
    }
}

impl Storage for FaultyStorage {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.state.lock().names.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let inode = self.state.lock().names.get(name).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(FaultyFile { state: Arc::clone(&self.state), inode }))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let mut state = self.state.lock();
        state.change()?;
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if state.faults.capacity_bytes.is_some_and(|capacity| state.used_bytes() >= capacity) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let inode = Arc::new(Mutex::new(Inode::default()));
        state.names.insert(name.to_owned(), Arc::clone(&inode));
        state.changes.push(NameChange::Create(name.to_owned(), Arc::clone(&inode)));
        Ok(Arc::new(FaultyFile { state: Arc::clone(&self.state), inode }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.state.lock().rename_or_remove(from, NameChange::Rename(from.to_owned(), to.to_owned()))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.state.lock().rename_or_remove(name, NameChange::Remove(name.to_owned()))
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.change()? {
            return Err(stopped());
        }
        state.durable_names = state.names.clone();
        state.changes.clear();
        Ok(())
    }

    fn lock(&self) -> io::Result<Option<Box<dyn StorageLock>>> {
        if self.locked.swap(true, Ordering::SeqCst) {
            return Ok(None);
        }
        Ok(Some(Box::new(FaultyLock(Arc::clone(&self.locked)))))
    }

    fn free_bytes(&self) -> Option<u64> {
        let state = self.state.lock();
        Some(state.faults.capacity_bytes?.saturating_sub(state.used_bytes()))
    }

    fn describe(&self, name: &str) -> String {
        format!("memory/{name}")
    }
}

#[derive(Debug)]
struct FaultyLock(Arc<AtomicBool>);

impl StorageLock for FaultyLock {}

impl Drop for FaultyLock {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

#[derive(Debug)]
struct FaultyFile {
    state: Arc<Mutex<State>>,
    inode: SharedInode,
}

impl StorageFile for FaultyFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        if self.state.lock().faults.failing_reads {
            return Err(io::Error::other("the disk refused to read"));
        }
        Ok(self.inode.lock().read(buffer, position))
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        let mut state = self.state.lock();
        let live_bytes = self.inode.lock().live().len();
        let taken = state.taken_bytes(live_bytes, bytes.len(), position)?;
        let mut inode = self.inode.lock();
        if state.faults.failing_writes > 0 {
            state.faults.failing_writes -= 1;
            let part = state.random.below(taken.max(1));
            inode.write(&bytes[..part], position);
            return Err(io::Error::other("the disk refused to write"));
        }
        inode.write(&bytes[..taken], position);
        if taken == 0 { Err(stopped()) } else { Ok(taken) }
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.change()? {
            return Err(stopped());
        }
        let mut inode = self.inode.lock();
        if state.faults.failing_syncs > 0 {
            state.faults.failing_syncs -= 1;
            inode.sync_by_half(&mut state.random);
            return Err(io::Error::other("the disk refused to sync"));
        }
        inode.sync();
        Ok(())
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.state.lock().change()?;
        self.inode.lock().truncate(bytes);
        Ok(())
    }

    fn bytes(&self) -> io::Result<u64> {
        Ok(self.inode.lock().live().len() as u64)
    }
}
