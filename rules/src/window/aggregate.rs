//! The aggregates: one catalogue, with the names that other products give them.

use crate::number::Number;

/// What a group keeps of the values of one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aggregate {
    Count,
    Sum,
    Average,
    Minimum,
    Maximum,
    First,
    Last,
    /// The value below which this share of the values lies, between two values on the line between them.
    Percentile(Number),
    /// The smallest value that at least this share of the values does not exceed.
    DiscretePercentile(Number),
}

/// What an aggregate can do something with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// Whether there is a value.
    Presence,
    /// Numbers and numeric Strings.
    Number,
    /// These and any other String.
    NumberOrText,
    /// Every value.
    Whole,
}

/// An aggregate as statements call it.
#[derive(Debug)]
pub struct AggregateFunction {
    /// The name as the documentation writes it; statements may use any case.
    pub name: &'static str,
    /// The names other products give it, which statements may use too.
    pub aliases: &'static [&'static str],
    /// Name and arguments.
    pub signature: &'static str,
    /// What it gives, in a sentence.
    pub description: &'static str,
    pub(crate) make: Make,
}

/// How an aggregate is made.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Make {
    /// From its one argument.
    Plain(Aggregate),
    /// From its argument and a share.
    WithShare(fn(Number) -> Aggregate),
}

/// Every aggregate.
pub const AGGREGATES: &[AggregateFunction] = &[
    AggregateFunction {
        name: "count",
        aliases: &[],
        signature: "count(x)",
        description: "How many messages had an `x` that is neither Undefined nor Null; `count(*)`: how many there were.",
        make: Make::Plain(Aggregate::Count),
    },
    AggregateFunction {
        name: "sum",
        aliases: &[],
        signature: "sum(x)",
        description: "The sum of the numbers, exact to 34 digits; Undefined when there was none.",
        make: Make::Plain(Aggregate::Sum),
    },
    AggregateFunction {
        name: "avg",
        aliases: &[],
        signature: "avg(x)",
        description: "The sum of the numbers divided by how many there were.",
        make: Make::Plain(Aggregate::Average),
    },
    AggregateFunction {
        name: "min",
        aliases: &[],
        signature: "min(x)",
        description: "The smallest number; where there was no number, the String that sorts first.",
        make: Make::Plain(Aggregate::Minimum),
    },
    AggregateFunction {
        name: "max",
        aliases: &[],
        signature: "max(x)",
        description: "The largest number; where there was no number, the String that sorts last.",
        make: Make::Plain(Aggregate::Maximum),
    },
    AggregateFunction {
        name: "first",
        aliases: &["first_value"],
        signature: "first(x)",
        description: "The value with the earliest time; of equal times, the one that came first.",
        make: Make::Plain(Aggregate::First),
    },
    AggregateFunction {
        name: "last",
        aliases: &["last_value"],
        signature: "last(x)",
        description: "The value with the latest time; of equal times, the one that came last.",
        make: Make::Plain(Aggregate::Last),
    },
    AggregateFunction {
        name: "percentile",
        aliases: &["percentile_cont"],
        signature: "percentile(x, share)",
        description: "The value below which that share (0 to 1) of the numbers lies, on the line between two of them.",
        make: Make::WithShare(Aggregate::Percentile),
    },
    AggregateFunction {
        name: "percentile_disc",
        aliases: &[],
        signature: "percentile_disc(x, share)",
        description: "The smallest of the numbers that at least that share (0 to 1) of them does not exceed.",
        make: Make::WithShare(Aggregate::DiscretePercentile),
    },
];

/// The aggregate called `name` in any case.
pub(crate) fn find(name: &str) -> Option<&'static AggregateFunction> {
    AGGREGATES.iter().find(|known| known.names().any(|known| known.eq_ignore_ascii_case(name)))
}

impl AggregateFunction {
    /// Its name and its aliases.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        [self.name].into_iter().chain(self.aliases.iter().copied())
    }
}

impl Aggregate {
    pub(crate) fn need(self) -> Need {
        match self {
            Self::Count => Need::Presence,
            Self::Sum | Self::Average | Self::Percentile(_) | Self::DiscretePercentile(_) => Need::Number,
            Self::Minimum | Self::Maximum => Need::NumberOrText,
            Self::First | Self::Last => Need::Whole,
        }
    }
}
