//! `iot-gateway things`: things, their certificates, and what a certificate may do.

use super::registration::Declared;
use super::{ConfigArguments, output};
use access::Fingerprint;
use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use registry::{CertificateStatus, Operation};
use std::collections::BTreeMap;
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  iot-gateway things list --config gateway.toml\n  \
    iot-gateway things create kiln-7 --type kiln --attribute line=a\n  \
    iot-gateway things attach kiln-7 3f9c… --policy device\n  \
    iot-gateway things status 3f9c… inactive\n\n\
    A certificate is named by its fingerprint (SHA-256, hex), or the beginning of one.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List things with their certificates
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List registered certificates
    Certificates {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Create a thing
    Create {
        name: String,
        /// Its type
        #[arg(long = "type")]
        thing_type: Option<String>,
        /// An attribute; may be given several times
        #[arg(long = "attribute", value_name = "NAME=VALUE")]
        attributes: Vec<String>,
    },
    /// Delete a thing that no certificate is attached to
    Delete { name: String },
    /// Attach a certificate to a thing, and a policy to the certificate
    Attach {
        thing: String,
        certificate: String,
        /// The policy
        #[arg(long)]
        policy: Option<String>,
    },
    /// Detach a certificate from a thing
    Detach { thing: String, certificate: String },
    /// Set the status of a certificate; anything but active cuts its connections at once
    Status { certificate: String, status: StatusArgument },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StatusArgument {
    Active,
    Inactive,
    Revoked,
}

impl From<StatusArgument> for CertificateStatus {
    fn from(status: StatusArgument) -> Self {
        match status {
            StatusArgument::Active => Self::Active,
            StatusArgument::Inactive => Self::Inactive,
            StatusArgument::Revoked => Self::Revoked,
        }
    }
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let declared = Declared::open(&arguments.config.load()?)?;
    let operations = match &arguments.action {
        Action::List { json } => return list(&declared, *json),
        Action::Certificates { json } => return certificates(&declared, *json),
        Action::Create { name, thing_type, attributes } => {
            let attributes = attributes.iter().map(|text| attribute(text)).collect::<anyhow::Result<_>>()?;
            vec![Operation::CreateThing { name: name.clone(), thing_type: thing_type.clone(), attributes }]
        }
        Action::Delete { name } => vec![Operation::DeleteThing { name: name.clone() }],
        Action::Attach { thing, certificate, policy } => {
            let certificate = find(&declared, certificate)?;
            let mut operations = vec![Operation::AttachThingPrincipal { thing: thing.clone(), certificate }];
            operations.extend(policy.clone().map(|policy| Operation::AttachPolicy { policy, certificate }));
            operations
        }
        Action::Detach { thing, certificate } => {
            let certificate = find(&declared, certificate)?;
            vec![Operation::DetachThingPrincipal { thing: thing.clone(), certificate }]
        }
        Action::Status { certificate, status } => {
            let certificate = find(&declared, certificate)?;
            vec![Operation::UpdateCertificateStatus { certificate, status: (*status).into() }]
        }
    };
    declared.apply(&operations)?;
    Ok(ExitCode::SUCCESS)
}

fn attribute(text: &str) -> anyhow::Result<(String, String)> {
    let (name, value) = text.split_once('=').with_context(|| format!("`{text}` is not NAME=VALUE"))?;
    Ok((name.to_string(), value.to_string()))
}

/// The certificate whose fingerprint begins so.
fn find(declared: &Declared, beginning: &str) -> anyhow::Result<Fingerprint> {
    let wanted = beginning.to_ascii_lowercase();
    let mut found = declared.certificates()?.into_iter().map(|certificate| certificate.fingerprint);
    let mut matching = found.by_ref().filter(|fingerprint| fingerprint.to_string().starts_with(&wanted));
    match (matching.next(), matching.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => {
            bail!("no registered certificate begins with `{beginning}`; `things certificates` lists them")
        }
        (Some(_), Some(_)) => {
            bail!("several certificates begin with `{beginning}`; give more of the fingerprint")
        }
    }
}

fn list(declared: &Declared, as_json: bool) -> anyhow::Result<ExitCode> {
    let things = declared.things()?;
    if as_json {
        output::json(&things)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut attached: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for certificate in declared.certificates()? {
        for thing in &certificate.things {
            let text = format!("{} ({})", certificate.fingerprint, certificate.status);
            attached.entry(thing.clone()).or_default().push(text);
        }
    }
    let rows: Vec<Vec<String>> = things
        .into_iter()
        .map(|thing| {
            let certificates = attached.remove(&thing.name).unwrap_or_default().join(", ");
            vec![thing.name, thing.thing_type.unwrap_or_default(), certificates]
        })
        .collect();
    output::table(&["thing", "type", "certificates"], &rows);
    Ok(ExitCode::SUCCESS)
}

fn certificates(declared: &Declared, as_json: bool) -> anyhow::Result<ExitCode> {
    let certificates = declared.certificates()?;
    if as_json {
        output::json(&certificates)?;
        return Ok(ExitCode::SUCCESS);
    }
    let joined =
        |names: &std::collections::BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
    let rows: Vec<Vec<String>> = certificates
        .iter()
        .map(|certificate| {
            vec![
                certificate.fingerprint.to_string(),
                certificate.status.to_string(),
                certificate.subject.clone(),
                joined(&certificate.things),
                joined(&certificate.policies),
            ]
        })
        .collect();
    output::table(&["fingerprint", "status", "subject", "things", "policies"], &rows);
    Ok(ExitCode::SUCCESS)
}
