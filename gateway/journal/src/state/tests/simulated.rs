//! The simulated store: it answers as the one on disk does, and loses what that one may lose.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::state::simulated::SimulatedStore;
use crate::storage::faulty::power::Power;

/// Commits `count` batches, each of the row `number` in both tables.
fn commit(store: &StateStore, numbers: std::ops::Range<u8>, durable: bool) {
    let tables = [store.table("left").unwrap(), store.table("right").unwrap()];
    for number in numbers {
        let mut batch = store.batch();
        tables.iter().for_each(|table| batch.insert(table, [number], [number]).unwrap());
        if durable { batch.commit_durable() } else { batch.commit_lazily() }.unwrap();
    }
}

fn numbers(disk: &SimulatedStore, table: &str) -> Vec<u8> {
    let store = StateStore::open_simulated(disk).unwrap();
    store.table(table).unwrap().iter().map(|row| row.unwrap().0[0]).collect()
}

#[test]
fn a_power_loss_leaves_what_was_synced_and_the_first_of_the_rest() {
    let disk = SimulatedStore::new();
    let store = StateStore::open_simulated(&disk).unwrap();
    commit(&store, 0..3, false);
    commit(&store, 3..4, true);
    commit(&store, 4..10, false);
    let mut found = BTreeSet::new();
    let mut apart = 0;
    for seed in 0..200 {
        let left = disk.power_loss(seed);
        let (left, right) = (numbers(&left, "left"), numbers(&left, "right"));
        for rows in [&left, &right] {
            assert!(rows.len() >= 4 && rows.iter().copied().eq(0..rows.len() as u8), "seed {seed}: {rows:?}");
        }
        apart += usize::from(left != right);
        found.insert(left.len());
    }
    assert_eq!(found.len(), 7, "every prefix comes up");
    assert!(apart > 10, "a table may be ahead of the log");
    assert_eq!(numbers(&disk.process_killed(), "left").len(), 10);
    assert!(numbers(&disk.process_killed().power_loss(1), "left").len() >= 4);
    store.sync().unwrap();
    assert_eq!(numbers(&disk.power_loss(5), "right").len(), 10);
}

#[test]
fn a_sync_that_fails_poisons_the_store_until_it_is_opened_again() {
    let disk = SimulatedStore::new();
    let store = StateStore::open_simulated(&disk).unwrap();
    commit(&store, 0..2, true);
    disk.fail_syncs(1);
    let table = store.table("left").unwrap();
    let mut batch = store.batch();
    batch.insert(&table, "x", "y").unwrap();
    assert!(!store.has_failed());
    assert!(matches!(batch.commit_durable(), Err(StateError::Disk { .. })));
    assert_eq!(table.get("x").unwrap(), None, "it was not applied");
    assert!(matches!(table.insert("z", ""), Err(StateError::Poisoned { .. })));
    assert!(matches!(store.sync(), Err(StateError::Poisoned { .. })));
    assert!(store.has_failed());
    let found = |disk: &SimulatedStore| numbers(disk, "left").len();
    assert_eq!(found(&disk.process_killed()), 3, "the log has it");
    let after_power_loss: BTreeSet<usize> = (0..20).map(|seed| found(&disk.power_loss(seed))).collect();
    assert_eq!(after_power_loss, [2, 3].into());
    disk.process_killed();
    let reopened = StateStore::open_simulated(&disk.process_killed()).unwrap();
    commit(&reopened, 5..6, true);
}

#[test]
fn nothing_changes_once_the_power_is_off() {
    let (disk, power) = (SimulatedStore::new(), Power::new());
    disk.plug_into(&power);
    let store = StateStore::open_simulated(&disk).unwrap();
    commit(&store, 0..1, true);
    power.cut();
    assert!(!power.is_on());
    assert!(store.sync().is_err());
    assert!(store.table("left").unwrap().insert("a", "b").is_err());
    assert_eq!(numbers(&disk.power_loss(3), "left"), [0]);
}

#[derive(Debug, Clone)]
enum Change {
    Insert(bool, Vec<u8>, u8),
    Remove(bool, Vec<u8>),
}

fn changes() -> impl Strategy<Value = Vec<Vec<Change>>> {
    let key = || prop::collection::vec(0u8..4, 1..4);
    let change = prop_oneof![
        3 => (any::<bool>(), key(), any::<u8>()).prop_map(|(left, key, value)| Change::Insert(left, key, value)),
        1 => (any::<bool>(), key()).prop_map(|(left, key)| Change::Remove(left, key)),
    ];
    prop::collection::vec(prop::collection::vec(change, 1..6), 1..12)
}

fn make(store: &StateStore, batches: &[Vec<Change>]) -> [Table; 2] {
    let tables = [store.table("left").unwrap(), store.table("right").unwrap()];
    for changes in batches {
        let mut batch = store.batch();
        for change in changes {
            match change {
                Change::Insert(left, key, value) => {
                    batch.insert(&tables[usize::from(*left)], key, [*value]).unwrap();
                }
                Change::Remove(left, key) => batch.remove(&tables[usize::from(*left)], key).unwrap(),
            }
        }
        batch.commit_lazily().unwrap();
    }
    tables
}

fn all(rows: Rows) -> Vec<(Slice, Slice)> {
    rows.map(Result::unwrap).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn it_answers_as_the_store_on_disk_does(batches in changes(), from in prop::collection::vec(0u8..4, 1..3), to in prop::collection::vec(0u8..4, 1..3)) {
        let directory = tempfile::tempdir().unwrap();
        let on_disk = make(&StateStore::open(directory.path()).unwrap(), &batches);
        let simulated = make(&StateStore::open_simulated(&SimulatedStore::new()).unwrap(), &batches);
        for (on_disk, simulated) in on_disk.iter().zip(&simulated) {
            prop_assert_eq!(all(on_disk.iter()), all(simulated.iter()));
            prop_assert_eq!(all(on_disk.prefix(&from)), all(simulated.prefix(&from)));
            prop_assert_eq!(all(on_disk.range(from.clone()..)), all(simulated.range(from.clone()..)));
            if from <= to {
                prop_assert_eq!(all(on_disk.range(from.clone()..=to.clone())), all(simulated.range(from.clone()..=to.clone())));
            }
            let last = |table: &Table| table.iter().next_back().map(Result::unwrap);
            prop_assert_eq!(last(on_disk), last(simulated));
            prop_assert_eq!(on_disk.get(&to).unwrap(), simulated.get(&to).unwrap());
            prop_assert_eq!(on_disk.len().unwrap(), simulated.len().unwrap());
            prop_assert_eq!(on_disk.contains(&from).unwrap(), simulated.contains(&from).unwrap());
        }
    }
}
