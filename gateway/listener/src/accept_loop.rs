//! Takes connections from the kernel, one task each, never more at once than handshakes are allowed.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;

use crate::listener::Shared;
use crate::slots::Slot;
use crate::{Accepted, Reason, Refused, handshake};

/// How long to wait when the process has no file descriptor left; closing connections frees some.
const PAUSE_WITHOUT_DESCRIPTORS: Duration = Duration::from_millis(100);

/// Runs until `stop`, or until nobody takes the connections any more.
pub(crate) async fn run(
    shared: Arc<Shared>,
    socket: TcpListener,
    accepted: mpsc::Sender<Accepted>,
    stop: CancellationToken,
) {
    loop {
        let next = tokio::select! {
            () = stop.cancelled() => return,
            next = next(&shared, &socket) => next,
        };
        let Some((permit, connection, peer)) = next else { return };
        match shared.slots.take(peer.ip()) {
            Ok(slot) => {
                let greeted = greet(Arc::clone(&shared), connection, peer, slot, accepted.clone(), permit);
                let stop = stop.clone();
                tokio::spawn(async move {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = greeted => {}
                    }
                });
            }
            Err(reason) => shared.refuse(peer, &too_many(reason, &shared)),
        }
    }
}

/// A free place first, then a connection: without a place the connection stays in the kernel's queue.
async fn next(
    shared: &Shared,
    socket: &TcpListener,
) -> Option<(OwnedSemaphorePermit, TcpStream, SocketAddr)> {
    let permit = Arc::clone(&shared.handshakes).acquire_owned().await.ok()?;
    loop {
        match socket.accept().await {
            Ok((connection, peer)) => return Some((permit, connection, peer)),
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

async fn greet(
    shared: Arc<Shared>,
    connection: TcpStream,
    peer: SocketAddr,
    slot: Slot,
    accepted: mpsc::Sender<Accepted>,
    permit: OwnedSemaphorePermit,
) {
    let underway = shared.counters.handshake();
    match handshake::greet(&shared, connection, peer, slot).await {
        Ok(connection) => {
            // Fails only when the listener is gone, and then the connection goes with it.
            let _ = accepted.send(connection).await;
        }
        Err(refused) => shared.refuse(peer, &refused),
    }
    // Held until the connection is in the channel: what waits is bounded by the number of handshakes.
    drop((underway, permit));
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

fn too_many(reason: Reason, shared: &Shared) -> Refused {
    let limits = &shared.settings.limits;
    let explanation = match (reason, limits.connections_per_address_max) {
        (Reason::TooManyFromAddress, Some(max)) => {
            format!("{max} connections from this address are open, as many as allowed")
        }
        _ => format!("{} connections are open, as many as allowed", limits.connections_max),
    };
    Refused::new(reason, explanation)
}
