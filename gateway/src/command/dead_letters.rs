//! `iot-gateway dead-letters`: look at what a target refused for good, send it again, keep it elsewhere, or give it up.

mod export;
mod list;

use super::control_client::Control;
use super::{ConfigArguments, moment, output};
use anyhow::bail;
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  iot-gateway dead-letters counts\n  \
    iot-gateway dead-letters list --target http/hook --from 2h\n  \
    iot-gateway dead-letters show http/hook#17\n  \
    iot-gateway dead-letters export --target http/hook --output letters.jsonl\n  \
    iot-gateway dead-letters redrive --target http/hook --per-second 100")]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// How many each target has and had, and what became of them
    Counts {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List dead letters, oldest first
    List {
        #[command(flatten)]
        which: Which,
        /// At most so many
        #[arg(long)]
        limit: Option<usize>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one, with its data, as JSON
    Show { id: String },
    /// Write them with their data as lines of JSON; they are kept
    Export {
        #[command(flatten)]
        which: Which,
        /// To this file, which must not be there; to standard output unless given
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Send them again under the same event ids: one, or all that match; ends when it is interrupted, and the rest stay
    Redrive {
        id: Option<String>,
        #[command(flatten)]
        which: Which,
        /// At most so many each second
        #[arg(long)]
        per_second: Option<u32>,
        /// At most so many, the oldest of each target first
        #[arg(long)]
        count: Option<u64>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Give them up: one, or all that match
    Purge {
        id: Option<String>,
        #[command(flatten)]
        which: Which,
        /// Needed to give up more than one
        #[arg(long)]
        yes: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Which letters; all conditions must hold.
#[derive(Debug, Args)]
struct Which {
    /// Only of this target, as kind/name
    #[arg(long)]
    target: Option<String>,
    /// Only of this rule
    #[arg(long)]
    rule: Option<String>,
    /// Only with this error code
    #[arg(long)]
    error_code: Option<String>,
    /// Only those that failed last at this time or later: 2026-11-21T03:00:00Z, or 15m, 2h, 3d ago
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    from: Option<u64>,
    /// Only those that failed last before this time
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    to: Option<u64>,
    /// Only those whose topic contains this text
    #[arg(long, value_name = "TEXT")]
    topic: Option<String>,
    /// Only those whose partition key contains this text
    #[arg(long, value_name = "TEXT")]
    key: Option<String>,
}

impl Which {
    fn body(&self) -> Value {
        let texts = [
            ("target", &self.target),
            ("rule", &self.rule),
            ("errorCode", &self.error_code),
            ("topic", &self.topic),
            ("key", &self.key),
        ];
        let mut body = json!({});
        for (name, value) in texts {
            if let Some(value) = value {
                body[name] = value.as_str().into();
            }
        }
        for (name, value) in [("fromMs", self.from), ("toMs", self.to)] {
            if let Some(value) = value {
                body[name] = value.into();
            }
        }
        body
    }

    fn is_empty(&self) -> bool {
        self.body().as_object().is_none_or(serde_json::Map::is_empty)
    }
}

/// A query of these names and values.
fn query(values: &Value) -> String {
    let pairs = values.as_object().into_iter().flatten();
    let pairs: Vec<String> = pairs
        .map(|(name, value)| match value.as_str() {
            Some(text) => format!("{name}={}", escape(text)),
            None => format!("{name}={value}"),
        })
        .collect();
    format!("?{}", pairs.join("&"))
}

/// Percent encoding of everything that is not plain in a URL.
pub(crate) fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let control = Control::new(&arguments.config.load()?);
    match &arguments.action {
        Action::Counts { json } => list::counts(&control, *json)?,
        Action::List { which, limit, json } => list::list(&control, which, *limit, *json)?,
        Action::Show { id } => {
            output::json(&control.get::<Value>(&format!("/dead-letters/{}", escape(id)))?)?;
        }
        Action::Export { which, output } => export::export(&control, which, output.as_deref())?,
        Action::Redrive { id: Some(id), which, json, .. } => {
            refuse_both(which)?;
            let path = format!("/dead-letters/{}/redrive", escape(id));
            tell(&control.ask(Method::POST, &path, None)?, "redriven", *json)?;
        }
        Action::Redrive { id: None, which, per_second, count, json } => {
            let mut body = which.body();
            if let Some(rate) = per_second {
                body["perSecond"] = (*rate).into();
            }
            if let Some(count) = count {
                body["count"] = (*count).into();
            }
            redrive(&control, &body, *json)?;
        }
        Action::Purge { id: Some(id), which, json, .. } => {
            refuse_both(which)?;
            let path = format!("/dead-letters/{}", escape(id));
            tell(&control.ask(Method::DELETE, &path, None)?, "purged", *json)?;
        }
        Action::Purge { id: None, which, yes, json } => {
            anyhow::ensure!(*yes, "this gives up every dead letter that matches; add --yes if that is meant");
            tell(&control.ask(Method::DELETE, "/dead-letters", Some(&which.body()))?, "purged", *json)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn refuse_both(which: &Which) -> anyhow::Result<()> {
    anyhow::ensure!(which.is_empty(), "an id names one dead letter; leave out the conditions, or the id");
    Ok(())
}

fn tell(answer: &Value, what: &str, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return output::json(answer);
    }
    output::line(format!("{} {what}", answer[what]));
    Ok(())
}

/// Shows how far it is on standard error, and how it ended on standard output.
fn redrive(control: &Control, body: &Value, as_json: bool) -> anyhow::Result<()> {
    let mut last = Value::Null;
    control.read_lines(Method::POST, "/dead-letters/redrive", Some(body), |line| {
        last = serde_json::from_slice(line)?;
        if last["done"].is_null() {
            output::remark(format!("{} redriven so far", last["redriven"]));
        }
        Ok(())
    })?;
    tell(&last, "redriven", as_json)?;
    match last["error"].as_str() {
        Some(error) => bail!("{error}; what was not redriven is kept"),
        None if last["done"] == true => Ok(()),
        None => bail!("the gateway's answer broke off; what was not redriven is kept"),
    }
}
