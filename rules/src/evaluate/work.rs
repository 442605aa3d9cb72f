//! What the evaluation of one message may cost, whatever the statement and the payload are.
//!
//! Everything that takes longer for longer values, or makes new ones, is counted in bytes before it is done; subqueries
//! count a few bytes for each node of their plan and element. Light values, such as most are, cost two comparisons.

use super::{Evaluation, Limit};
use crate::statement::Fault;
use crate::value::Value;

/// What a node of a plan counts for each element a subquery looks at, in bytes: as much time as copying them, or more.
const NODE_BYTES: usize = 8;

/// Values up to this weight are not worth counting where work is in proportion to the statement.
const LIGHT_BYTES_MAX: usize = 64;

/// How much more than the largest output an array or object may weigh: what is read weighs as much as its text, and the
/// text may be longer than what is made of it.
const BUILT_FACTOR: usize = 4;

/// The deepest nesting of what is built, so that it can be walked on any stack: twice what is read of a payload.
const BUILT_DEPTH_MAX: u32 = 256;

impl<'v> Evaluation<'v> {
    /// Counts bytes that are looked at or made, and stops the evaluation when there were too many.
    pub(crate) fn charge(&self, bytes: usize) {
        let work = self.work_bytes.get().saturating_add(bytes);
        self.work_bytes.set(work);
        if work > self.options.work_bytes_max {
            self.stop(Limit::Work);
        }
    }

    /// Counts a value that is looked at as a whole; false when it is too much.
    pub(crate) fn looks_at(&self, value: &Value<'v>) -> bool {
        let weight = value.weight();
        if weight <= LIGHT_BYTES_MAX {
            return true;
        }
        self.charge(weight);
        !self.has_stopped()
    }

    /// Counts what a search for a value costs: a collection is compared with every element anew.
    pub(super) fn searches(&self, wanted: &Value<'v>, place: &Value<'v>) -> bool {
        if let (Value::Array(_) | Value::Object(_), Value::Array(elements)) = (wanted, place) {
            self.charge(wanted.weight().saturating_mul(elements.len()));
        }
        self.looks_at(place)
    }

    /// Counts an element and the work of a subquery with so many nodes on it; false when that stopped the evaluation.
    pub(super) fn visits(&self, element: &Value<'v>, nodes: usize) -> bool {
        let visited = self.elements.get().saturating_add(1);
        self.elements.set(visited);
        if visited > self.options.elements_max {
            self.stop(Limit::Elements);
        }
        self.charge(nodes.saturating_mul(NODE_BYTES));
        self.looks_at(element) && !self.has_stopped()
    }

    /// Elements of an array in the making, up to where it grows too large.
    pub(super) fn gathered(&self, elements: impl Iterator<Item = Value<'v>>) -> Value<'v> {
        let mut weight = 0usize;
        let gathered: Vec<Value<'v>> = elements
            .take_while(|element| {
                weight = weight.saturating_add(element.weight());
                weight <= self.built_bytes_max() && !self.has_stopped()
            })
            .collect();
        if weight > self.built_bytes_max() {
            return self.stop(Limit::Bytes);
        }
        self.bounded(Value::array(gathered))
    }

    /// Stops the evaluation when a text, array or object has grown beyond the limit, before it can grow further.
    pub(crate) fn bounded(&self, value: Value<'v>) -> Value<'v> {
        let bytes_max = match &value {
            Value::String(text) => {
                self.charge(text.len());
                self.options.output_bytes_max
            }
            Value::Array(array) if array.is_built() => self.built_bytes_max(),
            Value::Object(object) if object.is_built() => self.built_bytes_max(),
            _ => return value,
        };
        match value.weight() <= bytes_max {
            _ if value.depth() > BUILT_DEPTH_MAX => self.stop(Limit::Depth),
            true => value,
            false => self.stop(Limit::Bytes),
        }
    }

    /// The fault that a limit stands for.
    pub(super) fn exceeded(&self, limit: Limit) -> Fault {
        let options = self.options;
        match limit {
            Limit::Bytes => Fault::TooLarge { bytes_max: options.output_bytes_max },
            Limit::Depth => Fault::TooDeep { depth_max: BUILT_DEPTH_MAX },
            Limit::Elements => Fault::TooMuchWork { elements_max: options.elements_max },
            Limit::Work => Fault::TooManyBytes { work_bytes_max: options.work_bytes_max },
            Limit::Questions => Fault::TooManyQuestions { questions_max: options.questions_max },
            Limit::Unanswered => self.asked.unanswered(),
        }
    }

    fn built_bytes_max(&self) -> usize {
        self.options.output_bytes_max.saturating_mul(BUILT_FACTOR)
    }
}
