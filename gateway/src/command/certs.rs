//! `iot-gateway certs`: a development authority, its certificates and its revocation list.

use super::{ConfigArguments, output, registration};
use ::certs::{Authority, DeviceRequest, Issued, Reason, Validity};
use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  iot-gateway certs authority --directory pki\n  \
    iot-gateway certs server --directory pki --name gateway.example.com --name 192.0.2.7\n  \
    iot-gateway certs device --directory pki --name kiln-7 --policy device --config gateway.toml\n  \
    iot-gateway certs revoke --directory pki kiln-7 --reason key-compromise --config gateway.toml")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make the authority
    Authority {
        #[command(flatten)]
        place: Place,
        /// Name in the authority's certificate
        #[arg(long, default_value = "iot-gateway development authority")]
        name: String,
        /// Days it is valid
        #[arg(long, default_value_t = 3650)]
        days: u16,
    },
    /// Make the server's certificate
    Server {
        #[command(flatten)]
        place: Place,
        /// DNS name or IP address under which devices reach the gateway; may be given several times
        #[arg(long = "name", required = true)]
        names: Vec<String>,
        /// Days it is valid
        #[arg(long, default_value_t = 397)]
        days: u16,
    },
    /// Make device certificates, and register them with the gateway
    Device(DeviceArguments),
    /// Revoke a certificate: in the revocation list, and at once in the gateway
    Revoke {
        #[command(flatten)]
        place: Place,
        /// Fingerprint, serial number or device name
        which: String,
        /// Why: unspecified, key-compromise, affiliation-changed, superseded, cessation-of-operation, privilege-withdrawn
        #[arg(long, default_value = "unspecified")]
        reason: Reason,
        /// Settings of the gateway that is to cut the device off at once
        #[arg(long, short, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// List what was issued
    List {
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct Place {
    /// The authority's folder
    #[arg(long, value_name = "DIRECTORY", default_value = "pki")]
    directory: PathBuf,
}

#[derive(Debug, Args)]
struct DeviceArguments {
    #[command(flatten)]
    place: Place,
    /// Name of the device: common name, file name and, by custom, its client id
    #[arg(long)]
    name: String,
    /// Make so many, named NAME-0001, NAME-0002 and so on
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    count: Option<u32>,
    /// Organization in the certificate
    #[arg(long)]
    organization: Option<String>,
    /// Days it is valid
    #[arg(long, default_value_t = 825)]
    days: u16,
    /// Settings of the gateway to register it with; without them the certificate is only made
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Policy to attach; needs --config
    #[arg(long, requires = "config")]
    policy: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.action {
        Action::Authority { place, name, days } => {
            let authority = Authority::create(&place.directory, name, Validity::days(*days))?;
            output::line(format!("{}", authority.certificate_file().display()));
        }
        Action::Server { place, names, days } => {
            let made = Authority::load(&place.directory)?.issue_server(names, Validity::days(*days))?;
            output::line(format!("{}\n{}", made.certificate_file.display(), made.key_file.display()));
        }
        Action::Device(device) => make_devices(device)?,
        Action::Revoke { place, which, reason, config } => {
            let revoked = Authority::load(&place.directory)?.revoke(which, *reason)?;
            for certificate in &revoked.certificates {
                output::line(format!("revoked {} {}", certificate.common_name, certificate.fingerprint));
            }
            if let Some(config) = config {
                let settings = ConfigArguments { config: config.clone() }.load()?;
                let fingerprints =
                    revoked.certificates.iter().map(|certificate| certificate.fingerprint.to_string());
                registration::revoke(&settings, fingerprints)?;
            }
        }
        Action::List { place, json } => list(&Authority::load(&place.directory)?, *json)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn make_devices(arguments: &DeviceArguments) -> anyhow::Result<()> {
    let settings = match &arguments.config {
        Some(config) => Some(ConfigArguments { config: config.clone() }.load()?),
        None => None,
    };
    let mut authority = Authority::load(&arguments.place.directory)?;
    let validity = Validity::days(arguments.days);
    let names: Vec<String> = match arguments.count {
        None => vec![arguments.name.clone()],
        Some(count) => (1..=count).map(|number| format!("{}-{number:04}", arguments.name)).collect(),
    };
    let requests: Vec<DeviceRequest> = names
        .into_iter()
        .map(|common_name| DeviceRequest {
            common_name,
            organization: arguments.organization.clone(),
            validity,
        })
        .collect();
    let made = authority.issue_devices(&requests, |done| {
        if requests.len() > 1 {
            output::remark(format!("{done} of {} certificates made", requests.len()));
        }
    })?;
    if let Some(settings) = &settings {
        let registrations = made.iter().map(|credentials| registration::Registration {
            certificate: credentials.certificate.to_vec(),
            thing: Some(credentials.issued.common_name.clone()),
            policy: arguments.policy.clone(),
        });
        registration::register(settings, registrations.collect())
            .context("the certificates are made, but not registered with the gateway")?;
    }
    for credentials in &made {
        output::line(format!(
            "{}\n{}",
            credentials.certificate_file.display(),
            credentials.key_file.display()
        ));
    }
    Ok(())
}

fn list(authority: &Authority, as_json: bool) -> anyhow::Result<()> {
    let now = time::OffsetDateTime::now_utc();
    let entry = |issued: &Issued| {
        json!({
            "name": issued.common_name,
            "kind": issued.kind,
            "status": issued.status(now),
            "notAfter": date(issued.not_after_secs),
            "fingerprint": issued.fingerprint.to_string(),
            "serial": issued.serial,
            "revoked": issued.revocation.map(|revocation| json!({
                "at": date(revocation.at_secs), "reason": revocation.reason.to_string() })),
        })
    };
    if as_json {
        return output::json(&authority.list().iter().map(entry).collect::<Vec<_>>());
    }
    let rows: Vec<Vec<String>> = authority
        .list()
        .iter()
        .map(|issued| {
            vec![
                issued.common_name.clone(),
                issued.status(now).to_string(),
                date(issued.not_after_secs),
                issued.fingerprint.to_string(),
            ]
        })
        .collect();
    output::table(&["name", "status", "valid until", "fingerprint"], &rows);
    Ok(())
}

fn date(secs: i64) -> String {
    time::OffsetDateTime::from_unix_timestamp(secs)
        .ok()
        .and_then(|at| at.format(&time::format_description::well_known::Rfc3339).ok())
        .unwrap_or_else(|| secs.to_string())
}
