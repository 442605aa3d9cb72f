//! What queues and streams ask of the bus: to be shown events, and to take what is sent through the API.

use std::sync::Arc;

use bus::{
    AppendError, Bus, CommitError, DeclareError, LaneLimits, Offset, Producer, Record, Removal, TargetName,
    View, ViewHandle,
};
use tokio::runtime::Handle;

/// Why something sent was not accepted. Nothing is known to be on disk.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// It was not taken.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// It was taken but is not known to be durable.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl IntakeError {
    /// True when the same may be accepted later.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Append(AppendError::Full { .. }) | Self::Commit(_) => true,
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

    /// Shows it no more, and keeps nothing of the journal for it. Blocks.
    pub(crate) fn detach(&self, target: &TargetName) -> Result<(), DeclareError> {
        self.runtime.block_on(self.bus.remove_target(target, Removal::Drop))
    }

    /// Every attached view has been shown everything before this offset.
    pub(crate) fn shown(&self) -> Offset {
        *self.bus.frontier().borrow()
    }

    /// Writes the records and returns when each is on disk or refused, in order.
    pub(crate) async fn accept(&self, records: &[Record]) -> Vec<Result<Offset, IntakeError>> {
        let mut producer = self.bus.producer();
        let mut outcomes = Vec::with_capacity(records.len());
        for record in records {
            outcomes.push(append(&mut producer, record).await);
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

async fn append(producer: &mut Producer, record: &Record) -> Result<Offset, IntakeError> {
    Ok(producer.append(record).await?)
}
