//! Times as text and back.
//!
//! `parse_time` prints by the letters of Joda-Time's `DateTimeFormat`, `time_to_epoch` reads by those of Java's
//! `DateTimeFormatter`; a letter that the one or the other doesn't have is refused when the rule is created. The database
//! of time zones is part of the program.

mod fields;
mod names;
mod pattern;
mod read;
#[cfg(test)]
mod tests;
mod write;
mod zone;

use jiff::Timestamp;

use super::ArgumentKind::{Number as Num, ReadPattern, WritePattern, Zone as ZoneKind};
use super::{ArgumentKind, Call, Function, example, one, optional};
use crate::number::Number;
use crate::statement::SqlVersion::V2016;
use crate::value::Value;
use read::Reader;
use zone::Zone;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "parse_time",
        arguments: &[one("pattern", WritePattern), one("milliseconds", Num), optional("zone", ZoneKind)],
        since: V2016,
        description: "A time as text, by a pattern with Joda-Time's letters, in UTC or in the zone given: a region such as \
                      `America/Chicago`, or an offset. Undefined outside the years -9998 to 9998.",
        examples: &[
            example("parse_time('yyyy-MM-dd HH:mm:ss', 86400000)", "\"1970-01-02 00:00:00\""),
            example(
                "parse_time(\"yyyy.MM.dd G 'at' HH:mm:ss z\", 100000000, 'America/Belize')",
                "\"1970.01.01 AD at 21:46:40 CST\"",
            ),
            example("parse_time('EEEE d MMM, h:mm a', timestamp())", "\"Monday 10 Jun, 6:13 AM\""),
            example(
                "parse_time('HH:mm ZZ ZZZ zzzz', timestamp(), 'Europe/Paris')",
                "\"08:13 +02:00 Europe/Paris Central European Summer Time\"",
            ),
            example("parse_time('xxxx-''W''ww-e', timestamp())", "\"2024-W24-1\""),
        ],
        evaluate: parse_time,
    },
    Function {
        name: "time_to_epoch",
        arguments: &[one("text", ArgumentKind::String), one("pattern", ReadPattern)],
        since: V2016,
        description: "The time that a text names, by a pattern with the letters of Java's `DateTimeFormatter`; in UTC when the \
                      text names no zone. Undefined when the text doesn't fit the pattern, or there is no such time.",
        examples: &[
            example(
                "time_to_epoch('2020-04-03 09:45:18 UTC+01:00', 'yyyy-MM-dd HH:mm:ss VV')",
                "1585903518000",
            ),
            example("time_to_epoch('18 December 2015', 'dd MMMM yyyy')", "1450396800000"),
            example(
                "time_to_epoch('2007-12-03 10:15:30.592 America/Los_Angeles', 'yyyy-MM-dd HH:mm:ss.SSS z')",
                "1196705730592",
            ),
            example("time_to_epoch('2024-06-10T08:13Z', 'yyyy-MM-dd''T''HH:mm[:ss]X')", "1718007180000"),
            example("time_to_epoch('20240610081300', 'yyyyMMddHHmmss')", "1718007180000"),
            example("time_to_epoch('32 December 2015', 'dd MMMM yyyy')", "Undefined"),
        ],
        evaluate: time_to_epoch,
    },
];

/// What is wrong with a literal argument; `Ok` for kinds that have nothing to check.
pub(super) fn check_literal(kind: ArgumentKind, text: &str) -> Result<(), String> {
    match kind {
        WritePattern => write::parse(text).map(|_| ()),
        ReadPattern => Reader::parse(text).map(|_| ()),
        ZoneKind if Zone::parse(text).is_none() => Err(zone::complaint(text)),
        _ => Ok(()),
    }
}

fn parse_time<'v>(call: &Call<'_, 'v>) -> Value<'v> {
    let Some(pattern) = call.string(0).and_then(|pattern| write::parse(pattern).ok()) else {
        return Value::Undefined;
    };
    let zone = match call.arguments.get(2) {
        None => Some(Zone::utc()),
        Some(_) => call.string(2).and_then(Zone::parse),
    };
    let moment = call.argument(1).to_index().and_then(|millis| Timestamp::from_millisecond(millis).ok());
    match (moment, zone) {
        (Some(moment), Some(zone)) => Value::string(write::print(&pattern, moment, &zone)),
        _ => Value::Undefined,
    }
}

fn time_to_epoch<'v>(call: &Call<'_, 'v>) -> Value<'v> {
    let (Some(text), Some(pattern)) = (call.string(0), call.string(1)) else { return Value::Undefined };
    let reader = Reader::parse(pattern).ok();
    let moment = reader.and_then(|reader| reader.read(text)?.moment());
    moment.map_or(Value::Undefined, |moment| Value::Number(Number::from(moment.as_millisecond())))
}
