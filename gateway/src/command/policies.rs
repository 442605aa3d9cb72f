//! `iot-gateway policies`: what a certificate or user may do, in AWS IoT's policy language.

use super::registration::Declared;
use super::{ConfigArguments, output};
use anyhow::Context;
use clap::{Args, Subcommand};
use registry::Operation;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  iot-gateway policies put device policies/device.json --config gateway.toml\n  \
    iot-gateway policies show device\n\n\
    A folder named by `access.policies` in the settings does the same for every file in it, and follows changes."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List policies
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print a policy's document
    Show { name: String },
    /// Create a policy, or give it a new document
    Put { name: String, document: PathBuf },
    /// Delete a policy that is attached to no certificate and no user
    Delete { name: String },
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let declared = Declared::open(&arguments.config.load()?)?;
    let policies = declared.policies()?;
    match &arguments.action {
        Action::List { json: true } => output::json(&policies)?,
        Action::List { json: false } => {
            let rows: Vec<Vec<String>> =
                policies.iter().map(|policy| vec![policy.name.clone(), policy.version.to_string()]).collect();
            output::table(&["policy", "version"], &rows);
        }
        Action::Show { name } => {
            let policy = policies.iter().find(|policy| policy.name == *name);
            output::line(&policy.with_context(|| format!("there is no policy `{name}`"))?.document);
        }
        Action::Put { name, document } => {
            let text = std::fs::read_to_string(document)
                .with_context(|| format!("{} can't be read", document.display()))?;
            let (name, document) = (name.clone(), text);
            let exists = policies.iter().any(|policy| policy.name == name);
            declared.apply(&[if exists {
                Operation::UpdatePolicy { name, document }
            } else {
                Operation::CreatePolicy { name, document }
            }])?;
        }
        Action::Delete { name } => declared.apply(&[Operation::DeletePolicy { name: name.clone() }])?,
    }
    Ok(ExitCode::SUCCESS)
}
