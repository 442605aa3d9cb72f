//! What people and programs are told: lines on standard error while it runs, one summary at the end.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::error::Error;
use crate::load::Outcome;
use crate::settings::Settings;
use crate::tally::Tally;
use crate::truth::{Balance, Percentiles};

/// A line on standard error. If nobody can read it, the run goes on.
pub(crate) fn tell(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// The final summary; its JSON form is what `--json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Name of the run.
    pub run: String,
    /// Devices in the fleet.
    pub devices: usize,
    /// Seed of the run.
    pub seed: u64,
    /// Quality of service.
    pub qos: u8,
    /// From the start to the last device's end, in seconds.
    pub seconds: f64,
    /// Messages that became due.
    pub due: u64,
    /// Messages written to a connection.
    pub sent: u64,
    /// Packets written again after a reconnect, marked DUP.
    pub resent: u64,
    /// Messages published again as new packets, because the gateway had no session; each may repeat with another id.
    pub republished: u64,
    /// Messages acknowledged: PUBACK, or PUBCOMP with QoS 2.
    pub acknowledged: u64,
    /// Messages written, but never acknowledged.
    pub unacknowledged: u64,
    /// Messages never written, by reason.
    pub not_sent: BTreeMap<String, u64>,
    /// What arrived; all null when nothing was read back.
    #[serde(flatten)]
    pub balance: Balance,
    /// Why reading back failed, if it did.
    pub read_back_error: Option<String>,
    /// Successful connects, reconnects included.
    pub connects: u64,
    /// Full TLS handshakes.
    pub full_handshakes: u64,
    /// Resumed TLS handshakes.
    pub resumed_handshakes: u64,
    /// Failed attempts to connect, by reason.
    pub connect_failures: BTreeMap<String, u64>,
    /// Connections lost, by reason.
    pub disconnects: BTreeMap<String, u64>,
    /// From a message's due time to its acknowledgement, in microseconds.
    pub puback_micros: Percentiles,
    /// From the start of an attempt to CONNACK, in microseconds.
    pub connect_micros: Percentiles,
}

impl Summary {
    pub(crate) fn new(settings: &Settings, tally: &Tally, outcomes: &[Outcome], took: Duration) -> Self {
        Self {
            run: settings.message.run.clone(),
            devices: settings.names.len(),
            seed: settings.plan.seed,
            qos: settings.message.qos as u8,
            seconds: (took.as_secs_f64() * 1000.0).round() / 1000.0,
            due: tally.due.get(),
            sent: tally.sent.get(),
            resent: tally.resent.get(),
            republished: tally.republished.get(),
            acknowledged: outcomes.iter().map(|outcome| outcome.acknowledged.count()).sum(),
            unacknowledged: outcomes.iter().map(|outcome| outcome.unacknowledged).sum(),
            not_sent: tally.not_sent.all(),
            balance: Balance::default(),
            read_back_error: None,
            connects: tally.connects.get(),
            full_handshakes: tally.full_handshakes.get(),
            resumed_handshakes: tally.resumed_handshakes.get(),
            connect_failures: tally.connect_failures.all(),
            disconnects: tally.disconnects.all(),
            puback_micros: tally.puback.percentiles(),
            connect_micros: tally.connect.percentiles(),
        }
    }

    /// 0 when all is well, 1 when an acknowledged message is lost, arrived damaged, or was repeated under another event
    /// id, 3 when nothing was proved.
    pub fn exit_status(&self) -> u8 {
        let unproved = self.read_back_error.is_some() || (self.connects == 0 && self.due > 0);
        // What was published again as a new packet is a new message to the gateway.
        let renamed = self.balance.repeated_with_other_event_id.unwrap_or(0).saturating_sub(self.republished);
        let wrong = [self.balance.lost.unwrap_or(0), self.balance.corrupted.unwrap_or(0), renamed];
        // What was not read cannot be called lost.
        if unproved { 3 } else { u8::from(wrong.iter().any(|count| *count > 0)) }
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut row = |name: &str, value: String| {
            writeln!(text, "{name:<28}{value}").expect("writing to a string cannot fail");
        };
        row(
            "run",
            format!("{} ({} devices, {:.1} s, seed {})", self.run, self.devices, self.seconds, self.seed),
        );
        row("sent", format!("{} of {} due", self.sent, self.due));
        row("acknowledged", self.acknowledged.to_string());
        row("unacknowledged", self.unacknowledged.to_string());
        row("sent again", format!("{} as duplicates, {} as new packets", self.resent, self.republished));
        for (name, value) in self.balance.rows() {
            row(name, value.to_string());
        }
        row("PUBACK latency", percentiles(&self.puback_micros));
        row("connect latency", percentiles(&self.connect_micros));
        row(
            "connects",
            format!(
                "{} ({} full, {} resumed handshakes)",
                self.connects, self.full_handshakes, self.resumed_handshakes
            ),
        );
        for (name, reasons) in [
            ("not sent", &self.not_sent),
            ("connect failed", &self.connect_failures),
            ("disconnected", &self.disconnects),
        ] {
            for (reason, count) in reasons {
                row(name, format!("{count} × {reason}"));
            }
        }
        if let Some(error) = &self.read_back_error {
            row("not read back", error.clone());
        }
        text
    }
}

fn percentiles(micros: &Percentiles) -> String {
    let millis = |micros: u64| micros as f64 / 1000.0;
    format!(
        "p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, p99.9 {:.1} ms, max {:.1} ms",
        millis(micros.p50),
        millis(micros.p90),
        millis(micros.p99),
        millis(micros.p99_9),
        millis(micros.max)
    )
}

/// Prints the summary on standard output.
pub(crate) fn print(summary: &Summary, json: bool) -> Result<(), Error> {
    let text = if json {
        let mut text = serde_json::to_string(summary).expect("a summary has only texts and numbers");
        text.push('\n');
        text
    } else {
        summary.text()
    };
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .map_err(|source| Error::Write { path: "standard output".into(), source })
}

/// Writes which sequence numbers were acknowledged, a line for each device.
pub(crate) fn write_acknowledged(path: &Path, outcomes: &[Outcome]) -> Result<(), Error> {
    #[derive(Serialize)]
    struct Line<'a> {
        device: &'a str,
        ranges: &'a crate::ranges::Ranges,
    }
    let mut text = String::new();
    for outcome in outcomes {
        let line = Line { device: &outcome.name, ranges: &outcome.acknowledged };
        text.push_str(&serde_json::to_string(&line).expect("a line has only texts and numbers"));
        text.push('\n');
    }
    std::fs::write(path, text).map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// Prints a line every so often, until it is dropped.
pub(crate) async fn progress(tally: &Tally, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    ticks.tick().await;
    let (mut sent, mut acknowledged) = (0, 0);
    loop {
        ticks.tick().await;
        let (sent_now, acknowledged_now) = (tally.sent.get(), tally.acknowledged.get());
        let rate = |now: u64, before: u64| (now - before) as f64 / every.as_secs_f64();
        let failures: u64 = tally.connect_failures.all().values().sum();
        let lost: u64 = tally.disconnects.all().values().sum();
        let not_sent: u64 = tally.not_sent.all().values().sum();
        tell(&format!(
            "connected {}  sent {} ({:.0}/s)  acknowledged {} ({:.0}/s)  outstanding {}  p99 {:.1} ms  \
             connect failures {failures}  disconnects {lost}  not sent {not_sent}",
            tally.connected.get(),
            sent_now,
            rate(sent_now, sent),
            acknowledged_now,
            rate(acknowledged_now, acknowledged),
            sent_now.saturating_sub(acknowledged_now),
            tally.puback.percentiles().p99 as f64 / 1000.0,
        ));
        (sent, acknowledged) = (sent_now, acknowledged_now);
    }
}
