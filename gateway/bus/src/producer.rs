//! The way in: records from one connection, and what became of them.

use std::sync::Arc;
use std::time::Duration;

use journal::CommitError;
use thiserror::Error;

use crate::admission::{Load, Reservations, reserve_all};
use crate::bus::Shared;
use crate::record::{EncodeError, Record};
use crate::{Offset, TargetName};

/// Why a record was refused. It is in nobody's hands.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AppendError {
    /// A lane is over its limits and no room came in time. Try again later.
    #[error(
        "target `{target}` has {waiting_events} events waiting, its limits are {events_max} events and \
         {bytes_max} bytes; try again later, or raise the limits"
    )]
    Full {
        /// Which target.
        target: TargetName,
        /// Events that wait for it.
        waiting_events: u64,
        /// Its limit of events.
        events_max: u64,
        /// Its limit of bytes.
        bytes_max: u64,
    },
    /// A route names a target that is not declared.
    #[error("unknown target `{target}` in rule `{rule}`{hint}; declare it, or change the rule")]
    UnknownTarget {
        /// The name that is not known.
        target: TargetName,
        /// The rule whose event goes there.
        rule: String,
        /// `; did you mean …`, or nothing.
        hint: String,
    },
    /// The record can't be written in the journal's format.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The journal refused it.
    #[error(transparent)]
    Journal(#[from] journal::AppendError),
}

/// Appends records for one connection; outcomes come in the order of the appends.
#[derive(Debug)]
pub struct Producer {
    bus: Arc<Shared>,
    journal: journal::Producer,
}

impl Producer {
    pub(crate) fn new(bus: Arc<Shared>) -> Self {
        let journal = bus.journal.producer();
        Self { bus, journal }
    }

    /// Hands a record to the journal. Waits for room in the lanes it concerns, at most
    /// [`BusSettings::admission_wait_max`](crate::BusSettings), and in the journal's queue. Durable only
    /// when [`next_outcome`](Self::next_outcome) says so.
    ///
    /// Cancel safe: a record whose `append` did not return is not in the journal.
    ///
    /// # Errors
    /// The record is refused; see [`AppendError`].
    pub async fn append(&mut self, record: &Record) -> Result<Offset, AppendError> {
        let payload = record.encode()?;
        let reserved = self.bus.admit(record, self.bus.settings.admission_wait_max).await?;
        let offset = self.journal.append(payload).await?;
        self.bus.on_their_way.hold(offset, reserved, &self.bus.frontier);
        Ok(offset)
    }

    /// Waits for the outcome of the oldest append whose outcome was not taken yet; for ever when there is
    /// none. `Ok` means that the record is on disk and its events are owed.
    ///
    /// Cancel safe: an outcome is either returned or still there.
    pub async fn next_outcome(&mut self) -> (Offset, Result<(), CommitError>) {
        self.journal.next_outcome().await
    }

    /// The outcome of the oldest append whose outcome was not taken yet, if it is known.
    pub fn try_next_outcome(&mut self) -> Option<(Offset, Result<(), CommitError>)> {
        self.journal.try_next_outcome()
    }

    /// How many outcomes were not taken yet.
    #[must_use]
    pub fn unclaimed(&self) -> usize {
        self.journal.unclaimed()
    }
}

impl Shared {
    /// Reserves room in every lane that the record concerns.
    pub(crate) async fn admit(
        &self,
        record: &Record,
        wait_max: Duration,
    ) -> Result<Reservations, AppendError> {
        let mut lanes = Vec::new();
        let mut demands = Vec::new();
        for event in &record.events {
            for route in &event.routes {
                let load = Load { events: 1, bytes: event.data.len() as u64 };
                let known = lanes.iter().position(|(target, _)| *target == &route.target);
                if let Some(at) = known {
                    let (_, demand): &mut (_, Load) = &mut demands[at];
                    *demand = Load { events: demand.events + 1, bytes: demand.bytes + load.bytes };
                    continue;
                }
                let lane = self.lane(route.target.as_str()).filter(|lane| lane.accepts());
                let lane = lane.ok_or_else(|| self.unknown(&route.target, &event.rule))?;
                demands.push((Arc::clone(&lane.gauge), load));
                lanes.push((&route.target, lane));
            }
        }
        reserve_all(&demands, wait_max).await.map_err(|full| {
            self.refused_appends.add(1);
            let (target, lane) = &lanes[full];
            let limits = lane.gauge.limits();
            AppendError::Full {
                target: (*target).clone(),
                waiting_events: lane.gauge.waiting().events,
                events_max: limits.waiting_events_max,
                bytes_max: limits.waiting_bytes_max,
            }
        })
    }

    /// Appends without waiting for room, and waits until it is durable.
    pub(crate) async fn append_at_once(&self, record: &Record) -> Result<Offset, AppendAtOnceError> {
        self.append_within(record, Duration::ZERO).await
    }

    /// Appends and waits until it is durable.
    pub(crate) async fn append_within(
        &self,
        record: &Record,
        wait_max: Duration,
    ) -> Result<Offset, AppendAtOnceError> {
        let payload = record.encode().map_err(AppendError::from)?;
        let reserved = self.admit(record, wait_max).await?;
        let mut producer = self.journal.producer();
        let offset = producer.append(payload).await.map_err(AppendError::from)?;
        self.on_their_way.hold(offset, reserved, &self.frontier);
        let (_, outcome) = producer.next_outcome().await;
        Ok(outcome.map(|()| offset)?)
    }

    fn unknown(&self, target: &TargetName, rule: &str) -> AppendError {
        let lanes = self.all_lanes();
        let names = lanes.iter().filter(|lane| lane.accepts()).map(|lane| lane.name.as_str());
        let near = names.map(|name| (strsim::jaro_winkler(name, target.as_str()), name));
        let nearest =
            near.filter(|(likeness, _)| *likeness > 0.8).max_by(|left, right| left.0.total_cmp(&right.0));
        let hint = nearest.map(|(_, name)| format!("; did you mean `{name}`?")).unwrap_or_default();
        AppendError::UnknownTarget { target: target.clone(), rule: rule.to_owned(), hint }
    }
}

/// Why a record was not appended durably.
#[derive(Debug, Error)]
pub enum AppendAtOnceError {
    /// It was refused.
    #[error(transparent)]
    Refused(#[from] AppendError),
    /// It was taken but is not known to be durable.
    #[error(transparent)]
    Commit(#[from] CommitError),
}
