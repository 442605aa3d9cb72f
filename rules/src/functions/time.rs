//! Times as text and back. Zones are UTC and fixed offsets; region names need a database of their own and are refused.
//!
//! `parse_time` prints by Joda's pattern letters, `time_to_epoch` reads by those of Java's `DateTimeFormatter`; the
//! letters both know mean the same, and letters outside the lists here are refused when the rule is created.

mod calendar;
mod pattern;
#[cfg(test)]
mod tests;

use super::ArgumentKind::{Number as Num, ReadPattern, WritePattern, Zone};
use super::{ArgumentKind, Call, Function, example, one, optional};
use crate::number::Number;
use crate::statement::SqlVersion::V2016;
use crate::value::Value;
use pattern::Pattern;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "parse_time",
        arguments: &[one("pattern", WritePattern), one("milliseconds", Num), optional("zone", Zone)],
        since: V2016,
        description: "Milliseconds since 1970 as text, in UTC or the zone given.",
        examples: &[
            example("parse_time('yyyy-MM-dd HH:mm:ss', 86400000)", "\"1970-01-02 00:00:00\""),
            example("parse_time('yyyy.MM.dd G ''at'' HH:mm', 0, '-06:00')", "\"1969.12.31 AD at 18:00\""),
            example("parse_time('EEEE d MMM, h:mm a', timestamp())", "\"Monday 10 Jun, 6:13 AM\""),
        ],
        evaluate: parse_time,
    },
    Function {
        name: "time_to_epoch",
        arguments: &[one("text", ArgumentKind::String), one("pattern", ReadPattern)],
        since: V2016,
        description: "A text as milliseconds since 1970; in UTC when the text names no zone.",
        examples: &[
            example(
                "time_to_epoch('2020-04-03 09:45:18 UTC+01:00', 'yyyy-MM-dd HH:mm:ss VV')",
                "1585903518000",
            ),
            example("time_to_epoch('18 December 2015', 'dd MMMM yyyy')", "1450396800000"),
            example("time_to_epoch('31 February 2015', 'dd MMMM yyyy')", "Undefined"),
        ],
        evaluate: time_to_epoch,
    },
];

/// The times that are printed and read: the years 0001 to 9999.
const MILLISECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;

/// What is wrong with a literal argument; `Ok` for kinds that have nothing to check.
pub(super) fn check_literal(kind: ArgumentKind, text: &str) -> Result<(), String> {
    match kind {
        WritePattern => Pattern::parse(text, pattern::WRITTEN).map(|_| ()),
        ReadPattern => Pattern::parse(text, pattern::READ).map(|_| ()),
        Zone if zone_offset_minutes(text).is_none() => {
            Err(format!("time zone `{text}` is not supported; write `UTC` or an offset such as `+01:00`"))
        }
        _ => Ok(()),
    }
}

fn parse_time<'v>(call: &Call<'_, 'v>) -> Value<'v> {
    let Value::String(pattern) = call.argument(0) else { return Value::Undefined };
    let offset = match call.arguments.get(2) {
        None => Some(0),
        Some(Value::String(zone)) => zone_offset_minutes(zone),
        Some(_) => None,
    };
    let milliseconds = call.argument(1).to_index().filter(|milliseconds| MILLISECONDS.contains(milliseconds));
    match (Pattern::parse(pattern, pattern::WRITTEN), milliseconds, offset) {
        (Ok(pattern), Some(milliseconds), Some(offset)) => Value::string(pattern.print(milliseconds, offset)),
        _ => Value::Undefined,
    }
}

fn time_to_epoch<'v>(call: &Call<'_, 'v>) -> Value<'v> {
    let (Value::String(text), Value::String(pattern)) = (call.argument(0), call.argument(1)) else {
        return Value::Undefined;
    };
    let pattern = Pattern::parse(pattern, pattern::READ).ok();
    let milliseconds = pattern.and_then(|pattern| pattern.read(text));
    milliseconds.map_or(Value::Undefined, |milliseconds| Value::Number(Number::from(milliseconds)))
}

/// Minutes east of UTC of `UTC`, `GMT`, `Z`, `+01:00`, `+0100`, `+01` or `UTC+01:00`.
pub(super) fn zone_offset_minutes(zone: &str) -> Option<i64> {
    let rest = ["UTC", "GMT", "UT"].into_iter().find_map(|name| zone.strip_prefix(name)).unwrap_or(zone);
    if rest.is_empty() {
        return (!zone.is_empty()).then_some(0);
    }
    if rest == "Z" {
        return (rest == zone).then_some(0);
    }
    let sign = match rest.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits = &rest[1..];
    let (hours, minutes) = match digits.split_once(':') {
        Some((hours, minutes)) if hours.len() == 2 && minutes.len() == 2 => (hours, minutes),
        Some(_) => return None,
        None if digits.len() == 4 && digits.is_ascii() => digits.split_at(2),
        None if digits.len() <= 2 => (digits, "0"),
        None => return None,
    };
    if !hours.bytes().chain(minutes.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 18 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}
