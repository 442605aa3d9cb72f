mod simulated;

use super::*;

fn keys(rows: Rows) -> Vec<String> {
    rows.map(|row| String::from_utf8(row.unwrap().0.to_vec()).unwrap()).collect()
}

#[test]
fn a_batch_over_tables_is_there_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    {
        let store = StateStore::open(directory.path()).unwrap();
        let (cursors, sessions) = (store.table("cursors").unwrap(), store.table("sessions").unwrap());
        let mut batch = store.batch();
        batch.insert(&cursors, "lane-1", 42u64.to_be_bytes()).unwrap();
        batch.insert(&sessions, "device-1", "state").unwrap();
        assert_eq!(batch.len(), 2);
        assert_eq!(cursors.get("lane-1").unwrap(), None, "not before it is committed");
        batch.commit_durable().unwrap();
        let mut batch = store.batch();
        batch.remove(&sessions, "device-1").unwrap();
        batch.insert(&sessions, "device-2", "").unwrap();
        batch.commit_lazily().unwrap();
        store.batch().commit_durable().unwrap();
    }
    let store = StateStore::open(directory.path()).unwrap();
    assert_eq!(
        store.table("cursors").unwrap().get("lane-1").unwrap().as_deref(),
        Some(&42u64.to_be_bytes()[..])
    );
    assert_eq!(keys(store.table("sessions").unwrap().iter()), ["device-2"]);
    assert!(store.bytes_on_disk().unwrap() > 0);
}

#[test]
fn a_disk_without_the_reserve_is_not_written_to_and_the_store_lives_on() {
    let directory = tempfile::tempdir().unwrap();
    let more_than_there_is = u64::MAX;
    {
        let mut store = StateStore::open(directory.path()).unwrap();
        store.table("rows").unwrap().insert("before", "").unwrap();
        let roomy = std::mem::replace(&mut store.room, Arc::new(Room::new(more_than_there_is)));
        let table = store.table("rows").unwrap();
        let mut batch = store.batch();
        batch.insert(&table, "in a batch", "").unwrap();
        let refused = [batch.commit_durable(), table.insert("alone", ""), table.remove("before")];
        for outcome in refused {
            let Err(error @ StateError::NoRoom { .. }) = outcome else { panic!("{outcome:?}") };
            assert!(error.to_string().contains("free space"), "{error}");
        }
        assert!(!store.has_room() && !store.has_failed());
        store.end_waits();
        store.wait_for_room();
        store.room = roomy;
        store.table("rows").unwrap().insert("there is room again", "").unwrap();
    }
    let refused = StateStore::open_with_reserve(directory.path(), more_than_there_is);
    assert!(matches!(refused, Err(StateError::NoRoom { .. })));
    let store = StateStore::open_with_reserve(directory.path(), 1).unwrap();
    assert_eq!(keys(store.table("rows").unwrap().iter()), ["before", "there is room again"]);
}

#[test]
fn rows_come_in_the_order_of_their_keys() {
    let directory = tempfile::tempdir().unwrap();
    let store = StateStore::open(directory.path()).unwrap();
    let table = store.table("rows").unwrap();
    for key in ["b/2", "a/1", "b/1", "c", "b/3", "b"] {
        table.insert(key, key).unwrap();
    }
    table.remove("b/3").unwrap();
    assert_eq!(keys(table.iter()), ["a/1", "b", "b/1", "b/2", "c"]);
    assert_eq!(keys(table.prefix("b/")), ["b/1", "b/2"]);
    assert_eq!(keys(table.range("b/1".."c")), ["b/1", "b/2"]);
    assert_eq!(String::from_utf8_lossy(&table.iter().next_back().unwrap().unwrap().0), "c");
    assert_eq!(table.len().unwrap(), 5);
    assert!(table.approximate_len() >= 5);
    assert!(table.contains("c").unwrap() && !table.is_empty().unwrap());
}

#[test]
fn the_last_change_to_a_key_in_a_batch_counts() {
    let directory = tempfile::tempdir().unwrap();
    let open = || {
        let store = StateStore::open(directory.path()).unwrap();
        let table = store.table("rows").unwrap();
        (store, table)
    };
    {
        let (store, table) = open();
        table.insert("removed", "old").unwrap();
        let mut batch = store.batch();
        batch.insert(&table, "set", "1").unwrap();
        batch.insert(&table, "set", "2").unwrap();
        batch.insert(&table, "removed", "new").unwrap();
        batch.remove(&table, "removed").unwrap();
        batch.remove(&table, "kept").unwrap();
        batch.insert(&table, "kept", "yes").unwrap();
        batch.commit_durable().unwrap();
        assert_eq!(keys(table.iter()), ["kept", "set"]);
        assert_eq!(table.get("set").unwrap().as_deref(), Some(&b"2"[..]));
    }
    let (_store, table) = open();
    assert_eq!(keys(table.iter()), ["kept", "set"]);
    assert_eq!(table.get("set").unwrap().as_deref(), Some(&b"2"[..]));
}

#[test]
fn what_cannot_be_is_refused_with_a_reason() {
    let directory = tempfile::tempdir().unwrap();
    let store = StateStore::open(directory.path()).unwrap();
    for name in ["", "Upper", "a/b", "..", "format", &"x".repeat(65)] {
        let refused = store.table(name).unwrap_err().to_string();
        assert!(refused.contains("cannot be the name of a table"), "{refused}");
    }
    let table = store.table("rows").unwrap();
    assert!(matches!(table.insert("", "x"), Err(StateError::Key { bytes: 0 })));
    assert!(matches!(table.insert(vec![0; 65_536], "x"), Err(StateError::Key { bytes: 65_536 })));
    table.insert(vec![0; 65_535], "x").unwrap();
    let mut batch = store.batch();
    assert!(batch.insert(&table, "", "x").is_err() && batch.remove(&table, "").is_err() && batch.is_empty());
    assert!(matches!(StateStore::open(directory.path()), Err(StateError::Locked { .. })));
}

#[test]
fn a_newer_store_is_refused_and_a_damaged_version_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let set_version = |bytes: &[u8]| {
        let database = fjall::Database::builder(directory.path()).open().unwrap();
        let keyspace = database.keyspace(VERSION_TABLE, KeyspaceCreateOptions::default).unwrap();
        keyspace.insert(VERSION_KEY, bytes).unwrap();
    };
    drop(StateStore::open(directory.path()).unwrap());
    set_version(&2u32.to_be_bytes());
    let refused = StateStore::open(directory.path()).unwrap_err().to_string();
    assert!(refused.contains("has version 2, this program reads versions up to 1"), "{refused}");
    set_version(b"?");
    assert!(matches!(StateStore::open(directory.path()), Err(StateError::DamagedVersion { .. })));
    set_version(&1u32.to_be_bytes());
    StateStore::open(directory.path()).unwrap();
}
