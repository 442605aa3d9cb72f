//! What a window gives when it closes: HAVING and SELECT over what its group has kept.

use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

use super::bytes::Reader;
use super::datum::Datum;
use super::group::{Group, Key};
use super::plan::{END_NAME, START_NAME, WindowPlan, aggregate_name, key_name};
use crate::evaluate::{Evaluation, Scope};
use crate::json::Tape;
use crate::message::{Message, Randomness};
use crate::number::Number;
use crate::statement::{Fault, Outcome, Output, Statement};
use crate::value::{Value, write_json};

/// A window that has closed, for one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// When the window started, in milliseconds since 1970.
    pub window_start_ms: i64,
    /// When it ended.
    pub window_end_ms: i64,
    /// The values of GROUP BY, as bytes. With the start of the window and the statement's fingerprint they name this
    /// result among all others.
    pub group: Box<[u8]>,
    /// How many messages counted.
    pub rows: u64,
    /// The result of SELECT, or no match when HAVING isn't true.
    pub outcome: Result<Outcome, Fault>,
}

pub(super) fn close(statement: &Statement, plan: &WindowPlan, key: &Key, group: &Group) -> Closed {
    Closed {
        window_start_ms: key.start_ms,
        window_end_ms: group.end_ms,
        group: Box::from(&*key.group),
        rows: group.rows,
        outcome: outcome(statement, plan, key, group),
    }
}

/// The values by the names that plans look them up under.
fn named_values(plan: &WindowPlan, key: &Key, group: &Group) -> Vec<(Box<str>, Datum)> {
    let mut reader = Reader::new(&key.group);
    let keys =
        (0..plan.keys.len()).map(|number| (key_name(number), Datum::read(&mut reader).unwrap_or_default()));
    let aggregates = plan.aggregates.iter().zip(&group.accumulators).enumerate();
    let aggregates = aggregates.map(|(number, (planned, accumulator))| {
        let result = match planned.input {
            None => Datum::Number(Number::from(i64::try_from(group.rows).unwrap_or(i64::MAX))),
            Some(_) => planned.aggregate.result(accumulator),
        };
        (aggregate_name(number), result)
    });
    let bounds = [(START_NAME, key.start_ms), (END_NAME, group.end_ms)];
    let bounds = bounds.map(|(name, time)| (name.into(), Datum::Number(Number::from(time))));
    keys.chain(aggregates).chain(bounds).collect()
}

fn outcome(statement: &Statement, plan: &WindowPlan, key: &Key, group: &Group) -> Result<Outcome, Fault> {
    let named = named_values(plan, key, group);
    let tapes: Vec<Option<Tape>> = named.iter().map(|(_, datum)| datum.tape()).collect();
    let members = named.iter().zip(&tapes);
    let members = members.map(|((name, datum), tape)| (name.as_ref().into(), datum.value(tape.as_ref())));
    let values = Value::object(members.collect());
    let options = statement.options();
    let randomness = Repeatable::of(plan, key);
    let now_ms = u64::try_from(group.end_ms).unwrap_or(0);
    let message = Message::new("", b"", now_ms, &randomness);
    let scope = Scope::Element(&values);
    let evaluation = Evaluation::start_in(&options, &plan.variables, &message, scope)?;
    if let Some(having) = &plan.having {
        let holds = evaluation.holds_in(having, scope);
        evaluation.fault()?;
        if !holds {
            return Ok(Outcome::NoMatch);
        }
    }
    let mut text = String::new();
    write_json(&evaluation.projected(&plan.projection, scope), false, &mut text);
    evaluation.fault()?;
    match text.len() {
        0 => Ok(Outcome::Match(Output::Empty)),
        length if length > options.output_bytes_max => {
            Err(Fault::TooLarge { bytes_max: options.output_bytes_max })
        }
        _ => Ok(Outcome::Match(Output::Json(text.into()))),
    }
}

/// Bits that are the same whenever the same window of the same group is closed, so that a result made twice is the same.
struct Repeatable {
    seed: [u8; 32],
    calls: AtomicU64,
}

impl Repeatable {
    fn of(plan: &WindowPlan, key: &Key) -> Self {
        let hash = Sha256::new().chain_update(plan.fingerprint).chain_update(key.start_ms.to_be_bytes());
        Self { seed: hash.chain_update(&key.group).finalize().into(), calls: AtomicU64::new(0) }
    }
}

impl Randomness for Repeatable {
    fn bytes(&self) -> [u8; 16] {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let hash: [u8; 32] =
            Sha256::new().chain_update(self.seed).chain_update(call.to_be_bytes()).finalize().into();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        bytes
    }
}
