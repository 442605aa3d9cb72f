//! Step 4: which rules see the message, and what they make of it.
//!
//! A stateless rule is a pure function of one message, so it runs here, on the connection's own task, before the durable write: what is
//! written is the events.

mod describe;
mod report;
mod route;

use crate::client::Client;
use crate::gateway::Gateway;
use bus::{Event, Record};
use describe::{Held, describe};
use mqtt::Publish;
use registry::definitions::ActiveRules;
use report::report;
use route::route;
use rules::definition::Definition;
use rules::{Fault, Message, Outcome, Output};

/// Adds the events that the active rules make of `publish`, a message of `client` or, without one, of the gateway itself.
pub(super) fn evaluate(gateway: &Gateway, client: Option<&Client>, publish: &Publish, record: &mut Record) {
    let active = gateway.definitions.active();
    let held = std::cell::OnceCell::new();
    let now_ms = record.accepted_at_ms;
    let described = std::cell::OnceCell::new();
    let message = || {
        described.get_or_init(|| {
            describe(gateway, client, publish, held.get_or_init(|| Held::of(&publish.properties)), now_ms)
        })
    };
    for_each_rule(gateway, &active, &publish.topic, message, |rule, message| match apply(rule, message) {
        Ok(Some(event)) => {
            gateway.counters.rule_matches.increment(&rule.name);
            record.add(event);
        }
        Ok(None) => {}
        Err(fault) => report(gateway, client, rule, message, &fault),
    });
}

/// A publish to `$aws/rules/{rule}/…` reaches that rule alone (Basic Ingest); any other reaches the rules whose filter matches. The message is described
/// once there is a rule to see it.
fn for_each_rule<'m: 'p, 'p>(
    gateway: &Gateway,
    active: &ActiveRules,
    topic: &str,
    message: impl Fn() -> &'p Message<'m>,
    mut visit: impl FnMut(&Definition, &'p Message<'m>),
) {
    match rules::basic_ingest(topic) {
        Some(ingest) => match active.get(ingest.rule) {
            Some(rule) => visit(rule, message()),
            None => {
                if let Some(left_out) = gateway.counters.rule_lines.admit() {
                    let rule = ingest.rule;
                    tracing::warn!(rule, topic, left_out, "basic ingest names a rule that does not exist");
                }
            }
        },
        None => active.for_each_candidate(topic, message, |rule, message| visit(rule, message)),
    }
}

fn apply(rule: &Definition, message: &Message<'_>) -> Result<Option<Event>, Fault> {
    let output = match rule.statement.evaluate(message)? {
        Outcome::NoMatch => return Ok(None),
        Outcome::Match(output) => output,
        Outcome::Ask(question) => return Err(Fault::Unanswered(question)),
    };
    let content_type = output.content_type().to_string();
    let data = match output {
        Output::Json(bytes) | Output::Raw(bytes) => bytes,
        Output::Empty => bytes::Bytes::new(),
    };
    let mut event = Event::json(rule.name.as_str(), data);
    event.content_type = content_type;
    for action in &rule.actions {
        event.routes.push(route(action, message)?);
    }
    event.error_route = rule.error_action.as_ref().map(|action| route(action, message)).transpose()?;
    Ok(Some(event))
}
