//! Takes connections from the kernel and gives each a task of its own when there is a place for its handshake.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::listener::Shared;
use crate::slots::{Slot, network_of};
use crate::waiting_room::{Place, WaitingRoom};
use crate::{Accepted, Reason, Refused, handshake};

/// How long to wait when the process has no file descriptor left; closing connections frees some.
const PAUSE_WITHOUT_DESCRIPTORS: Duration = Duration::from_millis(100);

/// A connection that waits for a place.
struct Waiting {
    connection: TcpStream,
    peer: SocketAddr,
    slot: Slot,
}

/// Runs until `stop`, or until nobody takes the connections any more.
pub(crate) async fn run(
    shared: Arc<Shared>,
    socket: TcpListener,
    accepted: mpsc::Sender<Accepted>,
    stop: CancellationToken,
) {
    let limits = &shared.settings.limits;
    let is_shared = limits.waiting_max > 0;
    let mut room = WaitingRoom::new(limits.waiting_max.max(1));
    let mut pace = Pace::new(limits.connections_per_sec_max);
    loop {
        while let Some((waiting, place)) = room.next(|network| shared.places.take(network, is_shared)) {
            let greeted = greet(Arc::clone(&shared), waiting, place, accepted.clone());
            let stop = stop.clone();
            tokio::spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = greeted => {}
                }
            });
        }
        // Who can't wait here waits in the kernel's queue.
        let may_accept = is_shared || (room.is_empty() && shared.places.has_room());
        tokio::select! {
            () = stop.cancelled() => return,
            () = shared.places.freed() => {}
            (connection, peer) = next(&shared, &socket, &mut pace), if may_accept => {
                arrive(&shared, &mut room, connection, peer);
            }
        }
    }
}

/// Lets a connection wait for its place, or refuses one: it, or the one that has to go for it.
fn arrive(shared: &Shared, room: &mut WaitingRoom<Waiting>, connection: TcpStream, peer: SocketAddr) {
    match shared.slots.take(peer.ip()) {
        Ok(slot) => {
            let one_too_many = room.push(network_of(peer.ip()), Waiting { connection, peer, slot });
            if let Some(Waiting { peer, .. }) = one_too_many {
                shared.refuse(peer, &too_many(Reason::TooManyWaiting, shared));
            }
        }
        Err(reason) => shared.refuse(peer, &too_many(reason, shared)),
    }
}

/// The next connection, not before its time. Cancel safe.
async fn next(shared: &Shared, socket: &TcpListener, pace: &mut Pace) -> (TcpStream, SocketAddr) {
    loop {
        if let Some(until) = pace.wait_until(Instant::now()) {
            tokio::time::sleep_until(until).await;
        }
        match socket.accept().await {
            Ok((connection, peer)) => {
                pace.count(Instant::now());
                return (connection, peer);
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(
                    listener = shared.settings.name, %error,
                    "can't accept connections for now; if files are the reason, raise `ulimit -n` or `LimitNOFILE`"
                );
                tokio::time::sleep(PAUSE_WITHOUT_DESCRIPTORS).await;
            }
        }
    }
}

/// How many connections in a second, and as many at once.
struct Pace {
    interval: Option<Duration>,
    /// When all that were taken are paid for.
    paid_at: Instant,
}

impl Pace {
    fn new(per_sec_max: Option<u32>) -> Self {
        let interval = per_sec_max.map(|per_sec_max| Duration::from_secs(1) / per_sec_max.max(1));
        Self { interval, paid_at: Instant::now() }
    }

    fn wait_until(&self, now: Instant) -> Option<Instant> {
        let ahead = self.paid_at.saturating_duration_since(now);
        (self.interval.is_some() && ahead >= Duration::from_secs(1))
            .then(|| self.paid_at - Duration::from_secs(1))
    }

    fn count(&mut self, now: Instant) {
        if let Some(interval) = self.interval {
            self.paid_at = self.paid_at.max(now) + interval;
        }
    }
}

async fn greet(shared: Arc<Shared>, waiting: Waiting, place: Place, accepted: mpsc::Sender<Accepted>) {
    let Waiting { connection, peer, slot } = waiting;
    let underway = shared.counters.handshake();
    match handshake::greet(&shared, connection, peer, slot).await {
        Ok(connection) => {
            // Fails only when the listener is gone, and then the connection goes with it.
            let _ = accepted.send(connection).await;
        }
        Err(refused) => shared.refuse(peer, &refused),
    }
    // Held until the connection is in the channel: what waits is bounded by the number of handshakes.
    drop((underway, place));
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

fn too_many(reason: Reason, shared: &Shared) -> Refused {
    let limits = &shared.settings.limits;
    let explanation = match (reason, limits.connections_per_address_max) {
        (Reason::TooManyWaiting, _) => {
            format!("{} connections wait for their handshake, as many as allowed", limits.waiting_max)
        }
        (Reason::TooManyFromAddress, Some(max)) => {
            format!("{max} connections from this address are open, as many as allowed")
        }
        _ => format!("{} connections are open, as many as allowed", limits.connections_max),
    };
    Refused::new(reason, explanation)
}
