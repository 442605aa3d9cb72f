//! Whole runs against servers that are made for the purpose, over real sockets.

pub(crate) mod broker;
mod queue;
mod runs;
mod settings;
mod tls;

use clap::Parser;

use crate::Summary;
use crate::command::{Arguments, Command, RunArguments};

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    arguments: Arguments,
}

/// Parses a command line of `device-sim run`.
fn arguments(line: &str) -> RunArguments {
    let words = ["device-sim", "run", "--progress-secs", "0"].into_iter().chain(line.split_whitespace());
    let Command::Run(arguments) = CommandLine::parse_from(words).arguments.command else {
        panic!("the words begin with `run`")
    };
    *arguments
}

/// Plays a run. It ends by itself, but not later than a test may take.
async fn play(line: &str) -> Summary {
    let arguments = arguments(line);
    let playing = Box::pin(crate::play(&arguments));
    tokio::time::timeout(std::time::Duration::from_secs(30), playing).await.expect("it ends").unwrap()
}

#[test]
fn the_command_line_is_sound() {
    use clap::CommandFactory;
    CommandLine::command().debug_assert();
}
