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
//! | [`dead_letters`], [`ledger`] | where what failed is kept, and the books |

pub mod event;
pub mod name;
pub mod record;
pub mod settings;
pub mod target;
pub mod view;

pub use event::{Delivery, EventId, Position};
pub use journal::Offset;
pub use name::TargetName;
pub use record::{Attribute, Event, Format, Message, Origin, Owed, Record, ResendKey, Route};
pub use settings::{
    BusSettings, DeadLetterLimits, DeadLetterOverflow, DeliverySettings, LaneLimits, Overflow, RetryPolicy,
};
pub use target::{Health, Outcome, Target};
pub use view::View;
