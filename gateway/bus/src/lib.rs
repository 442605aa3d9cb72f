//! Events on their way from a durable write to their targets.
//!
//! One accepted message is one journal [`Record`]; from the moment it is durable, every event in it is
//! owed to its targets. A *lane* delivers the events of one target: a push lane calls a [`Target`], with
//! retries, order per key and dead letters; a [`View`] (queue, stream) reads the journal in place. The
//! ledger counts every event in and out, so that it can be shown that nothing was lost.
//!
//! What this crate must not know: MQTT sessions, rules and their SQL, any concrete kind of target, HTTP.
//!
//! | Read | for |
//! | --- | --- |
//! | [`record`] | the format of what is in the journal |
//! | [`event`] | ids, CloudEvents, what a target is handed |
//! | [`target`], [`view`] | the two traits a kind of target implements one of |
//! | [`lane`] | the delivery engine |
//! | `aside` | what a lane that lags owes, moved out of the journal |
//! | [`dead_letters`], [`ledger`] | where what failed is kept, and the books |

mod admission;
mod aside;
mod audit;
mod bus;
mod checkpoint;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod dead_letters;
mod declare;
mod error_action;
pub mod event;
mod floors;
mod joining;
pub mod lane;
pub mod ledger;
pub mod name;
mod observer;
mod offsets;
mod pins;
mod producer;
mod reader;
pub mod record;
mod redrive;
pub mod settings;
pub mod stats;
pub mod target;
mod trim;
pub mod view;

pub use aside::AsideSettings;
pub use audit::Disagreement;
pub use bus::{Bus, OpenError};
pub use checkpoint::CheckpointError;
pub use dead_letters::{
    DeadLetter, DeadLetterCounts, DeadLetterError, DeadLetterFilter, DeadLetterId, DeadLetterPage,
    LetterError,
};
pub use declare::{DeclareError, Removal};
pub use error_action::{ErrorDocument, FailedAction, action_name};
pub use event::{Delivery, EventId, Position, rfc3339};
pub use floors::Floor;
pub use journal::{CommitError, Offset, ReadError};
pub use ledger::{Counts, DropReason, LedgerRow};
pub use name::TargetName;
pub use offsets::next_offset_min;
pub use pins::Pin;
pub use producer::{AppendAtOnceError, AppendError, NotNow, Prepared, Producer, Room};
pub use reader::{FetchError, LaneReader, RecordReader};
pub use record::{
    Attribute, Event, Format, Message, Origin, Owed, Parameter, Record, Replay, ResendKey, Route, Source,
};
pub use redrive::{Redrive, RedriveError};
pub use settings::{
    BusSettings, DeadLetterLimits, DeadLetterOverflow, DeliverySettings, LaneLimits, Overflow, RetryPolicy,
};
pub use stats::{BusStats, LaneStats};
pub use target::{Health, Outcome, Target};
pub use view::{Declined, View, ViewHandle};

#[cfg(test)]
mod tests;
