//! `iot-gateway device-sim`: the fleet, so that one binary is enough for the demo.

pub(crate) use device_sim::command::Arguments;
use std::process::ExitCode;

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    Ok(device_sim::run(arguments))
}
