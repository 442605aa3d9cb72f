//! What a message says: templates, readings, and the checksum that proves a message arrived as it was sent.

use std::fmt::Write;

use crate::error::Error;
use crate::random::Random;
use crate::truth::proof::{CHECKSUM_CHARACTERS, Origin, Proof, checksum_json, run_number};

/// The payload when none is given.
pub(crate) const DEFAULT_PAYLOAD: &str = concat!(
    r#"{"deviceId":"{device}","sequence":{sequence},"sentAtMs":{sent_at_ms},"dueMicros":{due_micros},"#,
    r#""temperature":{temperature},"humidity":{humidity},"line":"{line}","run":"{run}","checksum":"{checksum}"}"#
);

/// What a payload template may use.
const PAYLOAD_PLACEHOLDERS: &[(&str, Placeholder)] = &[
    ("device", Placeholder::Device),
    ("sequence", Placeholder::Sequence),
    ("sent_at_ms", Placeholder::SentAtMs),
    ("due_micros", Placeholder::DueMicros),
    ("temperature", Placeholder::Temperature),
    ("humidity", Placeholder::Humidity),
    ("line", Placeholder::Line),
    ("run", Placeholder::Run),
    ("checksum", Placeholder::Checksum),
    ("padding", Placeholder::Padding),
];

/// What a topic template may use: what stays the same for a device.
pub(crate) const TOPIC_PLACEHOLDERS: &[(&str, Placeholder)] =
    &[("device", Placeholder::Device), ("line", Placeholder::Line), ("run", Placeholder::Run)];

/// Something that is filled in for each message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placeholder {
    Device,
    Sequence,
    SentAtMs,
    DueMicros,
    Temperature,
    Humidity,
    Line,
    Run,
    Checksum,
    Padding,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Filled(Placeholder),
}

/// A text with placeholders, parsed once.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

impl Template {
    /// Parses a template. A `{` that does not begin `{name}` is an ordinary character, as in JSON.
    pub(crate) fn parse(
        text: &str,
        place: &'static str,
        known: &[(&str, Placeholder)],
    ) -> Result<Self, Error> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            literal.push_str(&rest[..open]);
            rest = &rest[open..];
            let Some(name) = placeholder_name(rest) else {
                literal.push('{');
                rest = &rest[1..];
                continue;
            };
            let placeholder = known.iter().find(|(candidate, _)| *candidate == name);
            let (_, placeholder) = placeholder.ok_or_else(|| unknown(name, place, known))?;
            parts.push(Part::Text(std::mem::take(&mut literal)));
            parts.push(Part::Filled(*placeholder));
            rest = &rest[name.len() + 2..];
        }
        literal.push_str(rest);
        parts.push(Part::Text(literal));
        Ok(Self { parts })
    }

    /// Parses a payload template, and gives a JSON object a member for padding if it needs one.
    pub(crate) fn payload(text: &str, padded: bool) -> Result<Self, Error> {
        let place = "the payload template";
        let template = Self::parse(text, place, PAYLOAD_PLACEHOLDERS)?;
        if !padded || template.uses(Placeholder::Padding) {
            return Ok(template);
        }
        let body = text.trim_end().strip_suffix('}').ok_or(Error::NoPadding)?;
        let comma = if body.trim_end().ends_with('{') { "" } else { "," };
        Self::parse(&format!("{body}{comma}\"padding\":\"{{padding}}\"}}"), place, PAYLOAD_PLACEHOLDERS)
    }

    fn uses(&self, wanted: Placeholder) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Filled(placeholder) if *placeholder == wanted))
    }

    /// No rendering is longer, in bytes.
    pub(crate) fn bytes_max(&self, padding_bytes: usize, run_bytes: usize) -> usize {
        let part = |part: &Part| match part {
            Part::Text(text) => text.len(),
            Part::Filled(Placeholder::Padding) => padding_bytes,
            Part::Filled(Placeholder::Run) => run_bytes,
            // A client id has 65,535 bytes at most, but a certificate's file name 255.
            Part::Filled(Placeholder::Device) => 255,
            Part::Filled(_) => CHECKSUM_CHARACTERS,
        };
        self.parts.iter().map(part).sum()
    }

    /// Fills in a message.
    pub(crate) fn render(&self, message: &Message<'_>, padding: &str) -> String {
        let mut text = String::with_capacity(self.bytes_max(padding.len(), message.run.len()).min(4096));
        let mut checksums = Vec::new();
        for part in &self.parts {
            if let Part::Filled(Placeholder::Checksum) = part {
                checksums.push(text.len());
            }
            let written = match part {
                Part::Text(literal) => text.write_str(literal),
                Part::Filled(placeholder) => fill(&mut text, *placeholder, message, padding),
            };
            written.expect("writing to a string cannot fail");
        }
        if !checksums.is_empty()
            && let Some(checksum) = message.checksum(&text)
        {
            checksums.into_iter().for_each(|at| text.replace_range(at..at + CHECKSUM_CHARACTERS, &checksum));
        }
        text
    }
}

fn fill(
    text: &mut String,
    placeholder: Placeholder,
    message: &Message<'_>,
    padding: &str,
) -> std::fmt::Result {
    match placeholder {
        Placeholder::Device => text.write_str(message.device),
        Placeholder::Sequence => write!(text, "{}", message.sequence),
        Placeholder::SentAtMs => write!(text, "{}", message.due_micros / 1000),
        Placeholder::DueMicros => write!(text, "{}", message.due_micros),
        Placeholder::Temperature => tenths(text, message.reading.temperature_tenths),
        Placeholder::Humidity => tenths(text, message.reading.humidity_tenths),
        Placeholder::Line => text.write_str(message.line),
        Placeholder::Run => text.write_str(message.run),
        Placeholder::Checksum => write!(text, "{:0CHECKSUM_CHARACTERS$}", 0),
        Placeholder::Padding => text.write_str(padding),
    }
}

fn tenths(text: &mut String, value: i32) -> std::fmt::Result {
    let sign = if value < 0 { "-" } else { "" };
    write!(text, "{sign}{}.{}", value.unsigned_abs() / 10, value.unsigned_abs() % 10)
}

/// `name` of a text that begins with `{name}`.
fn placeholder_name(text: &str) -> Option<&str> {
    let (name, _) = text.strip_prefix('{')?.split_once('}')?;
    let looks_like_one =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    looks_like_one.then_some(name)
}

fn unknown(name: &str, place: &'static str, known: &[(&str, Placeholder)]) -> Error {
    let nearest = known
        .iter()
        .map(|(candidate, _)| (strsim::damerau_levenshtein(candidate, name), *candidate))
        .min()
        .filter(|(distance, _)| *distance <= 3);
    let hint = nearest.map_or(String::new(), |(_, candidate)| format!(", did you mean `{{{candidate}}}`?"));
    let known = known.iter().map(|(name, _)| format!("`{{{name}}}`")).collect::<Vec<_>>().join(" ");
    Error::Placeholder { name: name.to_owned(), place, hint, known }
}

/// One message's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    pub(crate) device: &'a str,
    /// From 1, for each device in each run.
    pub(crate) sequence: u64,
    /// When it was due, in microseconds since 1970: an event's age then includes the time it waited to be sent.
    pub(crate) due_micros: u64,
    pub(crate) reading: Reading,
    pub(crate) line: &'a str,
    pub(crate) run: &'a str,
}

impl Message<'_> {
    /// Of a text that is complete but for this. None can be made if it is no JSON object.
    fn checksum(&self, text: &str) -> Option<String> {
        let origin = Origin { device_id: self.device, run: self.run, clock_ahead_ms: 0 };
        let proof = Proof {
            run: run_number(self.run),
            device: 0,
            sequence: self.sequence,
            due_micros: self.due_micros,
        };
        let checksum = checksum_json(text.as_bytes(), &origin, &proof)?;
        Some(checksum.iter().copied().map(char::from).collect())
    }
}

/// What a device measures, in tenths: of a degree, and of a per cent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) temperature_tenths: i32,
    pub(crate) humidity_tenths: i32,
}

/// A device's readings: a random walk that is drawn back to its mean.
#[derive(Clone, Debug)]
pub(crate) struct Sensor {
    random: Random,
    /// In deviations from the mean.
    temperature: f64,
    humidity: f64,
}

impl Sensor {
    /// How much of the last reading's distance from the mean stays in the next one.
    const MEMORY: f64 = 0.9;
    /// A mean of 72 and a deviation of 6.24 put one reading in ten above 80 and 97 in a hundred between 60 and 90.
    const TEMPERATURE: (f64, f64) = (72.0, 6.24);
    const HUMIDITY: (f64, f64) = (45.0, 8.0);

    /// The sensor of the device with this index.
    pub(crate) fn new(seed: u64, device: u32) -> Self {
        let mut random = Random::new(seed, u64::from(device) * 2 + 1);
        let (temperature, humidity) = (random.bell(), random.bell());
        Self { random, temperature, humidity }
    }

    /// The next reading.
    pub(crate) fn read(&mut self) -> Reading {
        // Keeps the deviation at one whatever the memory.
        let fresh = (1.0 - Self::MEMORY * Self::MEMORY).sqrt();
        self.temperature = self.temperature * Self::MEMORY + self.random.bell() * fresh;
        self.humidity = self.humidity * Self::MEMORY + self.random.bell() * fresh;
        let reading =
            |(mean, deviation): (f64, f64), walk: f64| ((mean + deviation * walk) * 10.0).round() as i32;
        Reading {
            temperature_tenths: reading(Self::TEMPERATURE, self.temperature),
            humidity_tenths: reading(Self::HUMIDITY, self.humidity).clamp(0, 1000),
        }
    }
}

/// The production line that a device stands at: `line-1` to `line-4`.
pub(crate) fn line(device: u32) -> &'static str {
    const LINES: [&str; 4] = ["line-1", "line-2", "line-3", "line-4"];
    LINES[device as usize % LINES.len()]
}

#[cfg(test)]
mod tests;
