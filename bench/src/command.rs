//! The command line.

use clap::Parser;
use std::path::PathBuf;

/// Compare MQTT servers: the same loads against each, in turns
///
/// `bench/compare` builds and fetches what this program needs and passes its options on.
#[derive(Parser, Clone, Debug)]
#[command(name = "compare", after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Only these scenarios, by name or the beginning of one; see --list
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub(crate) only: Vec<String>,

    /// Only these servers; ours has to be among them for ratios
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub(crate) peers: Vec<String>,

    /// How often everything is played; ratios are made within a round
    #[arg(long, value_name = "COUNT", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,

    /// How long one load lasts, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u64).range(2..=600))]
    pub(crate) secs: u64,

    /// The fixed rate at which PUBACK latency is measured, in messages a second
    #[arg(long, value_name = "COUNT", default_value_t = 2000.0)]
    pub(crate) fixed_per_second: f64,

    /// Begin nothing more when this many minutes have passed; what was measured by then is the result
    #[arg(long, value_name = "MINUTES", default_value_t = 22.0)]
    pub(crate) minutes: f64,

    /// Where results go, below a folder named after the date and the machine
    #[arg(long, value_name = "DIR", default_value = "bench/results")]
    pub(crate) results: PathBuf,

    /// Our server
    #[arg(long, value_name = "FILE", env = "COMPARE_GATEWAY", default_value = "target/release/iot-gateway")]
    pub(crate) gateway: PathBuf,

    /// The load
    #[arg(
        long,
        value_name = "FILE",
        env = "COMPARE_DEVICE_SIM",
        default_value = "target/release/device-sim"
    )]
    pub(crate) device_sim: PathBuf,

    /// The folder with the servers that cargo built
    #[arg(long, value_name = "DIR", env = "COMPARE_PEERS", default_value = "target/peers/bin")]
    pub(crate) installed: PathBuf,

    /// Keep the folders in which servers ran, to see what they said
    #[arg(long)]
    pub(crate) keep: bool,

    /// List scenarios and servers
    #[arg(long)]
    pub(crate) list: bool,

    /// Measure nothing; write tables and plots again from the results of this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) render: Option<PathBuf>,
}

const EXAMPLES: &str = "Examples:
  bench/compare
  bench/compare --only durable,idle --peers iot-gateway,mosquitto --rounds 3
  bench/compare --render bench/results/2026-11-21-2-cores-intel-xeon";
