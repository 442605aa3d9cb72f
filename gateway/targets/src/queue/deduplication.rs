//! What a FIFO queue took in the last five minutes, so that it takes nothing twice.
//!
//! The journal decides: of two messages with one deduplication id the earlier position is the original, and a later one
//! accepted within the window after it is a duplicate. So everybody who looks at the journal in order, also again after
//! a crash, comes to the same verdicts. What was seen is kept in memory and, one row each, in table
//! `queue_deduplication`, since the original may be deleted and its place in the journal gone. Layout, version 1, big
//! endian:
//!
//! ```text
//! key    u64 queue id | 16 bytes of the SHA-256 of the deduplication id, with its group where that is the scope
//! value  u8 1 | u64 offset | u16 ordinal | u64 until, ms since the Unix epoch | 16 bytes message id
//!
//! key    u64 queue id
//! value  u8 1 | u64 offset | u16 ordinal    everything up to here was judged
//! ```
//! A message that was judged before is not judged again: what is no duplicate by its row is an original, whatever the
//! queue's attributes and the clock say by now.
//!
//! Knows no clock: time is what the records say, and an argument.

use std::collections::{HashMap, VecDeque};

use bus::Position;
use journal::Offset;
use journal::state::{StateError, Table};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::durable::Change;

/// The table's name.
pub(super) const TABLE: &str = "queue_deduplication";

/// How long a deduplication id is remembered: SQS's five minutes.
pub(super) const WINDOW_MS: u64 = 5 * 60 * 1000;

/// How much longer than the window an original is kept. A record says when its message was accepted, and comes by
/// later: it may have waited for room.
const LATENESS_MS: u64 = 60 * 1000;

const VERSION: u8 = 1;

/// What makes two messages the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 16]);

impl Key {
    /// The key of parts, of which each counts for itself.
    pub(super) fn of(parts: &[&str]) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part.as_bytes());
        }
        let digest: [u8; 32] = digest.finalize().into();
        let (key, _) = digest.split_first_chunk().expect("a digest has 32 bytes");
        Self(*key)
    }
}

/// An original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) position: Position,
    /// Until when its id is taken.
    pub(super) until_ms: u64,
    /// The id its sender was told.
    pub(super) message_id: Uuid,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Deduplication {
    table: Table,
    queue_id: u64,
    seen: HashMap<Key, Seen>,
    /// Keys by when their window ends, nearly in order; holds some that were replaced.
    order: VecDeque<(u64, Key)>,
    ids_max: usize,
    /// The last message that an earlier run judged.
    judged_before: Option<Position>,
    /// The last original.
    last: Option<Position>,
    /// Ids forgotten before their time, for want of room.
    forgotten_early: u64,
}

impl Deduplication {
    /// What is remembered of an earlier run. Blocks.
    pub(super) fn load(table: Table, queue_id: u64, ids_max: usize) -> Result<Self, StateError> {
        let mut seen = HashMap::new();
        let mut judged_before = None;
        for row in table.prefix(queue_id.to_be_bytes()) {
            let (key, value) = row?;
            if key.len() == 8 {
                judged_before = judged_before.max(decode_judged(&value));
                continue;
            }
            match (key.get(8..).and_then(|key| key.try_into().ok()), decode(&value)) {
                (Some(key), Some(original)) => {
                    seen.insert(Key(key), original);
                }
                // Forgetting is safer than taking a new message for an old one.
                _ => tracing::error!(
                    key = hex::encode(&key),
                    "unreadable row about a deduplication id, ignored"
                ),
            }
        }
        let mut order: Vec<(u64, Key)> = seen.iter().map(|(key, seen)| (seen.until_ms, *key)).collect();
        order.sort_unstable_by_key(|(until_ms, _)| *until_ms);
        // Rows are written in order of position.
        let judged_before = seen.values().map(|seen| Some(seen.position)).fold(judged_before, Ord::max);
        let order = order.into();
        let (last, forgotten_early) = (judged_before, 0);
        Ok(Self { table, queue_id, seen, order, ids_max, judged_before, last, forgotten_early })
    }

    /// Whether the message at `position`, accepted at `at_ms`, repeats an earlier one. Asked in order of position.
    pub(super) fn is_duplicate(&self, key: Key, position: Position, at_ms: u64) -> bool {
        // Far before its original a message was accepted only where the clock was ahead at the original and then set
        // right; or it waited elsewhere, and is not a sender's second try.
        let since_ms = |seen: &Seen| seen.until_ms.saturating_sub(WINDOW_MS + LATENESS_MS);
        let repeats =
            |seen: &Seen| seen.position < position && (since_ms(seen)..seen.until_ms).contains(&at_ms);
        self.judged_before < Some(position) && self.seen.get(&key).is_some_and(repeats)
    }

    /// The original of a deduplication id.
    pub(super) fn original(&self, key: Key) -> Option<Seen> {
        self.seen.get(&key).copied()
    }

    /// Remembers an original, unless it or a later one is remembered. Gives the rows to be written.
    pub(super) fn remember(&mut self, key: Key, seen: Seen) -> Vec<Change> {
        if self.seen.get(&key).is_some_and(|known| known.position >= seen.position) {
            return Vec::new();
        }
        let mut changes = Vec::with_capacity(1);
        self.last = self.last.max(Some(seen.position));
        while self.seen.len() >= self.ids_max
            && let Some((until_ms, oldest)) = self.order.pop_front()
        {
            if self.forgotten_early.is_multiple_of(100_000) {
                let (queue_id, ids_max) = (self.queue_id, self.ids_max);
                tracing::warn!(
                    queue_id,
                    ids_max,
                    "more deduplication ids than are remembered, forgetting the oldest"
                );
            }
            self.forgotten_early += 1;
            changes.extend(self.forget(until_ms, oldest));
        }
        self.seen.insert(key, seen);
        self.order.push_back((seen.until_ms, key));
        changes.push(Change { table: self.table.clone(), key: self.row_key(key), value: Some(encode(seen)) });
        changes
    }

    /// Forgets what no message that may still come by can repeat. Gives the rows to be written.
    pub(super) fn forget_before(&mut self, now_ms: u64) -> Vec<Change> {
        let mut changes = Vec::new();
        while let Some(&(until_ms, key)) = self.order.front()
            && until_ms.saturating_add(LATENESS_MS) <= now_ms
        {
            self.order.pop_front();
            changes.extend(self.forget(until_ms, key));
        }
        if let Some(last) = self.last.filter(|_| !changes.is_empty()) {
            let key = self.queue_id.to_be_bytes().to_vec();
            changes.push(Change { table: self.table.clone(), key, value: Some(encode_judged(last)) });
        }
        changes
    }

    fn forget(&mut self, until_ms: u64, key: Key) -> Option<Change> {
        // Unless it was replaced.
        self.seen.get(&key).filter(|seen| seen.until_ms == until_ms)?;
        self.seen.remove(&key);
        Some(Change { table: self.table.clone(), key: self.row_key(key), value: None })
    }

    fn row_key(&self, key: Key) -> Vec<u8> {
        [&self.queue_id.to_be_bytes()[..], &key.0].concat()
    }
}

fn encode_judged(position: Position) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend(position.offset.0.to_be_bytes());
    bytes.extend(position.ordinal.to_be_bytes());
    bytes
}

fn decode_judged(bytes: &[u8]) -> Option<Position> {
    let (version, rest) = bytes.split_first()?;
    let (offset, ordinal) = rest.split_first_chunk()?;
    let (offset, ordinal) = (u64::from_be_bytes(*offset), u16::from_be_bytes(ordinal.try_into().ok()?));
    (*version == VERSION).then_some(Position { offset: Offset(offset), ordinal })
}

fn encode(seen: Seen) -> Vec<u8> {
    let mut bytes = encode_judged(seen.position);
    bytes.extend(seen.until_ms.to_be_bytes());
    bytes.extend(seen.message_id.as_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Seen> {
    let (version, rest) = bytes.split_first()?;
    let (offset, rest) = rest.split_first_chunk()?;
    let (ordinal, rest) = rest.split_first_chunk()?;
    let (until_ms, rest) = rest.split_first_chunk()?;
    let message_id: [u8; 16] = rest.try_into().ok()?;
    (*version == VERSION).then_some(Seen {
        position: Position {
            offset: Offset(u64::from_be_bytes(*offset)),
            ordinal: u16::from_be_bytes(*ordinal),
        },
        until_ms: u64::from_be_bytes(*until_ms),
        message_id: Uuid::from_bytes(message_id),
    })
}

#[cfg(test)]
mod tests {
    use journal::state::StateStore;
    use proptest::prelude::*;

    use super::*;

    fn seen(offset: u64, until_ms: u64) -> Seen {
        let position = Position { offset: Offset(offset), ordinal: 3 };
        Seen { position, until_ms, message_id: Uuid::from_u128(7) }
    }

    fn empty(ids_max: usize) -> (tempfile::TempDir, Deduplication) {
        let directory = tempfile::tempdir().unwrap();
        let table = StateStore::open(directory.path()).unwrap().table(TABLE).unwrap();
        (directory, Deduplication::load(table, 1, ids_max).unwrap())
    }

    #[test]
    fn parts_of_a_key_do_not_run_together() {
        assert_ne!(Key::of(&["ab", "c"]), Key::of(&["a", "bc"]));
        assert_ne!(Key::of(&["a"]), Key::of(&["a", ""]));
    }

    #[test]
    fn the_window_ends_to_the_millisecond_and_the_earlier_position_is_the_original() {
        let (_directory, mut deduplication) = empty(10);
        let key = Key::of(&["id"]);
        deduplication.remember(key, seen(5, 1_000));
        let later = seen(6, 0).position;
        assert!(deduplication.is_duplicate(key, later, 999));
        assert!(!deduplication.is_duplicate(key, later, 1_000));
        assert!(!deduplication.is_duplicate(key, seen(5, 0).position, 10), "the original, seen again");
        assert!(!deduplication.is_duplicate(key, seen(4, 0).position, 10), "it came first");
        assert!(deduplication.remember(key, seen(4, 500)).is_empty(), "a later original stays");
        assert_eq!(deduplication.original(key), Some(seen(5, 1_000)));
    }

    #[test]
    fn after_a_clock_that_was_ahead_an_id_is_not_taken_until_that_time_comes() {
        let (_directory, mut deduplication) = empty(10);
        let (key, hour_ms, now_ms) = (Key::of(&["id"]), 60 * 60 * 1000, 1_700_000_000_000);
        deduplication.remember(key, seen(5, now_ms + hour_ms + WINDOW_MS));
        let later = seen(6, 0).position;
        assert!(!deduplication.is_duplicate(key, later, now_ms), "the clock was set right");
        assert!(
            deduplication.is_duplicate(key, later, now_ms + hour_ms - LATENESS_MS),
            "it came by out of order"
        );
        deduplication.remember(key, seen(6, now_ms + WINDOW_MS));
        assert!(deduplication.is_duplicate(key, seen(7, 0).position, now_ms + 1));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_ends() {
        let (_directory, mut deduplication) = empty(3);
        for number in 0..5 {
            deduplication.remember(Key::of(&[&number.to_string()]), seen(number, 1_000 + number));
        }
        assert_eq!(deduplication.seen.len(), 3);
        assert_eq!(deduplication.original(Key::of(&["0"])), None);
        assert_eq!(deduplication.forget_before(1_001 + LATENESS_MS).len(), 0);
        assert_eq!(deduplication.forget_before(1_003 + LATENESS_MS).len(), 3, "two, and how far was judged");
        assert_eq!(deduplication.seen.len(), 1);
    }

    #[test]
    fn rows_bring_back_what_was_remembered() {
        let directory = tempfile::tempdir().unwrap();
        let table = StateStore::open(directory.path()).unwrap().table(TABLE).unwrap();
        let mut deduplication = Deduplication::load(table.clone(), 1, 10).unwrap();
        for change in deduplication.remember(Key::of(&["a"]), seen(9, 1_000)) {
            change.table.insert(&change.key, change.value.unwrap()).unwrap();
        }
        table.insert([&1_u64.to_be_bytes()[..], &[0; 16]].concat(), [2, 0]).unwrap();
        let again = Deduplication::load(table.clone(), 1, 10).unwrap();
        let is_duplicate = |offset| again.is_duplicate(Key::of(&["a"]), seen(offset, 0).position, 10);
        assert!(is_duplicate(10) && !is_duplicate(8) && !is_duplicate(9), "judged before");
        assert_eq!((again.seen.len(), again.original(Key::of(&["a"]))), (1, Some(seen(9, 1_000))));
        assert_eq!(Deduplication::load(table, 2, 10).unwrap().seen.len(), 0, "another queue's");
    }

    proptest! {
        #[test]
        fn a_row_is_read_as_it_was_written_and_nothing_else_is(
            offset: u64, ordinal: u16, until_ms: u64, id: u128, garbage in prop::collection::vec(any::<u8>(), 0..60)
        ) {
            let position = Position { offset: Offset(offset), ordinal };
            let seen = Seen { position, until_ms, message_id: Uuid::from_u128(id) };
            prop_assert_eq!(decode(&encode(seen)), Some(seen));
            if let Some(read) = decode(&garbage) {
                prop_assert_eq!(encode(read), garbage);
            }
        }
    }
}
