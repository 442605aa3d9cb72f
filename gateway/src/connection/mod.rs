//! One connection: its bytes, and what carries them.

mod carrier;
mod traffic;
mod transport;

pub(crate) use carrier::{Arrived, Carrier};
pub(crate) use traffic::{Direction, Totals, Traffic};
pub(crate) use transport::{Event, Transport};
