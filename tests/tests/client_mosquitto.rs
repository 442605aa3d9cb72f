//! mosquitto_pub and mosquitto_sub, as Debian has them.

use anyhow::Context;
use end_to_end::{Phase, Site, play, wait};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

const COUNT: usize = 10;
const END: &str = "end";
/// Before each message that a listener prints: its own remarks stand between them.
const MARK: char = '>';

struct Clients<'s> {
    site: &'s Site,
    version: &'s str,
}

/// A message as mosquitto_sub prints it: quality of service, retained or not, payload.
type Message = (String, bool, String);

/// A mosquitto_sub that runs. Killed when it is dropped.
struct Listener {
    child: Child,
    file: PathBuf,
}

impl Clients<'_> {
    /// `stdbuf` makes its remarks come line by line.
    fn command(&self, program: &str, name: &str) -> Command {
        let (certificate, key) = self.site.device_files("kiln-1");
        let mut command = Command::new("stdbuf");
        command.args(["-oL", program, "-h", "localhost", "-p", &self.site.tls_address.port().to_string()]);
        command.args(["-V", self.version, "-i", &format!("kiln-1-{name}")]);
        command.arg("--cafile").arg(self.site.path("pki/authority.crt"));
        command.arg("--cert").arg(certificate).arg("--key").arg(key);
        command
    }

    /// Publishes each line at one quality of service.
    fn publish(&self, topic: &str, qos: &str, lines: &[String], more: &[&str]) -> anyhow::Result<()> {
        let mut command = self.command("mosquitto_pub", "publisher");
        let mut child = command
            .args(["-t", topic, "-q", qos])
            .args(more)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().context("its input")?;
        lines.iter().try_for_each(|line| writeln!(stdin, "{line}"))?;
        drop(stdin);
        let output = child.wait_with_output()?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    fn publish_ten(&self, topic: &str, qos: &str) -> anyhow::Result<()> {
        let lines: Vec<_> = (0..COUNT).map(|number| format!("{qos}-{number}")).collect();
        self.publish(topic, qos, &lines, &["-l"])
    }

    fn publish_end(&self, topic: &str) -> anyhow::Result<()> {
        self.publish(topic, "2", &[], &["-m", END])
    }

    /// A listener to `filters` at QoS 2, subscribed when this returns.
    fn listen(&self, name: &str, filters: &[&str], more: &[&str]) -> anyhow::Result<Listener> {
        let file = self.site.path(&format!("heard-by-{name}"));
        let mut command = self.command("mosquitto_sub", name);
        command.args(["-d", "-q", "2", "-F", &format!("{MARK}%q %r %p")]).args(more);
        for filter in filters {
            command.args(["-t", filter]);
        }
        let output = File::create(&file)?;
        let child = command.stderr(output.try_clone()?).stdout(output).spawn()?;
        let listener = Listener { child, file };
        let subscribed = || listener.printed().contains("Subscribed (mid");
        wait::for_true("mosquitto_sub to have subscribed", wait::SOON, subscribed)
            .map_err(|error| error.context(listener.printed()))?;
        Ok(listener)
    }

    fn is_newer(&self) -> bool {
        self.version == "5"
    }

    /// What makes a session last.
    fn keep(&self) -> &[&str] {
        if self.is_newer() { &["-c", "-x", "3600"] } else { &["-c"] }
    }
}

impl Listener {
    fn printed(&self) -> String {
        std::fs::read_to_string(&self.file).unwrap_or_default()
    }

    fn heard(&self) -> Vec<Message> {
        let printed = self.printed();
        let lines = printed.lines().filter_map(|line| line.strip_prefix(MARK));
        let message = |line: &str| {
            let mut parts = line.splitn(3, ' ').map(str::to_string);
            Some((parts.next()?, parts.next()? == "1", parts.next()?))
        };
        lines.filter_map(message).collect()
    }

    /// Everything up to the last message, sent at QoS 2 after all others.
    fn hear_the_end(&self) -> anyhow::Result<Vec<Message>> {
        let ended = || self.heard().iter().any(|(_, _, payload)| payload == END);
        wait::for_true("the last message", wait::SOON, ended)
            .map_err(|error| error.context(self.printed()))?;
        Ok(self.heard().into_iter().filter(|(_, _, payload)| payload != END).collect())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How many different ones at each quality of service, and how many came again.
fn counted(messages: &[Message]) -> (BTreeMap<&str, usize>, usize) {
    let different: BTreeSet<&Message> = messages.iter().collect();
    let mut by_qos = BTreeMap::new();
    different.iter().for_each(|(qos, _, _)| *by_qos.entry(qos.as_str()).or_default() += 1);
    (by_qos, messages.len() - different.len())
}

fn live(clients: &Clients<'_>) -> anyhow::Result<Value> {
    let both = clients.listen("both", &["scenario/both/#"], &[])?;
    for qos in ["0", "1", "2"] {
        clients.publish_ten("scenario/both/ways", qos)?;
    }
    clients.publish_end("scenario/both/ways")?;
    let both = both.hear_the_end()?;
    let (heard, repeated) = counted(&both);
    let (early, late) = retained(clients)?;
    let (shared, members_served) = shared(clients)?;
    Ok(json!({
        "heard": heard, "repeated": repeated,
        "retained": early, "retained_after_clearing": late,
        "will": will(clients)?,
        "shared": shared, "members_served": members_served,
    }))
}

fn retained(clients: &Clients<'_>) -> anyhow::Result<(usize, usize)> {
    let hear = |name: &str| -> anyhow::Result<usize> {
        let listener = clients.listen(name, &["scenario/retained"], &[])?;
        clients.publish_end("scenario/retained")?;
        Ok(listener.hear_the_end()?.iter().filter(|(_, retain, _)| *retain).count())
    };
    clients.publish("scenario/retained", "1", &[], &["-r", "-m", "kept"])?;
    let early = hear("early")?;
    clients.publish("scenario/retained", "1", &[], &["-r", "-n"])?;
    Ok((early, hear("late")?))
}

fn will(clients: &Clients<'_>) -> anyhow::Result<usize> {
    let witness = clients.listen("witness", &["scenario/will"], &[])?;
    let will = ["--will-topic", "scenario/will", "--will-payload", "gone", "--will-qos", "1"];
    // Killed, so it says no DISCONNECT.
    drop(clients.listen("dying", &["scenario/nothing"], &will)?);
    wait::for_true("the will", wait::SOON, || !witness.heard().is_empty())?;
    clients.publish_end("scenario/will")?;
    Ok(witness.hear_the_end()?.len())
}

fn shared(clients: &Clients<'_>) -> anyhow::Result<(usize, usize)> {
    // One end for each, by a subscription of its own.
    let filters = ["$share/group/scenario/shared", "scenario/shared/end"];
    let members = [clients.listen("member-1", &filters, &[])?, clients.listen("member-2", &filters, &[])?];
    for qos in ["0", "1", "2"] {
        clients.publish_ten("scenario/shared", qos)?;
    }
    clients.publish_end("scenario/shared/end")?;
    let heard = members.iter().map(Listener::hear_the_end).collect::<Result<Vec<_>, _>>()?;
    let payloads: Vec<_> = heard.iter().flatten().map(|(_, _, payload)| payload).collect();
    let different: BTreeSet<_> = payloads.iter().collect();
    anyhow::ensure!(different.len() == payloads.len(), "a message went to both: {payloads:?}");
    Ok((payloads.len(), heard.iter().filter(|messages| !messages.is_empty()).count()))
}

fn leave(clients: &Clients<'_>) -> anyhow::Result<Value> {
    let output = clients
        .command("mosquitto_sub", "absent")
        .args(["-q", "2", "-t", "scenario/absent", "-E"])
        .args(clients.keep())
        .output()?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    clients.publish_ten("scenario/absent", "1")?;
    clients.publish_ten("scenario/absent", "2")?;
    Ok(json!({ "published": 2 * COUNT }))
}

fn come_back(clients: &Clients<'_>) -> anyhow::Result<Value> {
    clients.publish_end("scenario/absent")?;
    let listener = clients.listen("absent", &["scenario/absent"], clients.keep())?;
    let messages = listener.hear_the_end()?;
    let (received, repeated) = counted(&messages);
    // It does not print whether the session was there; but only from its session can it get what was published before it came.
    Ok(json!({ "session_present": !messages.is_empty(), "received": received, "repeated": repeated }))
}

fn mosquitto(version: &str) -> anyhow::Result<()> {
    if Command::new("mosquitto_pub").arg("--version").output().is_err() {
        eprintln!(
            "SKIPPED: mosquitto_pub is not installed (Debian package mosquitto-clients); `tests/run python` installs it"
        );
        return Ok(());
    }
    play(|site, phase| {
        let clients = Clients { site, version };
        match phase {
            Phase::Live => live(&clients),
            Phase::Leave => leave(&clients),
            Phase::Return => come_back(&clients),
        }
    })
}

#[test]
fn mosquitto_3_1_1_over_tls() -> anyhow::Result<()> {
    mosquitto("311")
}

#[test]
fn mosquitto_5_over_tls() -> anyhow::Result<()> {
    mosquitto("5")
}
