//! What the values of `$SYS` are taken from: one look at everything, so that they fit together.

use crate::connection::{Direction, Totals};
use crate::gateway::Gateway;
use crate::metrics::{Memory, memory};
use broker::DropReason;
use std::sync::atomic::Ordering::Relaxed;

/// The numbers of one moment.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    pub(super) broker: broker::Stats,
    pub(super) received: Totals,
    pub(super) sent: Totals,
    /// Bytes of payload received.
    pub(super) published_bytes: u64,
    /// Connections that came, those refused before or in their handshake included.
    pub(super) sockets: u64,
    /// Clients connected at once, at most.
    pub(super) clients_most: u64,
    /// Sessions that ended because their time was up.
    pub(super) sessions_expired: u64,
    /// Copies lost to a limit.
    pub(super) dropped: u64,
    pub(super) memory: Option<Memory>,
}

/// Connections of a listener about which it has been decided, one way or the other.
fn came(stats: &listener::Stats) -> u64 {
    stats.accepted + stats.refused.iter().sum::<u64>()
}

impl Numbers {
    pub(super) fn of(gateway: &Gateway) -> Self {
        let broker = gateway.broker.stats();
        let limits = DropReason::ALL.iter().filter(|reason| reason.is_limit());
        Self {
            received: gateway.traffic.totals(Direction::Received),
            sent: gateway.traffic.totals(Direction::Sent),
            published_bytes: gateway.counters.publish_bytes.load(Relaxed),
            sockets: gateway.listeners.read().iter().map(|listener| came(&listener.stats())).sum(),
            clients_most: gateway.connections.most(),
            sessions_expired: gateway.counters.sessions_expired.load(Relaxed),
            dropped: limits.map(|reason| broker.dropped(*reason)).sum(),
            memory: memory(),
            broker,
        }
    }

    /// Messages kept for somebody: retained ones, and copies that wait or are in flight.
    pub(super) fn stored_messages(&self) -> u64 {
        self.broker.retained_messages + self.broker.queued_messages
    }
}
