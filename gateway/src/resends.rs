//! Recognises a PUBLISH that a device sends again because its acknowledgement was lost, so that the events keep their ids.
//!
//! The standard makes such a repeat a new message once the PUBACK was sent `[MQTT-4.3.2-5]`, so it is accepted and delivered again. But it is
//! a repeat, and a consumer must be able to tell: a publish with DUP set, from the same client, with the same packet identifier and the
//! same content as one that was accepted not long ago, gets the base id of that one.

use bus::{Offset, ReadError, Record, ResendKey};
use journal::Journal;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;
use uuid::Uuid;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Publishes remembered in each of the two generations.
const REMEMBERED_MAX: usize = 200_000;
/// How many records are read at start at most, and one segment of the journal more: as many as are remembered.
const RECALLED_RECORDS: u64 = 2 * REMEMBERED_MAX as u64;
/// How long a publish is remembered at least, unless more than [`REMEMBERED_MAX`] come in that time.
const REMEMBERED: Duration = Duration::from_secs(600);

/// Accepted publishes by client and packet identifier.
#[derive(Debug, Default)]
pub(crate) struct Resends {
    shards: [Mutex<Shard>; 16],
}

type Key = (u64, u16);

#[derive(Debug, Default)]
struct Shard {
    young: HashMap<Key, Accepted>,
    old: HashMap<Key, Accepted>,
    young_since_ms: u64,
}

#[derive(Debug, Clone, Copy)]
struct Accepted {
    content_digest: u64,
    earlier: Earlier,
}

/// A publish that was accepted before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Earlier {
    /// The base of its events' ids.
    pub(crate) base: Uuid,
    /// Where it is in the journal, if it became durable.
    pub(crate) offset: Offset,
}

/// The digest of what a publish says.
pub(crate) fn content_digest(topic: &str, payload: &[u8]) -> u64 {
    let mut digest = Xxh3::new();
    digest.update(&(topic.len() as u64).to_le_bytes());
    digest.update(topic.as_bytes());
    digest.update(payload);
    digest.digest()
}

impl Resends {
    /// What was accepted shortly before the end of the last run: a device that got no acknowledgement sends it again. Of more than
    /// [`RECALLED_RECORDS`] the newest count: what was on its way when the run ended is among them. Reads, so it blocks.
    pub(crate) fn recalled(journal: &Journal, now_ms: u64) -> Result<Self, ReadError> {
        Self::recalled_of(journal, now_ms, RECALLED_RECORDS)
    }

    fn recalled_of(journal: &Journal, now_ms: u64, newest: u64) -> Result<Self, ReadError> {
        let since = u64::try_from(REMEMBERED.as_millis()).unwrap_or(u64::MAX);
        let by_time = journal.offset_at_time(now_ms.saturating_sub(since))?;
        let resends = Self::default();
        let mut reader = journal.read_from(by_time.max(journal.start_of_newest(newest)));
        while let Some(entry) = reader.next()? {
            if let Ok(record) = Record::decode(&entry.payload) {
                resends.recall(&record, entry.offset);
            }
        }
        Ok(resends)
    }

    /// How the same publish was accepted before.
    pub(crate) fn find(&self, client_id: &str, key: ResendKey) -> Option<Earlier> {
        let client = xxh3_64(client_id.as_bytes());
        let shard = self.shard(client).lock();
        let entry = (client, key.packet_id);
        let accepted = shard.young.get(&entry).or_else(|| shard.old.get(&entry))?;
        (accepted.content_digest == key.content_digest).then_some(accepted.earlier)
    }

    /// Notes that a publish was written to the journal.
    pub(crate) fn remember(&self, client_id: &str, key: ResendKey, earlier: Earlier, now_ms: u64) {
        let client = xxh3_64(client_id.as_bytes());
        let mut shard = self.shard(client).lock();
        shard.turn(now_ms);
        shard.young.insert((client, key.packet_id), Accepted { content_digest: key.content_digest, earlier });
    }

    /// The same for a record that was found in the journal at start.
    fn recall(&self, record: &Record, offset: Offset) {
        if let Some(key) = record.resend {
            let earlier = Earlier { base: record.base, offset };
            self.remember(&record.client_id, key, earlier, record.accepted_at_ms);
        }
    }

    fn shard(&self, client: u64) -> &Mutex<Shard> {
        &self.shards[(client % 16) as usize]
    }
}

impl Shard {
    /// What is young becomes old, and what was old is forgotten, when there is too much of it or it is long enough ago.
    fn turn(&mut self, now_ms: u64) {
        let age_ms = now_ms.saturating_sub(self.young_since_ms);
        if self.young.len() >= REMEMBERED_MAX / 16 || u128::from(age_ms) >= REMEMBERED.as_millis() {
            self.old = std::mem::take(&mut self.young);
            self.young_since_ms = now_ms;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(packet_id: u16, content: &[u8]) -> ResendKey {
        ResendKey { packet_id, content_digest: content_digest("t", content) }
    }

    fn earlier() -> Earlier {
        Earlier { base: Uuid::now_v7(), offset: Offset(7) }
    }

    #[test]
    fn only_the_same_publish_of_the_same_client_is_recognised() {
        let resends = Resends::default();
        let earlier = earlier();
        resends.remember("kiln", key(1, b"a"), earlier, 0);
        assert_eq!(resends.find("kiln", key(1, b"a")), Some(earlier));
        assert_eq!(resends.find("kiln", key(1, b"b")), None, "another content is another message");
        assert_eq!(resends.find("kiln", key(2, b"a")), None);
        assert_eq!(resends.find("oven", key(1, b"a")), None);
    }

    /// The bug this guards against: of many records the oldest were recalled, and so just those publishes were not recognised that
    /// were durable, but not acknowledged, when the run ended.
    #[tokio::test]
    async fn the_newest_publishes_are_recalled_after_a_restart() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let settings = journal::Settings {
            segment_bytes: 64 << 10,
            record_bytes_max: 16 << 10,
            spare_segments: 0,
            ..journal::Settings::default()
        };
        let journal = Journal::open(directory.path(), settings).expect("a journal");
        let (mut producer, mut bases) = (journal.producer(), Vec::new());
        for number in 0..4000 {
            let mut record = Record::new(bus::Origin::Device, 1000);
            record.client_id = "kiln".to_owned();
            record.resend = Some(key(number, b"a"));
            bases.push(record.base);
            producer.append(record.encode().expect("a record")).await.expect("room");
        }
        while producer.unclaimed() > 0 {
            producer.next_outcome().await.1.expect("a disk that works");
        }
        let resends = Resends::recalled_of(&journal, 2000, 1000).expect("a disk that works");
        let found = |number: u16| resends.find("kiln", key(number, b"a")).map(|earlier| earlier.base);
        for number in [3999, 3998, 3500, 3000] {
            assert_eq!(found(number), Some(bases[usize::from(number)]), "{number}");
        }
        assert_eq!(found(0), None, "more is not read than is asked for");
    }

    #[test]
    fn what_is_long_ago_is_forgotten() {
        let resends = Resends::default();
        resends.remember("kiln", key(1, b"a"), earlier(), 0);
        let step_ms = REMEMBERED.as_millis() as u64;
        resends.remember("kiln", key(2, b"a"), earlier(), step_ms);
        assert!(resends.find("kiln", key(1, b"a")).is_some());
        resends.remember("kiln", key(3, b"a"), earlier(), 2 * step_ms);
        assert!(resends.find("kiln", key(1, b"a")).is_none());
    }
}
