//! `iot-gateway rules list`: the rules and subscriptions of the running gateway, whether they are in force, and what came of them.

use super::output;
use crate::command::ConfigArguments;
use crate::command::control_client::Control;
use clap::Args;
use serde_json::Value;
use std::process::ExitCode;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The longest statement in the table, in characters.
const SQL_CHARACTERS_MAX: usize = 60;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  iot-gateway rules list --config gateway.toml\n  iot-gateway rules list overheating\n\n\
    Counts begin with the gateway. Why a rule does not match: `iot-gateway rules trace`."
)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Show this rule alone, with its definition and what is wrong with it
    rule: Option<String>,
    /// List the subscriptions alone
    #[arg(long, conflicts_with = "rule")]
    subscriptions: bool,
    /// Print JSON, of rules alone or of subscriptions alone
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let control = Control::new(&arguments.config.load()?);
    let Some(rule) = &arguments.rule else {
        print_all(arguments, &control)?;
        return Ok(ExitCode::SUCCESS);
    };
    let rule: Value = control.get(&format!("/rules/{}", super::encoded(rule)))?;
    if arguments.json {
        output::json(&rule)?;
    } else {
        print_one(&rule);
    }
    Ok(ExitCode::SUCCESS)
}

fn print_all(arguments: &Arguments, control: &Control) -> anyhow::Result<()> {
    if arguments.json {
        let path = if arguments.subscriptions { "/subscriptions" } else { "/rules" };
        return output::json(&control.get::<Vec<Value>>(path)?);
    }
    if !arguments.subscriptions {
        print_table(&control.get::<Vec<Value>>("/rules")?);
    }
    let subscriptions: Vec<Value> = control.get("/subscriptions")?;
    if !subscriptions.is_empty() || arguments.subscriptions {
        output::line("");
        print_subscriptions(&subscriptions);
    }
    Ok(())
}

fn print_subscriptions(subscriptions: &[Value]) {
    let rows: Vec<Vec<String>> = subscriptions
        .iter()
        .map(|subscription| {
            let text = |key: &str| subscription[key].as_str().unwrap_or_default().to_string();
            let count = |key: &str| subscription[key].as_u64().unwrap_or(0).to_string();
            vec![
                text("subscription"),
                text("state"),
                count("matches"),
                count("failed"),
                last_match(subscription),
                targets(subscription),
                short(&text("pattern")),
            ]
        })
        .collect();
    output::table(&["subscription", "state", "matches", "failed", "last match", "targets", "pattern"], &rows);
}

/// `kind/name` of each target.
fn targets(subscription: &Value) -> String {
    let targets = subscription["targets"].as_array().into_iter().flatten();
    let named = targets.filter_map(|target| {
        let mut members = target.as_object()?.iter().filter(|(key, _)| *key != "transformed");
        members.next().map(|(kind, name)| format!("{kind}/{}", name.as_str().unwrap_or_default()))
    });
    named.collect::<Vec<_>>().join(", ")
}

fn print_table(rules: &[Value]) {
    let rows: Vec<Vec<String>> = rules
        .iter()
        .map(|rule| {
            let text = |key: &str| rule[key].as_str().unwrap_or_default().to_string();
            let count = |key: &str| rule[key].as_u64().unwrap_or(0).to_string();
            vec![
                text("rule"),
                text("state"),
                count("matches"),
                failed(rule).to_string(),
                last_match(rule),
                short(&text("sql")),
            ]
        })
        .collect();
    output::table(&["rule", "state", "matches", "failed", "last match", "statement"], &rows);
}

fn print_one(rule: &Value) {
    let text = |key: &str| rule[key].as_str().unwrap_or_default();
    let rows = [
        ("rule", text("rule").to_string()),
        ("state", text("state").to_string()),
        ("file", text("file").to_string()),
        ("matches", rule["matches"].to_string()),
        ("last match", last_match(rule)),
        (
            "failed",
            rule["failed"].as_object().map_or(String::new(), |kinds| {
                let kinds = kinds.iter().map(|(kind, count)| format!("{count} {kind}"));
                kinds.collect::<Vec<_>>().join(", ")
            }),
        ),
    ];
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        output::line(format!("{name:<11}{value}"));
    }
    for fault in rule["faults"].as_array().into_iter().flatten() {
        output::line(format!("{:<11}{}", "refused", fault.as_str().unwrap_or_default()));
    }
    if let Some(definition) = rule["definition"].as_str() {
        output::line(format!("\n{}", definition.trim_end()));
    }
}

fn failed(rule: &Value) -> u64 {
    rule["failed"].as_object().map_or(0, |kinds| kinds.values().filter_map(Value::as_u64).sum())
}

fn last_match(rule: &Value) -> String {
    let Some(ms) = rule["lastMatchMs"].as_u64() else { return String::new() };
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000);
    time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

/// A statement on one line, cut where it is long.
fn short(sql: &str) -> String {
    let line = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SQL_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
