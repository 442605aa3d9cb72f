//! Arbitrary bytes as what clients, a slow disk, a clock and a kill -9 do to a broker, compared with a small model of it after each step:
//! see `gateway/broker/tests/model`.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../../gateway/broker/tests/model/mod.rs"]
mod model;
#[path = "../../../gateway/broker/tests/stage/mod.rs"]
mod stage;

fuzz_target!(|bytes: &[u8]| model::play(bytes));
