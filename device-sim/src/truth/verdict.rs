//! What a run was asked to keep, and whether it did.

use std::time::Duration;

use serde::Serialize;

use super::latency::Latency;
use super::ledger::Balance;
use super::tally::Counts;
use crate::scenario::{Threshold, Thresholds};

/// What thresholds are held against.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What was counted.
    pub counts: &'a Counts,
    /// What arrived.
    pub balance: &'a Balance,
    /// From due to arrival.
    pub delivery: &'a Latency,
    /// Messages written and never acknowledged.
    pub unacknowledged: u64,
    /// From the start to the end.
    pub took: Duration,
}

/// Whether one threshold held.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// What was limited.
    pub name: &'static str,
    /// The limit.
    pub limit: f64,
    /// What was found. `None` when it wasn't measured, and when a percentile lies among what never ended.
    pub found: Option<f64>,
    /// Whether it held.
    pub passed: bool,
}

/// Judges a run. What was not measured doesn't hold, unless nobody asked: the default's thresholds are then left out.
pub fn judge(thresholds: &Thresholds, facts: &Facts<'_>) -> Vec<Verdict> {
    let assumed = *thresholds == Thresholds::default();
    let verdict = |threshold: &Threshold| {
        let found = facts.find(threshold.measure.name);
        let passed = found.is_some_and(|found| threshold.holds(found));
        let verdict = Verdict { name: threshold.measure.name, limit: threshold.limit, found, passed };
        (found.is_some() || !assumed).then_some(verdict)
    };
    thresholds.iter().filter_map(verdict).collect()
}

impl Facts<'_> {
    /// The value of a measure; `None` when there is none.
    fn find(&self, measure: &str) -> Option<f64> {
        let Self { counts, balance, .. } = self;
        let number = |number: u64| Some(number as f64);
        // What a device could not even write was kept from it by a server that did not answer.
        let not_sent = counts.not_sent.sum();
        let puback = |quantile| millis(&counts.puback, quantile, self.unacknowledged + not_sent);
        let delivery = |quantile| millis(self.delivery, quantile, balance.lost.unwrap_or(0) + not_sent);
        match measure {
            "lost" => number(balance.lost?),
            "repeated" => number(balance.repeated?),
            // What was published again as a new packet is a new message to the server.
            "repeated_with_other_event_id" => {
                number(balance.repeated_with_other_event_id?.saturating_sub(counts.republished))
            }
            "out_of_order" => number(balance.out_of_order?),
            "corrupted" => number(balance.corrupted?),
            "unchecked" => number(balance.unchecked?),
            "unacknowledged" => number(self.unacknowledged),
            "not_sent" => number(counts.not_sent.sum()),
            "puback_p50_ms" => puback(0.5),
            "puback_p99_ms" => puback(0.99),
            "puback_p99_9_ms" => puback(0.999),
            "delivery_p50_ms" => delivery(0.5),
            "delivery_p99_ms" => delivery(0.99),
            "delivery_p99_9_ms" => delivery(0.999),
            "connect_p99_ms" => millis(&counts.connect, 0.99, 0),
            "connect_failures" => number(counts.connect_failures.sum()),
            "disconnects" => number(counts.disconnects.sum()),
            "connects_min" => number(counts.connects),
            "acknowledged_min" => number(counts.acknowledged),
            "received_min" => number(balance.delivered.unwrap_or(counts.received)),
            "per_second_min" => self.per_second(),
            _ => None,
        }
    }

    fn per_second(&self) -> Option<f64> {
        let Counts { acknowledged, sent, .. } = self.counts;
        let messages = if *acknowledged > 0 { *acknowledged } else { *sent };
        (!self.took.is_zero()).then(|| messages as f64 / self.took.as_secs_f64())
    }
}

/// A percentile in milliseconds, if something was measured at all and it isn't among what never ended.
fn millis(latency: &Latency, quantile: f64, missing: u64) -> Option<f64> {
    let micros = latency.quantile(quantile, missing).filter(|_| latency.count() > 0)?;
    Some(micros as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::MEASURES;

    /// A run of 2 s in which everything was measured: 200 messages, PUBACKs after 1 to 199 ms and one never.
    fn measured() -> (Counts, Balance, Latency) {
        let mut counts =
            Counts { sent: 200, acknowledged: 199, connects: 4, republished: 2, ..Counts::default() };
        counts.connect_failures.count("refused", 3);
        counts.connect.record_micros(7_000);
        let mut delivery = Latency::default();
        for millis in 1..=199 {
            counts.puback.record_micros(millis * 1000);
            delivery.record_micros(millis * 2000);
        }
        let balance = Balance {
            delivered: Some(198),
            lost: Some(1),
            repeated: Some(5),
            repeated_with_other_event_id: Some(3),
            unacknowledged_delivered: Some(0),
            out_of_order: Some(0),
            corrupted: Some(0),
            unchecked: Some(0),
            foreign: Some(0),
        };
        (counts, balance, delivery)
    }

    fn judged(limits: &[(&str, f64)], facts: &Facts<'_>) -> String {
        let measure = |name: &str| *MEASURES.iter().find(|measure| measure.name == name).unwrap();
        let thresholds = Thresholds::new(limits.iter().map(|(name, limit)| (measure(name), *limit)));
        let verdicts = judge(&thresholds, facts);
        let text = |verdict: &Verdict| {
            let found = verdict.found.map_or("-".to_owned(), |found| found.round().to_string());
            format!("{found} {}", if verdict.passed { "held" } else { "failed" })
        };
        verdicts.iter().map(text).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn every_measure_of_a_scenario_is_found() {
        let (counts, balance, delivery) = measured();
        let balance = Balance { lost: Some(0), ..balance };
        let took = Duration::from_secs(2);
        let facts =
            Facts { counts: &counts, balance: &balance, delivery: &delivery, unacknowledged: 0, took };
        for measure in MEASURES {
            assert!(facts.find(measure.name).is_some(), "`{}` is never found", measure.name);
        }
    }

    #[test]
    fn limits_are_held_against_what_was_found() {
        let (counts, balance, delivery) = measured();
        let took = Duration::from_secs(2);
        let facts =
            Facts { counts: &counts, balance: &balance, delivery: &delivery, unacknowledged: 1, took };
        let cases: &[(&[(&str, f64)], &str)] = &[
            (&[("lost", 0.0), ("lost", 1.0)], "1 failed, 1 held"),
            (&[("repeated_with_other_event_id", 0.0)], "1 failed"),
            (&[("puback_p50_ms", 101.0), ("puback_p99_ms", 101.0)], "100 held, 198 failed"),
            // One of two hundred never came: the last percentile is among those.
            (&[("puback_p99_9_ms", 10_000.0)], "- failed"),
            (&[("connect_p99_ms", 8.0), ("connect_failures", 0.0)], "7 held, 3 failed"),
            (&[("per_second_min", 99.0), ("per_second_min", 100.0)], "100 held, 100 failed"),
            (&[("received_min", 198.0)], "198 held"),
        ];
        for (limits, expected) in cases {
            assert_eq!(judged(limits, &facts), *expected, "{limits:?}");
        }
    }

    #[test]
    fn what_was_never_written_is_late() {
        let (mut counts, balance, delivery) = measured();
        let balance = Balance { lost: Some(0), ..balance };
        counts.not_sent.count("too many messages waiting for the connection", 100);
        let took = Duration::from_secs(2);
        let facts =
            Facts { counts: &counts, balance: &balance, delivery: &delivery, unacknowledged: 0, took };
        let limits = [("puback_p50_ms", 1e6), ("puback_p99_ms", 1e6), ("delivery_p99_ms", 1e6)];
        assert_eq!(judged(&limits, &facts), "150 held, - failed, - failed");
    }

    #[test]
    fn what_was_not_measured_fails_if_somebody_asked_for_it() {
        let (counts, delivery) = (Counts::default(), Latency::default());
        let facts = Facts {
            counts: &counts,
            balance: &Balance::default(),
            delivery: &delivery,
            unacknowledged: 0,
            took: Duration::from_secs(1),
        };
        assert_eq!(
            judged(&[("lost", 5.0), ("puback_p99_ms", 5.0), ("unacknowledged", 0.0)], &facts),
            "- failed, - failed, 0 held"
        );
        assert_eq!(judge(&Thresholds::default(), &facts), []);
    }
}
