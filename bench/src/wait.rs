//! Waiting for a condition, with a bound.

use crate::interrupt;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(10);

/// Looks again and again until `look` gives something.
///
/// # Errors
/// When it does not within `bound`, when it fails, or when somebody asked for the end.
pub(crate) fn until<T>(
    what: &str,
    bound: Duration,
    mut look: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + bound;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        anyhow::ensure!(!interrupt::asked(), "interrupted");
        anyhow::ensure!(Instant::now() < deadline, "waited {} s in vain for {what}", bound.as_secs());
        std::thread::sleep(PAUSE);
    }
}

/// Lets `span` pass, for a load that has to last, never for something to have happened.
///
/// # Errors
/// When somebody asked for the end.
pub(crate) fn let_pass(span: Duration) -> anyhow::Result<()> {
    let deadline = Instant::now() + span;
    until("time to pass", span + Duration::from_secs(1), || Ok((Instant::now() >= deadline).then_some(())))
}
