//! All queues of a gateway: declared in the settings or made through the API, found by name.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use bus::{Bus, LaneLimits, TargetName};
use journal::state::{StateStore, Table};
use journal::{Clock, Journal, Offset};
use parking_lot::{Mutex, RwLock};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::attributes::{Attributes, Redrive, RedriveAllow};
use super::contents::Limits;
use super::definition::{Definition, Definitions};
use super::deliver::{Ground, Queue};
use super::error::QueueError;
use super::handle::{Handles, Secret};
use super::moves::{self, MoveTask, Moves};
use super::{KIND, deduplication, keeper, memory, names};
use crate::durable::Writer;
use crate::ending;
use crate::intake::Intake;
use crate::reading::{Reading, on_disk_thread};

/// What the queues of a gateway are told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The queues that the settings declare. They win over what the API set in an earlier run.
    pub declared: BTreeMap<String, Attributes>,
    /// Bounds for each queue.
    pub limits: Limits,
    /// Most queues, declared ones included. Default 1,000.
    pub queues_max: usize,
    /// Where the time comes from.
    pub clock: Clock,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            declared: BTreeMap::new(),
            limits: Limits::default(),
            queues_max: 1_000,
            clock: Clock::system(),
        }
    }
}

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Queues {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) moves: Moves,
    queues: RwLock<BTreeMap<String, Kept>>,
    definitions: Definitions,
    /// Held over reading and writing a definition, on threads that may block.
    changes: Mutex<()>,
    intake: Intake,
    journal: Journal,
    writer: Arc<Writer>,
    messages: Table,
    seen: Table,
    secret: Secret,
    limits: Limits,
    queues_max: usize,
    clock: Clock,
    tasks: TaskTracker,
    runtime: Handle,
    stop: CancellationToken,
    waits: CancellationToken,
}

struct Kept {
    queue: Arc<Queue>,
    definition: Definition,
    stop: CancellationToken,
}

impl Queues {
    /// Opens every queue that is declared or was made before, declares it to the bus and starts its task. Call it
    /// before [`Bus::begin_trimming`].
    ///
    /// # Errors
    /// A declared queue has an illegal name or attribute or names a dead-letter queue that is not there, or the state
    /// store fails.
    pub async fn open(
        bus: &Bus,
        journal: &Journal,
        store: &StateStore,
        settings: Settings,
    ) -> Result<Self, QueueError> {
        let (intake, journal, store) = (Intake::new(bus.clone()), journal.clone(), store.clone());
        on_disk_thread(move || Self::open_blocking(intake, journal, &store, settings)).await
    }

    fn open_blocking(
        intake: Intake,
        journal: Journal,
        store: &StateStore,
        settings: Settings,
    ) -> Result<Self, QueueError> {
        let definitions = Definitions::open(store)?;
        let secret = definitions.secret()?;
        let inner = Arc::new(Inner {
            moves: Moves::open(store.table(moves::TABLE)?)?,
            queues: RwLock::default(),
            definitions,
            changes: Mutex::new(()),
            intake,
            journal,
            writer: Arc::new(Writer::start(store.clone(), "queue-writer").map_err(QueueError::Thread)?),
            messages: store.table(memory::TABLE)?,
            seen: store.table(deduplication::TABLE)?,
            secret,
            limits: settings.limits,
            queues_max: settings.queues_max,
            clock: settings.clock,
            tasks: TaskTracker::new(),
            runtime: Handle::current(),
            stop: CancellationToken::new(),
            waits: CancellationToken::new(),
        });
        inner.open_all(settings.declared)?;
        inner.moves.resume(&inner);
        Ok(Self { inner })
    }

    /// The queue of this name.
    ///
    /// # Errors
    /// There is none; the error names the nearest.
    pub fn get(&self, name: &str) -> Result<Arc<Queue>, QueueError> {
        let queues = self.inner.queues.read();
        queues.get(name).map(|kept| Arc::clone(&kept.queue)).ok_or_else(|| QueueError::Unknown {
            name: name.to_owned(),
            nearest: crate::nearest::of(name, queues.keys()),
        })
    }

    /// Every queue whose name begins with `prefix`, in order of name.
    pub fn list(&self, prefix: &str) -> Vec<Arc<Queue>> {
        self.inner.list(prefix)
    }

    /// The queues whose redrive policy names `dead_letter_queue`.
    pub fn sources_of(&self, dead_letter_queue: &str) -> Vec<Arc<Queue>> {
        self.inner.sources_of(dead_letter_queue)
    }

    /// Starts to move the messages that a dead-letter queue holds: to `destination`, or back to where each came from.
    /// The task goes on after a restart.
    ///
    /// # Errors
    /// There is no such queue, it is nobody's dead-letter queue or has a task that runs, the destination is not there or
    /// of the other type, the rate is illegal, or the task could not be made durable.
    pub async fn start_move(
        &self,
        source: &str,
        destination: Option<String>,
        per_second: Option<u32>,
    ) -> Result<Uuid, QueueError> {
        let queue = self.get(source)?;
        self.inner.moves.start(&self.inner, queue, destination, per_second).await
    }

    /// The newest tasks that move messages out of a queue, newest first.
    ///
    /// # Errors
    /// There is no such queue.
    pub fn moves(&self, source: &str) -> Result<Vec<MoveTask>, QueueError> {
        Ok(self.inner.moves.of(self.get(source)?.id))
    }

    /// Ends a task that runs. What it has moved, which is how many messages it gives, stays moved.
    ///
    /// # Errors
    /// There is no such task, or it does not run.
    pub fn cancel_move(&self, task: Uuid) -> Result<u64, QueueError> {
        self.inner.moves.cancel(task)
    }

    /// Takes over another set of declared queues while running. Nothing changes if any of them is refused.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn declare(&self, declared: BTreeMap<String, Attributes>) -> Result<(), QueueError> {
        let inner = Arc::clone(&self.inner);
        on_disk_thread(move || inner.declare(declared)).await
    }

    /// Makes a queue that outlives restarts. `shape` turns the default attributes into those wanted; a queue of this
    /// name that `shape` would not change is returned as it is, so only what the caller names has to agree.
    ///
    /// # Errors
    /// The name or an attribute is illegal, the name is taken with other attributes, there are too many queues, or the
    /// state store fails.
    pub async fn create(
        &self,
        name: &str,
        shape: impl FnOnce(&mut Attributes) + Send + 'static,
        tags: BTreeMap<String, String>,
    ) -> Result<Arc<Queue>, QueueError> {
        let (inner, name) = (Arc::clone(&self.inner), name.to_owned());
        on_disk_thread(move || inner.create(&name, shape, tags)).await
    }

    /// Deletes a queue and forgets its messages.
    ///
    /// # Errors
    /// There is none, the settings declare it, or the state store fails.
    pub async fn delete(&self, name: &str) -> Result<(), QueueError> {
        let queue = self.get(name)?;
        if self.inner.is_declared(&queue) {
            return Err(QueueError::Declared { name: name.to_owned() });
        }
        let inner = Arc::clone(&self.inner);
        on_disk_thread(move || inner.delete(&queue)).await
    }

    /// Sets the attributes of a queue. For a declared queue this holds until the next start.
    ///
    /// # Errors
    /// There is no such queue, an attribute is illegal, or the state store fails.
    pub async fn set_attributes(&self, name: &str, attributes: Attributes) -> Result<(), QueueError> {
        attributes.check()?;
        let (inner, queue) = (Arc::clone(&self.inner), self.get(name)?);
        if inner.is_declared(&queue) {
            tracing::warn!(
                queue = name,
                "attributes of a declared queue were set through the API; the settings win at the next start"
            );
        }
        on_disk_thread(move || inner.set_attributes(&queue, attributes)).await
    }

    /// Drops all messages that are in the queue now.
    ///
    /// # Errors
    /// There is no such queue, or the state store fails.
    pub async fn purge(&self, name: &str) -> Result<(), QueueError> {
        let (inner, queue) = (Arc::clone(&self.inner), self.get(name)?);
        let end = inner.empty(&queue);
        // What was taken stays taken, and is not heard of again after a crash.
        queue.write_verdicts().await?;
        on_disk_thread(move || {
            inner.change(&queue, |definition| definition.floor = definition.floor.max(end.0))
        })
        .await
    }

    /// The tags of a queue.
    ///
    /// # Errors
    /// There is no such queue.
    pub fn tags(&self, name: &str) -> Result<BTreeMap<String, String>, QueueError> {
        self.get(name)?;
        Ok(self.inner.queues.read().get(name).map(|kept| kept.definition.tags.clone()).unwrap_or_default())
    }

    /// Changes the tags of a queue.
    ///
    /// # Errors
    /// There is no such queue, or the state store fails.
    pub async fn change_tags(
        &self,
        name: &str,
        change: impl FnOnce(&mut BTreeMap<String, String>) + Send + 'static,
    ) -> Result<(), QueueError> {
        let (inner, queue) = (Arc::clone(&self.inner), self.get(name)?);
        on_disk_thread(move || inner.change(&queue, |definition| change(&mut definition.tags))).await
    }

    /// Answers every receive that waits, and lets none wait from now on. The first step of a shutdown, so that the API
    /// need not wait for long polls.
    pub fn end_waits(&self) {
        self.inner.waits.cancel();
    }

    /// The last step of a shutdown, after the API has stopped: ends the tasks, for which it waits a bounded time, then
    /// writes what waits. Messages that were being received are received again later.
    pub async fn close(&self) {
        self.inner.stop.cancel();
        ending::wait_for(&self.inner.tasks, "queues").await;
        let writer = Arc::clone(&self.inner.writer);
        on_disk_thread(move || writer.close()).await;
    }
}

impl Inner {
    fn open_all(self: &Arc<Self>, declared: BTreeMap<String, Attributes>) -> Result<(), QueueError> {
        for (name, definition) in self.definitions.all()? {
            self.start(&name, definition)?;
        }
        self.declare(declared)
    }

    /// Makes the declared queues what the settings say, after checking all of them.
    fn declare(self: &Arc<Self>, declared: BTreeMap<String, Attributes>) -> Result<(), QueueError> {
        let _alone = self.changes.lock();
        for (name, attributes) in &declared {
            names::check(name, attributes)?;
            attributes.check()?;
            self.check_redrive(name, attributes.redrive.as_ref(), |other| {
                declared.get(other).map(|attributes| attributes.redrive_allow.clone())
            })?;
        }
        // A queue that is declared no more keeps its messages; the API may delete it from now on.
        let undeclared: Vec<_> =
            self.list("").into_iter().filter(|queue| !declared.contains_key(queue.name())).collect();
        for queue in undeclared {
            let attributes = (*queue.attributes()).clone();
            self.redeclare(&queue, attributes, false)?;
        }
        for (name, attributes) in declared {
            let existing = self.queues.read().get(&name).map(|kept| Arc::clone(&kept.queue));
            match existing {
                Some(queue) => self.redeclare(&queue, attributes, true)?,
                None => {
                    let definition = self.define(true, attributes)?;
                    self.definitions.put(&name, &definition)?;
                    self.start(&name, definition)?;
                }
            }
        }
        Ok(())
    }

    fn redeclare(&self, queue: &Queue, attributes: Attributes, declared: bool) -> Result<(), QueueError> {
        let mut definition = self.definition(queue)?;
        if definition.declared == declared && definition.attributes == attributes {
            return Ok(());
        }
        definition.declared = declared;
        definition.attributes = attributes.clone();
        self.definitions.put(queue.name(), &definition)?;
        self.remember(queue, definition);
        *queue.attributes.write() = Arc::new(attributes);
        queue.keeper.notify_one();
        Ok(())
    }

    fn list(&self, prefix: &str) -> Vec<Arc<Queue>> {
        let queues = self.queues.read();
        let found = queues.iter().filter(|(name, _)| name.starts_with(prefix));
        found.map(|(_, kept)| Arc::clone(&kept.queue)).collect()
    }

    /// The queue of a name.
    pub(super) fn queue(&self, name: &str) -> Option<Arc<Queue>> {
        self.queues.read().get(name).map(|kept| Arc::clone(&kept.queue))
    }

    /// The queues whose redrive policy names `dead_letter_queue`.
    pub(super) fn sources_of(&self, dead_letter_queue: &str) -> Vec<Arc<Queue>> {
        let is_source = |queue: &Arc<Queue>| {
            let attributes = queue.attributes();
            attributes.redrive.as_ref().is_some_and(|redrive| redrive.dead_letter_queue == dead_letter_queue)
        };
        self.list("").into_iter().filter(is_source).collect()
    }

    /// Runs a task that a shutdown waits for, and that ends when [`stop_of_all`](Self::stop_of_all) says so.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(task, &self.runtime);
    }

    /// Ends everything.
    pub(super) fn stop_of_all(&self) -> CancellationToken {
        self.stop.child_token()
    }

    /// Everything that is durable now is before this.
    pub(super) fn end_of_journal(&self) -> Offset {
        *self.journal.durable().borrow()
    }

    fn is_declared(&self, queue: &Queue) -> bool {
        self.queues.read().get(queue.name()).is_some_and(|kept| kept.definition.declared)
    }

    fn define(&self, declared: bool, attributes: Attributes) -> Result<Definition, QueueError> {
        let floor = *self.journal.durable().borrow();
        Ok(Definition::new(self.definitions.next_id()?, self.clock.now_ms(), declared, attributes, floor))
    }

    fn start(self: &Arc<Self>, name: &str, definition: Definition) -> Result<Arc<Queue>, QueueError> {
        let target = TargetName::new(KIND, name).map_err(|_| QueueError::Name { name: name.to_owned() })?;
        let ground = Ground {
            intake: self.intake.clone(),
            reading: Reading::new(self.journal.clone(), target.clone()),
            writer: Arc::clone(&self.writer),
            messages: self.messages.clone(),
            seen: self.seen.clone(),
            clock: self.clock.clone(),
        };
        let queue = Arc::new(Queue::new(
            definition.id,
            target.clone(),
            definition.created_at_ms,
            definition.attributes.clone(),
            ground,
            Handles::new(&self.secret, definition.id),
            self.limits,
            self.waits.child_token(),
        )?);
        let stop = self.stop.child_token();
        let floor = Offset(definition.floor);
        let kept = Kept { queue: Arc::clone(&queue), definition, stop: stop.clone() };
        self.queues.write().insert(name.to_owned(), kept);
        let limits = LaneLimits { waiting_events_max: self.limits.messages_max, ..LaneLimits::unlimited() };
        let lane = self.intake.attach(target, Arc::clone(&queue) as _, floor, limits)?;
        // The queue was made above, so nobody else has set it.
        let _ = queue.lane.set(lane);
        queue.report_waiting(queue.counts().waiting());
        let neighbours = Neighbours { inner: Arc::downgrade(self) };
        self.tasks.spawn(keeper::run(Arc::clone(&queue), Arc::new(neighbours), stop));
        Ok(queue)
    }

    fn create(
        self: &Arc<Self>,
        name: &str,
        shape: impl FnOnce(&mut Attributes),
        tags: BTreeMap<String, String>,
    ) -> Result<Arc<Queue>, QueueError> {
        let _alone = self.changes.lock();
        let existing = self.queues.read().get(name).map(|kept| Arc::clone(&kept.queue));
        let mut attributes = existing.as_ref().map(|queue| (*queue.attributes()).clone()).unwrap_or_default();
        shape(&mut attributes);
        names::check(name, &attributes)?;
        attributes.check()?;
        if let Some(queue) = existing {
            return match difference(&queue.attributes(), &attributes) {
                Some(attribute) => Err(QueueError::Exists { name: name.to_owned(), attribute }),
                None => Ok(queue),
            };
        }
        if self.queues.read().len() >= self.queues_max {
            return Err(QueueError::TooMany { queues_max: self.queues_max });
        }
        self.check_redrive(name, attributes.redrive.as_ref(), |_| None)?;
        let mut definition = self.define(false, attributes)?;
        definition.tags = tags;
        self.definitions.put(name, &definition)?;
        self.start(name, definition)
    }

    fn delete(&self, queue: &Queue) -> Result<(), QueueError> {
        let _alone = self.changes.lock();
        let Some(kept) = self.queues.write().remove(queue.name()) else { return Ok(()) };
        kept.stop.cancel();
        kept.queue.waits.cancel();
        self.intake.detach(&queue.target)?;
        self.moves.forget(queue.id)?;
        self.definitions.remove(queue.name(), queue.id, &[&self.messages, &self.seen])
    }

    fn set_attributes(&self, queue: &Queue, attributes: Attributes) -> Result<(), QueueError> {
        names::check(queue.name(), &attributes)?;
        self.check_redrive(queue.name(), attributes.redrive.as_ref(), |_| None)?;
        self.change(queue, |definition| definition.attributes = attributes.clone())?;
        *queue.attributes.write() = Arc::new(attributes);
        queue.keeper.notify_one();
        Ok(())
    }

    /// Drops what is in a queue up to the end of the journal, which it gives.
    fn empty(&self, queue: &Queue) -> Offset {
        let mut contents = queue.contents.lock();
        // Read under the lock, so that nothing past it has been heard of.
        let end = *self.journal.durable().borrow();
        contents.purge(end);
        end
    }

    /// Changes what is kept of a queue; on disk when this returns.
    fn change(&self, queue: &Queue, change: impl FnOnce(&mut Definition)) -> Result<(), QueueError> {
        let _alone = self.changes.lock();
        let mut definition = self.definition(queue)?;
        change(&mut definition);
        self.definitions.put(queue.name(), &definition)?;
        self.remember(queue, definition);
        Ok(())
    }

    fn definition(&self, queue: &Queue) -> Result<Definition, QueueError> {
        let queues = self.queues.read();
        let kept = queues.get(queue.name()).filter(|kept| kept.queue.id == queue.id);
        kept.map(|kept| kept.definition.clone())
            .ok_or_else(|| QueueError::Unknown { name: queue.name().to_owned(), nearest: None })
    }

    fn remember(&self, queue: &Queue, definition: Definition) {
        if let Some(kept) = self.queues.write().get_mut(queue.name()) {
            kept.definition = definition;
        }
    }

    /// Checks that a redrive policy names a queue of the same type that is there or `will_be`, and lets it.
    fn check_redrive(
        &self,
        queue: &str,
        redrive: Option<&Redrive>,
        will_be: impl Fn(&str) -> Option<RedriveAllow>,
    ) -> Result<(), QueueError> {
        let Some(redrive) = redrive else { return Ok(()) };
        let name = &redrive.dead_letter_queue;
        let refuse =
            |why| Err(QueueError::DeadLetterQueue { name: name.clone(), queue: queue.to_owned(), why });
        if name == queue {
            return refuse("a queue can't be its own dead-letter queue");
        }
        if names::is_fifo(name) != names::is_fifo(queue) {
            return refuse(
                "a FIFO queue needs a FIFO queue for its dead letters, a standard queue a standard one",
            );
        }
        let allow = will_be(name).or_else(|| {
            let queues = self.queues.read();
            queues.get(name).map(|kept| kept.queue.attributes().redrive_allow.clone())
        });
        match allow {
            Some(allow) if allow.allows(queue) => Ok(()),
            Some(_) => refuse("its redrive allow policy does not let this queue send its dead letters there"),
            None => refuse("there is no such queue; declare or create it first"),
        }
    }
}

/// What a keeper may ask of the directory.
struct Neighbours {
    inner: Weak<Inner>,
}

impl keeper::Neighbours for Neighbours {
    fn has_queue(&self, name: &str) -> bool {
        self.inner.upgrade().is_some_and(|inner| inner.queues.read().contains_key(name))
    }

    fn write_floor(&self, queue: &Queue, floor: Offset) -> Result<(), QueueError> {
        let Some(inner) = self.inner.upgrade() else { return Ok(()) };
        let _alone = inner.changes.lock();
        let Ok(mut definition) = inner.definition(queue) else { return Ok(()) };
        definition.floor = definition.floor.max(floor.0);
        let floor = definition.floor;
        inner.definitions.put_lazily(queue.name(), &definition)?;
        inner.remember(queue, definition);
        if let Some(lane) = queue.lane.get() {
            lane.raise_floor(Offset(floor));
        }
        Ok(())
    }
}

/// The first attribute that differs.
fn difference(one: &Attributes, other: &Attributes) -> Option<&'static str> {
    let differs = [
        ("DelaySeconds", one.delay_secs != other.delay_secs),
        ("MaximumMessageSize", one.message_bytes_max != other.message_bytes_max),
        ("MessageRetentionPeriod", one.retention_secs != other.retention_secs),
        ("ReceiveMessageWaitTimeSeconds", one.receive_wait_secs != other.receive_wait_secs),
        ("VisibilityTimeout", one.visibility_timeout_secs != other.visibility_timeout_secs),
        ("RedrivePolicy", one.redrive != other.redrive),
        ("RedriveAllowPolicy", one.redrive_allow != other.redrive_allow),
        ("FifoQueue", one.fifo != other.fifo),
        ("ContentBasedDeduplication", one.content_based_deduplication != other.content_based_deduplication),
        ("DeduplicationScope", one.deduplication_scope != other.deduplication_scope),
        ("FifoThroughputLimit", one.throughput_limit != other.throughput_limit),
    ];
    differs.into_iter().find(|(_, differs)| *differs).map(|(name, _)| name)
}
