//! What was declared: things, certificates, users, policies and rules.
//!
//! [`Registry`] keeps things, certificates, users and policies in the state store and a copy of them in memory, answers who a
//! certificate or a user is without touching the disk, and announces what changed, so that a live connection feels a change at
//! once. [`definitions`] watches the folder of rule definitions and swaps what changed.
//!
//! The words are those of the AWS IoT registry. Every write is on disk before the call returns; the calls that write
//! therefore block for an fsync and belong on a blocking thread.
//!
//! It must not know connections, packets or targets: it is asked and it announces.

mod authenticate;
mod changes;
pub mod definitions;
mod draft;
mod error;
mod limits;
mod name;
mod operation;
mod page;
mod record;
mod registry;
mod state;
mod store;
mod users;

pub use authenticate::{Refused, RegisterUnknown};
pub use changes::{Affected, Changes};
pub use error::RegistryError;
pub use limits::RegistryLimits;
pub use operation::Operation;
pub use page::Page;
pub use record::{
    CertificateRecord, CertificateStatus, PolicyRecord, ThingRecord, UserRecord, UserStatus, UserSummary,
};
pub use registry::{Registry, Settings};
pub use users::{Candidate, UserRefused};
