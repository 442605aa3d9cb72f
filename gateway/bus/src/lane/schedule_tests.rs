use proptest::prelude::*;

use super::schedule::{BatchBounds, Item, Schedule};
use crate::*;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const BOUNDS: BatchBounds = BatchBounds { events_max: 4, bytes_max: 100, same_key: true };

fn item(key: &str, sequence: u64) -> Item {
    let mut record = Record::new(Origin::Device, 0);
    record.client_id = key.to_owned();
    let target = TargetName::parse("http/hook").unwrap();
    record.add(Event { routes: vec![Route::to(target.clone())], ..Event::json("rule", "x") });
    let delivery = Delivery::from_record(&record, &target, Offset(sequence), 0).unwrap();
    Item::new(delivery, "rule".into(), 0, sequence.is_multiple_of(2))
}

fn filled(keys: &[&str], now: Instant) -> Schedule {
    let mut schedule = Schedule::default();
    (0..).zip(keys).for_each(|(sequence, key)| schedule.push(sequence, item(key, sequence), now));
    schedule
}

#[test]
fn keys_take_turns_and_a_key_in_flight_rests() {
    let now = Instant::now();
    let mut schedule = filled(&["a", "a", "a", "a", "a", "b", "c"], now);
    assert_eq!(schedule.take(BOUNDS), [0, 1, 2, 3]);
    assert_eq!(schedule.take(BOUNDS), [5, 6], "the fifth of `a` waits for those in flight");
    (0..4).for_each(|sequence| assert!(schedule.remove(sequence).is_some()));
    schedule.land(&"a".into(), now);
    assert_eq!(schedule.take(BOUNDS), [4]);
}

#[test]
fn what_failed_goes_again_first_and_in_ever_smaller_company() {
    let now = Instant::now();
    let mut schedule = filled(&["a", "a", "b", "c", "d"], now);
    assert_eq!(schedule.take(BOUNDS), [0, 1, 2, 3]);
    schedule.get_mut(0).unwrap().attempts = 1;
    let later = now + Duration::from_secs(1);
    schedule.put_back(&"a".into(), &[0, 1], later);
    assert_eq!((schedule.next_wake(), schedule.ready().0), (Some(later), 1));
    schedule.wake(later);
    schedule.remove(4);
    assert_eq!(schedule.take(BOUNDS), [0, 1], "a call of two");
    schedule.get_mut(0).unwrap().attempts = 2;
    schedule.put_back(&"a".into(), &[0, 1], later);
    schedule.wake(later);
    assert_eq!(schedule.take(BOUNDS), [0], "alone");
}

#[derive(Clone, Debug)]
enum Step {
    Push(u8),
    Take {
        same_key: bool,
        bytes_max: u64,
    },
    /// What was taken longest ago comes back: of each key, the first is settled, or all go again.
    Return {
        settles: bool,
    },
    Wake,
    /// The oldest that is not in flight is given up.
    Shed,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..5u8).prop_map(Step::Push),
        3 => (any::<bool>(), 1..6u64).prop_map(|(same_key, bytes_max)| Step::Take { same_key, bytes_max }),
        3 => any::<bool>().prop_map(|settles| Step::Return { settles }),
        1 => Just(Step::Wake),
        1 => Just(Step::Shed),
    ]
}

/// What the schedule is held against: for each key, what is queued and what is in flight.
#[derive(Default)]
struct Model {
    schedule: Schedule,
    next: u64,
    owed: HashMap<String, Vec<u64>>,
    flights: Vec<Vec<u64>>,
}

impl Model {
    fn apply(&mut self, step: &Step, now: Instant) {
        match step {
            Step::Push(key) => {
                let key = key.to_string();
                self.schedule.push(self.next, item(&key, self.next), now);
                self.owed.entry(key).or_default().push(self.next);
                self.next += 1;
            }
            Step::Take { same_key, bytes_max } => {
                let taken = self.schedule.take(BatchBounds {
                    events_max: 3,
                    bytes_max: *bytes_max,
                    same_key: *same_key,
                });
                self.check_taken(&taken);
                if !taken.is_empty() {
                    self.flights.push(taken);
                }
            }
            Step::Return { settles } if !self.flights.is_empty() => self.land(*settles, now),
            Step::Return { .. } => {}
            Step::Wake => self.schedule.wake(now + Duration::from_secs(1)),
            Step::Shed => {
                let oldest =
                    self.schedule.idle().next().map(|(sequence, item)| (sequence, item.key.to_string()));
                if let Some((sequence, key)) = oldest {
                    self.forget(sequence, &key);
                }
            }
        }
        let owed: usize = self.owed.values().map(Vec::len).sum();
        assert_eq!(self.schedule.len(), owed);
        let loaded = self.schedule.items().filter(|item| item.loaded.is_some()).count() as u64;
        assert_eq!(self.schedule.loaded_bytes(), loaded, "each holds one byte");
    }

    fn key(&self, sequence: u64) -> String {
        self.schedule.get(sequence).unwrap().key.to_string()
    }

    fn forget(&mut self, sequence: u64, key: &str) {
        assert!(self.schedule.remove(sequence).is_some());
        self.owed.get_mut(key).unwrap().retain(|owed| *owed != sequence);
    }

    /// What is taken is the front of its key, and no key is in two flights.
    fn check_taken(&self, taken: &[u64]) {
        let mut by_key: HashMap<String, Vec<u64>> = HashMap::new();
        taken.iter().for_each(|sequence| by_key.entry(self.key(*sequence)).or_default().push(*sequence));
        for (key, sequences) in by_key {
            assert!(self.owed[&key].starts_with(&sequences), "{key}: {sequences:?} of {:?}", self.owed[&key]);
            let is_flying = self.flights.iter().flatten().any(|flying| self.key(*flying) == key);
            assert!(!is_flying, "{key} is in flight already");
        }
    }

    fn land(&mut self, settles: bool, now: Instant) {
        let flight = self.flights.remove(0);
        let mut keys: Vec<Arc<str>> =
            flight.iter().map(|sequence| self.key(*sequence).as_str().into()).collect();
        keys.dedup();
        for key in keys {
            let mut sequences: Vec<u64> = flight
                .iter()
                .copied()
                .filter(|s| self.schedule.get(*s).is_some_and(|item| item.key == key))
                .collect();
            if settles {
                self.forget(sequences.remove(0), &key);
            }
            if sequences.is_empty() {
                self.schedule.land(&key, now);
            } else {
                self.schedule.put_back(&key, &sequences, now);
            }
        }
    }
}

proptest! {
    #[test]
    fn order_within_a_key_holds_whatever_comes_back(steps in proptest::collection::vec(any_step(), 1..60)) {
        let (mut model, now) = (Model::default(), Instant::now());
        steps.iter().for_each(|step| model.apply(step, now));
        // Nothing is forgotten: in the end all of it goes.
        while !model.schedule.is_empty() {
            model.apply(&Step::Wake, now);
            model.apply(&Step::Take { same_key: true, bytes_max: 5 }, now);
            prop_assert!(!model.flights.is_empty(), "nothing goes though events are owed");
            model.apply(&Step::Return { settles: true }, now);
        }
    }
}
