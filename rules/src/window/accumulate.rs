//! What a group keeps for each of its aggregates, and how a value is added, two are merged and one is read out.

use super::aggregate::Aggregate;
use super::bytes::{Reader, push_bytes, push_number, push_signed, push_unsigned};
use super::datum::Datum;
use super::histogram::Histogram;
use crate::number::Number;

/// When a value came: its time, then its place in the order of arrival.
pub(super) type Moment = (i64, u64);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Accumulator {
    Count(u64),
    /// The sum, `None` once it was out of range, and of how many numbers.
    Sum(Option<Number>, u64),
    Extreme(Extreme),
    /// The value of the earliest or the latest moment.
    Edge(Option<(Moment, Datum)>),
    Numbers(Histogram),
}

/// The smallest or largest number, and the same of Strings that are no numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Extreme {
    number: Option<Number>,
    text: Option<Box<str>>,
}

impl Extreme {
    fn join(&mut self, other: Self, is_minimum: bool) {
        fn chosen<T: Ord>(left: Option<T>, right: Option<T>, is_minimum: bool) -> Option<T> {
            match (left, right) {
                (Some(left), Some(right)) => Some(if is_minimum { left.min(right) } else { left.max(right) }),
                (left, right) => left.or(right),
            }
        }
        self.number = chosen(self.number.take(), other.number, is_minimum);
        self.text = chosen(self.text.take(), other.text, is_minimum);
    }
}

impl Aggregate {
    /// The accumulator before the first value.
    pub(super) fn start(self) -> Accumulator {
        match self {
            Self::Count => Accumulator::Count(0),
            Self::Sum | Self::Average => Accumulator::Sum(Some(Number::ZERO), 0),
            Self::Minimum | Self::Maximum => Accumulator::Extreme(Extreme::default()),
            Self::First | Self::Last => Accumulator::Edge(None),
            Self::Percentile(_) | Self::DiscretePercentile(_) => Accumulator::Numbers(Histogram::default()),
        }
    }

    /// Adds a value that is present; what the aggregate can't use it leaves out.
    pub(super) fn add(self, accumulator: &mut Accumulator, value: &Datum, moment: Moment) {
        match accumulator {
            Accumulator::Count(count) => *count = count.saturating_add(1),
            Accumulator::Sum(sum, count) => {
                if let Some(number) = value.number() {
                    *sum = sum.and_then(|sum| sum.plus(number));
                    *count = count.saturating_add(1);
                }
            }
            Accumulator::Extreme(extreme) => {
                let number = value.number();
                let text = match value {
                    Datum::Text(text) if number.is_none() => Some(text.clone()),
                    _ => None,
                };
                extreme.join(Extreme { number, text }, self == Self::Minimum);
            }
            Accumulator::Edge(edge) => {
                if *value != Datum::Present {
                    self.keep_edge(edge, (moment, value.clone()));
                }
            }
            Accumulator::Numbers(histogram) => {
                if let Some(number) = value.number() {
                    histogram.add(number);
                }
            }
        }
    }

    fn keep_edge(self, edge: &mut Option<(Moment, Datum)>, found: (Moment, Datum)) {
        let is_further = match edge {
            None => true,
            Some((moment, _)) if self == Self::First => found.0 < *moment,
            Some((moment, _)) => found.0 > *moment,
        };
        if is_further {
            *edge = Some(found);
        }
    }

    /// Adds everything another accumulator of the same aggregate has.
    pub(super) fn merge(self, accumulator: &mut Accumulator, other: Accumulator) {
        match (accumulator, other) {
            (Accumulator::Count(count), Accumulator::Count(other)) => *count = count.saturating_add(other),
            (Accumulator::Sum(sum, count), Accumulator::Sum(other, more)) => {
                *sum = sum.zip(other).and_then(|(sum, other)| sum.plus(other));
                *count = count.saturating_add(more);
            }
            (Accumulator::Extreme(extreme), Accumulator::Extreme(other)) => {
                extreme.join(other, self == Self::Minimum);
            }
            (Accumulator::Edge(edge), Accumulator::Edge(Some(found))) => self.keep_edge(edge, found),
            (Accumulator::Numbers(histogram), Accumulator::Numbers(other)) => histogram.merge(&other),
            // Of the same aggregate they are of the same kind; an edge without a value adds none.
            _ => {}
        }
    }

    /// The result.
    pub(super) fn result(self, accumulator: &Accumulator) -> Datum {
        let number = match (self, accumulator) {
            (_, Accumulator::Count(count)) => i64::try_from(*count).ok().map(Number::from),
            (_, Accumulator::Sum(_, 0)) => None,
            (Self::Average, Accumulator::Sum(sum, count)) => {
                let count = i64::try_from(*count).ok().map(Number::from);
                sum.zip(count).and_then(|(sum, count)| sum.divided_by(count))
            }
            (_, Accumulator::Sum(sum, _)) => *sum,
            (_, Accumulator::Extreme(Extreme { number: None, text: Some(text) })) => {
                return Datum::Text(text.clone());
            }
            (_, Accumulator::Extreme(extreme)) => extreme.number,
            (_, Accumulator::Edge(edge)) => {
                return edge.as_ref().map_or(Datum::Undefined, |(_, value)| value.clone());
            }
            (Self::Percentile(share), Accumulator::Numbers(histogram)) => histogram.percentile(share),
            (Self::DiscretePercentile(share), Accumulator::Numbers(histogram)) => {
                histogram.discrete_percentile(share)
            }
            (_, Accumulator::Numbers(_)) => None,
        };
        number.map_or(Datum::Undefined, Datum::Number)
    }

    /// Reads an accumulator of this aggregate.
    pub(super) fn read(self, reader: &mut Reader<'_>) -> Option<Accumulator> {
        Some(match self.start() {
            Accumulator::Count(_) => Accumulator::Count(reader.unsigned()?),
            Accumulator::Sum(..) => {
                let sum = optional(reader, Reader::number)?;
                Accumulator::Sum(sum, reader.unsigned()?)
            }
            Accumulator::Extreme(_) => Accumulator::Extreme(Extreme {
                number: optional(reader, Reader::number)?,
                text: optional(reader, |reader| reader.text().map(Into::into))?,
            }),
            Accumulator::Edge(_) => Accumulator::Edge(optional(reader, |reader| {
                let moment = (reader.signed()?, reader.unsigned()?);
                Some((moment, Datum::read(reader)?))
            })?),
            Accumulator::Numbers(_) => Accumulator::Numbers(Histogram::read(reader)?),
        })
    }
}

impl Accumulator {
    /// How many bytes it takes in memory, roughly.
    pub(super) fn weight(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Count(_) | Self::Sum(..) | Self::Edge(None) => 0,
                Self::Extreme(extreme) => extreme.text.as_ref().map_or(0, |text| text.len()),
                Self::Edge(Some((_, value))) => value.weight(),
                Self::Numbers(histogram) => histogram.weight(),
            }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Count(count) => push_unsigned(out, *count),
            Self::Sum(sum, count) => {
                push_optional(out, sum.as_ref(), |out, sum| push_number(out, *sum));
                push_unsigned(out, *count);
            }
            Self::Extreme(extreme) => {
                push_optional(out, extreme.number.as_ref(), |out, number| push_number(out, *number));
                push_optional(out, extreme.text.as_ref(), |out, text| push_bytes(out, text.as_bytes()));
            }
            Self::Edge(edge) => push_optional(out, edge.as_ref(), |out, ((time, place), value)| {
                push_signed(out, *time);
                push_unsigned(out, *place);
                value.write(out);
            }),
            Self::Numbers(histogram) => histogram.write(out),
        }
    }
}

fn push_optional<T>(out: &mut Vec<u8>, value: Option<&T>, push: impl FnOnce(&mut Vec<u8>, &T)) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        push(out, value);
    }
}

fn optional<'b, T>(
    reader: &mut Reader<'b>,
    read: impl FnOnce(&mut Reader<'b>) -> Option<T>,
) -> Option<Option<T>> {
    match reader.byte()? {
        0 => Some(None),
        1 => read(reader).map(Some),
        _ => None,
    }
}
