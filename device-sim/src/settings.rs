//! Typed options → checked settings, once. After this nothing about the options can be wrong.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rumqttc::QoS;

use crate::command::RunArguments;
use crate::credentials::{self, Credential, Tls};
use crate::error::Error;
use crate::payload::{TOPIC_PLACEHOLDERS, Template};
use crate::read_back;
use crate::schedule::Plan;

/// Room in a packet for everything that is not payload or topic.
const PACKET_OVERHEAD_BYTES: usize = 1024;

/// A run that can be started.
pub(crate) struct Settings {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// None for bare TCP.
    pub(crate) tls: Option<Tls>,
    /// One for each device, in order.
    pub(crate) names: Vec<Arc<str>>,
    pub(crate) plan: Plan,
    pub(crate) end: End,
    pub(crate) drain: Duration,
    pub(crate) message: Message,
    pub(crate) session: Session,
    pub(crate) report: Report,
    pub(crate) read_back: Option<read_back::Settings>,
}

/// What ends a run. A signal always does.
pub(crate) struct End {
    pub(crate) after: Option<Duration>,
    pub(crate) messages_per_device: Option<u64>,
    pub(crate) stdin_closed: bool,
}

/// What is published.
pub(crate) struct Message {
    pub(crate) qos: QoS,
    pub(crate) topic: Template,
    pub(crate) payload: Template,
    pub(crate) padding: String,
    pub(crate) run: String,
    pub(crate) packet_bytes_max: usize,
}

/// How a device holds its MQTT session.
pub(crate) struct Session {
    pub(crate) clean: bool,
    pub(crate) keep_alive: Duration,
    pub(crate) inflight: u16,
    pub(crate) waiting_messages_max: usize,
}

/// What is told, and where.
pub(crate) struct Report {
    pub(crate) progress: Option<Duration>,
    pub(crate) acknowledged_file: Option<PathBuf>,
}

impl Settings {
    /// Checks everything that can be checked before the first connection, certificates included.
    pub(crate) fn check(arguments: &RunArguments) -> Result<Self, Error> {
        let (host, port) = address(&arguments.address)?;
        range("--connect-rate", arguments.connect_rate, 0.001..=1_000_000.0, "0.001 to 1000000")?;
        range("--jitter", arguments.jitter, 0.0..=1.0, "0 to 1")?;
        let (tls, names) = identity(arguments, &host)?;
        Ok(Self {
            host,
            port,
            tls,
            names,
            plan: Plan {
                interval: Duration::from_millis(arguments.interval_ms),
                jitter: arguments.jitter,
                connect_rate_per_sec: arguments.connect_rate,
                seed: arguments.seed,
            },
            end: End {
                after: arguments.seconds.map(Duration::from_secs),
                messages_per_device: arguments.messages_per_device,
                stdin_closed: arguments.stop_on_stdin_eof,
            },
            drain: Duration::from_secs(arguments.drain_secs),
            message: message(arguments)?,
            session: Session {
                clean: arguments.clean_session,
                keep_alive: Duration::from_secs(arguments.keep_alive_secs.into()),
                inflight: arguments.inflight,
                waiting_messages_max: arguments.waiting_messages_max as usize,
            },
            report: Report {
                progress: (arguments.progress_secs > 0).then(|| Duration::from_secs(arguments.progress_secs)),
                acknowledged_file: arguments.acknowledged_file.clone(),
            },
            read_back: read_back::Settings::check(arguments)?,
        })
    }
}

fn address(address: &str) -> Result<(String, u16), Error> {
    let wrong = || Error::Address(address.to_owned());
    let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
    let port: u16 = port.parse().map_err(|_| wrong())?;
    if host.is_empty() || port == 0 {
        return Err(wrong());
    }
    Ok((host.to_owned(), port))
}

fn range(
    option: &'static str,
    value: f64,
    allowed: std::ops::RangeInclusive<f64>,
    range: &'static str,
) -> Result<(), Error> {
    if allowed.contains(&value) { Ok(()) } else { Err(Error::Range { option, value, range }) }
}

fn identity(arguments: &RunArguments, host: &str) -> Result<(Option<Tls>, Vec<Arc<str>>), Error> {
    if arguments.plain {
        let names = (1..=arguments.devices).map(|number| format!("device-{number:05}").into()).collect();
        return Ok((None, names));
    }
    let authority = arguments.authority.as_deref().ok_or(Error::Missing("--authority"))?;
    let directory = arguments.certificates.as_deref().ok_or(Error::Missing("--certificates"))?;
    // An IPv6 address stands in brackets before a port, and without them in a certificate.
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let name = arguments.server_name.as_deref().unwrap_or(bare);
    let credentials = credentials::find(directory, arguments.devices)?;
    let names = credentials.iter().map(|Credential { name, .. }| Arc::clone(name)).collect();
    let tls = credentials::load(authority, name, &credentials, !arguments.no_resume)?;
    Ok((Some(tls), names))
}

fn message(arguments: &RunArguments) -> Result<Message, Error> {
    let payload = match &arguments.payload {
        None => crate::payload::DEFAULT_PAYLOAD.to_owned(),
        Some(given) if given.contains('{') => given.clone(),
        Some(file) => std::fs::read_to_string(file).map_err(|source| Error::Read {
            what: "payload template",
            path: file.into(),
            source,
            advice: "name a file, or give a template, which has a `{`",
        })?,
    };
    let topic = Template::parse(&arguments.topic, "the topic", TOPIC_PLACEHOLDERS)?;
    if arguments.topic.is_empty() || arguments.topic.contains(['+', '#']) || arguments.topic.len() > 60_000 {
        return Err(Error::Topic(arguments.topic.clone()));
    }
    let padding_bytes = arguments.padding_bytes as usize;
    let payload = Template::payload(&payload, padding_bytes > 0)?;
    let run = arguments.run.clone().unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        format!("run-{:x}", since.as_millis())
    });
    let packet_bytes_max =
        PACKET_OVERHEAD_BYTES + arguments.topic.len() * 4 + payload.bytes_max(padding_bytes, run.len());
    Ok(Message {
        qos: match arguments.qos {
            0 => QoS::AtMostOnce,
            1 => QoS::AtLeastOnce,
            _ => QoS::ExactlyOnce,
        },
        topic,
        payload,
        padding: "x".repeat(padding_bytes),
        run,
        packet_bytes_max,
    })
}
