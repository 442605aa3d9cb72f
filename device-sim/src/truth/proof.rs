//! The proof in every message: who sent it, in which run, which one it is, when it was due, and a checksum.
//!
//! Sealing adds the proof to a payload, opening reads it from what arrived. Both are pure.
//!
//! A JSON or CBOR payload is a map and gets the members `deviceId`, `sequence`, `sentAtMs`, `dueMicros`, `run` and
//! `checksum`. The checksum is a text of three parts, `identity-names-values`, because what arrives has often passed
//! rules that pick and add members: a payload whose members are other ones can't be checked, but isn't damaged.
//! None of the parts depends on the order of the members or on how a number is written.
//!
//! A raw payload begins with a header of [`RAW_HEADER_BYTES`] bytes; see `raw.rs`.

mod cbor;
mod digest;
mod json;
mod open;
mod raw;

#[cfg(test)]
mod tests;

pub use cbor::seal_cbor;
pub use json::{checksum_json, seal_json};
pub use open::{Check, Delivery, DeviceKey, open};
pub use raw::{RAW_HEADER_BYTES, open_raw, seal_raw};

use xxhash_rust::xxh3::xxh3_64;

/// Characters of a checksum's text.
pub const CHECKSUM_CHARACTERS: usize = 26;

/// What proves a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The run, as [`run_number`] makes it of the run's name.
    pub run: u64,
    /// The device's index in the whole run, from 0.
    pub device: u32,
    /// From 1, for each device in each run.
    pub sequence: u64,
    /// When it should have been sent, in microseconds since 1970, whatever the device believes the time to be.
    pub due_micros: u64,
}

/// What a device's payloads say about it in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// Its client id.
    pub device_id: &'a str,
    /// The run's name.
    pub run: &'a str,
    /// How far the device's clock is ahead, in milliseconds. Only `sentAtMs` follows it.
    pub clock_ahead_ms: i64,
}

impl Origin<'_> {
    pub(crate) fn sent_at_ms(&self, proof: &Proof) -> u64 {
        (proof.due_micros / 1000).saturating_add_signed(self.clock_ahead_ms)
    }
}

/// Why a payload can't carry a proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsealable {
    /// Not a JSON object.
    #[error("the payload is not a JSON object, and only an object can carry a proof: {0}")]
    Json(String),
    /// Not a CBOR map.
    #[error("the payload is not a CBOR map, and only a map can carry a proof: {0}")]
    Cbor(String),
    /// No room for the header.
    #[error(
        "a raw payload of {bytes} bytes has no room for the proof; it needs {RAW_HEADER_BYTES} bytes or more"
    )]
    Raw {
        /// The payload's length.
        bytes: usize,
    },
    /// It uses a name of the proof's.
    #[error("the payload has a member `{0}` of its own, which the proof needs; call it something else")]
    Taken(&'static str),
}

/// The number that stands for a run's name.
pub fn run_number(name: &str) -> u64 {
    xxh3_64(name.as_bytes())
}
