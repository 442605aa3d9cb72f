//! The final balance: what the fleet had acknowledged against what arrived, place by place.

use super::Tallies;
use super::prepare::Prepared;
use super::process::Report;
use super::tally::Tally;
use crate::command::output;
use anyhow::Context;
use hyper::Method;
use serde::{Deserialize, Serialize};

/// One place where readings arrive.
#[derive(Debug, Serialize)]
pub(super) struct Place {
    name: &'static str,
    delivered: u64,
    lost: u64,
    repeated: u64,
    unreadable: u64,
    latency_p50_ms: u64,
    latency_p99_ms: u64,
    latency_max_ms: u64,
}

/// The balance of one run.
#[derive(Debug, Serialize)]
pub(super) struct Balance {
    run: String,
    sent: u64,
    acknowledged: u64,
    places: Vec<Place>,
    gateway_restarts: u32,
    balanced: bool,
    ledger: serde_json::Value,
}

/// A line of the file in which the fleet notes what was acknowledged.
#[derive(Debug, Deserialize)]
struct Acknowledged {
    device: String,
    ranges: Vec<(u64, u64)>,
}

impl Balance {
    /// Compares, message by message.
    pub(super) async fn strike(
        prepared: &Prepared,
        report: &Report,
        tallies: &Tallies,
        gateway_restarts: u32,
    ) -> anyhow::Result<Self> {
        let acknowledged = read_acknowledged(prepared)?;
        let places: Vec<Place> =
            tallies.named().into_iter().map(|(name, tally)| place(name, tally, &acknowledged)).collect();
        let everything_arrived = places.iter().all(|place| {
            place.lost == 0
                && place.unreadable == 0
                // Without a restart nothing may be repeated or arrive unacknowledged: every count is equal.
                && (gateway_restarts > 0 || (place.delivered == report.acknowledged && place.repeated == 0))
        });
        let sent_all = gateway_restarts > 0 || report.sent == report.acknowledged;
        let ledger = super::prepare::control(prepared)?.ask_async(Method::GET, "/ledger", None).await;
        let ledger = ledger.unwrap_or_else(|error| serde_json::json!({ "unreadable": format!("{error:#}") }));
        let balanced = everything_arrived && sent_all && report.acknowledged > 0 && ledger_holds(&ledger);
        Ok(Self {
            run: prepared.run.clone(),
            sent: report.sent,
            acknowledged: report.acknowledged,
            places,
            gateway_restarts,
            balanced,
            ledger,
        })
    }

    /// Whether the books balance.
    pub(super) fn holds(&self) -> bool {
        self.balanced
    }

    /// Prints it.
    pub(super) fn print(&self, as_json: bool) -> anyhow::Result<()> {
        if as_json {
            return output::json(self);
        }
        let headings = ["", "messages", "lost", "repeated", "p50 ms", "p99 ms", "max ms"];
        let mut rows = vec![
            vec!["sent".to_string(), self.sent.to_string()],
            vec!["acknowledged".to_string(), self.acknowledged.to_string()],
        ];
        rows.extend(self.places.iter().map(|place| {
            let mut row = vec![place.name.to_string()];
            let numbers = [
                place.delivered,
                place.lost,
                place.repeated,
                place.latency_p50_ms,
                place.latency_p99_ms,
                place.latency_max_ms,
            ];
            row.extend(numbers.iter().map(u64::to_string));
            row
        }));
        output::line("");
        output::table(&headings, &rows);
        output::line("");
        output::line(match (self.balanced, self.gateway_restarts) {
            (true, 0) => "The books balance: every count is equal.".to_string(),
            (true, restarts) => format!(
                "The books balance: the gateway was killed {restarts} times, and nothing acknowledged is missing."
            ),
            (false, _) => {
                "THE BOOKS DO NOT BALANCE. Please report this with the data directory's logs.".to_string()
            }
        });
        Ok(())
    }
}

fn place(name: &'static str, tally: &Tally, acknowledged: &[Acknowledged]) -> Place {
    let moment = tally.moment();
    let lost = acknowledged
        .iter()
        .flat_map(|entry| {
            entry.ranges.iter().flat_map(move |(first, last)| (*first..=*last).map(move |s| (entry, s)))
        })
        .filter(|(entry, sequence)| !tally.has(&entry.device, *sequence))
        .count() as u64;
    Place {
        name,
        delivered: moment.delivered,
        lost,
        repeated: moment.repeated,
        unreadable: moment.unreadable,
        latency_p50_ms: moment.p50_ms,
        latency_p99_ms: moment.p99_ms,
        latency_max_ms: moment.max_ms,
    }
}

fn read_acknowledged(prepared: &Prepared) -> anyhow::Result<Vec<Acknowledged>> {
    let path = prepared.acknowledged_file();
    let text = std::fs::read_to_string(&path).with_context(|| format!("{} can't be read", path.display()))?;
    text.lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("{}: `{line}`", path.display())))
        .collect()
}

/// Every row of the gateway's own ledger: accepted = delivered + dead-lettered + waiting + dropped.
fn ledger_holds(ledger: &serde_json::Value) -> bool {
    let Some(rows) = ledger["rows"].as_array() else { return false };
    let number = |row: &serde_json::Value, key: &str| row[key].as_u64();
    rows.iter().all(|row| {
        let dropped = row["dropped"].as_object().into_iter().flat_map(|reasons| reasons.values());
        let parts = ["delivered", "dead_lettered", "waiting"].map(|key| number(row, key));
        let sum = parts.into_iter().chain(dropped.map(serde_json::Value::as_u64)).sum::<Option<u64>>();
        sum.is_some() && sum == number(row, "accepted")
    })
}
