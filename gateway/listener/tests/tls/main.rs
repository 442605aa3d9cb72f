//! The listener against real TLS clients on the loopback interface.

#![allow(clippy::unwrap_used, reason = "this is a test from end to end")]

mod certificates;
mod limits;
mod logged;
mod plant;
mod reload;
mod resumption;
mod start;
