//! Time zones: UTC, fixed offsets and regions. The database of regions is part of the program, so that answers are the
//! same on every machine.

use std::sync::OnceLock;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

use super::names::{self, Style};
use crate::diagnostic::nearest;

/// The longest name of a region that is looked up, in bytes.
const REGION_BYTES_MAX: usize = 48;

/// The largest offset, in seconds: 18 hours, as in Java.
const OFFSET_SECONDS_MAX: i32 = 18 * 3600;

/// A time zone and what it is called.
#[derive(Debug, Clone)]
pub(super) struct Zone {
    rules: TimeZone,
    /// As `ZZZ` prints it: `UTC`, `+01:00` or the region.
    pub(super) id: String,
}

fn database() -> &'static TimeZoneDatabase {
    static DATABASE: OnceLock<TimeZoneDatabase> = OnceLock::new();
    DATABASE.get_or_init(TimeZoneDatabase::bundled)
}

impl Zone {
    /// UTC.
    pub(super) fn utc() -> Self {
        Self { rules: TimeZone::UTC, id: "UTC".to_owned() }
    }

    /// So many seconds east of UTC; `None` beyond 18 hours.
    pub(super) fn fixed(seconds: i32) -> Option<Self> {
        if seconds == 0 {
            return Some(Self::utc());
        }
        let offset = Offset::from_seconds(seconds).ok().filter(|_| seconds.abs() <= OFFSET_SECONDS_MAX)?;
        Some(Self { rules: TimeZone::fixed(offset), id: offset_text(seconds, true) })
    }

    /// The region with exactly this name.
    pub(super) fn region(name: &str) -> Option<Self> {
        // Names are found in any case, but Joda and Java know one.
        let rules = database().get(name).ok().filter(|rules| rules.iana_name() == Some(name))?;
        Some(Self { rules, id: name.to_owned() })
    }

    /// `UTC`, `GMT`, `UT`, `Z`, an offset, one of these words with an offset, or a region.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match Self::read(text) {
            Some((zone, "")) => Some(zone),
            _ => None,
        }
    }

    /// Reads a zone from the start of a text, the longest there is; what is left of the text.
    pub(super) fn read(text: &str) -> Option<(Self, &str)> {
        if let Some((seconds, rest)) = read_offset(text) {
            return Some((Self::fixed(seconds)?, rest));
        }
        let region = Self::read_region(text);
        for word in ["UTC", "GMT", "UT", "Z"] {
            let Some(rest) = text.strip_prefix(word) else { continue };
            if let Some((seconds, rest)) = read_offset(rest).filter(|_| word != "Z") {
                return Some((Self::fixed(seconds)?, rest));
            }
            // `Zulu` and the like are longer.
            return match region {
                Some((zone, after)) if after.len() < rest.len() => Some((zone, after)),
                _ => Some((Self::utc(), rest)),
            };
        }
        region
    }

    fn read_region(text: &str) -> Option<(Self, &str)> {
        let belongs = |byte: &u8| byte.is_ascii_alphanumeric() || b"/_+-".contains(byte);
        let most = text.bytes().take_while(belongs).take(REGION_BYTES_MAX).count();
        (1..=most).rev().find_map(|length| Some((Self::region(&text[..length])?, &text[length..])))
    }

    /// Reads what people call a zone, such as `PST` or `Pacific Standard Time`, or else a zone as by [`Zone::read`].
    pub(super) fn read_named(text: &str) -> Option<(Self, &str)> {
        let names = names::ZONES
            .iter()
            .flat_map(|zone| [zone.standard, zone.summer].map(|(short, full)| [(short, zone), (full, zone)]))
            .flatten();
        let mut best: Option<(&str, &str)> = None;
        for (name, zone) in names {
            if text.starts_with(name) && best.is_none_or(|(known, _)| known.len() < name.len()) {
                best = Some((name, zone.region));
            }
        }
        let plain = Self::read(text);
        match (best, plain) {
            (Some((name, region)), plain)
                if plain.as_ref().is_none_or(|(_, rest)| text.len() - rest.len() < name.len()) =>
            {
                Some((Self::region(region)?, &text[name.len()..]))
            }
            (_, plain) => plain,
        }
    }

    /// The date and time on the clocks of the zone, and how many seconds they are east of UTC.
    pub(super) fn local(&self, moment: Timestamp) -> (DateTime, i32) {
        let offset = self.rules.to_offset(moment);
        (offset.to_datetime(moment), offset.seconds())
    }

    /// What the clocks' time is called at a moment.
    pub(super) fn name(&self, moment: Timestamp, style: Style) -> String {
        let info = self.rules.to_offset_info(moment);
        let (abbreviation, seconds) = (info.abbreviation(), info.offset().seconds());
        let is_word = abbreviation.bytes().all(|byte| byte.is_ascii_alphabetic());
        match style {
            _ if self.rules.iana_name().is_none() && self.id != "UTC" => self.id.clone(),
            Style::Full => names::zone_name(abbreviation, seconds / 60)
                .map_or_else(|| offset_text(seconds, true), str::to_owned),
            Style::Short if is_word => abbreviation.to_owned(),
            Style::Short => offset_text(seconds, true),
        }
    }

    /// The moment when the clocks show a time. Of two (when they are put back) the earlier; one that they skip is as
    /// much later as they are put forward: as in Java. `preferred` is an offset that was named beside the zone.
    pub(super) fn moment(&self, local: DateTime, preferred: Option<i32>) -> Option<Timestamp> {
        let named =
            preferred.and_then(|seconds| Offset::from_seconds(seconds).ok()?.to_timestamp(local).ok());
        if let (Some(moment), Some(seconds)) = (named, preferred)
            && self.local(moment).1 == seconds
        {
            return Some(moment);
        }
        self.rules.to_ambiguous_timestamp(local).compatible().ok()
    }
}

/// What is wrong with the name of a zone that is none.
pub(super) fn complaint(text: &str) -> String {
    let regions: Vec<String> = database().available().map(|name| name.to_string()).collect();
    let advice = match nearest(text, regions.iter().map(String::as_str)).filter(|_| text.contains('/')) {
        Some(region) => format!("did you mean `{region}`?"),
        None => "write a region such as `America/Chicago`, an offset such as `+01:00`, or `UTC`".to_owned(),
    };
    format!("unknown time zone `{text}`; {advice}")
}

/// Reads `+1`, `+01`, `+0100`, `+01:00`, `+010000` or `+01:00:00`: seconds, and what is left.
fn read_offset(text: &str) -> Option<(i32, &str)> {
    let sign = match text.bytes().next()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, mut rest) = two_digits(&text[1..]).or_else(|| one_digit(&text[1..]))?;
    let mut seconds = hours * 3600;
    let colon = rest.starts_with(':');
    for unit in [60, 1] {
        let next = if colon { rest.strip_prefix(':') } else { Some(rest) };
        let Some((value, after)) = next.and_then(two_digits).filter(|(value, _)| *value < 60) else { break };
        seconds += value * unit;
        rest = after;
    }
    (seconds <= OFFSET_SECONDS_MAX).then_some((sign * seconds, rest))
}

pub(super) fn two_digits(text: &str) -> Option<(i32, &str)> {
    let digits = text.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some((digits.parse().ok()?, &text[2..]))
}

fn one_digit(text: &str) -> Option<(i32, &str)> {
    let digit = text.get(..1).filter(|digit| digit.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some((digit.parse().ok()?, &text[1..]))
}

/// `+01:00` or `+0100`; seconds only when there are some.
pub(super) fn offset_text(seconds: i32, colon: bool) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let separator = if colon { ":" } else { "" };
    let magnitude = seconds.abs();
    let mut text = format!("{sign}{:02}{separator}{:02}", magnitude / 3600, magnitude / 60 % 60);
    if magnitude % 60 != 0 {
        text.push_str(&format!("{separator}{:02}", magnitude % 60));
    }
    text
}
