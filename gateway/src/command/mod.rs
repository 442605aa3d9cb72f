//! The command line: one file for each subcommand, one list of them.

mod archives;
mod certs;
pub(crate) mod check;
pub(crate) mod control_client;
mod dead_letters;
mod device_sim;
mod function;
mod functions;
mod ledger;
mod moment;
pub(crate) mod output;
mod patterns;
mod policies;
mod queues;
pub(crate) mod registration;
mod replay;
mod rules;
mod serve;
mod things;
mod users;

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// An IoT gateway that you run yourself: MQTT with mutual TLS in, SQL rules, queues, streams and functions out.
#[derive(Debug, Parser)]
#[command(name = "iot-gateway", version, max_term_width = 110)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the whole thing at work: certificates, gateway, a fleet of devices, and a count that must balance
    Demo(crate::demo::Arguments),
    /// Run the gateway
    Serve(serve::Arguments),
    /// Check settings, certificates, policies and rules without starting anything
    Check(check::Arguments),
    /// Test rules before they run
    Rules(rules::Arguments),
    /// Try event patterns and input transformers
    Patterns(patterns::Arguments),
    /// Make and revoke certificates of a development authority
    Certs(certs::Arguments),
    /// Things and their certificates
    Things(things::Arguments),
    /// Users: who may connect with a password
    Users(users::Arguments),
    /// Policies
    Policies(policies::Arguments),
    /// What was accepted, delivered, dead-lettered, dropped, and what is waiting
    Ledger(ledger::Arguments),
    /// The embedded queues
    Queues(queues::Arguments),
    /// The functions: how they do, calls by hand, and what they print
    Functions(functions::Arguments),
    /// Events that a target refused for good
    DeadLetters(dead_letters::Arguments),
    /// Events that are kept, to be replayed
    Archives(archives::Arguments),
    /// Send events of an archive again
    Replay(replay::Arguments),
    /// The fleet of simulated devices, as the program `device-sim` has it
    #[command(hide = true)]
    DeviceSim(device_sim::Arguments),
    /// The function that the demo invokes: an ordinary Lambda handler
    #[command(hide = true)]
    DemoFunction(function::Arguments),
}

/// Which settings a command works with.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConfigArguments {
    /// The settings file
    #[arg(long, short, value_name = "FILE", env = "IOT_GATEWAY_CONFIG", default_value = "gateway.toml")]
    pub(crate) config: PathBuf,
}

impl ConfigArguments {
    /// Reads and checks them.
    pub(crate) fn load(&self) -> anyhow::Result<crate::settings::Settings> {
        Ok(crate::settings::Settings::load(Some(&self.config))?)
    }
}

/// Runs what the command line asks for; an error becomes one message on standard error and status 1.
pub(crate) fn run() -> ExitCode {
    let command = CommandLine::parse().command;
    // HTTP clients take the process's provider; listeners and targets name theirs. It fails only if there is one already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let outcome = match command {
        Command::Demo(arguments) => crate::demo::run(arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Rules(arguments) => rules::run(&arguments),
        Command::Patterns(arguments) => patterns::run(&arguments),
        Command::Certs(arguments) => certs::run(&arguments),
        Command::Things(arguments) => things::run(&arguments),
        Command::Users(arguments) => users::run(&arguments),
        Command::Policies(arguments) => policies::run(&arguments),
        Command::Ledger(arguments) => ledger::run(&arguments),
        Command::Queues(arguments) => queues::run(&arguments),
        Command::Functions(arguments) => functions::run(&arguments),
        Command::DeadLetters(arguments) => dead_letters::run(&arguments),
        Command::Archives(arguments) => archives::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::DeviceSim(arguments) => device_sim::run(arguments),
        Command::DemoFunction(arguments) => function::run(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        output::complain(&error);
        ExitCode::FAILURE
    })
}
