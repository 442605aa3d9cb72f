//! Offsets that nobody may be given again.
//!
//! Whoever follows the journal keeps a cursor, and a cursor stands where the journal's frontier was: beyond records that failed, and
//! beyond offsets that an opening passed over. The journal itself knows only the records that are there. So the place where
//! offsets begin is kept in the state store at each opening, before anybody can keep a cursor, and the next opening begins
//! far above it. A record whose offset is below a cursor would be acknowledged and never delivered.

use journal::state::StateStore;

use crate::Offset;
use crate::checkpoint::{CheckpointError, Checkpoints};

/// More offsets than one run of the gateway hands out; enough for four thousand million openings.
const OFFSETS_PER_RUN_MAX: u64 = 1 << 32;

/// The least offset that a journal may give to its next record, so that no cursor in `store` is past it: for
/// [`journal::Settings::next_offset_min`] of the journal that the bus will be opened over. It holds whatever became of the journal,
/// even if its files are gone.
///
/// # Errors
/// What was kept can't be read.
pub fn next_offset_min(store: &StateStore) -> Result<Offset, CheckpointError> {
    let checkpoints = Checkpoints::open(store)?;
    let Some(row) = checkpoints.observer()? else { return Ok(Offset(0)) };
    Ok(Offset(row.next.saturating_add(OFFSETS_PER_RUN_MAX)))
}
