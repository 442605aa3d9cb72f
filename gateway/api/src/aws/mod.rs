//! What the AWS protocols have in common.

mod dispatch;
mod fault;
mod operation;
mod settings;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use targets::function::Functions;
use targets::queue::Queues;
use targets::stream::Streams;
use tokio::sync::Semaphore;

pub(crate) use dispatch::{Admitted, Places, admit, log};
pub(crate) use fault::Fault;
pub(crate) use operation::{Call, Nothing, Operation, operations};
pub use settings::AwsSettings;

use crate::signature::Verifier;

/// What every operation works with.
pub(crate) struct Aws {
    pub(crate) queues: Queues,
    pub(crate) streams: Streams,
    pub(crate) functions: Functions,
    pub(crate) settings: AwsSettings,
    pub(crate) long_polls: Semaphore,
    verifier: Verifier,
    /// One permit for each request that is worked on.
    requests: Semaphore,
    /// One permit for each KiB of bodies in memory.
    bodies_kib: Semaphore,
}

/// The router for `POST /` (and a queue's URL) in the SQS and Kinesis JSON protocols, and for the paths of the Lambda API.
///
/// `listener_is_loopback` says whether the address it is served on can be reached from this machine only; signatures
/// are left unchecked only there, and only if the settings say so.
pub fn aws_protocols(
    queues: Queues,
    streams: Streams,
    functions: Functions,
    settings: AwsSettings,
    listener_is_loopback: bool,
) -> Router {
    let verifier = Verifier::new(settings.access_keys.iter().cloned(), settings.regions_accepted.clone());
    let aws = Arc::new(Aws {
        queues,
        streams,
        functions,
        verifier,
        long_polls: Semaphore::new(settings.long_polls_max),
        requests: Semaphore::new(settings.requests_max),
        bodies_kib: Semaphore::new(settings.bodies_bytes_max / 1024),
        settings: AwsSettings {
            allow_unsigned_on_loopback: settings.allow_unsigned_on_loopback && listener_is_loopback,
            ..settings
        },
    });
    Router::new()
        .route("/", post(dispatch::serve))
        .route("/{account}/{queue}", post(dispatch::serve))
        .merge(crate::lambda::router())
        .with_state(aws)
}
