//! One server, one scenario, one round: start it, play, and say what it cost.

mod connections;
mod loss;
mod messages;

use crate::load::{Load, Stage, Summary};
use crate::machine::Cores;
use crate::peer::{Keeping, Peer, Programs, Server};
use crate::scenario::{Scenario, Work};
use crate::site::{Certificates, Place};
use crate::usage;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a server may take to become quiet before or after a load. Messages at QoS 0 wait in the system's buffers, megabytes for each
/// connection, and all of them have to be read before it is over.
const SETTLE: Duration = Duration::from_secs(20);
/// How long a server may take to answer the first CONNECT. Ours makes its journal ready; RabbitMQ starts plugins.
const ANSWER: Duration = Duration::from_secs(20);

/// What holds for the whole comparison.
#[derive(Debug)]
pub(crate) struct Setting<'a> {
    pub(crate) programs: &'a Programs,
    pub(crate) cores: &'a Cores,
    pub(crate) certificates: &'a Certificates,
    /// Where folders for servers are made.
    pub(crate) folder: &'a Path,
    pub(crate) secs: f64,
    pub(crate) fixed_per_second: f64,
    pub(crate) keep: bool,
}

/// What was found. Filled as it goes, so that what was measured before a failure is kept.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) metrics: BTreeMap<String, f64>,
    pub(crate) notes: Vec<String>,
}

impl Findings {
    fn set(&mut self, key: &str, value: f64) {
        debug_assert!(crate::metric::find(key).is_some(), "`{key}` is in the list of metrics");
        if value.is_finite() {
            self.metrics.insert(key.to_owned(), value);
        }
    }

    /// Keeps what went wrong with connections of a load that was played to its end.
    fn trouble(&mut self, what: &str, summary: &Summary) {
        if let Some(trouble) = summary.trouble() {
            self.notes.push(format!("{what}: {trouble}"));
        }
    }
}

/// A server that runs, and what loads against it need.
#[derive(Debug)]
struct Bout<'a> {
    setting: &'a Setting<'a>,
    scenario: &'a Scenario,
    place: &'a Place,
    server: Server,
}

impl Bout<'_> {
    fn stage(&self) -> Stage<'_> {
        Stage {
            programs: self.setting.programs,
            place: self.place,
            transport: self.scenario.role.transport,
            cores: &self.setting.cores.load,
        }
    }

    /// Waits until a CONNECT is answered, with what the load uses: a port that is open says little.
    fn greet(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + ANSWER;
        loop {
            self.server.check()?;
            if Load::Hello.play(self.stage())?.connects > 0 {
                return Ok(());
            }
            anyhow::ensure!(Instant::now() < deadline, "no CONNECT was answered in {} s", ANSWER.as_secs());
        }
    }

    /// Plays a load, and gives its summary and what it cost.
    fn play(&mut self, load: &Load) -> anyhow::Result<(Summary, Duration)> {
        let before = self.settle()?;
        let summary = load.play(self.stage())?;
        let after = self.settle()?;
        self.server.check()?;
        Ok((summary, after.saturating_sub(before)))
    }

    /// The processor time of the server, once it is quiet.
    fn settle(&self) -> anyhow::Result<Duration> {
        usage::settle(self.server.id(), SETTLE)
    }
}

/// Measures. What was found before a failure stays in `findings`.
///
/// # Errors
/// When the server or a load fails.
pub(crate) fn measure(
    setting: &Setting<'_>,
    peer: &dyn Peer,
    scenario: &Scenario,
    round: u32,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let name = format!("{round}-{}-{}", scenario.name, peer.name());
    let place = Place::new(setting.folder, &name, setting.certificates, setting.keep)?;
    let server = Server::start(peer, setting.programs, &place, scenario.role, &setting.cores.server)?;
    let mut bout = Bout { setting, scenario, place: &place, server };
    bout.greet()?;
    if scenario.role.keeping == Keeping::Sink && peer.sink_is_a_session() {
        bout.play(&Load::Subscribe)?;
    }
    let measured = match scenario.work {
        Work::FanIn(publish) => messages::fan_in(&mut bout, publish, findings),
        Work::FanOut { subscribers, every_ms } => {
            messages::fan_out(&mut bout, subscribers, every_ms, findings)
        }
        Work::Pairs { pairs } => messages::pairs(&mut bout, pairs, findings),
        Work::Storm { devices } => connections::storm(&mut bout, devices, findings),
        Work::Idle { devices } => connections::idle(&mut bout, devices, findings),
        Work::Kill { devices, per_second } => loss::kill(&mut bout, devices, per_second, findings),
    };
    // A server that ended is the reason for whatever else went wrong.
    let checked = bout.server.check();
    bout.server.stop();
    match (measured, checked) {
        (Err(error), Err(ended)) => Err(error.context(ended)),
        (measured, _) => measured,
    }
}
