//! `iot-gateway rules eval`: what a statement makes of one message, and why.

use super::output;
use anyhow::Context;
use clap::Args;
use rules::{CompileOptions, Explanation, Message, Outcome, Output, Randomness, Statement};
use serde_json::json;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The statement
    #[arg(long)]
    sql: String,
    /// The topic of the message
    #[arg(long)]
    topic: String,
    /// Its payload, or @FILE
    #[arg(long, default_value = "{}")]
    payload: String,
    /// The client that published it
    #[arg(long, default_value = "example")]
    client_id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

struct Random;

impl Randomness for Random {
    fn bytes(&self) -> [u8; 16] {
        rand::random()
    }
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let payload = match arguments.payload.strip_prefix('@') {
        Some(file) => std::fs::read(file).with_context(|| format!("{file} can't be read"))?,
        None => arguments.payload.clone().into_bytes(),
    };
    let statement = Statement::compile(&arguments.sql, CompileOptions::default())
        .map_err(|errors| anyhow::anyhow!("\n{}", errors.render(&arguments.sql, "--sql")))?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    let mut message = Message::new(&arguments.topic, &payload, now_ms, &Random);
    message.client_id = Some(&arguments.client_id);
    let explanation = statement.explain(&message);
    let matches =
        explanation.topic_matches && matches!(explanation.outcome, Ok(Outcome::Match(_) | Outcome::Row(_)));
    if arguments.json {
        output::json(&as_json(&explanation, matches))?;
    } else {
        print(&statement, &explanation, arguments);
    }
    Ok(if matches { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(output.bytes()).into_owned()
}

fn as_json(explanation: &Explanation, matches: bool) -> serde_json::Value {
    let (output, fault) = match &explanation.outcome {
        Ok(Outcome::Match(output)) => (Some(text(output)), None),
        Ok(Outcome::NoMatch | Outcome::Row(_)) => (None, None),
        Ok(Outcome::Ask(question)) => (None, Some(format!("`{question}` has no answer here"))),
        Err(fault) => (None, Some(fault.to_string())),
    };
    let parts: Vec<_> = explanation
        .parts
        .iter()
        .map(|part| json!({ "sql": part.sql, "value": part.value, "depth": part.depth }))
        .collect();
    json!({
        "matches": matches,
        "topicMatches": explanation.topic_matches,
        "where": parts,
        "output": output.map(|text| serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text))),
        "fault": fault,
    })
}

fn print(statement: &Statement, explanation: &Explanation, arguments: &Arguments) {
    let filter = statement.topic_filter().map_or("(none)".to_string(), ToString::to_string);
    let verdict = if explanation.topic_matches { "matches" } else { "does not match" };
    output::line(format!("FROM    '{filter}' {verdict} '{}'", arguments.topic));
    for part in &explanation.parts {
        let heading = if part.depth == 0 { "WHERE  " } else { "       " };
        output::line(format!("{heading} {}{} is {}", "  ".repeat(part.depth), part.sql, part.value));
    }
    match &explanation.outcome {
        _ if !explanation.topic_matches => {
            output::line("no match: the topic is not one that FROM lets through");
        }
        Ok(Outcome::Match(output)) => output::line(format!("output  {}", text(output))),
        Ok(Outcome::Row(_)) => output::line("counts in its windows; the output comes when they close"),
        Ok(Outcome::NoMatch) => output::line("no match: WHERE is not true"),
        Ok(Outcome::Ask(question)) => output::line(format!("fault   `{question}` has no answer here")),
        Err(fault) => output::line(format!("fault   {fault}")),
    }
}
