//! Random operations with faults and crashes, against a list in memory.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::Producer;

#[derive(Debug, Clone)]
enum Step {
    /// Appends records of these sizes and takes their outcomes.
    Append(Vec<usize>),
    /// Appends records of these sizes and takes no outcome yet.
    AppendOnly(Vec<usize>),
    FailSyncs(u64),
    FailWrites(u64),
    ShortWrites(bool),
    /// Leaves the disk this much room.
    Room(Option<u64>),
    /// Trims at this hundredth of what there is.
    Trim(u64),
    Read,
    /// The machine stops after so many more changes; `seed` decides what is left.
    StopSoon(u64),
    PowerLoss(u64),
    Kill,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let sizes = || prop::collection::vec(prop_oneof![4 => 16usize..600, 1 => 600usize..16_000], 1..12);
    prop_oneof![
        8 => sizes().prop_map(Step::Append),
        4 => sizes().prop_map(Step::AppendOnly),
        1 => (1u64..3).prop_map(Step::FailSyncs),
        1 => (1u64..3).prop_map(Step::FailWrites),
        1 => any::<bool>().prop_map(Step::ShortWrites),
        1 => prop::option::of(0u64..100_000).prop_map(Step::Room),
        2 => (0u64..=100).prop_map(Step::Trim),
        3 => Just(Step::Read),
        1 => (1u64..20).prop_map(Step::StopSoon),
        3 => any::<u64>().prop_map(Step::PowerLoss),
        1 => Just(Step::Kill),
        1 => Just(Step::Reopen),
    ]
}

/// The journal under test, and what must be true of it.
struct Model {
    storage: FaultyStorage,
    settings: Settings,
    journal: Option<Journal>,
    producer: Option<Producer>,
    /// Must be there, unless trimmed.
    acknowledged: BTreeMap<Offset, Bytes>,
    /// Reported as failed: may be there after a crash, never before.
    failed: BTreeMap<Offset, Bytes>,
    /// Appended, outcome not taken.
    unclaimed: BTreeMap<Offset, Bytes>,
    trimmed_to: Offset,
    /// Whether a fault since open may have failed a record whose outcome was not taken.
    faulty: bool,
    count: u64,
}

impl Model {
    fn new(spare_segments: usize) -> Self {
        let mut model = Self {
            storage: FaultyStorage::new(),
            settings: Settings { spare_segments, ..small() },
            journal: None,
            producer: None,
            acknowledged: BTreeMap::new(),
            failed: BTreeMap::new(),
            unclaimed: BTreeMap::new(),
            trimmed_to: Offset(0),
            faulty: false,
            count: 0,
        };
        model.open();
        model
    }

    fn open(&mut self) {
        let journal = open_with(&self.storage, self.settings.clone());
        assert!(journal.recovery().is_whole(), "{}", journal.recovery());
        self.producer = Some(journal.producer());
        self.journal = Some(journal);
    }

    fn journal(&self) -> &Journal {
        self.journal.as_ref().unwrap()
    }

    async fn apply(&mut self, step: Step) {
        self.faulty |=
            matches!(step, Step::FailSyncs(_) | Step::FailWrites(_) | Step::Room(_) | Step::StopSoon(_));
        match step {
            Step::Append(sizes) => {
                self.append(sizes).await;
                self.claim().await;
            }
            Step::AppendOnly(sizes) => self.append(sizes).await,
            Step::FailSyncs(count) => self.storage.fail_syncs(count),
            Step::FailWrites(count) => self.storage.fail_writes(count),
            Step::ShortWrites(short) => self.storage.set_short_writes(short),
            Step::Room(room) => {
                let used = self.journal().bytes_on_disk();
                self.storage.set_capacity_bytes(room.map(|room| used + room));
            }
            Step::Trim(hundredth) => self.trim(hundredth),
            Step::Read => {
                self.claim().await;
                self.check_reading();
            }
            Step::StopSoon(changes) => self.storage.crash_after(changes),
            Step::PowerLoss(seed) => self.crash(|storage| storage.power_loss(seed)),
            Step::Kill => self.crash(FaultyStorage::process_killed),
            Step::Reopen => self.reopen().await,
        }
    }

    async fn append(&mut self, sizes: Vec<usize>) {
        for size in sizes {
            self.count += 1;
            let mut payload = self.count.to_le_bytes().to_vec();
            payload.resize(size, self.count as u8);
            let payload = Bytes::from(payload);
            let offset = self.producer.as_mut().unwrap().append(payload.clone()).await.unwrap();
            let last = [&self.acknowledged, &self.failed, &self.unclaimed]
                .iter()
                .filter_map(|records| records.last_key_value())
                .map(|(offset, _)| *offset)
                .max();
            assert!(last.is_none_or(|last| last < offset), "offsets increase");
            self.unclaimed.insert(offset, payload);
        }
    }

    async fn claim(&mut self) {
        while let Some((offset, payload)) = self.unclaimed.pop_first() {
            let (told, outcome) = self.producer.as_mut().unwrap().next_outcome().await;
            assert_eq!(told, offset, "outcomes come in order");
            let records = if outcome.is_ok() { &mut self.acknowledged } else { &mut self.failed };
            records.insert(offset, payload);
        }
    }

    fn trim(&mut self, hundredth: u64) {
        let last = self.acknowledged.last_key_value().map_or(0, |(offset, _)| offset.0);
        let first = self.acknowledged.first_key_value().map_or(0, |(offset, _)| offset.0);
        self.trimmed_to = self.trimmed_to.max(Offset(first + (last - first) * hundredth / 100));
        let oldest = self.journal().trim(self.trimmed_to);
        assert!(
            oldest <= self.trimmed_to || self.acknowledged.range(self.trimmed_to..oldest).next().is_none()
        );
        assert_eq!(oldest, self.journal().oldest());
        self.acknowledged = self.acknowledged.split_off(&oldest);
    }

    /// What can be read is exactly what was acknowledged.
    fn check_reading(&self) {
        let read = read_all(self.journal());
        assert!(read.iter().map(|(offset, payload)| (offset, payload)).eq(self.acknowledged.iter()));
        for (offset, payload) in read.iter().step_by(7) {
            assert_eq!(&self.journal().read_at(*offset).unwrap().unwrap().payload, payload);
        }
        for offset in self.failed.keys().filter(|offset| **offset >= self.journal().oldest()) {
            assert_eq!(self.journal().read_at(*offset).unwrap(), None, "what failed cannot be read");
        }
    }

    /// Everything stops now; what is on the disk is found by the next.
    fn crash(&mut self, found: impl Fn(&FaultyStorage) -> FaultyStorage) {
        let found = found(&self.storage);
        self.producer = None;
        self.journal = None;
        self.storage = found;
        self.open();
        self.check_recovered();
    }

    async fn reopen(&mut self) {
        self.claim().await;
        self.producer = None;
        self.journal = None;
        self.storage = self.storage.process_killed();
        self.open();
        self.check_recovered();
    }

    /// All that was acknowledged is there; the rest is of what was appended, and what a tear left of the last batches has no holes.
    fn check_recovered(&mut self) {
        let read: BTreeMap<Offset, Bytes> = read_all(self.journal()).into_iter().collect();
        for (offset, payload) in &self.acknowledged {
            assert_eq!(read.get(offset), Some(payload), "acknowledged record {offset} is lost");
        }
        for (offset, payload) in read.range(self.trimmed_to..) {
            let known = [&self.acknowledged, &self.failed, &self.unclaimed];
            let appended = known.iter().find_map(|records| records.get(offset));
            assert_eq!(appended, Some(payload), "record {offset} was never appended");
        }
        let kept = self.unclaimed.keys().filter(|offset| read.contains_key(offset)).count();
        if !self.faulty {
            assert!(
                self.unclaimed.keys().take(kept).all(|offset| read.contains_key(offset)),
                "a hole in the tail"
            );
        }
        self.acknowledged = read;
        self.failed.clear();
        self.unclaimed.clear();
        self.faulty = false;
    }
}

/// How many runs; `PROPTEST_CASES` asks for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn whatever_happens_acknowledged_records_are_there_in_order_and_none_is_invented(
        spare_segments in 0usize..3,
        steps in prop::collection::vec(step(), 1..40),
    ) {
        block_on(async {
            let mut model = Model::new(spare_segments);
            for step in steps {
                model.apply(step).await;
            }
            model.crash(FaultyStorage::process_killed);
            model.append(vec![100, 200]).await;
            model.claim().await;
            model.check_reading();
        });
    }
}
