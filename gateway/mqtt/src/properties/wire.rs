//! The bytes of properties, walked one property at a time.

use super::catalogue::{Form, Kind, Place, Rule, find, id};
use crate::error::Failure;
use crate::topic::has_wildcard;
use crate::{Fault, text};
use std::ops::Range;

/// Where one property lies in the bytes of its block.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) kind: &'static Kind,
    /// The whole property, from its identifier.
    pub(crate) whole: Range<usize>,
    /// The value of a number; 0 for the other forms.
    pub(crate) number: u32,
    /// The value of a text or binary property, the name of a pair.
    pub(crate) first: Range<usize>,
    /// The value of a pair.
    pub(crate) second: Range<usize>,
}

/// The property that starts at `at`, by form alone: whether the value is allowed is not looked at.
#[inline]
pub(crate) fn span_at(bytes: &[u8], at: usize) -> Result<Span, Failure> {
    let id = *bytes.get(at).ok_or(Fault::Truncated)?;
    let kind = find(id).ok_or_else(|| Fault::PropertyUnknown.with_number(u32::from(id)))?;
    let start = at + 1;
    let mut span = Span { kind, whole: at..start, number: 0, first: start..start, second: start..start };
    span.whole.end = match kind.form {
        Form::Flag => read_number(bytes, start, 1, &mut span.number)?,
        Form::TwoByte => read_number(bytes, start, 2, &mut span.number)?,
        Form::FourByte => read_number(bytes, start, 4, &mut span.number)?,
        Form::Variable => {
            let (number, end) = variable_integer(bytes, start)?.ok_or(Fault::Truncated)?;
            span.number = number;
            end
        }
        Form::Text | Form::Binary => {
            span.first = prefixed(bytes, start)?;
            span.first.end
        }
        Form::Pair => {
            span.first = prefixed(bytes, start)?;
            span.second = prefixed(bytes, span.first.end)?;
            span.second.end
        }
    };
    Ok(span)
}

#[inline]
fn read_number(bytes: &[u8], start: usize, width: usize, number: &mut u32) -> Result<usize, Failure> {
    let end = start + width;
    let digits = bytes.get(start..end).ok_or(Fault::Truncated)?;
    *number = digits.iter().fold(0, |sum, digit| sum << 8 | u32::from(*digit));
    Ok(end)
}

#[inline]
fn prefixed(bytes: &[u8], at: usize) -> Result<Range<usize>, Failure> {
    let prefix = bytes.get(at..at + 2).ok_or(Fault::Truncated)?;
    let start = at + 2;
    let end = start + usize::from(u16::from_be_bytes([prefix[0], prefix[1]]));
    if end > bytes.len() {
        return Err(Fault::Truncated.into());
    }
    Ok(start..end)
}

/// The variable byte integer at `at` and where it ends; `None` when the bytes end first (section 1.5.5).
#[inline]
pub(crate) fn variable_integer(bytes: &[u8], at: usize) -> Result<Option<(u32, usize)>, Fault> {
    let mut number = 0;
    for index in 0..4 {
        let Some(byte) = bytes.get(at + index) else { return Ok(None) };
        number |= u32::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            if *byte == 0 && index > 0 {
                return Err(Fault::LengthNotMinimal);
            }
            return Ok(Some((number, at + index + 1)));
        }
    }
    Err(Fault::LengthTooLong)
}

/// Checks a whole block for the place it stands in and returns the set of properties it holds, as bits by number.
pub(crate) fn check(bytes: &[u8], place: Place) -> Result<u64, Failure> {
    let mut present = 0;
    let mut at = 0;
    while at < bytes.len() {
        let span = span_at(bytes, at)?;
        let kind = span.kind;
        if !kind.allowed_in(place) {
            return Err(Fault::PropertyMisplaced.of_property(kind));
        }
        if present & kind.bit() != 0 && !kind.repeats_in(place) {
            return Err(Fault::PropertyRepeated.of_property(kind));
        }
        check_value(bytes, &span)?;
        present |= kind.bit();
        at = span.whole.end;
    }
    Ok(present)
}

/// Checks the value of one property.
#[inline]
pub(crate) fn check_value(bytes: &[u8], span: &Span) -> Result<(), Failure> {
    let kind = span.kind;
    match kind.form {
        Form::Flag if span.number > 1 => return Err(Fault::PropertyNotFlag.of_property(kind)),
        Form::Text => check_text(&bytes[span.first.clone()], kind)?,
        Form::Pair => {
            check_text(&bytes[span.first.clone()], kind)?;
            check_text(&bytes[span.second.clone()], kind)?;
        }
        _ => {}
    }
    match kind.rule {
        Rule::NotZero if span.number == 0 => Err(match kind.id {
            id::TOPIC_ALIAS => Fault::TopicAliasZero.into(),
            _ => Fault::PropertyZero.of_property(kind),
        }),
        Rule::TopicName if span.first.is_empty() => Err(Fault::ResponseTopicEmpty.into()),
        Rule::TopicName if has_wildcard(&bytes[span.first.clone()]) => {
            Err(Fault::ResponseTopicWildcard.into())
        }
        _ => Ok(()),
    }
}

fn check_text(bytes: &[u8], kind: &'static Kind) -> Result<(), Failure> {
    text::check(bytes).map_err(|error| Fault::from(error).of_property(kind))
}
