//! Your tools already work: MQTT clients in Python and C, boto3 for the queue and the stream, an ordinary Lambda handler as the function.

use end_to_end::{Gateway, Python, Site, python, wait};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

/// A gateway whose rules send readings to a queue, a stream and a Python function that notes what it gets in `receipts.jsonl`.
fn ground() -> anyhow::Result<(Site, Gateway)> {
    let functions = concat!(env!("CARGO_MANIFEST_DIR"), "/python");
    let site = Site::with_queue(&format!(
        "[[stream]]\nname = \"telemetry\"\nshards = 2\n\n[[function]]\nname = \"notify\"\n\
         command = [{:?}, \"-m\", \"awslambdaric\", \"handler.handle\"]\nhandler = \"handler.handle\"\n\
         directory = {functions:?}\nconcurrency = 1\nmemory_mib = 512\n\n\
         [function.environment]\nRECEIPTS = \"receipts.jsonl\"\n",
        python(),
    ))?;
    site.change_settings("\"receipts.jsonl\"", &format!("{:?}", site.path("receipts.jsonl")))?;
    site.write_rule(
        "telemetry",
        "SELECT *, topic(2) AS source FROM 'plant/+/telemetry'",
        "stream = { name = \"telemetry\", partition_key = \"${topic(2)}\" }",
    )?;
    site.write_rule(
        "notify",
        "SELECT sequence, clientid() AS client FROM 'plant/+/telemetry'",
        "function = \"notify\"",
    )?;
    site.register(&["kiln-1"])?;
    let gateway = Gateway::start(&site)?;
    Ok((site, gateway))
}

fn sequences(values: &Value) -> BTreeSet<u64> {
    values.as_array().into_iter().flatten().filter_map(|value| value["sequence"].as_u64()).collect()
}

/// What paho-mqtt has had acknowledged, boto3 finds in the queue and in the stream, and the function got it.
fn what_paho_publishes_arrives(version: &str) -> anyhow::Result<()> {
    let (site, gateway) = ground()?;
    let mut arguments = site.script_arguments(site.tls_address.port(), "kiln-1");
    arguments.push(version.to_string());
    let published = Python::run("publish.py", &arguments)?;
    let acknowledged: BTreeSet<u64> = serde_json::from_value(published["acknowledged"].clone())?;
    assert_eq!(acknowledged.len(), 30, "ten at each quality of service: {published}");
    assert_eq!(published["heard"], 30, "its own subscription at QoS 2 hears every one");

    let count = acknowledged.len().to_string();
    let origin = gateway.consumer.origin().to_string();
    let arguments = [origin, "readings".to_string(), "telemetry".to_string(), count];
    let received = Python::run("receive.py", &arguments)?;
    assert_eq!(sequences(&received["queue"]), acknowledged, "queue");
    assert_eq!(sequences(&received["stream"]), acknowledged, "stream");
    let ids: BTreeSet<&str> =
        received["ids"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert_eq!(ids.len(), 30, "every event has an id of its own");
    assert!(received["remaining"] == "0", "what was deleted is gone: {received}");

    let receipts = site.path("receipts.jsonl");
    let noted = || -> BTreeSet<u64> {
        let text = std::fs::read_to_string(&receipts).unwrap_or_default();
        let values = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        values
            .filter(|value| value["client"] == "kiln-1")
            .filter_map(|value| value["sequence"].as_u64())
            .collect()
    };
    wait::for_true("the function to get everything", Duration::from_secs(30), || noted() == acknowledged)
        .map_err(|error| error.context(gateway.log.end()))
}

#[test]
fn what_paho_publishes_over_mqtt_3_1_1_reaches_boto3_and_the_function() -> anyhow::Result<()> {
    what_paho_publishes_arrives("3.1.1")
}

#[test]
fn what_paho_publishes_over_mqtt_5_reaches_boto3_and_the_function() -> anyhow::Result<()> {
    what_paho_publishes_arrives("5")
}

#[test]
fn paho_is_told_why_it_may_not() -> anyhow::Result<()> {
    let (site, gateway) = ground()?;
    let told = Python::run("refused.py", &site.script_arguments(site.tls_address.port(), "kiln-1"))?;
    assert_eq!(told["subscribe"], 0x87, "{told}");
    assert_eq!(told["publish"], 0x87, "{told}");
    assert_eq!(told["connect_as_another"], 0x87, "{told}");
    gateway.log.wait_for("publish denied", |line| line.field("client_id") == "kiln-1")?;
    Ok(())
}

/// Section 3.9.3 and its like: 0x80 is for a server that does not wish to say why.
#[test]
fn paho_is_not_told_why_where_denials_are_hidden() -> anyhow::Result<()> {
    let site = Site::new("[access]\npolicies = \"policies\"\nreveal_denials = false\n")?;
    site.register(&["kiln-1"])?;
    let gateway = Gateway::start(&site)?;
    let told = Python::run("refused.py", &site.script_arguments(site.tls_address.port(), "kiln-1"))?;
    assert_eq!(told["subscribe"], 0x80, "{told}");
    assert_eq!(told["publish"], 0x80, "{told}");
    assert_eq!(told["connect_as_another"], 0x80, "{told}");
    gateway.log.wait_for("publish denied", |line| line.field("client_id") == "kiln-1")?;
    Ok(())
}

#[test]
fn boto3_works_the_queue_as_it_works_sqs() -> anyhow::Result<()> {
    let (_site, gateway) = ground()?;
    let report =
        Python::run("work_queue.py", &[gateway.consumer.origin().to_string(), "readings".to_string()])?;
    for (what, happened) in report.as_object().into_iter().flatten() {
        assert_eq!(happened, &Value::Bool(true), "{what}: {report}");
    }
    Ok(())
}

#[test]
fn boto3_works_the_stream_as_it_works_kinesis() -> anyhow::Result<()> {
    let (_site, gateway) = ground()?;
    let report =
        Python::run("work_stream.py", &[gateway.consumer.origin().to_string(), "telemetry".to_string()])?;
    for (what, happened) in report.as_object().into_iter().flatten() {
        assert_eq!(happened, &Value::Bool(true), "{what}: {report}");
    }
    Ok(())
}

#[test]
fn signatures_are_checked_when_the_settings_say_so() -> anyhow::Result<()> {
    let site = Site::with_queue(
        "[api]\naddress = \"ADDRESS\"\n\n[[api.access_key]]\nid = \"AKIATEST\"\nsecret_file = \"secret\"\n",
    )?;
    site.change_settings("ADDRESS", &site.api_address.to_string())?;
    site.write("secret", "a secret of a test\n")?;
    let gateway = Gateway::start(&site)?;
    let ask = |id: &str, secret: &str| {
        let arguments = [gateway.consumer.origin(), "readings", id, secret].map(str::to_string);
        Python::run("signed.py", &arguments)
    };
    assert_eq!(ask("AKIATEST", "a secret of a test")?["error"], Value::Null);
    assert_eq!(ask("AKIATEST", "another secret")?["error"], "SignatureDoesNotMatch");
    assert_ne!(ask("AKIAOTHER", "a secret of a test")?["error"], Value::Null);
    assert!(
        gateway.consumer.call("AmazonSQS.ListQueues", &serde_json::json!({})).is_err(),
        "without a signature"
    );
    Ok(())
}

#[test]
fn mosquitto_clients_publish_and_subscribe() -> anyhow::Result<()> {
    let (site, gateway) = ground()?;
    let (certificate, key) = site.device_files("kiln-1");
    let command = |program: &str, version: &str| {
        let mut command = Command::new(program);
        command.args([
            "-h",
            "localhost",
            "-p",
            &site.tls_address.port().to_string(),
            "-V",
            version,
            "-i",
            "kiln-1",
        ]);
        command.arg("--cafile").arg(site.path("pki/authority.crt"));
        command.arg("--cert").arg(&certificate).arg("--key").arg(&key);
        command
    };
    if Command::new("mosquitto_pub").arg("--version").output().is_err() {
        eprintln!(
            "SKIPPED: mosquitto_pub is not installed (Debian package mosquitto-clients); `tests/run python` installs it"
        );
        return Ok(());
    }
    for version in ["311", "5"] {
        for qos in ["0", "1", "2"] {
            let payload = format!("{{\"sequence\": 1, \"with\": \"{version} {qos}\"}}");
            let published = command("mosquitto_pub", version)
                .args(["-t", "plant/kiln-1/telemetry", "-q", qos, "-r", "-m", &payload])
                .output()?;
            assert!(published.status.success(), "{}", String::from_utf8_lossy(&published.stderr));
            // It is retained, so that the subscriber needs no second client at the same time. At QoS 0 nothing says when it is kept.
            wait::for_true("the message to be heard", wait::SOON, || {
                let heard = command("mosquitto_sub", version)
                    .args(["-t", "plant/kiln-1/#", "-q", qos, "-C", "1", "-W", "5"])
                    .output();
                heard.is_ok_and(|heard| String::from_utf8_lossy(&heard.stdout).trim() == payload)
            })
            .map_err(|error| error.context(gateway.log.end()))?;
        }
    }
    let refused = command("mosquitto_pub", "5")
        .args(["-t", "plant/kiln-2/telemetry", "-q", "1", "-m", "x"])
        .output()?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() || said.to_lowercase().contains("not authorized"), "{said}");
    assert_eq!(gateway.consumer.take_until("readings", 6)?.len(), 6);
    Ok(())
}
