//! Who else gets what a rule made: targets of subscriptions whose patterns match.
//!
//! As the rule made it, an event gets further routes; shaped by a transformer, it becomes an event of its own in the same record. Its id names
//! the subscription and the rule, so it is the same whenever the message is evaluated again, whatever else matches then.

use super::envelope::{Source, envelope};
use super::route::{REPUBLISH, declared};
use crate::gateway::Gateway;
use bus::{Event, Format, Record, Route};
use patterns::{Context, EventError, Transformer};
use registry::definitions::{Subscription, SubscriptionTarget};
use rules::definition::TargetKind;
use std::sync::Arc;

/// The longest partition key, in characters, as in Kinesis.
const PARTITION_KEY_CHARACTERS_MAX: usize = rules::definition::PARTITION_KEY_CHARACTERS_MAX;

/// Who published what.
pub(super) struct Publisher<'p> {
    pub(super) client_id: &'p str,
    pub(super) topic: &'p str,
}

/// Adds to `record` the event that a rule made, and what subscriptions make of it.
pub(super) fn add(gateway: &Gateway, publisher: &Publisher<'_>, event: Event, record: &mut Record) {
    record.add(event);
    let active = gateway.definitions.active();
    let subscriptions = active.subscriptions();
    let Some(event) = record.events.last().filter(|event| subscriptions.concern(&event.rule)) else { return };
    let (rule, id) = (event.rule.clone(), record.event_id(event));
    let raw = &gateway.settings.raw;
    let source = Source {
        id: id.as_str(),
        rule: &rule,
        topic: publisher.topic,
        client_id: publisher.client_id,
        account_id: &raw.account_id,
        region: &raw.region,
        accepted_at_ms: record.accepted_at_ms,
    };
    let envelope = envelope(&source, &event.data);
    let judged = subscriptions.judge(&rule, &envelope);
    if let Some(error) = &judged.error {
        fail(gateway, &judged.unjudged, &rule, error);
    }
    for subscription in judged.wanted {
        gateway.counters.subscription_matches.add(&subscription.name, record.accepted_at_ms);
        let sent = Sent { gateway, subscription, rule: &rule, envelope: &envelope };
        subscription.targets.iter().for_each(|target| sent.to(target, record));
    }
}

/// An event on its way to the targets of one subscription.
struct Sent<'s> {
    gateway: &'s Gateway,
    subscription: &'s Arc<Subscription>,
    rule: &'s str,
    envelope: &'s str,
}

impl Sent<'_> {
    fn to(&self, target: &SubscriptionTarget, record: &mut Record) {
        let route = self.route(target);
        let Some(transformer) = &target.transformer else {
            let plain = record
                .events
                .iter_mut()
                .find(|event| event.rule == self.rule && event.number != bus::record::FAULT_NUMBER);
            return plain.into_iter().for_each(|event| reach_once(event, &route));
        };
        let name = &self.subscription.name;
        let raw = &self.gateway.settings.raw;
        let context = Context {
            rule_name: name,
            rule_arn: &format!("arn:aws:events:{}:{}:rule/{name}", raw.region, raw.account_id),
            ingestion_time: &bus::event::rfc3339(record.accepted_at_ms),
        };
        match transformer.apply(self.envelope, &context) {
            Ok(shaped) => {
                let event = Event::json(event_rule(name, self.rule), shaped.into_owned());
                record.add(Event { routes: vec![route], ..event });
            }
            Err(fault) => {
                self.gateway.counters.subscription_faults.increment(name);
                tell(self.gateway, name, self.rule, &fault);
            }
        }
    }

    fn route(&self, target: &SubscriptionTarget) -> Route {
        let (name, parameters) = match target.kind {
            TargetKind::Republish => (REPUBLISH, vec![("topic".to_owned(), target.name.clone())]),
            _ => (target.name.as_str(), Vec::new()),
        };
        let format = match target.format {
            rules::definition::Format::Data => Format::Data,
            rules::definition::Format::CloudEvents => Format::CloudEvents,
        };
        let partition_key = target.partition_key.as_ref().and_then(|path| self.partition_key(path));
        Route { partition_key, format, parameters, ..Route::to(declared(target.kind, name)) }
    }

    /// The value that keeps events in order; `None` where the event has none that can be a key.
    fn partition_key(&self, path: &Transformer) -> Option<String> {
        let context = Context { rule_name: "", rule_arn: "", ingestion_time: "" };
        let value = path.apply(self.envelope, &context).ok()?;
        let key = match value.starts_with('"') {
            true => serde_json::from_str(&value).ok()?,
            false => value.into_owned(),
        };
        let is_key = !key.is_empty() && key != "null" && key.chars().count() <= PARTITION_KEY_CHARACTERS_MAX;
        is_key.then_some(key)
    }
}

/// What stands in place of a rule for an event that a subscription shaped. No rule can be called so: `:` is in no name.
fn event_rule(subscription: &str, rule: &str) -> String {
    format!("subscription:{subscription}:{rule}")
}

/// As the rule made it an event reaches a target once, however many actions and subscriptions lead there.
fn reach_once(event: &mut Event, route: &Route) {
    let leads_there = |other: &Route| other.target == route.target && other.parameters == route.parameters;
    if !event.routes.iter().any(leads_there) {
        event.routes.push(route.clone());
    }
}

/// Counts an event as a fault of each subscription that can't say whether it wants it: what sent it must not be able to hide it unseen. One
/// line tells of them all.
#[cold]
fn fail(gateway: &Gateway, unjudged: &[&Arc<Subscription>], rule: &str, error: &EventError) {
    unjudged
        .iter()
        .for_each(|subscription| gateway.counters.subscription_faults.increment(&subscription.name));
    if let (Some(first), Some(left_out)) = (unjudged.first(), gateway.counters.subscription_lines.admit("")) {
        let (subscription, subscriptions, reason) = (&first.name, unjudged.len(), error.to_string());
        tracing::warn!(
            subscription,
            subscriptions,
            rule,
            reason,
            left_out,
            "an event could not be matched, and did not reach subscriptions"
        );
    }
}

#[cold]
fn tell(gateway: &Gateway, subscription: &str, rule: &str, reason: &dyn std::fmt::Display) {
    if let Some(left_out) = gateway.counters.subscription_lines.admit(subscription) {
        let reason = reason.to_string();
        tracing::warn!(subscription, rule, reason, left_out, "an event did not reach a subscription");
    }
}
