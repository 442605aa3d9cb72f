//! How much may be done for one event, so that none holds up the others, whatever it holds and however many patterns there are.

use crate::EventError;

/// The most steps that one event may take through a set: visits of nodes, values looked up, and what they lead to.
pub const STEPS_MAX: usize = 500_000;

/// So many bytes of a value are looked at in one step.
const BYTES_OF_A_STEP: usize = 256;

/// What is left of the steps.
#[derive(Debug)]
pub(super) struct Budget {
    steps: usize,
}

impl Budget {
    /// All that one event may take.
    pub(super) fn of_an_event() -> Self {
        Self { steps: STEPS_MAX }
    }

    /// Takes steps away; asked for before they are taken, where they may be many.
    ///
    /// # Errors
    /// That many are not left.
    pub(super) fn spend(&mut self, steps: usize) -> Result<(), EventError> {
        self.steps = self.steps.checked_sub(steps).ok_or(EventError::TooMuchWork)?;
        Ok(())
    }

    /// Takes away what it costs to look so many times at a value of so many bytes.
    ///
    /// # Errors
    /// That many steps are not left.
    pub(super) fn spend_on(&mut self, times: usize, bytes: usize) -> Result<(), EventError> {
        self.spend(times.saturating_mul(1 + bytes / BYTES_OF_A_STEP))
    }
}
