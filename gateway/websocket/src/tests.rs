//! Bytes in, bytes out, named after the clause they prove.

mod frames;
mod handshakes;
mod streams;
