//! Step 1: connections come out of the listener, handshake done and certificate verified, and each gets a task of its own.

use super::{http, serve};
use crate::gateway::Gateway;
use crate::listeners::{Bound, Speaks};
use std::sync::Arc;

/// Accepts until the gateway shuts down.
pub(crate) async fn accept(gateway: Arc<Gateway>, bound: Bound) {
    let Bound { mut listener, speaks } = bound;
    let handle = listener.handle();
    loop {
        let accepted = tokio::select! {
            biased;
            () = gateway.shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok(accepted) = accepted else { return };
        let gateway = Arc::clone(&gateway);
        let tasks = gateway.connection_tasks.clone();
        match speaks.on(accepted.alpn.as_deref()) {
            Speaks::Mqtt => tasks.spawn(serve::serve(gateway, accepted.into())),
            Speaks::Http => tasks.spawn(http::serve(gateway, accepted, handle.clone())),
        };
    }
}
