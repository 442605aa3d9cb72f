//! The codec from outside: vectors named after the clauses they prove, round trips, hostile bytes, and other codecs as a second opinion.

#![allow(
    clippy::unwrap_used,
    reason = "all of this is tests; the lint sees only what is inside a test function"
)]

mod copies;
mod describe;
mod differential;
mod generate;
mod hostile;
mod peers;
mod round_trip;
mod vectors;
