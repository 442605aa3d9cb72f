//! One file of the faulty storage: what programs see, and what is on the disk.

use std::collections::BTreeSet;

/// What a disk writes at once.
const SECTOR_BYTES: usize = 512;

/// A file's bytes, twice.
#[derive(Debug, Clone, Default)]
pub(super) struct Inode {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Sectors that differ, or may, and that the next sync writes. A sector that differs and is not here is one that a failed
    /// sync has taken for clean: no later sync writes it, unless somebody writes to it again.
    dirty: BTreeSet<usize>,
    /// The shortest that the file was since the last sync.
    shortest: Option<usize>,
}

impl Inode {
    pub(super) fn durable(bytes: &[u8]) -> Self {
        Self { live: bytes.to_vec(), durable: bytes.to_vec(), ..Self::default() }
    }

    pub(super) fn live(&self) -> &[u8] {
        &self.live
    }

    pub(super) fn read(&self, buffer: &mut [u8], position: u64) -> usize {
        let available = self.live.get(position as usize..).unwrap_or_default();
        let length = available.len().min(buffer.len());
        buffer[..length].copy_from_slice(&available[..length]);
        length
    }

    pub(super) fn write(&mut self, bytes: &[u8], position: u64) {
        let start = position as usize;
        let end = start + bytes.len();
        if bytes.is_empty() {
            return;
        }
        if self.live.len() < end {
            self.live.resize(end, 0);
        }
        self.live[start..end].copy_from_slice(bytes);
        self.dirty.extend(start / SECTOR_BYTES..=(end - 1) / SECTOR_BYTES);
    }

    pub(super) fn truncate(&mut self, bytes: u64) {
        self.live.resize(bytes as usize, 0);
        self.shortest = Some(self.shortest.unwrap_or(usize::MAX).min(self.live.len()));
    }

    pub(super) fn sync(&mut self) {
        if let Some(shortest) = self.shortest.take() {
            self.durable.truncate(shortest);
        }
        self.durable.resize(self.live.len(), 0);
        for sector in std::mem::take(&mut self.dirty) {
            let start = (sector * SECTOR_BYTES).min(self.live.len());
            let end = (start + SECTOR_BYTES).min(self.live.len());
            self.durable[start..end].copy_from_slice(&self.live[start..end]);
        }
    }

    /// Some sectors reach the disk; all are taken for clean.
    pub(super) fn sync_by_half(&mut self, random: &mut Random) {
        self.durable = self.after_power_loss(random).live;
        self.dirty.clear();
    }

    /// What is there when the power comes back: each sector as it was, as it should be, or torn in between.
    pub(super) fn after_power_loss(&self, random: &mut Random) -> Self {
        let mut survived = self.durable.clone();
        if random.coin() {
            survived.resize(self.live.len(), 0);
        }
        for sector in &self.dirty {
            let start = sector * SECTOR_BYTES;
            let end = (start + SECTOR_BYTES).min(self.live.len()).min(survived.len());
            if start < end && random.coin() {
                let is_torn = random.below(4) == 0;
                let end = if is_torn { start + random.below(end - start) } else { end };
                survived[start..end].copy_from_slice(&self.live[start..end]);
            }
        }
        Self::durable(&survived)
    }
}

/// A small generator of numbers that look random and repeat with their seed (SplitMix64).
#[derive(Debug, Default)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.next() & 1 == 1
    }

    /// A number from 0 to below `limit`, which is not 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}
