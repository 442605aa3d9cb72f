//! What stands behind a [`StateStore`](super::StateStore): the store on disk, or, for tests, one in memory that loses power.
//!
//! Without the feature `fault-injection` these are the names of the store on disk and nothing else.

use std::path::Path;

#[cfg(not(any(test, feature = "fault-injection")))]
pub(super) use fjall::{Database, Guard, Iter, Keyspace, OwnedWriteBatch};

#[cfg(any(test, feature = "fault-injection"))]
pub(super) use either::{Database, Guard, Iter, Keyspace, OwnedWriteBatch};

/// Opens the store on disk.
pub(super) fn open(path: &Path, cache_bytes_max: u64) -> fjall::Result<Database> {
    let database = fjall::Database::builder(path).cache_size(cache_bytes_max).worker_threads(1).open()?;
    #[cfg(any(test, feature = "fault-injection"))]
    let database = Database::Disk(database);
    Ok(database)
}

#[cfg(any(test, feature = "fault-injection"))]
mod either {
    //! Either of the two, with the methods that the store on disk has under the same names.

    use std::ops::{Bound, RangeBounds};
    use std::sync::Arc;
    use std::vec;

    use fjall::{KeyspaceCreateOptions, PersistMode, Slice};

    use crate::state::simulated::{Change, SimulatedStore};

    #[derive(Clone)]
    pub(in crate::state) enum Database {
        Disk(fjall::Database),
        Simulated(SimulatedStore),
    }

    #[derive(Clone)]
    pub(in crate::state) enum Keyspace {
        Disk(fjall::Keyspace),
        Simulated(SimulatedStore, Arc<str>),
    }

    pub(in crate::state) enum Iter {
        Disk(fjall::Iter),
        Simulated(vec::IntoIter<(Slice, Slice)>),
    }

    pub(in crate::state) enum Guard {
        Disk(fjall::Guard),
        Simulated((Slice, Slice)),
    }

    pub(in crate::state) enum OwnedWriteBatch {
        Disk(fjall::OwnedWriteBatch),
        Simulated { store: SimulatedStore, changes: Vec<Change>, mode: Option<PersistMode> },
    }

    impl Database {
        pub(in crate::state) fn keyspace(
            &self,
            name: &str,
            options: fn() -> KeyspaceCreateOptions,
        ) -> fjall::Result<Keyspace> {
            match self {
                Self::Disk(database) => database.keyspace(name, options).map(Keyspace::Disk),
                Self::Simulated(store) => Ok(Keyspace::Simulated(store.clone(), store.make_table(name))),
            }
        }

        pub(in crate::state) fn batch(&self) -> OwnedWriteBatch {
            match self {
                Self::Disk(database) => OwnedWriteBatch::Disk(database.batch()),
                Self::Simulated(store) => {
                    OwnedWriteBatch::Simulated { store: store.clone(), changes: Vec::new(), mode: None }
                }
            }
        }

        pub(in crate::state) fn persist(&self, mode: PersistMode) -> fjall::Result<()> {
            match self {
                Self::Disk(database) => database.persist(mode),
                Self::Simulated(store) => store.persist(mode),
            }
        }

        pub(in crate::state) fn disk_space(&self) -> fjall::Result<u64> {
            match self {
                Self::Disk(database) => database.disk_space(),
                Self::Simulated(store) => Ok(store.bytes()),
            }
        }
    }

    impl Keyspace {
        pub(in crate::state) fn name(&self) -> &str {
            match self {
                Self::Disk(keyspace) => keyspace.name(),
                Self::Simulated(_, table) => table,
            }
        }

        pub(in crate::state) fn get(&self, key: impl AsRef<[u8]>) -> fjall::Result<Option<Slice>> {
            match self {
                Self::Disk(keyspace) => keyspace.get(key),
                Self::Simulated(store, table) => Ok(store.get(table, key.as_ref())),
            }
        }

        pub(in crate::state) fn contains_key(&self, key: impl AsRef<[u8]>) -> fjall::Result<bool> {
            match self {
                Self::Disk(keyspace) => keyspace.contains_key(key),
                Self::Simulated(store, table) => Ok(store.get(table, key.as_ref()).is_some()),
            }
        }

        pub(in crate::state) fn insert(&self, key: &[u8], value: &[u8]) -> fjall::Result<()> {
            match self {
                Self::Disk(keyspace) => keyspace.insert(key, value),
                Self::Simulated(store, table) => {
                    store.commit(vec![change(table, key, Some(value))], Some(PersistMode::Buffer))
                }
            }
        }

        pub(in crate::state) fn remove(&self, key: &[u8]) -> fjall::Result<()> {
            match self {
                Self::Disk(keyspace) => keyspace.remove(key),
                Self::Simulated(store, table) => {
                    store.commit(vec![change(table, key, None)], Some(PersistMode::Buffer))
                }
            }
        }

        pub(in crate::state) fn iter(&self) -> Iter {
            match self {
                Self::Disk(keyspace) => Iter::Disk(keyspace.iter()),
                Self::Simulated(store, table) => rows(store, table, (Bound::Unbounded, Bound::Unbounded)),
            }
        }

        pub(in crate::state) fn range<K: AsRef<[u8]>>(&self, keys: impl RangeBounds<K>) -> Iter {
            match self {
                Self::Disk(keyspace) => Iter::Disk(keyspace.range(keys)),
                Self::Simulated(store, table) => {
                    let owned = |bound: Bound<&K>| bound.map(|key| key.as_ref().to_vec());
                    rows(store, table, (owned(keys.start_bound()), owned(keys.end_bound())))
                }
            }
        }

        pub(in crate::state) fn prefix(&self, prefix: impl AsRef<[u8]>) -> Iter {
            match self {
                Self::Disk(keyspace) => Iter::Disk(keyspace.prefix(prefix)),
                Self::Simulated(store, table) => {
                    let prefix = prefix.as_ref();
                    let from = store.rows(table, (Bound::Included(prefix.to_vec()), Bound::Unbounded));
                    let with: Vec<_> = from.into_iter().filter(|(key, _)| key.starts_with(prefix)).collect();
                    Iter::Simulated(with.into_iter())
                }
            }
        }

        pub(in crate::state) fn approximate_len(&self) -> usize {
            match self {
                Self::Disk(keyspace) => keyspace.approximate_len(),
                Self::Simulated(store, table) => store.len(table),
            }
        }

        pub(in crate::state) fn len(&self) -> fjall::Result<usize> {
            match self {
                Self::Disk(keyspace) => keyspace.len(),
                Self::Simulated(store, table) => Ok(store.len(table)),
            }
        }

        pub(in crate::state) fn is_empty(&self) -> fjall::Result<bool> {
            match self {
                Self::Disk(keyspace) => keyspace.is_empty(),
                Self::Simulated(store, table) => Ok(store.len(table) == 0),
            }
        }
    }

    impl Iterator for Iter {
        type Item = Guard;

        fn next(&mut self) -> Option<Guard> {
            match self {
                Self::Disk(rows) => rows.next().map(Guard::Disk),
                Self::Simulated(rows) => rows.next().map(Guard::Simulated),
            }
        }
    }

    impl DoubleEndedIterator for Iter {
        fn next_back(&mut self) -> Option<Guard> {
            match self {
                Self::Disk(rows) => rows.next_back().map(Guard::Disk),
                Self::Simulated(rows) => rows.next_back().map(Guard::Simulated),
            }
        }
    }

    impl Guard {
        pub(in crate::state) fn into_inner(self) -> fjall::Result<(Slice, Slice)> {
            match self {
                Self::Disk(row) => row.into_inner(),
                Self::Simulated(row) => Ok(row),
            }
        }
    }

    impl OwnedWriteBatch {
        pub(in crate::state) fn insert(&mut self, keyspace: &Keyspace, key: &[u8], value: &[u8]) {
            match (self, keyspace) {
                (Self::Disk(batch), Keyspace::Disk(keyspace)) => batch.insert(keyspace, key, value),
                (Self::Simulated { changes, .. }, Keyspace::Simulated(_, table)) => {
                    changes.push(change(table, key, Some(value)));
                }
                _ => unreachable!("a batch has tables of its own store only"),
            }
        }

        pub(in crate::state) fn remove(&mut self, keyspace: &Keyspace, key: &[u8]) {
            match (self, keyspace) {
                (Self::Disk(batch), Keyspace::Disk(keyspace)) => batch.remove(keyspace, key),
                (Self::Simulated { changes, .. }, Keyspace::Simulated(_, table)) => {
                    changes.push(change(table, key, None));
                }
                _ => unreachable!("a batch has tables of its own store only"),
            }
        }

        pub(in crate::state) fn len(&self) -> usize {
            match self {
                Self::Disk(batch) => batch.len(),
                Self::Simulated { changes, .. } => changes.len(),
            }
        }

        pub(in crate::state) fn is_empty(&self) -> bool {
            self.len() == 0
        }

        pub(in crate::state) fn durability(self, mode: Option<PersistMode>) -> Self {
            match self {
                Self::Disk(batch) => Self::Disk(batch.durability(mode)),
                Self::Simulated { store, changes, .. } => Self::Simulated { store, changes, mode },
            }
        }

        pub(in crate::state) fn commit(self) -> fjall::Result<()> {
            match self {
                Self::Disk(batch) => batch.commit(),
                Self::Simulated { store, changes, mode } => store.commit(changes, mode),
            }
        }
    }

    fn rows(store: &SimulatedStore, table: &str, keys: (Bound<Vec<u8>>, Bound<Vec<u8>>)) -> Iter {
        Iter::Simulated(store.rows(table, keys).into_iter())
    }

    fn change(table: &Arc<str>, key: &[u8], value: Option<&[u8]>) -> Change {
        Change { table: Arc::clone(table), key: key.to_vec(), value: value.map(Slice::from) }
    }
}
