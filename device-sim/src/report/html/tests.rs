//! The whole file: complete, well formed, and proof against what servers say.

use super::*;
use serde_json::{Value, json};

/// A minute of a fleet with a stage, a fault, a hook and a slow half.
fn summary() -> Value {
    let percentiles = |p50: u64| json!({ "count": 100, "p50": p50, "p90": p50 * 2, "p99": p50 * 4, "p99_9": p50 * 8, "max": p50 * 9 });
    let sample = |second: u64| {
        json!({
            "at_secs": second, "connected": second.min(20) * 5, "connects": u64::from(second <= 20) * 5, "due": 100, "sent": 100,
            "acknowledged": 100, "received": 0, "disconnects": second % 7, "connect_failures": 1,
            "puback_micros": percentiles(if second > 30 { 5000 } else { 400 }),
            "full_handshakes": 3, "resumed_handshakes": 2, "of a later version": [],
        })
    };
    json!({
        "format": 1, "scenario": "smart-meters", "run": "night", "devices": 100, "seed": 7, "seconds": 60.2,
        "due": 6000, "sent": 6000, "acknowledged": 5990, "unacknowledged": 10, "resent": 0, "republished": 0,
        "delivered": 5990, "lost": 3, "lost_messages": [{ "device": "meter-7", "ranges": [[3, 4], [9, 9]] }], "repeated": 3, "connects": 100, "puback_micros": percentiles(900),
        "connect_failures": { "refused": 2 }, "disconnects": {}, "not_sent": {},
        "timeline": (1..=60).map(sample).collect::<Vec<_>>(),
        "marks": [
            { "at_secs": 0, "kind": "stage", "name": "ramp" }, { "at_secs": 20, "kind": "stage", "name": "hold" },
            { "at_secs": 30, "kind": "fault", "name": "cut" }, { "at_secs": 35, "kind": "fault_end", "name": "cut" }, { "at_secs": 40, "kind": "hook", "name": "server stops" },
        ],
        "heat": { "bounds_micros": [500, 1000, 10_000], "puback": vec![vec![5, 90, 5, 0]; 60] },
        "thresholds": [{ "name": "lost", "limit": 0, "found": 0, "passed": true }],
    })
}

fn rendered(summary: &Value) -> String {
    let text = summary.to_string();
    render(&serde_json::from_str(&text).unwrap(), &text)
}

#[test]
fn a_report_has_every_part() {
    let report = rendered(&summary());
    for part in [
        "<title>smart-meters: passed</title>",
        "id=\"throughput\"",
        "id=\"puback\"",
        "id=\"puback-heat\"",
        "id=\"connected\"",
        "id=\"connects\"",
        "id=\"errors\"",
        "The threshold is met.",
        "<td>server stops</td>",
        "repeated",
        "2</td><td>refused",
        "meter-7</th><td>3 to 4, 9<",
        "Every point as a table",
    ] {
        assert!(report.contains(part), "{part}");
    }
    // Nothing was delivered to a subscriber over time, so there is no such plot.
    assert!(!report.contains("id=\"delivery\""));
}

#[test]
fn a_report_loads_nothing() {
    let report = rendered(&summary());
    let own = "http://www.w3.org/2000/svg";
    assert_eq!(
        report.matches("http").count() - report.matches("http-equiv").count(),
        report.matches(own).count()
    );
    for tag in ["<link ", "<img", "<iframe", "url(", "@import", "<object", " src="] {
        let allowed = usize::from(tag == "<link ");
        assert_eq!(report.matches(tag).count(), allowed, "{tag}");
    }
    assert!(report.contains("<link rel=\"icon\" href=\"data:,\">"));
    assert!(report.len() < 400_000, "{} bytes can be attached to a mail", report.len());
}

#[test]
fn names_are_unique() {
    let report = rendered(&summary());
    let mut names: Vec<&str> =
        report.match_indices(" id=\"").map(|(at, _)| report[at + 5..].split('"').next().unwrap()).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
    for (at, _) in report.match_indices("aria-labelledby=\"") {
        let name = report[at + 17..].split('"').next().unwrap();
        assert!(names.contains(&name), "{name}");
    }
}

#[test]
fn every_colour_that_is_used_is_set_in_light_and_dark() {
    let used = STYLE.match_indices("var(--").map(|(at, _)| STYLE[at + 4..].split(')').next().unwrap());
    for name in used {
        assert_eq!(STYLE.matches(&format!("{name}:")).count(), 3, "{name}");
    }
}

#[test]
fn what_a_server_says_stays_text() {
    let mut summary = summary();
    let evil = "</script><script>alert(1)</script>\"'<svg onload=alert(1)>";
    for key in ["scenario", "run", "read_back_error"] {
        summary[key] = json!(evil);
    }
    for key in ["connect_failures", "disconnects", "not_sent", "refused"] {
        summary[key] = json!({ evil: 3 });
    }
    summary["lost_messages"][0]["device"] = json!(evil);
    summary["marks"][0]["name"] = json!(evil);
    summary["thresholds"][0]["name"] = json!(evil);
    summary["thresholds"][0]["passed"] = json!(false);
    let report = rendered(&summary);
    // The data of the plots, the summary and the script itself.
    assert_eq!((report.matches("<script").count(), report.matches("</script>").count()), (3, 3));
    assert!(!report.contains("<svg onload"));
}

#[test]
fn a_summary_without_anything_still_makes_a_report() {
    let report = rendered(&json!({}));
    assert!(report.contains("no timeline") && report.ends_with("</html>\n"));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(32))]
    #[test]
    fn no_summary_makes_a_report_fail(
        counts in proptest::collection::vec(proptest::num::u64::ANY, 12),
        seconds: f64,
        columns in proptest::collection::vec(proptest::collection::vec(proptest::num::u64::ANY, 0..5), 0..5),
    ) {
        let mut summary = summary();
        for (key, count) in ["due", "sent", "acknowledged", "delivered", "lost", "connects", "devices"].into_iter().zip(&counts) {
            summary[key] = json!(count);
        }
        summary["seconds"] = json!(seconds);
        summary["cpu_micros_per_message"] = json!(seconds);
        summary["thresholds"][0]["limit"] = json!(counts[7] as f64);
        summary["timeline"][3]["at_secs"] = json!(counts[8] as f64);
        summary["timeline"][4]["sent"] = json!(counts[9]);
        summary["timeline"][5]["puback_micros"]["max"] = json!(counts[10]);
        summary["heat"]["bounds_micros"] = json!(counts);
        summary["heat"]["puback"] = json!(columns);
        let text = summary.to_string();
        if let Ok(document) = serde_json::from_str(&text) {
            let report = render(&document, &text);
            proptest::prop_assert!(!report.contains("NaN ") && !report.contains("inf"));
        }
    }
}
