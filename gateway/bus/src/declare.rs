//! Declaring, replacing and removing targets while the bus runs.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use journal::ReadError;
use journal::state::StateError;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::admission::Load;
use crate::bus::{Bus, Shared};
use crate::checkpoint::LaneRow;
use crate::floors::FloorCell;
use crate::joining::Told;
use crate::lane::task::LaneTask;
use crate::lane::{Command, Lane, Serving};
use crate::ledger::{Books, DropReason};
use crate::settings::{DeliverySettings, LaneLimits};
use crate::view::ViewHandle;
use crate::{Delivery, Health, Offset, Outcome, Target, TargetName, View, observer};

/// Commands a lane's task may have waiting.
const COMMANDS_MAX: usize = 16;

/// How long calls in flight may take to end when a target is removed.
const END_TIME_MAX: Duration = Duration::from_secs(60);

/// Why a target could not be declared or removed.
#[derive(Debug, Error)]
pub enum DeclareError {
    /// The declaration could not be kept.
    #[error(transparent)]
    State(#[from] StateError),
    /// The journal can't be read.
    #[error(transparent)]
    Journal(#[from] ReadError),
    /// The lane is served by the other kind of target.
    #[error("target `{0}` is in use as another kind of lane; remove it first")]
    OtherKind(TargetName),
    /// There is no such target.
    #[error("there is no target `{0}`")]
    Unknown(TargetName),
    /// The runtime is being shut down.
    #[error("the gateway is shutting down")]
    ShuttingDown,
}

/// What becomes of the events that wait for a target that is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// They wait, and more may come, until the target is declared again.
    Keep,
    /// They become dead letters, and appends that name the target are refused.
    DeadLetter,
    /// They are dropped and counted, and appends that name the target are refused.
    Drop,
}

impl Bus {
    /// Declares the target `name`, or replaces it: once this returns the old one is not called any more;
    /// calls in flight end, and then it is closed. Appends may name it once this returns. A new lane begins with what is appended from now
    /// on; a known one goes on where it was.
    ///
    /// # Errors
    /// The declaration could not be kept, or `name` is a view.
    pub async fn set_target(
        &self,
        name: TargetName,
        target: Arc<dyn Target>,
        settings: DeliverySettings,
    ) -> Result<(), DeclareError> {
        let _declaring = self.shared.declaring.lock().await;
        let lane = self.shared.lane_to_declare(&name);
        lane.gauge.set_takes_handed_on(settings.takes_handed_on);
        let running = match &*lane.serving.lock() {
            Serving::View(..) => return Err(DeclareError::OtherKind(name)),
            Serving::Push(commands) if lane.accepts() => Some(commands.clone()),
            Serving::Push(_) | Serving::Nobody => None,
        };
        if let Some(commands) = running {
            let (noted, was_noted) = oneshot::channel();
            let replace = Command::Replace { target, settings: Box::new(settings), noted };
            commands.send(replace).await.map_err(|_| DeclareError::ShuttingDown)?;
            return was_noted.await.map_err(|_| DeclareError::ShuttingDown);
        }
        // A lane whose target was removed may still be giving up what waits.
        lane.end(Instant::now() + END_TIME_MAX).await;
        lane.gauge.set_limits(settings.limits);
        self.shared.accept(&lane).await?;
        self.shared.serve(&lane, target, settings, None);
        Ok(())
    }

    /// Declares the view `name`. It is told of every event from `from` on: first, within this call, of
    /// those that are there, then of each as it becomes durable. A view that keeps its own place gives
    /// it; without one, a new view begins with what is appended from now on, a known one where its floor
    /// was.
    ///
    /// # Errors
    /// The declaration could not be kept, the journal can't be read, or `name` is a push target.
    pub async fn set_view(
        &self,
        name: TargetName,
        view: Arc<dyn View>,
        from: Option<Offset>,
        limits: LaneLimits,
    ) -> Result<ViewHandle, DeclareError> {
        let _declaring = self.shared.declaring.lock().await;
        let lane = self.shared.lane_to_declare(&name);
        if lane.accepts() && matches!(*lane.serving.lock(), Serving::Push(_)) {
            return Err(DeclareError::OtherKind(name));
        }
        // A lane whose target was removed may still be giving up what waits.
        lane.end(Instant::now() + END_TIME_MAX).await;
        self.shared.accept(&lane).await?;
        let from = from.unwrap_or_else(|| lane.row().map_or(Offset(0), |row| Offset(row.floor.0)));
        let from = from.max(self.shared.journal.oldest());
        lane.gauge.set_limits(limits);
        let floor = Arc::new(FloorCell::new(name.as_str(), from));
        let (bus, joining, cell) = (self.clone(), Arc::clone(&lane), Arc::clone(&floor));
        let catching_up = tokio::task::spawn_blocking(move || bus.join_view(&joining, &view, cell, from));
        catching_up.await.map_err(|_| DeclareError::ShuttingDown)??;
        Ok(ViewHandle::new(name, floor, Arc::clone(&lane.gauge)))
    }

    /// Tells the view what is there already, and joins it to those that are told as it comes.
    fn join_view(
        &self,
        lane: &Arc<Lane>,
        view: &Arc<dyn View>,
        floor: Arc<FloorCell>,
        from: Offset,
    ) -> Result<(), ReadError> {
        let mut reader = self.records(from);
        let mut told = Told::default();
        while let Some(entry) = reader.next_entry()? {
            told.tell(view, lane, &entry);
        }
        // What came while it read is little; the observer waits while that is told.
        let mut state = self.shared.observer.state.lock();
        while let Some(entry) = reader.next_entry()? {
            told.tell(view, lane, &entry);
        }
        *lane.serving.lock() = Serving::View(Arc::clone(view), floor);
        told.settle(&mut lane.books.lock());
        // From here on the view itself says what waits.
        lane.gauge.set(Load::default());
        observer::commit(&self.shared, &mut state);
        Ok(())
    }

    /// Removes the target `name`. Calls in flight end first.
    ///
    /// # Errors
    /// There is no such target, or the removal could not be kept.
    pub async fn remove_target(&self, name: &TargetName, removal: Removal) -> Result<(), DeclareError> {
        let _declaring = self.shared.declaring.lock().await;
        let lane = self.shared.lane(name.as_str()).ok_or_else(|| DeclareError::Unknown(name.clone()))?;
        if removal != Removal::Keep {
            lane.set_accepts(false);
        }
        let is_view = matches!(*lane.serving.lock(), Serving::View(..));
        if is_view {
            let mut state = self.shared.observer.state.lock();
            observer::commit(&self.shared, &mut state);
            *lane.serving.lock() = Serving::Nobody;
        }
        lane.end(Instant::now() + END_TIME_MAX).await;
        if removal == Removal::Keep {
            return Ok(());
        }
        self.shared.keep_row(&lane, |row| row.removed = true).await?;
        let discard = (removal == Removal::Drop).then_some(DropReason::TargetRemoved);
        self.shared.give_up_all(&lane, discard);
        Ok(())
    }

    /// Asks a push target whether it can be reached; unknown for views and lanes without a target.
    pub async fn health(&self, name: &TargetName) -> Health {
        let lane = self.shared.lane(name.as_str());
        let target = lane.and_then(|lane| lane.target.lock().clone());
        match target {
            Some(target) => target.health().await,
            None => Health::Unknown,
        }
    }

    /// Goes on with removals that a restart has interrupted. What waits becomes dead letters, whatever
    /// was asked for: nothing is lost by that.
    pub(crate) fn resume_removals(&self) {
        for lane in self.shared.all_lanes() {
            if !lane.accepts() && lane.books.lock().waiting() > 0 {
                self.shared.give_up_all(&lane, None);
            }
        }
    }
}

impl Shared {
    /// The lane of that name, or a new one that appends may not name yet.
    fn lane_to_declare(&self, name: &TargetName) -> Arc<Lane> {
        self.lane(name.as_str()).unwrap_or_else(|| {
            let lane = Lane::new(name.clone(), None, Books::default());
            lane.set_accepts(false);
            self.add_lane(lane)
        })
    }

    /// Lets appends name the lane. It has a durable row first: without one, a crash right after the first
    /// append would forget where the lane began.
    async fn accept(self: &Arc<Self>, lane: &Arc<Lane>) -> Result<(), DeclareError> {
        if lane.row().is_none_or(|row| row.removed) {
            self.keep_row(lane, |row| row.removed = false).await?;
        }
        lane.set_accepts(true);
        Ok(())
    }

    /// Changes the row of a lane that has no task, durably; a new row begins at what comes next.
    pub(crate) async fn keep_row(
        self: &Arc<Self>,
        lane: &Arc<Lane>,
        change: impl FnOnce(&mut LaneRow) + Send + 'static,
    ) -> Result<(), DeclareError> {
        let (bus, lane) = (Arc::clone(self), Arc::clone(lane));
        let writing = tokio::task::spawn_blocking(move || -> Result<(), StateError> {
            // The observer writes rows of lanes without a task, too.
            let state = bus.observer.state.lock();
            let mut row = lane.row().unwrap_or_else(|| LaneRow::starting_at(state.reader.position()));
            change(&mut row);
            row.aside = lane.aside.row_at(row.floor().offset);
            let mut batch = bus.checkpoints.batch();
            bus.checkpoints.put_lane(&mut batch, &lane.name, &row)?;
            batch.commit_durable()?;
            lane.committed(row);
            Ok(())
        });
        Ok(writing.await.map_err(|_| DeclareError::ShuttingDown)??)
    }

    /// Starts the task of a push lane where the lane was left.
    fn serve(
        self: &Arc<Self>,
        lane: &Arc<Lane>,
        target: Arc<dyn Target>,
        settings: DeliverySettings,
        discard: Option<DropReason>,
    ) {
        let (commands, received) = mpsc::channel(COMMANDS_MAX);
        // The observer waits, so that what waits and where to begin are of the same moment.
        let state = self.observer.state.lock();
        let mut row = lane.row().unwrap_or_default();
        if lane.books.lock().waiting() == 0 {
            row = LaneRow {
                settled: row.settled,
                removed: row.removed,
                ..LaneRow::starting_at(state.reader.position())
            };
        }
        lane.level_gauge();
        *lane.target.lock() = Some(Arc::clone(&target));
        *lane.serving.lock() = Serving::Push(commands);
        let task = LaneTask::new(Arc::clone(lane), Arc::clone(self), (target, settings), &row, received);
        self.tasks.spawn(task.discarding(discard).run());
    }

    /// Starts a task that gives up whatever waits and still comes.
    fn give_up_all(self: &Arc<Self>, lane: &Arc<Lane>, discard: Option<DropReason>) {
        let settings = DeliverySettings { batch_events_max: 100, ..DeliverySettings::default() };
        lane.gauge.set_limits(LaneLimits::unlimited());
        self.serve(lane, Arc::new(Removed), settings, discard);
    }
}

/// Stands in for a target that was removed.
struct Removed;

#[async_trait]
impl Target for Removed {
    async fn deliver(&self, batch: &[Delivery]) -> Vec<Outcome> {
        // EventBridge's code for a target that is gone.
        vec![Outcome::reject("NO_RESOURCE", "the target was removed"); batch.len()]
    }
}
