//! What is to be played: fleets, stages, faults, hooks, the target to read back and the limits that decide.
//!
//! Everything here is checked: what a [`Scenario`] says can be played without asking again. It knows neither a clock
//! nor a connection, and no MQTT packet; only reading a scenario touches files, those that it names.

mod fault;
mod fleet;
mod hook;
mod message_template;
mod outline;
mod payload;
mod publication;
mod read;
mod read_back;
mod ready;
mod route;
mod server;
mod stage;
mod template;
mod threshold;
pub mod timing;
mod trace;

use std::sync::Arc;
use std::time::Duration;

pub use fault::{Fault, FaultKind};
pub use fleet::{Answer, ClientId, Fleet, Protocol, Subscription, Transport, Will};
pub use hook::Hook;
pub use message_template::MessageTemplate;
pub(crate) use message_template::{MessagePart, ProofPart};
pub use outline::outline;
pub use payload::{Body, Fake, Field, Format, Payload, Period, Point, Signal, Table};
pub use publication::{Publication, Qos, QosMix, Timing};
pub use read::{Problem, Problems, ReadFile, read_file};
pub use read_back::{ReadBack, ReadFrom, Signer};
pub use ready::{READY, Ready};
pub use route::Route;
pub use server::{Address, Certificates, Handshake, Network, Server, Sources};
pub use stage::{Stage, StageKind, Stages};
pub use template::{Identity, Placeholder, Template, UnknownPlaceholder};
pub use threshold::{Bound, MEASURES, Measure, Threshold, Thresholds};
pub use trace::{Trace, TraceRow};

/// A checked scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is called, in reports.
    pub name: String,
    /// Decides every random number.
    pub seed: u64,
    /// Ends the run after this long, even in the middle of a stage.
    pub ends_after: Option<Duration>,
    /// How long outstanding acknowledgements are waited for after the end.
    pub drain: Duration,
    /// Where the devices connect.
    pub server: Server,
    /// Who connects; at least one.
    pub fleets: Vec<Arc<Fleet>>,
    /// How fast they publish, over time.
    pub stages: Arc<Stages>,
    /// What goes wrong on purpose.
    pub faults: Vec<Fault>,
    /// Commands that are run meanwhile, in the order of their time.
    pub hooks: Vec<Hook>,
    /// Where what arrived is read back.
    pub read_back: Option<ReadBack>,
    /// What decides the exit status.
    pub thresholds: Thresholds,
}

impl Scenario {
    /// When the run ends by itself: at the end of the stages or when its time is over, whichever is first.
    pub fn end(&self) -> Option<Duration> {
        [self.ends_after, self.stages.end()].into_iter().flatten().min()
    }

    /// Devices of all fleets together.
    pub fn devices(&self) -> u32 {
        self.fleets.iter().map(|fleet| fleet.devices).sum()
    }
}
