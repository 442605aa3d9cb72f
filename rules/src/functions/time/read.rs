//! Times from text, by the letters of Java's `DateTimeFormatter` (JDK 11), read strictly and resolved smartly as there.

use super::fields::{Field, Fields};
use super::names::{HALVES, MONTHS, Style, WEEKDAYS, eras, quarters, styled};
use super::pattern::{Token, tokens};
use super::zone::{Zone, two_digits};

/// How deep optional sections may stand inside each other.
const NESTING_MAX: usize = 8;

/// A pattern, ready to read by.
#[derive(Debug)]
pub(super) struct Reader {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    /// What may be missing.
    Optional(Vec<Part>),
    Number(Digits),
    /// Digits of a second, so many.
    Fraction(usize),
    /// One of these names, with the number of the first.
    Name(Field, Vec<&'static str>, i64),
    Offset(OffsetForm),
    /// `GMT+8`, or in full `GMT+08:00`.
    LocalizedOffset {
        full: bool,
    },
    ZoneId,
    ZoneName,
    /// Spaces before a part, which fills so many characters.
    Padded(usize, Box<Part>),
}

/// A number in digits.
#[derive(Debug)]
struct Digits {
    field: Field,
    fewest: usize,
    most: usize,
    sign: Sign,
    /// What is added to the number: the century of a year of two digits.
    base: i64,
    /// How many digits directly behind belong to others.
    reserved: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Never,
    /// A minus may stand before it.
    Minus,
    /// A minus may, and a plus must when there are more digits than the fewest.
    WhenLong,
}

/// How an offset is written.
#[derive(Debug, Clone, Copy)]
struct OffsetForm {
    colon: bool,
    minutes_optional: bool,
    seconds: bool,
    /// Whether `Z` stands for none.
    zulu: bool,
}

impl Reader {
    /// Takes a pattern apart.
    ///
    /// # Errors
    /// A letter that can't be read, too many of them, or what [`tokens`] says.
    pub(super) fn parse(pattern: &str) -> Result<Self, String> {
        let tokens = tokens(pattern)?;
        let mut left = tokens.as_slice();
        let mut parts = section(&mut left, 0)?;
        reserve(&mut parts);
        Ok(Self { parts })
    }

    /// The fields that a text names; `None` when it doesn't fit the pattern.
    pub(super) fn read(&self, text: &str) -> Option<Fields> {
        let mut fields = Fields::default();
        let rest = read_all(&self.parts, text, &mut fields)?;
        rest.is_empty().then_some(fields)
    }
}

/// The parts up to the end of an optional section, or of the pattern.
fn section(left: &mut &[Token], depth: usize) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    while let Some((token, rest)) = left.split_first() {
        *left = rest;
        parts.push(match token {
            Token::Text(text) => Part::Text(text.clone()),
            Token::Sign('[') if depth == NESTING_MAX => {
                return Err(format!(
                    "optional sections stand inside each other more than {NESTING_MAX} deep"
                ));
            }
            Token::Sign('[') => {
                let mut inner = section(left, depth + 1)?;
                reserve(&mut inner);
                Part::Optional(inner)
            }
            Token::Sign(']') if depth == 0 => return Err("`]` in the pattern without `[`".to_owned()),
            Token::Sign(']') => return Ok(parts),
            Token::Sign(sign @ ('{' | '}' | '#')) => {
                return Err(format!("`{sign}` in the pattern is reserved; put it in quotes"));
            }
            Token::Sign(sign) => Part::Text(sign.to_string()),
            Token::Letters('p', width) => {
                let Some((Token::Letters(letter, count), rest)) = left.split_first() else {
                    return Err("`p` in the pattern pads the letter behind it, and there is none".to_owned());
                };
                *left = rest;
                Part::Padded(*width, Box::new(part(*letter, *count)?))
            }
            Token::Letters(letter, count) => part(*letter, *count)?,
        });
    }
    Ok(parts)
}

/// Tells each number how many digits the numbers directly behind it need.
fn reserve(parts: &mut [Part]) {
    let mut behind = 0;
    for part in parts.iter_mut().rev() {
        match part {
            Part::Number(digits) => {
                digits.reserved = behind;
                let is_fixed = digits.fewest == digits.most;
                behind = if is_fixed { behind + digits.most } else { 0 };
            }
            Part::Fraction(count) => behind += *count,
            _ => behind = 0,
        }
    }
}

fn number(field: Field, fewest: usize, most: usize) -> Part {
    Part::Number(Digits { field, fewest, most, sign: Sign::Never, base: 0, reserved: 0 })
}

fn year(field: Field, count: usize) -> Part {
    let (fewest, most, sign, base) = match count {
        2 => (2, 2, Sign::Never, 2000),
        1 | 3 => (count, 18, Sign::Minus, 0),
        _ => (count, 18, Sign::WhenLong, 0),
    };
    Part::Number(Digits { field, fewest, most, sign, base, reserved: 0 })
}

fn names(field: Field, names: &[&'static str], style: Style, first: i64) -> Part {
    Part::Name(field, names.iter().map(|name| styled(name, style)).collect(), first)
}

/// What a letter, so many times, stands for.
fn part(letter: char, count: usize) -> Result<Part, String> {
    let too_many = || Err(format!("pattern letter `{letter}` stands {count} times, which means nothing"));
    let style = if count == 4 { Style::Full } else { Style::Short };
    let one_or_two = |field: Field| match count {
        1 => Ok(number(field, 1, 18)),
        2 => Ok(number(field, 2, 2)),
        _ => too_many(),
    };
    match letter {
        'u' => Ok(year(Field::Year, count)),
        'y' => Ok(year(Field::YearOfEra, count)),
        'Y' => Ok(year(Field::WeekYear, count)),
        'G' if count <= 4 => Ok(Part::Name(Field::Era, eras(style).to_vec(), 0)),
        'M' | 'L' if count == 3 || count == 4 => Ok(names(Field::Month, &MONTHS, style, 1)),
        'M' | 'L' => one_or_two(Field::Month),
        'Q' | 'q' if count == 3 || count == 4 => Ok(Part::Name(Field::Quarter, quarters(style).to_vec(), 1)),
        'Q' | 'q' => one_or_two(Field::Quarter),
        'E' if count <= 4 => Ok(names(Field::DayOfWeek, &WEEKDAYS, style, 1)),
        'e' | 'c' if count == 3 || count == 4 => Ok(names(Field::DayOfWeek, &WEEKDAYS, style, 1)),
        'e' | 'c' => one_or_two(Field::DayOfWeek),
        'w' => one_or_two(Field::Week),
        'd' => one_or_two(Field::Day),
        'D' if count <= 3 => Ok(number(Field::DayOfYear, count, 3)),
        'a' if count == 1 => Ok(Part::Name(Field::Half, HALVES.to_vec(), 0)),
        'H' => one_or_two(Field::Hour),
        'k' => one_or_two(Field::ClockHour),
        'K' => one_or_two(Field::HourOfHalf),
        'h' => one_or_two(Field::ClockHourOfHalf),
        'm' => one_or_two(Field::Minute),
        's' => one_or_two(Field::Second),
        'S' if count <= 9 => Ok(Part::Fraction(count)),
        'n' => Ok(number(Field::Nano, count, 18)),
        'A' => Ok(number(Field::MilliOfDay, count, 18)),
        'N' => Ok(number(Field::NanoOfDay, count, 18)),
        'g' => Ok(year(Field::ModifiedJulianDay, if count == 2 { 1 } else { count })),
        'V' if count == 2 => Ok(Part::ZoneId),
        'z' if count <= 4 => Ok(Part::ZoneName),
        'v' if count == 1 || count == 4 => Ok(Part::ZoneName),
        'O' if count == 1 || count == 4 => Ok(Part::LocalizedOffset { full: count == 4 }),
        'Z' if count == 4 => Ok(Part::LocalizedOffset { full: true }),
        'X' | 'x' | 'Z' if count <= 5 => Ok(Part::Offset(offset_form(letter, count))),
        'W' | 'F' | 'B' => Err(format!("pattern letter `{letter}` can't be read")),
        letter if "GEDaSVzvOXxZ".contains(letter) => too_many(),
        _ => Err(format!(
            "pattern letter `{letter}` is not one of `time_to_epoch`; text stands between quotes"
        )),
    }
}

fn offset_form(letter: char, count: usize) -> OffsetForm {
    if letter == 'Z' {
        let is_long = count == 5;
        return OffsetForm { colon: is_long, minutes_optional: false, seconds: is_long, zulu: is_long };
    }
    OffsetForm {
        colon: matches!(count, 3 | 5),
        minutes_optional: count == 1,
        seconds: count >= 4,
        zulu: letter == 'X',
    }
}

fn read_all<'t>(parts: &[Part], text: &'t str, fields: &mut Fields) -> Option<&'t str> {
    parts.iter().try_fold(text, |rest, part| part.read(rest, fields))
}

impl Part {
    /// Reads this part from the start of `text`; what is left of it.
    fn read<'t>(&self, text: &'t str, fields: &mut Fields) -> Option<&'t str> {
        match self {
            Self::Text(literal) => text.strip_prefix(literal.as_str()),
            Self::Optional(parts) => {
                let mut with = fields.clone();
                match read_all(parts, text, &mut with) {
                    Some(rest) => {
                        *fields = with;
                        Some(rest)
                    }
                    None => Some(text),
                }
            }
            Self::Number(digits) => digits.read(text, fields),
            Self::Fraction(count) => {
                let digits =
                    text.get(..*count).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
                fields.set(Field::Nano, format!("{digits:0<9}").parse().ok()?)?;
                Some(&text[*count..])
            }
            Self::Name(field, names, first) => {
                let found = names.iter().enumerate().filter(|(_, name)| text.starts_with(**name));
                let (place, name) = found.max_by_key(|(_, name)| name.len())?;
                fields.set(*field, first + i64::try_from(place).ok()?)?;
                Some(&text[name.len()..])
            }
            Self::Offset(form) => {
                let (seconds, rest) = form.read(text)?;
                set_offset(fields, seconds, rest)
            }
            Self::LocalizedOffset { full } => {
                let rest = text.strip_prefix("GMT")?;
                let (seconds, rest) = localized(rest, *full).unwrap_or((0, rest));
                set_offset(fields, seconds, rest)
            }
            Self::ZoneId => set_zone(fields, Zone::read(text)?),
            Self::ZoneName => set_zone(fields, Zone::read_named(text)?),
            Self::Padded(width, part) => {
                let field = text.get(..*width)?;
                let rest = part.read(field.trim_start_matches(' '), fields)?;
                rest.is_empty().then_some(&text[*width..])
            }
        }
    }
}

fn set_offset<'t>(fields: &mut Fields, seconds: i32, rest: &'t str) -> Option<&'t str> {
    if fields.offset.is_some_and(|known| known != seconds) || seconds.abs() > 18 * 3600 {
        return None;
    }
    fields.offset = Some(seconds);
    Some(rest)
}

fn set_zone<'t>(fields: &mut Fields, (zone, rest): (Zone, &'t str)) -> Option<&'t str> {
    if fields.zone.as_ref().is_some_and(|known| known.id != zone.id) {
        return None;
    }
    fields.zone = Some(zone);
    Some(rest)
}

impl Digits {
    fn read<'t>(&self, text: &'t str, fields: &mut Fields) -> Option<&'t str> {
        let sign = text.bytes().next().filter(|sign| b"+-".contains(sign));
        let is_allowed = match sign {
            None => true,
            Some(b'-') => self.sign != Sign::Never,
            Some(_) => self.sign == Sign::WhenLong,
        };
        let unsigned = &text[usize::from(sign.is_some())..];
        let available =
            unsigned.bytes().take_while(u8::is_ascii_digit).take(self.most + self.reserved).count();
        let length = if self.reserved > 0 {
            available.saturating_sub(self.reserved).max(self.fewest)
        } else {
            available
        };
        let is_long = length > self.fewest;
        let fits = match (self.sign, sign) {
            (Sign::WhenLong, None) => !is_long || self.reserved > 0,
            (Sign::WhenLong, Some(b'+')) => is_long,
            _ => true,
        };
        if !is_allowed || !fits || length < self.fewest || length > self.most || available < length {
            return None;
        }
        let magnitude: i64 = unsigned[..length].parse().ok()?;
        let value = if sign == Some(b'-') { -magnitude } else { magnitude };
        fields.set(self.field, value + self.base)?;
        Some(&unsigned[length..])
    }
}

impl OffsetForm {
    fn read(self, text: &str) -> Option<(i32, &str)> {
        if self.zulu
            && let Some(rest) = text.strip_prefix('Z')
        {
            return Some((0, rest));
        }
        let sign = sign(text)?;
        let (hours, rest) = two_digits(&text[1..])?;
        let unit = |rest| {
            let digits = if self.colon { str::strip_prefix(rest, ':')? } else { rest };
            two_digits(digits).filter(|(value, _)| *value < 60)
        };
        let (minutes, rest) = match unit(rest) {
            Some(found) => found,
            None if self.minutes_optional => (0, rest),
            None => return None,
        };
        let (seconds, rest) = if self.seconds { unit(rest).unwrap_or((0, rest)) } else { (0, rest) };
        Some((sign * (hours * 3600 + minutes * 60 + seconds), rest))
    }
}

fn sign(text: &str) -> Option<i32> {
    match text.bytes().next()? {
        b'+' => Some(1),
        b'-' => Some(-1),
        _ => None,
    }
}

/// What stands behind `GMT`: `+8` or `+8:30`, or in full `+08:00`.
fn localized(text: &str, full: bool) -> Option<(i32, &str)> {
    let sign = sign(text)?;
    let digits = text[1..].bytes().take_while(u8::is_ascii_digit).take(2).count();
    if digits == 0 || full && digits != 2 {
        return None;
    }
    let hours: i32 = text[1..=digits].parse().ok()?;
    let rest = &text[1 + digits..];
    let minutes = rest.strip_prefix(':').and_then(two_digits).filter(|(value, _)| *value < 60);
    let (minutes, rest) = match minutes {
        Some(found) => found,
        None if full => return None,
        None => (0, rest),
    };
    Some((sign * (hours * 3600 + minutes * 60), rest))
}
