//! One connection: its bytes, and what carries them.

mod bell;
mod carrier;
mod traffic;
mod transport;

pub(crate) use bell::Bell;
pub(crate) use carrier::{Arrived, Carrier};
pub(crate) use traffic::{Direction, Totals, Traffic};
pub(crate) use transport::{Event, Transport};
