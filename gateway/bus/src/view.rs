//! The trait of a target that reads the journal in place: an embedded queue or stream.
//!
//! For a view nothing is copied: an event is delivered, in the sense of the ledger, the moment it is
//! durable, because it is readable from that moment. What the view then still needs of the journal it
//! says through its [`Floor`](crate::Floor).

use std::sync::Arc;

use crate::admission::{Gauge, Load};
use crate::floors::FloorCell;
use crate::{Delivery, DropReason, Offset, TargetName};

/// Which of the deliveries that a view was told of it does not show, counted from zero, and why. Empty as a rule.
pub type Declined = Vec<(usize, DropReason)>;

/// A target that is told of its events in journal order once they are durable.
pub trait View: Send + Sync + 'static {
    /// Takes note of the events of one record that are routed here, in the order of their ordinals.
    ///
    /// Called in journal order, each event once per opening of the bus, from the offset given at
    /// registration on. Must not block: it stands in the path of every other target's events. A view that
    /// needs to know only where an event is keeps its [`Position`](crate::Position) and size, and reads it
    /// again with [`Bus::read`](crate::Bus::read): the data are a slice of what was read from the journal,
    /// so keeping them keeps the whole record in memory.
    ///
    /// What it declines is booked as dropped for the reason it gives, the rest as delivered. Told of the same events
    /// again after a restart, it has to decline the same ones.
    fn observe(&self, deliveries: &[Delivery]) -> Declined;

    /// The journal is short of room, and the view's floor keeps some of it from being trimmed. A view that moves its floor only now and
    /// then, to save writes, looks now whether it can. Called again and again while that is so. Must not block.
    fn make_room(&self) {}
}

/// What a view tells the bus.
#[derive(Debug, Clone)]
pub struct ViewHandle {
    name: TargetName,
    floor: Arc<FloorCell>,
    gauge: Arc<Gauge>,
}

impl ViewHandle {
    pub(crate) fn new(name: TargetName, floor: Arc<FloorCell>, gauge: Arc<Gauge>) -> Self {
        Self { name, floor, gauge }
    }

    /// The view's name.
    #[must_use]
    pub fn name(&self) -> &TargetName {
        &self.name
    }

    /// The view needs nothing before `offset` any more, and has made that durable. After a restart it is
    /// told of events from here on, unless it asks for another place. A floor is never lowered.
    pub fn raise_floor(&self, offset: Offset) {
        self.floor.raise(offset);
    }

    /// Where the floor is.
    #[must_use]
    pub fn floor(&self) -> Offset {
        self.floor.get()
    }

    /// How much the view holds that its consumers have not taken yet. Beyond the limits given at
    /// registration new messages wait or are refused, as the policy says.
    pub fn set_waiting(&self, events: u64, bytes: u64) {
        self.gauge.set(Load { events, bytes });
    }
}
