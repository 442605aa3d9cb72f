//! `iot-gateway demo-function`: the function that the demo invokes, an ordinary Lambda handler on the public `lambda_runtime` crate.
//!
//! It appends each event to a file of its own, so that the demo can count what arrived without asking the gateway.

use anyhow::Context;
use clap::Args;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The folder for the receipts
    #[arg(long, value_name = "DIRECTORY")]
    receipts: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let path = arguments.receipts.join(format!("{}.jsonl", uuid::Uuid::new_v4()));
    let file = File::options().create_new(true).append(true).open(&path);
    let file = Arc::new(file.with_context(|| format!("{} can't be written", path.display()))?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let handler = service_fn(|event: LambdaEvent<Value>| {
        let file = Arc::clone(&file);
        async move { receive(&file, &event.payload) }
    });
    runtime
        .block_on(lambda_runtime::run(handler))
        .map_err(|error| anyhow::anyhow!("the Lambda runtime ended: {error}"))?;
    Ok(ExitCode::SUCCESS)
}

/// One write for each line, so that a reader never sees half of one with another in between.
fn receive(mut file: &File, payload: &Value) -> Result<Value, lambda_runtime::Error> {
    file.write_all(format!("{payload}\n").as_bytes())?;
    Ok(json!({ "received": payload["sequence"] }))
}
