//! `iot-gateway check`: reads everything that the gateway would read, and says what is wrong, without starting anything.

use super::{ConfigArguments, output};
use crate::settings::Settings;
use clap::Args;
use registry::definitions::{DeclaredTargets, Definitions, Limits};
use rules::definition::TargetKind;
use std::path::Path;
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  iot-gateway check --config gateway.toml\n\n\
    Ends with status 1 when something is wrong; everything that is wrong is printed.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let settings = arguments.config.load()?;
    let mut problems = Vec::new();
    check_tls(&settings, &mut problems);
    check_policies(&settings, &mut problems);
    let (rules, subscriptions) = check_rules(&settings, &mut problems);
    for problem in &problems {
        output::line(problem);
    }
    if !problems.is_empty() {
        output::line(format!("{} problems", problems.len()));
        return Ok(ExitCode::FAILURE);
    }
    let raw = &settings.raw;
    output::line(format!(
        "{}: all well. MQTT over TLS on {}, WebSocket and HTTPS {}, API on {}, data in {}, {rules} rules, {subscriptions} subscriptions, {} queues, {} streams, {} functions, {} HTTP targets",
        arguments.config.config.display(),
        raw.listener.tls_address,
        raw.listener.https_address.map_or_else(|| "off".to_string(), |address| format!("on {address}")),
        raw.api.address,
        raw.data_directory.display(),
        raw.queue.len(),
        raw.stream.len(),
        raw.function.len(),
        raw.http.len(),
    ));
    Ok(ExitCode::SUCCESS)
}

fn check_tls(settings: &Settings, problems: &mut Vec<String>) {
    if let Err(error) = listener::check_files(&crate::listeners::tls(settings)) {
        problems.push(error.to_string());
    }
}

fn check_policies(settings: &Settings, problems: &mut Vec<String>) {
    let Some(folder) = &settings.raw.access.policies else { return };
    match crate::policies::read_folder(folder) {
        Ok(files) => problems.extend(files.iter().filter_map(|file| file.problem())),
        Err(error) => problems.push(format!("{error:#}")),
    }
}

/// How many rules and subscriptions there are.
fn check_rules(settings: &Settings, problems: &mut Vec<String>) -> (usize, usize) {
    let Some(folder) = &settings.raw.rules.definitions else { return (0, 0) };
    match open_definitions(settings, folder) {
        Ok(definitions) => {
            problems.extend(definitions.faults().iter().map(ToString::to_string));
            (definitions.status().len(), definitions.subscription_status().len())
        }
        Err(error) => {
            problems.push(error.to_string());
            (0, 0)
        }
    }
}

/// The definitions of the folder, checked against the targets that the settings declare.
pub(crate) fn open_definitions(
    settings: &Settings,
    folder: &Path,
) -> Result<std::sync::Arc<Definitions>, registry::definitions::Fault> {
    Definitions::open(folder, declared_targets(settings), Limits::default())
}

/// Every target that the settings declare.
pub(crate) fn declared_targets(settings: &Settings) -> DeclaredTargets {
    let raw = &settings.raw;
    let queues = raw.queue.iter().map(|queue| (TargetKind::Queue, queue.name.clone()));
    let streams = raw.stream.iter().map(|stream| (TargetKind::Stream, stream.name.clone()));
    let functions = raw.function.iter().map(|function| (TargetKind::Function, function.name.clone()));
    let http = raw.http.iter().map(|http| (TargetKind::Http, http.name.clone()));
    let archives = raw.archive.iter().map(|archive| (TargetKind::Archive, archive.name.clone()));
    let declared: DeclaredTargets =
        queues.chain(streams).chain(functions).chain(http).chain(archives).collect();
    declared.with_descriptors(raw.rules.descriptors.clone())
}
