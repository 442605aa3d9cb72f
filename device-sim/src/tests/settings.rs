//! What is refused before a run starts, and how that is said.

use super::arguments;
use crate::settings::Settings;

fn check(line: &str, expected: &str) {
    let error = match Settings::check(&arguments(line)) {
        Ok(_) => panic!("`{line}` was accepted"),
        Err(error) => error.to_string(),
    };
    assert!(error.contains(expected), "`{line}`: {error}");
}

#[test]
fn wrong_settings_say_what_to_do() {
    check("--address localhost --plain", "`--address localhost` is not HOST:PORT");
    check("--address localhost:0 --plain", "is not HOST:PORT");
    check("--address h:1 --plain --jitter 2", "`--jitter 2` is out of range; it must be 0 to 1");
    check("--address h:1 --plain --connect-rate 0", "`--connect-rate 0` is out of range");
    check("--address h:1 --plain --topic a/#", "has no `+` or `#`");
    check("--address h:1 --plain --topic a/{devise}", "did you mean `{device}`?");
    check("--address h:1 --plain --payload missing-file", "cannot read payload template `missing-file`");
    check("--address h:1 --plain --read-queue nonsense", "`--read-queue nonsense` is not an http");
    check(
        "--address h:1 --plain --read-queue http://h/q --access-key A --secret-environment NOT_SET_ANYWHERE",
        "environment variable `NOT_SET_ANYWHERE` is not set",
    );
    check("--address h:1 --authority a --certificates missing", "iot-gateway certs device");
}

#[test]
fn certificates_must_be_there_and_readable() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().display();
    let line = format!("--address h:1 --authority {path}/a --certificates {path} --devices 1");
    check(&line, "has 0 pairs of NAME.crt and NAME.key");
    std::fs::write(directory.path().join("kiln.crt"), "nonsense").unwrap();
    std::fs::write(directory.path().join("kiln.key"), "nonsense").unwrap();
    check(&line, "cannot read authority certificate");
    std::fs::write(directory.path().join("a"), "nonsense").unwrap();
    check(&line, "it has no certificate in PEM form");
}

#[test]
fn wrong_settings_end_with_2() {
    let command = crate::command::Command::Run(Box::new(arguments("--address nowhere --plain")));
    let status = crate::run(crate::command::Arguments { command });
    assert_eq!(format!("{status:?}"), format!("{:?}", std::process::ExitCode::from(2)));
}
