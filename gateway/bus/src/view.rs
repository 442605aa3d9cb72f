//! The trait of a target that reads the journal in place: an embedded queue or stream.
//!
//! For a view nothing is copied: an event is delivered, in the sense of the ledger, the moment it is
//! durable, because it is readable from that moment. What the view then still needs of the journal it
//! says through its [`Floor`](crate::Floor).

use crate::Delivery;

/// A target that is told of its events in journal order once they are durable.
pub trait View: Send + Sync + 'static {
    /// Takes note of the events of one record that are routed here, in the order of their ordinals.
    ///
    /// Called in journal order, each event once per opening of the bus, from the offset given at
    /// registration on. Must not block: it stands in the path of every other target's events. A view that
    /// needs to know only where an event is keeps its [`Position`](crate::Position) and size, and reads it
    /// again with [`Bus::read`](crate::Bus::read): the data are a slice of what was read from the journal,
    /// so keeping them keeps the whole record in memory.
    fn observe(&self, deliveries: &[Delivery]);
}
