//! Step 4: which rules see the message, and what they make of it.
//!
//! A stateless rule is a pure function of one message, so it runs here, on the connection's own task, before the durable write: what is
//! written is the events.

use crate::client::Client;
use crate::gateway::Gateway;
use bus::{Event, Format, Record, Route, TargetName};
use bytes::Bytes;
use mqtt::{Properties, Publish, Text};
use registry::definitions::ActiveRules;
use rules::definition::{Action, Definition};
use rules::{Fault, Message, Outcome, Output, PublishProperties, Randomness};
use std::collections::HashMap;

/// Randomness for `newuuid()` and `rand()`.
struct Random;

impl Randomness for Random {
    fn bytes(&self) -> [u8; 16] {
        rand::random()
    }
}

/// Adds the events that the active rules make of `publish`, a message of `client` or, without one, of the gateway itself.
pub(super) fn evaluate(gateway: &Gateway, client: Option<&Client>, publish: &Publish, record: &mut Record) {
    let active = gateway.definitions.active();
    let held = std::cell::OnceCell::new();
    let now_ms = record.accepted_at_ms;
    let mut message = None;
    for_each_rule(gateway, &active, &publish.topic, |rule| {
        let message = message.get_or_insert_with(|| {
            describe(gateway, client, publish, held.get_or_init(|| Held::of(&publish.properties)), now_ms)
        });
        match apply(rule, message) {
            Ok(Some(event)) => {
                gateway.counters.rule_matches.increment(&rule.name);
                record.add(event);
            }
            Ok(None) => {}
            Err(fault) => report(gateway, client, rule, message, &fault),
        }
    });
}

/// A publish to `$aws/rules/{rule}/…` reaches that rule alone (Basic Ingest); any other reaches the rules whose filter matches.
fn for_each_rule(gateway: &Gateway, active: &ActiveRules, topic: &str, mut visit: impl FnMut(&Definition)) {
    match rules::basic_ingest(topic) {
        Some(ingest) => match active.get(ingest.rule) {
            Some(rule) => visit(rule),
            None => {
                if let Some(left_out) = gateway.counters.rule_lines.admit() {
                    let rule = ingest.rule;
                    tracing::warn!(rule, topic, left_out, "basic ingest names a rule that does not exist");
                }
            }
        },
        None => active.for_each_match(topic, |rule| visit(rule)),
    }
}

fn describe<'m>(
    gateway: &'m Gateway,
    client: Option<&'m Client>,
    publish: &'m Publish,
    held: &'m Held,
    now_ms: u64,
) -> Message<'m> {
    let mut message = Message::new(&publish.topic, &publish.payload, now_ms, &Random);
    // A publish by request has none.
    message.client_id = client.map(Client::client_id).filter(|client_id| !client_id.is_empty());
    message.principal = client.map(Client::principal_name);
    message.source_ip = client.map(Client::source_ip);
    message.account_id = Some(&gateway.settings.raw.account_id);
    message.properties = held.lend();
    message
}

/// What a statement may ask of the packet's properties, held while the rules look at it.
#[derive(Default)]
struct Held {
    content_type: Option<Text>,
    payload_is_utf8: Option<bool>,
    response_topic: Option<Text>,
    correlation_data: Option<Bytes>,
    user_properties: Vec<(Text, Text)>,
}

impl Held {
    fn of(properties: &Properties) -> Self {
        if properties.is_empty() {
            return Self::default();
        }
        Self {
            content_type: properties.content_type(),
            payload_is_utf8: properties.payload_is_utf8(),
            response_topic: properties.response_topic(),
            correlation_data: properties.correlation_data(),
            user_properties: properties.user_properties().collect(),
        }
    }

    fn lend(&self) -> PublishProperties<'_> {
        PublishProperties {
            content_type: self.content_type.as_deref(),
            payload_is_utf8: self.payload_is_utf8,
            response_topic: self.response_topic.as_deref(),
            correlation_data: self.correlation_data.as_deref(),
            user_properties: self.user_properties.iter().map(|(name, value)| (&**name, &**value)).collect(),
        }
    }
}

fn apply(rule: &Definition, message: &Message<'_>) -> Result<Option<Event>, Fault> {
    let output = match rule.statement.evaluate(message)? {
        Outcome::NoMatch => return Ok(None),
        Outcome::Match(output) => output,
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

fn route(action: &Action, message: &Message<'_>) -> Result<Route, Fault> {
    let mut route = Route::to(target_name(action));
    route.partition_key =
        action.partition_key.as_ref().map(|template| template.render(message)).transpose()?;
    route.format = match action.format {
        rules::definition::Format::Data => Format::Data,
        rules::definition::Format::CloudEvents => Format::CloudEvents,
    };
    Ok(route)
}

thread_local! {
    /// Names of targets, so that an event shares one instead of making its own. There are as many as targets were ever declared.
    static NAMES: std::cell::RefCell<HashMap<(&'static str, String), TargetName>> = Default::default();
}

fn target_name(action: &Action) -> TargetName {
    NAMES.with_borrow_mut(|names| {
        let kind = action.kind.key();
        if let Some(name) = names.get(&(kind, action.target.clone())) {
            return name.clone();
        }
        let name = TargetName::new(kind, &action.target)
            .expect("a definition whose target does not exist is refused, and a target's name is legal");
        names.insert((kind, action.target.clone()), name.clone());
        name
    })
}

fn report(
    gateway: &Gateway,
    client: Option<&Client>,
    rule: &Definition,
    message: &Message<'_>,
    fault: &Fault,
) {
    gateway.counters.rule_faults.increment(&rule.name);
    let Some(left_out) = gateway.counters.rule_lines.admit() else { return };
    tracing::warn!(
        rule = rule.name,
        client_id = client.map(Client::client_id),
        topic = message.topic(),
        reason = %fault,
        left_out,
        "rule failed"
    );
}
