//! Whole runs against servers that are made for the purpose, over real sockets.

pub(crate) mod broker;
mod queue;
mod runs;
mod scenario;
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

/// Parses a whole command line.
fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Arguments {
    CommandLine::parse_from(words).arguments
}

/// Plays a scenario with some settings. It ends by itself, but not later than a test may take.
async fn play_scenario(text: &str, settings: &[&str]) -> Summary {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("scenario.toml");
    std::fs::write(&file, text).unwrap();
    let mut words = vec!["device-sim", "play", "--progress-secs", "0", file.to_str().unwrap()];
    settings.iter().for_each(|setting| words.extend(["--set", setting]));
    let Command::Play(arguments) = parse(words).command else { panic!("the words begin with `play`") };
    let playing = Box::pin(crate::play_scenario(&arguments));
    let played = tokio::time::timeout(std::time::Duration::from_secs(30), playing).await.expect("it ends");
    played.unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_command_line_is_sound() {
    use clap::CommandFactory;
    CommandLine::command().debug_assert();
}
