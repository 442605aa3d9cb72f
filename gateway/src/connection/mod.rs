//! One connection: its bytes.

mod transport;

pub(crate) use transport::{Event, Transport};
