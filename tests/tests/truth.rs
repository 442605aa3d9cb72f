//! What the fleet says about servers: of one that forgets what it acknowledged, that it does; of ours, that it doesn't.

use anyhow::Context;
use end_to_end::{ALLOW_ALL, Fleet, Gateway, Site, Summary, TELEMETRY_STREAM, free_port, wait};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a run may take, reading back included.
const RUN: Duration = Duration::from_secs(90);
/// A run is disturbed when this many messages have been acknowledged, of 4,000.
const EARLY: u64 = 800;

/// Twenty devices, 200 messages each, a thousand messages in each second.
const LOAD: &str = r#"
[[fleet]]
name = "meter"
devices = 20
client_id = "meter-{index}"
connect_per_second = 1000.0

[[fleet.publish]]
topic = "plant/{device}/telemetry"
qos = 1
every_ms = 20
messages = 200
"#;

/// A Mosquitto that keeps nothing on disk, which is its default, and as much as it can in memory. Killed when dropped.
struct Mosquitto {
    child: Child,
    settings: PathBuf,
    address: SocketAddr,
}

impl Mosquitto {
    fn start(folder: &Path) -> anyhow::Result<Self> {
        let (settings, address) = (folder.join("mosquitto.conf"), free_port()?);
        let text = format!(
            "listener {} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_queued_messages 0\n",
            address.port()
        );
        std::fs::write(&settings, text)?;
        let child = spawn(&settings)?;
        let mosquitto = Self { child, settings, address };
        mosquitto.wait_until_ready()?;
        Ok(mosquitto)
    }

    fn wait_until_ready(&self) -> anyhow::Result<()> {
        wait::for_true("Mosquitto to listen", wait::SOON, || TcpStream::connect(self.address).is_ok())
    }

    /// SIGKILL, and a new start.
    fn kill_and_start_again(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        self.child = spawn(&self.settings)?;
        self.wait_until_ready()
    }
}

fn spawn(settings: &Path) -> anyhow::Result<Child> {
    let mut command = Command::new("mosquitto");
    // Debian keeps it where only the administrator looks.
    command.env("PATH", format!("{}:/usr/sbin", std::env::var("PATH")?));
    let child = command.arg("-c").arg(settings).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    child.context("Mosquitto can't be started; `tests/run` installs it")
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A scenario on this server; `rest` is what is read back, and what is asked of the run.
fn scenario(address: SocketAddr, rest: &str) -> String {
    format!(
        "version = 1\nname = \"truth\"\n\n[server]\naddress = \"{address}\"\ntransport = \"tcp\"\n{LOAD}\n{rest}"
    )
}

/// Plays a scenario, and does something when the first messages have been acknowledged.
fn play(
    site: &Site,
    scenario: &str,
    disturb: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<Summary> {
    let fleet = Fleet::play(site, scenario, &[])?;
    wait::for_true("the first acknowledgements", RUN, || fleet.acknowledged() >= EARLY)
        .with_context(|| fleet.said())?;
    disturb()?;
    fleet.finish(RUN)
}

/// What the ledger says must add up, whatever happened.
fn balanced(summary: &Summary) -> anyhow::Result<()> {
    let number = |name: &str| summary.number(name);
    assert_eq!(
        number("delivered")? + number("lost")?,
        number("acknowledged")? + number("unacknowledged_delivered")?,
        "{}",
        summary.report
    );
    for name in ["corrupted", "unchecked"] {
        assert_eq!(number(name)?, 0, "{name}: {}", summary.report);
    }
    Ok(())
}

/// How many lost messages the summary names.
fn named(summary: &Summary) -> u64 {
    let devices = summary.report["lost_messages"].as_array().into_iter().flatten();
    let ranges = devices.flat_map(|device| device["ranges"].as_array().into_iter().flatten());
    ranges.filter_map(|range| Some(range[1].as_u64()? - range[0].as_u64()? + 1)).sum()
}

fn found(summary: &Summary, threshold: &str) -> Option<(u64, bool)> {
    let all = summary.report["thresholds"].as_array()?;
    let verdict = all.iter().find(|verdict| verdict["name"] == threshold)?;
    Some((verdict["found"].as_f64()? as u64, verdict["passed"].as_bool()?))
}

const SUBSCRIBER: &str = "[read_back]\nmqtt = { filter = \"plant/#\", qos = 1 }\nsecs = 3\n";
const ABSENT_SUBSCRIBER: &str =
    "[read_back]\nmqtt = { filter = \"plant/#\", qos = 1, offline = true }\nsecs = 3\n";

#[test]
fn a_mosquitto_without_persistence_that_is_killed_loses_and_the_ledger_says_what() -> anyhow::Result<()> {
    let site = Site::new("")?;
    let mut mosquitto = Mosquitto::start(site.folder())?;
    for read_back in [SUBSCRIBER, ABSENT_SUBSCRIBER] {
        let text = scenario(mosquitto.address, read_back);
        let summary = play(&site, &text, || mosquitto.kill_and_start_again())?;
        balanced(&summary)?;
        let lost = summary.number("lost")?;
        assert!(lost > 0, "{}", summary.report);
        assert_eq!(summary.status, 1, "an acknowledged message that is lost fails the run");
        assert_eq!(found(&summary, "lost"), Some((lost, false)));
        assert_eq!(named(&summary), lost, "{}", summary.report);
        assert!(summary.number("connects")? >= 40, "everybody had to connect again");
        if read_back == ABSENT_SUBSCRIBER {
            assert!(lost >= EARLY, "all that was kept in memory for the subscriber is gone: {lost}");
        } else {
            assert!(summary.number("delivered")? > EARLY, "{}", summary.report);
        }
    }
    Ok(())
}

#[test]
fn a_mosquitto_that_is_left_alone_loses_nothing() -> anyhow::Result<()> {
    let site = Site::new("")?;
    let mosquitto = Mosquitto::start(site.folder())?;
    for read_back in [SUBSCRIBER, ABSENT_SUBSCRIBER] {
        let summary = play(&site, &scenario(mosquitto.address, read_back), || Ok(()))?;
        balanced(&summary)?;
        let numbers = ["acknowledged", "delivered", "lost", "repeated", "out_of_order"]
            .map(|name| summary.number(name).unwrap_or(u64::MAX));
        assert_eq!(numbers, [4000, 4000, 0, 0, 0], "{}", summary.report);
        assert_eq!(summary.status, 0);
    }
    Ok(())
}

#[test]
fn our_gateway_that_is_killed_twice_loses_nothing() -> anyhow::Result<()> {
    // Without more room the gateway ends a session that a thousand messages wait for, and says so.
    let site = Site::with_queue("[mqtt]\nqueued_messages_per_client_max = 10000\n")?;
    let mut gateway = Gateway::start(&site)?;
    let queue = format!("[read_back]\nqueue = \"{}\"\nsecs = 60\n", gateway.consumer.queue_url("readings"));
    let absent = ABSENT_SUBSCRIBER.replace("secs = 3", "secs = 60");
    for read_back in [queue, absent] {
        let summary = play(&site, &scenario(site.plain_address, &read_back), || {
            gateway.kill_and_start_again()?;
            gateway.kill_and_start_again()
        })?;
        balanced(&summary)?;
        assert_eq!(summary.number("lost")?, 0, "{}", summary.report);
        assert_eq!(summary.number("acknowledged")?, 4000, "{}", summary.report);
        assert!(summary.number("connects")? >= 40, "everybody had to connect again");
        assert_eq!(summary.status, 0);
    }
    assert_eq!(gateway.log.panics(), Vec::<String>::new());
    gateway.stop()
}

#[test]
fn every_place_that_can_be_read_back_has_everything() -> anyhow::Result<()> {
    let receiver = free_port()?;
    let http = format!("[[http]]\nname = \"hook\"\nurl = \"http://{receiver}/\"\nconcurrency = 8\n");
    let site = Site::with_queue(&format!("{TELEMETRY_STREAM}\n{http}"))?;
    let all = "SELECT * FROM 'plant/+/telemetry'";
    site.write_rule("streamed", all, "stream = { name = \"telemetry\", partition_key = \"${deviceId}\" }")?;
    site.write_rule("hooked", all, "http = \"hook\"")?;
    let mut gateway = Gateway::start(&site)?;
    let url = gateway.consumer.queue_url("readings");
    let limits = "[thresholds]\nlost = 0\nrepeated = 0\ncorrupted = 0\nunchecked = 0\nreceived_min = 4000\n\
                  delivery_p99_ms = 60000\nacknowledged_min = 4000\n";
    // The receiver first: what it doesn't take now it would be owed by the next runs.
    for place in [
        format!("http = \"{receiver}\""),
        format!("queue = \"{url}\""),
        format!("stream = \"telemetry\"\napi = \"http://{}\"", site.api_address),
        "mqtt = { filter = \"plant/#\", qos = 1 }".to_owned(),
    ] {
        let text = scenario(site.plain_address, &format!("[read_back]\nsecs = 60\n{place}\n{limits}"));
        let summary = Fleet::play(&site, &text, &[])?.finish(RUN)?;
        balanced(&summary)?;
        assert_eq!(summary.number("delivered")?, 4000, "{place}: {}", summary.report);
        assert_eq!(summary.number("delivery_micros.count")?, 4000, "{place}: {}", summary.report);
        assert_eq!(summary.number("out_of_order")?, 0, "{place}: {}", summary.report);
        assert_eq!(found(&summary, "received_min"), Some((4000, true)));
        assert_eq!(summary.status, 0, "{place}: {}", summary.report);
    }
    gateway.stop()
}

#[test]
fn a_subscription_over_mutual_tls_is_read_back() -> anyhow::Result<()> {
    let site = Site::new("")?;
    site.write_policy("device", ALLOW_ALL)?;
    site.register_many(20)?;
    let mut gateway = Gateway::start(&site)?;
    let (authority, folder) = (site.path("pki/authority.crt"), site.path("pki/devices"));
    let server = format!(
        "transport = \"tls\"\nserver_name = \"localhost\"\nauthority = \"{}\"\ncertificates = {{ folder = \"{}\" }}",
        authority.display(),
        folder.display()
    );
    let text = scenario(site.tls_address, SUBSCRIBER)
        .replace("transport = \"tcp\"", &server)
        .replace("client_id = \"meter-{index}\"\n", "");
    let summary = Fleet::play(&site, &text, &[])?.finish(RUN)?;
    balanced(&summary)?;
    assert_eq!((summary.number("delivered")?, summary.status), (4000, 0), "{}", summary.report);
    gateway.stop()
}
