//! Names of queues.

use super::attributes::{AttributeError, Attributes};
use super::error::QueueError;

/// Longest name of a queue, the ending included.
const BYTES_MAX: usize = 80;

/// What the name of a FIFO queue ends in.
const FIFO_ENDING: &str = ".fifo";

/// True when a queue of this name is a FIFO queue.
pub(super) fn is_fifo(name: &str) -> bool {
    name.ends_with(FIFO_ENDING)
}

/// Checks that a queue with these attributes may have this name.
pub(super) fn check(name: &str, attributes: &Attributes) -> Result<(), QueueError> {
    let stem = name.strip_suffix(FIFO_ENDING);
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let is_legal = |stem: &str| !stem.is_empty() && name.len() <= BYTES_MAX && stem.bytes().all(legal);
    match (attributes.fifo, stem) {
        (true, Some(stem)) if is_legal(stem) => Ok(()),
        (true, _) => Err(QueueError::FifoName { name: name.to_owned() }),
        (false, Some(stem)) if is_legal(stem) => Err(AttributeError::FifoEnding.into()),
        (false, None) if is_legal(name) => Ok(()),
        (false, _) => Err(QueueError::Name { name: name.to_owned() }),
    }
}
