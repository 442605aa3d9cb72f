//! From tree to plan: what the grammar can't say is checked here, and all mistakes are reported at once.
//!
//! Knows the catalogue of functions and the SQL versions; must not know messages.

mod aggregate;
mod decode;
mod frame;
mod habits;
mod outside;
mod window;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Span, SqlErrors, nearest};
use crate::filter::TopicFilter;
use crate::functions::{self, ArgumentKind, Function};
use crate::outside::Service;
use crate::plan::{CallPlan, CasePlan, Constant, ItemPlan, Plan, Projection, QueryPlan, Shape, Variables};
use crate::protobuf::Descriptors;
use crate::statement::{SqlVersion, Statement};
use crate::syntax::{Assignment, Body, CastTarget, Expression, Form, Item, Name, Query};

pub(crate) use frame::window_call;
pub(crate) use outside::Reach;

/// The most variables one SET may define.
pub const VARIABLES_MAX: usize = 10;

/// The most errors, and the most warnings, that are told of one text: those it was read with first.
const DIAGNOSTICS_MAX: usize = 20;

pub(crate) struct Check<'t> {
    text: &'t str,
    version: SqlVersion,
    variables: Vec<Box<str>>,
    /// Inside a subquery, where `*` is the element and not the payload.
    query_depth: usize,
    /// Expressions seen so far.
    nodes: usize,
    reach: Reach<'t>,
    /// The descriptor files that `decode` may name.
    descriptors: Option<&'t Descriptors>,
    /// The services that were asked and may be asked once.
    asked_once: Vec<Service>,
    /// Which names there are: those of a message, or those of a window that closes.
    stage: window::Stage,
    /// The literal patterns so far, each compiled once.
    patterns: Patterns,
    /// Those of the whole statement, where a piece of it is compiled anew.
    known_patterns: Option<&'t Patterns>,
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

/// Literal patterns of a statement, compiled: that takes thousands of times as long as compiling anything else.
pub(crate) type Patterns = BTreeMap<String, Arc<functions::Expression>>;

impl<'t> Check<'t> {
    pub(crate) fn new(text: &'t str, version: SqlVersion) -> Self {
        Self {
            text,
            version,
            variables: Vec::new(),
            query_depth: 0,
            nodes: 0,
            reach: Reach::default(),
            descriptors: None,
            asked_once: Vec::new(),
            stage: window::Stage::default(),
            patterns: Patterns::new(),
            known_patterns: None,
            errors: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// For pieces of a statement that was accepted, at this depth of subqueries: they are compiled anew, except for its patterns.
    pub(crate) fn of_piece(statement: &'t Statement, query_depth: usize) -> Self {
        let mut check = Self::new(statement.sql(), statement.options().version)
            .reaching(Reach::Everybody(statement.capabilities()));
        check.known_patterns = Some(statement.patterns());
        check.know_variables(statement.variables());
        check.query_depth = query_depth;
        check
    }

    /// The patterns that were compiled.
    pub(crate) fn take_patterns(&mut self) -> Patterns {
        std::mem::take(&mut self.patterns)
    }

    /// Makes variables visible that were defined elsewhere.
    pub(crate) fn know_variables(&mut self, variables: &Variables) {
        self.variables = variables.iter().map(|(name, _)| name.clone()).collect();
    }

    /// Takes over what is wrong with the syntax.
    pub(crate) fn know_mistakes(&mut self, mistakes: Vec<Diagnostic>) {
        self.errors.extend(mistakes);
    }

    /// The warnings, if there was no error.
    pub(crate) fn finish(self) -> Result<Vec<Diagnostic>, SqlErrors> {
        if self.errors.is_empty() {
            return Ok(self.warnings);
        }
        Err(SqlErrors::new(self.errors))
    }

    fn error(&mut self, span: Span, message: impl Into<String>, hint: impl Into<Option<String>>) {
        if self.errors.len() >= DIAGNOSTICS_MAX {
            return;
        }
        let diagnostic = Diagnostic::new(self.text, span, message);
        self.errors.push(Diagnostic { hint: hint.into(), ..diagnostic });
    }

    fn warn(&mut self, span: Span, message: impl Into<String>, hint: &str) {
        if self.warnings.len() >= DIAGNOSTICS_MAX {
            return;
        }
        self.warnings.push(Diagnostic::new(self.text, span, message).with_hint(hint));
    }

    /// Refuses a construct that came with 2016-03-23 in an older statement.
    fn require_2016(&mut self, span: Span, what: &str) {
        if self.version < SqlVersion::V2016 {
            self.error(
                span,
                format!("{what} is not part of SQL version `{}`", self.version.text()),
                format!("set `sql_version = \"{}\"`", SqlVersion::V2016.text()),
            );
        }
    }

    pub(crate) fn variables(&mut self, assignments: &[Assignment]) -> Variables {
        if let Some(surplus) = assignments.get(VARIABLES_MAX) {
            self.error(surplus.name.span, format!("SET defines more than {VARIABLES_MAX} variables"), None);
        }
        let mut plans = Vec::with_capacity(assignments.len());
        for assignment in assignments.iter().take(VARIABLES_MAX) {
            let plan = self.expression(&assignment.value);
            let name: Box<str> = assignment.name.text.as_str().into();
            if self.variables.contains(&name) {
                self.error(assignment.name.span, format!("variable `@{name}` is set twice"), None);
            }
            self.variables.push(name.clone());
            plans.push((name, plan));
        }
        plans.into()
    }

    pub(crate) fn topic_filter(&mut self, from: Option<&Name>) -> Option<TopicFilter> {
        let from = from?;
        match TopicFilter::parse(&from.text) {
            Ok(filter) => Some(filter),
            Err(error) => {
                self.error(
                    from.span,
                    error.to_string(),
                    Some("write for example `'plant/+/telemetry'` or `'plant/#'`".to_owned()),
                );
                None
            }
        }
    }

    pub(crate) fn projection(&mut self, body: &Body) -> Projection {
        match body {
            Body::Value(value) => Projection::Value(self.expression(value)),
            Body::Items(items) => {
                let items: Vec<ItemPlan> = items.iter().map(|item| self.item(item)).collect();
                let shape = Shape::of(&items);
                Projection::Items { items, shape }
            }
        }
    }

    fn item(&mut self, item: &Item) -> ItemPlan {
        let plan = self.expression(&item.expression);
        if !item.alias.is_empty() {
            return ItemPlan::new(item.alias.iter().map(|name| name.text.as_str().into()).collect(), plan);
        }
        let name = match &item.expression.form {
            Form::Star => return ItemPlan::new(Box::default(), plan),
            Form::Field(name) | Form::Variable(name) => name.as_str(),
            Form::Member(_, name) => name.text.as_str(),
            _ => {
                // As the printer writes it, so that spaces don't change the name.
                let written = item.expression.to_string();
                self.warn(
                    item.expression.span,
                    format!("result is called `{written}`"),
                    "give it a name with AS",
                );
                return ItemPlan::new([written.into()].into(), plan);
            }
        };
        ItemPlan::new([name.into()].into(), plan)
    }

    pub(crate) fn expression(&mut self, expression: &Expression) -> Plan {
        self.nodes += 1;
        if let Some(plan) = self.of_window(expression) {
            return plan;
        }
        let span = expression.span;
        match &expression.form {
            Form::Null => Plan::Constant(Constant::Null),
            Form::Boolean(value) => Plan::Constant(Constant::Boolean(*value)),
            Form::Number(number) => Plan::Constant(Constant::Number(*number)),
            Form::String(text) => Plan::Constant(Constant::String(text.as_str().into())),
            Form::Star => Plan::Star,
            Form::Field(name) => Plan::Path([name.as_str().into()].into()),
            Form::Variable(name) => self.variable(name, span),
            Form::Member(inner, name) => self.member(inner, name),
            Form::Not(inner) => Plan::Not(self.boxed(inner)),
            Form::Negate(inner) => Plan::Negate(self.boxed(inner)),
            Form::Binary(operator, left, right) => {
                self.habits(*operator, expression, left, right);
                Plan::Binary(*operator, self.boxed(left), self.boxed(right))
            }
            Form::In(left, right) => Plan::In(self.boxed(left), self.boxed(right)),
            Form::Exists(query) => Plan::Exists(Box::new(self.query(query))),
            Form::Query(query) => Plan::Query(Box::new(self.query(query))),
            Form::Call(name, arguments) => self.call(name, arguments),
            Form::Cast(inner, target) => self.cast(inner, *target, span),
            Form::Case(case) => Plan::Case(Box::new(CasePlan {
                subject: self.expression(&case.subject),
                branches: case
                    .branches
                    .iter()
                    .map(|(a, b)| (self.expression(a), self.expression(b)))
                    .collect(),
                otherwise: match &case.otherwise {
                    Some(otherwise) => self.expression(otherwise),
                    None => Plan::Constant(Constant::Undefined),
                },
            })),
            Form::Array(elements) => {
                self.require_2016(span, "an array literal");
                Plan::Array(elements.iter().map(|element| self.expression(element)).collect())
            }
            Form::Object(members) => {
                self.require_2016(span, "an object literal");
                Plan::Object(
                    members
                        .iter()
                        .map(|(name, value)| (name.text.as_str().into(), self.expression(value)))
                        .collect(),
                )
            }
        }
    }

    fn boxed(&mut self, expression: &Expression) -> Box<Plan> {
        Box::new(self.expression(expression))
    }

    fn variable(&mut self, name: &str, span: Span) -> Plan {
        match self.variables.iter().position(|known| known.as_ref() == name) {
            Some(number) => Plan::Variable(number),
            None => {
                let hint = match nearest(name, self.variables.iter().map(AsRef::as_ref)) {
                    Some(known) => format!("did you mean `@{known}`?"),
                    None => format!("define it first: `SET @{name} = … SELECT …`"),
                };
                self.error(span, format!("unknown variable `@{name}`"), hint);
                Plan::Constant(Constant::Undefined)
            }
        }
    }

    /// Members of a path are joined so that the evaluator can walk the payload in one go.
    fn member(&mut self, inner: &Expression, name: &Name) -> Plan {
        let name: Box<str> = name.text.as_str().into();
        match self.expression(inner) {
            Plan::Path(names) => Plan::Path(names.into_iter().chain([name]).collect()),
            Plan::Star => Plan::Path([name].into()),
            other => Plan::Member(Box::new(other), name),
        }
    }

    fn query(&mut self, query: &Query) -> QueryPlan {
        self.require_2016(query.span, "a nested SELECT");
        let source = self.expression(&query.source);
        self.query_depth += 1;
        let before = self.nodes;
        let condition = query.condition.as_ref().map(|condition| self.expression(condition));
        let projection = self.projection(&query.body);
        self.query_depth -= 1;
        QueryPlan { projection, source, condition, nodes: self.nodes - before }
    }

    fn cast(&mut self, inner: &Expression, target: CastTarget, span: Span) -> Plan {
        if matches!(target, CastTarget::Decimal | CastTarget::Boolean) {
            self.require_2016(span, "this cast");
        }
        Plan::Cast(self.boxed(inner), target)
    }

    fn call(&mut self, name: &Name, arguments: &[Expression]) -> Plan {
        let found = self.function(name);
        if let Some(function) = found
            && function.since > self.version
        {
            self.require_2016(name.span, &format!("function `{}`", function.name));
        }
        if let Some((function, service)) =
            found.and_then(|found| Some((found, Service::of_function(found.name)?)))
        {
            return self.ask(service, function, name, arguments);
        }
        let plans: Vec<Plan> = arguments.iter().map(|argument| self.expression(argument)).collect();
        let Some(function) = found else { return Plan::Constant(Constant::Undefined) };
        self.literals(function, arguments);
        let (fewest, most) = function.argument_counts();
        if !(fewest..=most).contains(&plans.len()) {
            let message = format!(
                "`{}` gets {} arguments, so its value is always Undefined",
                function.name,
                plans.len()
            );
            self.warn(name.span, message, &format!("write `{}`", function.signature()));
            return Plan::Constant(Constant::Undefined);
        }
        let is_payload = matches!(plans.as_slice(), [Plan::Star, Plan::Constant(Constant::String(scheme))] if **scheme == *"base64");
        if let Some(plan) = self.scheme(function.name, name, arguments) {
            return plan;
        }
        if function.name == "encode" && self.query_depth == 0 && is_payload {
            return Plan::EncodedPayload;
        }
        let pattern = self.pattern(function, arguments);
        Plan::Call(Box::new(CallPlan { function, arguments: plans, pattern }))
    }

    fn function(&mut self, name: &Name) -> Option<&'static Function> {
        let found = functions::find(&name.text);
        if found.is_some() {
            return found;
        }
        let written = &name.text;
        if self.errors.len() >= DIAGNOSTICS_MAX {
            return None;
        }
        let nearest = || nearest(written, functions::catalogue().map(|function| function.name));
        let hint = habits::foreign_function(written)
            .map(str::to_owned)
            .or_else(|| nearest().map(|known| format!("did you mean `{known}`?")));
        self.error(name.span, format!("unknown function `{written}`"), hint);
        None
    }

    /// Refuses literal arguments that could never work.
    fn literals(&mut self, function: &Function, arguments: &[Expression]) {
        for (parameter, argument) in function.arguments.iter().zip(arguments) {
            if parameter.kind == ArgumentKind::Scheme && matches!(argument.form, Form::Variable(_)) {
                let message = format!("`{}` of `{}` can't be a variable", parameter.name, function.name);
                self.error(argument.span, message, "write it as a text".to_owned());
            }
            if let Form::String(text) = &argument.form
                && let Err(message) = functions::check_literal(parameter.kind, text)
            {
                self.error(argument.span, message, None);
            }
        }
    }

    fn pattern(
        &mut self,
        function: &Function,
        arguments: &[Expression],
    ) -> Option<Arc<functions::Expression>> {
        let place = function.arguments.iter().position(|argument| argument.kind == ArgumentKind::Pattern)?;
        let argument = arguments.get(place)?;
        let Form::String(text) = &argument.form else { return None };
        let known = self.known_patterns.and_then(|known| known.get(text)).or_else(|| self.patterns.get(text));
        if let Some(known) = known {
            return Some(Arc::clone(known));
        }
        match functions::Expression::compile(text) {
            Ok(pattern) => {
                let pattern = Arc::new(pattern);
                self.patterns.insert(text.clone(), Arc::clone(&pattern));
                Some(pattern)
            }
            Err(error) => {
                let hint = "patterns are Java's; a backslash in a string is a plain backslash".to_owned();
                self.error(argument.span, format!("bad pattern: {error}"), hint);
                None
            }
        }
    }
}
