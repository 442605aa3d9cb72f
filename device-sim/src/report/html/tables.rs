//! The same figures as tables: for those who do not see plots, and for copying.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::bins::{Bin, Bins};
use super::frame;
use super::text::{count, escape, micros, moment, number};
use crate::report::document::{Document, Lost, Mark, MarkKind, Percentiles};

/// Rows of a table of reasons, marks or devices at most.
const ROWS_MAX: usize = 200;
/// Gaps told of one device at most.
const GAPS_MAX: usize = 20;

/// What was done, and when; with the letters that stand in the plots.
pub(super) fn marks(document: &Document) -> String {
    if document.marks.is_empty() {
        return String::new();
    }
    let mut rows = String::new();
    let listed = |(_, mark): &(usize, &Mark)| mark.kind != MarkKind::FaultEnd;
    let mut letters = 0..;
    for (index, mark) in document.marks.iter().enumerate().filter(listed).take(ROWS_MAX) {
        let letter = frame::has_letter(mark.kind).then(|| letters.next()).flatten();
        let letter = letter.map_or_else(String::new, frame::letter);
        let lasted = frame::lasted(&document.marks, index).map_or_else(String::new, moment);
        let kind = frame::kind(mark.kind);
        let _ = write!(
            rows,
            "<tr><td class=\"letter {kind}\">{letter}</td><td class=\"number\">{}</td><td class=\"number\">{lasted}</td>\
             <td>{kind}</td><td>{}</td></tr>",
            moment(mark.at_secs),
            escape(&mark.name),
        );
    }
    let more = document.marks.len().saturating_sub(ROWS_MAX);
    let more = if more > 0 { format!("<p class=\"note\">And {more} more.</p>") } else { String::new() };
    format!(
        "<section aria-labelledby=\"marks\"><h2 id=\"marks\">Stages, faults and hooks</h2><div class=\"scroll\"><table>\
         <thead><tr><th scope=\"col\">Mark</th><th scope=\"col\" class=\"number\">At</th><th scope=\"col\" class=\"number\">For</th><th scope=\"col\">Kind</th>\
         <th scope=\"col\">What</th></tr></thead><tbody>{rows}</tbody></table></div>{more}</section>"
    )
}

/// What went wrong, by reason.
pub(super) fn reasons(document: &Document) -> String {
    let mut rows = String::new();
    for (what, reasons) in [
        ("not sent", &document.not_sent),
        ("connect failed", &document.connect_failures),
        ("disconnected", &document.disconnects),
        ("refused", &document.refused),
    ] {
        for (reason, number) in by_count(reasons) {
            let _ = write!(
                rows,
                "<tr><td>{what}</td><td class=\"number\">{}</td><td>{}</td></tr>",
                count(*number),
                escape(reason)
            );
        }
    }
    if rows.is_empty() {
        rows.push_str("<tr><td colspan=\"3\">Nothing: no connect failed, no connection was lost, every message could be sent.</td></tr>");
    }
    format!(
        "<section aria-labelledby=\"reasons\"><h2 id=\"reasons\">What went wrong</h2><div class=\"scroll\"><table><thead><tr>\
         <th scope=\"col\">What</th><th scope=\"col\" class=\"number\">Times</th><th scope=\"col\">Reason</th></tr></thead>\
         <tbody>{rows}</tbody></table></div></section>"
    )
}

fn by_count(reasons: &BTreeMap<String, u64>) -> impl Iterator<Item = (&String, &u64)> {
    let mut reasons: Vec<_> = reasons.iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    reasons.into_iter().take(ROWS_MAX)
}

/// Which messages were lost, or nothing when none were.
pub(super) fn lost(document: &Document) -> String {
    let mut rows = String::new();
    for Lost { device, ranges } in document.lost_messages.iter().take(ROWS_MAX) {
        let gap = |(first, last): &(u64, u64)| {
            if first == last { first.to_string() } else { format!("{first} to {last}") }
        };
        let mut gaps: Vec<String> = ranges.iter().take(GAPS_MAX).map(gap).collect();
        if ranges.len() > GAPS_MAX {
            gaps.push("…".to_owned());
        }
        let _ =
            write!(rows, "<tr><th scope=\"row\">{}</th><td>{}</td></tr>", escape(device), gaps.join(", "));
    }
    if rows.is_empty() {
        return rows;
    }
    format!(
        "<section aria-labelledby=\"lost\"><h2 id=\"lost\">Lost messages</h2><div class=\"scroll\"><table><thead><tr>\
         <th scope=\"col\">Device</th><th scope=\"col\">Sequence numbers that were acknowledged and never arrived</th></tr>\
         </thead><tbody>{rows}</tbody></table></div></section>"
    )
}

/// Latencies of the whole run.
pub(super) fn latencies(document: &Document) -> String {
    let mut rows = String::new();
    for (name, percentiles) in [
        ("due to acknowledged", document.puback_micros),
        ("due to delivered", document.delivery_micros),
        ("connect to CONNACK", document.connect_micros),
    ] {
        let Some(percentiles) = percentiles.measured() else { continue };
        let _ = write!(
            rows,
            "<tr><th scope=\"row\">{name}</th><td class=\"number\">{}</td>",
            count(percentiles.count)
        );
        for value in values(&percentiles) {
            let _ = write!(rows, "<td class=\"number\">{}</td>", micros(value));
        }
        rows.push_str("</tr>");
    }
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "<section aria-labelledby=\"latencies\"><h2 id=\"latencies\">Latencies of the whole run</h2><p class=\"note\">Measured from the \
         moment a message was due, not from when it could be written: a server that stalls does not hide the messages that \
         had to wait.</p><div class=\"scroll\"><table><thead><tr><th scope=\"col\">From, to</th><th scope=\"col\" class=\"number\">Count</th>\
         <th scope=\"col\" class=\"number\">p50</th><th scope=\"col\" class=\"number\">p90</th><th scope=\"col\" class=\"number\">p99</th><th scope=\"col\" class=\"number\">p99.9</th>\
         <th scope=\"col\" class=\"number\">longest</th></tr></thead><tbody>{rows}</tbody></table></div></section>"
    )
}

/// All percentiles, ascending.
fn values(percentiles: &Percentiles) -> [f64; 5] {
    let Percentiles { p50, p90, p99, p99_9, max, .. } = *percentiles;
    [p50, p90, p99, p99_9, max].map(|micros| micros as f64)
}

/// Every point of the plots.
pub(super) fn seconds(bins: &Bins) -> String {
    if bins.bins.is_empty() {
        return String::new();
    }
    let mut rows = String::new();
    for bin in &bins.bins {
        rows.push_str(&row(bin));
    }
    let caption = if bins.width_secs > 1.0 {
        format!(
            "Each row is {} seconds; its percentiles are those of the worst of them.",
            number(bins.width_secs)
        )
    } else {
        "Each row is a second.".to_owned()
    };
    format!(
        "<section><details><summary><h2>Every point as a table</h2></summary><div class=\"scroll\" tabindex=\"0\" role=\"region\" \
         aria-label=\"Every point as a table\"><table class=\"points\"><caption>{caption} Messages are counted for each second.</caption>\
         <thead><tr><th scope=\"col\">Until</th><th scope=\"col\">connected</th><th scope=\"col\">connects</th>\
         <th scope=\"col\">due</th><th scope=\"col\">sent</th><th scope=\"col\">acknowledged</th><th scope=\"col\">received</th>\
         <th scope=\"col\">PUBACK p50</th><th scope=\"col\" class=\"number\">p90</th><th scope=\"col\" class=\"number\">p99</th><th scope=\"col\" class=\"number\">p99.9</th>\
         <th scope=\"col\" class=\"number\">longest</th><th scope=\"col\">errors</th></tr></thead><tbody>{rows}</tbody></table></div></details></section>"
    )
}

fn row(bin: &Bin) -> String {
    let mut out = format!(
        "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td>",
        moment(bin.at_secs),
        count(bin.connected),
        count(bin.connects)
    );
    for messages in [bin.due, bin.sent, bin.acknowledged, bin.received] {
        let _ = write!(out, "<td>{}</td>", number(bin.per_second(messages)));
    }
    match &bin.puback {
        Some(percentiles) => {
            for value in values(percentiles) {
                let _ = write!(out, "<td>{}</td>", micros(value));
            }
        }
        None => out.push_str(&"<td>–</td>".repeat(5)),
    }
    out + &format!("<td>{}</td></tr>", count(bin.errors()))
}
