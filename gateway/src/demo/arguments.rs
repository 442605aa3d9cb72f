//! What `iot-gateway demo` can be told.

use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  iot-gateway demo --seconds 20 --json\n\n\
    Everything the demo makes (authority, certificates, settings, logs, journal) is in the data directory and stays there.")]
pub(crate) struct Arguments {
    /// End after this many seconds, drain, and print the balance; without it the demo goes on until Ctrl-C
    #[arg(long, value_name = "SECONDS")]
    pub(crate) seconds: Option<u64>,
    /// Print the final balance as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Where everything is kept
    #[arg(long, value_name = "DIRECTORY", default_value = "data/demo")]
    pub(crate) data: PathBuf,
    /// The folder of rule definitions; change one while the demo runs
    #[arg(long, value_name = "DIRECTORY", default_value = "rules/definitions")]
    pub(crate) definitions: PathBuf,
    /// Devices in the fleet
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) devices: u32,
    /// Milliseconds between two readings of one device
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub(crate) interval_ms: u64,
    /// Where devices connect
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8883")]
    pub(crate) mqtt: SocketAddr,
    /// Where devices connect by WebSocket and publish by HTTPS
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443")]
    pub(crate) https: SocketAddr,
    /// Where the SQS and Kinesis protocols, health and metrics are served
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) api: SocketAddr,
}
