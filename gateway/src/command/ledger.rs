//! `iot-gateway ledger`: the books, by rule and target.

use super::control_client::Control;
use super::{ConfigArguments, output};
use clap::Args;
use serde_json::Value;
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  iot-gateway ledger --config gateway.toml\n\n\
    accepted = delivered + dead-lettered + waiting + dropped, in every row. Ends with status 1 when a row does not balance, or does not \
    agree with the journal.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Count what waits again from the journal, and compare; reads all of it
    #[arg(long)]
    audit: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let path = if arguments.audit { "/ledger?audit=true" } else { "/ledger" };
    let ledger: Value = Control::new(&arguments.config.load()?).get(path)?;
    if arguments.json {
        output::json(&ledger)?;
    } else {
        print(&ledger);
    }
    let balanced = ledger["balanced"] == Value::Bool(true);
    let agrees = ledger["disagreements"].as_array().is_none_or(Vec::is_empty);
    Ok(if balanced && agrees { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
    if let Some(disagreements) = ledger["disagreements"].as_array() {
        let agrees = if disagreements.is_empty() { "they agree" } else { "THEY DO NOT AGREE" };
        output::line(format!("what waits, counted again from the journal: {agrees}"));
        for found in disagreements {
            let text = |key: &str| found[key].as_str().unwrap_or_default();
            let (rule, target) = (text("rule"), text("target"));
            output::line(format!(
                "{target} {rule}: {} by the books, {} found",
                found["booked"], found["found"]
            ));
        }
    }
}
