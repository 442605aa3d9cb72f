//! The servers that are compared: how each is configured, started and known to be ready.
//!
//! What a server is asked to do is said by [`Role`]; it must not know which load comes.

mod gateway;
mod mosquitto;
mod nats;
mod rabbitmq;
mod rmqtt;
mod rumqttd;

use crate::process::{Running, Start};
use crate::site::Place;
use crate::wait;
use anyhow::Context;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Every server, ours first; ratios are to it.
pub(crate) const PEERS: [&dyn Peer; 6] = [
    &gateway::Gateway,
    &mosquitto::Mosquitto,
    &nats::Nats,
    &rabbitmq::Rabbitmq,
    &rumqttd::Rumqttd,
    &rmqtt::Rmqtt,
];

/// How long a start may take; RabbitMQ boots a whole Erlang node.
const START: Duration = Duration::from_secs(30);

/// How clients connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Bare TCP.
    Plain,
    /// TLS, with a certificate of every client required and checked.
    MutualTls,
}

/// What a server is to keep, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// Nothing: messages for nobody, or for subscribers that are connected.
    Nothing,
    /// Every message below `bench/`, for a sink that collects it later, and as durably as the server can.
    Sink,
    /// Every message, for a session that is away, and as durably as the server can.
    Session,
}

/// What a server is asked to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Role {
    pub(crate) transport: Transport,
    pub(crate) keeping: Keeping,
}

/// Where the programs are.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    /// Ours.
    pub(crate) gateway: PathBuf,
    /// The load.
    pub(crate) device_sim: PathBuf,
    /// The folder with what cargo installed.
    pub(crate) installed: PathBuf,
}

/// A process of a server, without where it runs.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
}

/// One of the servers.
pub(crate) trait Peer: Sync {
    /// Short, as it is asked for by `--peers`.
    fn name(&self) -> &'static str;

    /// What it calls itself, with its version.
    ///
    /// # Errors
    /// When it is not there, and how to get it.
    fn version(&self, programs: &Programs) -> anyhow::Result<String>;

    /// Why it can't take a role, or can't be compared in it; `None` when it can.
    fn refusal(&self, role: Role) -> Option<&'static str>;

    /// What a reader has to know of its part in a role.
    fn remark(&self, role: Role) -> Option<&'static str>;

    /// Whether its sink is the subscription of a session that is away, which has to be made before a load.
    fn sink_is_a_session(&self) -> bool {
        false
    }

    /// Writes its configuration and says what to start; what stands first is started first, and the last is the server itself.
    ///
    /// # Errors
    /// About files.
    fn prepare(&self, programs: &Programs, place: &Place, role: Role) -> anyhow::Result<Vec<Launch>>;

    /// The configurations as they stand in the repository, by file name, to be kept with the results.
    fn configurations(&self) -> Vec<(&'static str, &'static str)>;
}

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Server {
    starts: Vec<Start>,
    /// The last is the server, those before are what it needs.
    running: Vec<Running>,
    port: u16,
}

impl Server {
    /// Starts it and waits until it takes connections.
    ///
    /// # Errors
    /// When it is not ready in time, with its last words.
    pub(crate) fn start(
        peer: &dyn Peer,
        programs: &Programs,
        place: &Place,
        role: Role,
        cores: &str,
    ) -> anyhow::Result<Self> {
        let launches = peer.prepare(programs, place, role)?;
        let start = |(index, launch): (usize, Launch)| Start {
            name: format!("{}-{index}", peer.name()),
            program: launch.program,
            arguments: launch.arguments,
            environment: launch.environment,
            directory: place.folder().to_path_buf(),
            cores: cores.to_owned(),
        };
        let starts = launches.into_iter().enumerate().map(start).collect();
        let mut server = Self { starts, running: Vec::new(), port: place.port };
        server.start_again()?;
        Ok(server)
    }

    /// Starts it in the same place after it was killed.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub(crate) fn start_again(&mut self) -> anyhow::Result<()> {
        for start in &self.starts {
            self.running.push(Running::start(start)?);
        }
        let (port, running) = (self.port, self.running.last_mut().context("a peer prepares a process")?);
        wait::until("the server to take connections", START, || {
            if let Some(status) = running.ended()? {
                anyhow::bail!("it ended ({status})");
            }
            Ok(TcpStream::connect(("127.0.0.1", port)).ok())
        })
        .with_context(|| running.last_words())?;
        Ok(())
    }

    /// The process id of the server.
    pub(crate) fn id(&self) -> u32 {
        self.running.last().map_or(0, Running::id)
    }

    /// Whether it still runs, and if not its last words.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn check(&mut self) -> anyhow::Result<()> {
        for running in &mut self.running {
            if let Some(status) = running.ended()? {
                anyhow::bail!("the server ended ({status}); {}", running.last_words());
            }
        }
        Ok(())
    }

    /// Ends it at once, as a power cut would but for what the system has in memory.
    pub(crate) fn kill(&mut self) {
        while let Some(mut running) = self.running.pop() {
            running.kill();
        }
    }

    /// Asks it to end.
    pub(crate) fn stop(&mut self) {
        while let Some(mut running) = self.running.pop() {
            running.stop();
        }
    }
}

/// The first line that a program prints when it is asked for its version.
fn first_line(program: &Path, arguments: &[&str], how_to_get_it: &str) -> anyhow::Result<String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.with_context(|| format!("`{}` is not there: {how_to_get_it}", program.display()))?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}
