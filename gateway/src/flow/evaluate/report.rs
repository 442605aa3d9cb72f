//! What failed while a rule was evaluated for a message: counted, told in the log, and handed to the rule's error action in the same durable
//! record as everything else that comes of the message.

use super::route::{RouteFault, route};
use crate::client::Client;
use crate::gateway::Gateway;
use crate::metrics::FaultKind;
use bus::{ErrorDocument, Event, FailedAction, Record, action_name};
use rules::definition::{Action, ActionFault, Definition};
use rules::outside::Question;
use rules::{Fault, Message, Misfit, MisfitKind, MisfitKinds};

/// Everything that failed in one rule for one message.
#[derive(Default)]
pub(super) struct Failures<'r> {
    misfits: MisfitKinds,
    fault: Option<Fault>,
    actions: Vec<(&'r Action, RouteFault)>,
}

impl<'r> Failures<'r> {
    /// What was Undefined although its inputs were there.
    pub(super) fn note(&mut self, misfits: MisfitKinds) {
        self.misfits = self.misfits.and(misfits);
    }

    /// The statement came to no end: the rule does nothing for this message.
    pub(super) fn abort(&mut self, fault: Fault) {
        self.fault = Some(fault);
    }

    /// An action leads nowhere: the others go on.
    ///
    /// # Errors
    /// It waits for the answer to a question.
    pub(super) fn action(&mut self, action: &'r Action, fault: RouteFault) -> Result<(), Box<Question>> {
        if let RouteFault::Action(ActionFault::Template { fault: Fault::Unanswered(question), .. }) = fault {
            return Err(question);
        }
        self.actions.push((action, fault));
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.misfits.is_empty() && self.fault.is_none() && self.actions.is_empty()
    }

    /// What is lost for this message, misfits aside: those give Undefined, as AWS has it, and the rule goes on.
    fn is_loss(&self) -> bool {
        self.fault.is_some() || !self.actions.is_empty()
    }
}

/// Who sent which message, for those who are told of it.
pub(super) struct Sent<'m> {
    pub(super) client: Option<&'m Client>,
    /// The topic as it was published to, with the prefix of Basic Ingest.
    pub(super) topic: &'m str,
    pub(super) message: &'m Message<'m>,
}

/// Counts the failures, says so in the log as often as the log bears, and adds the document for the error action to the record: always when
/// something is lost, for misfits when the rule asks for it with `on_fault`.
#[cold]
pub(super) fn report<'r>(
    gateway: &Gateway,
    sent: &Sent<'_>,
    rule: &'r Definition,
    mut failures: Failures<'r>,
    record: &mut Record,
) {
    let error_route = match &rule.error_action {
        Some(action) if failures.is_loss() || rule.on_fault => {
            match route(gateway, action, sent.message, &mut failures) {
                Ok(route) => Some(route),
                Err(fault) => {
                    failures.actions.push((action, fault));
                    None
                }
            }
        }
        _ => None,
    };
    count(gateway, rule, &failures);
    let line = gateway.counters.rule_lines.admit(&rule.name);
    let has_misfits = !failures.misfits.is_empty() && (line.is_some() || error_route.is_some());
    let misfits = if has_misfits { rule.statement.misfits(sent.message) } else { Vec::new() };
    if let Some(left_out) = line {
        tell(sent, rule, &failures, &misfits, left_out);
    }
    let Some(route) = error_route else { return };
    let document = ErrorDocument {
        rule: &rule.name,
        topic: sent.topic,
        trace_id: record.base,
        client_id: sent.client.map_or("", Client::client_id),
        payload: sent.message.payload().bytes(),
        failures: told(&failures, &misfits),
    };
    let event = Event { routes: vec![route], ..Event::json(rule.name.as_str(), document.json()) };
    record.add_fault_document(event);
}

fn count(gateway: &Gateway, rule: &Definition, failures: &Failures<'_>) {
    let faults = &gateway.counters.rule_faults;
    for kind in failures.misfits.iter() {
        faults.increment(&rule.name, of_misfit(kind));
    }
    if let Some(fault) = &failures.fault {
        let kind = match fault {
            Fault::Unanswered(_) => FaultKind::Unanswered,
            _ => FaultKind::Limit,
        };
        faults.increment(&rule.name, kind);
    }
    if !failures.actions.is_empty() {
        faults.increment(&rule.name, FaultKind::Action);
    }
}

fn of_misfit(kind: MisfitKind) -> FaultKind {
    match kind {
        MisfitKind::Conversion => FaultKind::Conversion,
        MisfitKind::Arithmetic => FaultKind::Arithmetic,
        MisfitKind::Function => FaultKind::Function,
    }
}

/// One line for everything: of what is lost, or else of misfits, the first, and how many more there are. Values stay out of the log, types
/// say enough. Reasons are given as text: the log escapes what is in it, as it does not with `%`.
fn tell(sent: &Sent<'_>, rule: &Definition, failures: &Failures<'_>, misfits: &[Misfit], left_out: u64) {
    let (client_id, topic) = (sent.client.map(Client::client_id), sent.topic);
    let rule = &rule.name;
    if let Some(fault) = &failures.fault {
        let more = failures.actions.len();
        tracing::warn!(rule, client_id, topic, reason = fault.to_string(), more, left_out, "rule failed");
    } else if let Some((action, fault)) = failures.actions.first() {
        let (kind, line, reason) = (action.kind.key(), action.line, fault.without_value());
        let more = failures.actions.len() - 1;
        tracing::warn!(rule, client_id, topic, action = kind, line, reason, more, left_out, "action failed");
    } else if let Some(first) = misfits.first() {
        let Misfit { kind, sql, line, column, message, .. } = first;
        let kind = kind.name();
        let more = misfits.len() - 1;
        tracing::warn!(
            rule,
            client_id,
            topic,
            kind,
            sql,
            line,
            column,
            reason = message,
            more,
            left_out,
            "an expression is Undefined although its inputs are there"
        );
    }
}

/// The failures as the error action is told of them.
fn told(failures: &Failures<'_>, misfits: &[Misfit]) -> Vec<FailedAction> {
    let mut told = Vec::new();
    let of_statement = |code: &str, resource: String, message: String| FailedAction {
        action: "SqlStatement".to_owned(),
        resource,
        message,
        code: code.to_owned(),
        retries: 0,
    };
    if let Some(fault) = &failures.fault {
        told.push(of_statement("EVALUATION_FAILED", String::new(), fault.to_string()));
    }
    for Misfit { kind, sql, line, column, message, inputs } in misfits {
        let message = format!("line {line}, column {column}: {message}; got {}", inputs.join(", "));
        told.push(of_statement(&kind.name().to_ascii_uppercase(), sql.clone(), message));
    }
    for (action, fault) in &failures.actions {
        told.push(FailedAction {
            action: action_name(action.kind.key()),
            resource: action.target.source().to_owned(),
            message: fault.to_string(),
            code: "ACTION_PARAMETERS".to_owned(),
            retries: 0,
        });
    }
    if told.is_empty() {
        // Misfits of an action's templates have no place in the statement.
        let kinds: Vec<&str> = failures.misfits.iter().map(MisfitKind::name).collect();
        let message = format!(
            "a template of an action is Undefined although its inputs are there: {}",
            kinds.join(", ")
        );
        told.push(of_statement("TEMPLATE", String::new(), message));
    }
    told
}
