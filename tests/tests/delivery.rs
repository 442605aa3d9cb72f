//! Every event reaches its target or becomes a dead letter, under an id that stays the same over retries and restarts, and the books balance.

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use end_to_end::{Client, Connect, Gateway, Site, binary, run_command, wait};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const V5: u8 = 5;

/// What an HTTP server was asked: the event's id and its data.
type Requests = Arc<Mutex<Vec<(String, Value)>>>;

/// A server of somebody else's, which answers every request with one status until told another.
struct Elsewhere {
    address: SocketAddr,
    status: Arc<AtomicU16>,
    requests: Requests,
}

impl Elsewhere {
    fn start(status: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (status, requests) = (Arc::new(AtomicU16::new(status)), Requests::default());
        let elsewhere = Self {
            address: listener.local_addr()?,
            status: Arc::clone(&status),
            requests: Arc::clone(&requests),
        };
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (status, requests) = (Arc::clone(&status), Arc::clone(&requests));
                std::thread::spawn(
                    move || while answer(&stream, &status, &requests).is_ok_and(|goes_on| goes_on) {},
                );
            }
        });
        Ok(elsewhere)
    }

    /// Sequence numbers by event id, of everything asked so far.
    fn seen(&self) -> BTreeMap<String, u64> {
        let requests = self.requests.lock().expect("no test panics with the lock held");
        requests.iter().filter_map(|(id, data)| Some((id.clone(), data["sequence"].as_u64()?))).collect()
    }
}

/// Reads one request and answers it; whether the connection goes on.
fn answer(stream: &TcpStream, status: &AtomicU16, requests: &Requests) -> anyhow::Result<bool> {
    let mut reader = BufReader::new(stream);
    let (mut length, mut id, mut line) = (0, String::new(), String::new());
    if reader.read_line(&mut line)? == 0 {
        return Ok(false);
    }
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse()?,
            "idempotency-key" => id = value.trim().to_string(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let data = serde_json::from_slice(&body)?;
    requests.lock().expect("no test panics with the lock held").push((id, data));
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {} Because\r\ncontent-length: 0\r\n\r\n", status.load(SeqCst))?;
    Ok(true)
}

fn site(elsewhere: &Elsewhere) -> anyhow::Result<Site> {
    let site = Site::new(&format!(
        "[[http]]\nname = \"hook\"\nurl = \"http://{}/events\"\n\n\
         [delivery]\nbackoff_first_ms = 20\nbackoff_max_ms = 100\n",
        elsewhere.address
    ))?;
    site.write_rule("hooked", "SELECT sequence FROM 'plant/+/telemetry'", "http = \"hook\"")?;
    Ok(site)
}

fn publish(site: &Site, from: u64, to: u64) -> anyhow::Result<()> {
    let mut client = Client::connect_plain(site.plain_address, &Connect::clean(V5, "kiln-1"))?;
    for sequence in from..to {
        assert_eq!(client.publish("plant/kiln-1/telemetry", format!("{{\"sequence\": {sequence}}}"))?, 0);
    }
    Ok(())
}

/// The row of the ledger, which must balance.
fn ledger(site: &Site) -> anyhow::Result<Value> {
    let settings = site.settings_file().display().to_string();
    let ledger: Value = serde_json::from_str(&run_command(&["ledger", "--json", "--config", &settings])?)?;
    assert_eq!(ledger["balanced"], Value::Bool(true), "{ledger}");
    let rows = ledger["rows"].as_array().context("rows")?;
    Ok(rows.iter().find(|row| row["rule"] == "hooked").cloned().unwrap_or_default())
}

fn wait_for_delivered(site: &Site, gateway: &Gateway, count: u64) -> anyhow::Result<Value> {
    wait::until(&format!("{count} events to be delivered"), Duration::from_secs(40), || {
        ledger(site).ok().filter(|row| row["delivered"] == count)
    })
    .with_context(|| format!("{:?}\n{}", ledger(site), gateway.log.end()))
}

#[test]
fn a_target_that_fails_gets_every_event_later_under_one_id_over_a_kill() -> anyhow::Result<()> {
    let elsewhere = Elsewhere::start(503)?;
    let site = site(&elsewhere)?;
    let mut gateway = Gateway::start(&site)?;
    publish(&site, 0, 30)?;
    wait::for_true("retries", wait::SOON, || {
        elsewhere.requests.lock().is_ok_and(|requests| requests.len() > 40)
    })?;
    let row = ledger(&site)?;
    assert_eq!((&row["accepted"], &row["waiting"]), (&30.into(), &30.into()), "{row}");
    gateway.kill_and_start_again()?;
    publish(&site, 30, 40)?;
    elsewhere.status.store(200, SeqCst);
    let row = wait_for_delivered(&site, &gateway, 40)?;
    assert_eq!(
        (&row["accepted"], &row["waiting"], &row["dead_lettered"]),
        (&40.into(), &0.into(), &0.into())
    );
    // One id for each event, however often it was tried, before and after the kill.
    let seen = elsewhere.seen();
    assert_eq!(seen.len(), 40);
    assert_eq!(seen.values().collect::<BTreeSet<_>>().len(), 40);
    Ok(())
}

#[test]
fn what_a_target_refuses_for_good_is_a_dead_letter_that_can_be_sent_again() -> anyhow::Result<()> {
    let elsewhere = Elsewhere::start(400)?;
    let site = site(&elsewhere)?;
    let mut gateway = Gateway::start(&site)?;
    publish(&site, 0, 5)?;
    let settings = site.settings_file().display().to_string();
    let list = || -> anyhow::Result<Vec<Value>> {
        Ok(serde_json::from_str(&run_command(&["dead-letters", "--config", &settings, "list", "--json"])?)?)
    };
    wait::for_true("dead letters", wait::SOON, || list().is_ok_and(|letters| letters.len() == 5))
        .with_context(|| gateway.log.end())?;
    let row = ledger(&site)?;
    assert_eq!((&row["accepted"], &row["dead_lettered"]), (&5.into(), &5.into()), "{row}");
    gateway.kill_and_start_again()?;
    let letters = list()?;
    assert_eq!(letters.len(), 5, "they survive a kill");
    let id = letters[0]["id"].as_str().context("id")?;
    let shown: Value =
        serde_json::from_str(&run_command(&["dead-letters", "--config", &settings, "show", id])?)?;
    assert_eq!(shown["data"]["sequence"], 0, "oldest first, with its data: {shown}");
    assert!(shown["attributes"].to_string().contains("400"), "why: {shown}");
    let before = elsewhere.seen();
    elsewhere.status.store(204, SeqCst);
    run_command(&["dead-letters", "--config", &settings, "redrive", "--target", "http/hook"])?;
    wait::for_true("no dead letter to be left", wait::SOON, || {
        list().is_ok_and(|letters| letters.is_empty())
    })?;
    wait_for_delivered(&site, &gateway, 5)?;
    assert_eq!(elsewhere.seen(), before, "under the ids they had");
    Ok(())
}

/// Runs `dead-letters` with these arguments.
fn dead_letters(site: &Site, arguments: &[&str]) -> anyhow::Result<String> {
    let settings = site.settings_file().display().to_string();
    run_command(&[&["dead-letters", "--config", &settings], arguments].concat())
}

fn listed(site: &Site, arguments: &[&str]) -> anyhow::Result<Vec<Value>> {
    Ok(serde_json::from_str(&dead_letters(site, &[&["list", "--json"], arguments].concat())?)?)
}

fn wait_for_letters(site: &Site, count: usize) -> anyhow::Result<()> {
    wait::for_true(&format!("{count} dead letters"), Duration::from_secs(40), || {
        listed(site, &[]).is_ok_and(|letters| letters.len() == count)
    })
}

#[test]
fn a_redrive_that_is_killed_in_the_middle_leaves_each_event_sent_or_a_letter() -> anyhow::Result<()> {
    let elsewhere = Elsewhere::start(400)?;
    let site = site(&elsewhere)?;
    let mut gateway = Gateway::start(&site)?;
    publish(&site, 0, 200)?;
    wait_for_letters(&site, 200)?;
    let refused = elsewhere.seen();
    elsewhere.requests.lock().expect("no test panics with the lock held").clear();
    elsewhere.status.store(204, SeqCst);
    let settings = site.settings_file().display().to_string();
    let mut redrive = Command::new(binary())
        .args(["dead-letters", "--config", &settings, "redrive", "--per-second", "50"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    wait::for_true("some to be sent", wait::SOON, || elsewhere.seen().len() >= 40)?;
    gateway.kill()?;
    assert!(!redrive.wait()?.success(), "who waits for it is told that it did not end");
    gateway.start_again()?;
    let left = listed(&site, &[])?;
    assert!((1..200).contains(&left.len()), "{} are left", left.len());
    // Whatever is no letter any more is on its way, and comes.
    let kept: BTreeSet<&str> =
        left.iter().filter_map(|letter| letter["attributes"]["EVENT_ID"].as_str()).collect();
    wait::for_true("every event to be sent or kept", wait::SOON, || {
        let sent = elsewhere.seen();
        refused.keys().all(|id| sent.contains_key(id) || kept.contains(id.as_str()))
    })
    .with_context(|| gateway.log.end())?;
    let told: Value = serde_json::from_str(&dead_letters(&site, &["redrive", "--json"])?)?;
    assert_eq!((&told["redriven"], &told["done"]), (&left.len().into(), &true.into()), "{told}");
    wait::for_true("all to be sent under their ids", wait::SOON, || elsewhere.seen() == refused)?;
    assert!(listed(&site, &[])?.is_empty());
    ledger(&site)?;
    Ok(())
}

#[test]
fn dead_letters_are_counted_found_exported_and_given_up() -> anyhow::Result<()> {
    let elsewhere = Elsewhere::start(400)?;
    let site = site(&elsewhere)?;
    site.change_settings("[delivery]", "[dead_letters.target.\"http/hook\"]\nletters_max = 6\n\n[delivery]")?;
    let gateway = Gateway::start(&site)?;
    publish(&site, 0, 10)?;
    wait::for_true("evictions", wait::SOON, || {
        let counts = dead_letters(&site, &["counts", "--json"]).unwrap_or_default();
        serde_json::from_str::<Value>(&counts).is_ok_and(|counts| counts[0]["written"] == 10)
    })?;
    let counts: Value = serde_json::from_str(&dead_letters(&site, &["counts", "--json"])?)?;
    assert_eq!((&counts[0]["held"], &counts[0]["evicted"]), (&6.into(), &4.into()), "{counts}");
    let metrics = gateway.consumer.metrics()?;
    assert_eq!(metrics.sum("iot_gateway_dead_letters", "http/hook"), 6.0);
    assert_eq!(metrics.sum("iot_gateway_dead_letters_evicted_total", "http/hook"), 4.0);

    let attributes = &listed(&site, &["--limit", "1"])?[0]["attributes"];
    assert_eq!(attributes["RULE_ARN"], "arn:aws:iot:us-east-1:000000000000:rule/hooked");
    assert_eq!(attributes["TARGET_ARN"], "arn:aws:events:us-east-1:000000000000:api-destination/hook");
    assert_eq!((&attributes["ERROR_CODE"], &attributes["RETRY_ATTEMPTS"]), (&"HTTP_400".into(), &"0".into()));
    assert!(attributes["EXHAUSTED_RETRY_CONDITION"].is_null(), "it was refused for good: {attributes}");
    for (arguments, expected) in [
        (&["--from", "10m"][..], 6),
        (&["--to", "10m"], 0),
        (&["--topic", "kiln-1"], 6),
        (&["--topic", "kiln-2"], 0),
        (&["--key", "kiln", "--rule", "hooked", "--error-code", "HTTP_400"], 6),
        (&["--error-code", "HTTP_500"], 0),
        (&["--limit", "4"], 4),
    ] {
        assert_eq!(listed(&site, arguments)?.len(), expected, "{arguments:?}");
    }

    let file = site.path("letters.jsonl");
    dead_letters(&site, &["export", "--output", &file.display().to_string()])?;
    let exported = std::fs::read_to_string(&file)?;
    assert_eq!(exported, dead_letters(&site, &["export"])?, "to standard output the same");
    let letters: Vec<Value> = exported.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let sequences: Vec<u64> =
        letters.iter().filter_map(|letter| letter["data"]["sequence"].as_u64()).collect();
    assert_eq!(sequences, [4, 5, 6, 7, 8, 9]);
    assert!(
        dead_letters(&site, &["export", "--output", &file.display().to_string()]).is_err(),
        "it is there"
    );
    assert!(dead_letters(&site, &["purge"]).is_err(), "more than one needs --yes");
    dead_letters(&site, &["purge", letters[0]["id"].as_str().context("id")?])?;
    assert_eq!(dead_letters(&site, &["purge", "--yes", "--key", "kiln-1"])?.trim(), "5 purged");
    assert!(dead_letters(&site, &["export"])?.is_empty());
    Ok(())
}

#[test]
fn an_error_action_gets_the_payload_as_it_was_published() -> anyhow::Result<()> {
    let elsewhere = Elsewhere::start(400)?;
    let site = site(&elsewhere)?;
    site.change_settings("[delivery]", "[[queue]]\nname = \"errors\"\n\n[delivery]")?;
    let action = "http = \"hook\"\n\n[error_action]\nqueue = \"errors\"";
    site.write_rule("hooked", "SELECT sequence FROM 'plant/+/telemetry'", action)?;
    let mut gateway = Gateway::start(&site)?;
    let mut client = Client::connect_plain(site.plain_address, &Connect::clean(V5, "kiln-1"))?;
    let payload = "{\"sequence\": 7, \"not\": \"selected\"}";
    assert_eq!(client.publish("plant/kiln-1/telemetry", payload)?, 0);
    gateway.kill_and_start_again()?;
    let errors = gateway.consumer.take_until("errors", 1)?;
    let document = &errors[0].data;
    let names: BTreeSet<&str> = document.as_object().context("object")?.keys().map(String::as_str).collect();
    let expected =
        ["ruleName", "topic", "cloudwatchTraceId", "clientId", "base64OriginalPayload", "failures"];
    assert_eq!(names, BTreeSet::from(expected));
    let original = STANDARD.decode(document["base64OriginalPayload"].as_str().context("payload")?)?;
    assert_eq!(String::from_utf8(original)?, payload);
    let failure = &document["failures"][0];
    assert_eq!(
        (&failure["failedAction"], &failure["failedResource"]),
        (&"HttpAction".into(), &"hook".into())
    );
    assert!(failure["errorMessage"].as_str().is_some_and(|message| message.contains("400")), "{failure}");
    Ok(())
}
