//! Random days of a bus whose lanes lag, are moved aside and crash, held against what was appended.
//!
//! A crash keeps of the side journals what was synced, and of the rest what a seed decides, or everything.

use std::collections::BTreeMap;

use journal::storage::faulty::FaultyStorage;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::aside::{aside, declare, grow, side_journal};
use super::*;

const HOOK: &str = "http/hook";
const BUSY: &str = "http/busy";

/// One day: what was appended, by key, and every target that was there to take it.
struct Day {
    random: StdRng,
    place: Place,
    storages: Arc<Mutex<BTreeMap<String, FaultyStorage>>>,
    appended: BTreeMap<String, u32>,
    /// Every target there was; calls of one are over before the next is called.
    targets: Vec<Arc<Scripted>>,
    moved_events: u64,
}

impl Day {
    fn new(seed: u64) -> Self {
        let mut place = Place::new();
        place.segment_bytes = 64 << 10;
        let storages: Arc<Mutex<BTreeMap<String, FaultyStorage>>> = Arc::default();
        let chosen = Arc::clone(&storages);
        place.settings.aside =
            Some(aside(AsideSettings::in_storage(side_journal(place.segment_bytes), move |target| {
                Ok(Arc::new(chosen.lock().entry(target.to_string()).or_default().clone()))
            })));
        Self {
            random: StdRng::seed_from_u64(seed),
            place,
            storages,
            appended: BTreeMap::new(),
            targets: Vec::new(),
            moved_events: 0,
        }
    }

    async fn open(&mut self) -> Bus {
        let bus = self.place.open();
        declare(&bus, BUSY, &Scripted::taking()).await;
        if self.random.random_bool(0.8) {
            self.declare(&bus).await;
        }
        bus.begin_trimming();
        bus
    }

    /// Declares the target anew: dead, half dead or well.
    async fn declare(&mut self, bus: &Bus) {
        let target = match self.random.random_range(0..4) {
            0 => Scripted::taking(),
            1 => Scripted::new(|delivery| match delivery.partition_key.as_str() {
                "key-0" => Outcome::retry("BUSY", "later"),
                _ => Outcome::Delivered,
            }),
            _ => Scripted::new(|_| Outcome::retry("REFUSED", "connection refused")),
        };
        let settings = DeliverySettings {
            window_events_max: self.random.random_range(1..200),
            window_bytes_max: self.random.random_range(0..400),
            batch_events_max: self.random.random_range(1..20),
            ..quick()
        };
        bus.set_target(name(HOOK), Arc::clone(&target) as _, settings).await.unwrap();
        self.targets.push(target);
    }

    async fn append(&mut self, bus: &Bus) {
        let key = format!("key-{}", self.random.random_range(0..3));
        let count = self.random.random_range(1..60);
        let next = self.appended.entry(key.clone()).or_default();
        append(bus, &key, HOOK, *next..*next + count).await;
        *next += count;
    }

    async fn crash(&mut self, bus: Bus) {
        self.moved_events += super::aside::stats(&bus, HOOK).moved_aside_events;
        crash(bus).await;
        let power_is_lost = self.random.random_bool(0.5);
        let seed = self.random.random();
        for storage in self.storages.lock().values_mut() {
            *storage = if power_is_lost { storage.power_loss(seed) } else { storage.process_killed() };
        }
    }

    fn total(&self) -> u32 {
        self.appended.values().sum()
    }

    async fn live(&mut self, steps: usize) {
        let mut bus = self.open().await;
        self.declare(&bus).await;
        for _ in 0..steps {
            match self.random.random_range(0..10) {
                0..4 => self.append(&bus).await,
                4..7 => grow(&bus, self.random.random_range(1..6)).await,
                7 => self.declare(&bus).await,
                8 => {
                    let after = self.random.random_range(1..60);
                    self.storages.lock().values().for_each(|storage| storage.crash_after(after));
                }
                _ => {
                    self.crash(bus).await;
                    bus = self.open().await;
                }
            }
        }
        self.crash(bus).await;
        self.finish().await;
    }

    /// Everything is delivered in the end, and the books say so.
    async fn finish(&mut self) {
        let bus = self.place.open();
        assert_eq!(bus.audit().await, []);
        self.targets.push(Scripted::taking());
        declare(&bus, HOOK, &self.targets[self.targets.len() - 1]).await;
        bus.begin_trimming();
        let total = self.total();
        let done = format!("accepted {total} delivered {total} dead 0 waiting 0 dropped []");
        until_books(&bus, HOOK, &done).await;
        assert_eq!(bus.audit().await, []);
        let mut next: BTreeMap<String, u32> = BTreeMap::new();
        let taken = self.targets.iter().flat_map(|target| std::mem::take(&mut *target.taken.lock()));
        for delivery in taken {
            let (number, key): (u32, _) = (text(&delivery).parse().unwrap(), delivery.partition_key);
            let next = next.entry(key.clone()).or_default();
            assert!(number <= *next, "{key}: {number} came before {next}");
            // What was delivered shortly before a crash may come again.
            *next = (*next).max(number + 1);
        }
        for (key, count) in &self.appended {
            assert_eq!(next.get(key.as_str()).copied().unwrap_or(0), *count, "{key}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_while_it_is_moved_nothing_is_lost_or_counted_twice_or_out_of_order() {
    let days = std::env::var("ASIDE_DAYS").ok().and_then(|days| days.parse().ok()).unwrap_or(5);
    let first = std::env::var("ASIDE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let mut moved_events = 0;
    for seed in first..first + days {
        println!("ASIDE_SEED={seed} ASIDE_DAYS=1 repeats this day");
        let mut day = Day::new(seed);
        day.live(40).await;
        moved_events += day.moved_events;
    }
    assert!(moved_events > 0, "nothing was moved, so nothing was shown");
}
