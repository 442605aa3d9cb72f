//! What a function in WebAssembly has beside what every function has.

use std::path::PathBuf;

/// Fuel of one call unless the settings say otherwise: about a second of computing.
pub const FUEL_STANDARD: u64 = 1_000_000_000;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The file, binary (`.wasm`) or text (`.wat`): a plain module or a component.
    pub file: PathBuf,
    /// Units of fuel that one call may use; nearly every instruction takes one.
    pub fuel_max: u64,
}
