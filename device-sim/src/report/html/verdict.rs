//! What a run proved: the verdict, its thresholds and the books of what arrived.

use std::fmt::Write as _;

use super::text::{bytes, count, escape, micros, number};
use crate::report::document::{Document, Threshold};

/// What a run ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed,
    Failed,
    /// Nobody could connect, or what arrived could not be read.
    NotProved,
}

impl Verdict {
    pub(super) fn of(document: &Document) -> Self {
        let unconnected = document.connects == 0 && document.due > 0;
        if document.read_back_error.is_some() || unconnected {
            Self::NotProved
        } else if document.thresholds.iter().any(|threshold| !threshold.passed) {
            Self::Failed
        } else {
            Self::Passed
        }
    }

    /// How the style sheet calls it, and what people read.
    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Passed => ("passed", "passed"),
            Self::Failed => ("failed", "failed"),
            Self::NotProved => ("unproved", "not proved"),
        }
    }
}

/// The verdict in a sentence.
pub(super) fn sentence(document: &Document) -> String {
    let failed: Vec<&str> = document
        .thresholds
        .iter()
        .filter(|threshold| !threshold.passed)
        .map(|threshold| threshold.name.as_str())
        .collect();
    match Verdict::of(document) {
        Verdict::NotProved => match &document.read_back_error {
            Some(error) => format!("What arrived could not be read back: {}", escape(error)),
            None => "No device could connect.".to_owned(),
        },
        Verdict::Failed => format!("Not met: {}.", escape(&failed.join(", "))),
        Verdict::Passed if document.thresholds.is_empty() => "The scenario sets no thresholds.".to_owned(),
        Verdict::Passed => match document.thresholds.len() {
            1 => "The threshold is met.".to_owned(),
            all => format!("All {all} thresholds are met."),
        },
    }
}

/// The thresholds as a table, or nothing when there are none.
pub(super) fn thresholds(document: &Document) -> String {
    if document.thresholds.is_empty() {
        return String::new();
    }
    let mut rows = String::new();
    for threshold in &document.thresholds {
        let (class, word) =
            if threshold.passed { ("passed", "✓ passed") } else { ("failed", "✗ failed") };
        let Threshold { name, limit, found, .. } = threshold;
        let found = found.map_or_else(|| "none".to_owned(), |found| tell(name, found));
        let bound = if name.ends_with("_min") { "at least" } else { "at most" };
        let _ = write!(
            rows,
            "<tr class=\"{class}\"><th scope=\"row\"><code>{}</code></th><td>{bound} {}</td><td>{found}</td>\
             <td class=\"outcome\">{word}</td></tr>",
            escape(name),
            tell(name, *limit),
        );
    }
    format!(
        "<section aria-labelledby=\"thresholds\"><h2 id=\"thresholds\">Thresholds</h2><div class=\"scroll\"><table>\
         <thead><tr><th scope=\"col\">Threshold</th><th scope=\"col\">Allowed</th><th scope=\"col\">Found</th>\
         <th scope=\"col\">Outcome</th></tr></thead><tbody>{rows}</tbody></table></div></section>"
    )
}

/// A threshold's value in the unit that its name ends with.
fn tell(name: &str, value: f64) -> String {
    if name.ends_with("_ms") { micros(value * 1000.0) } else { number(value) }
}

/// The way from due to delivered as bars, then what did not go well, each with what it means.
pub(super) fn ledger(document: &Document) -> String {
    let most = document.due.max(document.sent).max(1);
    let mut bars = String::new();
    let ways = [
        ("due", "due", Some(document.due)),
        ("sent", "sent", Some(document.sent)),
        ("acknowledged", "acknowledged", Some(document.acknowledged)),
        ("delivered", "received", document.delivered),
    ];
    for (name, class, number) in ways {
        let Some(number) = number else { continue };
        let width = (number as f64 / most as f64 * 100.0).min(100.0);
        let _ = write!(
            bars,
            "<tr><th scope=\"row\">{name}</th><td class=\"number\">{}</td><td class=\"bar\"><svg viewBox=\"0 0 100 10\" \
             preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"track\" width=\"100\" height=\"10\"/>\
             <rect class=\"{class}\" width=\"{width:.2}\" height=\"10\"/></svg></td></tr>",
            count(number)
        );
    }
    let mut rows = String::new();
    for (name, number, wrong, means) in entries(document) {
        let Some(number) = number else { continue };
        // What was published again as a new packet is a new message to the server.
        let excused = if name.ends_with("event id") { document.republished } else { 0 };
        let class = if wrong && number > excused { " class=\"failed\"" } else { "" };
        let _ = write!(
            rows,
            "<tr{class}><th scope=\"row\">{name}</th><td class=\"number\">{}</td><td class=\"means\">{means}</td></tr>",
            count(number)
        );
    }
    let unread = if document.delivered.is_none() {
        "<p class=\"note\">Nothing was read back from a target, so the books end with the acknowledgement.</p>"
    } else {
        ""
    };
    format!(
        "<section aria-labelledby=\"ledger\"><h2 id=\"ledger\">The ledger</h2>{unread}<div class=\"scroll\"><table class=\"bars\">\
         <caption>Messages on their way</caption><tbody>{bars}</tbody></table></div><div class=\"scroll\"><table>\
         <caption>What came out differently</caption><tbody>{rows}</tbody></table></div></section>"
    )
}

/// Name, count, whether any is a fault, and what it means.
fn entries(document: &Document) -> [(&'static str, Option<u64>, bool, &'static str); 11] {
    [
        ("lost", document.lost, true, "acknowledged, but never delivered"),
        ("corrupted", document.corrupted, true, "delivered, but not as it was sent"),
        ("repeated", document.repeated, false, "delivered again after the first time"),
        (
            "repeated, other event id",
            document.repeated_with_other_event_id,
            true,
            "of these, what a consumer could not recognise as a repetition",
        ),
        ("out of order", document.out_of_order, false, "delivered after a later message of the same device"),
        ("unacknowledged", Some(document.unacknowledged), false, "written, but never acknowledged"),
        (
            "unacknowledged, delivered",
            document.unacknowledged_delivered,
            false,
            "delivered although the acknowledgement never came; allowed",
        ),
        ("sent again", Some(document.resent), false, "the same packet, marked DUP, after a reconnect"),
        (
            "published again",
            Some(document.republished),
            false,
            "as a new packet, because the session was lost",
        ),
        ("unchecked", document.unchecked, false, "delivered without the fields that the checksum covers"),
        ("foreign", document.foreign, false, "delivered, but not sent by this run"),
    ]
}

/// The figures that people look for first: name, figure, and a line below it.
pub(super) fn tiles(document: &Document) -> String {
    let mut tiles =
        vec![("Acknowledged", count(document.acknowledged), format!("of {} due", count(document.due)))];
    if document.seconds > 0.0 {
        let rate = document.acknowledged as f64 / document.seconds;
        tiles.push((
            "Rate",
            format!("{}/s", number(rate.round())),
            "acknowledged, mean of the run".to_owned(),
        ));
    }
    if let Some(lost) = document.lost {
        let delivered = document.delivered.unwrap_or(0);
        tiles.push(("Lost", count(lost), format!("{} delivered", count(delivered))));
    }
    for (name, percentiles) in
        [("PUBACK p99", document.puback_micros), ("Delivery p99", document.delivery_micros)]
    {
        if let Some(percentiles) = percentiles.measured() {
            let (p50, max) = (micros(percentiles.p50 as f64), micros(percentiles.max as f64));
            tiles.push((name, micros(percentiles.p99 as f64), format!("median {p50}, longest {max}")));
        }
    }
    let reasons = document.connect_failures.values().chain(document.disconnects.values());
    let failures = reasons.fold(0_u64, |sum, count| sum.saturating_add(*count));
    tiles.push(("Connects", count(document.connects), format!("{} failed or lost", count(failures))));
    if let Some(cost) = document.cpu_micros_per_message {
        let memory =
            document.memory_bytes_per_device.map(|size| format!(", {} for each device", bytes(size)));
        tiles.push((
            "Cost of device-sim",
            micros(cost),
            format!("for each message{}", memory.unwrap_or_default()),
        ));
    }
    let mut out = "<dl class=\"tiles\">".to_owned();
    for (name, figure, below) in tiles {
        let _ = write!(out, "<div><dt>{name}</dt><dd>{figure}<small>{below}</small></dd></div>");
    }
    out + "</dl>"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threshold(name: &str, limit: f64, found: Option<f64>, passed: bool) -> Threshold {
        Threshold { name: name.to_owned(), limit, found, passed }
    }

    #[test]
    fn a_verdict_follows_from_the_thresholds_and_from_what_could_be_seen() {
        let passed = Document { connects: 1, due: 1, ..Document::default() };
        let failed =
            Document { thresholds: vec![threshold("lost", 0.0, Some(1.0), false)], ..passed.clone() };
        let unread = Document { read_back_error: Some("refused".to_owned()), ..failed.clone() };
        let unconnected = Document { connects: 0, ..passed.clone() };
        for (document, verdict, words) in [
            (passed, Verdict::Passed, "The scenario sets no thresholds."),
            (failed, Verdict::Failed, "Not met: lost."),
            (unread, Verdict::NotProved, "What arrived could not be read back: refused"),
            (unconnected, Verdict::NotProved, "No device could connect."),
        ] {
            assert_eq!((Verdict::of(&document), sentence(&document).as_str()), (verdict, words));
        }
    }

    #[test]
    fn thresholds_are_told_in_their_unit_and_direction() {
        let thresholds = vec![
            threshold("puback_p99_ms", 50.0, Some(1.5), true),
            threshold("per_second_min", 900.0, Some(850.0), false),
            threshold("delivery_p99_ms", 10.0, None, false),
        ];
        let table = super::thresholds(&Document { thresholds, ..Document::default() });
        for part in ["at most 50 ms</td><td>1.5 ms", "at least 900</td><td>850", "<td>none</td>", "✗ failed"]
        {
            assert!(table.contains(part), "{part} in {table}");
        }
    }

    #[test]
    fn a_ledger_without_a_target_says_so() {
        let ledger =
            ledger(&Document { due: 5, sent: 5, acknowledged: 4, unacknowledged: 1, ..Document::default() });
        assert!(ledger.contains("Nothing was read back") && !ledger.contains(">lost<"), "{ledger}");
    }
}
