//! What is remembered of single messages on disk: that they are settled, or how often they were received.
//!
//! One row per message that was touched, in table `queue_messages`, gone when everything before it is settled. Layout,
//! version 1, big endian so that rows of a queue stand in order of position:
//!
//! ```text
//! key    u64 queue id | u64 offset | u16 ordinal
//! value  u8 1                                                           settled: deleted, moved or expired
//!        u8 2 | u32 receives | u64 first | u64 last | u64 hidden until  received; times in ms since the Unix epoch
//!        u8 3                                                           a duplicate, which never was in the queue
//! ```

use std::collections::VecDeque;

use bus::Position;
use journal::Offset;
use journal::state::{StateError, Table};

use super::window::Receipt;
use crate::durable::Change;

/// The table's name.
pub(super) const TABLE: &str = "queue_messages";

/// How many rows are read at once.
const PAGE_ROWS: usize = 1_024;

const TAG_SETTLED: u8 = 1;
const TAG_RECEIVED: u8 = 2;
const TAG_DUPLICATE: u8 = 3;

/// What a row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Row {
    Settled,
    Received(Receipt),
    Duplicate,
}

/// The key of a message's row.
pub(super) fn key(queue_id: u64, position: Position) -> Vec<u8> {
    let mut key = Vec::with_capacity(18);
    key.extend(queue_id.to_be_bytes());
    key.extend(position.offset.0.to_be_bytes());
    key.extend(position.ordinal.to_be_bytes());
    key
}

fn position_of(key: &[u8]) -> Option<Position> {
    let (offset, ordinal) = key.get(8..)?.split_first_chunk()?;
    Some(Position {
        offset: Offset(u64::from_be_bytes(*offset)),
        ordinal: u16::from_be_bytes(ordinal.try_into().ok()?),
    })
}

impl Row {
    pub(super) fn encode(self) -> Vec<u8> {
        match self {
            Self::Settled => vec![TAG_SETTLED],
            Self::Duplicate => vec![TAG_DUPLICATE],
            Self::Received(receipt) => {
                let mut bytes = vec![TAG_RECEIVED];
                bytes.extend(receipt.receives.to_be_bytes());
                for time in [receipt.first_at_ms, receipt.last_at_ms, receipt.hidden_until_ms] {
                    bytes.extend(time.to_be_bytes());
                }
                bytes
            }
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        match (*tag, rest) {
            (TAG_SETTLED, []) => return Some(Self::Settled),
            (TAG_DUPLICATE, []) => return Some(Self::Duplicate),
            _ => {}
        }
        let (receives, times) = rest.split_first_chunk().filter(|_| *tag == TAG_RECEIVED)?;
        let (times, []) = times.as_chunks::<8>() else { return None };
        let [first_at_ms, last_at_ms, hidden_until_ms] = *times else { return None };
        Some(Self::Received(Receipt {
            receives: u32::from_be_bytes(*receives),
            first_at_ms: u64::from_be_bytes(first_at_ms),
            last_at_ms: u64::from_be_bytes(last_at_ms),
            hidden_until_ms: u64::from_be_bytes(hidden_until_ms),
        }))
    }
}

/// Looks up rows, page by page, for positions that only ever go up.
///
/// Does not see what is written about positions ahead of it while it goes on. Nothing is written about a message that
/// nobody has heard of, so for new messages one is enough: once the last row is passed, looking costs nothing. What
/// waits past the window needs a [fresh](Self::anew) one each time.
#[derive(Debug)]
pub(super) struct Remembered {
    table: Table,
    queue_id: u64,
    page: VecDeque<(Position, Row)>,
    finished: bool,
}

impl Remembered {
    pub(super) fn new(table: Table, queue_id: u64) -> Self {
        Self { table, queue_id, page: VecDeque::new(), finished: false }
    }

    /// The change that writes a row.
    pub(super) fn row(&self, position: Position, row: Row) -> Change {
        Change { table: self.table.clone(), key: key(self.queue_id, position), value: Some(row.encode()) }
    }

    /// One that sees the rows as they are now.
    pub(super) fn anew(&self) -> Self {
        Self::new(self.table.clone(), self.queue_id)
    }

    /// What is remembered of the message at `position`. Reads from the store now and then, for microseconds.
    pub(super) fn look_up(&mut self, position: Position) -> Result<Option<Row>, StateError> {
        loop {
            while let Some((at, row)) = self.page.front().copied() {
                if at > position {
                    return Ok(None);
                }
                self.page.pop_front();
                if at == position {
                    return Ok(Some(row));
                }
            }
            if self.finished {
                return Ok(None);
            }
            self.read_page(position)?;
        }
    }

    fn read_page(&mut self, from: Position) -> Result<(), StateError> {
        let last = Position { offset: Offset(u64::MAX), ordinal: u16::MAX };
        let mut rows = 0;
        for row in self.table.range(key(self.queue_id, from)..=key(self.queue_id, last)).take(PAGE_ROWS) {
            let (key, value) = row?;
            rows += 1;
            match (position_of(&key), Row::decode(&value)) {
                (Some(at), Some(row)) => self.page.push_back((at, row)),
                // Unknown is safer than settled: the message is delivered once more.
                _ => {
                    tracing::error!(key = hex::encode(&key), "unreadable row about a queue message, ignored");
                }
            }
        }
        // A page without a single readable row would be read for ever.
        self.finished = rows < PAGE_ROWS || self.page.is_empty();
        Ok(())
    }
}
