//! The list of plots. To add one, add its function and a line in [`all`].

use super::bins::{Bin, Bins};
use super::heat::Map;
use super::plot::{Plot, Series, Unit};
use super::scale::Spread;
use super::text::{count, micros, moment, number};
use crate::report::document::{Document, Percentiles};

/// What a percentile is called, how the style sheet calls it, and where it stands.
type Line = (&'static str, &'static str, fn(&Percentiles) -> u64);
const PERCENTILES: [Line; 5] = [
    ("longest", "longest", |percentiles| percentiles.max),
    ("p99.9", "p99_9", |percentiles| percentiles.p99_9),
    ("p99", "p99", |percentiles| percentiles.p99),
    ("p90", "p90", |percentiles| percentiles.p90),
    ("p50", "p50", |percentiles| percentiles.p50),
];

/// What an error is called, how the style sheet calls it, and where it is counted.
type Kind = (&'static str, &'static str, fn(&Bin) -> u64);

/// Every plot that has something to show, in the order of the report. A heat map stands behind its latency.
pub(super) fn all(document: &Document, bins: &Bins) -> Vec<Plot> {
    let bins = &bins.bins;
    [
        throughput(bins),
        latency("puback", "PUBACK latency", "acknowledged", bins, |bin| bin.puback),
        latency("delivery", "Delivery latency", "delivered", bins, |bin| bin.delivery),
        connected(document, bins),
        connects(bins),
        errors(bins),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The heat maps; each stands behind the plot whose name its own begins with.
pub(super) fn maps<'a>(document: &'a Document, bins: &'a Bins) -> [Map<'a>; 2] {
    let map = |id, title, counted, columns| Map {
        id,
        title,
        counted,
        bounds_micros: &document.heat.bounds_micros,
        columns,
    };
    [
        map("puback-heat", "PUBACK latency as a heat map", "acknowledgements", &bins.puback_heat),
        map("delivery-heat", "Delivery latency as a heat map", "deliveries", &bins.delivery_heat),
    ]
}

fn line(name: &str, class: &str, bins: &[Bin], value: impl Fn(&Bin) -> f64) -> Series {
    Series::new(name, class, bins.iter().map(|bin| Some(value(bin))).collect())
}

fn throughput(bins: &[Bin]) -> Option<Plot> {
    let rate = |count: fn(&Bin) -> u64| move |bin: &Bin| bin.per_second(count(bin));
    let mut series = vec![
        line("due", "due", bins, rate(|bin| bin.due)),
        line("sent", "sent", bins, rate(|bin| bin.sent)),
        line("acknowledged", "acknowledged", bins, rate(|bin| bin.acknowledged)),
    ];
    if bins.iter().any(|bin| bin.received > 0) {
        series.push(line("received", "received", bins, rate(|bin| bin.received)));
    }
    let peak = bins.iter().max_by(|one, other| {
        one.per_second(one.acknowledged).total_cmp(&other.per_second(other.acknowledged))
    })?;
    Some(Plot {
        id: "throughput",
        title: "Throughput",
        caption: format!(
            "Messages in each second. The most acknowledged were {}/s, at {}.",
            number(peak.per_second(peak.acknowledged).round()),
            moment(peak.at_secs)
        ),
        unit: Unit::PerSecond,
        spread: Spread::Even,
        series,
    })
}

fn latency(
    id: &'static str,
    title: &'static str,
    until: &str,
    bins: &[Bin],
    of: fn(&Bin) -> Option<Percentiles>,
) -> Option<Plot> {
    let worst = bins.iter().filter(|bin| of(bin).is_some()).max_by_key(|bin| of(bin).map(|all| all.p99))?;
    let series = PERCENTILES.map(|(name, class, value)| {
        let values = bins.iter().map(|bin| of(bin).map(|percentiles| value(&percentiles) as f64));
        Series::new(name, class, values.collect())
    });
    Some(Plot {
        id,
        title,
        caption: format!(
            "From the moment a message was due until it was {until}; each step upwards is ten times as long. The worst \
             p99 was {}, at {}.",
            micros(of(worst)?.p99 as f64),
            moment(worst.at_secs)
        ),
        unit: Unit::Micros,
        spread: Spread::Tenfold,
        series: series.into(),
    })
}

fn connected(document: &Document, bins: &[Bin]) -> Option<Plot> {
    let most = bins.iter().max_by_key(|bin| bin.connected)?;
    Some(Plot {
        id: "connected",
        title: "Connections",
        caption: format!(
            "Devices connected at the end of each second, at most {} of {}.",
            count(most.connected),
            count(document.devices)
        ),
        unit: Unit::Count,
        spread: Spread::Even,
        series: vec![line("connected", "connected", bins, |bin| bin.connected as f64)],
    })
}

fn connects(bins: &[Bin]) -> Option<Plot> {
    let rate = |count: fn(&Bin) -> u64| move |bin: &Bin| bin.per_second(count(bin));
    let busiest = bins.iter().filter(|bin| bin.connects > 0).max_by_key(|bin| bin.connects)?;
    let mut series = vec![line("connects", "connected", bins, rate(|bin| bin.connects))];
    if bins.iter().any(|bin| bin.full.max(bin.resumed) > 0) {
        series.push(line("full", "sent", bins, rate(|bin| bin.full)));
        series.push(line("resumed", "received", bins, rate(|bin| bin.resumed)));
    }
    Some(Plot {
        id: "connects",
        title: "Connects",
        caption: format!(
            "Successful connects and the TLS handshakes before them in each second. The most were {}/s, at {}.",
            number(busiest.per_second(busiest.connects).round()),
            moment(busiest.at_secs)
        ),
        unit: Unit::PerSecond,
        spread: Spread::Even,
        series,
    })
}

fn errors(bins: &[Bin]) -> Option<Plot> {
    let worst = bins.iter().filter(|bin| bin.errors() > 0).max_by_key(|bin| bin.errors())?;
    let kinds: [Kind; 4] = [
        ("connect failed", "reason-0", |bin| bin.connect_failures),
        ("disconnected", "reason-1", |bin| bin.disconnects),
        ("not sent", "reason-2", |bin| bin.not_sent),
        ("refused", "reason-3", |bin| bin.refused),
    ];
    let series = kinds.into_iter().filter(|(_, _, count)| bins.iter().any(|bin| count(bin) > 0));
    Some(Plot {
        id: "errors",
        title: "Errors",
        caption: format!(
            "What went wrong in each second; the reasons are listed below. The most were {}/s, at {}.",
            number(worst.per_second(worst.errors()).round()),
            moment(worst.at_secs)
        ),
        unit: Unit::PerSecond,
        spread: Spread::Even,
        series: series
            .map(|(name, class, count)| line(name, class, bins, |bin| bin.per_second(count(bin))))
            .collect(),
    })
}
