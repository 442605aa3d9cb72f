//! `iot-gateway rules eval`: what a statement, or a rule with its actions, makes of one message, and why.

mod message;

use super::output;
use super::test::load;
use anyhow::Context;
use clap::Args;
use message::{Fixed, MessageArguments};
use rules::cases::Fixtures;
use rules::definition::Definition;
use rules::{Capabilities, CompileOptions, SqlVersion, Statement};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    iot-gateway rules eval --rule rules/definitions/overheating --topic plant/kiln-7/telemetry --payload '{\"temperature\": 81.5}'\n  \
    iot-gateway rules eval --sql \"SELECT temperature FROM 'plant/+/telemetry' WHERE temperature > 80\" \\\n    \
    --topic plant/kiln-7/telemetry --payload @reading.json\n\n\
    Ends with status 0 if the message matches, with 3 if it doesn't, and with 1 if the rule or the message can't be read.")]
pub(super) struct Arguments {
    /// The statement
    #[arg(long, required_unless_present = "rule", conflicts_with = "rule")]
    sql: Option<String>,
    /// A definition: its folder, or the file itself
    #[arg(long, value_name = "FOLDER")]
    rule: Option<PathBuf>,
    /// The version that the statement is read as
    #[arg(long, value_name = "VERSION", conflicts_with = "rule")]
    sql_version: Option<String>,
    /// Answers for functions that ask other services, as cases have them under `fixtures`
    #[arg(long, value_name = "FILE")]
    fixtures: Option<PathBuf>,
    #[command(flatten)]
    message: MessageArguments,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let (statement, definition) = arguments.statement()?;
    let payload = arguments.message.payload()?;
    let randomness = Fixed::new();
    let mut message = arguments.message.message(&payload, &randomness)?;
    let fixtures = arguments.fixtures()?;
    if let Some(fixtures) = &fixtures {
        message.outside = fixtures;
    }
    let explanation = statement.explain(&message);
    let actions = definition.iter().flat_map(|definition| &definition.actions);
    let actions: Vec<_> = actions.map(|action| action.filled(&message)).collect();
    if arguments.json {
        output::json(&explanation.json(&actions)?)?;
    } else {
        output::line(explanation.text(&actions).trim_end());
    }
    Ok(if explanation.is_match() { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

impl Arguments {
    fn statement(&self) -> anyhow::Result<(Statement, Option<Definition>)> {
        if let Some(rule) = &self.rule {
            let file = if rule.is_dir() { rule.join("rule.toml") } else { rule.clone() };
            let definition = load(&file).map_err(|reason| located(&file, &reason))?;
            return Ok((definition.statement.clone(), Some(definition)));
        }
        let sql = self.sql.as_deref().unwrap_or_default();
        let version = match &self.sql_version {
            None => SqlVersion::default(),
            Some(text) => SqlVersion::parse(text).with_context(|| {
                let known: Vec<&str> = SqlVersion::ALL.into_iter().map(SqlVersion::text).collect();
                format!("unknown SQL version `{text}`; there are {}", known.join(" and "))
            })?,
        };
        let options = CompileOptions { version, ..CompileOptions::default() };
        let statement = Statement::compile_for(sql, options, &Capabilities::all())
            .map_err(|errors| anyhow::anyhow!("\n{}", errors.render(sql, "--sql")))?;
        Ok((statement, None))
    }

    fn fixtures(&self) -> anyhow::Result<Option<Fixtures>> {
        let Some(file) = &self.fixtures else { return Ok(None) };
        let read = || format!("{} can't be read", file.display());
        let text = std::fs::read_to_string(file).with_context(read)?;
        Ok(Some(Fixtures::parse(&text).with_context(read)?))
    }
}

/// A reason with the file it is about, which the compiler's lines name themselves.
fn located(file: &Path, reason: &str) -> anyhow::Error {
    if reason.contains('\n') {
        anyhow::anyhow!("\n{reason}")
    } else {
        anyhow::anyhow!("{}: {reason}", file.display())
    }
}
