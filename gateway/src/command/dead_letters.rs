//! `iot-gateway dead-letters`: look at what a target refused for good, send it again, or give it up.

use super::control_client::Control;
use super::{ConfigArguments, output};
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  iot-gateway dead-letters list --target http/hook\n  \
    iot-gateway dead-letters show http/hook#17\n  \
    iot-gateway dead-letters redrive --target http/hook --per-second 100")]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List dead letters, oldest first
    List {
        #[command(flatten)]
        which: Which,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one, with its data
    Show { id: String },
    /// Send them again under the same event ids: one, or all that match
    Redrive {
        id: Option<String>,
        #[command(flatten)]
        which: Which,
        /// At most so many each second
        #[arg(long)]
        per_second: Option<u32>,
    },
    /// Give them up: one, or all that match
    Purge {
        id: Option<String>,
        #[command(flatten)]
        which: Which,
        /// Needed to give up more than one
        #[arg(long)]
        yes: bool,
    },
}

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
}

impl Which {
    fn body(&self) -> Value {
        let mut body = json!({});
        let fields = [("target", &self.target), ("rule", &self.rule), ("errorCode", &self.error_code)];
        for (name, value) in fields {
            if let Some(value) = value {
                body[name] = value.as_str().into();
            }
        }
        body
    }

    fn query(&self, after: Option<&str>) -> String {
        let mut body = self.body();
        if let Some(after) = after {
            body["after"] = after.into();
        }
        let pairs = body.as_object().into_iter().flatten();
        let pairs: Vec<String> = pairs
            .map(|(name, value)| format!("{name}={}", escape(value.as_str().unwrap_or_default())))
            .collect();
        format!("?{}", pairs.join("&"))
    }
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
        Action::List { which, json } => list(&control, which, *json)?,
        Action::Show { id } => {
            output::json(&control.get::<Value>(&format!("/dead-letters/{}", escape(id)))?)?;
        }
        Action::Redrive { id: Some(id), .. } => {
            let path = format!("/dead-letters/{}/redrive", escape(id));
            tell(&control.ask(Method::POST, &path, None)?, "redriven");
        }
        Action::Redrive { id: None, which, per_second } => {
            let mut body = which.body();
            if let Some(rate) = per_second {
                body["perSecond"] = (*rate).into();
            }
            tell(&control.ask(Method::POST, "/dead-letters/redrive", Some(&body))?, "redriven");
        }
        Action::Purge { id: Some(id), .. } => {
            tell(&control.ask(Method::DELETE, &format!("/dead-letters/{}", escape(id)), None)?, "purged");
        }
        Action::Purge { id: None, which, yes } => {
            anyhow::ensure!(*yes, "this gives up every dead letter that matches; add --yes if that is meant");
            tell(&control.ask(Method::DELETE, "/dead-letters", Some(&which.body()))?, "purged");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(answer: &Value, what: &str) {
    output::line(format!("{} {what}", answer[what]));
}

fn list(control: &Control, which: &Which, as_json: bool) -> anyhow::Result<()> {
    let mut letters = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut page: Value = control.get(&format!("/dead-letters{}", which.query(after.as_deref())))?;
        if let Value::Array(more) = page["deadLetters"].take() {
            letters.extend(more);
        }
        after = page["next"].as_str().map(str::to_string);
        if after.is_none() {
            break;
        }
    }
    if as_json {
        return output::json(&letters);
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let rows: Vec<Vec<String>> = letters
        .iter()
        .map(|letter| {
            let attribute = |name: &str| text(&letter["attributes"][name]);
            vec![
                text(&letter["id"]),
                attribute("RULE"),
                attribute("LAST_FAILURE"),
                attribute("ERROR_CODE"),
                attribute("ERROR_MESSAGE"),
            ]
        })
        .collect();
    output::table(&["id", "rule", "last failure", "code", "message"], &rows);
    Ok(())
}
