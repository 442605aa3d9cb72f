//! What can be wrong before and while the gateway runs: each gets one clear message that says what to do, and nothing accepted is lost.

use anyhow::Context;
use end_to_end::{Client, Connect, Gateway, Site, binary, free_port, wait};
use std::collections::BTreeSet;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const V5: u8 = 5;

/// Everything that `serve` says when it can't start.
fn refusal(site: &Site) -> anyhow::Result<String> {
    let file = site.path("refusal");
    let mut child = Command::new(binary())
        .args(["serve", "--config"])
        .arg(site.settings_file())
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&file)?)
        .spawn()?;
    let ended = wait::until("serve to refuse", Duration::from_secs(60), || child.try_wait().ok().flatten());
    if ended.is_err() {
        child.kill()?;
        child.wait()?;
    }
    let said = std::fs::read_to_string(&file)?;
    let status = ended.with_context(|| said.clone())?;
    anyhow::ensure!(status.code() == Some(1), "it ended with {status}: {said}");
    assert!(!said.contains("panicked"), "{said}");
    Ok(said)
}

/// The one message among it, which contains every one of `parts`.
fn one_message(said: &str, parts: &[&str]) {
    let messages: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(messages.len(), 1, "one message:\n{said}");
    for part in parts {
        assert!(messages[0].contains(part), "`{part}` is not in: {}", messages[0]);
    }
    assert!(messages[0].len() < 600, "not a message that is read at three in the morning: {}", messages[0]);
}

/// Publishes readings `from..to` and makes sure each is accepted.
fn publish(client: &mut Client, from: u32, to: u32) -> anyhow::Result<()> {
    for sequence in from..to {
        let code = client.publish("plant/kiln-1/telemetry", format!("{{\"sequence\": {sequence}}}"))?;
        anyhow::ensure!(code == 0, "reading {sequence} was answered with {code:#04x}");
    }
    Ok(())
}

fn connect(site: &Site) -> anyhow::Result<Client> {
    Client::connect_plain(site.plain_address, &Connect::clean(V5, "kiln-1"))
}

/// The sequence numbers in the queue.
fn arrived(gateway: &Gateway) -> anyhow::Result<BTreeSet<u64>> {
    let events = gateway.consumer.take_all("readings")?;
    Ok(events.iter().filter_map(|event| event.data["sequence"].as_u64()).collect())
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_nearest_one() -> anyhow::Result<()> {
    let site = Site::new("[mqtt]\npaylod_bytes_max = 1000\n")?;
    one_message(
        &refusal(&site)?,
        &["gateway.toml:", "unknown key `paylod_bytes_max`", "did you mean `payload_bytes_max`?"],
    );
    Ok(())
}

#[test]
fn values_that_cannot_be_are_named_with_what_may() -> anyhow::Result<()> {
    let cases: [(&str, &[&str]); 7] = [
        ("[mqtt]\nreceive_maximum = 0\n", &["mqtt.receive_maximum", "at least 1"]),
        ("[mqtt]\npayload_bytes_max = \"big\"\n", &["gateway.toml:", "expected a whole number"]),
        ("[journal]\nsegment_bytes = 100\n", &["journal.segment_bytes", "at least"]),
        ("[[queue]]\nname = \"a b\"\n", &["queue `a b`", "letters, digits"]),
        ("[[queue]]\nname = \"a\"\n[[queue]]\nname = \"a\"\n", &["queue `a`", "twice"]),
        (
            "[[queue]]\nname = \"a\"\nreceives_max = 3\ndead_letter_queue = \"letter\"\n[[queue]]\nname = \"letters\"\n",
            &["unknown queue `letter`", "did you mean `letters`?"],
        ),
        (
            "[api]\naddress = \"0.0.0.0:8080\"\nunsigned_on_loopback = true\n",
            &["api.unsigned_on_loopback", "0.0.0.0:8080"],
        ),
    ];
    for (settings, parts) in cases {
        let said = refusal(&Site::new(settings)?)?;
        one_message(&said, parts);
    }
    Ok(())
}

#[test]
fn a_settings_file_that_is_not_there_is_named() -> anyhow::Result<()> {
    let site = Site::new("")?;
    std::fs::remove_file(site.settings_file())?;
    one_message(&refusal(&site)?, &["gateway.toml"]);
    Ok(())
}

#[test]
fn a_certificate_that_is_missing_or_unreadable_is_named() -> anyhow::Result<()> {
    let site = Site::new("")?;
    std::fs::remove_file(site.path("pki/server.crt"))?;
    one_message(&refusal(&site)?, &["pki/server.crt", "certificate"]);
    site.write("pki/server.crt", "rubbish")?;
    one_message(&refusal(&site)?, &["pki/server.crt", "PEM"]);
    let site = Site::new("")?;
    std::fs::remove_file(site.path("pki/authority.crt"))?;
    one_message(&refusal(&site)?, &["pki/authority.crt"]);
    let site = Site::new("")?;
    site.write("pki/server.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")?;
    one_message(&refusal(&site)?, &["pki/server.key"]);
    Ok(())
}

#[test]
fn a_key_that_does_not_match_its_certificate_is_named() -> anyhow::Result<()> {
    let mut site = Site::new("")?;
    site.issue(&["kiln-1"])?;
    let (_, other) = site.device_files("kiln-1");
    std::fs::copy(other, site.path("pki/server.key"))?;
    one_message(&refusal(&site)?, &["pki/server.key", "pki/server.crt", "not the key"]);
    Ok(())
}

#[test]
fn a_port_that_is_in_use_is_named() -> anyhow::Result<()> {
    let site = Site::new("")?;
    for (address, what) in
        [(site.tls_address, "listener"), (site.plain_address, "listener"), (site.api_address, "api.address")]
    {
        let _taken = TcpListener::bind(address)?;
        one_message(&refusal(&site)?, &[&address.to_string(), what]);
    }
    Ok(())
}

#[test]
fn a_rule_that_names_a_target_that_does_not_exist_is_refused_and_the_others_run() -> anyhow::Result<()> {
    let site = Site::with_queue("")?;
    site.write_rule("stray", "SELECT * FROM 'plant/#'", "queue = \"raedings\"")?;
    let checked = Command::new(binary()).args(["check", "--config"]).arg(site.settings_file()).output()?;
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(!checked.status.success());
    for part in ["stray/rule.toml:7", "raedings", "did you mean `readings`?"] {
        assert!(said.contains(part), "`{part}` is not in: {said}");
    }
    let gateway = Gateway::start(&site)?;
    gateway.log.wait_for_any("the refusal", |line| {
        line.contains("raedings") && line.field("file").ends_with("stray/rule.toml")
    })?;
    publish(&mut connect(&site)?, 0, 3)?;
    assert_eq!(arrived(&gateway)?.len(), 3);
    Ok(())
}

#[test]
fn check_finds_everything_that_is_wrong_and_changes_nothing() -> anyhow::Result<()> {
    let site = Site::with_queue("")?;
    std::fs::remove_file(site.path("pki/server.crt"))?;
    site.write_policy("broken", "{")?;
    site.write_rule("broken", "SELEC 1", "queue = \"readings\"")?;
    let checked = Command::new(binary()).args(["check", "--config"]).arg(site.settings_file()).output()?;
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert_eq!(checked.status.code(), Some(1), "{said}");
    for part in ["pki/server.crt", "policies/broken.json", "rules/broken/rule.toml:3", "3 problems"] {
        assert!(said.contains(part), "`{part}` is not in: {said}");
    }
    assert!(!site.path("data").exists(), "check makes nothing");
    Ok(())
}

#[test]
fn a_data_directory_in_use_is_refused_and_its_owner_is_not_disturbed() -> anyhow::Result<()> {
    let site = Site::with_queue("")?;
    let gateway = Gateway::start(&site)?;
    let mut client = connect(&site)?;
    publish(&mut client, 0, 3)?;
    // The same data directory on other ports.
    for address in site.addresses() {
        site.change_settings(&address.to_string(), &free_port()?.to_string())?;
    }
    let said = refusal(&site)?;
    one_message(&said, &["data", "in use"]);
    publish(&mut client, 3, 6)?;
    assert_eq!(arrived(&gateway)?, (0..6).collect());
    Ok(())
}

/// The journal's segment with the most in it.
fn segment(site: &Site) -> anyhow::Result<PathBuf> {
    let files = std::fs::read_dir(site.path("data/journal"))?.flatten().map(|entry| entry.path());
    let mut segments: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|end| end == "segment")).collect();
    segments.sort();
    segments.into_iter().next().context("the journal has a segment")
}

/// Where the nth reading stands in the file.
fn position_of(file: &Path, reading: u32) -> anyhow::Result<usize> {
    let bytes = std::fs::read(file)?;
    let wanted = format!("\"sequence\":{reading},");
    let spaced = format!("\"sequence\": {reading},");
    let found = [wanted, spaced]
        .into_iter()
        .find_map(|text| bytes.windows(text.len()).position(|window| window == text.as_bytes()));
    found.with_context(|| format!("reading {reading} is not in {}", file.display()))
}

#[test]
fn a_damaged_journal_segment_is_named_and_everything_else_in_it_is_served() -> anyhow::Result<()> {
    let site = Site::with_queue("")?;
    let mut gateway = Gateway::start(&site)?;
    let mut client = connect(&site)?;
    for sequence in 0..300 {
        let payload = format!("{{\"sequence\": {sequence}, \"padding\": \"{}\"}}", "x".repeat(200));
        assert_eq!(client.publish("plant/kiln-1/telemetry", payload)?, 0);
    }
    gateway.kill()?;
    let file = segment(&site)?;
    let mut bytes = std::fs::read(&file)?;
    let position = position_of(&file, 150)?;
    for byte in &mut bytes[position..position + 8] {
        *byte ^= 0xff;
    }
    std::fs::write(&file, bytes)?;
    gateway.start_again()?;
    let name = file.file_name().context("name")?.to_string_lossy().into_owned();
    let line = gateway
        .log
        .wait_for_any("the damage", |line| line.field("level") == "ERROR" && line.contains(&name))?;
    assert!(line.contains("damaged"), "{line:?}");
    assert!(line.contains("restore") || line.contains("copy"), "what to do: {line:?}");
    let mut expected: BTreeSet<u64> = (0..300).collect();
    expected.remove(&150);
    let arrived = arrived(&gateway)?;
    assert_eq!(arrived, expected, "the reading that was destroyed is gone, and no other");
    publish(&mut connect(&site)?, 300, 310)?;
    assert_eq!(gateway.log.panics(), Vec::<String>::new());
    Ok(())
}

/// Where the last frame of a segment begins and where it ends: a header of 32 bytes with the payload's length in bytes 4 to 8, at multiples of 8
/// from 4,096 on; zeros follow the last.
fn last_frame(segment: &[u8]) -> (usize, usize) {
    let (mut last, mut next) = (4096, 4096);
    while segment[next..next + 32].iter().any(|byte| *byte != 0) {
        let length = segment[next + 4..next + 8].try_into().map(u32::from_le_bytes).expect("four bytes");
        last = next;
        next = (next + 32 + length as usize).next_multiple_of(8);
    }
    (last, next)
}

#[test]
fn a_torn_tail_of_the_journal_costs_nothing_that_was_acknowledged() -> anyhow::Result<()> {
    let site = Site::with_queue("")?;
    let mut gateway = Gateway::start(&site)?;
    publish(&mut connect(&site)?, 0, 100)?;
    gateway.kill()?;
    // What a power cut in the middle of a write leaves: half of a record after the last good one.
    let file = segment(&site)?;
    let mut bytes = std::fs::read(&file)?;
    let (last, end) = last_frame(&bytes);
    let torn = bytes[last..last + (end - last) / 2].to_vec();
    bytes[end..end + torn.len()].copy_from_slice(&torn);
    std::fs::write(&file, bytes)?;
    gateway.start_again()?;
    publish(&mut connect(&site)?, 100, 200)?;
    gateway.kill_and_start_again()?;
    assert_eq!(arrived(&gateway)?, (0..200).collect());
    Ok(())
}

#[test]
fn a_journal_at_its_limit_refuses_with_a_reason_and_takes_again_when_there_is_room() -> anyhow::Result<()> {
    let site = Site::with_queue(
        "[journal]\nsegment_bytes = 1048576\nqueue_bytes_max = 1048576\ndisk_bytes_max = 4194304\n",
    )?;
    let gateway = Gateway::start(&site)?;
    let mut client = connect(&site)?;
    let accepted = fill(&mut client, 0)?;
    assert!(accepted > 20, "{accepted}");
    let line = gateway.log.wait_for("publish refused", |_| true)?;
    assert!(line.field("reason").contains("disk_bytes_max"), "what to do: {line:?}");
    assert!(!gateway.consumer.is_ready(), "a gateway that takes nothing is not ready");
    // Room comes from the consumer.
    assert_eq!(arrived(&gateway)?, (0..accepted).collect());
    takes_again(&mut client, accepted)?;
    assert!(arrived(&gateway)?.contains(&accepted));
    Ok(())
}

/// Publishes large readings until one is refused. Gives how many were accepted.
fn fill(client: &mut Client, from: u64) -> anyhow::Result<u64> {
    for sequence in from..from + 5_000 {
        let payload = format!("{{\"sequence\": {sequence}, \"padding\": \"{}\"}}", "x".repeat(60_000));
        match client.publish("plant/kiln-1/telemetry", payload)? {
            0 => {}
            0x97 => return Ok(sequence),
            other => anyhow::bail!("reading {sequence} was answered with {other:#04x}, not Quota exceeded"),
        }
    }
    anyhow::bail!("nothing was refused")
}

fn takes_again(client: &mut Client, sequence: u64) -> anyhow::Result<()> {
    wait::for_true("publishes to be taken again", Duration::from_secs(30), || {
        client
            .publish("plant/kiln-1/telemetry", format!("{{\"sequence\": {sequence}}}"))
            .is_ok_and(|code| code == 0)
    })
}

/// A small file system of its own; unmounted when it is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` when this machine does not let us.
    fn mount(place: PathBuf, mebibytes: u32) -> anyhow::Result<Option<Self>> {
        std::fs::create_dir_all(&place)?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "tmpfs"])
            .arg(&place)
            .stderr(Stdio::null())
            .status();
        Ok(mounted.is_ok_and(|status| status.success()).then_some(Self(place)))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_refuses_publishes_with_a_reason_and_loses_nothing_accepted() -> anyhow::Result<()> {
    let site = Site::with_queue("[journal]\nsegment_bytes = 1048576\nqueue_bytes_max = 1048576\n")?;
    let Some(_disk) = SmallDisk::mount(site.path("data"), 192)? else {
        eprintln!("SKIPPED: a small file system can't be mounted here; run as root to test a full disk");
        return Ok(());
    };
    let mut gateway = Gateway::start(&site)?;
    let mut client = connect(&site)?;
    publish(&mut client, 0, 10)?;
    // Somebody else fills the disk.
    let ballast = site.path("data/ballast");
    fill_disk(&ballast)?;
    let accepted = fill(&mut client, 10)?;
    let line = gateway.log.wait_for("publish refused", |_| true)?;
    assert!(
        line.field("reason").contains("no room") && line.field("reason").contains("free space"),
        "{line:?}"
    );
    assert!(!gateway.consumer.is_ready());
    assert!(gateway.is_running());
    // Even a kill now loses nothing.
    gateway.kill()?;
    std::fs::remove_file(&ballast)?;
    gateway.start_again()?;
    let mut client = connect(&site)?;
    takes_again(&mut client, accepted)?;
    let arrived = arrived(&gateway)?;
    let missing: Vec<u64> = (0..=accepted).filter(|sequence| !arrived.contains(sequence)).collect();
    assert_eq!(missing, Vec::<u64>::new());
    assert_eq!(gateway.log.panics(), Vec::<String>::new());
    Ok(())
}

#[test]
fn a_disk_that_has_room_again_needs_no_restart() -> anyhow::Result<()> {
    let site = Site::with_queue("[journal]\nsegment_bytes = 1048576\nqueue_bytes_max = 1048576\n")?;
    let Some(_disk) = SmallDisk::mount(site.path("data"), 192)? else {
        eprintln!("SKIPPED: a small file system can't be mounted here; run as root to test a full disk");
        return Ok(());
    };
    let gateway = Gateway::start(&site)?;
    let mut client = connect(&site)?;
    let ballast = site.path("data/ballast");
    fill_disk(&ballast)?;
    let accepted = fill(&mut client, 0)?;
    std::fs::remove_file(&ballast)?;
    takes_again(&mut client, accepted)?;
    wait::for_true("the gateway to be ready again", wait::SOON, || gateway.consumer.is_ready())?;
    let arrived = arrived(&gateway)?;
    let missing: Vec<u64> = (0..=accepted).filter(|sequence| !arrived.contains(sequence)).collect();
    assert_eq!(missing, Vec::<u64>::new());
    Ok(())
}

/// Writes until the disk takes no more.
fn fill_disk(file: &Path) -> anyhow::Result<()> {
    use std::io::Write;
    let mut file = File::create(file)?;
    let mut block = vec![b'x'; 1 << 20];
    while !block.is_empty() {
        if file.write_all(&block).is_err() {
            block.truncate(block.len() / 2);
        }
    }
    Ok(())
}
