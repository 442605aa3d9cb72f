//! Step 1: connections come out of the listener, handshake done and certificate verified, and each gets a task of its own.

use super::serve;
use crate::gateway::Gateway;
use listener::Listener;
use std::sync::Arc;

/// Accepts until the gateway shuts down.
pub(crate) async fn accept(gateway: Arc<Gateway>, mut listener: Listener) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = gateway.shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok(accepted) = accepted else { return };
        let serving = serve::serve(Arc::clone(&gateway), accepted);
        gateway.connection_tasks.spawn(serving);
    }
}
