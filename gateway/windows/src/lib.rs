//! Windows over time, kept durably: rows in, each folded exactly once, and out what closed windows make.
//!
//! ```text
//! statement ─► row ─► journal ─► lane `window/rules` ─► fold ─► one transaction: groups, position, results
//!                                                                                                   │
//!                        targets ◄─ lanes ◄─ journal ◄─ emit (same id after a crash) ◄──────────────┘
//! ```
//!
//! A row is an event of the record that its message became, so it is durable before the message is acknowledged, and the
//! bus delivers it as it does any event. What windows *are* is `rules::window`; here is what makes them last.
//!
//! | Read | for |
//! | --- | --- |
//! | [`row`] | how a row stands in an event |
//! | `fold` | exactly once; the life of a statement |
//! | `tide` | time |
//! | `store` | what is on disk |
//! | `emit` | how results leave |
//!
//! What this crate must not know: MQTT, topics, any concrete target, how a rule's definition is read.

mod counts;
mod emit;
mod figures;
mod fold;
mod machine;
mod outlet;
pub mod row;
mod statement;
mod store;
mod surroundings;
mod target;
#[cfg(test)]
mod tests;
mod thread;
mod tide;
mod windows;

use std::sync::OnceLock;

use bus::TargetName;

pub use counts::Counts;
pub use figures::RuleFigures;
pub use machine::Open;
pub use store::RestoreError;
pub use surroundings::{Rules, WindowResult};
pub use windows::{Dropped, Windows};

/// The name of the lane. No definition can name it: `window` is no kind of target that an action may have.
pub const LANE: &str = "window/rules";

/// The same.
#[must_use]
pub fn lane_name() -> &'static TargetName {
    static NAME: OnceLock<TargetName> = OnceLock::new();
    NAME.get_or_init(|| TargetName::parse(LANE).expect("it has a kind and a name"))
}
