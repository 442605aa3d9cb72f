//! `iot-gateway rules functions`: the functions of the SQL, looked up.

use super::output;
use anyhow::bail;
use clap::Args;
use rules::functions::{describe, look_up, markdown, overview};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The function to show; without it all are listed
    name: Option<String>,
    /// Print the whole reference page in Markdown
    #[arg(long, conflicts_with = "name")]
    markdown: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let text = match &arguments.name {
        _ if arguments.markdown => markdown(),
        None => overview(),
        Some(name) => match look_up(name) {
            Ok(function) => describe(function),
            Err(Some(nearest)) => bail!("there is no function `{name}`; did you mean `{nearest}`?"),
            Err(None) => bail!("there is no function `{name}`; `iot-gateway rules functions` lists all"),
        },
    };
    output::line(text.trim_end());
    Ok(ExitCode::SUCCESS)
}
