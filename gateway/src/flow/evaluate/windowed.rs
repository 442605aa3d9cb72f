//! What the windows ask of rules: to read them again, and which way a result goes.

use super::draws::Draws;
use super::event;
use super::report::{Failures, Sent, report};
use super::subscribe::{self, Publisher};
use crate::flow::outside::Desk;
use crate::gateway::Gateway;
use bus::{Origin, Record};
use rules::definition::Definition;
use rules::{Fault, Message, Output};
use std::sync::Arc;
use windows::WindowResult;

/// Windows close on a thread that waits for nobody.
const NO_FUNCTIONS: &str = "the action of a rule with windows can't ask a function; ask in the statement";

/// What windows make has no topic and no client.
const NOBODY: Publisher<'_> = Publisher { client_id: "", topic: "" };

/// The rules of a gateway, for its windows.
pub(in crate::flow) struct WindowedRules {
    pub(in crate::flow) gateway: Arc<Gateway>,
}

impl windows::Rules for WindowedRules {
    fn parse(&self, rule: &str, text: &str) -> Result<Definition, String> {
        let parsed = self.gateway.definitions.parse_kept(rule, text);
        parsed.map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }

    /// To the actions a result is a message of its own, which has no topic and no client; its payload is what the statement selects.
    fn record(&self, definition: &Definition, result: &WindowResult<'_>, now_ms: u64) -> Record {
        let gateway = &*self.gateway;
        let mut record = Record::new(Origin::Gateway, now_ms);
        let (draws, desk) = (Draws::default(), Desk::new(gateway, Some(NO_FUNCTIONS)));
        let payload = result.output.map_or(&[][..], Output::bytes);
        let mut message = Message::new("", payload, now_ms, &draws);
        message.outside = &desk;
        message.account_id = Some(&gateway.settings.raw.account_id);
        let mut failures = Failures::default();
        match result.output.map(|output| event(gateway, definition, output.clone(), &message, &mut failures))
        {
            Ok(Ok(event)) => subscribe::add(gateway, &NOBODY, event, &mut record),
            Ok(Err(question)) => failures.abort(Fault::Unanswered(question)),
            Err(fault) => failures.abort(fault.clone()),
        }
        if !failures.is_empty() {
            let sent = Sent { client: None, topic: "", message: &message };
            report(gateway, &sent, definition, failures, &mut record);
        }
        // Results of one group stay in order.
        for event in &mut record.events {
            for route in event.routes.iter_mut().chain(&mut event.error_route) {
                route.partition_key.get_or_insert_with(|| result.group.clone());
            }
        }
        record
    }
}
