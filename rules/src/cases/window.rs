//! Cases of statements over windows: several messages, and what the windows give that close.
//!
//! `{"messages": [{"topic": …, "payload": …, "at_ms": …}, …], "advance_to_ms": …, "expect": {"outputs": [ … ]}}`:
//! each message arrives `at_ms`, then time goes on to `advance_to_ms`. A message has the fields of an ordinary case; what
//! it leaves out is the case's.

use serde_json::value::RawValue;

use super::compare;
use super::failure::Failure;
use super::fields::Fields;
use super::format::Sent;
use crate::definition::Definition;
use crate::outside::Outside;
use crate::statement::{Outcome, Statement};
use crate::window::{Added, Closed, Windows};

/// What a case sends.
#[derive(Debug)]
pub(super) struct History<'l> {
    messages: Vec<Sent<'l>>,
    /// When the messages have arrived the time goes on to here.
    advance_to_ms: Option<u64>,
}

/// What a case expects of windows. Whatever is left out must not happen.
#[derive(Debug)]
pub(super) struct WindowExpectation<'l> {
    /// The results of the windows that close, in order.
    outputs: Option<&'l RawValue>,
    counts: Counts,
    tolerance: Option<f64>,
}

/// What became of messages that count in no window.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    late: usize,
    refused: usize,
    /// Messages whose evaluation failed, such as for want of a time.
    faults: usize,
}

impl<'l> History<'l> {
    /// Reads the messages of a case; `None` when it has only one of its own.
    pub(super) fn read(
        fields: &mut Fields<'l>,
        case: &Sent<'l>,
        remarks: &mut Vec<String>,
    ) -> Result<Option<Self>, String> {
        let advance_to_ms = fields.take("advance_to_ms")?;
        let Some(raw) = fields.raw("messages") else { return Ok(None) };
        let listed: Vec<&'l RawValue> =
            serde_json::from_str(raw.get()).map_err(|_| "`messages` is no list".to_owned())?;
        let read = |raw: &&'l RawValue| {
            let mut fields = Fields::read(raw.get(), "an object: a message")?;
            let at_ms = fields.take("at_ms")?;
            let mut sent = Sent::read(&mut fields, Some(&case.topic))?;
            sent.now_ms = at_ms.ok_or("a message has no `at_ms`")?;
            fields.left_over("a message", remarks);
            Ok(sent)
        };
        let messages = listed.iter().map(read).collect::<Result<_, String>>()?;
        Ok(Some(Self { messages, advance_to_ms }))
    }

    /// Plays the messages, and compares.
    pub(super) fn check(
        &self,
        statement: &Statement,
        definition: Option<&Definition>,
        outside: Option<&dyn Outside>,
        expected: &WindowExpectation<'_>,
        reaches: impl Fn(&Sent<'_>) -> bool,
    ) -> Result<(), Box<Failure>> {
        let limits = definition.and_then(|definition| definition.window).unwrap_or_default();
        let Some(mut windows) = Windows::new(statement, limits) else {
            let reason = "case has several `messages`, but its statement has no window";
            return Err(Failure::because(reason).into());
        };
        let mut outputs = Vec::new();
        let mut counts = Counts::default();
        for sent in self.messages.iter().filter(|sent| reaches(sent)) {
            let payload = sent.payload().map_err(Failure::because)?;
            let mut message = sent.message(&payload);
            if let Some(outside) = outside {
                message.outside = outside;
            }
            match statement.evaluate(&message) {
                Ok(Outcome::Row(row)) => match windows.add(&row, sent.now_ms) {
                    Added::Counted { .. } => {}
                    Added::Late => counts.late += 1,
                    Added::Refused(_) => counts.refused += 1,
                },
                Ok(_) => {}
                Err(_) => counts.faults += 1,
            }
            collect(windows.advance(sent.now_ms, usize::MAX), &mut outputs)?;
        }
        if let Some(now_ms) = self.advance_to_ms {
            collect(windows.advance(now_ms, usize::MAX), &mut outputs)?;
        }
        expected.check(&format!("[{}]", outputs.join(",")), &counts)
    }
}

/// Adds the results of closed windows.
fn collect(closed: Vec<Closed>, outputs: &mut Vec<String>) -> Result<(), Box<Failure>> {
    for closed in closed {
        match closed.outcome {
            Ok(Outcome::Match(output)) => outputs.push(String::from_utf8_lossy(output.bytes()).into_owned()),
            Ok(_) => {}
            Err(fault) => return Err(Failure::because(format!("a window failed: {fault}")).into()),
        }
    }
    Ok(())
}

impl<'l> WindowExpectation<'l> {
    /// Reads what is expected of windows; `None` when nothing is.
    pub(super) fn read(fields: &mut Fields<'l>, tolerance: Option<f64>) -> Result<Option<Self>, String> {
        let outputs = fields.raw("outputs");
        let (late, refused) = (fields.take::<usize>("late")?, fields.take::<usize>("refused")?);
        let faults = fields.take::<usize>("faults")?;
        if outputs.is_none() && late.or(refused).or(faults).is_none() {
            return Ok(None);
        }
        let number = Option::unwrap_or_default;
        let counts = Counts { late: number(late), refused: number(refused), faults: number(faults) };
        Ok(Some(Self { outputs, counts, tolerance }))
    }

    fn check(&self, outputs: &str, counts: &Counts) -> Result<(), Box<Failure>> {
        if *counts != self.counts {
            let told = |counts: &Counts| {
                format!("{} late, {} refused, {} faults", counts.late, counts.refused, counts.faults)
            };
            return Err(Failure::of_sides("", told(&self.counts), told(counts)).into());
        }
        compare::check(self.outputs.map_or("[]", RawValue::get), outputs, self.tolerance)
    }
}
