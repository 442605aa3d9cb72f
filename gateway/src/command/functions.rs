//! `iot-gateway functions`: how the functions do, calls by hand, and what they print.

use super::control_client::Control;
use super::{ConfigArguments, output};
use anyhow::Context;
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::Value;
use std::io::Read;
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  iot-gateway functions invoke notify --payload '{\"sensor\": 7}'\n  \
    iot-gateway functions logs notify --follow\n\n\
    Call with any Lambda client: aws lambda invoke --endpoint-url http://127.0.0.1:8080 --function-name notify out.json")]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List functions, their instances and how calls went
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Call a function and print its answer, and its log on standard error
    Invoke {
        name: String,
        /// The event, JSON; `-` reads it from standard input
        #[arg(long, value_name = "JSON", default_value = "{}")]
        payload: String,
        /// Do not wait for the answer: the call is made later, and tried again if it fails
        #[arg(long)]
        queued: bool,
    },
    /// Print what a function printed last
    Logs {
        name: String,
        /// How many lines
        #[arg(long, short = 'n', default_value_t = 100)]
        lines: usize,
        /// Go on with what it prints from now on
        #[arg(long, short)]
        follow: bool,
    },
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let control = Control::new(&arguments.config.load()?);
    match &arguments.action {
        Action::List { json } => list(&control, *json),
        Action::Invoke { name, payload, queued } => invoke(&control, name, payload, *queued),
        Action::Logs { name, lines, follow } => logs(&control, name, *lines, *follow),
    }
}

fn list(control: &Control, json: bool) -> anyhow::Result<ExitCode> {
    let functions: Vec<Value> = control.get("/functions")?;
    if json {
        output::json(&functions)?;
        return Ok(ExitCode::SUCCESS);
    }
    let counts = ["busy", "idle", "concurrency", "invocations", "errors", "throttles", "coldStarts"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let rows: Vec<Vec<String>> = functions
        .iter()
        .map(|function| {
            let counts = counts.iter().map(|key| function[*key].to_string());
            let name = std::iter::once(text(&function["name"]));
            name.chain(counts).chain([text(&function["health"])]).collect()
        })
        .collect();
    let headings = [
        "function",
        "busy",
        "idle",
        "at most",
        "invocations",
        "errors",
        "throttles",
        "cold starts",
        "health",
    ];
    output::table(&headings, &rows);
    Ok(ExitCode::SUCCESS)
}

fn invoke(control: &Control, name: &str, payload: &str, queued: bool) -> anyhow::Result<ExitCode> {
    let mut read = String::new();
    let payload = match payload {
        "-" => {
            std::io::stdin()
                .read_to_string(&mut read)
                .context("the event can't be read from standard input")?;
            read.as_str()
        }
        given => given,
    };
    let event: Value = serde_json::from_str(payload).context("the event is no JSON")?;
    let path = format!("/functions/{}/invoke?queued={queued}", encoded(name));
    let answer: Value = control.ask(Method::POST, &path, Some(&event))?;
    if queued {
        output::line(answer["requestId"].as_str().unwrap_or_default());
        return Ok(ExitCode::SUCCESS);
    }
    output::remark(printable(answer["log"].as_str().unwrap_or_default()).trim_end());
    output::json(&answer["payload"])?;
    Ok(if answer["failed"] == true { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn logs(control: &Control, name: &str, lines: usize, follow: bool) -> anyhow::Result<ExitCode> {
    let path = format!("/functions/{}/logs?lines={lines}&follow={follow}", encoded(name));
    let mut failed = None;
    control.follow(&path, "text/plain", |text| {
        failed = output::bit(printable(&String::from_utf8_lossy(text)).as_bytes()).err();
        failed.is_none()
    })?;
    match failed {
        // Whoever reads has seen enough, as `head` has.
        Some(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Without what would move a terminal's cursor: a program may print anything.
fn printable(text: &str) -> String {
    let shown = |character: char| match character {
        '\n' | '\t' => vec![character],
        control if control.is_control() => control.escape_default().collect(),
        other => vec![other],
    };
    text.chars().flat_map(shown).collect()
}
