//! Aggregates of statements over windows: what they take, and which of them are the same.

use super::Check;
use super::window::{AGGREGATES_MAX, Stage};
use crate::number::Number;
use crate::plan::{Constant, Plan};
use crate::syntax::{Expression, Form, Name, is_same};
use crate::window::{Aggregate, AggregateFunction, AggregatePlan, InputPlan, Make, aggregate_name};

impl Check<'_> {
    /// A call of an aggregate in SELECT or HAVING.
    pub(super) fn aggregate(
        &mut self,
        function: &AggregateFunction,
        name: &Name,
        arguments: &[Expression],
    ) -> Plan {
        let made = match (function.make, arguments) {
            (Make::Plain(aggregate), [_]) => Some(aggregate),
            (Make::WithShare(make), [_, share]) => self.share(share).map(make),
            _ => {
                let message = format!("`{}` gets {} arguments", name.text, arguments.len());
                self.error(name.span, message, format!("write `{}`", function.signature));
                None
            }
        };
        let (Some(aggregate), Some(argument)) = (made, arguments.first()) else {
            return Plan::Constant(Constant::Undefined);
        };
        let is_star = matches!(argument.form, Form::Star);
        if is_star && !matches!(aggregate, Aggregate::Count | Aggregate::First | Aggregate::Last) {
            let hint = format!("write `{}` with a field of the payload", function.signature);
            return self.refused(argument.span, format!("`{}` can't take a whole payload", name.text), hint);
        }
        let input =
            if is_star && aggregate == Aggregate::Count { None } else { self.input(argument, aggregate) };
        let Some(closing) = self.closing() else { return Plan::Constant(Constant::Undefined) };
        let same = |known: &AggregatePlan| known.aggregate == aggregate && known.input == input;
        let number = closing.aggregates.iter().position(same).unwrap_or_else(|| {
            closing.aggregates.push(AggregatePlan { aggregate, input });
            closing.aggregates.len() - 1
        });
        if number == AGGREGATES_MAX {
            self.error(name.span, format!("statement has more than {AGGREGATES_MAX} aggregates"), None);
        }
        Plan::Path([aggregate_name(number)].into())
    }

    fn share(&mut self, share: &Expression) -> Option<Number> {
        let one = Number::from(1);
        match share.form {
            Form::Number(number) if !number.is_negative() && number <= one => Some(number),
            _ => {
                let hint = "write for example `percentile(temperature, 0.95)`".to_owned();
                self.error(share.span, "share of a percentile is a constant number from 0 to 1", hint);
                None
            }
        }
    }

    /// The number of the input that is this argument; aggregates over the same argument share it.
    fn input(&mut self, argument: &Expression, aggregate: Aggregate) -> Option<usize> {
        let Stage::Closing(mut closing) = std::mem::replace(&mut self.stage, Stage::Argument) else {
            return None;
        };
        let known = closing.inputs.iter().position(|(known, _)| is_same(known, argument));
        let number = known.unwrap_or_else(|| {
            closing.inputs.push((argument.clone(), InputPlan::of(self.expression(argument))));
            closing.inputs.len() - 1
        });
        closing.inputs[number].1.is_for(aggregate.need());
        self.stage = Stage::Closing(closing);
        Some(number)
    }
}
