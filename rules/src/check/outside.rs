//! Calls that ask the world outside: what isn't there, or not allowed here, is refused when the rule is created.

use super::Check;
use crate::ask::AskPlan;
use crate::diagnostic::{Span, nearest};
use crate::functions::{ArgumentKind, Function};
use crate::outside::{Capabilities, RegistryRequest, Service, function_name};
use crate::plan::{Constant, Plan};
use crate::syntax::{Body, Expression, Form, Name, Query};

/// Whom a text may ask.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Reach<'c> {
    /// Nobody.
    #[default]
    Nobody,
    /// Whoever is offered.
    Offered(&'c Capabilities),
    /// Whoever it wants, as the text was looked at before with these.
    Everybody(&'c Capabilities),
    /// Nobody, whoever is offered: an error action must not fail for the reason that it is told of.
    ErrorAction(&'c Capabilities),
    /// Whoever is offered and answers at once: windows close when no message is there to wait.
    ResultOfWindow(&'c Capabilities),
}

impl<'t> Check<'t> {
    /// Says whom the text may ask.
    pub(crate) fn reaching(mut self, reach: Reach<'t>) -> Self {
        self.descriptors = match reach {
            Reach::Nobody => None,
            Reach::Offered(offered)
            | Reach::Everybody(offered)
            | Reach::ErrorAction(offered)
            | Reach::ResultOfWindow(offered) => offered.descriptors(),
        };
        self.reach = reach;
        self
    }

    /// A call of a function that asks a service.
    pub(super) fn ask(
        &mut self,
        service: Service,
        function: &Function,
        name: &Name,
        arguments: &[Expression],
    ) -> Plan {
        let mut plans: Vec<Plan> = arguments.iter().map(|argument| self.expression(argument)).collect();
        if !self.may_ask(service, name.span) {
            return Plan::Constant(Constant::Undefined);
        }
        let Some(role) = service.role_place(arguments.len()) else {
            let message = format!("`{}` does not take {} arguments", function.name, arguments.len());
            self.error(name.span, message, format!("write `{}`", function.signature()));
            return Plan::Constant(Constant::Undefined);
        };
        if service.is_once() {
            self.once(service, name.span);
        }
        if let Some(place) = role {
            self.no_variables(&arguments[place], "a role");
            plans.remove(place);
        }
        let parameters = function.arguments.iter().filter(|parameter| parameter.kind != ArgumentKind::Role);
        let others = arguments.iter().enumerate().filter(|(place, _)| Some(*place) != role);
        for (parameter, (_, argument)) in parameters.zip(others) {
            if parameter.kind == ArgumentKind::Mode {
                self.no_variables(argument, &format!("the {}", parameter.name));
                self.mode(service, argument);
            }
        }
        if service == Service::Lambda {
            self.known_function(&arguments[0]);
        }
        Plan::Ask(Box::new(AskPlan { service, arguments: plans }))
    }

    /// AWS runs no rule that asks such a service twice.
    fn once(&mut self, service: Service, span: Span) {
        if self.asked_once.contains(&service) {
            let message =
                format!("`{}` is called a second time; a statement may call it once", service.function());
            self.error(span, message, "keep the result: `SET @found = … SELECT @found.…`".to_owned());
        }
        self.asked_once.push(service);
    }

    fn may_ask(&mut self, service: Service, span: Span) -> bool {
        let function = service.function();
        match self.reach {
            Reach::Everybody(_) => return true,
            Reach::Offered(capabilities) if capabilities.offers(service) => return true,
            Reach::ResultOfWindow(capabilities) if capabilities.offers(service) => {
                if service != Service::Lambda {
                    return true;
                }
                let message = format!("`{function}` can't be called in an action of a rule with windows");
                let hint = "call it in the statement, and select what is needed of its answer";
                self.error(span, message, hint.to_owned());
            }
            Reach::ErrorAction(_) => {
                let message = format!("`{function}` can't be called in an error action");
                let hint = "call it in the statement, as in `SET @found = …`, and write `${@found}` here";
                self.error(span, message, hint.to_owned());
            }
            _ => {
                let (missing, instead) = service.absence();
                self.error(span, format!("`{function}` is not available: {missing}"), instead.to_owned());
            }
        }
        false
    }

    /// AWS reads roles and modes when the rule is created, before there is a message.
    fn no_variables(&mut self, argument: &Expression, what: &str) {
        if let Some(variable) = variable_in(argument) {
            let hint = "write it out".to_owned();
            self.error(variable, format!("{what} can't be taken from a variable of SET"), hint);
        }
    }

    fn mode(&mut self, service: Service, argument: &Expression) {
        let known: &[&str] = match service {
            Service::Registry => &RegistryRequest::ALL.map(RegistryRequest::name),
            _ => &crate::outside::SECRET_TYPES,
        };
        let Form::String(written) = &argument.form else { return };
        if known.contains(&written.as_str()) {
            return;
        }
        let hint = match nearest(written, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are `{}`", known.join("` and `")),
        };
        self.error(argument.span, format!("`{}` knows no `{written}`", service.function()), hint);
    }

    fn known_function(&mut self, argument: &Expression) {
        let Form::String(written) = &argument.form else { return };
        let Some(name) = function_name(written) else {
            let hint = "write the name of a function of the settings, or `arn:aws:lambda:…:function:NAME`"
                .to_owned();
            return self.error(argument.span, format!("`{written}` names no function"), hint);
        };
        let Reach::Offered(capabilities) = self.reach else { return };
        let Some(known) = capabilities.functions() else { return };
        if known.iter().any(|known| known == name) {
            return;
        }
        let hint = match nearest(name, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "declare the function in the settings".to_owned(),
        };
        self.error(argument.span, format!("unknown function `{name}`"), hint);
    }
}

/// The first variable of SET in an expression. As deep as the expression, which the parser bounds.
fn variable_in(expression: &Expression) -> Option<Span> {
    let any = |parts: &[&Expression]| parts.iter().find_map(|part| variable_in(part));
    match &expression.form {
        Form::Variable(_) => Some(expression.span),
        Form::Member(inner, _) | Form::Not(inner) | Form::Negate(inner) | Form::Cast(inner, _) => {
            variable_in(inner)
        }
        Form::Binary(_, left, right) | Form::In(left, right) => any(&[left, right]),
        Form::Exists(query) | Form::Query(query) => variable_in_query(query),
        Form::Call(_, parts) | Form::Array(parts) => parts.iter().find_map(variable_in),
        Form::Object(members) => members.iter().find_map(|(_, value)| variable_in(value)),
        Form::Case(case) => variable_in(&case.subject)
            .or_else(|| case.branches.iter().find_map(|(wanted, result)| any(&[wanted, result])))
            .or_else(|| case.otherwise.as_ref().and_then(variable_in)),
        Form::Null | Form::Boolean(_) | Form::Number(_) | Form::String(_) | Form::Field(_) | Form::Star => {
            None
        }
    }
}

fn variable_in_query(query: &Query) -> Option<Span> {
    let in_body = match &query.body {
        Body::Value(value) => variable_in(value),
        Body::Items(items) => items.iter().find_map(|item| variable_in(&item.expression)),
    };
    in_body.or_else(|| variable_in(&query.source)).or_else(|| query.condition.as_ref().and_then(variable_in))
}
