//! `iot-gateway archives`: what the archives hold.

use super::control_client::Control;
use super::dead_letters::escape;
use super::{ConfigArguments, output};
use clap::{Args, Subcommand};
use serde_json::Value;
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  iot-gateway archives list\n  iot-gateway archives show plant\n\n\
    Send events of an archive again: iot-gateway replay --help")]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List archives
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one, as JSON
    Show { name: String },
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let control = Control::new(&arguments.config.load()?);
    match &arguments.action {
        Action::List { json } => list(&control, *json)?,
        Action::Show { name } => {
            output::json(&control.get::<Value>(&format!("/archives/{}", escape(name)))?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(control: &Control, as_json: bool) -> anyhow::Result<()> {
    let archives: Vec<Value> = control.get("/archives")?;
    if as_json {
        return output::json(&archives);
    }
    let text = |value: &Value| value.as_str().unwrap_or("-").to_string();
    let rows: Vec<Vec<String>> = archives
        .iter()
        .map(|archive| {
            vec![
                text(&archive["name"]),
                archive["events"].to_string(),
                archive["waiting"].to_string(),
                archive["diskBytes"].to_string(),
                text(&archive["oldestAt"]),
                text(&archive["newestAt"]),
            ]
        })
        .collect();
    output::table(&["archive", "events", "waiting", "disk bytes", "oldest", "newest"], &rows);
    Ok(())
}
