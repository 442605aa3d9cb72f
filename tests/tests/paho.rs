//! The public suite of Eclipse Paho for brokers (`paho.mqtt.testing`), run when `PAHO_TESTING` names a checkout of it; see
//! CONTRIBUTING.md. What two of its tests expect, and the clauses that decide, is in `tests/conformance/PAHO.md`.

use anyhow::Context;
use end_to_end::{Gateway, Python, Site};
use std::path::PathBuf;
use std::time::Duration;

/// The longest test takes half a minute.
const TEST_TIME_MAX: Duration = Duration::from_secs(120);

/// What the suite wants of the broker: a filter nobody may subscribe to, a refusal that does not say why, and a keep alive of a minute.
const POLICY: &str = r#"{ "Version": "2012-10-17", "Statement": [
  { "Effect": "Allow", "Action": "iot:*", "Resource": "*" },
  { "Effect": "Deny", "Action": "iot:Subscribe", "Resource": "arn:aws:iot:*:*:topicfilter/test/nosubscribe" } ] }"#;
const SETTINGS: &str =
    "[mqtt]\nkeep_alive_secs_max = 60\n\n[access]\npolicies = \"policies\"\nreveal_denials = false\n";

/// Runs every test of a script, each in a fresh process.
fn run(script: &str, version: &str, tests_known: usize) -> anyhow::Result<()> {
    let Some(checkout) = std::env::var_os("PAHO_TESTING") else {
        eprintln!("SKIPPED: `PAHO_TESTING` names no checkout of eclipse-paho/paho.mqtt.testing");
        return Ok(());
    };
    let file = PathBuf::from(checkout).join("interoperability").join(script);
    let file = file.canonicalize().with_context(|| format!("PAHO_TESTING: {}", file.display()))?;
    let site = Site::new(SETTINGS)?;
    site.write_policy("anyone", POLICY)?;
    let _gateway = Gateway::start(&site)?;
    let mut arguments = vec![file.display().to_string(), site.plain_address.port().to_string()];
    let listed = Python::run("paho_suite.py", &arguments)?;
    let tests: Vec<String> = serde_json::from_value(listed["tests"].clone())?;
    assert!(tests.len() >= tests_known, "the suite had {tests_known} tests, now: {tests:?}");
    arguments.push(String::new());
    let mut failed = Vec::new();
    for test in &tests {
        arguments[2].clone_from(test);
        let told = Python::start("paho_suite.py", &arguments)?.finish(TEST_TIME_MAX);
        match told {
            Ok(told) if told["passed"] == true => eprintln!("MQTT {version}: {test} passed"),
            Ok(told) => {
                eprintln!("MQTT {version}: {test} FAILED\n{}", told["said"].as_str().unwrap_or_default());
                failed.push(test);
            }
            Err(error) => {
                eprintln!("MQTT {version}: {test} FAILED\n{error:#}");
                failed.push(test);
            }
        }
    }
    eprintln!("MQTT {version}: {} of {}", tests.len() - failed.len(), tests.len());
    anyhow::ensure!(failed.is_empty(), "failed: {failed:?}");
    Ok(())
}

#[test]
fn mqtt_3_1_1() -> anyhow::Result<()> {
    run("client_test.py", "3.1.1", 10)
}

#[test]
fn mqtt_5() -> anyhow::Result<()> {
    run("client_test5.py", "5", 27)
}
