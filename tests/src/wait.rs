//! Waiting for a condition, with a bound.

use std::time::{Duration, Instant};

/// How long anything may take that should be quick. Generous: the machine may be busy with other things.
pub const SOON: Duration = Duration::from_secs(20);

const PAUSE: Duration = Duration::from_millis(10);

/// Looks again and again until `look` gives something.
///
/// # Errors
/// When it does not within `bound`; `what` says what was waited for.
pub fn until<T>(what: &str, bound: Duration, mut look: impl FnMut() -> Option<T>) -> anyhow::Result<T> {
    let deadline = Instant::now() + bound;
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        anyhow::ensure!(Instant::now() < deadline, "waited {} s in vain for: {what}", bound.as_secs());
        std::thread::sleep(PAUSE);
    }
}

/// Looks until `look` is true.
///
/// # Errors
/// As [`until`].
pub fn for_true(what: &str, bound: Duration, mut look: impl FnMut() -> bool) -> anyhow::Result<()> {
    until(what, bound, || look().then_some(()))
}

/// Lets `span` pass: for a fault that has to strike at a moment of its own, or the pace of a load, never for something to have happened.
pub fn let_pass(span: Duration) {
    std::thread::sleep(span);
}
