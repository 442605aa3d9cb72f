//! A rule that failed for a message: counted and told.

use crate::client::Client;
use crate::gateway::Gateway;
use rules::definition::Definition;
use rules::{Fault, Message};

/// Counts the fault, and says so in the log as often as the log bears.
pub(super) fn report(
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
