//! Operations that are known and not done here.

use serde::Deserialize;

use super::faults::argument;
use crate::aws::{Call, Fault, Nothing};

#[derive(Deserialize)]
pub(super) struct Anything {}

/// The number of shards is part of a stream's declaration.
pub(super) async fn resharding(_call: Call, _request: Anything) -> Result<Nothing, Fault> {
    Err(argument(
        "shards are not split or merged here; set the number of shards where the stream is declared",
    ))
}

/// Every consumer reads with iterators.
pub(super) async fn consumers(_call: Call, _request: Anything) -> Result<Nothing, Fault> {
    Err(argument("enhanced fan-out is not done here; read with GetShardIterator and GetRecords"))
}

/// What is on disk is protected by whoever runs the disk.
pub(super) async fn encryption(_call: Call, _request: Anything) -> Result<Nothing, Fault> {
    Err(argument("streams are not encrypted here; encrypt the disk that the gateway writes to"))
}
