//! The windows of a statement as they are written: names, units and lengths.

use super::Check;
use crate::diagnostic::nearest;
use crate::number::Number;
use crate::syntax::{Expression, Form, Name};
use crate::window::{Frame, LENGTH_MS_MAX, WINDOWS_OF_EVENT_MAX};

/// A kind of window.
struct Kind {
    /// Its names, which statements may write in any case.
    names: &'static [&'static str],
    signature: &'static str,
    /// The fewest and the most arguments.
    arguments: (usize, usize),
    make: fn(&mut Check<'_>, Lengths<'_>) -> Option<Frame>,
}

/// Every kind of window.
const KINDS: &[Kind] = &[
    Kind {
        names: &["TUMBLINGWINDOW", "TUMBLING"],
        signature: "TUMBLINGWINDOW(unit, size[, offset])",
        arguments: (2, 3),
        make: tumbling,
    },
    Kind {
        names: &["HOPPINGWINDOW", "HOPPING"],
        signature: "HOPPINGWINDOW(unit, size, hop[, offset])",
        arguments: (3, 4),
        make: hopping,
    },
    Kind {
        names: &["SESSIONWINDOW", "SESSION"],
        signature: "SESSIONWINDOW(unit, timeout[, max])",
        arguments: (2, 3),
        make: session,
    },
];

/// Windows of other products, which are not over time alone or come with every message.
const OTHER_KINDS: &[&str] = &["SLIDINGWINDOW", "SNAPSHOTWINDOW", "COUNTWINDOW", "STATEWINDOW", "SLIDING"];

/// Units of time: names in any case, and how many milliseconds each has.
const UNITS: &[(&[&str], i64)] = &[
    (&["ms", "millisecond"], 1),
    (&["ss", "s", "second"], 1_000),
    (&["mi", "n", "minute"], 60_000),
    (&["hh", "hour"], 3_600_000),
    (&["dd", "d", "day"], 86_400_000),
];

/// The arguments of a window after the unit.
#[derive(Clone, Copy)]
struct Lengths<'e> {
    unit_ms: i64,
    written: &'e [Expression],
}

/// The call that names a window, if the expression is one.
pub(crate) fn window_call(expression: &Expression) -> Option<(&Name, &[Expression])> {
    let Form::Call(name, arguments) = &expression.form else { return None };
    let is_window =
        kind(name).is_some() || OTHER_KINDS.iter().any(|other| other.eq_ignore_ascii_case(&name.text));
    is_window.then_some((name, arguments))
}

fn kind(name: &Name) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.names.iter().any(|known| known.eq_ignore_ascii_case(&name.text)))
}

fn signatures() -> String {
    KINDS.iter().map(|kind| format!("`{}`", kind.signature)).collect::<Vec<_>>().join(", ")
}

impl Check<'_> {
    /// The windows that a call in GROUP BY names.
    pub(super) fn frame(&mut self, name: &Name, arguments: &[Expression]) -> Option<Frame> {
        let Some(kind) = kind(name) else {
            let message = format!("window `{}` is not supported", name.text);
            self.error(name.span, message, format!("there are {}", signatures()));
            return None;
        };
        let (fewest, most) = kind.arguments;
        if !(fewest..=most).contains(&arguments.len()) {
            let message = format!("`{}` gets {} arguments", name.text, arguments.len());
            self.error(name.span, message, format!("write `{}`", kind.signature));
            return None;
        }
        let (unit, written) = arguments.split_first()?;
        let unit_ms = self.unit(unit)?;
        (kind.make)(self, Lengths { unit_ms, written })
    }

    fn unit(&mut self, unit: &Expression) -> Option<i64> {
        let written = match &unit.form {
            Form::Field(name) | Form::String(name) => name.as_str(),
            _ => "",
        };
        let is_named = |names: &&[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(written));
        let found = UNITS.iter().find(|(names, _)| is_named(names));
        if found.is_none() {
            let names = || UNITS.iter().flat_map(|(names, _)| names.iter().copied());
            let hint = match nearest(written, names().filter(|name| name.len() > 2)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!(
                    "units are {}",
                    names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
                ),
            };
            let text = self.text[unit.span.start..unit.span.end].to_owned();
            self.error(unit.span, format!("`{text}` is no unit of time"), hint);
        }
        found.map(|(_, milliseconds)| *milliseconds)
    }

    /// A length in milliseconds; one that is no whole number of them is refused.
    fn length(&mut self, lengths: Lengths<'_>, at: usize, what: &str) -> Option<i64> {
        let argument = lengths.written.get(at)?;
        let length = self.signed_length(lengths, argument)?;
        if !(1..=LENGTH_MS_MAX).contains(&length) {
            let hint = format!("it lies between 1 millisecond and {} days", LENGTH_MS_MAX / 86_400_000);
            self.error(argument.span, format!("{what} is out of range"), hint);
            return None;
        }
        Some(length)
    }

    fn signed_length(&mut self, lengths: Lengths<'_>, argument: &Expression) -> Option<i64> {
        let number = match argument.form {
            Form::Number(number) => number.times(Number::from(lengths.unit_ms)),
            _ => None,
        };
        let length = number.and_then(Number::to_i64);
        if length.is_none() {
            let hint = "write a number that makes a whole number of milliseconds: `TUMBLINGWINDOW(ss, 10)`";
            self.error(argument.span, "length of a window is a constant number of units", hint.to_owned());
        }
        length
    }

    /// The offset, which only shifts where windows begin, so that whole sizes of it make no difference.
    fn offset(&mut self, lengths: Lengths<'_>, at: usize, step: i64) -> Option<i64> {
        match lengths.written.get(at) {
            None => Some(0),
            Some(argument) => self.signed_length(lengths, argument).map(|offset| offset % step),
        }
    }
}

fn tumbling(check: &mut Check<'_>, lengths: Lengths<'_>) -> Option<Frame> {
    let size_ms = check.length(lengths, 0, "size")?;
    let offset_ms = check.offset(lengths, 1, size_ms)?;
    Some(Frame::Hopping { size_ms, hop_ms: size_ms, offset_ms })
}

fn hopping(check: &mut Check<'_>, lengths: Lengths<'_>) -> Option<Frame> {
    let (size_ms, hop_ms) = (check.length(lengths, 0, "size"), check.length(lengths, 1, "hop"));
    let (size_ms, hop_ms) = (size_ms?, hop_ms?);
    let span = lengths.written[1].span;
    if hop_ms > size_ms {
        let hint = "messages between two windows would count nowhere; size comes first, then hop".to_owned();
        check.error(span, "hop is longer than the size of the window", hint);
        return None;
    }
    if size_ms > hop_ms.saturating_mul(WINDOWS_OF_EVENT_MAX) {
        let message = format!("each message would count in more than {WINDOWS_OF_EVENT_MAX} windows");
        check.error(span, message, "make the hop longer".to_owned());
        return None;
    }
    let offset_ms = check.offset(lengths, 2, hop_ms)?;
    Some(Frame::Hopping { size_ms, hop_ms, offset_ms })
}

fn session(check: &mut Check<'_>, lengths: Lengths<'_>) -> Option<Frame> {
    let timeout_ms = check.length(lengths, 0, "timeout");
    let Some(longest) = lengths.written.get(1) else {
        return Some(Frame::Session { timeout_ms: timeout_ms?, max_ms: None });
    };
    let (timeout_ms, max_ms) = (timeout_ms?, check.length(lengths, 1, "maximum")?);
    if max_ms < timeout_ms {
        let hint =
            "the timeout comes first, then the maximum (eKuiper has them the other way round)".to_owned();
        check.error(longest.span, "maximum is shorter than the timeout", hint);
        return None;
    }
    Some(Frame::Session { timeout_ms, max_ms: Some(max_ms) })
}
