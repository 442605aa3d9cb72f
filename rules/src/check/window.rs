//! Statements over windows: what is evaluated for every message, and what when a window closes.
//!
//! GROUP BY, TIMESTAMP BY, WHERE and the arguments of aggregates see a message, as everything in an ordinary statement
//! does. The rest of SELECT and HAVING sees a window: the values of GROUP BY, the results of the aggregates, and when it
//! started and ended.

use sha2::{Digest, Sha256};

use super::frame::window_call;
use super::{Check, Reach};
use crate::diagnostic::Span;
use crate::plan::{Constant, Plan, Variables};
use crate::statement::SqlVersion;
use crate::syntax::{Assignment, Body, Expression, Form, Grouping, Name, Select, is_same};
use crate::window::{AggregatePlan, END_NAME, InputPlan, START_NAME, WindowPlan, find_aggregate, key_name};

/// The most values GROUP BY may have beside the window.
pub(crate) const GROUP_KEYS_MAX: usize = 16;

/// The most different aggregates of a statement.
pub(crate) const AGGREGATES_MAX: usize = 64;

/// Functions about one message, of which a window has many and its result is none.
const OF_A_MESSAGE: &[&str] =
    &["topic", "clientid", "principal", "sourceip", "traceid", "get_mqtt_property", "get_user_properties"];

/// Functions that are asked for each message, but may be asked about a result.
const FOR_A_MESSAGE: &[&str] = &[
    "timestamp",
    "accountid",
    "aws_lambda",
    "get_dynamodb",
    "get_registry_data",
    "get_secret",
    "get_thing_shadow",
    "machinelearning_predict",
];

/// What an expression is evaluated for.
#[derive(Default)]
pub(super) enum Stage {
    /// A message, in a statement without windows or in a template.
    #[default]
    Ordinary,
    /// A message, in a statement over windows.
    Message,
    /// A message, inside an aggregate.
    Argument,
    /// A window that closes.
    Closing(Box<Closing>),
}

/// What a window that closes has, as far as it has been asked for.
#[derive(Default)]
pub(super) struct Closing {
    keys: Vec<Expression>,
    /// Which variables of SET need no message.
    variables: Vec<bool>,
    pub(super) inputs: Vec<(Expression, InputPlan)>,
    pub(super) aggregates: Vec<AggregatePlan>,
    /// What results are called, and what they are made of.
    results: Vec<(String, Span)>,
}

impl<'t> Check<'t> {
    /// The check of a whole statement.
    pub(crate) fn of(text: &'t str, version: SqlVersion, select: &Select) -> Self {
        let stage = if select.grouping.is_some() { Stage::Message } else { Stage::Ordinary };
        Self { stage, ..Self::new(text, version) }
    }

    /// What a statement over windows has instead of a projection; `None` when its window is wrong, which has been said.
    pub(crate) fn window(&mut self, select: &Select, grouping: &Grouping) -> Option<WindowPlan> {
        self.require_2016(grouping.keyword, "a window");
        let (windows, keys): (Vec<&Expression>, Vec<&Expression>) =
            grouping.keys.iter().partition(|key| window_call(key).is_some());
        let mut frame = None;
        match windows.as_slice() {
            [] => self.missing_window(grouping),
            [window] => frame = window_call(window).and_then(|(name, arguments)| self.frame(name, arguments)),
            [_, second, ..] => {
                self.error(second.span, "GROUP BY names two windows", "use one rule for each".to_owned());
            }
        }
        if let Some(surplus) = keys.get(GROUP_KEYS_MAX) {
            self.error(surplus.span, format!("GROUP BY has more than {GROUP_KEYS_MAX} values"), None);
        }
        let time = grouping.time.as_ref().map(|time| self.expression(time));
        let key_plans = keys.iter().map(|key| self.expression(key)).collect();
        self.stage = Stage::Closing(Box::new(Closing {
            keys: keys.into_iter().cloned().collect(),
            results: results(&select.body),
            ..Closing::default()
        }));
        let variables = self.closing_variables(&select.variables);
        let projection = self.projection(&select.body);
        let having = grouping.having.as_ref().map(|having| self.expression(having));
        let Stage::Closing(closing) = std::mem::take(&mut self.stage) else { return None };
        Some(WindowPlan {
            frame: frame?,
            time,
            keys: key_plans,
            inputs: closing.inputs.into_iter().map(|(_, input)| input).collect(),
            aggregates: closing.aggregates,
            variables,
            having,
            projection,
            fingerprint: fingerprint(self.text, self.version),
        })
    }

    fn missing_window(&mut self, grouping: &Grouping) {
        let hint = "name one in GROUP BY: `GROUP BY deviceId, TUMBLINGWINDOW(ss, 10)`".to_owned();
        self.error(grouping.keyword, "statement groups messages, but names no window", hint);
    }

    /// The variables of SET that are made of nothing but what a window has. Whether the others are wrong has been said.
    fn closing_variables(&mut self, assignments: &[Assignment]) -> Variables {
        let mut plans = Vec::with_capacity(assignments.len());
        for assignment in assignments {
            let (errors, warnings) = (self.errors.len(), self.warnings.len());
            let aggregates = self.closing().map_or(0, |closing| closing.aggregates.len());
            let mut plan = self.expression(&assignment.value);
            let is_closing = self.errors.len() == errors
                && self.closing().is_some_and(|closing| closing.aggregates.len() == aggregates);
            self.errors.truncate(errors);
            self.warnings.truncate(warnings);
            if !is_closing {
                plan = Plan::Constant(Constant::Undefined);
            }
            if let Some(closing) = self.closing() {
                closing.variables.push(is_closing);
            }
            plans.push((assignment.name.text.as_str().into(), plan));
        }
        plans.into()
    }

    pub(super) fn closing(&mut self) -> Option<&mut Closing> {
        match &mut self.stage {
            Stage::Closing(closing) => Some(closing),
            _ => None,
        }
    }

    /// The plan of what means something else in statements over windows, or stands only there; `None` for everything
    /// that is the same in all statements.
    pub(super) fn of_window(&mut self, expression: &Expression) -> Option<Plan> {
        let is_inside_query = self.query_depth > 0;
        if !is_inside_query && let Some(closing) = self.closing() {
            let key = closing.keys.iter().position(|key| is_same(key, expression));
            if let Some(key) = key {
                return Some(Plan::Path([key_name(key)].into()));
            }
        }
        if matches!(self.reach, Reach::ResultOfWindow(_)) {
            return self.of_result(expression);
        }
        match &expression.form {
            Form::Call(name, arguments) => self.call_of_window(expression, name, arguments, is_inside_query),
            _ if is_inside_query => None,
            Form::Field(_) | Form::Star | Form::Variable(_) => self.name_of_window(expression),
            _ => None,
        }
    }

    fn call_of_window(
        &mut self,
        expression: &Expression,
        name: &Name,
        arguments: &[Expression],
        is_inside_query: bool,
    ) -> Option<Plan> {
        if let Some(function) = find_aggregate(&name.text) {
            return Some(match self.stage {
                Stage::Closing(_) if !is_inside_query => self.aggregate(function, name, arguments),
                _ => self.misplaced(name),
            });
        }
        if window_call(expression).is_some() {
            let hint = "write it after `GROUP BY`".to_owned();
            return Some(self.refused(
                name.span,
                format!("`{}` does not stand in GROUP BY", name.text),
                hint,
            ));
        }
        let bound = [("window_start", START_NAME), ("window_end", END_NAME)];
        if let Some((_, bound)) = bound.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name.text)) {
            return Some(match self.stage {
                Stage::Closing(_) if !is_inside_query && arguments.is_empty() => {
                    Plan::Path([(*bound).into()].into())
                }
                Stage::Closing(_) if !is_inside_query => {
                    let hint = format!("write `{}()`", name.text);
                    self.refused(name.span, format!("`{}` takes no arguments", name.text), hint)
                }
                _ => self.misplaced(name),
            });
        }
        let mut of_message = OF_A_MESSAGE.iter().chain(FOR_A_MESSAGE);
        let is_of_message = of_message.any(|known| known.eq_ignore_ascii_case(&name.text));
        (is_of_message && self.closing().is_some()).then(|| {
            let written = self.written(expression.span);
            let hint =
                format!("add `{written}` to GROUP BY, or write `first({written})` or `last({written})`");
            self.refused(expression.span, format!("`{written}` differs from message to message"), hint)
        })
    }

    /// What the text of an action can't say, as it sees the result of a window and no message.
    fn of_result(&mut self, expression: &Expression) -> Option<Plan> {
        let is_lost = match &expression.form {
            Form::Variable(_) => true,
            Form::Call(name, _) => {
                let is = |known: &&str| known.eq_ignore_ascii_case(&name.text);
                find_aggregate(&name.text).is_some()
                    || OF_A_MESSAGE.iter().chain(&["window_start", "window_end"]).any(is)
            }
            _ => false,
        };
        is_lost.then(|| {
            let written = self.written(expression.span);
            let hint = format!("select it, as in `{written} AS name`, and write `${{name}}` here");
            let message = format!("`{written}` is not known of the result of a window");
            self.refused(expression.span, message, hint)
        })
    }

    /// A name outside of aggregates, which is none of the values of GROUP BY.
    fn name_of_window(&mut self, expression: &Expression) -> Option<Plan> {
        let closing = self.closing()?;
        let span = expression.span;
        let known = closing.variables.clone();
        let result = match &expression.form {
            Form::Field(name) => {
                closing.results.iter().find(|(result, of)| result == name && !of.contains(span))
            }
            _ => None,
        };
        let result = result.map(|(_, of)| *of);
        let written = self.written(span);
        if let Form::Variable(name) = &expression.form {
            // An unknown variable is refused as anywhere.
            let number = self.variables.iter().position(|known| known.as_ref() == name)?;
            if known.get(number) == Some(&true) {
                return Some(Plan::Variable(number));
            }
        }
        if matches!(expression.form, Form::Star) {
            let hint = "list what you need: values of GROUP BY and aggregates such as `last(*) AS latest`"
                .to_owned();
            return Some(self.refused(span, "`*` is one message, but a window has many", hint));
        }
        if let Some(of) = result {
            let hint = format!("write what the result stands for: `{}`", self.written(of));
            return Some(self.refused(
                span,
                format!("`{written}` is the name of a result, not of a value"),
                hint,
            ));
        }
        let hint = format!("add `{written}` to GROUP BY, or write `first({written})` or `last({written})`");
        Some(self.refused(span, format!("`{written}` differs from message to message"), hint))
    }

    fn written(&self, span: Span) -> String {
        self.text[span.start..span.end].to_owned()
    }

    pub(super) fn refused(&mut self, span: Span, message: impl Into<String>, hint: String) -> Plan {
        self.error(span, message, hint);
        Plan::Constant(Constant::Undefined)
    }

    fn misplaced(&mut self, name: &Name) -> Plan {
        let called = &name.text;
        let (message, hint) = match self.stage {
            Stage::Ordinary => (
                format!("`{called}` is over many messages, but this statement sees one at a time"),
                "add a window: `… GROUP BY deviceId, TUMBLINGWINDOW(ss, 10)`",
            ),
            Stage::Message => (
                format!("`{called}` is over many messages, but this is evaluated for each of them"),
                "it stands in SELECT and HAVING; a condition on it goes after HAVING",
            ),
            Stage::Argument => (
                format!("`{called}` stands inside an aggregate"),
                "aggregates are of messages, not of aggregates",
            ),
            Stage::Closing(_) => (
                format!("`{called}` stands inside a subquery"),
                "a subquery sees the elements of an array; aggregates stand outside of it",
            ),
        };
        self.refused(name.span, message, hint.to_owned())
    }
}

/// The results that have a name of one level, and the places of what they are made of.
fn results(body: &Body) -> Vec<(String, Span)> {
    let Body::Items(items) = body else { return Vec::new() };
    let named = items.iter().filter_map(|item| match item.alias.as_slice() {
        [alias] => Some((alias.text.clone(), item.expression.span)),
        _ => None,
    });
    named.collect()
}

fn fingerprint(sql: &str, version: SqlVersion) -> [u8; 8] {
    let hash = Sha256::new().chain_update(version.text()).chain_update([0]).chain_update(sql).finalize();
    let mut fingerprint = [0; 8];
    fingerprint.copy_from_slice(&hash[..8]);
    fingerprint
}
