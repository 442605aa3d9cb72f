//! One frame of the screen. Pure: figures and a size in, lines out.

use std::collections::BTreeMap;

use super::About;
use crate::truth::{MarkKind, Percentiles, Sample, Snapshot};

/// Heights of a small plot's columns.
const COLUMNS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Width of a line's name, and of a figure.
const NAME: usize = 15;
const FIGURE: usize = 13;
/// Reasons listed at most.
const REASONS_MAX: usize = 8;

/// What a frame shows.
pub(super) struct View<'a> {
    pub(super) about: &'a About,
    pub(super) snapshot: &'a Snapshot,
    /// The last seconds, the newest last.
    pub(super) history: &'a [Sample],
}

/// How a part of a line looks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    Plain,
    Strong,
    Soft,
    Good,
    Bad,
}

/// A line that knows how wide it is, whatever colours it has.
struct Line {
    text: String,
    width: usize,
    room: usize,
    coloured: bool,
}

impl Line {
    fn new(room: usize, coloured: bool) -> Self {
        Self { text: String::new(), width: 0, room, coloured }
    }

    /// Adds text as far as there is room.
    fn add(mut self, look: Look, text: &str) -> Self {
        let shown: String = text
            .chars()
            .map(|character| if character.is_control() { '\u{fffd}' } else { character })
            .take(self.room - self.width)
            .collect();
        self.width += shown.chars().count();
        let code = match look {
            Look::Plain => "",
            Look::Strong => "1",
            Look::Soft => "2",
            Look::Good => "32",
            Look::Bad => "31",
        };
        if self.coloured && !code.is_empty() {
            self.text.push_str(&format!("\x1b[{code}m{shown}\x1b[0m"));
        } else {
            self.text.push_str(&shown);
        }
        self
    }
}

/// The lines of a frame: at most `height`, none wider than `width`. What was told stands at the bottom, as far as
/// there is room.
pub(super) fn lines(
    view: &View<'_>,
    told: &[String],
    width: usize,
    height: usize,
    coloured: bool,
) -> Vec<String> {
    let line = || Line::new(width, coloured);
    let mut lines = vec![head(line(), view), happened(line(), view.snapshot), line()];
    rates(&mut lines, &line, view);
    lines.push(line());
    latencies(&mut lines, &line, view);
    let errors = errors(&line, view.snapshot);
    if !errors.is_empty() {
        lines.push(line());
        lines.extend(errors);
    }
    lines.truncate(height);
    let room = height.saturating_sub(lines.len() + 1);
    if room > 0 && !told.is_empty() {
        lines.push(line());
        let newest = &told[told.len().saturating_sub(room)..];
        lines.extend(newest.iter().map(|told| line().add(Look::Soft, told)));
    }
    lines.into_iter().map(|line| line.text).collect()
}

fn head(line: Line, view: &View<'_>) -> Line {
    let secs = view.snapshot.latest.at_secs as u64;
    let clock = format!("{}:{:02}:{:02}", secs / 3600, secs / 60 % 60, secs % 60);
    line.add(Look::Strong, &view.about.name)
        .add(Look::Plain, &format!("  {clock}  "))
        .add(Look::Soft, &format!("against {}  Ctrl-C ends it", view.about.address))
}

/// The stage that goes on, and what was last done to the run.
fn happened(line: Line, snapshot: &Snapshot) -> Line {
    let line = match &snapshot.stage {
        Some(stage) => line.add(Look::Plain, &format!("stage {}  ", stage.name)),
        None => line,
    };
    let Some(mark) = &snapshot.happened else { return line };
    let ago = (snapshot.latest.at_secs - mark.at_secs).max(0.0);
    let (what, look) = match mark.kind {
        MarkKind::Stage => ("stage", Look::Plain),
        MarkKind::Fault => ("fault", Look::Bad),
        MarkKind::FaultEnd => ("fault over", Look::Soft),
        MarkKind::Hook => ("hook", Look::Strong),
        MarkKind::End => ("nothing more becomes due", Look::Soft),
    };
    line.add(look, &format!("{what}: {}, {ago:.0} s ago", mark.name))
}

/// What is counted in a row, and where.
type Row = (&'static str, fn(&Sample) -> u64);

/// Connections and messages: how many in the last second, how many in all, and the last seconds as a small plot.
fn rates(lines: &mut Vec<Line>, line: &impl Fn() -> Line, view: &View<'_>) {
    let Snapshot { latest, so_far, .. } = view.snapshot;
    let secs = view
        .history
        .len()
        .checked_sub(2)
        .map_or(latest.at_secs, |before| latest.at_secs - view.history[before].at_secs);
    let rate = |number: u64| {
        format!("{}/s", count((number as f64 / if secs > 0.0 { secs } else { 1.0 }).round() as u64))
    };
    let all = view.about.devices;
    let look = if so_far.connected >= all { Look::Good } else { Look::Plain };
    let plot = |values: Vec<u64>, line: &Line| sparkline(&values, line.room.saturating_sub(line.width + 2));
    let connected = line()
        .add(Look::Plain, &format!("{:<NAME$}", "connected"))
        .add(look, &format!("{:>FIGURE$}", count(so_far.connected)))
        .add(Look::Soft, &format!("{:>FIGURE$}", format!("of {}", count(all))));
    let drawn = plot(view.history.iter().map(|sample| sample.connected).collect(), &connected);
    lines.push(connected.add(Look::Plain, "  ").add(Look::Good, &drawn));
    let rows: [Row; 5] = [
        ("due", |sample| sample.due),
        ("sent", |sample| sample.sent),
        ("acknowledged", |sample| sample.acknowledged),
        ("received", |sample| sample.received),
        ("connects", |sample| sample.connects),
    ];
    for (name, of) in rows {
        let row = line()
            .add(Look::Plain, &format!("{name:<NAME$}"))
            .add(Look::Strong, &format!("{:>FIGURE$}", rate(of(latest))))
            .add(Look::Plain, &format!("{:>FIGURE$}", count(of(so_far))));
        let drawn = plot(view.history.iter().map(of).collect(), &row);
        lines.push(row.add(Look::Plain, "  ").add(Look::Plain, &drawn));
    }
    let outstanding = so_far.sent.saturating_sub(so_far.acknowledged);
    if so_far.acknowledged > 0 {
        lines.push(
            line()
                .add(Look::Plain, &format!("{:<NAME$}", "outstanding"))
                .add(Look::Plain, &format!("{:>FIGURE$}", count(outstanding))),
        );
    }
}

fn latencies(lines: &mut Vec<Line>, line: &impl Fn() -> Line, view: &View<'_>) {
    let Snapshot { latest, so_far, .. } = view.snapshot;
    let mut heading = line().add(Look::Soft, &format!("{:<NAME$}", "latency"));
    for name in ["p50", "p90", "p99", "p99.9", "longest"] {
        heading = heading.add(Look::Soft, &format!("{name:>FIGURE$}"));
    }
    lines.push(heading);
    for (name, percentiles) in [
        ("PUBACK now", &latest.puback_micros),
        ("PUBACK", &so_far.puback_micros),
        ("delivery now", &latest.delivery_micros),
        ("delivery", &so_far.delivery_micros),
        ("connect", &so_far.connect_micros),
    ] {
        let Percentiles { count, p50, p90, p99, p99_9, max } = *percentiles;
        if count == 0 && name != "PUBACK now" {
            continue;
        }
        let mut row = line().add(Look::Plain, &format!("{name:<NAME$}"));
        for micros in [p50, p90, p99, p99_9, max] {
            let value = if count > 0 { duration(micros) } else { "–".to_owned() };
            row = row.add(Look::Plain, &format!("{value:>FIGURE$}"));
        }
        lines.push(row);
    }
}

/// What went wrong, the most frequent first.
fn errors(line: &impl Fn() -> Line, snapshot: &Snapshot) -> Vec<Line> {
    let kinds = [
        ("connect failed", &snapshot.connect_failures),
        ("disconnected", &snapshot.disconnects),
        ("not sent", &snapshot.not_sent),
        ("refused", &snapshot.refused),
    ];
    let reasons = |(what, reasons): (&'static str, &'_ BTreeMap<String, u64>)| {
        reasons.iter().map(|(reason, times)| (*times, what, reason.clone())).collect::<Vec<_>>()
    };
    let mut all: Vec<(u64, &str, String)> = kinds.into_iter().flat_map(reasons).collect();
    all.sort_by_key(|(times, ..)| std::cmp::Reverse(*times));
    let more = all.len().saturating_sub(REASONS_MAX);
    let mut lines: Vec<Line> = all
        .iter()
        .take(REASONS_MAX)
        .map(|(times, what, reason)| {
            line()
                .add(Look::Bad, &format!("{:<NAME$}{:>FIGURE$}", what, count(*times)))
                .add(Look::Plain, &format!("  {reason}"))
        })
        .collect();
    if more > 0 {
        lines.push(line().add(Look::Soft, &format!("and {more} more reasons")));
    }
    lines
}

/// The newest values as columns, as many as there is room for.
fn sparkline(values: &[u64], room: usize) -> String {
    let values = &values[values.len().saturating_sub(room)..];
    let most = values.iter().copied().max().unwrap_or(0);
    values
        .iter()
        .map(|value| {
            let part = if most > 0 { *value as f64 / most as f64 } else { 0.0 };
            if *value == 0 { ' ' } else { COLUMNS[((part * 8.0).ceil() as usize).clamp(1, 8) - 1] }
        })
        .collect()
}

fn count(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|part| std::str::from_utf8(part).ok()).collect();
    groups.join(",")
}

fn duration(micros: u64) -> String {
    let micros = micros as f64;
    if micros < 1e3 {
        format!("{micros:.0} µs")
    } else if micros < 1e6 {
        format!("{:.1} ms", micros / 1e3)
    } else {
        format!("{:.2} s", micros / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::truth::Mark;

    fn sample(at: u64) -> Sample {
        let puback_micros =
            Percentiles { count: 9, p50: 950, p90: 1500, p99: 22_000, p99_9: 1_200_000, max: 2_000_000 };
        let (connected, sent) = (at * 100, at * 1000);
        Sample {
            at_secs: at as f64,
            connected,
            sent,
            due: 4000,
            acknowledged: 3999,
            puback_micros,
            ..Sample::default()
        }
    }

    fn drawn(width: usize, height: usize, coloured: bool) -> Vec<String> {
        let history: Vec<Sample> = (1..=4).map(sample).collect();
        let about = About { name: "meters".to_owned(), devices: 400, address: "localhost:8883".to_owned() };
        let snapshot = Snapshot {
            latest: sample(4),
            so_far: Sample { sent: 12_345, ..sample(4) },
            stage: Some(Mark { at_secs: 0.0, kind: MarkKind::Stage, name: "hold".to_owned() }),
            happened: Some(Mark { at_secs: 1.0, kind: MarkKind::Fault, name: "cut".to_owned() }),
            disconnects: [("reset by \x1b peer".to_owned(), 3)].into(),
            ..Snapshot::default()
        };
        let view = View { about: &about, snapshot: &snapshot, history: &history };
        lines(&view, &["first".to_owned(), "last".to_owned()], width, height, coloured)
    }

    #[test]
    fn a_frame_reads() {
        let expected = "\
meters  0:00:04  against localhost:8883  Ctrl-C ends it
stage hold  fault: cut, 3 s ago

connected                400       of 400  ▂▄▆█
due                  4,000/s        4,000  ████
sent                 4,000/s       12,345  ▂▄▆█
acknowledged         3,999/s        3,999  ████
received                 0/s            0      
connects                 0/s            0      
outstanding            8,346

latency                  p50          p90          p99        p99.9      longest
PUBACK now            950 µs       1.5 ms      22.0 ms       1.20 s       2.00 s
PUBACK                950 µs       1.5 ms      22.0 ms       1.20 s       2.00 s

disconnected               3  reset by \u{fffd} peer

first
last";
        assert_eq!(drawn(90, 40, false).join("\n"), expected);
    }

    #[test]
    fn the_newest_of_what_was_told_stays_when_there_is_little_room() {
        let lines = drawn(90, 18, false);
        assert_eq!((lines.len(), lines[17].as_str()), (18, "last"));
    }

    #[test]
    fn no_frame_is_larger_than_its_terminal() {
        for (width, height) in [(1, 1), (20, 5), (40, 12), (80, 24), (200, 60)] {
            let lines = drawn(width, height, false);
            assert!(
                lines.len() <= height && lines.iter().all(|line| line.chars().count() <= width),
                "{width} {height}"
            );
            let plain: Vec<String> = drawn(width, height, true).iter().map(|line| uncoloured(line)).collect();
            assert_eq!(plain, lines, "colours change no text");
        }
    }

    fn uncoloured(line: &str) -> String {
        let mut parts = line.split('\x1b');
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, after)| after))
    }
}
