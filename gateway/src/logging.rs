//! Log lines: for people or as JSON, always with fields.

use crate::settings::{LogFormat, Raw};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts logging to standard error as the settings say; `RUST_LOG` has the last word on the level.
///
/// # Errors
/// When the level is not a filter that can be read.
pub(crate) fn start(settings: &Raw) -> anyhow::Result<()> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(text) => {
            EnvFilter::try_new(&text).map_err(|error| anyhow::anyhow!("RUST_LOG `{text}`: {error}"))?
        }
        // The state store tells of its own housekeeping at the level at which we tell of connections.
        Err(_) => EnvFilter::try_new(format!("fjall=warn,lsm_tree=warn,{}", settings.log.level))
            .map_err(|error| anyhow::anyhow!("`log.level` is `{}`: {error}", settings.log.level))?,
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match settings.log.format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging can't be started: {error}"))
}
