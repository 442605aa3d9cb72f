//! The subscriptions of the running gateway.

use super::Controlled;
use crate::gateway::Gateway;
use axum::Json;
use axum::extract::State;
use registry::definitions::{Subscription, SubscriptionStatus, SubscriptionTarget};
use serde_json::{Value, json};

/// Every subscription with its state and counts.
pub(crate) async fn subscriptions(State(controlled): State<Controlled>) -> Json<Value> {
    let gateway = &controlled.gateway;
    let statuses = gateway.definitions.subscription_status();
    Json(statuses.iter().map(|status| overview(gateway, status)).collect())
}

fn overview(gateway: &Gateway, status: &SubscriptionStatus) -> Value {
    let SubscriptionStatus { name, file, in_force, faults } = status;
    let (matches, last_match_ms) = gateway.counters.subscription_matches.of_rule(name).unzip();
    let mut told = json!({
        "subscription": name,
        "state": state(status),
        "inForce": in_force.is_some(),
        "file": file,
        "faults": faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "matches": matches.unwrap_or(0),
        "lastMatchMs": last_match_ms,
        "failed": gateway.counters.subscription_faults.get(name),
    });
    if let Some(subscription) = in_force {
        describe(subscription, &mut told);
    }
    told
}

fn describe(subscription: &Subscription, told: &mut Value) {
    told["description"] = subscription.description.as_str().into();
    told["rules"] = subscription.rules.clone().into();
    told["pattern"] = subscription.pattern.as_ref().map(|pattern| pattern.text().trim()).into();
    told["targets"] = subscription.targets.iter().map(target).collect();
}

fn target(target: &SubscriptionTarget) -> Value {
    json!({ target.kind.key(): target.name, "transformed": target.transformer.is_some() })
}

fn state(status: &SubscriptionStatus) -> &'static str {
    match (&status.in_force, status.faults.is_empty()) {
        (Some(subscription), _) if !subscription.enabled => "off",
        (Some(_), true) => "in force",
        (Some(_), false) => "in force, its new version refused",
        (None, _) => "refused",
    }
}
