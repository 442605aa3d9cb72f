//! The summary of a run: its JSON form is an interface, so a key that is here once stays.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::scenario::Thresholds;
use crate::truth::{Balance, Facts, Ledger, Lost, Percentiles, Timeline, Totals, Verdict, judge};

/// The form of the JSON. It grows when a key changes its meaning or goes, not when one is added.
const FORMAT: u32 = 1;

/// What a run leaves behind.
#[derive(Debug)]
pub struct Account {
    /// Name of the run.
    pub run: String,
    /// Name of the scenario, if it was one.
    pub scenario: Option<String>,
    /// Devices of all fleets.
    pub devices: usize,
    /// Seed of the run.
    pub seed: u64,
    /// Quality of service, if all messages have the same.
    pub qos: Option<u8>,
    /// From the start to the last device's end.
    pub took: Duration,
    /// What was counted.
    pub totals: Totals,
    /// Second by second.
    pub timeline: Timeline,
    /// Messages written, but never acknowledged though they should have been.
    pub unacknowledged: u64,
    /// What arrived, with every device's page settled; `None` when nothing was read back.
    pub ledger: Option<Ledger>,
    /// Why reading back failed, if it did.
    pub read_back_error: Option<String>,
    /// What decides.
    pub thresholds: Thresholds,
}

/// The final summary; its JSON form is what `--json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The form of the JSON.
    pub format: u32,
    /// Name of the run.
    pub run: String,
    /// Name of the scenario, if it was one.
    pub scenario: Option<String>,
    /// Devices in the fleet.
    pub devices: usize,
    /// Seed of the run.
    pub seed: u64,
    /// Quality of service, if all messages had the same.
    pub qos: Option<u8>,
    /// From the start to the last device's end, in seconds.
    pub seconds: f64,
    /// Messages that became due.
    pub due: u64,
    /// Messages written to a connection.
    pub sent: u64,
    /// Packets written again after a reconnect, marked DUP.
    pub resent: u64,
    /// Messages published again as new packets, because the server had no session; each may repeat with another id.
    pub republished: u64,
    /// Messages acknowledged: PUBACK, or PUBCOMP with QoS 2.
    pub acknowledged: u64,
    /// Messages written, but never acknowledged.
    pub unacknowledged: u64,
    /// Messages that devices and readers received while it ran.
    pub received: u64,
    /// Commands that devices answered.
    pub answered: u64,
    /// Messages never written, by reason.
    pub not_sent: BTreeMap<String, u64>,
    /// Publishes that the server refused, by reason.
    pub refused: BTreeMap<String, u64>,
    /// What arrived; all null when nothing was read back.
    #[serde(flatten)]
    pub balance: Balance,
    /// Which messages were lost, as far as there is room to say.
    pub lost_messages: Vec<Lost>,
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
    /// From a message's due time to its arrival, in microseconds: at the target that was read back, or else at the
    /// fleet's own subscribers.
    pub delivery_micros: Percentiles,
    /// From the start of an attempt to CONNACK, in microseconds.
    pub connect_micros: Percentiles,
    /// Processor time of this process for each message that it sent or received; null when it had none.
    pub cpu_micros_per_message: Option<f64>,
    /// Memory of this process at its most, less what it had before the devices, for each device; null when unknown.
    pub memory_bytes_per_device: Option<u64>,
    /// What was asked of the run, and what came of it.
    pub thresholds: Vec<Verdict>,
    /// Second by second, with what happened and the heat map.
    #[serde(flatten)]
    pub timeline: Timeline,
}

impl Summary {
    /// Sums a run up and judges it.
    pub fn of(account: Account) -> Self {
        let Account { totals, ledger, .. } = account;
        let counts = totals.counts;
        let balance = ledger.as_ref().map(Ledger::balance).unwrap_or_default();
        let delivery = ledger.as_ref().map_or(&counts.delivery, Ledger::delivery);
        let thresholds = judge(
            &account.thresholds,
            &Facts {
                counts: &counts,
                balance: &balance,
                delivery,
                unacknowledged: account.unacknowledged,
                took: account.took,
            },
        );
        let messages = counts.sent + counts.received;
        let micros = |processor: Duration| (processor.as_secs_f64() * 1e7 / messages as f64).round() / 10.0;
        let devices = u64::try_from(account.devices).unwrap_or(u64::MAX);
        Self {
            format: FORMAT,
            run: account.run,
            scenario: account.scenario,
            devices: account.devices,
            seed: account.seed,
            qos: account.qos,
            seconds: (account.took.as_secs_f64() * 1000.0).round() / 1000.0,
            due: counts.due,
            sent: counts.sent,
            resent: counts.resent,
            republished: counts.republished,
            acknowledged: counts.acknowledged,
            unacknowledged: account.unacknowledged,
            received: counts.received,
            answered: counts.answered,
            not_sent: counts.not_sent.all().clone(),
            refused: counts.refused.all().clone(),
            balance,
            lost_messages: ledger.as_ref().map(Ledger::lost).unwrap_or_default(),
            read_back_error: account.read_back_error,
            connects: counts.connects,
            full_handshakes: counts.full_handshakes,
            resumed_handshakes: counts.resumed_handshakes,
            connect_failures: counts.connect_failures.all().clone(),
            disconnects: counts.disconnects.all().clone(),
            puback_micros: counts.puback.percentiles(),
            delivery_micros: delivery.percentiles(),
            connect_micros: counts.connect.percentiles(),
            cpu_micros_per_message: (messages > 0 && !totals.processor.is_zero())
                .then(|| micros(totals.processor)),
            memory_bytes_per_device: totals.memory_bytes.checked_div(devices).filter(|bytes| *bytes > 0),
            thresholds,
            timeline: account.timeline,
        }
    }

    /// 0 when every threshold holds, 1 when one doesn't, 3 when nothing was proved.
    pub fn exit_status(&self) -> u8 {
        // What was not read cannot be called lost.
        let tried = self.due > 0 || !self.connect_failures.is_empty();
        let unproved = self.read_back_error.is_some() || (self.connects == 0 && tried);
        if unproved { 3 } else { u8::from(self.thresholds.iter().any(|verdict| !verdict.passed)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        Account {
            run: "r".to_owned(),
            scenario: None,
            devices: 3,
            seed: 1,
            qos: Some(1),
            took: Duration::from_millis(1500),
            totals: Totals::default(),
            timeline: Timeline::default(),
            unacknowledged: 0,
            ledger: None,
            read_back_error: None,
            thresholds: Thresholds::default(),
        }
    }

    #[test]
    fn a_fleet_that_never_connected_proves_nothing() {
        for (connects, due, failures, status) in
            [(0, 0, 0, 0), (0, 1, 0, 3), (0, 0, 2, 3), (1, 0, 2, 0), (1, 1, 0, 0)]
        {
            let mut account = account();
            let counts = &mut account.totals.counts;
            (counts.connects, counts.due) = (connects, due);
            counts.connect_failures.count("refused", failures);
            let found = Summary::of(account).exit_status();
            assert_eq!(found, status, "{connects} connects, {due} due, {failures} failures");
        }
    }

    #[test]
    fn the_summary_keeps_its_names() {
        let account = account();
        let value = serde_json::to_value(Summary::of(account)).unwrap();
        let mut names: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        let expected = "acknowledged answered connect_failures connect_micros connects corrupted \
                        cpu_micros_per_message delivered delivery_micros devices disconnects due foreign format \
                        full_handshakes heat lost lost_messages marks memory_bytes_per_device not_sent out_of_order \
                        puback_micros qos read_back_error received refused repeated repeated_with_other_event_id \
                        republished resent resumed_handshakes run scenario seconds seed sent thresholds timeline \
                        unacknowledged unacknowledged_delivered unchecked";
        assert_eq!(names.join(" "), expected);
        assert!(value["delivered"].is_null() && value["puback_micros"]["p99_9"].is_u64());
        assert_eq!((&value["seconds"], &value["format"]), (&1.5.into(), &1.into()));
    }
}
