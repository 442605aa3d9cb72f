//! All streams of a gateway: declared in the settings or made through the API, found by name.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};

use bus::{Bus, Floor, LaneLimits, Offset, TargetName, ViewHandle};
use journal::state::StateStore;
use journal::{Clock, Journal};
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::KIND;
use super::attributes::Attributes;
use super::definition::{Definition, Definitions};
use super::deliver::{Batch, Ground, Stream};
use super::error::StreamError;
use super::index::Index;
use super::iterator::{Iterator, Secret};
use super::keeper::{self, Snapshot};
use crate::ending;
use crate::intake::Intake;
use crate::reading::{Reading, first_of, on_disk_thread};

/// Longest name of a stream.
const NAME_BYTES_MAX: usize = 128;

/// What the streams of a gateway are told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The streams that the settings declare. They win over what the API set in an earlier run.
    pub declared: BTreeMap<String, Attributes>,
    /// Most streams, declared ones included. Default 200.
    pub streams_max: usize,
    /// Where the time comes from.
    pub clock: Clock,
}

impl Default for Settings {
    fn default() -> Self {
        Self { declared: BTreeMap::new(), streams_max: 200, clock: Clock::system() }
    }
}

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Streams {
    inner: Arc<Inner>,
}

struct Inner {
    streams: RwLock<BTreeMap<String, Kept>>,
    definitions: Definitions,
    /// Held over reading and writing a definition, on threads that may block.
    changes: Mutex<()>,
    intake: Intake,
    journal: Journal,
    secret: Secret,
    streams_max: usize,
    clock: Clock,
    tasks: TaskTracker,
    stop: CancellationToken,
}

struct Kept {
    stream: Arc<Stream>,
    definition: Definition,
    lane: ViewHandle,
    /// Records that are kept are read from the journal, also those that the index knows from before the last start.
    floor: Floor,
    stop: CancellationToken,
}

impl Streams {
    /// Opens every stream that is declared or was made before, declares it to the bus and starts its task. Call it
    /// before [`Bus::begin_trimming`].
    ///
    /// # Errors
    /// A declared stream has an illegal name or attribute, or the state store fails.
    pub async fn open(
        bus: &Bus,
        journal: &Journal,
        store: &StateStore,
        settings: Settings,
    ) -> Result<Self, StreamError> {
        let (intake, journal, store) = (Intake::new(bus.clone()), journal.clone(), store.clone());
        on_disk_thread(move || Self::open_blocking(intake, journal, &store, settings)).await
    }

    fn open_blocking(
        intake: Intake,
        journal: Journal,
        store: &StateStore,
        settings: Settings,
    ) -> Result<Self, StreamError> {
        let definitions = Definitions::open(store)?;
        let inner = Arc::new(Inner {
            secret: definitions.secret()?,
            streams: RwLock::default(),
            definitions,
            changes: Mutex::new(()),
            intake,
            journal,
            streams_max: settings.streams_max,
            clock: settings.clock,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        inner.open_all(settings.declared)?;
        Ok(Self { inner })
    }

    /// The stream of this name.
    ///
    /// # Errors
    /// There is none; the error names the nearest.
    pub fn get(&self, name: &str) -> Result<Arc<Stream>, StreamError> {
        let streams = self.inner.streams.read();
        streams.get(name).map(|kept| Arc::clone(&kept.stream)).ok_or_else(|| StreamError::Unknown {
            name: name.to_owned(),
            nearest: crate::nearest::of(name, streams.keys()),
        })
    }

    /// Every stream, in order of name.
    pub fn list(&self) -> Vec<Arc<Stream>> {
        self.inner.list()
    }

    /// Reads up to `records_max` records from where an iterator stands.
    ///
    /// # Errors
    /// The iterator is not ours or too old, its stream is gone, or the journal can't be read.
    pub async fn read(&self, iterator: &str, records_max: usize) -> Result<Batch, StreamError> {
        let iterator = Iterator::decode(iterator, &self.inner.secret, self.inner.clock.now_ms())?;
        let stream = {
            let streams = self.inner.streams.read();
            let found = streams.values().find(|kept| kept.stream.id == iterator.stream_id);
            found.map(|kept| Arc::clone(&kept.stream))
        };
        let stream = stream.filter(|stream| iterator.shard < stream.shard_count()).ok_or_else(|| {
            StreamError::Argument {
                why: "the stream or shard of the iterator is not there any more".to_owned(),
            }
        })?;
        stream.read(iterator, records_max).await
    }

    /// Takes over another set of declared streams while running. Nothing changes if any of them is refused; the number
    /// of shards changes at a start only.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn declare(&self, declared: BTreeMap<String, Attributes>) -> Result<(), StreamError> {
        let inner = Arc::clone(&self.inner);
        on_disk_thread(move || inner.declare(declared)).await
    }

    /// Makes a stream that outlives restarts.
    ///
    /// # Errors
    /// The name or an attribute is illegal, the name is taken, there are too many streams, or the state store fails.
    pub async fn create(
        &self,
        name: &str,
        attributes: Attributes,
        tags: BTreeMap<String, String>,
    ) -> Result<Arc<Stream>, StreamError> {
        check_name(name)?;
        attributes.check()?;
        let (inner, name) = (Arc::clone(&self.inner), name.to_owned());
        on_disk_thread(move || inner.create(&name, attributes, tags)).await
    }

    /// Deletes a stream and forgets its records.
    ///
    /// # Errors
    /// There is none, the settings declare it, or the state store fails.
    pub async fn delete(&self, name: &str) -> Result<(), StreamError> {
        let stream = self.get(name)?;
        if self.inner.is_declared(&stream) {
            return Err(StreamError::Declared { name: name.to_owned() });
        }
        let inner = Arc::clone(&self.inner);
        on_disk_thread(move || inner.delete(&stream)).await
    }

    /// Sets how long a stream keeps its records. For a declared stream this holds until the next start.
    ///
    /// # Errors
    /// There is no such stream, the time is out of range, or the state store fails.
    pub async fn set_retention_hours(&self, name: &str, hours: u32) -> Result<(), StreamError> {
        let stream = self.get(name)?;
        let attributes = Attributes { retention_hours: hours, ..stream.attributes() };
        attributes.check()?;
        let inner = Arc::clone(&self.inner);
        on_disk_thread(move || {
            inner.change(&stream, |definition| definition.attributes.retention_hours = hours)?;
            stream.attributes.write().retention_hours = hours;
            stream.keeper.notify_one();
            Ok(())
        })
        .await
    }

    /// The tags of a stream.
    ///
    /// # Errors
    /// There is no such stream.
    pub fn tags(&self, name: &str) -> Result<BTreeMap<String, String>, StreamError> {
        self.get(name)?;
        Ok(self.inner.streams.read().get(name).map(|kept| kept.definition.tags.clone()).unwrap_or_default())
    }

    /// Changes the tags of a stream.
    ///
    /// # Errors
    /// There is no such stream, or the state store fails.
    pub async fn change_tags(
        &self,
        name: &str,
        change: impl FnOnce(&mut BTreeMap<String, String>) + Send + 'static,
    ) -> Result<(), StreamError> {
        let (inner, stream) = (Arc::clone(&self.inner), self.get(name)?);
        on_disk_thread(move || inner.change(&stream, |definition| change(&mut definition.tags))).await
    }

    /// Keeps the indexes and ends the tasks, for which it waits a bounded time.
    pub async fn close(&self) {
        self.inner.stop.cancel();
        ending::wait_for(&self.inner.tasks, "streams").await;
    }
}

impl Inner {
    fn open_all(self: &Arc<Self>, declared: BTreeMap<String, Attributes>) -> Result<(), StreamError> {
        for (name, mut definition) in self.definitions.all()? {
            if let Some(attributes) = declared.get(&name) {
                self.reshard(&name, &mut definition, attributes.shards)?;
            }
            self.start(&name, definition)?;
        }
        self.declare(declared)
    }

    /// Gives a stream that is not open another number of shards.
    fn reshard(&self, name: &str, definition: &mut Definition, shards: u32) -> Result<(), StreamError> {
        if definition.attributes.shards == shards {
            return Ok(());
        }
        // Every key may have another shard now, so what the index says of shards is wrong.
        tracing::warn!(
            stream = name,
            before = definition.attributes.shards,
            now = shards,
            "the number of shards was changed: records kept are spread anew, consumers begin again per shard"
        );
        self.definitions.drop_blocks(definition.id)?;
        definition.indexed_to = definition.floor;
        definition.attributes.shards = shards;
        self.definitions.put(name, definition)
    }

    /// Makes the declared streams what the settings say, after checking all of them.
    fn declare(self: &Arc<Self>, declared: BTreeMap<String, Attributes>) -> Result<(), StreamError> {
        let _alone = self.changes.lock();
        for (name, attributes) in &declared {
            check_name(name)?;
            attributes.check()?;
            let existing = self.streams.read().get(name).map(|kept| kept.stream.shard_count());
            if let Some(shards) = existing.filter(|shards| *shards != attributes.shards) {
                let why = format!(
                    "stream `{name}` has {shards} shards; restart the gateway to give it {}",
                    attributes.shards
                );
                return Err(StreamError::Argument { why });
            }
        }
        // A stream that is declared no more keeps its records; the API may delete it from now on.
        let undeclared = self.list().into_iter().filter(|stream| !declared.contains_key(stream.name()));
        for stream in undeclared.collect::<Vec<_>>() {
            self.redeclare(&stream, stream.attributes(), false)?;
        }
        for (name, attributes) in declared {
            let existing = self.streams.read().get(&name).map(|kept| Arc::clone(&kept.stream));
            match existing {
                Some(stream) => self.redeclare(&stream, attributes, true)?,
                None => {
                    let definition = self.define(true, attributes)?;
                    self.definitions.put(&name, &definition)?;
                    self.start(&name, definition)?;
                }
            }
        }
        Ok(())
    }

    fn redeclare(&self, stream: &Stream, attributes: Attributes, declared: bool) -> Result<(), StreamError> {
        let mut definition = self.definition(stream)?;
        if definition.declared == declared && definition.attributes == attributes {
            return Ok(());
        }
        definition.declared = declared;
        definition.attributes = attributes.clone();
        self.definitions.put(stream.name(), &definition)?;
        self.remember(stream, definition);
        *stream.attributes.write() = attributes;
        stream.keeper.notify_one();
        Ok(())
    }

    fn list(&self) -> Vec<Arc<Stream>> {
        self.streams.read().values().map(|kept| Arc::clone(&kept.stream)).collect()
    }

    fn is_declared(&self, stream: &Stream) -> bool {
        self.streams.read().get(stream.name()).is_some_and(|kept| kept.definition.declared)
    }

    fn define(&self, declared: bool, attributes: Attributes) -> Result<Definition, StreamError> {
        let at = *self.journal.durable().borrow();
        Ok(Definition::new(self.definitions.next_id()?, self.clock.now_ms(), declared, attributes, at))
    }

    fn start(self: &Arc<Self>, name: &str, mut definition: Definition) -> Result<Arc<Stream>, StreamError> {
        let target = TargetName::new(KIND, name).map_err(|_| StreamError::Name { name: name.to_owned() })?;
        let index = match self.definitions.blocks(definition.id)? {
            Some(blocks) => Index::restored(blocks),
            None => {
                tracing::error!(
                    stream = name,
                    "the stream's index is damaged, it is made again from the journal"
                );
                self.definitions.drop_blocks(definition.id)?;
                definition.indexed_to = definition.floor;
                Index::default()
            }
        };
        let stream = Arc::new(Stream {
            id: definition.id,
            target: target.clone(),
            created_at_ms: definition.created_at_ms,
            shards: definition.attributes.shards,
            begins_at: first_of(Offset(definition.begins_at)),
            attributes: RwLock::new(definition.attributes.clone()),
            index: Mutex::new(index),
            ground: Ground {
                intake: self.intake.clone(),
                reading: Reading::new(self.journal.clone(), target.clone()),
                clock: self.clock.clone(),
                secret: self.secret,
            },
            keeper: Notify::new(),
            room_wanted: AtomicBool::new(false),
        });
        // The view is shown what is not in the index yet, which is less than what it needs.
        let floor = self.intake.keep(&target, Offset(definition.floor));
        let from = Offset(definition.indexed_to);
        let lane = self.intake.attach(target, Arc::clone(&stream) as _, from, LaneLimits::unlimited())?;
        let stop = self.stop.child_token();
        let kept = Kept { stream: Arc::clone(&stream), definition, lane, floor, stop: stop.clone() };
        self.streams.write().insert(name.to_owned(), kept);
        let keeping = Keeping { inner: Arc::downgrade(self) };
        self.tasks.spawn(keeper::run(Arc::clone(&stream), Arc::new(keeping), stop));
        Ok(stream)
    }

    fn create(
        self: &Arc<Self>,
        name: &str,
        attributes: Attributes,
        tags: BTreeMap<String, String>,
    ) -> Result<Arc<Stream>, StreamError> {
        let _alone = self.changes.lock();
        if self.streams.read().contains_key(name) {
            return Err(StreamError::Exists { name: name.to_owned() });
        }
        if self.streams.read().len() >= self.streams_max {
            return Err(StreamError::TooMany { streams_max: self.streams_max });
        }
        let mut definition = self.define(false, attributes)?;
        definition.tags = tags;
        self.definitions.put(name, &definition)?;
        self.start(name, definition)
    }

    fn delete(&self, stream: &Stream) -> Result<(), StreamError> {
        let _alone = self.changes.lock();
        let Some(kept) = self.streams.write().remove(stream.name()) else { return Ok(()) };
        kept.stop.cancel();
        self.definitions.remove(stream.name(), stream.id)?;
        Ok(self.intake.detach(&stream.target)?)
    }

    /// Changes what is kept of a stream; on disk when this returns.
    fn change(&self, stream: &Stream, change: impl FnOnce(&mut Definition)) -> Result<(), StreamError> {
        let _alone = self.changes.lock();
        let mut definition = self.definition(stream)?;
        change(&mut definition);
        self.definitions.put(stream.name(), &definition)?;
        self.remember(stream, definition);
        Ok(())
    }

    fn definition(&self, stream: &Stream) -> Result<Definition, StreamError> {
        let streams = self.streams.read();
        let kept = streams.get(stream.name()).filter(|kept| kept.stream.id == stream.id);
        kept.map(|kept| kept.definition.clone())
            .ok_or_else(|| StreamError::Unknown { name: stream.name().to_owned(), nearest: None })
    }

    fn remember(&self, stream: &Stream, definition: Definition) {
        if let Some(kept) = self.streams.write().get_mut(stream.name()) {
            kept.definition = definition;
        }
    }
}

/// Where keepers keep what they know.
struct Keeping {
    inner: Weak<Inner>,
}

impl keeper::Keeping for Keeping {
    fn keep(&self, stream: &Stream, snapshot: &Snapshot) -> Result<(), StreamError> {
        let Some(inner) = self.inner.upgrade() else { return Ok(()) };
        let _alone = inner.changes.lock();
        // A stream that was deleted has nothing to keep.
        let Ok(mut definition) = inner.definition(stream) else { return Ok(()) };
        definition.indexed_to = definition.indexed_to.max(snapshot.indexed_to.0);
        definition.floor = definition.floor.max(snapshot.floor.0);
        let floor = Offset(definition.floor);
        inner.definitions.keep(stream.name(), &definition, &snapshot.changed, snapshot.expired_to)?;
        inner.remember(stream, definition);
        if let Some(kept) = inner.streams.read().get(stream.name()) {
            kept.lane.raise_floor(floor);
            kept.floor.raise(floor);
        }
        Ok(())
    }
}

fn check_name(name: &str) -> Result<(), StreamError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    match !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(legal) {
        true => Ok(()),
        false => Err(StreamError::Name { name: name.to_owned() }),
    }
}
