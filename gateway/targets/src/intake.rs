//! What queues and streams ask of the bus: to be shown events, and to take what is sent through the API.

use std::sync::Arc;
use std::time::Duration;

use bus::{
    AppendError, Bus, CommitError, DeclareError, Floor, LaneLimits, Offset, Producer, Record, Removal,
    TargetName, View, ViewHandle,
};
use futures::FutureExt;
use tokio::runtime::Handle;
use tokio::time::Instant;

/// How long the records of one call wait for room, all together. A little more than the bus lets one of them wait by
/// default, so that the refusal is the bus's, which says what is full.
const BATCH_WAIT_MAX: Duration = Duration::from_secs(11);

/// Why something sent was not accepted. Nothing is known to be on disk.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// It was not taken.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// Neither its target nor the journal had room for it in the time that all records of the call have together.
    #[error(
        "target `{target}`, or the journal, has no room now; try again later, or raise the target's limits"
    )]
    NoRoom {
        /// Where it should have gone.
        target: String,
    },
    /// It was not tried, because one that has to stand before it was not taken.
    #[error("a message before it was not taken, and order is kept; try again later")]
    NotTried,
    /// It was taken but is not known to be durable.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl IntakeError {
    /// True when the same may be accepted later.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Append(AppendError::Full { .. })
            | Self::NoRoom { .. }
            | Self::NotTried
            | Self::Commit(_) => true,
            Self::Append(AppendError::Journal(error)) => {
                !matches!(error, journal::AppendError::TooLarge { .. })
            }
            Self::Append(_) => false,
        }
    }
}

/// See the module.
#[derive(Clone)]
pub(crate) struct Intake {
    bus: Bus,
    runtime: Handle,
}

impl Intake {
    /// Must be called inside a Tokio runtime.
    pub(crate) fn new(bus: Bus) -> Self {
        Self { bus, runtime: Handle::current() }
    }

    /// Shows `view` every event for `target` from `from` on: those that are there before this returns. Blocks, so it
    /// is called on a thread that may.
    pub(crate) fn attach(
        &self,
        target: TargetName,
        view: Arc<dyn View>,
        from: Offset,
        limits: LaneLimits,
    ) -> Result<ViewHandle, DeclareError> {
        self.runtime.block_on(self.bus.set_view(target, view, Some(from), limits))
    }

    /// Keeps the journal from `from` on, until the floor is raised or dropped.
    pub(crate) fn keep(&self, target: &TargetName, from: Offset) -> Floor {
        self.bus.register_floor(target.as_str(), from)
    }

    /// Shows it no more, and keeps nothing of the journal for it. Blocks.
    pub(crate) fn detach(&self, target: &TargetName) -> Result<(), DeclareError> {
        self.runtime.block_on(self.bus.remove_target(target, Removal::Drop))
    }

    /// Every attached view has been shown everything before this offset.
    pub(crate) fn shown(&self) -> Offset {
        *self.bus.frontier().borrow()
    }

    /// Writes the records and returns when each is on disk or refused, in order. Waits for room, but once for all of
    /// them.
    pub(crate) async fn accept(&self, records: &[Record]) -> Vec<Result<Offset, IntakeError>> {
        self.accept_until(records, Some(Instant::now() + BATCH_WAIT_MAX), false).await
    }

    /// The same without waiting for room.
    pub(crate) async fn accept_at_once(&self, records: &[Record]) -> Vec<Result<Offset, IntakeError>> {
        self.accept_until(records, None, false).await
    }

    /// Keeps the order of the records: after one that is refused none is tried. `waits` says whether to wait for
    /// room.
    pub(crate) async fn accept_in_order(
        &self,
        records: &[Record],
        waits: bool,
    ) -> Vec<Result<Offset, IntakeError>> {
        let deadline = waits.then(|| Instant::now() + BATCH_WAIT_MAX);
        self.accept_until(records, deadline, true).await
    }

    /// Returns when every view has been shown the record at `offset`; false when that will not be.
    pub(crate) async fn is_shown(&self, offset: Offset) -> bool {
        self.bus.frontier().wait_for(|frontier| *frontier > offset).await.is_ok()
    }

    async fn accept_until(
        &self,
        records: &[Record],
        mut deadline: Option<Instant>,
        in_order: bool,
    ) -> Vec<Result<Offset, IntakeError>> {
        let mut producer = self.bus.producer();
        let mut outcomes = Vec::with_capacity(records.len());
        for record in records {
            if in_order && outcomes.last().is_some_and(Result::is_err) {
                outcomes.push(Err(IntakeError::NotTried));
                continue;
            }
            let outcome = append(&mut producer, record, deadline).await;
            if matches!(
                outcome,
                Err(IntakeError::Append(AppendError::Full { .. }) | IntakeError::NoRoom { .. })
            ) {
                // The time for waiting is used up; what still fits without waiting is welcome.
                deadline = None;
            }
            outcomes.push(outcome);
        }
        for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_ok()) {
            let (_, settled) = producer.next_outcome().await;
            if let Err(error) = settled {
                *outcome = Err(error.into());
            }
        }
        outcomes
    }
}

/// Waits for room until ` not at all. A record that found none in time is not in the journal.
async fn append(
    producer: &mut Producer,
    record: &Record,
    deadline: Option<Instant>,
) -> Result<Offset, IntakeError> {
    // Unconstrained, since otherwise the runtime's budget for one task could look like a lack of room.
    let append = tokio::task::unconstrained(producer.append(record));
    let appended = match deadline {
        Some(deadline) => tokio::time::timeout_at(deadline, append).await.ok(),
        None => append.now_or_never(),
    };
    let no_room = || {
        let mut routes = record.events.iter().flat_map(|event| &event.routes);
        let target = routes.next().map(|route| route.target.to_string()).unwrap_or_default();
        IntakeError::NoRoom { target }
    };
    Ok(appended.ok_or_else(no_room)??)
}
