//! Step 4: which rules see the message, and what they make of it.
//!
//! A stateless rule is a pure function of one message, so it runs here, on the connection's own task, before the durable write: what is
//! written is the events.

mod describe;
mod draws;
mod envelope;
mod inquiry;
mod report;
pub(crate) mod route;
mod subscribe;
mod trace;
mod windowed;

use super::outside::Desk;
use crate::client::Client;
use crate::gateway::Gateway;
use bus::{Event, Record};
use describe::{Held, Surroundings, describe};
use draws::Draws;
pub(super) use inquiry::Inquiry;
use inquiry::OpenRule;
use mqtt::Publish;
use registry::definitions::ActiveRules;
use report::{Failures, Sent, report};
use route::route;
use rules::definition::Definition;
use rules::outside::{Answers, Question};
use rules::{Fault, Message, Outcome, Output, Run};
use std::sync::Arc;
use subscribe::Publisher;
pub(crate) use trace::Seen;
pub(super) use windowed::WindowedRules;

/// The record with the events of all rules; or, as rules wait for answers, what there is to wait for.
pub(super) type Evaluated = Result<Record, Box<Inquiry>>;

/// Adds the events that the active rules make of `publish`, a message of `client` or, without one, of the gateway itself.
pub(super) fn evaluate(
    gateway: &Gateway,
    client: Option<&Client>,
    publish: &Publish,
    mut record: Record,
) -> Evaluated {
    if gateway.traces.is_on() {
        trace::show(gateway, client, publish, &record);
    }
    let (draws, answers) = (Draws::default(), Answers::default());
    let open = first_look(gateway, client, publish, &draws, &answers, &mut record);
    if open.is_empty() {
        return Ok(record);
    }
    Inquiry::begin(gateway, record, open, draws, answers).go_on(gateway, client, publish)
}

/// Shows the message to every rule that it concerns. Gives those that wait for an answer.
fn first_look(
    gateway: &Gateway,
    client: Option<&Client>,
    publish: &Publish,
    draws: &Draws,
    answers: &Answers,
    record: &mut Record,
) -> Vec<OpenRule> {
    let active = gateway.definitions.active();
    let held = std::cell::OnceCell::new();
    let (now_ms, base) = (record.accepted_at_ms, record.base);
    let desk = Desk::new(gateway, None);
    let described = std::cell::OnceCell::new();
    let message = || {
        described.get_or_init(|| {
            let held = held.get_or_init(|| Held::of(&publish.properties, base));
            describe(gateway, client, publish, held, now_ms, &Surroundings { draws, desk: &desk, answers })
        })
    };
    let (mut open, mut number) = (Vec::new(), 0);
    let topic = publish.topic.as_str();
    for_each_rule(gateway, &active, topic, message, |rule, message| {
        draws.begin(number);
        if let Some(question) = consider(gateway, &Sent { client, topic, message }, rule, record) {
            open.push(OpenRule { rule: Arc::clone(rule), number, question });
        }
        number += 1;
    });
    open
}

/// Shows the message to one rule: adds to the record what the rule makes of it, and what failed on the way. One action that fails stops no
/// other. Gives the question that the rule waits for.
fn consider(gateway: &Gateway, sent: &Sent<'_>, rule: &Definition, record: &mut Record) -> Option<Question> {
    let mut failures = Failures::default();
    let Run { outcome, misfits } = rule.statement.run(sent.message);
    failures.note(misfits);
    match outcome {
        Ok(Outcome::NoMatch) => {}
        Ok(Outcome::Row(row)) => {
            gateway.counters.rule_matches.add(&rule.name, record.accepted_at_ms);
            record.add(windows::row::event(rule, &row.encode()));
        }
        Ok(Outcome::Match(output)) => match event(gateway, rule, output, sent.message, &mut failures) {
            Ok(event) => {
                gateway.counters.rule_matches.add(&rule.name, record.accepted_at_ms);
                let client_id = sent.client.map_or("", Client::client_id);
                subscribe::add(gateway, &Publisher { client_id, topic: sent.topic }, event, record);
            }
            Err(question) => return Some(*question),
        },
        Ok(Outcome::Ask(question)) | Err(Fault::Unanswered(question)) => return Some(*question),
        Err(fault) => failures.abort(fault),
    }
    if !failures.is_empty() {
        report(gateway, sent, rule, failures, record);
    }
    None
}

/// A publish to `$aws/rules/{rule}/…` reaches that rule alone (Basic Ingest); any other reaches the rules whose filter matches. The message is described
/// once there is a rule to see it.
fn for_each_rule<'m: 'p, 'p>(
    gateway: &Gateway,
    active: &ActiveRules,
    topic: &str,
    message: impl Fn() -> &'p Message<'m>,
    mut visit: impl FnMut(&Arc<Definition>, &'p Message<'m>),
) {
    match rules::basic_ingest(topic) {
        Some(ingest) => match active.get(ingest.rule) {
            Some(rule) => visit(rule, message()),
            None => {
                if let Some(left_out) = gateway.counters.unknown_rule_lines.admit() {
                    let rule = ingest.rule;
                    tracing::warn!(rule, topic, left_out, "basic ingest names a rule that does not exist");
                }
            }
        },
        None => active.for_each_candidate(topic, message, visit),
    }
}

/// What the actions get, and where it goes.
fn event<'r>(
    gateway: &Gateway,
    rule: &'r Definition,
    output: Output,
    message: &Message<'_>,
    failures: &mut Failures<'r>,
) -> Result<Event, Box<Question>> {
    let content_type = output.content_type().to_string();
    let data = match output {
        Output::Json(bytes) | Output::Raw(bytes) => bytes,
        Output::Empty => bytes::Bytes::new(),
    };
    let mut event = Event::json(rule.name.as_str(), data);
    event.content_type = content_type;
    for action in &rule.actions {
        match route(gateway, action, message, failures) {
            Ok(route) => event.routes.push(route),
            Err(fault) => failures.action(action, fault)?,
        }
    }
    gateway.archive_routes.add(&mut event);
    if let Some(action) = &rule.error_action {
        match route(gateway, action, message, failures) {
            Ok(route) => event.error_route = Some(route),
            Err(fault) => failures.action(action, fault)?,
        }
    }
    Ok(event)
}
