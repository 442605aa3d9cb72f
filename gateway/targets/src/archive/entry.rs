//! What stands in an archive's journal: the record that a replay appends to the gateway's, but for the replay and what it chooses.
//!
//! The record has the origin replayed with the event's id, and that one event with the routes it had, other archives aside. The format and
//! its versions are those of [`bus::record`](mod@bus::record).

use bus::{Delivery, Event, Origin, Record, Route, TargetName};
use journal::Journal;

/// Targets that a replay can't send to: what came of an event there is not to happen again by itself.
const OWN_KINDS: [&str; 3] = [super::KIND, "window", "republish"];

/// Whether a replay may send events there.
pub(super) fn may_be_replayed_to(target: &TargetName) -> bool {
    !OWN_KINDS.contains(&target.kind())
}

/// Makes entries of deliveries. Deliveries of one message come one after the other, so its record is read once.
pub(super) struct Entries<'j> {
    source: &'j Journal,
    last: Option<(bus::Offset, Option<Record>)>,
}

impl<'j> Entries<'j> {
    pub(super) fn new(source: &'j Journal) -> Self {
        Self { source, last: None }
    }

    /// The entry of one event. Blocks.
    pub(super) fn of(&mut self, delivery: &Delivery) -> Record {
        let origin = Origin::Replayed { event_id: delivery.id.to_string() };
        let mut entry = Record::new(origin, delivery.accepted_at_ms);
        entry.base = delivery.id.base().unwrap_or(entry.base);
        entry.client_id.clone_from(&delivery.client_id);
        entry.topic.clone_from(&delivery.topic);
        entry.traceparent.clone_from(&delivery.traceparent);
        entry.republished = delivery.republished;
        let mut event = Event {
            content_type: delivery.content_type.clone(),
            attributes: delivery.attributes.clone(),
            ..Event::json(delivery.rule.clone(), delivery.data.clone())
        };
        if let Some(message) = self.message(delivery.position.offset) {
            entry.principal.clone_from(&message.principal);
            event.routes = routes(message, delivery);
        }
        entry.add(event);
        entry
    }

    /// The record of the message, if it can still be read: an event that is archived late keeps no routes, and no event is lost for that.
    fn message(&mut self, offset: bus::Offset) -> Option<&Record> {
        if self.last.as_ref().is_none_or(|(last, _)| *last != offset) {
            let read = match self.source.read_at(offset) {
                Ok(read) => read,
                Err(error) => {
                    tracing::debug!(%offset, %error, "an event is archived without the way it took");
                    None
                }
            };
            let record = read.and_then(|entry| Record::decode_events(&entry.payload).ok());
            self.last = Some((offset, record));
        }
        self.last.as_ref().and_then(|(_, record)| record.as_ref())
    }
}

/// The ways that the event took, one for each target.
fn routes(message: &Record, delivery: &Delivery) -> Vec<Route> {
    let is_same = |event: &&Event| message.event_id(event) == delivery.id;
    let mut routes: Vec<Route> = Vec::new();
    for route in message.events.iter().filter(is_same).flat_map(|event| &event.routes) {
        let is_known = routes.iter().any(|known| known.target == route.target);
        if may_be_replayed_to(&route.target) && !is_known {
            routes.push(route.clone());
        }
    }
    routes
}

/// The record that sends an entry to `targets`: by the way that the event took there, or else a plain one.
pub(super) fn replayed(entry: Record, replay: bus::Replay, targets: &[TargetName]) -> Record {
    let mut record = Record { replay: Some(replay), ..entry };
    for event in &mut record.events {
        let taken = std::mem::take(&mut event.routes);
        let way = |target: &TargetName| {
            let known = taken.iter().find(|route| route.target == *target);
            known.cloned().unwrap_or_else(|| Route::to(target.clone()))
        };
        event.routes = targets.iter().map(way).collect();
    }
    record
}
