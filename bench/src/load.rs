//! The load: `device-sim`, told by a scenario file what to play, and what it says in the end.

mod summary;
mod text;

pub(crate) use summary::Summary;
pub(crate) use text::files;

use crate::peer::{Programs, Transport};
use crate::process::{Running, Start};
use crate::scenario::{FanIn, Payload};
use crate::site::Place;
use anyhow::Context;
use std::time::Duration;

/// Devices of a fan-in. Few enough that their handshakes do not count, many enough that no single one is the limit.
pub(crate) const FAN_IN_DEVICES: u32 = 50;
/// What each of them may have unacknowledged.
const FAN_IN_INFLIGHT: u32 = 20;
/// Before devices publish at a rate, for their handshakes, in seconds.
pub(crate) const REST_SECS: f64 = 2.0;
/// What a load may take beyond its own time: to start, to connect, to drain.
const SPARE: Duration = Duration::from_secs(25);

/// How fast devices publish.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// As fast as they are acknowledged.
    Saturate,
    /// All together so many messages a second, at moments that know nothing of each other.
    PerSecond(f64),
}

/// One load.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Load {
    /// Devices publish.
    FanIn { publish: FanIn, pace: Pace, secs: f64 },
    /// One publishes to many, beginning after `wait_secs`, until `secs` have passed; all stay a little longer.
    FanOut { subscribers: u32, every_ms: u64, wait_secs: f64, secs: f64 },
    /// Each publishes to one, beginning after `wait_secs`.
    Pairs { pairs: u32, wait_secs: f64, secs: f64 },
    /// All connect; after `cut_secs` all connect again.
    Storm { devices: u32, cut_secs: f64, secs: f64 },
    /// All connect and stay.
    Idle { devices: u32, secs: f64 },
    /// A session subscribes and goes away.
    Subscribe,
    /// One connects and leaves.
    Hello,
}

/// Where a load plays.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage<'a> {
    pub(crate) programs: &'a Programs,
    pub(crate) place: &'a Place,
    pub(crate) transport: Transport,
    /// The processors of the load, as `taskset` takes them.
    pub(crate) cores: &'a str,
}

/// A load that plays.
#[derive(Debug)]
pub(crate) struct Playing {
    running: Running,
    bound: Duration,
}

impl Load {
    /// How long it lasts, in seconds.
    fn secs(&self) -> f64 {
        match self {
            Self::FanIn { secs, .. }
            | Self::FanOut { secs, .. }
            | Self::Pairs { secs, .. }
            | Self::Storm { secs, .. }
            | Self::Idle { secs, .. } => *secs,
            Self::Subscribe | Self::Hello => 1.0,
        }
    }

    /// Starts it.
    ///
    /// # Errors
    /// When the program can't be run.
    pub(crate) fn start(&self, stage: Stage<'_>) -> anyhow::Result<Playing> {
        let name = text::name(self);
        let file = format!("{name}.toml");
        stage.place.write(&file, &text::text(self, stage.place.port, stage.transport), &[])?;
        let arguments = ["play", &file, "--json"].map(str::to_owned).to_vec();
        let running = start(stage, format!("load-{name}"), arguments)?;
        Ok(Playing { running, bound: Duration::from_secs_f64(self.secs()) + SPARE })
    }

    /// Plays it to its end.
    ///
    /// # Errors
    /// When it can't be run, does not end, or says nothing that can be read.
    pub(crate) fn play(&self, stage: Stage<'_>) -> anyhow::Result<Summary> {
        self.start(stage)?.finish()
    }
}

impl Playing {
    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end in time, or says nothing that can be read.
    pub(crate) fn finish(mut self) -> anyhow::Result<Summary> {
        let (status, output) = self.running.finish(self.bound)?;
        // A loss or a broken threshold is a result, and the status says so; without a summary there is none.
        Summary::parse(&output).with_context(|| format!("{status}; {}", self.running.last_words()))
    }

    /// Asks it to end now.
    ///
    /// # Errors
    /// As [`Playing::finish`].
    pub(crate) fn end(self) -> anyhow::Result<Summary> {
        self.running.ask_to_end();
        self.finish()
    }
}

/// Devices publish at QoS 1 while the server may come and go; which of their messages were acknowledged is left in `acknowledged.jsonl`.
///
/// # Errors
/// When the program can't be run.
pub(crate) fn start_publishing(
    stage: Stage<'_>,
    devices: u32,
    per_second: f64,
    secs: u64,
) -> anyhow::Result<Playing> {
    const DRAIN_SECS: u64 = 4;
    let address = format!("127.0.0.1:{}", stage.place.port);
    let interval = format!("{:.0}", 1000.0 / per_second);
    let arguments = [
        ("run", ""),
        ("--plain", ""),
        ("--address", &address),
        ("--devices", &devices.to_string()),
        ("--interval-ms", &interval),
        ("--seconds", &secs.to_string()),
        ("--drain-secs", &DRAIN_SECS.to_string()),
        ("--topic", "bench/{device}/data"),
        ("--acknowledged-file", "acknowledged.jsonl"),
        ("--json", ""),
    ];
    let arguments = arguments.iter().flat_map(|(name, value)| [*name, *value]);
    let arguments = arguments.filter(|text| !text.is_empty()).map(str::to_owned).collect();
    let running = start(stage, "load-kill".to_owned(), arguments)?;
    Ok(Playing { running, bound: Duration::from_secs(secs + DRAIN_SECS) + SPARE })
}

fn start(stage: Stage<'_>, name: String, arguments: Vec<String>) -> anyhow::Result<Running> {
    Running::start(&Start {
        name,
        program: stage.programs.device_sim.clone(),
        arguments,
        environment: Vec::new(),
        directory: stage.place.folder().to_path_buf(),
        cores: stage.cores.to_owned(),
    })
}

/// The payload of loads that are not about payloads.
const SMALL: Payload = Payload::Raw(100);
