//! `iot-gateway rules`: test rules before they run.

use super::output;
use ::rules::definition::Definition;
use ::rules::{CompileOptions, Message, Outcome, Output, Randomness, Statement, cases};
use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  iot-gateway rules test rules/definitions\n  \
    iot-gateway rules eval --sql \"SELECT temperature FROM 'plant/+/telemetry' WHERE temperature > 80\" \\\n    \
    --topic plant/kiln-7/telemetry --payload '{\"temperature\": 81.5}'")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run the cases of definitions, or of a .jsonl file of vectors
    Test {
        /// Definitions (a folder with rule.toml and cases.jsonl), folders of them, or .jsonl files
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Show what a statement makes of one message, and why
    Eval(EvalArguments),
}

#[derive(Debug, Args)]
struct EvalArguments {
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

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.action {
        Action::Test { paths } => test(paths),
        Action::Eval(arguments) => eval(arguments),
    }
}

fn test(paths: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let mut suites = Vec::new();
    for path in paths {
        find_suites(path, &mut suites)?;
    }
    ensure!(!suites.is_empty(), "nothing to test there: no rule.toml and no .jsonl file");
    let (mut passed, mut failed) = (0, 0);
    for suite in &suites {
        let report = run_suite(suite)?;
        passed += report.passed;
        failed += report.failures.len();
        for failure in report.failures {
            output::line(format!(
                "{}:{}: {}\n{}",
                suite.cases.display(),
                failure.line,
                failure.id,
                failure.difference
            ));
        }
    }
    output::line(format!("{passed} passed, {failed} failed"));
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A file of cases, and the definition they are about if there is one.
struct Suite {
    definition: Option<PathBuf>,
    cases: PathBuf,
}

fn find_suites(path: &Path, suites: &mut Vec<Suite>) -> anyhow::Result<()> {
    let read = || format!("{} can't be read", path.display());
    if path.is_file() {
        suites.push(Suite { definition: None, cases: path.to_path_buf() });
        return Ok(());
    }
    let definition = path.join("rule.toml");
    if definition.is_file() {
        suites.push(Suite { definition: Some(definition), cases: path.join("cases.jsonl") });
        return Ok(());
    }
    let mut folders: Vec<PathBuf> = std::fs::read_dir(path)
        .with_context(read)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .with_context(read)?;
    folders.sort();
    for folder in folders.into_iter().filter(|folder| folder.is_dir()) {
        find_suites(&folder, suites)?;
    }
    Ok(())
}

fn run_suite(suite: &Suite) -> anyhow::Result<cases::Report> {
    let read = |path: &Path| {
        std::fs::read_to_string(path).with_context(|| format!("{} can't be read", path.display()))
    };
    let Some(file) = &suite.definition else { return Ok(cases::run(&read(&suite.cases)?, None)) };
    let text = read(file)?;
    let name = file.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or("rule");
    let definition = Definition::parse(name, &file.to_string_lossy(), &text)
        .map_err(|errors| anyhow::anyhow!("{}", errors.render(&text)))?;
    Ok(cases::run(&read(&suite.cases)?, Some(&definition)))
}

struct Random;

impl Randomness for Random {
    fn bytes(&self) -> [u8; 16] {
        rand::random()
    }
}

fn eval(arguments: &EvalArguments) -> anyhow::Result<ExitCode> {
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
    let matches = explanation.topic_matches && matches!(explanation.outcome, Ok(Outcome::Match(_)));
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

fn as_json(explanation: &::rules::Explanation, matches: bool) -> serde_json::Value {
    let (output, fault) = match &explanation.outcome {
        Ok(Outcome::Match(output)) => (Some(text(output)), None),
        Ok(Outcome::NoMatch) => (None, None),
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

fn print(statement: &Statement, explanation: &::rules::Explanation, arguments: &EvalArguments) {
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
        Ok(Outcome::NoMatch) => output::line("no match: WHERE is not true"),
        Err(fault) => output::line(format!("fault   {fault}")),
    }
}
