//! What could not be delivered, kept until somebody redrives or purges it.
//!
//! A letter is written in the same durable commit in which its lane passes the event, so an event is
//! never in neither place. Letters are bounded per target ([`DeadLetterLimits`]): beyond it either the
//! oldest is evicted and counted, or the lane stops until there is room.
//!
//! | Table | Key | Value |
//! | --- | --- | --- |
//! | `bus_dead_letters` | target name, a zero byte, number (`u64`, big endian) | the letter |
//! | `bus_dead_letter_counts` | target name | [`DeadLetterCounts`] |
//!
//! Everything here blocks on the disk.

mod filter;
mod letter;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use journal::state::{Batch, StateError, StateStore, Table};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use filter::DeadLetterFilter;
pub use letter::{DeadLetter, DeadLetterId, DeadLetterIdError, ExhaustedCondition, Failure, LetterError};

use crate::settings::{BusSettings, DeadLetterLimits, DeadLetterOverflow};
use crate::{Delivery, TargetName};

/// Most bytes of data in one page, unless its first letter alone has more.
const PAGE_BYTES_MAX: usize = 4 << 20;

/// Most letters looked at for one page, however few of them match.
const PAGE_LOOKED_AT_MAX: usize = 10_000;

/// The error code of an event that became a dead letter because its lane was full.
pub const OVERFLOW_CODE: &str = "OVERFLOW";

/// What became of the dead letters of one target: `written = held + redriven + purged + evicted`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterCounts {
    /// Letters ever written; also the number of the youngest.
    pub written: u64,
    /// Letters kept now.
    pub held: u64,
    /// Bytes of data in them.
    pub held_bytes: u64,
    /// Letters sent again.
    pub redriven: u64,
    /// Letters deleted by somebody.
    pub purged: u64,
    /// Letters deleted because there were too many.
    pub evicted: u64,
}

/// Some dead letters, and where to go on.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetterPage {
    /// The letters, by target, oldest first. There may be none although more follow.
    pub letters: Vec<DeadLetter>,
    /// Those that can't be read, stepped over whether they would match or not.
    pub damaged: Vec<LetterError>,
    /// The last that was looked at; pass it as `after` to get more. None at the end.
    pub next: Option<DeadLetterId>,
}

/// Why dead letters can't be read or changed.
#[derive(Debug, Error)]
pub enum DeadLetterError {
    /// The store failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// A letter can't be understood.
    #[error(transparent)]
    Letter(#[from] LetterError),
    /// A row of counts can't be understood.
    #[error("the count of dead letters of `{0}` is damaged; restore the state directory from a copy")]
    Counts(String),
}

/// Why letters were not written.
#[derive(Debug, Error)]
pub(crate) enum BuryError {
    #[error(
        "the dead letters of `{target}` are full, {held} are held; redrive or purge some, or set the policy to evict the oldest"
    )]
    Full { target: TargetName, held: u64 },
    #[error(transparent)]
    Store(#[from] DeadLetterError),
    #[error("the write was interrupted")]
    Interrupted,
}

impl From<StateError> for BuryError {
    fn from(error: StateError) -> Self {
        Self::Store(error.into())
    }
}

/// An event to become a letter.
pub(crate) type Failed = (Delivery, Failure);

/// The dead letters of all targets.
#[derive(Clone)]
pub(crate) struct DeadLetters {
    store: StateStore,
    letters: Table,
    counts: Table,
    limits: DeadLetterLimits,
    limits_of: Arc<BTreeMap<TargetName, DeadLetterLimits>>,
    /// Held while letters are sent again, so that two who do it at once do not send one twice.
    pub(crate) redriving: Arc<tokio::sync::Mutex<()>>,
    /// One for each target, held over each change of its letters, fsync included, so that counts and letters change together.
    changing: Arc<Mutex<BTreeMap<TargetName, Arc<Mutex<()>>>>>,
    /// What is durable. Never held over the disk: async code reads it.
    known: Arc<Mutex<BTreeMap<TargetName, DeadLetterCounts>>>,
}

impl DeadLetters {
    pub(crate) fn open(store: &StateStore, settings: &BusSettings) -> Result<Self, DeadLetterError> {
        let letters = store.table("bus_dead_letters")?;
        let counts = store.table("bus_dead_letter_counts")?;
        let mut known = BTreeMap::new();
        for row in counts.iter() {
            let (key, value) = row?;
            let damaged = || DeadLetterError::Counts(String::from_utf8_lossy(&key).into_owned());
            let name = std::str::from_utf8(&key).ok().and_then(|text| TargetName::parse(text).ok());
            let counted = serde_json::from_slice(&value).map_err(|_| damaged())?;
            known.insert(name.ok_or_else(damaged)?, counted);
        }
        Ok(Self {
            store: store.clone(),
            letters,
            counts,
            limits: settings.dead_letters,
            limits_of: Arc::new(settings.dead_letters_of.clone()),
            redriving: Arc::default(),
            changing: Arc::default(),
            known: Arc::new(Mutex::new(known)),
        })
    }

    fn limits(&self, target: &TargetName) -> DeadLetterLimits {
        self.limits_of.get(target).copied().unwrap_or(self.limits)
    }

    /// What whoever changes the letters of `target` holds.
    fn changing(&self, target: &TargetName) -> Arc<Mutex<()>> {
        Arc::clone(self.changing.lock().entry(target.clone()).or_default())
    }

    fn counts_of(&self, target: &TargetName) -> DeadLetterCounts {
        self.known.lock().get(target).copied().unwrap_or_default()
    }

    /// Writes letters for `target` together with the changes already in `batch`, durably.
    pub(crate) fn bury(
        &self,
        target: &TargetName,
        failed: &[Failed],
        mut batch: Batch,
    ) -> Result<(), BuryError> {
        let changing = self.changing(target);
        let _changing = changing.lock();
        let mut counts = self.counts_of(target);
        let (evicted, kept) = failed.split_at(surplus(self.limits(target), failed));
        counts.written += evicted.len() as u64;
        counts.evicted += evicted.len() as u64;
        let bytes: u64 = kept.iter().map(|(delivery, _)| delivery.data.len() as u64).sum();
        self.make_room(target, &mut counts, (kept.len() as u64, bytes), &mut batch)?;
        for (delivery, failure) in kept {
            counts.written += 1;
            counts.held += 1;
            counts.held_bytes += delivery.data.len() as u64;
            let id = DeadLetterId { target: target.clone(), number: counts.written };
            let letter = DeadLetter { id, delivery: delivery.clone(), failure: failure.clone() };
            batch.insert(&self.letters, key(&letter.id), letter.render())?;
        }
        self.put_counts(&mut batch, target, counts)?;
        batch.commit_durable()?;
        self.known.lock().insert(target.clone(), counts);
        Ok(())
    }

    fn make_room(
        &self,
        target: &TargetName,
        counts: &mut DeadLetterCounts,
        (letters, bytes): (u64, u64),
        batch: &mut Batch,
    ) -> Result<(), BuryError> {
        let limits = self.limits(target);
        let is_over = |counts: &DeadLetterCounts| {
            counts.held > 0
                && (counts.held + letters > limits.letters_max
                    || counts.held_bytes + bytes > limits.bytes_max)
        };
        if !is_over(counts) {
            return Ok(());
        }
        if limits.overflow == DeadLetterOverflow::Block {
            return Err(BuryError::Full { target: target.clone(), held: counts.held });
        }
        let before = counts.evicted;
        for row in self.letters.prefix(prefix(target)) {
            if !is_over(counts) {
                break;
            }
            let (key, value) = row.map_err(DeadLetterError::from)?;
            counts.evicted += 1;
            self.take_out(batch, counts, &key, &value)?;
        }
        let evicted = counts.evicted - before;
        tracing::warn!(target_name = %target, evicted, "dead letters are full, the oldest were deleted");
        Ok(())
    }

    fn take_out(
        &self,
        batch: &mut Batch,
        counts: &mut DeadLetterCounts,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), StateError> {
        // A letter that can't be parsed is still taken out; its size is then not known.
        let bytes = identify(key)
            .and_then(|id| DeadLetter::parse(id, value).ok())
            .map_or(0, |l| l.delivery.data.len());
        counts.held = counts.held.saturating_sub(1);
        counts.held_bytes = if counts.held == 0 { 0 } else { counts.held_bytes.saturating_sub(bytes as u64) };
        batch.remove(&self.letters, key)
    }

    fn put_counts(
        &self,
        batch: &mut Batch,
        target: &TargetName,
        counts: DeadLetterCounts,
    ) -> Result<(), StateError> {
        let row = serde_json::to_vec(&counts).expect("a struct of numbers is always JSON");
        batch.insert(&self.counts, target.as_str(), row)
    }

    pub(crate) fn counts(&self) -> BTreeMap<TargetName, DeadLetterCounts> {
        self.known.lock().clone()
    }

    pub(crate) fn list(
        &self,
        filter: &DeadLetterFilter,
        after: Option<&DeadLetterId>,
        letters_max: usize,
    ) -> Result<DeadLetterPage, DeadLetterError> {
        let mut page = DeadLetterPage { letters: Vec::new(), damaged: Vec::new(), next: None };
        let mut keys: Vec<u8> = after.map(key).unwrap_or_default();
        keys.push(0);
        let within = filter.target.as_ref().map(prefix);
        let from = match &within {
            Some(prefix) if *prefix > keys => prefix.clone(),
            _ => keys,
        };
        let (mut last, mut bytes, mut looked_at) = (None, 0, 0);
        for row in self.letters.range(from..) {
            let (key, value) = row?;
            if within.as_ref().is_some_and(|prefix| !key.starts_with(prefix)) {
                break;
            }
            let Some(id) = identify(&key) else { continue };
            if let Some(last) = &last
                && (page.letters.len() == letters_max
                    || bytes >= PAGE_BYTES_MAX
                    || looked_at == PAGE_LOOKED_AT_MAX)
            {
                page.next = Some(DeadLetterId::clone(last));
                break;
            }
            looked_at += 1;
            last = Some(id.clone());
            let letter = match DeadLetter::parse(id, &value) {
                Ok(letter) => letter,
                Err(error) => {
                    page.damaged.push(error);
                    continue;
                }
            };
            if filter.matches(&letter) {
                bytes += letter.delivery.data.len();
                page.letters.push(letter);
            }
        }
        Ok(page)
    }

    pub(crate) fn show(&self, id: &DeadLetterId) -> Result<Option<DeadLetter>, DeadLetterError> {
        let value = self.letters.get(key(id))?;
        Ok(value.map(|value| DeadLetter::parse(id.clone(), &value)).transpose()?)
    }

    /// Those of `letters` that are still there.
    pub(crate) fn still_there(&self, letters: Vec<DeadLetter>) -> Result<Vec<DeadLetter>, DeadLetterError> {
        let mut there = Vec::with_capacity(letters.len());
        for letter in letters {
            if self.letters.contains(key(&letter.id))? {
                there.push(letter);
            }
        }
        Ok(there)
    }

    /// Deletes letters and counts why. Those that are gone already do not count.
    pub(crate) fn remove(
        &self,
        ids: &BTreeSet<DeadLetterId>,
        removal: LetterRemoval,
    ) -> Result<u64, DeadLetterError> {
        let mut of_target: BTreeMap<&TargetName, Vec<&DeadLetterId>> = BTreeMap::new();
        for id in ids {
            of_target.entry(&id.target).or_default().push(id);
        }
        let mut removed = 0;
        for (target, ids) in of_target {
            removed += self.remove_from(target, &ids, removal)?;
        }
        Ok(removed)
    }

    fn remove_from(
        &self,
        target: &TargetName,
        ids: &[&DeadLetterId],
        removal: LetterRemoval,
    ) -> Result<u64, DeadLetterError> {
        let changing = self.changing(target);
        let _changing = changing.lock();
        let (mut batch, mut counts, mut removed) = (self.store.batch(), self.counts_of(target), 0);
        for id in ids {
            let Some(value) = self.letters.get(key(id))? else { continue };
            match removal {
                LetterRemoval::Redriven => counts.redriven += 1,
                LetterRemoval::Purged => counts.purged += 1,
            }
            self.take_out(&mut batch, &mut counts, &key(id), &value)?;
            removed += 1;
        }
        if removed == 0 {
            return Ok(0);
        }
        self.put_counts(&mut batch, target, counts)?;
        batch.commit_durable()?;
        self.known.lock().insert(target.clone(), counts);
        Ok(removed)
    }
}

/// Why a letter is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LetterRemoval {
    Redriven,
    Purged,
}

/// How many of `failed`, the oldest, would be evicted by the others; a lane that may stop keeps all.
fn surplus(limits: DeadLetterLimits, failed: &[Failed]) -> usize {
    if limits.overflow == DeadLetterOverflow::Block {
        return 0;
    }
    let (mut letters, mut bytes) = (0, 0);
    let fits = failed.iter().rev().take_while(|(delivery, _)| {
        letters += 1;
        bytes += delivery.data.len() as u64;
        letters == 1 || (letters <= limits.letters_max && bytes <= limits.bytes_max)
    });
    failed.len() - fits.count()
}

fn prefix(target: &TargetName) -> Vec<u8> {
    // No name holds a zero byte, so no name's prefix is another's.
    [target.as_str().as_bytes(), &[0]].concat()
}

fn key(id: &DeadLetterId) -> Vec<u8> {
    [prefix(&id.target).as_slice(), &id.number.to_be_bytes()].concat()
}

fn identify(key: &[u8]) -> Option<DeadLetterId> {
    let (name, number) = key.split_at_checked(key.len().checked_sub(9)?)?;
    let target = TargetName::parse(std::str::from_utf8(name).ok()?).ok()?;
    let number = u64::from_be_bytes(number.get(1..)?.try_into().ok()?);
    Some(DeadLetterId { target, number })
}
