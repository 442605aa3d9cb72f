//! Typed options of `run` → a checked scenario and what to tell about it, once. After this nothing about the options
//! can be wrong.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::command::{PlayArguments, RunArguments};
use crate::credentials::Credentials;
use crate::engine::Ending;
use crate::error::Error;
use crate::read_back;
use crate::report::Live;
use crate::scenario::{
    Address, Body, Certificates, ClientId, Fleet, Format, Handshake, MessageTemplate, Payload, Protocol,
    Publication, Qos, QosMix, Scenario, Server, Template, Thresholds, Timing, Transport, UnknownPlaceholder,
};

/// The payload, as text, when it is needed as text: with padding of its own.
const DEFAULT_PAYLOAD: &str = concat!(
    r#"{"deviceId":"{device}","sequence":{sequence},"sentAtMs":{sent_at_ms},"dueMicros":{due_micros},"#,
    r#""temperature":{temperature},"humidity":{humidity},"line":"{line}","run":"{run}","checksum":"{checksum}"}"#
);
/// Stands for the padding in a payload's text.
const PADDING: &str = "{padding}";
/// The longest topic before its placeholders are filled in.
const TOPIC_BYTES_MAX: usize = 60_000;

/// A run that can be started.
pub(crate) struct Settings {
    pub(crate) scenario: Scenario,
    /// The run's name.
    pub(crate) run: String,
    /// What devices prove themselves with, if any of them does.
    pub(crate) credentials: Option<Credentials>,
    pub(crate) ending: Ending,
    pub(crate) report: Report,
}

/// What is told, and where.
pub(crate) struct Report {
    /// Whether it is a scenario of somebody's, which has a name.
    pub(crate) scenario: bool,
    /// While it goes on.
    pub(crate) live: Live,
    pub(crate) acknowledged_file: Option<PathBuf>,
}

impl Settings {
    /// Checks everything that can be checked without a connection, but for certificates.
    pub(crate) fn check(arguments: &RunArguments) -> Result<Self, Error> {
        range("--connect-rate", arguments.connect_rate, 0.001..=1_000_000.0, "0.001 to 1000000")?;
        range("--jitter", arguments.jitter, 0.0..=1.0, "0 to 1")?;
        let scenario = scenario(arguments)?;
        Ok(Self {
            credentials: credentials(&scenario)?,
            scenario,
            run: arguments.run.clone().unwrap_or_else(run_name),
            ending: Ending { stdin_closed: arguments.stop_on_stdin_eof },
            report: Report {
                scenario: false,
                live: arguments.show.live(arguments.progress_secs),
                acknowledged_file: arguments.acknowledged_file.clone(),
            },
        })
    }
}

impl Settings {
    /// Reads a scenario.
    pub(crate) fn load(arguments: &PlayArguments) -> Result<Self, Error> {
        let scenario = arguments.scenario.read()?;
        Ok(Self {
            credentials: credentials(&scenario)?,
            scenario,
            run: arguments.run.clone().unwrap_or_else(run_name),
            ending: Ending { stdin_closed: arguments.stop_on_stdin_eof },
            report: Report {
                scenario: true,
                live: arguments.show.live(arguments.progress_secs),
                acknowledged_file: arguments.acknowledged_file.clone(),
            },
        })
    }
}

/// The name of a run that nobody gave one, made from the time.
pub(crate) fn run_name() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("run-{:x}", since.as_millis())
}

/// The certificates of a scenario, if it needs any.
pub(crate) fn credentials(scenario: &Scenario) -> Result<Option<Credentials>, Error> {
    let encrypted = scenario.fleets.iter().any(|fleet| fleet.transport.is_encrypted());
    encrypted.then(|| Credentials::prepare(&scenario.server, scenario.devices())).transpose()
}

fn scenario(arguments: &RunArguments) -> Result<Scenario, Error> {
    Ok(Scenario {
        name: "run".to_owned(),
        seed: arguments.seed,
        ends_after: arguments.seconds.map(Duration::from_secs),
        drain: Duration::from_secs(arguments.drain_secs),
        server: server(arguments)?,
        fleets: vec![Arc::new(fleet(arguments)?)],
        stages: Arc::default(),
        faults: Vec::new(),
        hooks: Vec::new(),
        read_back: read_back::of_arguments(arguments)?,
        thresholds: Thresholds::default(),
    })
}

fn server(arguments: &RunArguments) -> Result<Server, Error> {
    let address =
        Address::parse(&arguments.address).ok_or_else(|| Error::Address(arguments.address.clone()))?;
    if arguments.plain {
        return Ok(Server { server_name: address.host.clone(), address, ..Server::default() });
    }
    let authority = arguments.authority.clone().ok_or(Error::Missing("--authority"))?;
    let folder = arguments.certificates.clone().ok_or(Error::Missing("--certificates"))?;
    Ok(Server {
        server_name: arguments.server_name.clone().unwrap_or_else(|| address.host.clone()),
        address,
        authority: Some(authority),
        handshake: if arguments.no_resume { Handshake::Full } else { Handshake::Resumed },
        certificates: Certificates::Folder(folder),
        ..Server::default()
    })
}

fn fleet(arguments: &RunArguments) -> Result<Fleet, Error> {
    let named = Template::parse("device-{index:05}").expect("the placeholder exists");
    Ok(Fleet {
        devices: arguments.devices,
        transport: if arguments.plain { Transport::Tcp } else { Transport::Tls },
        protocol: Protocol::V311,
        client_id: if arguments.plain { ClientId::Template(named) } else { ClientId::Certificate },
        connect_per_second: arguments.connect_rate,
        keep_alive_secs: arguments.keep_alive_secs,
        clean_session: arguments.clean_session,
        inflight_max: arguments.inflight,
        waiting_messages_max: arguments.waiting_messages_max as usize,
        publications: vec![Arc::new(publication(arguments)?)],
        ..Fleet::default()
    })
}

fn publication(arguments: &RunArguments) -> Result<Publication, Error> {
    let topic = &arguments.topic;
    let template = Template::parse(topic).map_err(|UnknownPlaceholder(name)| {
        Error::placeholder(&name, "the topic", &Template::known().collect::<Vec<_>>())
    })?;
    if topic.is_empty() || topic.contains(['+', '#']) || topic.len() > TOPIC_BYTES_MAX {
        return Err(Error::Topic(topic.clone()));
    }
    Ok(Publication {
        topic: template,
        qos: QosMix::only(Qos::from_number(arguments.qos.into()).expect("the command line allows 0 to 2")),
        timing: Timing::Every(Duration::from_millis(arguments.interval_ms)),
        jitter: arguments.jitter,
        messages_max: arguments.messages_per_device,
        payload: Arc::new(payload(arguments)?),
        ..Publication::default()
    })
}

fn payload(arguments: &RunArguments) -> Result<Payload, Error> {
    let text = match &arguments.payload {
        None if arguments.padding_bytes == 0 => return Ok(Payload::default()),
        None => DEFAULT_PAYLOAD.to_owned(),
        Some(given) if given.contains('{') => given.clone(),
        Some(file) => std::fs::read_to_string(file).map_err(|source| Error::Read {
            what: "payload template",
            path: file.into(),
            source,
            advice: "name a file, or give a template, which has a `{`",
        })?,
    };
    let text = padded(&text, arguments.padding_bytes as usize)?;
    let Payload { body: Body::Values(fields), .. } = Payload::default() else {
        return Ok(Payload::default());
    };
    let known: Vec<String> = fields
        .iter()
        .map(|field| field.name.to_string())
        .chain(MessageTemplate::known().map(str::to_owned))
        .collect();
    let template = MessageTemplate::parse(&text, fields).map_err(|UnknownPlaceholder(name)| {
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        Error::placeholder(&name, "the payload template", &known)
    })?;
    Ok(Payload { format: Format::Json, bytes: None, body: Body::Template(template) })
}

/// Puts padding where a template wants it, or else into a member of its own.
fn padded(text: &str, bytes: usize) -> Result<String, Error> {
    let padding = "x".repeat(bytes);
    if bytes == 0 || text.contains(PADDING) {
        return Ok(text.replace(PADDING, &padding));
    }
    let body = text.trim_end().strip_suffix('}').ok_or(Error::NoPadding)?;
    let comma = if body.trim_end().ends_with('{') { "" } else { "," };
    Ok(format!("{body}{comma}\"padding\":\"{padding}\"}}"))
}

fn range(
    option: &'static str,
    value: f64,
    allowed: std::ops::RangeInclusive<f64>,
    range: &'static str,
) -> Result<(), Error> {
    if allowed.contains(&value) { Ok(()) } else { Err(Error::Range { option, value, range }) }
}
