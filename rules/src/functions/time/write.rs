//! Times as text, by the letters of Joda-Time's `DateTimeFormat`.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};

use super::names::{HALVES, MONTHS, Style, WEEKDAYS, eras, styled};
use super::pattern::{Token, tokens};
use super::zone::{Zone, offset_text};

/// The letters there are.
const LETTERS: &str = "GCYxweEyDMdaKhHkmsSzZ";

/// Checks a pattern.
///
/// # Errors
/// A letter that Joda-Time doesn't have, or what [`tokens`] says.
pub(super) fn parse(pattern: &str) -> Result<Vec<Token>, String> {
    let tokens = tokens(pattern)?;
    for token in &tokens {
        if let Token::Letters(letter, _) = token
            && !LETTERS.contains(*letter)
        {
            let advice = match letter {
                'X' | 'O' => "; an offset is `Z` or, with a colon, `ZZ`",
                'V' | 'v' => "; the name of the zone is `ZZZ`",
                'u' => "; the year is `y`",
                'L' => "; the month is `M`",
                _ => "; text stands between quotes",
            };
            return Err(format!("pattern letter `{letter}` is not one of `parse_time`{advice}"));
        }
    }
    Ok(tokens)
}

/// The text of a moment on the clocks of a zone.
pub(super) fn print(pattern: &[Token], moment: Timestamp, zone: &Zone) -> String {
    let (local, offset) = zone.local(moment);
    let mut out = String::new();
    for token in pattern {
        match token {
            Token::Text(text) => out.push_str(text),
            Token::Sign(sign) => out.push(*sign),
            Token::Letters('z', count) => out.push_str(&zone.name(moment, style(*count))),
            Token::Letters('Z', 1) => out.push_str(&offset_text(offset, false)),
            Token::Letters('Z', 2) => out.push_str(&offset_text(offset, true)),
            Token::Letters('Z', _) => out.push_str(&zone.id),
            Token::Letters(letter, count) => out.push_str(&field(*letter, *count, local)),
        }
    }
    out
}

/// Up to three letters are short, more are full.
fn style(count: usize) -> Style {
    if count >= 4 { Style::Full } else { Style::Short }
}

fn field(letter: char, count: usize, local: DateTime) -> String {
    let date = local.date();
    let of_era = year_of_era(date);
    let hour = i64::from(local.hour());
    let named = |names: &[&'static str], place: i8| {
        let name = usize::try_from(place - 1).ok().and_then(|place| names.get(place)).copied();
        name.map_or("", |name| styled(name, style(count))).to_owned()
    };
    match letter {
        'G' => eras(Style::Short)[usize::from(date.year() > 0)].to_owned(),
        'C' => padded(of_era / 100, count),
        'Y' => year(of_era, count),
        'y' => year(i64::from(date.year()), count),
        'x' => year(i64::from(date.iso_week_date().year()), count),
        'w' => padded(i64::from(date.iso_week_date().week()), count),
        'e' => padded(i64::from(date.weekday().to_monday_one_offset()), count),
        'E' => named(&WEEKDAYS, date.weekday().to_monday_one_offset()),
        'D' => padded(i64::from(date.day_of_year()), count),
        'M' if count >= 3 => named(&MONTHS, date.month()),
        'M' => padded(i64::from(date.month()), count),
        'd' => padded(i64::from(date.day()), count),
        'a' => HALVES[usize::from(hour >= 12)].to_owned(),
        'K' => padded(hour % 12, count),
        'h' => padded((hour + 11) % 12 + 1, count),
        'H' => padded(hour, count),
        'k' => padded(if hour == 0 { 24 } else { hour }, count),
        'm' => padded(i64::from(local.minute()), count),
        's' => padded(i64::from(local.second()), count),
        // Fractions are cut, and milliseconds are all there is.
        _ => format!("{:0<count$.count$}", format!("{:03}", local.millisecond())),
    }
}

/// The year counted from the beginning of its era: the year before 1 is the first before Christ.
fn year_of_era(date: Date) -> i64 {
    let year = i64::from(date.year());
    if year > 0 { year } else { 1 - year }
}

/// Two letters make two digits.
fn year(year: i64, count: usize) -> String {
    if count == 2 { format!("{:02}", year.rem_euclid(100)) } else { padded(year, count) }
}

fn padded(value: i64, count: usize) -> String {
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{:0>count$}", value.abs())
}
