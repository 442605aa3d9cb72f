//! The command line: what may be asked of the fleet, with its defaults and examples.
//!
//! It says what was typed. What it means, and whether it can be done, is decided once in [`crate::settings`].

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

pub(crate) mod play;
pub(crate) mod report;
pub(crate) mod scenario;

pub use crate::report::When;
pub use play::PlayArguments;
pub use report::{ReportArguments, ShowArguments};
pub use scenario::{ScenarioArguments, ScenariosArguments};

/// Everything that can be asked of `device-sim`. Flatten it into another program's command line, or use
/// [`crate::run`] with what the binary parsed.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands of `device-sim`.
#[derive(Subcommand, Clone, Debug)]
pub enum Command {
    /// Play a fleet of devices against a gateway and count what arrived
    ///
    /// Every device has its own certificate, connection and schedule. It ends with counts, PUBACK latencies measured
    /// from the moment a message should have been sent and, given a queue or a stream to read back, the ledger of
    /// what arrived.
    ///
    /// Exit status: 0 when all is well; 1 when an acknowledged message is lost, or one arrived damaged or
    /// repeated under another event id; 2 when
    /// the settings are wrong; 3 when no device could connect or the target could not be read back.
    #[command(after_help = EXAMPLES)]
    Run(Box<RunArguments>),
    /// Read a scenario and say what it would do, or what is wrong with it
    ///
    /// Every mistake is told with its file, line and column. Exit status: 0 when it can be played, 2 when it cannot.
    #[command(after_help = scenario::CHECK_EXAMPLES)]
    Check(ScenarioArguments),
    /// List the ready scenarios, or print one
    #[command(after_help = scenario::SCENARIOS_EXAMPLES)]
    Scenarios(ScenariosArguments),
    /// Play a scenario: fleets, stages, faults and hooks from a file
    ///
    /// What the scenario says can be replaced on the command line. It ends with counts, latencies measured from the
    /// moment a message should have been sent, what arrived where the scenario reads back, and its thresholds.
    #[command(after_help = play::EXAMPLES)]
    Play(Box<PlayArguments>),
    /// Make a report to look at from the summary of a run
    ///
    /// One HTML file that needs nothing else: throughput, latency over time, connections, a heat map, thresholds and the
    /// ledger. It can be attached to a mail, opened without a network and printed.
    #[command(after_help = report::EXAMPLES)]
    Report(ReportArguments),
}

const EXAMPLES: &str = "Examples:
  device-sim run --address localhost:8883 --authority pki/authority.crt --certificates pki/devices --devices 50 --seconds 30
  device-sim run --address localhost:1883 --plain --devices 1000 --interval-ms 5000 --messages-per-device 10 --json
  device-sim run --address localhost:8883 --authority pki/authority.crt --certificates pki/devices --devices 10 \\
      --messages-per-device 100 --api http://127.0.0.1:8080 --read-queue http://127.0.0.1:8080/000000000000/alerts";

/// The MQTT version that the devices speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// MQTT 3.1.1.
    #[value(name = "3.1.1")]
    V311,
}

/// The options of `device-sim run`.
#[derive(Args, Clone, Debug)]
pub struct RunArguments {
    /// Where the gateway listens, as HOST:PORT; example: localhost:8883
    #[arg(long, value_name = "HOST:PORT", help_heading = "Connection")]
    pub address: String,

    /// Name that the gateway's certificate must carry; default: the host of --address; example: gateway.example
    #[arg(long, value_name = "NAME", help_heading = "Connection")]
    pub server_name: Option<String>,

    /// Certificate (PEM) of the authority that signed the gateway's certificate; example: pki/authority.crt
    #[arg(long, value_name = "FILE", required_unless_present = "plain", help_heading = "Connection")]
    pub authority: Option<PathBuf>,

    /// Directory of the devices' certificates, pairs NAME.crt and NAME.key; a device is called as its pair; example: pki/devices
    #[arg(long, value_name = "DIR", required_unless_present = "plain", help_heading = "Connection")]
    pub certificates: Option<PathBuf>,

    /// Connect over bare TCP, without certificates; devices are called device-00001 and so on
    #[arg(long, conflicts_with_all = ["authority", "certificates", "server_name"], help_heading = "Connection")]
    pub plain: bool,

    /// Resume TLS sessions when a device reconnects (the default)
    #[arg(long, overrides_with = "no_resume", help_heading = "Connection")]
    pub resume: bool,

    /// Make a full TLS handshake on every reconnect
    #[arg(long, help_heading = "Connection")]
    pub no_resume: bool,

    /// MQTT version
    #[arg(long, value_enum, default_value = "3.1.1", help_heading = "Connection")]
    pub protocol: Protocol,

    /// Ask for a clean session on every connect; without it the session persists in the gateway
    ///
    /// Either way a device publishes again what was not acknowledged. With a session that persisted it is the same
    /// packet, marked DUP, which a gateway can recognise; without one it is a new packet, counted as `republished`.
    #[arg(long, help_heading = "Connection")]
    pub clean_session: bool,

    /// MQTT keep-alive interval, in seconds; 0 turns it off; example: 30
    #[arg(long, value_name = "SECONDS", default_value_t = 30, help_heading = "Connection")]
    pub keep_alive_secs: u16,

    /// How many publishes a device may have unacknowledged; example: 20
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1024), help_heading = "Connection")]
    pub inflight: u16,

    /// How many devices; with certificates, the first of them sorted by name; example: 100
    #[arg(long, value_name = "COUNT", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000_000), help_heading = "Fleet")]
    pub devices: u32,

    /// How many devices connect for the first time in each second; example: 500
    #[arg(long, value_name = "PER_SECOND", default_value_t = 100.0, help_heading = "Fleet")]
    pub connect_rate: f64,

    /// Time between two messages of one device, in milliseconds; example: 250
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=86_400_000), help_heading = "Fleet")]
    pub interval_ms: u64,

    /// How irregular the intervals are: 0 is a metronome, 1 moves each message by up to half an interval; example: 0.5
    #[arg(long, value_name = "0..1", default_value_t = 0.2, help_heading = "Fleet")]
    pub jitter: f64,

    /// End when this many seconds have passed; example: 60
    #[arg(long, value_name = "SECONDS", conflicts_with = "messages_per_device", help_heading = "Fleet")]
    pub seconds: Option<u64>,

    /// End when every device has had this many messages to send; example: 1000
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=100_000_000), help_heading = "Fleet")]
    pub messages_per_device: Option<u64>,

    /// End when standard input is closed, for a program that started this one
    #[arg(long, help_heading = "Fleet")]
    pub stop_on_stdin_eof: bool,

    /// After the end, wait up to this long for outstanding acknowledgements; example: 10
    #[arg(long, value_name = "SECONDS", default_value_t = 10, help_heading = "Fleet")]
    pub drain_secs: u64,

    /// How many messages a device keeps while it cannot send; what comes on top is counted as not sent; example: 1000
    #[arg(long, value_name = "COUNT", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000), help_heading = "Fleet")]
    pub waiting_messages_max: u32,

    /// Seed of everything random; the same seed gives the same schedule and readings; example: 7
    #[arg(long, default_value_t = 1, help_heading = "Fleet")]
    pub seed: u64,

    /// Quality of service of every publish
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=2), help_heading = "Messages")]
    pub qos: u8,

    /// Topic, with {device}, {line} and {run}; example: plant/{device}/telemetry
    #[arg(long, default_value = "plant/{device}/telemetry", help_heading = "Messages")]
    pub topic: String,

    /// Payload template, or a file with one
    ///
    /// It may use {device} {sequence} {sent_at_ms} {due_micros} {temperature} {humidity} {line} {run} {checksum}
    /// {padding}. The ledger needs `deviceId` and `sequence` to arrive, and to check the `checksum` all members.
    /// Example: '{"deviceId":"{device}","sequence":{sequence}}'
    #[arg(long, value_name = "FILE|TEMPLATE", help_heading = "Messages")]
    pub payload: Option<String>,

    /// Bytes of padding in each payload; example: 512
    #[arg(long, value_name = "BYTES", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1_048_576), help_heading = "Messages")]
    pub padding_bytes: u32,

    /// Name of this run, carried by every message; default: made from the time; example: night-shift
    #[arg(long, value_name = "ID", help_heading = "Messages")]
    pub run: Option<String>,

    /// Print the final summary as one JSON object
    #[arg(long, help_heading = "Report")]
    pub json: bool,

    /// What else is shown.
    #[command(flatten)]
    pub show: ShowArguments,

    /// Seconds between two progress lines on standard error; 0 for none; example: 5
    #[arg(long, value_name = "SECONDS", default_value_t = 1, help_heading = "Report")]
    pub progress_secs: u64,

    /// Write which sequence numbers were acknowledged, one JSON line for each device; example: acknowledged.jsonl
    ///
    /// Each line reads {"device":"device-00001","ranges":[[1,17],[19,40]]}.
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub acknowledged_file: Option<PathBuf>,

    /// After the end, consume this queue (SQS protocol) and compare; example: http://127.0.0.1:8080/000000000000/alerts
    #[arg(long, value_name = "URL", conflicts_with = "read_stream", help_heading = "Read back")]
    pub read_queue: Option<String>,

    /// After the end, read this stream (Kinesis protocol) from its beginning and compare; example: telemetry
    #[arg(long, value_name = "NAME", requires = "api", help_heading = "Read back")]
    pub read_stream: Option<String>,

    /// Where the SQS or Kinesis protocol is spoken; default for a queue: the origin of its URL; example: http://127.0.0.1:8080
    #[arg(long, value_name = "URL", help_heading = "Read back")]
    pub api: Option<String>,

    /// Sign requests with this access key id; example: AKIAEXAMPLE
    #[arg(long, value_name = "ID", requires = "secret_environment", help_heading = "Read back")]
    pub access_key: Option<String>,

    /// Name of the environment variable that holds the secret key; example: DEVICE_SIM_SECRET
    #[arg(long, value_name = "NAME", requires = "access_key", help_heading = "Read back")]
    pub secret_environment: Option<String>,

    /// Region that signatures are made for
    #[arg(long, default_value = "us-east-1", help_heading = "Read back")]
    pub region: String,

    /// Read back for at most this long; example: 60
    #[arg(long, value_name = "SECONDS", default_value_t = 30, help_heading = "Read back")]
    pub read_secs: u64,
}
