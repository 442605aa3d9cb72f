//! What a message adds to windows: its time, its group and the values that are aggregated.
//!
//! A row is all that is kept of a message, so it is small, can be read without the message, and says which statement it
//! is of.

use bytes::Bytes;
use thiserror::Error;

use super::aggregate::{Make, Need, find};
use super::bytes::{Reader, push_bytes, push_signed, push_unsigned};
use super::datum::Datum;
use super::plan::{InputPlan, WindowPlan};
use super::time::milliseconds;
use crate::evaluate::{Evaluation, Scope};
use crate::misfit::MisfitKind;
use crate::number::Number;
use crate::plan::Plan;
use crate::statement::Fault;
use crate::value::Value;

/// The longest key of a group, in bytes as it is written.
pub const GROUP_KEY_BYTES_MAX: usize = 1024;

/// The longest String, Array or Object that `first`, `last`, `min` and `max` keep, in bytes; longer ones are left out.
pub const VALUE_BYTES_MAX: usize = 4096;

/// The number of the format of rows.
const FORMAT: u8 = 1;

/// What a message adds to the windows of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub(super) fingerprint: [u8; 8],
    /// Milliseconds since 1970; `None` when the time of arrival counts.
    pub(super) time: Option<i64>,
    /// The values of GROUP BY as they are written, equal for equal values.
    pub(super) group: Box<[u8]>,
    /// One for each input of the plan.
    pub(super) inputs: Vec<Datum>,
}

/// Bytes that are no row, or a row of a later version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RowError {
    /// The bytes were written by a later version.
    #[error("row has format `{format}`, but this version reads `{FORMAT}`; run the version that wrote it")]
    Format {
        /// The format the bytes say they have.
        format: u8,
    },
    /// The bytes are damaged, or were never a row.
    #[error("bytes are not a row of a windowed statement")]
    Damaged,
}

impl Row {
    /// The statement it is of, as [`crate::Statement::fingerprint`] says it.
    pub fn fingerprint(&self) -> [u8; 8] {
        self.fingerprint
    }

    /// The time of the event in milliseconds since 1970; `None` when the time of arrival counts.
    pub fn event_time_ms(&self) -> Option<i64> {
        self.time
    }

    /// The row as bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = vec![FORMAT];
        out.extend_from_slice(&self.fingerprint);
        out.push(u8::from(self.time.is_some()));
        if let Some(time) = self.time {
            push_signed(&mut out, time);
        }
        push_bytes(&mut out, &self.group);
        push_unsigned(&mut out, self.inputs.len() as u64);
        self.inputs.iter().for_each(|input| input.write(&mut out));
        out.into()
    }

    /// Reads a row.
    ///
    /// # Errors
    /// When the bytes are of a later version, or no row.
    pub fn decode(bytes: &[u8]) -> Result<Self, RowError> {
        match bytes.first() {
            Some(&FORMAT) => Self::read(&mut Reader::new(&bytes[1..])).ok_or(RowError::Damaged),
            Some(&format) if format > FORMAT => Err(RowError::Format { format }),
            _ => Err(RowError::Damaged),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let fingerprint = reader.array()?;
        let time = match reader.byte()? {
            0 => None,
            1 => Some(reader.signed()?),
            _ => return None,
        };
        let group = reader.bytes().filter(|group| group.len() <= GROUP_KEY_BYTES_MAX)?.into();
        let inputs = (0..reader.count()?).map(|_| Datum::read(reader)).collect::<Option<_>>()?;
        reader.is_at_end().then_some(Self { fingerprint, time, group, inputs })
    }
}

impl<'v> Evaluation<'v> {
    /// The row of a message that WHERE let through.
    pub(crate) fn row(&self, plan: &'v WindowPlan) -> Result<Row, Fault> {
        let time = plan.time.as_ref().map(|time| self.value(time, Scope::Payload));
        let mut group = Vec::new();
        for key in &plan.keys {
            Datum::key_of(&self.value(key, Scope::Payload)).write(&mut group);
        }
        let inputs = plan.inputs.iter().map(|input| self.input(input)).collect();
        self.fault()?;
        if group.len() > GROUP_KEY_BYTES_MAX {
            return Err(Fault::GroupKeyTooLarge { bytes_max: GROUP_KEY_BYTES_MAX });
        }
        let time = match time {
            None => None,
            Some(value) => {
                let time = milliseconds(&value);
                Some(time.ok_or_else(|| Fault::NoEventTime { found: value.type_name() })?)
            }
        };
        Ok(Row { fingerprint: plan.fingerprint, time, group: group.into(), inputs })
    }

    fn input(&self, input: &'v InputPlan) -> Datum {
        let value = self.value(&input.plan, Scope::Payload);
        let reduced = input.reduced(&value);
        if input.is_misfit(&value, &reduced) {
            self.misfit(MisfitKind::Conversion);
        }
        reduced
    }
}

impl InputPlan {
    /// The argument of no aggregate yet.
    pub(crate) fn of(plan: Plan) -> Self {
        Self { plan, need: Need::Presence, strictest: Need::Whole }
    }

    /// Notes that an aggregate over it has this need.
    pub(crate) fn is_for(&mut self, need: Need) {
        self.need = self.need.max(need);
        if need > Need::Presence {
            self.strictest = self.strictest.min(need);
        }
    }

    /// As little of a value as the aggregates need.
    fn reduced(&self, value: &Value<'_>) -> Datum {
        match value {
            Value::Undefined | Value::Null => return Datum::Undefined,
            _ if self.need == Need::Presence => return Datum::Present,
            _ => {}
        }
        if self.need < Need::Whole
            && let Some(number) = value.to_number()
        {
            return Datum::Number(number);
        }
        if !self.need.is_met_by(value) {
            return Datum::Present;
        }
        match Datum::of(value) {
            datum if datum.weight() <= VALUE_BYTES_MAX => datum,
            _ => value.to_number().map_or(Datum::Present, Datum::Number),
        }
    }

    /// Whether there is a value that an aggregate leaves out because it can't use it.
    fn is_misfit(&self, value: &Value<'_>, reduced: &Datum) -> bool {
        let is_lost = *reduced == Datum::Present || !self.strictest.is_met_by(value);
        self.need > Need::Presence && reduced.is_present() && is_lost
    }
}

/// Whether an aggregate of this name uses a value that is there.
pub(crate) fn is_aggregated(name: &str, value: &Value<'_>) -> bool {
    let need = match find(name).map(|function| function.make) {
        Some(Make::Plain(aggregate)) => aggregate.need(),
        Some(Make::WithShare(make)) => make(Number::ZERO).need(),
        None => Need::Presence,
    };
    let is_kept = need < Need::NumberOrText
        || value.to_number().is_some()
        || Datum::of(value).weight() <= VALUE_BYTES_MAX;
    need.is_met_by(value) && is_kept
}

impl Need {
    /// Whether a value that is there is one to do something with.
    pub(crate) fn is_met_by(self, value: &Value<'_>) -> bool {
        match self {
            Self::Presence | Self::Whole => true,
            Self::Number => value.to_number().is_some(),
            Self::NumberOrText => matches!(value, Value::String(_)) || value.to_number().is_some(),
        }
    }
}
