//! Patterns of dates: runs of letters for fields, everything else for itself, text between quotes too.

use super::calendar::{MONTHS, WEEKDAYS, date, days, days_in_month};
use super::{MILLISECONDS, zone_offset_minutes};

/// Letters that can be printed, and letters that can be read.
pub(super) const WRITTEN: &str = "GyYuMdDEeaHhKkmsSZzX";
pub(super) const READ: &str = "GyuMdEaHhKkmsSVXxZ";

pub(super) struct Pattern {
    parts: Vec<Part>,
}

enum Part {
    Text(String),
    Field { letter: char, count: usize },
}

impl Pattern {
    /// Takes a pattern apart.
    ///
    /// # Errors
    /// A letter outside `letters`, or a quote that isn't closed.
    pub(super) fn parse(pattern: &str, letters: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = pattern;
        while let Some(first) = rest.chars().next() {
            let (part, length) = match first {
                '\'' => quoted(rest)?,
                'a'..='z' | 'A'..='Z' => {
                    let count = rest.chars().take_while(|next| *next == first).count();
                    if !letters.contains(first) {
                        return Err(format!("pattern letter `{first}` is not supported"));
                    }
                    (Part::Field { letter: first, count }, count)
                }
                other => (Part::Text(other.to_string()), other.len_utf8()),
            };
            parts.push(part);
            rest = &rest[length..];
        }
        Ok(Self { parts })
    }

    /// The text of a moment, `offset` minutes east of UTC.
    pub(super) fn print(&self, milliseconds: i64, offset: i64) -> String {
        let local = milliseconds + offset * 60_000;
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Field { letter, count } => out.push_str(&field(*letter, *count, local, offset)),
            }
        }
        out
    }

    /// The moment a text names; `None` when it doesn't fit the pattern or names no date.
    pub(super) fn read(&self, text: &str) -> Option<i64> {
        let mut fields = Fields::default();
        let mut rest = text;
        for part in &self.parts {
            rest = match part {
                Part::Text(text) => rest.strip_prefix(text.as_str())?,
                Part::Field { letter, count } => fields.read(*letter, *count, rest)?,
            };
        }
        if rest.is_empty() { fields.moment() } else { None }
    }
}

/// The text between quotes; two quotes stand for one.
fn quoted(rest: &str) -> Result<(Part, usize), String> {
    if rest.starts_with("''") {
        return Ok((Part::Text("'".to_owned()), 2));
    }
    let end = rest[1..].find('\'').ok_or("quote in the pattern is not closed")?;
    Ok((Part::Text(rest[1..=end].to_owned()), end + 2))
}

fn field(letter: char, count: usize, local: i64, offset: i64) -> String {
    let (day, time) = (local.div_euclid(86_400_000), local.rem_euclid(86_400_000));
    let (year, month, day_of_month, day_of_year) = date(day);
    let (hour, weekday) = (time / 3_600_000, (day + 3).rem_euclid(7));
    let padded = |value: i64| format!("{value:0>count$}");
    match letter {
        'G' => "AD".to_owned(),
        'y' | 'Y' | 'u' if count == 2 => format!("{:02}", year % 100),
        'y' | 'Y' | 'u' => padded(year),
        'M' if count >= 3 => named(&MONTHS, month - 1, count),
        'M' => padded(month),
        'd' => padded(day_of_month),
        'D' => padded(day_of_year),
        'E' => named(&WEEKDAYS, weekday, count),
        'e' => padded(weekday + 1),
        'a' => (if hour < 12 { "AM" } else { "PM" }).to_owned(),
        'H' => padded(hour),
        'k' => padded(if hour == 0 { 24 } else { hour }),
        'K' => padded(hour % 12),
        'h' => padded((hour + 11) % 12 + 1),
        'm' => padded(time / 60_000 % 60),
        's' => padded(time / 1000 % 60),
        'S' => {
            format!("{:03}{}", time % 1000, "0".repeat(count.saturating_sub(3))).chars().take(count).collect()
        }
        'z' if offset == 0 => "UTC".to_owned(),
        'X' if offset == 0 => "Z".to_owned(),
        'Z' if count == 1 => offset_text(offset, ""),
        _ => offset_text(offset, ":"),
    }
}

fn named(names: &[&str], index: i64, count: usize) -> String {
    let name = usize::try_from(index).ok().and_then(|index| names.get(index)).copied().unwrap_or_default();
    (if count >= 4 { name } else { &name[..3.min(name.len())] }).to_owned()
}

fn offset_text(offset: i64, separator: &str) -> String {
    let sign = if offset < 0 { '-' } else { '+' };
    format!("{sign}{:02}{separator}{:02}", offset.abs() / 60, offset.abs() % 60)
}

struct Fields {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    millisecond: i64,
    is_afternoon: Option<bool>,
    offset: i64,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            year: 1970,
            month: 1,
            day: 1,
            hour: 0,
            minute: 0,
            second: 0,
            millisecond: 0,
            is_afternoon: None,
            offset: 0,
        }
    }
}

impl Fields {
    /// Reads one field from the start of `text`; what is left of it.
    fn read<'t>(&mut self, letter: char, count: usize, text: &'t str) -> Option<&'t str> {
        let into = match letter {
            'y' | 'u' if count == 2 => {
                let (year, rest) = digits(2, text)?;
                self.year = 2000 + year;
                return Some(rest);
            }
            'y' | 'u' => &mut self.year,
            'M' if count >= 3 => {
                let (month, rest) = name(&MONTHS, count, text)?;
                self.month = month;
                return Some(rest);
            }
            'M' => &mut self.month,
            'd' => &mut self.day,
            'H' | 'h' | 'K' | 'k' => &mut self.hour,
            'm' => &mut self.minute,
            's' => &mut self.second,
            'S' => return self.fraction(count, text),
            'E' => return name(&WEEKDAYS, count, text).map(|(_, rest)| rest),
            'G' => return text.strip_prefix("AD"),
            'a' => return self.half_of_day(text),
            _ => return self.zone(text),
        };
        let (value, rest) = digits(count, text)?;
        *into = value;
        Some(rest)
    }

    fn fraction<'t>(&mut self, count: usize, text: &'t str) -> Option<&'t str> {
        let digits = text.get(..count).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        self.millisecond = format!("{digits:0<3}").get(..3)?.parse().ok()?;
        Some(&text[count..])
    }

    fn half_of_day<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let half = text.get(..2)?.to_ascii_uppercase();
        self.is_afternoon = Some(match half.as_str() {
            "AM" => false,
            "PM" => true,
            _ => return None,
        });
        Some(&text[2..])
    }

    fn zone<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let end = text
            .find(|next: char| !next.is_ascii_alphanumeric() && !"+-:".contains(next))
            .unwrap_or(text.len());
        self.offset = zone_offset_minutes(&text[..end])?;
        Some(&text[end..])
    }

    fn moment(&self) -> Option<i64> {
        let hour = match self.is_afternoon {
            Some(is_afternoon) => self.hour % 12 + if is_afternoon { 12 } else { 0 },
            None => self.hour,
        };
        let is_date = (1..=9999).contains(&self.year)
            && (1..=12).contains(&self.month)
            && (1..=days_in_month(self.year, self.month)).contains(&self.day)
            && hour <= 23
            && self.minute <= 59
            && self.second <= 59;
        if !is_date {
            return None;
        }
        let minutes = (days(self.year, self.month, self.day) * 24 + hour) * 60 + self.minute - self.offset;
        let milliseconds = (minutes * 60 + self.second) * 1000 + self.millisecond;
        MILLISECONDS.contains(&milliseconds).then_some(milliseconds)
    }
}

/// A number of `count` digits; with a count of one as many as there are, up to nine.
fn digits(count: usize, text: &str) -> Option<(i64, &str)> {
    let available = text.bytes().take_while(u8::is_ascii_digit).take(9).count();
    let length = if count == 1 { available } else { count };
    if length == 0 || available < length {
        return None;
    }
    Some((text[..length].parse().ok()?, &text[length..]))
}

/// A name of a list, whole or its first three letters, and its place counted from 1.
fn name<'t>(names: &[&str], count: usize, text: &'t str) -> Option<(i64, &'t str)> {
    for (place, name) in names.iter().enumerate() {
        let name = if count >= 4 { name } else { &name[..3] };
        if text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)) {
            return Some((i64::try_from(place).ok()? + 1, &text[name.len()..]));
        }
    }
    None
}
