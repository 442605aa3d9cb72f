//! A function is called as Lambda is: boto3 unmodified on one side, awslambdaric unmodified on the other, and what was accepted is called whatever
//! ends in between.

use end_to_end::{Gateway, Python, Site, python, run_command, wait};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// A site with the function `notify`, which does what events say, and the queue `told` for what became of queued invocations.
fn site() -> anyhow::Result<Site> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/python");
    let site = Site::new(&format!(
        "[api]\naddress = \"ADDRESS\"\n\n[[api.access_key]]\nid = \"AKIATEST\"\nsecret_file = \"secret\"\n\n\
         [[queue]]\nname = \"told\"\n\n\
         [[function]]\nname = \"notify\"\ncommand = [{:?}, \"-m\", \"awslambdaric\", \"obedient.handle\"]\n\
         handler = \"obedient.handle\"\ndirectory = {folder:?}\nconcurrency = 2\nprovisioned = 1\ntimeout_secs = 2\n\
         memory_mib = 512\nevent_invoke = {{ retries_max = 1, retry_first_secs = 1, on_success = \"queue/told\", on_failure = \"queue/told\" }}\n\n\
         [function.environment]\nRECEIPTS = \"receipts.jsonl\"\n",
        python(),
    ))?;
    site.change_settings("ADDRESS", &site.api_address.to_string())?;
    site.change_settings("\"receipts.jsonl\"", &format!("{:?}", site.path("receipts.jsonl")))?;
    site.write("secret", "a secret of a test\n")?;
    Ok(site)
}

fn receipts(site: &Site) -> Vec<Value> {
    let text = std::fs::read_to_string(site.path("receipts.jsonl")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn command(site: &Site, arguments: &[&str]) -> anyhow::Result<String> {
    let settings = site.settings_file().display().to_string();
    let arguments: Vec<&str> =
        ["functions", "--config", &settings].into_iter().chain(arguments.iter().copied()).collect();
    run_command(&arguments)
}

#[test]
fn boto3_works_the_function_as_it_works_lambda() -> anyhow::Result<()> {
    let site = site()?;
    let gateway = Gateway::start(&site)?;
    let arguments = [gateway.consumer.origin(), "notify", "told", "AKIATEST", "a secret of a test"];
    let report = Python::run("work_function.py", &arguments.map(str::to_string))?;
    for (what, happened) in report.as_object().into_iter().flatten() {
        assert_eq!(happened, &Value::Bool(true), "{what}: {report}\n{}", gateway.log.end());
    }
    let metrics = gateway.consumer.metrics()?;
    let sum = |name: &str, labels: &str| metrics.sum(&format!("iot_gateway_function_{name}"), labels);
    // Clients try again by themselves.
    assert!(sum("throttles_total", "function=\"notify\"") >= 6.0);
    assert_eq!(sum("errors_total", "code=\"TIMEOUT\""), 1.0);
    assert_eq!(sum("errors_total", "code=\"FUNCTION_CRASHED\""), 1.0);
    assert_eq!(sum("errors_total", "code=\"FUNCTION_ERROR\""), 3.0);
    assert!(sum("init_seconds_count", "") >= 2.0);
    assert!(sum("duration_seconds_count", "") >= 12.0);
    Ok(())
}

#[test]
fn queued_invocations_outlive_kill_9_of_the_gateway_and_of_instances() -> anyhow::Result<()> {
    let site = site()?;
    let mut gateway = Gateway::start(&site)?;
    let mut accepted = BTreeSet::new();
    for number in 0..3_u32 {
        // Both instances are at work when the gateway ends, and the rest waits.
        for event in ["{\"do\":\"sleep\",\"secs\":1}", "{\"n\":1}", "{\"n\":2}", "{\"n\":3}"] {
            let request = command(&site, &["invoke", "notify", "--queued", "--payload", event])?;
            accepted.insert(request.trim().to_string());
        }
        gateway.kill_and_start_again()?;
        let instance = command(&site, &["invoke", "notify", "--payload", "{\"do\":\"context\"}"]);
        // Both instances may be at work.
        if let Some(process) =
            instance.ok().and_then(|text| serde_json::from_str::<Value>(&text).ok()?["process"].as_i64())
        {
            let process = i32::try_from(process).ok().and_then(rustix::process::Pid::from_raw);
            let killed =
                rustix::process::kill_process(process.expect("a process id"), rustix::process::Signal::KILL);
            assert!(killed.is_ok(), "round {number}: the instance is a process of its own");
        }
    }
    assert_eq!(accepted.len(), 12, "each has an id of its own");
    wait::for_true("every invocation to be called", PATIENCE, || {
        let called: BTreeSet<String> = receipts(&site)
            .iter()
            .filter_map(|receipt| receipt["request"].as_str().map(str::to_string))
            .collect();
        accepted.is_subset(&called)
    })
    .map_err(|error| error.context(gateway.log.end()))
}

#[test]
fn the_command_line_lists_calls_and_shows_logs() -> anyhow::Result<()> {
    let site = site()?;
    let _gateway = Gateway::start(&site)?;
    let answer =
        command(&site, &["invoke", "notify", "--payload", "{\"do\":\"print\",\"line\":\"kiln 7 is hot\"}"])?;
    assert_eq!(serde_json::from_str::<Value>(&answer)?["line"], "kiln 7 is hot");
    assert!(command(&site, &["invoke", "notify", "--payload", "{\"do\":\"fail\"}"]).is_err(), "it failed");
    let logs = command(&site, &["logs", "notify", "--lines", "50"])?;
    assert!(logs.lines().any(|line| line.ends_with(" kiln 7 is hot")), "{logs}");
    assert!(logs.contains("the handler says no"), "{logs}");
    let listed: Value = serde_json::from_str(&command(&site, &["list", "--json"])?)?;
    assert_eq!((&listed[0]["name"], &listed[0]["errors"]), (&"notify".into(), &1.into()), "{listed}");
    let error = command(&site, &["logs", "notfy"]).unwrap_err().to_string();
    assert!(error.contains("there is no function `notfy`; there are `notify`"), "{error}");
    Ok(())
}

#[test]
fn who_follows_a_log_sees_what_is_printed_from_now_on() -> anyhow::Result<()> {
    let site = site()?;
    let _gateway = Gateway::start(&site)?;
    let seen = site.path("seen.txt");
    let settings = site.settings_file();
    let mut following = std::process::Command::new(end_to_end::binary())
        .args(["functions", "--config"])
        .arg(&settings)
        .args(["logs", "notify", "--follow"])
        .stdout(std::fs::File::create(&seen)?)
        .spawn()?;
    let mut number = 0;
    let followed = wait::for_true("a line to be followed", PATIENCE, || {
        number += 1;
        let event = format!("{{\"do\":\"print\",\"line\":\"line {number}\"}}");
        let called = command(&site, &["invoke", "notify", "--payload", &event]).is_ok();
        // Two of them: the first may have been there before.
        let lines = std::fs::read_to_string(&seen).unwrap_or_default();
        called && lines.lines().filter(|line| line.contains(" line ")).count() >= 2
    });
    following.kill()?;
    following.wait()?;
    followed
}
