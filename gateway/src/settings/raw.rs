//! The settings file as it is written: every key, its unit and its default. Nothing here is checked beyond its type.

mod archive;
mod dead_letters;
mod delivery;
mod event_invoke;
mod mqtt;

pub(crate) use archive::Archive;
pub(crate) use dead_letters::{DeadLetterOverflow, DeadLetters};
pub(crate) use delivery::{Delivery, Overflow, TargetDelivery};
pub(crate) use event_invoke::EventInvoke;
pub(crate) use mqtt::{Compatibility, Mqtt, PublishRateExceeded, QueueFull, QueueFullQos0};

use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Raw {
    /// Where everything that must survive is kept. Relative paths are taken from the settings file's folder.
    pub(crate) data_directory: PathBuf,
    /// Account id in ARNs and queue URLs.
    pub(crate) account_id: String,
    /// Region in ARNs and signatures.
    pub(crate) region: String,
    pub(crate) log: Log,
    pub(crate) listener: Listener,
    pub(crate) tls: Tls,
    pub(crate) access: Access,
    pub(crate) mqtt: Mqtt,
    pub(crate) journal: Journal,
    pub(crate) delivery: Delivery,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) rules: Rules,
    pub(crate) api: Api,
    pub(crate) shutdown: Shutdown,
    pub(crate) queue: Vec<Queue>,
    pub(crate) stream: Vec<Stream>,
    pub(crate) function: Vec<Function>,
    pub(crate) http: Vec<Http>,
    pub(crate) archive: Vec<Archive>,
}

impl Default for Raw {
    fn default() -> Self {
        Self {
            data_directory: PathBuf::from("data"),
            account_id: "000000000000".to_string(),
            region: "us-east-1".to_string(),
            log: Log::default(),
            listener: Listener::default(),
            tls: Tls::default(),
            access: Access::default(),
            mqtt: Mqtt::default(),
            journal: Journal::default(),
            delivery: Delivery::default(),
            dead_letters: DeadLetters::default(),
            rules: Rules::default(),
            api: Api::default(),
            shutdown: Shutdown::default(),
            queue: Vec::new(),
            stream: Vec::new(),
            function: Vec::new(),
            http: Vec::new(),
            archive: Vec::new(),
        }
    }
}

/// `[log]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,bus=debug`.
    pub(crate) level: String,
    /// `text`, for people, or `json`, one object a line.
    pub(crate) format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_string(), format: LogFormat::Text }
    }
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `[listener]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Listener {
    /// MQTT over mutual TLS.
    pub(crate) tls_address: SocketAddr,
    /// `required`, or `optional`: a client of `tls_address` or `https_address` that shows no certificate must authenticate as a user.
    pub(crate) client_certificate: ClientCertificate,
    /// MQTT over WebSocket, and publishing by HTTPS request, over mutual TLS; `"off"` for neither.
    #[serde(deserialize_with = "address::or_off")]
    pub(crate) https_address: Option<SocketAddr>,
    /// MQTT without TLS; off unless given. A client must authenticate as a user, unless `plain_policy` says what anybody may do.
    pub(crate) plain_address: Option<SocketAddr>,
    /// What `https_address` is for, without TLS; off unless given. Who may what is as with `plain_address`.
    pub(crate) plain_websocket_address: Option<SocketAddr>,
    /// The policy of clients of `plain_address` and `plain_websocket_address` that do not authenticate as a user; it names one in the
    /// registry.
    pub(crate) plain_policy: Option<String>,
    /// A TLS handshake that takes longer is cut.
    pub(crate) handshake_secs_max: u64,
    /// Handshakes under way at once on one listener. Addresses share them: one alone gets at most three quarters, and leaves room to others.
    pub(crate) handshakes_max: usize,
    /// Connections that wait for a handshake's place, each no more than a socket; beyond them the newest of the address with the most is
    /// closed.
    pub(crate) waiting_max: usize,
    /// Connections that one listener takes in a second, and as many at once; the others wait in the system's accept queue. 0 is no limit.
    pub(crate) connections_per_sec_max: u32,
    /// A connection that is silent this long is asked by the system whether its peer is still there (TCP keep alive); one that does not
    /// answer for another minute ends. 0 never asks.
    pub(crate) tcp_keep_alive_secs: u64,
    /// Origins of pages, such as `https://console.example.com`, that may open a WebSocket or publish through a browser, beside pages of
    /// the gateway's own address; `"*"` for every page. Without TLS only an IP address and `localhost` count as the gateway's own address,
    /// a name must be listed. Clients that are no browsers need none.
    pub(crate) origins: Vec<String>,
    /// The first packet must be here this long after the handshake, and every packet of an exchange that authenticates a user; the
    /// first request likewise, and each after it.
    pub(crate) connect_secs_max: u64,
    /// Connections open at once on one listener, those in their handshake included; more are closed as they come.
    pub(crate) connections_max: usize,
    /// From one IPv4 address or IPv6 /64 network; no limit of its own unless given.
    pub(crate) connections_per_address_max: Option<usize>,
    /// What differs for `tls_address`, `https_address`, `plain_address` and `plain_websocket_address`.
    pub(crate) tls: ListenerLimits,
    pub(crate) https: ListenerLimits,
    pub(crate) plain: ListenerLimits,
    pub(crate) plain_websocket: ListenerLimits,
}

/// `[listener.tls]` and the like: limits of one listener, where they are not those of `[listener]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ListenerLimits {
    pub(crate) handshakes_max: Option<usize>,
    pub(crate) waiting_max: Option<usize>,
    pub(crate) connections_max: Option<usize>,
    pub(crate) connections_per_address_max: Option<usize>,
    pub(crate) connections_per_sec_max: Option<u32>,
}

impl Default for Listener {
    fn default() -> Self {
        Self {
            tls_address: SocketAddr::from(([0, 0, 0, 0], 8883)),
            client_certificate: ClientCertificate::Required,
            https_address: Some(SocketAddr::from(([0, 0, 0, 0], 8443))),
            plain_address: None,
            plain_websocket_address: None,
            plain_policy: None,
            handshake_secs_max: 10,
            handshakes_max: 256,
            waiting_max: 4096,
            connections_per_sec_max: 0,
            tcp_keep_alive_secs: 300,
            origins: Vec::new(),
            connect_secs_max: 10,
            connections_max: 500_000,
            connections_per_address_max: None,
            tls: ListenerLimits::default(),
            https: ListenerLimits::default(),
            plain: ListenerLimits::default(),
            plain_websocket: ListenerLimits::default(),
        }
    }
}

/// The switch `client_certificate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ClientCertificate {
    /// Without one there is no connection.
    Required,
    /// One that is shown must be good.
    Optional,
}

/// `[tls]`; the files are read again when they change.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Tls {
    /// The server's certificate chain, PEM.
    pub(crate) certificate: PathBuf,
    /// Its private key, PEM.
    pub(crate) key: PathBuf,
    /// Authorities whose device certificates are trusted, PEM; one file may hold several.
    pub(crate) authorities: Vec<PathBuf>,
    /// Revocation lists of those authorities, PEM.
    pub(crate) revocation_lists: Vec<PathBuf>,
}

/// `[access]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Access {
    /// What becomes of a certificate of a trusted authority that nobody registered.
    pub(crate) register_unknown: RegisterUnknown,
    /// The policy attached to a certificate registered by `from_trusted_authority`.
    pub(crate) default_policy: Option<String>,
    /// Policies kept as files: every `*.json` of the folder is a policy named as the file. Read again when it changes.
    pub(crate) policies: Option<PathBuf>,
    /// Whether a client whose request is denied is told so, and why. With `false` the answer is 0x80 (unspecified error) without a reason
    /// string, so that nobody learns from refusals what exists; MQTT 3.1.1 has such a code for SUBSCRIBE alone, as it always has. An HTTPS
    /// request is answered `Forbidden`, nothing more.
    pub(crate) reveal_denials: bool,
    /// How often a new password of a user is hashed; clients of SCRAM do it at every connection. Passwords set before keep their count, by
    /// which a user can be told from a name that nobody has: set them again after a change.
    pub(crate) password_iterations: u32,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            register_unknown: RegisterUnknown::Never,
            default_policy: None,
            policies: None,
            reveal_denials: true,
            password_iterations: access::scram::ITERATIONS_DEFAULT,
        }
    }
}

/// The switch `register_unknown`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RegisterUnknown {
    /// Refused.
    Never,
    /// Registered as active, with `default_policy`.
    FromTrustedAuthority,
}

/// `[journal]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Journal {
    /// Size of one file of the journal, from 64 KiB to 1 GiB; room is given back in steps of it. A record (a message and what every rule
    /// made of it) may take half of it.
    pub(crate) segment_bytes: u64,
    /// Records waiting for the disk, in bytes; publishers wait when it is full.
    pub(crate) queue_bytes_max: usize,
    /// Bytes on disk; when they are reached, publishes are refused until targets have caught up or retention has passed.
    pub(crate) disk_bytes_max: u64,
    /// Bytes that have to stay free on the disk, whoever fills it: publishes are refused while there are fewer, and while there is less than
    /// a quarter of it nothing else is written either, and the gateway does not start. The state store does not survive the last byte
    /// of a disk without a restart. 0 leaves nothing.
    pub(crate) disk_free_bytes_min: u64,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            queue_bytes_max: 64 << 20,
            disk_bytes_max: 64 << 30,
            disk_free_bytes_min: 64 << 20,
        }
    }
}

/// `[rules]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Rules {
    /// The folder of definitions; read again when something in it changes. Without it no rule runs.
    pub(crate) definitions: Option<PathBuf>,
    /// The folder of descriptor files (`protoc --include_imports --descriptor_set_out`) that `decode(…, 'proto', bucket, key, …)`
    /// names: `{bucket}/{key}` below it, at most 256 of 4 MiB; read again when one changes. Without it such rules are refused.
    pub(crate) descriptors: Option<PathBuf>,
    /// How often rules may publish one message again (`republish`), each publishing what another one made; then it is a dead letter, so that
    /// rules that go round in circles come to an end. 0 to 255.
    pub(crate) republished_max: u8,
}

impl Default for Rules {
    fn default() -> Self {
        Self { definitions: None, descriptors: None, republished_max: 8 }
    }
}

/// `[api]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Api {
    /// Where the protocols of SQS and Kinesis are spoken, and `/metrics` is read.
    pub(crate) address: SocketAddr,
    /// How clients reach it, for queue URLs; without it each is told the host that it asked.
    pub(crate) public_url: Option<String>,
    /// Take requests without checking signatures, as long as `address` is loopback.
    pub(crate) unsigned_on_loopback: bool,
    /// Keys that may sign requests; an address that others can reach needs one.
    pub(crate) access_key: Vec<AccessKey>,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            unsigned_on_loopback: false,
            access_key: Vec::new(),
        }
    }
}

/// `[[api.access_key]]`; the secret comes from a file or an environment variable, never from the settings file itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccessKey {
    /// The public half, as in `AWS_ACCESS_KEY_ID`.
    pub(crate) id: String,
    /// The file that holds the secret; this or the next.
    pub(crate) secret_file: Option<PathBuf>,
    /// The environment variable that holds it.
    pub(crate) secret_environment: Option<String>,
}

/// `[shutdown]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Shutdown {
    /// How long to finish what is under way before the process ends anyway.
    pub(crate) drain_secs_max: u64,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { drain_secs_max: 20 }
    }
}

/// `[[queue]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Queue {
    /// Letters, digits, `-` and `_`, as rules and clients name it; so it is with streams, functions and HTTP targets.
    pub(crate) name: String,
    /// How long a message that was received is hidden from others, unless the receiver says; 0 to 43200.
    #[serde(default = "defaults::visibility_timeout_secs")]
    pub(crate) visibility_timeout_secs: u32,
    /// How long a message is kept; 60 to 1209600.
    #[serde(default = "defaults::queue_retention_secs")]
    pub(crate) retention_secs: u32,
    /// Messages received more often than this move to `dead_letter_queue`.
    pub(crate) receives_max: Option<u32>,
    /// Another queue of this file, of the same type.
    pub(crate) dead_letter_queue: Option<String>,
    /// The queues that may name this one as their `dead_letter_queue`, at most 10; every queue when absent.
    pub(crate) dead_letter_sources: Option<Vec<String>>,
    /// How long a message waits before it may first be received; 0 to 900.
    #[serde(default)]
    pub(crate) delay_secs: u32,
    /// How long a receive that finds nothing waits, unless the receiver says; 0 to 20.
    #[serde(default)]
    pub(crate) receive_wait_secs: u32,
    /// Keeps order within message groups and takes each message once. The name then ends in `.fifo`.
    #[serde(default)]
    pub(crate) fifo: bool,
    /// A message without a deduplication id of its own is the same as another with the same body. FIFO queues only.
    #[serde(default)]
    pub(crate) content_based_deduplication: bool,
    /// Where a deduplication id has to be unique: `queue` or `message_group`. FIFO queues only.
    #[serde(default)]
    pub(crate) deduplication_scope: targets::queue::DeduplicationScope,
}

/// `[[stream]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stream {
    pub(crate) name: String,
    /// Shards; records of one partition key are in one of them, in order.
    #[serde(default = "defaults::shards")]
    pub(crate) shards: u32,
    /// How long a record is kept; 1 to 8760.
    #[serde(default = "defaults::retention_hours")]
    pub(crate) retention_hours: u32,
    /// Bytes of data kept, the oldest go first; 1 GiB unless given, 1 MiB at least.
    pub(crate) retention_bytes_max: Option<u64>,
}

/// `[[function]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// The program and its arguments; it speaks the Lambda Runtime API. Either this or `wasm`.
    #[serde(default)]
    pub(crate) command: Vec<String>,
    /// A WebAssembly file, run without a process; it is loaded again when it changes.
    pub(crate) wasm: Option<PathBuf>,
    /// Units of fuel of one call of `wasm`, about as many instructions; 1000000000 unless given.
    pub(crate) fuel_max: Option<u64>,
    /// Working directory, and `LAMBDA_TASK_ROOT`.
    pub(crate) directory: Option<PathBuf>,
    /// `_HANDLER`.
    #[serde(default)]
    pub(crate) handler: String,
    /// Environment variables of its own, beside those of the Runtime API.
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, String>,
    /// A call that takes longer fails, and its instance ends.
    #[serde(default = "defaults::function_timeout_secs")]
    pub(crate) timeout_secs: u64,
    /// Instances at most, and so calls at once.
    #[serde(default = "defaults::concurrency")]
    pub(crate) concurrency: usize,
    /// Of those, instances that are started ahead of calls and kept.
    #[serde(default)]
    pub(crate) provisioned: usize,
    /// Memory of one instance, 8 at least.
    #[serde(default = "defaults::memory_mib")]
    pub(crate) memory_mib: u64,
    /// Events handed over in one call, as `Records`; 1 hands over the event itself.
    #[serde(default = "defaults::one")]
    pub(crate) batch_size: usize,
    /// How long events wait for a batch of that size, 300,000 at most; `delivery.batch_wait_ms` is the same and wins.
    #[serde(default)]
    pub(crate) batch_window_ms: u64,
    /// Bytes of what it printed that are kept in `functions/NAME.log` and `NAME.log.1` together.
    #[serde(default = "defaults::log_bytes_max")]
    pub(crate) log_bytes_max: u64,
    /// Invocations that are accepted at once and called later.
    #[serde(default)]
    pub(crate) event_invoke: EventInvoke,
    /// As in `[delivery]`, and wins over it.
    pub(crate) attempts_max: Option<u32>,
    /// As in `[delivery]`, and wins over it.
    pub(crate) age_secs_max: Option<u64>,
    /// How events reach it; wins over all of these.
    #[serde(default)]
    pub(crate) delivery: TargetDelivery,
}

/// `[[http]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Http {
    pub(crate) name: String,
    /// Where events are sent by POST.
    pub(crate) url: String,
    /// Headers of each request.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// A request that takes longer fails.
    #[serde(default = "defaults::http_timeout_ms")]
    pub(crate) timeout_ms: u64,
    /// Requests at once.
    #[serde(default = "defaults::concurrency")]
    pub(crate) concurrency: usize,
    /// As in `[delivery]`, and wins over it.
    pub(crate) attempts_max: Option<u32>,
    /// As in `[delivery]`, and wins over it.
    pub(crate) age_secs_max: Option<u64>,
    /// How events reach it; wins over all of these.
    #[serde(default)]
    pub(crate) delivery: TargetDelivery,
}

mod address {
    use serde::{Deserialize, Deserializer, de};
    use std::net::SocketAddr;

    /// An address, or `off`.
    pub(super) fn or_off<'d, D: Deserializer<'d>>(from: D) -> Result<Option<SocketAddr>, D::Error> {
        let text = String::deserialize(from)?;
        match text.as_str() {
            "off" => Ok(None),
            address => address.parse().map(Some).map_err(|_| {
                de::Error::custom(format_args!(
                    "`{address}` is no address such as `0.0.0.0:8443`, and not `off`"
                ))
            }),
        }
    }
}

mod defaults {
    pub(super) fn visibility_timeout_secs() -> u32 {
        30
    }
    pub(super) fn queue_retention_secs() -> u32 {
        345_600
    }
    pub(super) fn shards() -> u32 {
        4
    }
    pub(super) fn retention_hours() -> u32 {
        24
    }
    pub(super) fn log_bytes_max() -> u64 {
        16 << 20
    }
    pub(super) fn function_timeout_secs() -> u64 {
        3
    }
    pub(super) fn concurrency() -> usize {
        4
    }
    pub(super) fn memory_mib() -> u64 {
        128
    }
    pub(super) fn one() -> usize {
        1
    }
    pub(super) fn http_timeout_ms() -> u64 {
        3000
    }
}
