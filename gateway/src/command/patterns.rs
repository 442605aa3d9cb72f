//! `iot-gateway patterns`: event patterns and input transformers tried without a gateway.

use super::output;
use anyhow::Context as _;
use clap::{Args, Subcommand};
use patterns::{Context, Explanation, Pattern, Transformer, Verdict, explain};
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say whether an event matches a pattern, and which field does not
    Test(TestArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    iot-gateway patterns test --pattern '{\"detail\":{\"t\":[{\"numeric\":[\">\",80]}]}}' --event '{\"detail\":{\"t\":81}}'\n  \
    iot-gateway patterns test --pattern @pattern.json --event @event.json --template '\"t is <t>\"' --variable t=$.detail.t\n\n\
    Ends with status 0 if the event matches, with 3 if it doesn't, and with 1 if one of them can't be read.")]
struct TestArguments {
    /// The pattern; @FILE reads it from a file, - from standard input
    #[arg(long)]
    pattern: String,
    /// The event, as JSON; @FILE reads it from a file, - from standard input
    #[arg(long)]
    event: String,
    /// A template of an input transformer, to see what it makes of an event that matches
    #[arg(long)]
    template: Option<String>,
    /// A variable of the template
    #[arg(long = "variable", value_name = "NAME=PATH", requires = "template")]
    variables: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Action::Test(arguments) = &arguments.action;
    let pattern = given(&arguments.pattern)?;
    let pattern = Pattern::parse(&pattern).context("pattern")?;
    let event = given(&arguments.event)?;
    let explanation = explain(&pattern, &event)?;
    let transformer = arguments.transformer()?;
    let context = Context {
        rule_name: "example",
        rule_arn: "arn:aws:events:us-east-1:123456789012:rule/example",
        ingestion_time: "2026-01-01T00:00:00Z",
    };
    let input = transformer
        .as_ref()
        .filter(|_| explanation.matches)
        .map(|it| it.apply(&event, &context))
        .transpose()?;
    if arguments.json {
        output::json(&told(&explanation, input.as_deref()))?;
    } else {
        output::line(explanation.to_string());
        input.iter().for_each(|input| output::line(format!("input: {input}")));
    }
    Ok(if explanation.matches { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

impl TestArguments {
    fn transformer(&self) -> anyhow::Result<Option<Transformer>> {
        let Some(template) = &self.template else { return Ok(None) };
        let variables: Vec<(&str, &str)> = self
            .variables
            .iter()
            .map(|variable| {
                variable.split_once('=').with_context(|| format!("`{variable}` is not NAME=PATH"))
            })
            .collect::<Result<_, _>>()?;
        Ok(Some(Transformer::template(variables, template)?))
    }
}

fn told(explanation: &Explanation, input: Option<&str>) -> Value {
    let fields = explanation.fields.iter().map(|field| {
        let verdict = match field.verdict {
            Verdict::Holds => "holds",
            Verdict::Missing => "missing",
            Verdict::Differs => "differs",
            Verdict::Apart => "apart",
        };
        json!({ "field": field.path, "wanted": field.wanted, "found": field.found, "verdict": verdict })
    });
    json!({
        "matches": explanation.matches,
        "alternatives": explanation.alternatives,
        "fields": fields.collect::<Vec<_>>(),
        "input": input,
    })
}

fn given(text: &str) -> anyhow::Result<String> {
    if text == "-" {
        return std::io::read_to_string(std::io::stdin().lock()).context("standard input");
    }
    match text.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file).with_context(|| format!("`{file}` can't be read")),
        None => Ok(text.to_owned()),
    }
}
