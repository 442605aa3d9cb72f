//! `iot-gateway ledger`: the books, by rule and target.

use super::control_client::Control;
use super::{ConfigArguments, output};
use clap::Args;
use serde_json::Value;
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  iot-gateway ledger --config gateway.toml\n\n\
    accepted = delivered + dead-lettered + waiting + dropped, in every row. Ends with status 1 when a row does not balance.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let ledger: Value = Control::new(&arguments.config.load()?).get("/ledger")?;
    if arguments.json {
        output::json(&ledger)?;
    } else {
        print(&ledger);
    }
    let balanced = ledger["balanced"] == Value::Bool(true);
    Ok(if balanced { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(ledger: &Value) {
    let dropped = |row: &Value| -> u64 {
        let reasons = row["dropped"].as_object().into_iter().flat_map(|reasons| reasons.values());
        reasons.filter_map(Value::as_u64).sum()
    };
    let rows: Vec<Vec<String>> = ledger["rows"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| {
            let mut cells = vec![row["target"].as_str().unwrap_or_default().to_string()];
            cells.push(row["rule"].as_str().unwrap_or_default().to_string());
            cells.extend(
                ["accepted", "delivered", "dead_lettered", "waiting"].map(|key| row[key].to_string()),
            );
            cells.push(dropped(row).to_string());
            cells
        })
        .collect();
    output::table(&["target", "rule", "accepted", "delivered", "dead-lettered", "waiting", "dropped"], &rows);
    output::line(if ledger["balanced"] == Value::Bool(true) {
        "the books balance"
    } else {
        "THE BOOKS DO NOT BALANCE"
    });
}
