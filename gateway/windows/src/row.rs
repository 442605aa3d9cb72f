//! A row on its way from the statement that made it to the windows: how it stands in an event.
//!
//! ```text
//! u8  version = 1
//! u64 statement, little endian: which statement made it
//! the row, as `rules` encodes it
//! ```

use bus::{Attribute, Delivery, Event, Offset, Position, Route, TargetName};
use bytes::{BufMut, Bytes, BytesMut};
use rules::definition::Definition;
use thiserror::Error;

use crate::lane_name;
use crate::statement::StatementId;

const VERSION: u8 = 1;
const HEAD_BYTES: usize = 1 + 8;

/// What is in an event for the windows.
const CONTENT_TYPE: &str = "application/vnd.iot-gateway.window-row";

/// The attribute that a row of a publish sent again bears: where the journal has the publish as it came first.
const FIRST_OFFSET: &str = "firstOffset";

/// The event that brings a row of `definition` to its windows.
#[must_use]
pub fn event(definition: &Definition, row: &[u8]) -> Event {
    let mut data = BytesMut::with_capacity(HEAD_BYTES + row.len());
    data.put_u8(VERSION);
    data.put_u64_le(StatementId::of(definition).0);
    data.put_slice(row);
    let mut event = Event::json(definition.name.as_str(), data.freeze());
    event.content_type = CONTENT_TYPE.to_owned();
    // The lane keeps the order of each rule, and a rule that has to wait holds up no other.
    let route = Route { partition_key: Some(definition.name.clone()), ..Route::to(lane_name().clone()) };
    event.routes.push(route);
    event
}

/// Says of every row among `events` that its publish was in the journal before, at `first`.
pub fn mark_repeat(events: &mut [Event], first: Offset) {
    for event in events.iter_mut().filter(|event| goes_to(event, lane_name())) {
        event.attributes.push(Attribute {
            name: FIRST_OFFSET.to_owned(),
            data_type: "Number".to_owned(),
            value: first.0.to_string().into_bytes().into(),
        });
    }
}

/// Whether `event` has a route to `target`.
pub(crate) fn goes_to(event: &Event, target: &TargetName) -> bool {
    event.routes.iter().any(|route| route.target == *target)
}

/// A row as it comes off the lane.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) rule: String,
    pub(crate) position: Position,
    pub(crate) statement: StatementId,
    pub(crate) bytes: Bytes,
    pub(crate) accepted_at_ms: u64,
    /// The publish was in the journal before, there, under this base of its event ids.
    pub(crate) repeats: Option<First>,
}

/// Where a publish stands that was sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct First {
    pub(crate) offset: Offset,
    /// The event's id, the same as that of the first.
    pub(crate) event_id: bus::EventId,
}

/// Why an event on the lane is no row.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum RowError {
    #[error(
        "a row of version {0}, this program reads version {VERSION}; start the program that wrote it, and redrive"
    )]
    Version(u8),
    #[error("a row of {0} bytes is too short to be one")]
    Short(usize),
}

impl Row {
    pub(crate) fn of(delivery: &Delivery) -> Result<Self, RowError> {
        let data = &delivery.data;
        match data.first() {
            Some(&VERSION) if data.len() >= HEAD_BYTES => {}
            Some(&VERSION) | None => return Err(RowError::Short(data.len())),
            Some(&version) => return Err(RowError::Version(version)),
        }
        let statement = data[1..HEAD_BYTES].try_into().map(u64::from_le_bytes);
        let statement = statement.map_err(|_| RowError::Short(data.len()))?;
        Ok(Self {
            rule: delivery.rule.clone(),
            position: delivery.position,
            statement: StatementId(statement),
            bytes: data.slice(HEAD_BYTES..),
            accepted_at_ms: delivery.accepted_at_ms,
            repeats: first_offset(delivery).map(|offset| First { offset, event_id: delivery.id.clone() }),
        })
    }
}

fn first_offset(delivery: &Delivery) -> Option<Offset> {
    let attribute = delivery.attributes.iter().find(|attribute| attribute.name == FIRST_OFFSET)?;
    std::str::from_utf8(&attribute.value).ok()?.parse().ok().map(Offset)
}
