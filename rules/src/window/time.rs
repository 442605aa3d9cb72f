//! The time of an event: milliseconds since 1970 as a number or numeric text, or a text of ISO 8601.

use super::frame::TIME_MS_MAX;
use crate::number::Number;
use crate::value::Value;

const DAY_MS: i64 = 86_400_000;

/// The time a value stands for; `None` for what is none, or before 1970, or after the year 9999.
pub(super) fn milliseconds(value: &Value<'_>) -> Option<i64> {
    let time = match value {
        Value::String(text) => match value.to_number() {
            Some(number) => whole(number),
            None => iso_8601(text.as_bytes()),
        },
        other => other.to_number().and_then(whole),
    };
    time.filter(|time| (0..=TIME_MS_MAX).contains(time))
}

fn whole(number: Number) -> Option<i64> {
    number.floor().to_i64()
}

/// `2024-05-01`, `2024-05-01T12:30`, `2024-05-01T12:30:05.250+02:00`; without a zone it is UTC. Digits beyond the
/// millisecond are cut off.
fn iso_8601(text: &[u8]) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let day = days(date)?;
    let Some((b'T' | b't' | b' ', rest)) = rest.split_first() else {
        return rest.is_empty().then_some(day * DAY_MS);
    };
    let (clock, rest) = rest.split_at_checked(5)?;
    let minutes = minutes(clock)?;
    let (milliseconds, rest) = match rest.split_first() {
        Some((b':', rest)) => seconds(rest)?,
        _ => (0, rest),
    };
    let offset = zone_minutes(rest)?;
    Some(day * DAY_MS + (minutes - offset) * 60_000 + milliseconds)
}

fn digits(text: &[u8]) -> Option<i64> {
    let value = text
        .iter()
        .try_fold(0i64, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')));
    value.filter(|_| !text.is_empty())
}

/// Days from 1970-01-01 to a date written `yyyy-mm-dd`.
fn days(date: &[u8]) -> Option<i64> {
    let (b'-', b'-') = (*date.get(4)?, *date.get(7)?) else { return None };
    let (year, month, day) = (digits(&date[..4])?, digits(&date[5..7])?, digits(&date[8..])?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(is_leap),
        _ => return None,
    };
    if year == 0 || !(1..=length).contains(&day) {
        return None;
    }
    // Years are counted from March, so that the leap day is the last day of a year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let before_year = year * 365 + year / 4 - year / 100 + year / 400;
    // Five months from March on have 153 days, in whichever year.
    Some(before_year + (153 * month + 2) / 5 + day - 1 - 719_468)
}

/// `hh:mm`
fn minutes(clock: &[u8]) -> Option<i64> {
    let b':' = *clock.get(2)? else { return None };
    let (hours, minutes) = (digits(&clock[..2])?, digits(&clock[3..])?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

/// `ss` or `ss.fff` in milliseconds, and what follows. A leap second counts as the second after it.
fn seconds(text: &[u8]) -> Option<(i64, &[u8])> {
    let (seconds, rest) = text.split_at_checked(2)?;
    let seconds = digits(seconds).filter(|seconds| *seconds <= 60)?;
    let Some((b'.' | b',', fraction)) = rest.split_first() else { return Some((seconds * 1000, rest)) };
    let length = fraction.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(fraction.len());
    let (fraction, rest) = fraction.split_at(length);
    if fraction.is_empty() {
        return None;
    }
    let thousandths =
        [100, 10, 1].iter().zip(fraction).map(|(weight, digit)| weight * i64::from(digit - b'0'));
    Some((seconds * 1000 + thousandths.sum::<i64>(), rest))
}

/// Minutes east of UTC of `Z`, `+hh:mm`, `+hhmm` or `+hh`; UTC when there is nothing.
fn zone_minutes(zone: &[u8]) -> Option<i64> {
    let (sign, rest) = match zone.split_first() {
        None => return Some(0),
        Some((b'Z' | b'z', rest)) => return rest.is_empty().then_some(0),
        Some((b'+', rest)) => (1, rest),
        Some((b'-', rest)) => (-1, rest),
        Some(_) => return None,
    };
    let (hours, minutes) = match rest.len() {
        2 => (digits(rest)?, 0),
        4 => (digits(&rest[..2])?, digits(&rest[2..])?),
        5 if rest[2] == b':' => (digits(&rest[..2])?, digits(&rest[3..])?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_are_times() {
        let time = |text: &str| milliseconds(&Value::string(text.to_owned()));
        assert_eq!(milliseconds(&Value::Number(Number::from(1_700_000_000_123))), Some(1_700_000_000_123));
        assert_eq!(time("1700000000123.9"), Some(1_700_000_000_123));
        assert_eq!(time("1970-01-01"), Some(0));
        assert_eq!(time("2024-02-29T12:00"), Some(1_709_208_000_000));
        assert_eq!(time("2024-02-29T12:00:05.25Z"), Some(1_709_208_005_250));
        assert_eq!(time("2024-02-29t12:00:05,123999+02:00"), Some(1_709_200_805_123));
        assert_eq!(time("2024-02-29 12:00:05-0130"), Some(1_709_213_405_000));
        assert_eq!(time("9999-12-31T23:59:59.999Z"), Some(TIME_MS_MAX));
    }

    #[test]
    fn other_values_are_none() {
        let texts = "|now|-1|2023-02-29|2024-13-01|2024-00-10|2024-01-00|2024-01-01T24:00|2024-01-01T1:00|1969-12-31\
            |2024-01-01T10:00:61|2024-01-01T10:00:05.Z|2024-01-01T10:00+2|2024-01-01T10:00Zz|2024/01/01|253402300800000|é024-01-01";
        for text in texts.split('|') {
            assert_eq!(milliseconds(&Value::string(text)), None, "{text}");
        }
        for value in [Value::Undefined, Value::Null, Value::Boolean(true), Value::array(Vec::new())] {
            assert_eq!(milliseconds(&value), None);
        }
    }
}
