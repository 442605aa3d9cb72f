//! Everything the demo needs before anything runs: authority, certificates, policy, registrations, settings. What is there already from
//! an earlier demo in the same folder is used again.

use super::arguments::Arguments;
use crate::command::control_client::Control;
use crate::command::output;
use crate::command::registration::{self, Declared, Registration};
use crate::settings::Settings;
use ::certs::{Authority, DeviceRequest, Kind, Validity};
use anyhow::{Context, ensure};
use registry::Operation;
use std::fs;
use std::path::{Path, PathBuf};

/// The queue that the demo itself consumes; every reading goes there.
pub(super) const QUEUE: &str = "readings";
/// The queue that is left to whoever tries a consumer of their own.
pub(super) const ALERTS: &str = "alerts";
/// The stream; every reading goes there.
pub(super) const STREAM: &str = "telemetry";
/// The function; it sees every reading.
const FUNCTION: &str = "notify";
/// The policy of the demo's devices.
const POLICY: &str = "demo-device";
/// The device that is left to whoever tries a client of their own.
const VISITOR: &str = "visitor";

/// A device speaks under its own name alone.
const POLICY_DOCUMENT: &str = r#"{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": "iot:Connect",
      "Resource": "arn:aws:iot:*:*:client/${iot:Certificate.Subject.CommonName}"
    },
    {
      "Effect": "Allow",
      "Action": "iot:Publish",
      "Resource": "arn:aws:iot:*:*:topic/plant/${iot:Connection.Thing.ThingName}/telemetry"
    },
    {
      "Effect": "Allow",
      "Action": ["iot:Subscribe", "iot:Receive"],
      "Resource": [
        "arn:aws:iot:*:*:topicfilter/plant/${iot:Connection.Thing.ThingName}/commands",
        "arn:aws:iot:*:*:topic/plant/${iot:Connection.Thing.ThingName}/commands"
      ]
    }
  ]
}
"#;

/// What is ready, and where.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) arguments: Arguments,
    /// The data directory, absolute.
    pub(super) data: PathBuf,
    /// This program, for the processes that are started.
    pub(super) program: PathBuf,
    /// Tells the readings of this run from those of earlier ones.
    pub(super) run: String,
}

impl Prepared {
    pub(super) fn settings_file(&self) -> PathBuf {
        self.data.join("gateway.toml")
    }

    pub(super) fn gateway_log(&self) -> PathBuf {
        self.data.join("gateway.log")
    }

    pub(super) fn fleet_log(&self) -> PathBuf {
        self.data.join("fleet.log")
    }

    pub(super) fn acknowledged_file(&self) -> PathBuf {
        self.data.join("acknowledged.jsonl")
    }

    pub(super) fn receipts(&self) -> PathBuf {
        self.data.join("function-receipts")
    }

    pub(super) fn authority_certificate(&self) -> PathBuf {
        self.pki().join("authority.crt")
    }

    /// Certificate and key that the fleet does not use.
    pub(super) fn visitor_certificate(&self) -> (PathBuf, PathBuf) {
        let devices = self.pki().join("devices");
        (devices.join(format!("{VISITOR}.crt")), devices.join(format!("{VISITOR}.key")))
    }

    pub(super) fn api_url(&self) -> String {
        format!("http://{}", self.arguments.api)
    }

    pub(super) fn program_name(&self) -> String {
        self.program.display().to_string()
    }

    fn pki(&self) -> PathBuf {
        self.data.join("pki")
    }

    /// The command line of the fleet.
    pub(super) fn fleet_arguments(&self) -> Vec<String> {
        let pki = self.pki();
        let options: [(&str, String); 14] = [
            ("--address", self.arguments.mqtt.to_string()),
            ("--server-name", "localhost".to_string()),
            ("--authority", pki.join("authority.crt").display().to_string()),
            ("--certificates", pki.join("devices").display().to_string()),
            ("--devices", self.arguments.devices.to_string()),
            ("--connect-rate", "200".to_string()),
            ("--interval-ms", self.arguments.interval_ms.to_string()),
            ("--jitter", "0.2".to_string()),
            ("--qos", "1".to_string()),
            ("--topic", "plant/{device}/telemetry".to_string()),
            ("--seed", "7".to_string()),
            ("--run", self.run.clone()),
            ("--acknowledged-file", self.acknowledged_file().display().to_string()),
            ("--drain-secs", "30".to_string()),
        ];
        let mut arguments = vec!["run".to_string()];
        arguments.extend(options.into_iter().flat_map(|(name, value)| [name.to_string(), value]));
        arguments.extend(["--json".to_string(), "--stop-on-stdin-eof".to_string()]);
        arguments
    }
}

/// The control socket of the demo's gateway.
pub(super) fn control(prepared: &Prepared) -> anyhow::Result<Control> {
    Ok(Control::new(&Settings::load(Some(&prepared.settings_file()))?))
}

/// Makes what is not there yet.
pub(super) fn prepare(arguments: Arguments) -> anyhow::Result<Prepared> {
    ensure!(
        arguments.definitions.is_dir(),
        "there is no folder {} of rule definitions here; run the demo from the project's folder, or name one with --definitions",
        arguments.definitions.display()
    );
    fs::create_dir_all(&arguments.data)
        .with_context(|| format!("{} can't be made", arguments.data.display()))?;
    let prepared = Prepared {
        data: fs::canonicalize(&arguments.data)?,
        program: std::env::current_exe().context("this program's own path")?,
        run: format!("{:x}", super::tally::now_ms()),
        arguments,
    };
    clear(&prepared.receipts())?;
    fs::create_dir_all(prepared.receipts())?;
    make_certificates(&prepared)?;
    write_settings(&prepared)?;
    register(&prepared)?;
    Ok(prepared)
}

fn clear(directory: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} can't be cleared", directory.display()))
        }
        _ => Ok(()),
    }
}

fn make_certificates(prepared: &Prepared) -> anyhow::Result<()> {
    let name = "iot-gateway demo authority";
    let mut authority = Authority::load_or_create(prepared.pki(), name, Validity::days(3650))?;
    if authority.valid(Kind::Server, "localhost").is_none() {
        let host = prepared.arguments.mqtt.ip().to_string();
        authority.issue_server(&["localhost", "127.0.0.1", "::1", host.as_str()], Validity::days(397))?;
    }
    let names = (1..=prepared.arguments.devices).map(|number| format!("device-{number:05}"));
    let missing: Vec<DeviceRequest> = names
        .chain([VISITOR.to_string()])
        .filter(|name| authority.valid(Kind::Device, name).is_none())
        .map(|name| DeviceRequest::new(name, Validity::days(825)))
        .collect();
    if !missing.is_empty() {
        output::remark(format!("making {} device certificates", missing.len()));
        authority.issue_devices(&missing, |_| ())?;
    }
    Ok(())
}

/// Registers every device certificate of the authority, with a thing of its name and the demo's policy.
fn register(prepared: &Prepared) -> anyhow::Result<()> {
    let settings = Settings::load(Some(&prepared.settings_file()))?;
    ensure!(
        !Control::new(&settings).is_running(),
        "a gateway runs on {} already; end it, or give the demo another folder with --data",
        prepared.data.display()
    );
    let declared = Declared::open(&settings)?;
    if !declared.policies()?.iter().any(|policy| policy.name == POLICY) {
        let (name, document) = (POLICY.to_string(), POLICY_DOCUMENT.to_string());
        declared.apply(&[Operation::CreatePolicy { name, document }])?;
    }
    drop(declared);
    let authority = Authority::load(prepared.pki())?;
    let now = time::OffsetDateTime::now_utc();
    let registrations = authority
        .list()
        .iter()
        .filter(|issued| issued.kind == Kind::Device && issued.status(now) == ::certs::Status::Valid)
        .map(|issued| {
            let (file, _) = authority.device_files(&issued.common_name)?;
            Ok(Registration {
                certificate: read_certificate(&file)?,
                thing: Some(issued.common_name.clone()),
                policy: Some(POLICY.to_string()),
            })
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    registration::register(&settings, registrations)
}

fn read_certificate(file: &Path) -> anyhow::Result<Vec<u8>> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let certificate = CertificateDer::from_pem_file(file)
        .map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
    Ok(certificate.to_vec())
}

fn write_settings(prepared: &Prepared) -> anyhow::Result<()> {
    let definitions = fs::canonicalize(&prepared.arguments.definitions)?;
    let text = format!(
        r#"# Written anew by each `iot-gateway demo`; a good start for settings of your own.
data_directory = "data"

[listener]
tls_address = "{mqtt}"
https_address = "{https}"

[tls]
certificate = "pki/server.crt"
key = "pki/server.key"
authorities = ["pki/authority.crt"]
revocation_lists = ["pki/crl.pem"]

[rules]
definitions = {definitions:?}

[api]
address = "{api}"
unsigned_on_loopback = true

[[queue]]
name = "{QUEUE}"

[[queue]]
name = "{ALERTS}"

[[stream]]
name = "{STREAM}"
shards = 4

[[function]]
name = "{FUNCTION}"
command = [{program:?}, "demo-function", "--receipts", {receipts:?}]
concurrency = 4
"#,
        mqtt = prepared.arguments.mqtt,
        https = prepared.arguments.https,
        api = prepared.arguments.api,
        program = prepared.program,
        receipts = prepared.receipts(),
    );
    let path = prepared.settings_file();
    fs::write(&path, text).with_context(|| format!("{} can't be written", path.display()))
}
