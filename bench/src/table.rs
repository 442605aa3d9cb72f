//! `table.md`: the results for people.

use crate::aims::AIMS;
use crate::metric::{Better, METRICS, Metric};
use crate::results::Results;
use crate::scenario::SCENARIOS;
use crate::statistics::{Spread, ratio, spread};
use std::fmt::Write as _;

const OURS: &str = "iot-gateway";

/// The whole page.
pub(crate) fn page(results: &Results) -> String {
    let mut page = String::new();
    head(&mut page, results);
    aims(&mut page, results);
    for scenario in SCENARIOS {
        let peers = results.peers(scenario.name);
        if !peers.is_empty() {
            write_to(&mut page, format_args!("\n## {}\n\n`{}`\n\n", scenario.title, scenario.name));
            table(&mut page, results, scenario.name, &peers);
            notes(&mut page, results, scenario.name);
        }
    }
    page
}

fn write_to(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("writing to a string cannot fail");
}

fn head(page: &mut String, results: &Results) {
    let machine = &results.machine;
    write_to(page, format_args!("# Comparison of {}\n\n", results.date));
    write_to(
        page,
        format_args!(
            "{}, {} cores, {} MiB, Linux {}; load before: {:.1}. Servers on core {}, load on core {}. {} rounds, servers in \
             turns, {} s for each load; the fixed rate is {:.0} messages a second.\n\n",
            machine.processor,
            machine.cores,
            machine.memory_mib,
            machine.kernel,
            machine.load_before,
            results.cores.server,
            results.cores.load,
            results.rounds,
            results.secs,
            results.fixed_per_second,
        ),
    );
    page.push_str(
        "A cell is the middle of all rounds, with the least and the greatest behind it, and how many times better ours is (×): \
         above 1 ours is ahead. Ratios are made within a round. Where \"Server busy\" is far below 1 the rate shows the load, the disk or \
         a wait and not what the server could do; processor time per message is what compares servers then.\n\n",
    );
    for (name, version) in &results.versions {
        write_to(page, format_args!("- {name}: {version}\n"));
    }
    if let Some(reason) = &results.ended_early {
        write_to(page, format_args!("\n**Not everything was measured:** {reason}.\n"));
    }
}

fn aims(page: &mut String, results: &Results) {
    page.push_str("\n## Aims\n\n| Aim | Wanted | Found | |\n| --- | --- | --- | --- |\n");
    for aim in AIMS {
        let (found, verdict) = match aim.found(results) {
            Some(found) => (
                format!("{:.2} ({:.2}–{:.2})", found.median, found.least, found.greatest),
                if aim.is_reached(found) { "reached" } else { "not reached" },
            ),
            None => ("not measured".to_owned(), ""),
        };
        write_to(page, format_args!("| {} | {} | {found} | {verdict} |\n", aim.title, aim.wanted()));
    }
}

fn table(page: &mut String, results: &Results, scenario: &str, peers: &[&str]) {
    let measured =
        |metric: &&Metric| peers.iter().any(|peer| !results.values(scenario, peer, metric.key).is_empty());
    let columns: Vec<&Metric> = METRICS.iter().filter(measured).collect();
    page.push_str("| Server |");
    for column in &columns {
        write_to(page, format_args!(" {} |", column.title));
    }
    page.push_str("\n| --- |");
    page.push_str(&" ---: |".repeat(columns.len()));
    page.push('\n');
    for peer in peers {
        write_to(page, format_args!("| {peer} |"));
        for column in &columns {
            write_to(page, format_args!(" {} |", cell(results, scenario, peer, column)));
        }
        page.push('\n');
    }
}

fn cell(results: &Results, scenario: &str, peer: &str, metric: &Metric) -> String {
    let values = results.values(scenario, peer, metric.key);
    let Some(found) = spread(values.values().copied()) else { return "–".to_owned() };
    let text = spread_text(found, metric.digits);
    let ours = results.values(scenario, OURS, metric.key);
    let times = match metric.better {
        _ if peer == OURS => None,
        Better::Lower => ratio(&values, &ours),
        Better::Higher => ratio(&ours, &values),
        Better::Neither => None,
    };
    times.map_or(text.clone(), |times| format!("{text} ×{:.2}", times.median))
}

fn spread_text(spread: Spread, digits: usize) -> String {
    let number = |value: f64| grouped(value, digits);
    if spread.count < 2 {
        return number(spread.median);
    }
    format!("{} ({}–{})", number(spread.median), number(spread.least), number(spread.greatest))
}

/// A number with its thousands apart.
fn grouped(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let (whole, rest) =
        text.split_once('.').map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    rest.map_or(grouped.clone(), |rest| format!("{grouped}.{rest}"))
}

/// Remarks on servers, then what went wrong, each once with the rounds in which it did.
fn notes(page: &mut String, results: &Results, scenario: &str) {
    let mut lines: Vec<(String, Vec<u32>)> = Vec::new();
    let mut note = |text: String, round: u32| match lines.iter_mut().find(|(known, _)| *known == text) {
        Some((_, rounds)) => rounds.push(round),
        None => lines.push((text, vec![round])),
    };
    for run in results.runs.iter().filter(|run| run.scenario == scenario) {
        for text in run.failed.iter().chain(&run.notes) {
            note(format!("{}: {text}", run.peer), run.round);
        }
    }
    let remarks = results.remarks.iter().filter(|remark| remark.scenario == scenario);
    let remarks: Vec<_> = remarks.map(|remark| format!("- {}: {}.\n", remark.peer, remark.text)).collect();
    if remarks.is_empty() && lines.is_empty() {
        return;
    }
    page.push('\n');
    page.push_str(&remarks.concat());
    for (text, rounds) in lines {
        let rounds: Vec<_> = rounds.iter().map(u32::to_string).collect();
        write_to(page, format_args!("- {} (round {})\n", text.replace(['\n', '|'], " "), rounds.join(", ")));
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::machine::{Cores, Machine};
    use crate::results::{FORMAT, Remark, Run};
    use std::collections::BTreeMap;

    /// Results of a comparison that had a failure.
    pub(crate) fn sample() -> Results {
        let run = |peer: &str, round, cost: f64, rate: f64, failed: Option<&str>| Run {
            scenario: "fan-in-qos1-tls".to_owned(),
            peer: peer.to_owned(),
            round,
            metrics: if failed.is_some() {
                BTreeMap::new()
            } else {
                BTreeMap::from([
                    ("cpu_micros_per_message".to_owned(), cost),
                    ("messages_per_second".to_owned(), rate),
                    ("server_busy".to_owned(), 0.9),
                ])
            },
            notes: Vec::new(),
            failed: failed.map(str::to_owned),
        };
        Results {
            format: FORMAT,
            date: "2026-01-02 03:04".to_owned(),
            machine: Machine::here(),
            cores: Cores::halves(2),
            rounds: 2,
            secs: 4,
            fixed_per_second: 2000.0,
            versions: BTreeMap::from([("mosquitto".to_owned(), "mosquitto 2".to_owned())]),
            remarks: vec![Remark {
                scenario: "fan-in-qos1-tls".to_owned(),
                peer: "nats".to_owned(),
                text: "a stream".to_owned(),
            }],
            runs: vec![
                run(OURS, 1, 10.0, 60_000.0, None),
                run("mosquitto", 1, 20.0, 30_000.0, None),
                run("nats", 1, 0.0, 0.0, Some("it ended\nat once")),
                run(OURS, 2, 12.0, 61_000.0, None),
                run("mosquitto", 2, 36.0, 20_333.0, None),
                run("nats", 2, 0.0, 0.0, Some("it ended\nat once")),
            ],
            ended_early: None,
        }
    }

    #[test]
    fn a_table_shows_middle_spread_ratio_and_failures() {
        let page = page(&sample());
        let wanted = [
            "| Server | Server µs per message | Messages per second | Server busy |",
            "| iot-gateway | 11.00 (10.00–12.00) | 60,500 (60,000–61,000) | 0.90 (0.90–0.90) |",
            "| mosquitto | 28.00 (20.00–36.00) ×2.50 | 25,166 (20,333–30,000) ×2.50 | 0.90 (0.90–0.90) |",
            "| nats | – | – | – |",
            "- nats: a stream.",
            "- nats: it ended at once (round 1, 2)",
        ];
        for line in wanted {
            assert!(page.contains(line), "`{line}` is not in\n{page}");
        }
    }

    #[test]
    fn thousands_stand_apart() {
        for (value, digits, text) in [
            (0.0, 0, "0"),
            (999.0, 0, "999"),
            (1000.0, 0, "1,000"),
            (-123_456.7, 1, "-123,456.7"),
            (12.345, 2, "12.35"),
        ] {
            assert_eq!(grouped(value, digits), text);
        }
    }
}
