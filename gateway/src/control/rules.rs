//! The rules of the running gateway: what they are, how they do, and live messages through them.

mod subscriptions;
mod trace;

pub(super) use subscriptions::subscriptions;
pub(super) use trace::trace;

use super::{Controlled, Refusal};
use crate::gateway::Gateway;
use axum::Json;
use axum::extract::{Path, State};
use registry::definitions::RuleStatus;
use rules::definition::{Action, Definition};
use serde_json::{Map, Value, json};

/// Every rule with its state and counts.
pub(super) async fn list(State(controlled): State<Controlled>) -> Json<Value> {
    let gateway = &controlled.gateway;
    let statuses = gateway.definitions.status();
    Json(statuses.iter().map(|status| overview(gateway, status)).collect())
}

/// One rule, its definition included.
pub(super) async fn show(
    State(controlled): State<Controlled>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let gateway = &controlled.gateway;
    let statuses = gateway.definitions.status();
    let status = statuses.iter().find(|status| status.name == name).ok_or_else(|| missing(gateway, &name))?;
    let mut shown = overview(gateway, status);
    if let Some(definition) = &status.in_force {
        shown["definition"] = definition.text.as_ref().into();
    }
    Ok(Json(shown))
}

/// There is no such rule; perhaps one of a similar name.
pub(super) fn missing(gateway: &Gateway, name: &str) -> Refusal {
    let statuses = gateway.definitions.status();
    let known: Vec<String> = statuses.iter().take(20).map(|status| format!("`{}`", status.name)).collect();
    Refusal::missing(match known.len() {
        0 => format!("there is no rule `{name}`; there is none at all"),
        _ => format!("there is no rule `{name}`; there are {}", known.join(", ")),
    })
}

/// What is told of a rule in a list.
fn overview(gateway: &Gateway, status: &RuleStatus) -> Value {
    let RuleStatus { name, file, in_force, faults } = status;
    let (matches, last_match_ms) = gateway.counters.rule_matches.of_rule(name).unzip();
    let failed: Map<String, Value> = gateway
        .counters
        .rule_faults
        .of_rule(name)
        .into_iter()
        .map(|(kind, count)| (kind.to_string(), count.into()))
        .collect();
    let mut told = json!({
        "rule": name,
        "state": state(status),
        "inForce": in_force.is_some(),
        "file": file,
        "faults": faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "matches": matches.unwrap_or(0),
        "lastMatchMs": last_match_ms,
        "failed": failed,
        "callsFailed": gateway.counters.rule_calls_failed.get(name),
    });
    if let Some(definition) = in_force {
        describe(definition, &mut told);
    }
    told
}

fn describe(definition: &Definition, told: &mut Value) {
    let statement = &definition.statement;
    told["description"] = definition.description.as_str().into();
    told["sql"] = statement.sql().trim().into();
    told["sqlVersion"] = definition.sql_version().text().into();
    told["topicFilter"] = statement.topic_filter().map(ToString::to_string).into();
    told["actions"] = definition.actions.iter().map(target).collect();
    told["errorAction"] = definition.error_action.as_ref().map(target).into();
}

/// Where an action leads; its other settings may hold what is nobody's business.
fn target(action: &Action) -> Value {
    json!({ action.kind.key(): action.target.source() })
}

fn state(status: &RuleStatus) -> &'static str {
    match (&status.in_force, status.faults.is_empty()) {
        (Some(definition), _) if !definition.enabled => "off",
        (Some(_), true) => "in force",
        (Some(_), false) => "in force, its new version refused",
        (None, _) => "refused",
    }
}
