//! The way into the bus for what is sent through the API.

use std::sync::Arc;

use bus::record::EncodeError;
use bus::{Offset, Record, TargetName, View};
use journal::{AppendError, CommitError, Journal, Producer};

/// Why something sent was not accepted. Nothing is known to be on disk.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// It does not fit the record format. Do not retry.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// It was not taken.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// It was taken but is not known to be durable.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// The bus did not take a view.
#[derive(Debug, thiserror::Error)]
#[error("the bus can't take `{target}` as a target: {why}")]
pub struct AttachError {
    /// The view's target name.
    pub target: TargetName,
    /// What the bus said.
    pub why: String,
}

/// What a view asks of the bus.
pub trait Lanes: Send + Sync + 'static {
    /// Shows `view` every event for `target` from `from` on, once it is durable.
    fn attach(&self, target: TargetName, view: Arc<dyn View>, from: Offset) -> Result<(), AttachError>;
    /// Shows it no more, and keeps nothing of the journal for it.
    fn detach(&self, target: &TargetName);
    /// The view has been shown everything before this offset.
    fn shown(&self, target: &TargetName) -> Offset;
    /// The view needs nothing before `before` any more.
    fn release(&self, target: &TargetName, before: Offset);
}

/// See the module.
#[derive(Clone)]
pub struct Intake {
    journal: Journal,
    lanes: Arc<dyn Lanes>,
}

impl Intake {
    /// Writes to `journal`, shows what comes in through `lanes`.
    pub fn new(journal: Journal, lanes: Arc<dyn Lanes>) -> Self {
        Self { journal, lanes }
    }

    pub(crate) fn attach(
        &self,
        target: TargetName,
        view: Arc<dyn View>,
        from: Offset,
    ) -> Result<(), AttachError> {
        self.lanes.attach(target, view, from)
    }

    pub(crate) fn detach(&self, target: &TargetName) {
        self.lanes.detach(target);
    }

    pub(crate) fn shown(&self, target: &TargetName) -> Offset {
        self.lanes.shown(target)
    }

    pub(crate) fn release(&self, target: &TargetName, before: Offset) {
        self.lanes.release(target, before);
    }

    /// Writes the records and returns when each is on disk or refused, in order.
    pub(crate) async fn accept(&self, records: &[Record]) -> Vec<Result<Offset, IntakeError>> {
        let mut producer = self.journal.producer();
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
    Ok(producer.append(record.encode()?).await?)
}
