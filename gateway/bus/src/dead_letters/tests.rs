use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use journal::state::simulated::SimulatedStore;

use super::*;
use crate::{Event, Offset, Origin, Record, Route};

const PATIENCE: Duration = Duration::from_secs(20);

fn name(text: &str) -> TargetName {
    TargetName::parse(text).unwrap()
}

fn failed(target: &TargetName) -> Failed {
    let mut record = Record::new(Origin::Device, 1_720_000_000_123);
    record.add(Event { routes: vec![Route::to(target.clone())], ..Event::json("hot", "1") });
    let failure = Failure {
        error_code: "HTTP_400".to_owned(),
        error_message: "no".to_owned(),
        attempts: 1,
        exhausted: None,
        first_failed_at_ms: 1,
        last_failed_at_ms: 1,
    };
    (Delivery::from_record(&record, target, Offset(1), 0).unwrap(), failure)
}

#[test]
fn counts_are_told_while_a_letter_waits_for_the_disk() {
    let disk = SimulatedStore::new();
    let store = StateStore::open_simulated(&disk).unwrap();
    let letters = DeadLetters::open(&store, &BusSettings::default()).unwrap();
    let (slow, other) = (name("http/slow"), name("http/other"));
    letters.bury(&other, &[failed(&other)], store.batch()).unwrap();
    let burying = disk.while_stalled(|| {
        let (burying, batch) = (letters.clone(), store.batch());
        let burying = thread::spawn({
            let slow = slow.clone();
            move || burying.bury(&slow, &[failed(&slow)], batch)
        });
        while letters.changing(&slow).try_lock().is_some() {
            assert!(!burying.is_finished(), "the disk did not stall");
            thread::yield_now();
        }
        let (told, telling) = (mpsc::channel(), letters.clone());
        thread::spawn(move || told.0.send(telling.counts()));
        let counts = told.1.recv_timeout(PATIENCE).expect("counts wait for the disk");
        assert_eq!((counts.get(&slow), counts[&other].held), (None, 1), "what is durable");
        assert!(letters.changing(&other).try_lock().is_some(), "other targets' letters wait for it");
        burying
    });
    burying.join().unwrap().unwrap();
    assert_eq!(letters.counts()[&slow].held, 1);
    let ids = ["http/slow#1", "http/other#1", "http/other#2"].map(|id| id.parse().unwrap());
    assert_eq!(letters.remove(&ids.into(), LetterRemoval::Purged).unwrap(), 2, "of two targets");
    assert_eq!(
        letters.counts().values().map(|counts| (counts.held, counts.purged)).collect::<Vec<_>>(),
        [(0, 1); 2]
    );
}

#[test]
fn a_damaged_letter_is_named_and_those_behind_it_are_read() {
    let store = StateStore::open_simulated(&SimulatedStore::new()).unwrap();
    let letters = DeadLetters::open(&store, &BusSettings::default()).unwrap();
    let hook = name("http/hook");
    letters.bury(&hook, &[(); 3].map(|()| failed(&hook)), store.batch()).unwrap();
    let id = |number| DeadLetterId { target: hook.clone(), number };
    letters.letters.insert(key(&id(2)), "{").unwrap();
    for (letters_max, read) in [(10, &[1, 3][..]), (1, &[1])] {
        let page = letters.list(&DeadLetterFilter::default(), None, letters_max).unwrap();
        assert_eq!(page.letters.iter().map(|letter| letter.id.number).collect::<Vec<_>>(), read);
        if letters_max == 1 {
            assert_eq!((page.damaged.len(), page.next), (0, Some(id(1))));
        } else {
            assert_eq!((page.damaged.len(), &page.damaged[0].id, page.next), (1, &id(2), None));
        }
    }
    let behind = letters.list(&DeadLetterFilter::default(), Some(&id(1)), 1).unwrap();
    assert_eq!((behind.letters[0].id.number, behind.damaged.len()), (3, 1));
    assert!(letters.show(&id(2)).unwrap_err().to_string().contains("`http/hook#2` is damaged"));
    assert_eq!(letters.remove(&[id(2)].into(), LetterRemoval::Purged).unwrap(), 1);
    assert_eq!(letters.list(&DeadLetterFilter::default(), None, 10).unwrap().damaged, []);
}
