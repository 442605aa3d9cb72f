//! What is true about a run: the proof that every message carries, what was counted while it ran, how long it took,
//! and what that says about the server.
//!
//! Nothing here opens a socket or knows how a message travels; it is given bytes, moments and numbers.

pub mod proof;

mod latency;
mod ledger;
mod tally;
mod timeline;
mod usage;
mod verdict;

pub use latency::{Latency, Percentiles};
pub use ledger::{Balance, Entered, Ledger, Lost};
pub use proof::Proof;
pub use tally::{Counts, Reasons, Shard, Snapshot, Tally, Totals};
pub use timeline::{Heat, Mark, MarkKind, SAMPLES_MAX, Sample, Timeline};
pub use usage::Usage;
pub use verdict::{Facts, Verdict, judge};
