//! A store in memory that loses power: for tests of what stands on the store.
//!
//! It does what the store on disk does, and breaks where that one may. The store on disk writes every commit to one log, in order,
//! and then to the tables in memory:
//!
//! - What was not synced survives [`power_loss`](SimulatedStore::power_loss) as a prefix of the commits, as a seed decides: the first torn
//!   commit ends the log.
//! - Tables are flushed one by one, without a sync of the log. So a table may hold later commits than the log and the other tables.
//! - A write or a sync that fails poisons the store: it takes nothing more until it is opened again. A commit whose sync failed was
//!   not applied, but is in the log: the next opening may find it.
//!
//! Not simulated: a power loss after a sync failed and the *process* alone was started again. The log on disk may then be torn before
//! commits that were made since.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use fjall::{PersistMode, Slice};
use parking_lot::Mutex;

use crate::storage::faulty::inode::Random;
use crate::storage::faulty::power::{Power, stopped};

/// A simulated disk with a store. Clones are handles of the same one.
#[derive(Clone, Default)]
pub struct SimulatedStore {
    state: Arc<Mutex<State>>,
}

type Rows = BTreeMap<Vec<u8>, Slice>;
/// Shared with whoever goes through a table; changed in a copy then.
type Tables = BTreeMap<Arc<str>, Arc<Rows>>;

/// A change of one key; no value removes it.
#[derive(Clone)]
pub(super) struct Change {
    pub(super) table: Arc<str>,
    pub(super) key: Vec<u8>,
    pub(super) value: Option<Slice>,
}

#[derive(Clone)]
struct Commit {
    changes: Vec<Change>,
    /// Whether it reached the tables in memory, from which it may be flushed.
    applied: bool,
}

#[derive(Default)]
struct State {
    /// What programs see.
    live: Tables,
    /// What was synced.
    durable: Tables,
    /// What was written to the log since the last sync.
    unsynced: Vec<Commit>,
    poisoned: bool,
    failing_writes: u64,
    failing_syncs: u64,
    power: Power,
}

impl SimulatedStore {
    /// An empty disk without faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shares the power of other disks.
    pub fn plug_into(&self, power: &Power) {
        self.state.lock().power = power.clone();
    }

    /// Lets the next commits fail before they are in the log: a full disk, a refused write.
    pub fn fail_writes(&self, count: u64) {
        self.state.lock().failing_writes = count;
    }

    /// Lets the next syncs of the log fail.
    pub fn fail_syncs(&self, count: u64) {
        self.state.lock().failing_syncs = count;
    }

    /// Runs `work` while the disk answers nobody.
    pub fn while_stalled<T>(&self, work: impl FnOnce() -> T) -> T {
        let _state = self.state.lock();
        work()
    }

    /// Whether a failure has made it refuse everything.
    pub fn is_poisoned(&self) -> bool {
        self.state.lock().poisoned
    }

    /// What a machine finds after losing power now: of what was not synced, what `seed` decides.
    pub fn power_loss(&self, seed: u64) -> Self {
        let state = self.state.lock();
        let mut random = Random::new(seed);
        let mut tables = state.durable.clone();
        let count = state.unsynced.len();
        let logged = random.below(count + 1);
        let flushed: BTreeMap<&Arc<str>, usize> = state
            .live
            .keys()
            .map(|table| {
                (table, if random.below(4) == 0 { logged + random.below(count - logged + 1) } else { 0 })
            })
            .collect();
        for (number, commit) in state.unsynced.iter().enumerate() {
            for change in &commit.changes {
                let was_flushed = commit.applied && flushed.get(&change.table).is_some_and(|to| number < *to);
                if number < logged || was_flushed {
                    apply(&mut tables, change);
                }
            }
        }
        Self::holding(tables, Vec::new())
    }

    /// What the next process finds after this one was killed now: everything that was written, synced or not.
    pub fn process_killed(&self) -> Self {
        let state = self.state.lock();
        Self::holding(state.durable.clone(), state.unsynced.clone())
    }

    fn holding(durable: Tables, unsynced: Vec<Commit>) -> Self {
        let mut live = durable.clone();
        for change in unsynced.iter().flat_map(|commit| &commit.changes) {
            apply(&mut live, change);
        }
        let unsynced = unsynced.into_iter().map(|commit| Commit { applied: true, ..commit }).collect();
        let state = State { live, durable, unsynced, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    pub(super) fn make_table(&self, name: &str) -> Arc<str> {
        let mut state = self.state.lock();
        if let Some((name, _)) = state.live.get_key_value(name) {
            return Arc::clone(name);
        }
        let name: Arc<str> = name.into();
        state.live.insert(Arc::clone(&name), Arc::default());
        name
    }

    pub(super) fn commit(&self, changes: Vec<Change>, mode: Option<PersistMode>) -> fjall::Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut state = self.state.lock();
        let is_cut = state.begin()?;
        if state.failing_writes > 0 {
            state.failing_writes -= 1;
            return Err(state.poison("the disk refused to write"));
        }
        state.unsynced.push(Commit { changes, applied: false });
        if is_cut {
            return Err(stopped().into());
        }
        state.sync_if(mode)?;
        state.apply_last();
        Ok(())
    }

    pub(super) fn persist(&self, mode: PersistMode) -> fjall::Result<()> {
        let mut state = self.state.lock();
        if state.begin()? {
            return Err(stopped().into());
        }
        state.sync_if(Some(mode))
    }

    pub(super) fn get(&self, table: &str, key: &[u8]) -> Option<Slice> {
        self.state.lock().live.get(table)?.get(key).cloned()
    }

    pub(super) fn rows(&self, table: &str, keys: (Bound<Vec<u8>>, Bound<Vec<u8>>)) -> Vec<(Slice, Slice)> {
        let rows = self.state.lock().live.get(table).cloned().unwrap_or_default();
        let within = rows.iter().filter(|(key, _)| keys.contains(*key));
        within.map(|(key, value)| (Slice::from(key.as_slice()), value.clone())).collect()
    }

    pub(super) fn len(&self, table: &str) -> usize {
        self.state.lock().live.get(table).map_or(0, |rows| rows.len())
    }

    pub(super) fn bytes(&self) -> u64 {
        let state = self.state.lock();
        let rows = state.live.values().flat_map(|rows| rows.iter());
        rows.map(|(key, value)| (key.len() + value.len()) as u64).sum()
    }
}

impl State {
    /// Begins a change. `Ok(true)` if it happens by half because the machine stops in it.
    fn begin(&mut self) -> fjall::Result<bool> {
        if self.poisoned {
            return Err(fjall::Error::Poisoned);
        }
        Ok(self.power.change()?)
    }

    fn poison(&mut self, reason: &str) -> fjall::Error {
        self.poisoned = true;
        io::Error::other(reason.to_owned()).into()
    }

    fn sync_if(&mut self, mode: Option<PersistMode>) -> fjall::Result<()> {
        if !matches!(mode, Some(PersistMode::SyncData | PersistMode::SyncAll)) {
            return Ok(());
        }
        if self.failing_syncs > 0 {
            self.failing_syncs -= 1;
            return Err(self.poison("the disk refused to sync"));
        }
        self.apply_last();
        for change in self.unsynced.drain(..).flat_map(|commit| commit.changes) {
            apply(&mut self.durable, &change);
        }
        Ok(())
    }

    fn apply_last(&mut self) {
        if let Some(commit) = self.unsynced.last_mut().filter(|commit| !commit.applied) {
            commit.applied = true;
            commit.changes.iter().for_each(|change| apply(&mut self.live, change));
        }
    }
}

fn apply(tables: &mut Tables, change: &Change) {
    let rows = Arc::make_mut(tables.entry(Arc::clone(&change.table)).or_default());
    match &change.value {
        Some(value) => rows.insert(change.key.clone(), value.clone()),
        None => rows.remove(&change.key),
    };
}

impl fmt::Debug for SimulatedStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        formatter
            .debug_struct("SimulatedStore")
            .field("unsynced", &state.unsynced.len())
            .finish_non_exhaustive()
    }
}
