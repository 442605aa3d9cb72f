//! `iot-gateway rules trace`: follows live messages through a rule of the running gateway.

use super::{encoded, output};
use crate::command::ConfigArguments;
use crate::command::control_client::Control;
use clap::Args;
use std::num::NonZeroU64;
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  iot-gateway rules trace overheating --count 5\n  \
    iot-gateway rules trace overheating --topic 'plant/#' --sample 1/100 --secs 600\n\n\
    Shows messages whose topic FROM lets through; with --topic, those of other topics, and why FROM refuses them. Payloads are \
    shown to whoever may read the data directory, and to nobody else.")]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// The rule
    rule: String,
    /// Messages of topics that match this, whether or not FROM lets them through
    #[arg(long, value_name = "FILTER")]
    topic: Option<String>,
    /// Messages of this client alone
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// End after so many messages
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// End after so many seconds
    #[arg(long, value_name = "S")]
    secs: Option<u64>,
    /// Show one message of so many
    #[arg(long, value_name = "1/N", value_parser = sample)]
    sample: Option<NonZeroU64>,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

/// `1/100`, or `100` for short.
fn sample(text: &str) -> Result<NonZeroU64, String> {
    let count = text.strip_prefix("1/").unwrap_or(text);
    count.parse().map_err(|_| format!("`{text}` is no sample; write for example `1/100`"))
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let asked = [
        ("topic", arguments.topic.clone()),
        ("clientId", arguments.client.clone()),
        ("count", arguments.count.map(|count| count.to_string())),
        ("secs", arguments.secs.map(|secs| secs.to_string())),
        ("sample", arguments.sample.map(|sample| sample.to_string())),
    ];
    let query: Vec<String> =
        asked.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", encoded(&value?)))).collect();
    let path = format!("/rules/{}/trace?{}", encoded(&arguments.rule), query.join("&"));
    let accept = if arguments.json { "application/x-ndjson" } else { "text/plain" };
    let mut printed = Ok(());
    Control::new(&arguments.config.load()?).follow(&path, accept, |bytes| {
        printed = output::bit(bytes);
        printed.is_ok()
    })?;
    printed?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::sample;

    #[test]
    fn samples_are_written_as_fractions() {
        assert_eq!(sample("1/100").unwrap().get(), 100);
        assert_eq!(sample("7").unwrap().get(), 7);
        for wrong in ["", "0", "1/0", "2/3", "1/x"] {
            assert!(sample(wrong).is_err(), "{wrong}");
        }
    }
}
