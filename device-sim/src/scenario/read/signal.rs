//! `values = { name = … }`: constants, lists, and tables that name a kind of change.

use std::sync::Arc;
use std::time::Duration;

use toml::de::DeValue;

use super::Value;
use super::section::{Section, hint, integer, listed, number};
use super::tables;
use crate::scenario::{Fake, Field, Period, Point, Route, Signal, Template};

/// Values on one level.
const MEMBERS_MAX: usize = 1024;
/// Levels of maps and lists in one another.
const DEPTH_MAX: u32 = 16;
/// No number of a signal is further from 0.
const NUMBER_MAX: f64 = 1e12;
/// Digits after the point.
const DECIMALS_MAX: u64 = 6;
const STATES_MAX: usize = 1024;
const POINTS_MAX: usize = 10_000;

type Read = fn(&Section<'_, '_>) -> Option<Signal>;

/// Kinds of change: the key that names each, and what reads it. The first ones are tables of their own; `states` and
/// `fake` stand beside their options.
const KINDS: &[(&str, Read)] = &[
    ("walk", |section| inner(section, "walk", "a walk", walk)),
    ("around", |section| inner(section, "around", "`around`", around)),
    ("sine", |section| inner(section, "sine", "a sine", sine)),
    ("uniform", |section| inner(section, "uniform", "`uniform`", uniform)),
    ("counter", |section| inner(section, "counter", "a counter", counter)),
    ("gps", |section| inner(section, "gps", "`gps`", gps)),
    ("csv", |section| inner(section, "csv", "`csv`", csv)),
    ("map", |section| inner(section, "map", "a map", |inner| Some(Signal::Map(members(inner))))),
    ("chance", |section| section.number("chance", 0.0..=1.0).map(|(chance, _)| Signal::Chance(chance))),
    ("states", states),
    ("fake", fake),
];

/// All members of a table, in the order in which they are written.
pub(super) fn members(section: &Section<'_, '_>) -> Vec<Field> {
    let members = section.members();
    if let Some((_, span, _)) = members.get(MEMBERS_MAX) {
        section.reader.refuse(span.clone(), format!("there are more than {MEMBERS_MAX} values"));
        return Vec::new();
    }
    let field = |(name, _, value): (&str, _, &Value<'_>)| {
        Some(Field { name: name.into(), signal: signal(section, name, value, 0)? })
    };
    members.into_iter().filter_map(field).collect()
}

fn signal(section: &Section<'_, '_>, name: &str, value: &Value<'_>, depth: u32) -> Option<Signal> {
    let refuse = |message: String| {
        section.reader.refuse(value.span(), message);
        None
    };
    match value.get_ref() {
        DeValue::String(text) => match Template::parse(text) {
            Ok(template) => Some(Signal::Text(template)),
            Err(unknown) => {
                section.refuse_placeholder(&unknown, value.span(), Template::known());
                None
            }
        },
        DeValue::Boolean(value) => Some(Signal::Boolean(*value)),
        whole @ DeValue::Integer(_) => match integer(whole).and_then(|number| i64::try_from(number).ok()) {
            Some(number) => Some(Signal::Integer(number)),
            None => refuse(format!("`{name}` is too large")),
        },
        float @ DeValue::Float(_) => match number(float) {
            Some(number) => Some(Signal::Number(number)),
            None => refuse(format!("`{name}` is not a finite number")),
        },
        DeValue::Array(items) if depth < DEPTH_MAX && items.len() <= MEMBERS_MAX => {
            let elements = items.iter().map(|item| signal(section, name, item, depth + 1));
            elements.collect::<Option<Vec<_>>>().map(Signal::List)
        }
        DeValue::Array(_) => {
            refuse(format!("`{name}` has more than {MEMBERS_MAX} elements or {DEPTH_MAX} levels"))
        }
        DeValue::Table(table) => kind(&Section::new(section.reader, table, value.span(), "a value"), name),
        DeValue::Datetime(_) => refuse(format!("`{name}` is a date; write it as a text")),
    }
}

fn kind(section: &Section<'_, '_>, name: &str) -> Option<Signal> {
    let named = KINDS.iter().find(|(key, _)| section.has(key));
    let Some((_, read)) = named else {
        let names = || KINDS.iter().map(|(key, _)| *key);
        let wrong = section.members().first().map(|(key, _, _)| *key);
        let message = match wrong {
            Some(wrong) => {
                let hint = hint(wrong, names(), "there are");
                format!("`{name}` names no kind of change, but `{wrong}`{hint}")
            }
            None => format!("`{name}` names no kind of change; there are {}", listed(names())),
        };
        section.reader.refuse(section.span.clone(), message);
        return None;
    };
    let signal = read(section);
    section.finish();
    signal
}

fn inner(section: &Section<'_, '_>, key: &'static str, whose: &'static str, read: Read) -> Option<Signal> {
    let inner = section.section(key, whose)?;
    let signal = read(&inner);
    // A map's members are all its own.
    if key != "map" {
        inner.finish();
    }
    signal
}

fn value(section: &Section<'_, '_>, key: &'static str, default: f64) -> f64 {
    section.number(key, -NUMBER_MAX..=NUMBER_MAX).map_or(default, |(number, _)| number)
}

fn decimals(section: &Section<'_, '_>, default: u8) -> u8 {
    let given = section.whole("decimals", 0..=DECIMALS_MAX);
    given.and_then(|(digits, _)| u8::try_from(digits).ok()).unwrap_or(default)
}

fn bounds(section: &Section<'_, '_>) -> Option<(f64, f64)> {
    let (min, max) = (value(section, "min", -NUMBER_MAX), value(section, "max", NUMBER_MAX));
    if min > max {
        section
            .reader
            .refuse(section.span.clone(), format!("`min` is {min} and `max` is {max}; it cannot be less"));
        return None;
    }
    Some((min, max))
}

fn walk(section: &Section<'_, '_>) -> Option<Signal> {
    let (min, max) = bounds(section)?;
    let (from, step) = (value(section, "from", 0.0), section.number("step", 0.0..=NUMBER_MAX));
    if !section.has("step") {
        section.missing("step", "walk = { from = 20.0, step = 0.1, min = -10.0, max = 50.0, decimals = 1 }");
    }
    if !(min..=max).contains(&from) {
        section.reader.refuse(section.span.clone(), format!("the walk begins at {from}, outside its bounds"));
    }
    Some(Signal::Walk { from, step: step?.0, min, max, decimals: decimals(section, 1) })
}

fn around(section: &Section<'_, '_>) -> Option<Signal> {
    let (min, max) = bounds(section)?;
    if !section.has("mean") {
        section.missing("mean", "around = { mean = 20.0, deviation = 2.0 }");
    }
    Some(Signal::Around {
        mean: value(section, "mean", 0.0),
        deviation: section.number("deviation", 0.0..=NUMBER_MAX).map_or(1.0, |(deviation, _)| deviation),
        memory: section.number("memory", 0.0..=0.999_999).map_or(0.9, |(memory, _)| memory),
        min,
        max,
        decimals: decimals(section, 1),
    })
}

fn sine(section: &Section<'_, '_>) -> Option<Signal> {
    if !section.has("period_secs") {
        section.missing("period_secs", "sine = { mean = 10.0, amplitude = 4.0, period_secs = 3600 }");
    }
    Some(Signal::Sine {
        mean: value(section, "mean", 0.0),
        amplitude: value(section, "amplitude", 1.0),
        phase: section.number("phase", 0.0..=1.0).map(|(phase, _)| phase),
        noise: section.number("noise", 0.0..=NUMBER_MAX).map_or(0.0, |(noise, _)| noise),
        decimals: decimals(section, 1),
        period: section.some_secs("period_secs").unwrap_or(Duration::from_secs(1)),
    })
}

fn uniform(section: &Section<'_, '_>) -> Option<Signal> {
    for (key, example) in [("min", "min = 0.0"), ("max", "max = 1.0")] {
        if !section.has(key) {
            section.missing(key, example);
        }
    }
    let (min, max) = bounds(section)?;
    Some(Signal::Uniform { min, max, decimals: decimals(section, 1) })
}

fn counter(section: &Section<'_, '_>) -> Option<Signal> {
    let step = section.range("step", -NUMBER_MAX..=NUMBER_MAX).map_or([1.0, 1.0], |(step, _)| step);
    Some(Signal::Counter { from: value(section, "from", 0.0), step, decimals: decimals(section, 0) })
}

fn gps(section: &Section<'_, '_>) -> Option<Signal> {
    let speed_kmh = section.number("speed_kmh", 0.0..=100_000.0).map_or(50.0, |(speed, _)| speed);
    let noise_metres = section.number("noise_metres", 0.0..=10_000.0).map_or(3.0, |(noise, _)| noise);
    let Some(route) = section.value("route") else {
        section.missing("route", "gps = { route = [[52.5, 13.4], [52.6, 13.5]], speed_kmh = 50 }");
        return None;
    };
    let points = match route.get_ref() {
        DeValue::Array(points) if points.len() <= POINTS_MAX => {
            points.iter().map(point).collect::<Option<Vec<_>>>()
        }
        _ => None,
    };
    let Some(line) = points.and_then(Route::new) else {
        let message = "`route` is a list of at least two points on the earth, [latitude, longitude] in degrees, \
                       that are more than a metre apart";
        section.reader.refuse(route.span(), message);
        return None;
    };
    Some(Signal::Gps { route: Arc::new(line), speed_kmh, noise_metres })
}

fn point(value: &Value<'_>) -> Option<Point> {
    match value.get_ref() {
        DeValue::Array(numbers) => match &**numbers {
            [latitude, longitude] => {
                Some(Point { latitude: number(latitude.get_ref())?, longitude: number(longitude.get_ref())? })
            }
            _ => None,
        },
        _ => None,
    }
}

fn states(section: &Section<'_, '_>) -> Option<Signal> {
    let texts = section.texts("states")?;
    if texts.is_empty() || texts.len() > STATES_MAX {
        section.reader.refuse(section.span.clone(), format!("there are 1 to {STATES_MAX} `states`"));
        return None;
    }
    let dwell_secs = section.range("dwell_secs", 0.001..=1e8).map_or([10.0, 60.0], |(secs, _)| secs);
    let in_order = section.choice("order", &[("random", false), ("given", true)]).unwrap_or(false);
    Some(Signal::States {
        states: texts.iter().map(|(text, _)| (*text).into()).collect(),
        dwell_secs,
        in_order,
    })
}

fn fake(section: &Section<'_, '_>) -> Option<Signal> {
    let per = section.choice("per", &[("device", Period::Device), ("message", Period::Message)]);
    let fake = section.choice("fake", Fake::ALL)?;
    Some(Signal::Fake { fake, per: per.unwrap_or(Period::Device) })
}

fn csv(section: &Section<'_, '_>) -> Option<Signal> {
    let spread = section.choice("start", &[("first", false), ("spread", true)]).unwrap_or(false);
    let wanted = section.text("column");
    let Some((name, span)) = section.text("file") else {
        if !section.has("file") {
            section.missing("file", "csv = { file = \"rows.csv\", column = \"temperature\" }");
        }
        return None;
    };
    let (path, text) = section.reader.file(name, span.clone(), "table")?;
    let table = match tables::table(&text) {
        Ok(table) => Arc::new(table),
        Err((line, message)) => {
            section.reader.refuse_file(span, &path, line, message);
            return None;
        }
    };
    let column = match wanted {
        None => None,
        Some((wanted, span)) => {
            let found = table.columns.iter().position(|column| **column == *wanted);
            if found.is_none() {
                let hint = hint(wanted, table.columns.iter().map(|column| &**column), "there are");
                section.reader.refuse(span, format!("`{}` has no column `{wanted}`{hint}", path.display()));
                return None;
            }
            found
        }
    };
    Some(Signal::Csv { table, column, spread })
}
