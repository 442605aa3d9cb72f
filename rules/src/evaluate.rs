//! Plans over one message: what every operator gives, Undefined among it.
//!
//! Recursion is bounded by the nesting of the statement. Type mismatches are Undefined; exceeded limits are a fault,
//! which is remembered and stops the evaluation at the next check.

mod work;

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;

use crate::ask::Asked;
use crate::functions::{Call, base64_text};
use crate::message::Message;
use crate::misfit::{self, MisfitKind, MisfitKinds};
use crate::number::Number;
use crate::plan::{CallPlan, CasePlan, Plan, QueryPlan, Variables};
use crate::statement::{CompileOptions, Fault};
use crate::syntax::{CastTarget, Operator};
use crate::value::Value;

pub(crate) struct Evaluation<'v> {
    pub(crate) options: &'v CompileOptions,
    pub(crate) message: &'v Message<'v>,
    variables: RefCell<Vec<Value<'v>>>,
    elements: Cell<u32>,
    work_bytes: Cell<usize>,
    pub(crate) asked: Asked,
    fault: Cell<Option<Limit>>,
    misfits: Cell<MisfitKinds>,
}

/// What stopped an evaluation: a limit, or a question without an answer.
#[derive(Clone, Copy)]
pub(crate) enum Limit {
    Bytes,
    Elements,
    Work,
    Depth,
    Questions,
    Unanswered,
}

/// What names are looked up in: the payload, or the element a subquery looks at.
#[derive(Clone, Copy)]
pub(crate) enum Scope<'s, 'v> {
    Payload,
    Element(&'s Value<'v>),
}

impl<'v> Evaluation<'v> {
    /// Evaluates SET, after which everything else can be.
    pub(crate) fn start(
        options: &'v CompileOptions,
        variables: &'v Variables,
        message: &'v Message<'v>,
    ) -> Result<Self, Fault> {
        Self::start_in(options, variables, message, Scope::Payload)
    }

    /// The same with other names than those of the payload.
    pub(crate) fn start_in(
        options: &'v CompileOptions,
        variables: &'v Variables,
        message: &'v Message<'v>,
        scope: Scope<'_, 'v>,
    ) -> Result<Self, Fault> {
        let evaluation = Self {
            options,
            message,
            variables: RefCell::new(Vec::new()),
            elements: Cell::new(0),
            work_bytes: Cell::new(0),
            asked: Asked::default(),
            fault: Cell::new(None),
            misfits: Cell::new(MisfitKinds::default()),
        };
        if variables.is_empty() {
            return Ok(evaluation);
        }
        message.randomness.for_variables(true);
        for (_, plan) in variables.iter() {
            let value = evaluation.value(plan, scope);
            evaluation.variables.borrow_mut().push(value);
        }
        message.randomness.for_variables(false);
        evaluation.fault()?;
        Ok(evaluation)
    }

    /// The fault that stopped the evaluation, if one did.
    pub(crate) fn fault(&self) -> Result<(), Fault> {
        self.fault.get().map_or(Ok(()), |limit| Err(self.exceeded(limit)))
    }

    /// The kinds of misfits so far.
    pub(crate) fn misfits(&self) -> MisfitKinds {
        self.misfits.get()
    }

    #[cold]
    pub(crate) fn misfit(&self, kind: MisfitKind) {
        self.misfits.set(self.misfits.get().with(kind));
    }

    pub(crate) fn has_stopped(&self) -> bool {
        self.fault.get().is_some()
    }

    /// Stops the evaluation; what comes of it is not looked at any more.
    pub(crate) fn stop(&self, limit: Limit) -> Value<'v> {
        self.fault.set(Some(limit));
        Value::Undefined
    }

    /// Whether WHERE is true of the payload.
    pub(crate) fn holds(&self, condition: &'v Plan) -> bool {
        self.holds_in(condition, Scope::Payload)
    }

    /// An AND is only true if its left side is, so the right one needn't be looked at otherwise.
    pub(crate) fn holds_in(&self, condition: &'v Plan, scope: Scope<'_, 'v>) -> bool {
        match condition {
            Plan::Binary(Operator::And, left, right) => {
                self.holds_in(left, scope) && self.holds_in(right, scope)
            }
            other => {
                let value = self.value(other, scope);
                value.to_boolean().unwrap_or_else(|| {
                    if value.is_there() {
                        self.misfit(MisfitKind::Conversion);
                    }
                    false
                })
            }
        }
    }

    pub(crate) fn value(&self, plan: &'v Plan, scope: Scope<'_, 'v>) -> Value<'v> {
        match plan {
            Plan::Constant(constant) => constant.value(),
            Plan::Path(names) => self.path(names, scope),
            Plan::Star => self.whole(scope),
            Plan::Decode(decode) => self.decoded(decode, scope),
            Plan::EncodedPayload => self.bounded(Value::string(base64_text(self.message.payload().bytes()))),
            Plan::Variable(number) => self.variable(*number),
            Plan::Member(inner, name) => {
                let inner = self.value(inner, scope);
                if self.looks_at(&inner) { inner.member(name) } else { Value::Undefined }
            }
            Plan::Not(inner) => {
                let inner = self.value(inner, scope);
                self.converted(boolean_value(inner.to_boolean().map(|value| !value)), &inner)
            }
            Plan::Negate(inner) => {
                let inner = self.value(inner, scope);
                self.looks_at(&inner);
                self.converted(number_value(inner.to_number().map(Number::negated)), &inner)
            }
            Plan::Binary(operator, left, right) => {
                let (left, right) = (self.value(left, scope), self.value(right, scope));
                if !(self.looks_at(&left) && self.looks_at(&right)) {
                    return Value::Undefined;
                }
                let result = binary(*operator, &left, &right, self.keep_decimal_point());
                if result.is_undefined() && left.is_there() && right.is_there() {
                    self.misfit(MisfitKind::of_operation(*operator, &left, &right));
                }
                self.bounded(result)
            }
            Plan::In(left, right) => {
                let (left, right) = (self.value(left, scope), self.value(right, scope));
                if !self.searches(&left, &right) {
                    return Value::Undefined;
                }
                let result = is_in(&left, &right);
                if left.is_there() { self.converted(result, &right) } else { result }
            }
            Plan::Exists(query) => Value::Boolean(self.exists(query, scope)),
            Plan::Query(query) => self.query(query, scope),
            Plan::Call(call) => self.call(call, scope),
            Plan::Ask(ask) => self.ask(ask, scope),
            Plan::Cast(inner, target) => {
                let inner = self.value(inner, scope);
                self.looks_at(&inner);
                self.converted(cast(&inner, *target, self.keep_decimal_point()), &inner)
            }
            Plan::Case(case) => self.case(case, scope),
            Plan::Object(members) => self.bounded(Value::object(
                members.iter().map(|(name, plan)| (name.as_ref().into(), self.value(plan, scope))).collect(),
            )),
            Plan::Array(elements) => self.gathered(elements.iter().map(|plan| self.value(plan, scope))),
        }
    }

    /// A result that is Undefined only if what was given is not there or can't be converted.
    fn converted(&self, result: Value<'v>, given: &Value<'v>) -> Value<'v> {
        if result.is_undefined() && given.is_there() {
            self.misfit(MisfitKind::Conversion);
        }
        result
    }

    /// A text that was made is copied for each use.
    fn variable(&self, number: usize) -> Value<'v> {
        let variables = self.variables.borrow();
        match variables.get(number) {
            Some(text @ Value::String(_)) if !self.looks_at(text) => Value::Undefined,
            value => value.cloned().unwrap_or_default(),
        }
    }

    fn path(&self, names: &'v [Box<str>], scope: Scope<'_, 'v>) -> Value<'v> {
        match scope {
            Scope::Payload => self.message.payload().find(names).map_or(Value::Undefined, Value::from_node),
            Scope::Element(element) => match names.split_first() {
                Some((first, rest)) => {
                    rest.iter().fold(element.member(first), |value, name| value.member(name))
                }
                None => element.clone(),
            },
        }
    }

    /// What `*` is.
    pub(crate) fn whole(&self, scope: Scope<'_, 'v>) -> Value<'v> {
        match scope {
            Scope::Payload => self.message.payload().root().map_or(Value::Undefined, Value::from_node),
            Scope::Element(element) => element.clone(),
        }
    }

    fn case(&self, case: &'v CasePlan, scope: Scope<'_, 'v>) -> Value<'v> {
        let subject = self.value(&case.subject, scope);
        if subject.is_undefined() {
            return Value::Undefined;
        }
        let chosen = case.branches.iter().find(|(wanted, _)| {
            let wanted = self.value(wanted, scope);
            self.looks_at(&wanted) && self.looks_at(&subject) && subject.equals(&wanted) == Some(true)
        });
        self.value(chosen.map_or(&case.otherwise, |(_, result)| result), scope)
    }

    fn call(&self, call: &'v CallPlan, scope: Scope<'_, 'v>) -> Value<'v> {
        // Nearly every function takes at most three arguments, which then cost no allocation.
        const UNDEFINED: Value<'static> = Value::Undefined;
        let misfits = self.misfits.get();
        let mut few = [UNDEFINED; 3];
        let many: Vec<Value<'v>>;
        let arguments = if call.arguments.len() <= few.len() {
            for (value, plan) in few.iter_mut().zip(&call.arguments) {
                *value = self.value(plan, scope);
            }
            &few[..call.arguments.len()]
        } else {
            many = call.arguments.iter().map(|plan| self.value(plan, scope)).collect();
            &many
        };
        self.charge(arguments.iter().map(Value::weight).fold(0, usize::saturating_add));
        if self.has_stopped() {
            return Value::Undefined;
        }
        if self.misfits.get() != misfits && misfit::expects_misfits(call.function) {
            self.misfits.set(misfits);
        }
        let result = (call.function.evaluate)(&Call {
            arguments,
            message: self.message,
            version: self.options.version,
            text_bytes_max: self.options.output_bytes_max,
            pattern: call.pattern.as_deref(),
            charge: &|bytes| {
                self.charge(bytes);
                !self.has_stopped()
            },
        });
        if self.has_stopped() {
            return Value::Undefined;
        }
        if matches!(result, Value::Undefined | Value::Null) && arguments.iter().all(Value::is_there) {
            self.note_call(call, arguments, &result);
        }
        self.bounded(result)
    }

    #[cold]
    fn note_call(&self, call: &CallPlan, arguments: &[Value<'v>], result: &Value<'v>) {
        // A literal pattern was checked when the rule was created; without a match there is just none.
        let is_search = call.pattern.is_some() && call.function.name == "regexp_substr";
        if is_search && arguments.first().is_some_and(|text| text.to_text().is_some()) {
            return;
        }
        if misfit::is_failure(call.function, arguments, result, &|pattern| {
            self.message.foreign_patterns.get(pattern).is_some()
        }) {
            self.misfit(MisfitKind::Function);
        }
    }

    /// An array gives an array of what is made of its elements, an object what is made of it. `FROM *` looks at the
    /// payload as an array of one.
    fn query(&self, query: &'v QueryPlan, scope: Scope<'_, 'v>) -> Value<'v> {
        let source = self.value(&query.source, scope);
        match &source {
            Value::Array(array) => {
                self.gathered(array.iter().filter_map(|element| self.element(query, &element)))
            }
            Value::Object(_) => {
                let made = self.element(query, &source);
                match query.source {
                    Plan::Star => self.gathered(made.into_iter()),
                    _ => made.unwrap_or_default(),
                }
            }
            other => self.converted(Value::Undefined, other),
        }
    }

    /// Whether a subquery makes anything: the first row that isn't Undefined decides.
    fn exists(&self, query: &'v QueryPlan, scope: Scope<'_, 'v>) -> bool {
        let source = self.value(&query.source, scope);
        let makes =
            |element: &Value<'v>| self.element(query, element).is_some_and(|made| !made.is_undefined());
        match &source {
            Value::Array(array) => array.iter().any(|element| makes(&element)),
            Value::Object(_) => makes(&source),
            other => !self.converted(Value::Undefined, other).is_undefined(),
        }
    }

    /// What a subquery makes of one element; `None` when its WHERE isn't true.
    fn element(&self, query: &'v QueryPlan, element: &Value<'v>) -> Option<Value<'v>> {
        if !self.visits(element, query.nodes) {
            return None;
        }
        let scope = Scope::Element(element);
        let passes = query.condition.as_ref().is_none_or(|condition| self.holds_in(condition, scope));
        passes.then(|| self.projected(&query.projection, scope))
    }
}

fn number_value<'v>(number: Option<Number>) -> Value<'v> {
    number.map_or(Value::Undefined, Value::Number)
}

fn boolean_value<'v>(value: Option<bool>) -> Value<'v> {
    value.map_or(Value::Undefined, Value::Boolean)
}

pub(crate) fn binary<'v>(
    operator: Operator,
    left: &Value<'v>,
    right: &Value<'v>,
    keep_decimal_point: bool,
) -> Value<'v> {
    let both = |combine: fn(bool, bool) -> bool| Some(combine(left.to_boolean()?, right.to_boolean()?));
    let ordered = |holds: fn(Ordering) -> bool| boolean_value(left.order(right).map(holds));
    let computed = |compute: fn(Number, Number) -> Option<Number>| {
        let numbers = left.to_number().zip(right.to_number());
        number_value(numbers.and_then(|(left, right)| compute(left, right)))
    };
    match operator {
        Operator::And => boolean_value(both(|left, right| left && right)),
        Operator::Or => boolean_value(both(|left, right| left || right)),
        Operator::Equal => boolean_value(left.equals(right)),
        Operator::NotEqual => boolean_value(left.equals(right).map(|same| !same)),
        Operator::Less => ordered(Ordering::is_lt),
        Operator::LessOrEqual => ordered(Ordering::is_le),
        Operator::Greater => ordered(Ordering::is_gt),
        Operator::GreaterOrEqual => ordered(Ordering::is_ge),
        Operator::Add if matches!(left, Value::String(_)) || matches!(right, Value::String(_)) => {
            let text = |value: &Value<'v>| value.to_text_keeping(keep_decimal_point);
            match (text(left), text(right)) {
                (Some(left), Some(right)) => Value::string(left + right),
                _ => Value::Undefined,
            }
        }
        Operator::Add => computed(Number::plus),
        Operator::Subtract => computed(Number::minus),
        Operator::Multiply => computed(Number::times),
        Operator::Divide => computed(Number::divided_by),
        Operator::Remainder => computed(Number::remainder),
    }
}

fn is_in<'v>(wanted: &Value<'v>, array: &Value<'v>) -> Value<'v> {
    match array {
        Value::Array(_) if wanted.is_undefined() => Value::Undefined,
        Value::Array(array) => {
            Value::Boolean(array.iter().any(|element| wanted.equals(&element) == Some(true)))
        }
        _ => Value::Undefined,
    }
}

/// `cast(value AS target)`, which converts between numbers and Booleans beyond what conversions do by themselves.
fn cast<'v>(value: &Value<'v>, target: CastTarget, keep_decimal_point: bool) -> Value<'v> {
    let number = || match value {
        Value::Boolean(value) => Some(Number::from(i64::from(*value))),
        other => other.to_number(),
    };
    // An Int becomes a Decimal without a point, everything else one with it.
    let pointed = |decimal: Number| match value {
        Value::Number(number) if !number.is_decimal() => decimal.as_int_if_whole(),
        _ => decimal.as_decimal(),
    };
    match target {
        CastTarget::String => {
            value.to_text_keeping(keep_decimal_point).map_or(Value::Undefined, Value::String)
        }
        CastTarget::Int if matches!(value, Value::String(_)) => {
            number_value(number().map(|number| number.truncated(0).as_int_if_whole()))
        }
        CastTarget::Int => number_value(number().map(Number::floor)),
        CastTarget::Decimal => number_value(number().map(pointed)),
        CastTarget::Double => {
            let double = number().and_then(|number| Number::from_f64(number.to_f64()));
            number_value(double.map(pointed))
        }
        CastTarget::Boolean => match value {
            Value::Number(_) | Value::LongNumber(_) => {
                boolean_value(number().map(|number| !number.is_zero()))
            }
            other => boolean_value(other.to_boolean()),
        },
    }
}
