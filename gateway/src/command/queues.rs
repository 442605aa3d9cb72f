//! `iot-gateway queues`: how many messages wait in the embedded queues, and how long.

use super::control_client::Control;
use super::{ConfigArguments, output};
use clap::{Args, Subcommand};
use serde_json::Value;
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  iot-gateway queues list --config gateway.toml\n\n\
    Receive with any SQS client: aws sqs receive-message --endpoint-url http://127.0.0.1:8080 --queue-url …")]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List queues
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Action::List { json } = &arguments.action;
    let queues: Vec<Value> = Control::new(&arguments.config.load()?).get("/queues")?;
    if *json {
        output::json(&queues)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = queues
        .iter()
        .map(|queue| {
            let name = queue["name"].as_str().unwrap_or_default().to_string();
            [name]
                .into_iter()
                .chain(["visible", "inFlight", "delayed"].map(|key| queue[key].to_string()))
                .collect()
        })
        .collect();
    output::table(&["queue", "visible", "in flight", "delayed"], &rows);
    Ok(ExitCode::SUCCESS)
}
