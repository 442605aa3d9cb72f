//! `[[fleet.publish]]`.

use std::sync::Arc;
use std::time::Duration;

use toml::de::DeValue;

use super::fleet::topic;
use super::payload;
use super::section::{Section, hint, number};
use super::tables;
use crate::scenario::{Format, Publication, Qos, QosMix, Timing, Trace};

const PUBLICATIONS_MAX: usize = 64;
/// A day.
const INTERVAL_MS_MAX: u64 = 86_400_000;
const MESSAGES_MAX: u64 = 1_000_000_000;
/// How messages can be timed; exactly one of them.
const TIMINGS: &[&str] = &["every_ms", "poisson_per_second", "trace", "saturate"];

pub(super) fn read_all(fleet: &Section<'_, '_>) -> Vec<Publication> {
    let mut publications = Vec::new();
    for (section, number) in fleet.sections("publish", "a publication", PUBLICATIONS_MAX).into_iter().zip(0..)
    {
        publications.extend(read(&section, number));
        section.finish();
    }
    publications
}

fn read(section: &Section<'_, '_>, number: u16) -> Option<Publication> {
    if !section.has("topic") {
        section.missing("topic", "topic = \"plant/{device}/telemetry\"");
    }
    let topic = topic(section, "topic");
    let payload = payload::read(section);
    let timing = timing(section, payload.as_ref().map_or(Format::Json, |payload| payload.format));
    Some(Publication {
        number,
        qos: qos(section).unwrap_or(QosMix::only(Qos::AtLeastOnce)),
        retain: section.boolean("retain").unwrap_or(false),
        jitter: jitter(section, timing.as_ref()),
        messages_max: section.whole("messages", 1..=MESSAGES_MAX).map(|(count, _)| count),
        topic: topic?,
        timing: timing?,
        payload: Arc::new(payload?),
    })
}

fn jitter(section: &Section<'_, '_>, timing: Option<&Timing>) -> f64 {
    let given = section.number("jitter", 0.0..=1.0);
    match (given, timing) {
        (Some((jitter, _)), Some(Timing::Every(_)) | None) => jitter,
        (Some((jitter, span)), Some(_)) => {
            section
                .reader
                .refuse(span, "`jitter` makes `every_ms` irregular, and nothing else; leave it out");
            jitter
        }
        (None, _) => 0.2,
    }
}

fn timing(section: &Section<'_, '_>, format: Format) -> Option<Timing> {
    match section.one_of(TIMINGS, "every_ms = 1000")? {
        "every_ms" => {
            let (ms, _) = section.whole("every_ms", 1..=INTERVAL_MS_MAX)?;
            Some(Timing::Every(Duration::from_millis(ms)))
        }
        "poisson_per_second" => {
            let (per_second, _) = section.number("poisson_per_second", 0.000_01..=100_000.0)?;
            Some(Timing::Poisson { per_second })
        }
        "trace" => trace(section, format).map(|trace| Timing::Trace(Arc::new(trace))),
        _ => match section.boolean("saturate")? {
            true => Some(Timing::Saturate),
            false => {
                section.missing("every_ms", "every_ms = 1000");
                None
            }
        },
    }
}

fn trace(section: &Section<'_, '_>, format: Format) -> Option<Trace> {
    let (name, span) = section.text("trace")?;
    let (path, text) = section.reader.file(name, span.clone(), "trace")?;
    match tables::trace(&text, format) {
        Ok(trace) => Some(trace),
        Err((line, message)) => {
            section.reader.refuse_file(span, &path, line, message);
            None
        }
    }
}

/// A number, or a table of shares.
fn qos(section: &Section<'_, '_>) -> Option<QosMix> {
    let value = section.value("qos")?;
    let DeValue::Table(table) = value.get_ref() else {
        return section
            .whole("qos", 0..=2)
            .and_then(|(number, _)| Qos::from_number(number))
            .map(QosMix::only);
    };
    let mut shares = [0.0; 3];
    for (key, value) in table {
        let name: &str = key.get_ref();
        match (["0", "1", "2"].iter().position(|known| *known == name), number(value.get_ref())) {
            (Some(qos), Some(share)) => shares[qos] = share,
            (Some(_), None) => {
                section.reader.refuse(value.span(), format!("the share of QoS {name} must be a number"));
            }
            (None, _) => {
                let hint = hint(name, ["0", "1", "2"].into_iter(), "there are");
                section.reader.refuse(key.span(), format!("unknown quality of service `{name}`{hint}"));
            }
        }
    }
    let mix = QosMix::shares(shares);
    if mix.is_none() {
        section
            .reader
            .refuse(value.span(), "the shares of QoS 0, 1 and 2 must be positive numbers, not all 0");
    }
    mix
}
