//! The way in: records from one connection, and what became of them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use journal::CommitError;
use thiserror::Error;

use crate::admission::{Gauge, Load, Reservations, reserve_all, try_reserve_all};
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
        self.append_within(record, self.bus.settings.admission_wait_max).await
    }

    /// The same with a limit of its own for the wait for room in the lanes. The journal's queue is waited for as long as it takes.
    ///
    /// Cancel safe, as [`append`](Self::append).
    ///
    /// # Errors
    /// The record is refused; see [`AppendError`].
    pub async fn append_within(
        &mut self,
        record: &Record,
        wait_max: Duration,
    ) -> Result<Offset, AppendError> {
        match self.try_append(self.prepare(record)?) {
            Ok(offset) => Ok(offset),
            Err(NotNow::NoRoom(prepared)) => {
                let room = prepared.room_within(wait_max).await?;
                self.append_into(room)
            }
            Err(NotNow::Refused(refused)) => Err(refused),
        }
    }

    /// Makes a record ready to be appended.
    ///
    /// # Errors
    /// The record can't be appended at all.
    pub fn prepare(&self, record: &Record) -> Result<Prepared, AppendError> {
        let payload = record.encode()?;
        let demand = self.bus.demand(record)?;
        Ok(Prepared { bus: Arc::clone(&self.bus), payload, demand })
    }

    /// Hands a record to the journal if there is room for it now; else gives it back.
    ///
    /// # Errors
    /// There is no room now, or the record is refused.
    pub fn try_append(&mut self, prepared: Prepared) -> Result<Offset, NotNow> {
        let Some(reserved) = try_reserve_all(&prepared.demand.gauges) else {
            return Err(NotNow::NoRoom(prepared));
        };
        match self.journal.try_append(prepared.payload.clone()) {
            Ok(offset) => {
                self.bus.on_their_way.hold(offset, reserved);
                Ok(offset)
            }
            Err(journal::AppendError::QueueFull) => Err(NotNow::NoRoom(prepared)),
            Err(error) => Err(NotNow::Refused(error.into())),
        }
    }

    /// Hands a record to the journal for which there is room.
    ///
    /// # Errors
    /// The record is refused by the journal.
    pub fn append_into(&mut self, room: Room) -> Result<Offset, AppendError> {
        let Room { payload, reserved, journal } = room;
        let offset = self.journal.append_into(journal, payload)?;
        self.bus.on_their_way.hold(offset, reserved);
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

/// A record that is ready to be appended.
#[derive(Debug)]
pub struct Prepared {
    bus: Arc<Shared>,
    payload: Bytes,
    demand: Demand,
}

/// Why a record was not appended just now.
#[derive(Debug)]
pub enum NotNow {
    /// There is no room: wait for it with [`Prepared::room`].
    NoRoom(Prepared),
    /// It is refused.
    Refused(AppendError),
}

/// A record with its room in the lanes and in the journal's queue, given back when it is dropped.
#[derive(Debug)]
pub struct Room {
    payload: Bytes,
    reserved: Reservations,
    journal: journal::Room,
}

impl Prepared {
    /// Waits for room in the lanes the record concerns, at most [`BusSettings::admission_wait_max`](crate::BusSettings), and then in the
    /// journal's queue. Borrows nothing: whoever waits can go on with other things meanwhile.
    ///
    /// # Errors
    /// A lane stayed full, or the journal refuses the record.
    pub async fn room(self) -> Result<Room, AppendError> {
        let wait_max = self.bus.settings.admission_wait_max;
        self.room_within(wait_max).await
    }

    async fn room_within(self, wait_max: Duration) -> Result<Room, AppendError> {
        let Self { bus, payload, demand } = self;
        let reserved = bus.reserve(&demand, wait_max).await?;
        let journal = bus.journal.room(payload.len()).await?;
        Ok(Room { payload, reserved, journal })
    }
}

/// What a record needs of the lanes it concerns.
#[derive(Debug)]
pub(crate) struct Demand {
    gauges: Vec<(Arc<Gauge>, Load)>,
    targets: Vec<TargetName>,
}

impl Shared {
    /// What the events of a record need, lane by lane.
    fn demand(&self, record: &Record) -> Result<Demand, AppendError> {
        let mut demand = Demand { gauges: Vec::new(), targets: Vec::new() };
        for event in &record.events {
            for route in &event.routes {
                let load = Load { events: 1, bytes: event.data.len() as u64 };
                if let Some(at) = demand.targets.iter().position(|target| *target == route.target) {
                    let (_, sum) = &mut demand.gauges[at];
                    *sum = Load { events: sum.events + 1, bytes: sum.bytes + load.bytes };
                    continue;
                }
                let lane = self.lane(route.target.as_str()).filter(|lane| lane.accepts());
                let lane = lane.ok_or_else(|| self.unknown(&route.target, &event.rule))?;
                if record.republished > 0 && lane.gauge.takes_handed_on() {
                    continue;
                }
                demand.gauges.push((Arc::clone(&lane.gauge), load));
                demand.targets.push(route.target.clone());
            }
        }
        Ok(demand)
    }

    /// Reserves room in every lane of a demand.
    async fn reserve(&self, demand: &Demand, wait_max: Duration) -> Result<Reservations, AppendError> {
        reserve_all(&demand.gauges, wait_max).await.map_err(|full| {
            self.refused_appends.add(1);
            let gauge = &demand.gauges[full].0;
            let limits = gauge.limits();
            AppendError::Full {
                target: demand.targets[full].clone(),
                waiting_events: gauge.waiting().events,
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
        let reserved = self.reserve(&self.demand(record)?, wait_max).await?;
        let mut producer = self.journal.producer();
        let offset = producer.append(payload).await.map_err(AppendError::from)?;
        self.on_their_way.hold(offset, reserved);
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
