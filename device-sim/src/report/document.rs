//! What a summary says, read from its JSON, so that a report can be made now or a year later from a kept file.
//!
//! The keys are those of `--json`. Whatever a summary does not have is empty here; keys that a report does not show are
//! passed over, so a summary of a later version can still be looked at.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;

use super::Summary;
use crate::error::Error;

/// Length of a summary at most: several times what a run of days leaves behind.
const SUMMARY_BYTES_MAX: u64 = 64 << 20;

/// A summary with the text that it was read from.
pub(crate) struct Kept {
    pub(crate) document: Document,
    pub(crate) text: String,
}

impl Kept {
    /// A summary that was just made.
    pub(crate) fn of(summary: &Summary) -> Self {
        let text = serde_json::to_string(summary).expect("a summary has only texts and numbers");
        let document = parse(&text).expect("a summary writes what a document reads");
        Self { document, text }
    }
}

/// Reads the file of a summary.
///
/// # Errors
/// When it cannot be read, is longer than any summary, or is not one.
pub(crate) fn read(path: &Path) -> Result<Kept, Error> {
    let cannot = |source| Error::Read {
        what: "the summary",
        path: path.to_owned(),
        source,
        advice: "name a file that holds what `--json` printed",
    };
    let wrong = |reason: String| Error::Content { what: "the summary", path: path.to_owned(), reason };
    let mut text = String::new();
    std::fs::File::open(path)
        .map_err(cannot)?
        .take(SUMMARY_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(cannot)?;
    if text.len() as u64 > SUMMARY_BYTES_MAX {
        return Err(wrong(format!("it is longer than {SUMMARY_BYTES_MAX} bytes")));
    }
    let document = parse(&text)
        .map_err(|error| wrong(format!("{error}; name a file that holds what `--json` printed")))?;
    Ok(Kept { document, text })
}

fn parse(text: &str) -> Result<Document, String> {
    let document: Document = serde_json::from_str(text).map_err(|error| error.to_string())?;
    // Any object of JSON would do otherwise, since a summary may lack whatever it did not measure.
    if document.format == 0 {
        Err("it has no `format`, so it is no summary".to_owned())
    } else {
        Ok(document)
    }
}

/// A run as a report shows it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Document {
    /// The form of the JSON.
    pub(crate) format: u32,
    /// Name of the scenario.
    pub(crate) scenario: Option<String>,
    /// Name of the run.
    pub(crate) run: String,
    /// Devices in the fleet.
    pub(crate) devices: u64,
    /// Seed of everything random.
    pub(crate) seed: u64,
    /// How long it took, in seconds.
    pub(crate) seconds: f64,
    /// Messages that became due.
    pub(crate) due: u64,
    /// Messages written to a connection.
    pub(crate) sent: u64,
    /// Packets written again, marked DUP.
    pub(crate) resent: u64,
    /// Messages published again as new packets.
    pub(crate) republished: u64,
    /// Messages acknowledged.
    pub(crate) acknowledged: u64,
    /// Messages written, but never acknowledged.
    pub(crate) unacknowledged: u64,
    /// Messages never written, by reason.
    pub(crate) not_sent: BTreeMap<String, u64>,
    /// Publishes that the server refused, by reason.
    pub(crate) refused: BTreeMap<String, u64>,
    /// Different messages that arrived; this and the next eight are absent when nothing was read back.
    pub(crate) delivered: Option<u64>,
    /// Acknowledged, but not delivered.
    pub(crate) lost: Option<u64>,
    /// Deliveries beyond the first of a message.
    pub(crate) repeated: Option<u64>,
    /// Those of them with another event id.
    pub(crate) repeated_with_other_event_id: Option<u64>,
    /// Delivered, but never acknowledged.
    pub(crate) unacknowledged_delivered: Option<u64>,
    /// First deliveries behind a later one of their device.
    pub(crate) out_of_order: Option<u64>,
    /// Deliveries that are not what was sent.
    pub(crate) corrupted: Option<u64>,
    /// Deliveries that could not be checked.
    pub(crate) unchecked: Option<u64>,
    /// Deliveries that this run did not send.
    pub(crate) foreign: Option<u64>,
    /// Which messages were lost, as far as the summary says.
    pub(crate) lost_messages: Vec<Lost>,
    /// Why reading back failed, if it did.
    pub(crate) read_back_error: Option<String>,
    /// Commands that devices answered.
    pub(crate) answered: u64,
    /// Successful connects, reconnects included.
    pub(crate) connects: u64,
    /// Full TLS handshakes.
    pub(crate) full_handshakes: u64,
    /// Resumed TLS handshakes.
    pub(crate) resumed_handshakes: u64,
    /// Failed attempts to connect, by reason.
    pub(crate) connect_failures: BTreeMap<String, u64>,
    /// Connections lost, by reason.
    pub(crate) disconnects: BTreeMap<String, u64>,
    /// From a message's due time to its acknowledgement.
    pub(crate) puback_micros: Percentiles,
    /// From a message's due time to its arrival.
    pub(crate) delivery_micros: Percentiles,
    /// From the start of an attempt to CONNACK.
    pub(crate) connect_micros: Percentiles,
    /// Processor time that device-sim spent on each message, in microseconds.
    pub(crate) cpu_micros_per_message: Option<f64>,
    /// Memory of device-sim for each device.
    pub(crate) memory_bytes_per_device: Option<f64>,
    /// What was asked of the run.
    pub(crate) thresholds: Vec<Threshold>,
    /// What happened over time, in order.
    pub(crate) timeline: Vec<Sample>,
    /// What was done to the fleet or the server, and when.
    pub(crate) marks: Vec<Mark>,
    /// How long acknowledgements and deliveries took, over time.
    pub(crate) heat: Heat,
}

/// What a device lost.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Lost {
    /// Its client id.
    pub(crate) device: String,
    /// First and last sequence number of each gap.
    pub(crate) ranges: Vec<(u64, u64)>,
}

/// What was demanded, and what was found.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Threshold {
    /// Its key in the scenario.
    pub(crate) name: String,
    /// What is still allowed.
    pub(crate) limit: f64,
    /// What was measured; absent when it could not be measured.
    pub(crate) found: Option<f64>,
    /// Whether the demand is met.
    pub(crate) passed: bool,
}

/// One second of a run, or one stretch of a long run, as counts within it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Sample {
    /// When it ended, from the start of the run.
    pub(crate) at_secs: f64,
    /// Devices connected at its end.
    pub(crate) connected: u64,
    /// Successful connects.
    pub(crate) connects: u64,
    /// Full TLS handshakes.
    pub(crate) full_handshakes: u64,
    /// Resumed TLS handshakes.
    pub(crate) resumed_handshakes: u64,
    /// Messages that became due.
    pub(crate) due: u64,
    /// Messages written.
    pub(crate) sent: u64,
    /// Messages acknowledged.
    pub(crate) acknowledged: u64,
    /// Messages that arrived where they are looked for.
    pub(crate) received: u64,
    /// Commands answered.
    pub(crate) answered: u64,
    /// Failed attempts to connect.
    pub(crate) connect_failures: u64,
    /// Connections lost.
    pub(crate) disconnects: u64,
    /// Messages given up without having been written.
    pub(crate) not_sent: u64,
    /// Publishes that the server refused.
    pub(crate) refused: u64,
    /// From due to acknowledged.
    pub(crate) puback_micros: Percentiles,
    /// From due to delivered.
    pub(crate) delivery_micros: Percentiles,
}

/// Percentiles of a duration, in microseconds.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Percentiles {
    /// How many were measured.
    pub(crate) count: u64,
    /// Median.
    pub(crate) p50: u64,
    /// 90 in a hundred are no longer.
    pub(crate) p90: u64,
    /// 99 in a hundred are no longer.
    pub(crate) p99: u64,
    /// 999 in a thousand are no longer.
    pub(crate) p99_9: u64,
    /// The longest.
    pub(crate) max: u64,
}

impl Percentiles {
    /// These, if anything was measured.
    pub(crate) fn measured(self) -> Option<Self> {
        (self.count > 0).then_some(self)
    }
}

/// Something that happened to the whole run at one moment.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Mark {
    /// When, from the start of the run.
    pub(crate) at_secs: f64,
    /// What kind of thing.
    pub(crate) kind: MarkKind,
    /// What, in words.
    pub(crate) name: String,
}

/// What a mark stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MarkKind {
    /// A stage of the scenario began.
    Stage,
    /// A fault began.
    Fault,
    /// A fault was over.
    FaultEnd,
    /// A command was run.
    Hook,
    /// From here on nothing more became due.
    End,
    /// Something that this version has no word for.
    #[default]
    #[serde(other)]
    Other,
}

/// Latencies counted in a grid of time and length.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Heat {
    /// The longest latency of each bucket in microseconds, ascending. One bucket more holds what is longer.
    pub(crate) bounds_micros: Vec<u64>,
    /// For each sample how often an acknowledgement took so long.
    pub(crate) puback: Vec<Vec<u64>>,
    /// For each sample how often a delivery took so long.
    pub(crate) delivery: Vec<Vec<u64>>,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::Account;
    use crate::scenario::Thresholds;
    use crate::truth::{self, Tally};

    #[test]
    fn what_a_run_leaves_behind_is_read() {
        let tally = Tally::new(1);
        let at = Duration::from_secs(1);
        tally.mark(Duration::ZERO, truth::MarkKind::Stage, "ramp");
        tally.mark(at, truth::MarkKind::FaultEnd, "cut");
        {
            let mut counts = tally.shard(0).open();
            (counts.sent, counts.acknowledged, counts.connected, counts.full_handshakes) = (7, 5, 3, 2);
            counts.puback.record_micros(1500);
            counts.refused.count("quota exceeded", 4);
        }
        tally.sample(at);
        let (totals, timeline) = tally.conclude();
        let summary = Summary::of(Account {
            run: "night".to_owned(),
            scenario: Some("meters".to_owned()),
            devices: 3,
            seed: 1,
            qos: Some(1),
            took: at,
            totals,
            timeline,
            unacknowledged: 2,
            ledger: None,
            read_back_error: None,
            thresholds: Thresholds::default(),
        });
        let document = Kept::of(&summary).document;
        assert_eq!(
            (document.scenario.as_deref(), document.sent, document.unacknowledged),
            (Some("meters"), 7, 2)
        );
        assert_eq!(document.refused["quota exceeded"], 4);
        let sample = &document.timeline[0];
        assert_eq!(
            (sample.at_secs, sample.connected, sample.full_handshakes, sample.refused),
            (1.0, 3, 2, 4)
        );
        assert_eq!(
            (sample.acknowledged, sample.puback_micros.max, sample.delivery_micros.count),
            (5, 1500, 0)
        );
        assert_eq!(document.heat.bounds_micros.len() + 1, document.heat.puback[0].len());
        let kinds: Vec<_> = document.marks.iter().map(|mark| mark.kind).collect();
        assert_eq!(kinds, [MarkKind::Stage, MarkKind::FaultEnd]);
    }

    #[test]
    fn a_summary_is_told_from_other_json() {
        for (text, wrong) in [
            (
                r#"{"format":1,"timeline":[{"at_secs":1,"later":2}],"marks":[{"kind":"later"}],"lost":null}"#,
                None,
            ),
            ("{}", Some("it has no `format`, so it is no summary")),
            (
                r#"{"format":1,"run":7}"#,
                Some("invalid type: integer `7`, expected a string at line 1 column 19"),
            ),
            ("", Some("EOF while parsing a value at line 1 column 0")),
        ] {
            assert_eq!(parse(text).err().as_deref(), wrong, "{text}");
        }
    }
}
