//! One connection: its bytes, and what carries them.

mod carrier;
mod transport;

pub(crate) use carrier::{Arrived, Carrier};
pub(crate) use transport::{Event, Transport};
