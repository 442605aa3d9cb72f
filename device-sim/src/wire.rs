//! MQTT as a device speaks it: the codec, which is a crate of its own, and what is wrong with it on purpose.

pub mod garbage;

pub use device_sim_wire::*;
