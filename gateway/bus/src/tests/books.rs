//! The ledger against a model: whatever targets answer, whatever the policy, whenever the process dies.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

const TARGETS: [&str; 3] = ["http/block", "http/drop", "http/letter"];
const RULES: [&str; 2] = ["hot", "cold"];

#[derive(Clone, Debug)]
enum Step {
    /// Appends records; of each, every rule's event goes to these targets.
    Append {
        records: u8,
        targets: u8,
    },
    /// From now on the targets answer so.
    Answer(Mood),
    Redrive,
    Crash {
        drains: bool,
    },
}

#[derive(Clone, Copy, Debug)]
enum Mood {
    Takes,
    Retries,
    Refuses,
    Mixed(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    let mood = prop_oneof![
        3 => Just(Mood::Takes),
        2 => Just(Mood::Retries),
        1 => Just(Mood::Refuses),
        4 => any::<u64>().prop_map(Mood::Mixed),
    ];
    prop_oneof![
        4 => (1..12u8, 1..8u8).prop_map(|(records, targets)| Step::Append { records, targets }),
        3 => mood.prop_map(Step::Answer),
        1 => Just(Step::Redrive),
        2 => any::<bool>().prop_map(|drains| Step::Crash { drains }),
    ]
}

fn outcome(mood: Mood, delivery: &Delivery) -> Outcome {
    let verdict = match mood {
        Mood::Takes => 0,
        Mood::Retries => 1,
        Mood::Refuses => 2,
        Mood::Mixed(seed) => {
            let random = seed
                ^ delivery.position.offset.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)
                ^ u64::from(delivery.attempt);
            [0, 0, 1, 2][(random.wrapping_mul(0xd134_2543_de82_ef95) >> 62) as usize]
        }
    };
    match verdict {
        0 => Outcome::Delivered,
        1 => Outcome::retry("BUSY", "later"),
        _ => Outcome::reject("BAD", "never"),
    }
}

struct World {
    place: Place,
    mood: Arc<Mutex<Mood>>,
    /// What the model knows to be accepted, by rule and target.
    accepted: HashMap<(String, String), u64>,
    /// The same events by name.
    owed: Vec<(&'static str, EventId)>,
    /// What targets have taken over all restarts, in order.
    taken: Arc<Mutex<Vec<(&'static str, Delivery)>>>,
}

impl World {
    async fn open(&self) -> Bus {
        let bus = self.place.open();
        for (target, overflow) in
            TARGETS.into_iter().zip([Overflow::Block, Overflow::DropOldest, Overflow::DeadLetter])
        {
            let mood = Arc::clone(&self.mood);
            let taken = Arc::clone(&self.taken);
            let scripted = Scripted::new(move |delivery| {
                let outcome = outcome(*mood.lock(), delivery);
                if outcome == Outcome::Delivered {
                    taken.lock().push((target, delivery.clone()));
                }
                outcome
            });
            let events = if overflow == Overflow::Block { 1_000_000 } else { 20 };
            let limits = LaneLimits { waiting_events_max: events, overflow, ..LaneLimits::default() };
            let mut settings =
                DeliverySettings { limits, batch_events_max: 3, concurrency_max: 2, ..quick() };
            settings.retry.attempts_max = 20;
            bus.set_target(name(target), scripted, settings).await.unwrap();
        }
        bus
    }

    async fn append(&mut self, bus: &Bus, records: u8, targets: u8) {
        let mut producer = bus.producer();
        for number in 0..records {
            let mut record = Record::new(Origin::Device, 0);
            record.client_id = format!("client-{}", number % 4);
            for rule in RULES {
                let chosen = TARGETS.iter().enumerate().filter(|(bit, _)| targets >> bit & 1 == 1);
                let routes: Vec<Route> = chosen.map(|(_, target)| Route::to(name(target))).collect();
                for route in &routes {
                    *self.accepted.entry((rule.to_owned(), route.target.to_string())).or_default() += 1;
                }
                record.add(Event { routes, ..Event::json(rule, number.to_string()) });
            }
            for event in &record.events {
                let targets = TARGETS
                    .iter()
                    .filter(|target| event.routes.iter().any(|route| route.target == name(target)));
                self.owed.extend(targets.map(|target| (*target, record.event_id(event))));
            }
            producer.append(&record).await.unwrap();
        }
        while producer.unclaimed() > 0 {
            producer.next_outcome().await.1.unwrap();
        }
    }

    /// Every event is with its target, a dead letter, or counted as dropped; what was taken came in order.
    async fn check_nothing_is_lost(&self, bus: &Bus) {
        let mut there: HashSet<(String, EventId)> = HashSet::new();
        there.extend(
            self.taken.lock().iter().map(|(target, delivery)| ((*target).to_owned(), delivery.id.clone())),
        );
        let page = bus.dead_letters(DeadLetterFilter::default(), None, usize::MAX).await.unwrap();
        there.extend(
            page.letters.into_iter().map(|letter| (letter.id.target.to_string(), letter.delivery.id)),
        );
        for target in TARGETS {
            let owed = self.owed.iter().filter(|(owner, _)| *owner == target);
            let lost =
                owed.filter(|(_, id)| !there.contains(&(target.to_owned(), id.clone()))).count() as u64;
            let dropped: u64 =
                RULES.iter().flat_map(|rule| counts(bus, rule, target).dropped.into_values()).sum();
            assert!(lost <= dropped, "{target}: {lost} are gone, {dropped} dropped");
        }
        let mut last: HashMap<(&str, String), Position> = HashMap::new();
        let mut seen = HashSet::new();
        for (target, delivery) in self.taken.lock().iter().filter(|(_, delivery)| !delivery.redriven) {
            if seen.insert((*target, delivery.id.clone())) {
                let before = last.insert((*target, delivery.partition_key.clone()), delivery.position);
                assert!(
                    before.is_none_or(|before| before < delivery.position),
                    "{target}: {delivery:?} came late"
                );
            }
        }
    }

    /// The books balance, agree with the journal, the dead letters and the model.
    async fn check(&self, bus: &Bus) {
        let durable = *bus.shared.journal.durable().borrow();
        until("all is counted", || *bus.frontier().borrow() >= durable).await;
        let rows = bus.ledger();
        for row in &rows {
            assert!(row.counts.balance(), "{row:?}");
            assert!(!row.counts.dropped.contains_key(&DropReason::Unreadable), "{row:?}");
            let key = (row.rule.clone(), row.target.clone());
            let first = row.counts.accepted - row.counts.redriven;
            assert_eq!(first, self.accepted.get(&key).copied().unwrap_or(0), "{row:?}");
        }
        assert!(rows.len() >= self.accepted.len());
        assert_eq!(bus.audit().await, []);
        for (target, letters) in bus.dead_letter_counts() {
            assert_eq!(letters.written, letters.held + letters.redriven + letters.purged + letters.evicted);
            // Read after the letters' own count: the books follow it.
            let booked = |bus: &Bus| -> u64 {
                bus.ledger()
                    .iter()
                    .filter(|row| row.target == target.as_str())
                    .map(|row| row.counts.dead_lettered)
                    .sum()
            };
            until("the books follow the letters", || booked(bus) >= letters.written).await;
        }
    }
}

async fn run(steps: Vec<Step>) {
    let mut world = World {
        place: Place::new(),
        mood: Arc::new(Mutex::new(Mood::Takes)),
        accepted: HashMap::new(),
        owed: Vec::new(),
        taken: Arc::default(),
    };
    let mut bus = world.open().await;
    for step in steps {
        match step {
            Step::Append { records, targets } => world.append(&bus, records, targets).await,
            Step::Answer(mood) => *world.mood.lock() = mood,
            Step::Redrive => {
                bus.redrive_dead_letters(DeadLetterFilter::default(), None).await.unwrap();
            }
            Step::Crash { drains } => {
                if drains {
                    bus.drain(PATIENCE).await.unwrap();
                }
                crash(bus).await;
                bus = world.open().await;
            }
        }
        world.check(&bus).await;
    }
    *world.mood.lock() = Mood::Takes;
    until("everything is settled", || bus.ledger().iter().all(|row| row.counts.waiting == 0)).await;
    world.check(&bus).await;
    world.check_nothing_is_lost(&bus).await;
}

/// Every case crashes and opens real stores, so few run each time; `PROPTEST_CASES` asks for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn the_books_balance_whatever_happens(steps in proptest::collection::vec(any_step(), 1..14)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(run(steps));
    }
}
