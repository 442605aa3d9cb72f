//! `iot-gateway`: an IoT gateway that you run yourself. This file is the command line; the path of a message starts in [`flow`].

mod arns;
mod attempts;
mod aws;
mod client;
mod command;
mod connect_rate;
mod connection;
mod connections;
mod control;
mod demo;
mod flow;
mod gateway;
mod health;
mod http;
mod lifecycle;
mod limits;
mod listeners;
mod logging;
mod metrics;
mod policies;
mod resends;
mod running;
mod sessions;
mod settings;
mod store;
mod system;
mod traces;
mod trial;

use std::process::ExitCode;

fn main() -> ExitCode {
    command::run()
}
