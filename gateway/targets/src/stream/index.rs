//! Where in the journal a stream has records, coarsely: enough to skip what is not its own and to know what it holds.
//!
//! The journal's offsets are cut into blocks of [`BLOCK_OFFSETS`]. For each block in which the stream has records the
//! index says which shards they are in, how many bytes they have and when they came. A block costs about 64 bytes of
//! memory. Pure: takes positions and times, does no I/O.

use std::collections::VecDeque;

use bus::{Offset, Position};

use crate::reading::first_of;

/// How many offsets a block covers.
pub(super) const BLOCK_OFFSETS: u64 = 4_096;

/// Most blocks in memory; when there are more, neighbours are merged.
const BLOCKS_MAX: usize = 200_000;

/// What one stretch of the journal holds of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Block {
    /// The offset of its first record of the stream.
    pub(super) first: u64,
    /// The offset of its last one.
    pub(super) last: u64,
    /// One bit per shard, by the shard's number modulo 64.
    pub(super) shards: u64,
    pub(super) records: u64,
    pub(super) bytes: u64,
    pub(super) first_at_ms: u64,
    pub(super) last_at_ms: u64,
}

impl Block {
    fn holds(&self, shard: u32) -> bool {
        self.shards & bit(shard) != 0
    }

    fn merge(&mut self, later: &Self) {
        self.last = later.last;
        self.shards |= later.shards;
        self.records += later.records;
        self.bytes += later.bytes;
        self.last_at_ms = self.last_at_ms.max(later.last_at_ms);
    }
}

fn bit(shard: u32) -> u64 {
    1 << (shard % 64)
}

/// One record as the index sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) position: Position,
    pub(super) shard: u32,
    pub(super) bytes: u64,
    pub(super) at_ms: u64,
}

/// How long a stream keeps its records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retention {
    pub(super) age_ms: u64,
    pub(super) bytes_max: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Index {
    blocks: VecDeque<Block>,
    bytes: u64,
    records: u64,
    seen_to: Option<Position>,
    /// Blocks that begin here or later differ from what was kept last.
    changed_from: Option<u64>,
}

impl Index {
    /// Goes on from blocks that were kept.
    pub(super) fn restored(blocks: Vec<Block>) -> Self {
        let bytes = blocks.iter().map(|block| block.bytes).sum();
        let records = blocks.iter().map(|block| block.records).sum();
        let last = blocks.last().map(|block| Position { offset: Offset(block.last), ordinal: u16::MAX });
        let mut index = Self { blocks: blocks.into(), bytes, records, seen_to: last, changed_from: None };
        index.thin_out();
        index
    }

    /// Takes note of a record, unless it was noted before.
    pub(super) fn note(&mut self, seen: Seen) {
        if self.seen_to.is_some_and(|seen_to| seen.position <= seen_to) {
            return;
        }
        self.seen_to = Some(seen.position);
        let offset = seen.position.offset.0;
        self.bytes += seen.bytes;
        self.records += 1;
        let one = Block {
            first: offset,
            last: offset,
            shards: bit(seen.shard),
            records: 1,
            bytes: seen.bytes,
            first_at_ms: seen.at_ms,
            last_at_ms: seen.at_ms,
        };
        match self.blocks.back_mut() {
            Some(last) if last.first / BLOCK_OFFSETS == offset / BLOCK_OFFSETS => {
                last.merge(&one);
                let first = last.first;
                self.changed_from = Some(self.changed_from.map_or(first, |from| from.min(first)));
            }
            _ => {
                self.changed_from = self.changed_from.or(Some(offset));
                self.blocks.push_back(one);
                self.thin_out();
            }
        }
    }

    /// The blocks that changed since this was last called.
    pub(super) fn take_changed(&mut self) -> Vec<Block> {
        let Some(from) = self.changed_from.take() else { return Vec::new() };
        let begin = self.blocks.partition_point(|block| block.first < from);
        self.blocks.range(begin..).copied().collect()
    }

    /// Blocks that could not be kept have to be kept again.
    pub(super) fn keep_again(&mut self, from: u64) {
        self.changed_from = Some(self.changed_from.map_or(from, |changed| changed.min(from)));
    }

    /// The last record seen.
    pub(super) fn seen_to(&self) -> Option<Position> {
        self.seen_to
    }

    /// Merges neighbours in the older half, so that memory is bounded however long the stream is kept.
    fn thin_out(&mut self) {
        if self.blocks.len() <= BLOCKS_MAX {
            return;
        }
        let newer = self.blocks.split_off(BLOCKS_MAX / 2);
        let mut older: VecDeque<Block> = VecDeque::with_capacity(BLOCKS_MAX / 4 + newer.len() + 1);
        let mut pending = false;
        for block in self.blocks.drain(..) {
            match older.back_mut() {
                // Two by two, each time it gets too long.
                Some(last) if pending => Block::merge(last, &block),
                _ => older.push_back(block),
            }
            pending = !pending;
        }
        older.extend(newer);
        self.blocks = older;
    }

    /// Where to read on for `shard` at or after `from`, leaping over stretches in which it has nothing; `None` when it
    /// has nothing more among what was seen.
    pub(super) fn seek(&self, shard: u32, from: Position) -> Option<Position> {
        let begin = self.blocks.partition_point(|block| block.last < from.offset.0);
        let found = self.blocks.range(begin..).find(|block| block.holds(shard))?;
        Some(from.max(first_of(Offset(found.first))))
    }

    /// The offset at which the stretch of records of `shard` that holds `from` ends: up to here reading is worthwhile.
    pub(super) fn stretch_end(&self, shard: u32, from: Position) -> Offset {
        let begin = self.blocks.partition_point(|block| block.last < from.offset.0);
        let holding = self.blocks.range(begin..).take_while(|block| block.holds(shard)).last();
        holding.map_or(from.offset, |block| Offset(block.last).next())
    }

    /// Drops the blocks that the retention no longer covers. Returns them.
    pub(super) fn expire(&mut self, retention: Retention, now_ms: u64) -> Vec<Block> {
        let mut expired = Vec::new();
        while let Some(oldest) = self.blocks.front() {
            let too_old = oldest.last_at_ms.saturating_add(retention.age_ms) <= now_ms;
            // What still grows is never dropped for its size.
            let too_much = self.bytes > retention.bytes_max && self.blocks.len() > 1;
            if !too_old && !too_much {
                break;
            }
            self.bytes -= oldest.bytes;
            self.records -= oldest.records;
            expired.extend(self.blocks.pop_front());
        }
        expired
    }

    /// The offset of the oldest record.
    pub(super) fn first(&self) -> Option<Offset> {
        self.blocks.front().map(|block| Offset(block.first))
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn records(&self) -> u64 {
        self.records
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(offset: u64, shard: u32) -> Seen {
        Seen { position: first_of(Offset(offset)), shard, bytes: 10, at_ms: offset }
    }

    fn index(records: &[(u64, u32)]) -> Index {
        let mut index = Index::default();
        for (offset, shard) in records {
            index.note(seen(*offset, *shard));
        }
        index
    }

    #[test]
    fn reading_leaps_over_stretches_without_the_shard() {
        let index = index(&[(10, 0), (5_000, 1), (9_000, 1), (100_000, 0)]);
        let leap = |shard, from| index.seek(shard, first_of(Offset(from))).map(|to| to.offset.0);
        assert_eq!(leap(0, 0), Some(10));
        assert_eq!(leap(0, 11), Some(100_000));
        assert_eq!(leap(1, 11), Some(5_000));
        assert_eq!(leap(1, 5_001), Some(9_000));
        assert_eq!(leap(1, 9_001), None);
        assert_eq!(index.stretch_end(1, first_of(Offset(5_000))), Offset(9_001));
    }

    #[test]
    fn blocks_that_changed_are_told_and_can_be_restored() {
        let mut index = Index::default();
        index.note(seen(1, 0));
        index.note(seen(2, 5));
        let changed = index.take_changed();
        let facts = |block: &Block| (block.first, block.last, block.records, block.shards);
        assert_eq!(changed.iter().map(facts).collect::<Vec<_>>(), [(1, 2, 2, 0b10_0001)]);
        assert_eq!(index.take_changed(), []);
        index.note(seen(3, 1));
        index.note(seen(4_096, 0));
        index.note(seen(2, 0));
        let changed = index.take_changed();
        let expected = [(1, 3, 3, 0b10_0011), (4_096, 4_096, 1, 1)];
        assert_eq!(
            changed.iter().map(facts).collect::<Vec<_>>(),
            expected,
            "what was seen before counts once"
        );
        let mut again = Index::restored(changed);
        again.note(seen(4_096, 0));
        assert_eq!(again.records(), 4);
    }

    #[test]
    fn retention_by_age_and_by_bytes() {
        let mut by_age = index(&[(10, 0), (5_000, 0), (10_000, 0)]);
        assert_eq!(by_age.expire(Retention { age_ms: 1_000, bytes_max: 1_000 }, 6_000).len(), 2);
        assert_eq!(by_age.first(), Some(Offset(10_000)));
        let mut by_bytes = index(&[(10, 0), (5_000, 0), (10_000, 0)]);
        assert_eq!(by_bytes.expire(Retention { age_ms: u64::MAX, bytes_max: 5 }, 6_000).len(), 2);
        assert_eq!(by_bytes.bytes(), 10, "the newest block stays");
    }

    #[test]
    fn an_index_that_is_too_long_is_thinned_and_still_finds_everything() {
        let mut index = Index::default();
        let count = BLOCKS_MAX as u64 + 1;
        for number in 0..count {
            index.note(seen(number * BLOCK_OFFSETS, u32::try_from(number % 3).unwrap()));
        }
        assert!(index.blocks.len() < BLOCKS_MAX);
        assert_eq!(index.records(), count);
        let from = first_of(Offset(7 * BLOCK_OFFSETS));
        assert!(index.seek(1, from).unwrap().offset.0 <= 7 * BLOCK_OFFSETS, "nothing is leapt over");
    }
}
