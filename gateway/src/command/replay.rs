//! `iot-gateway replay`: send events of an archive again, to targets that are chosen.

use super::control_client::Control;
use super::dead_letters::escape;
use super::{ConfigArguments, moment, output};
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  iot-gateway replay start plant --from 2h --target queue/repair --per-second 100\n  \
    iot-gateway replay list\n  iot-gateway replay cancel plant-20261121T030000"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Begin a replay; it goes on by itself, over restarts too
    Start {
        /// The archive
        archive: String,
        /// Events accepted at this time or later: 2026-11-21T03:00:00Z, or 15m, 2h, 3d ago
        #[arg(long, value_name = "TIME", value_parser = moment::parse)]
        from: u64,
        /// Events accepted before this time; now unless given
        #[arg(long, value_name = "TIME", value_parser = moment::parse)]
        to: Option<u64>,
        /// Where they go, as kind/name; may be given several times
        #[arg(long, required = true)]
        target: Vec<String>,
        /// Only events of this rule; may be given several times
        #[arg(long)]
        rule: Vec<String>,
        /// At most so many events each second
        #[arg(long)]
        per_second: Option<u32>,
        /// What consumers see as `replay-name`; the archive and the time unless given
        #[arg(long)]
        name: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List replays, and how far they are
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one, as JSON
    Show { name: String },
    /// End one where it stands; what was sent stays sent
    Cancel {
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let control = Control::new(&arguments.config.load()?);
    match &arguments.action {
        Action::Start { archive, from, to, target, rule, per_second, name, json } => {
            let mut wanted = json!({ "archive": archive, "fromMs": from, "targets": target, "rules": rule });
            if let Some(to) = to {
                wanted["toMs"] = (*to).into();
            }
            if let Some(rate) = per_second {
                wanted["perSecond"] = (*rate).into();
            }
            if let Some(name) = name {
                wanted["name"] = name.as_str().into();
            }
            let begun = control.ask(Method::POST, "/replays", Some(&wanted))?;
            tell(&begun, "begins", *json)?;
        }
        Action::List { json } => list(&control, *json)?,
        Action::Show { name } => {
            output::json(&control.get::<Value>(&format!("/replays/{}", escape(name)))?)?;
        }
        Action::Cancel { name, json } => {
            let path = format!("/replays/{}", escape(name));
            let ended: Value = control.ask(Method::DELETE, &path, None)?;
            let state = ended["state"].as_str().unwrap_or_default().to_owned();
            tell(&ended, &format!("is {state}, {} events were sent", ended["sent"]), *json)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(replay: &Value, what: &str, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return output::json(replay);
    }
    output::line(format!("replay `{}` {what}", replay["name"].as_str().unwrap_or_default()));
    Ok(())
}

fn list(control: &Control, as_json: bool) -> anyhow::Result<()> {
    let replays: Vec<Value> = control.get("/replays")?;
    if as_json {
        return output::json(&replays);
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let rows: Vec<Vec<String>> = replays
        .iter()
        .map(|replay| {
            vec![
                text(&replay["name"]),
                text(&replay["archive"]),
                text(&replay["state"]),
                replay["sent"].to_string(),
                format!("{} of {}", replay["lookedAt"], replay["inAll"]),
                text(&replay["startedAt"]),
            ]
        })
        .collect();
    output::table(&["replay", "archive", "state", "sent", "looked at", "started"], &rows);
    Ok(())
}
