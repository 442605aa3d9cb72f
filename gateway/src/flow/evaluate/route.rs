//! From an action of a rule to the way an event takes.

use super::report::Failures;
use crate::gateway::Gateway;
use bus::{Format, Route, TargetName};
use rules::Message;
use rules::definition::{Action, ActionFault, Address, TargetKind};
use std::collections::HashMap;

/// What publishes again what rules made; there is one.
pub(crate) const REPUBLISH: &str = "broker";

/// Why an event has no way to take.
#[derive(Debug, thiserror::Error)]
pub(super) enum RouteFault {
    /// A setting of the action came out as what it can't be.
    #[error(transparent)]
    Action(#[from] ActionFault),
    /// The name came out as one that no target has.
    #[error("there is no {kind} `{}`; the name was made from `{template}`", .name.escape_debug())]
    UnknownTarget { kind: TargetKind, name: String, template: String },
}

impl RouteFault {
    /// The fault for a log: without what a device put into it.
    pub(super) fn without_value(&self) -> String {
        match self {
            Self::Action(fault) => fault.without_value(),
            Self::UnknownTarget { kind, template, .. } => {
                format!("there is no {kind} of the name that was made from `{template}`")
            }
        }
    }
}

/// Where `action` sends what the rule made of `message`; misfits in its templates are noted in `failures`.
///
/// # Errors
/// The action leads nowhere for this message.
pub(super) fn route(
    gateway: &Gateway,
    action: &Action,
    message: &Message<'_>,
    failures: &mut Failures<'_>,
) -> Result<Route, RouteFault> {
    let format = match action.format {
        rules::definition::Format::Data => Format::Data,
        rules::definition::Format::CloudEvents => Format::CloudEvents,
    };
    let kind = action.kind;
    if let Some(constant) = action.target.as_constant()
        && action.partition_key.is_none()
        && action.parameters.is_empty()
        && kind != TargetKind::Republish
    {
        return Ok(Route { format, ..Route::to(declared(kind, constant)) });
    }
    let Address { target, partition_key, mut parameters, misfits } = action.address(message)?;
    failures.note(misfits);
    let name = match kind {
        TargetKind::Republish => {
            parameters.insert(0, ("topic".to_owned(), target));
            declared(kind, REPUBLISH)
        }
        _ if action.target.as_constant().is_some() => declared(kind, &target),
        _ => found(gateway, kind, &target).ok_or_else(|| RouteFault::UnknownTarget {
            kind,
            name: target.chars().take(100).collect(),
            template: action.target.source().to_owned(),
        })?,
    };
    Ok(Route { partition_key, format, parameters, ..Route::to(name) })
}

thread_local! {
    /// Names of targets, so that an event shares one instead of making its own. There are as many as targets were ever declared.
    static NAMES: std::cell::RefCell<HashMap<TargetKind, HashMap<String, TargetName>>> = Default::default();
}

/// The name of a target that was there when the rule or subscription was loaded.
pub(super) fn declared(kind: TargetKind, name: &str) -> TargetName {
    known(kind, name).unwrap_or_else(|| {
        let target = TargetName::new(kind.key(), name)
            .expect("a definition whose target does not exist is refused, and a target's name is legal");
        remember(kind, name, target)
    })
}

/// The name of a target that a message asked for, if there is such a target now.
fn found(gateway: &Gateway, kind: TargetKind, name: &str) -> Option<TargetName> {
    let target = match known(kind, name) {
        Some(target) => target,
        None => TargetName::new(kind.key(), name).ok()?,
    };
    // Only names that targets have are remembered: devices choose the others.
    gateway.bus.has_target(&target).then(|| remember(kind, name, target))
}

fn known(kind: TargetKind, name: &str) -> Option<TargetName> {
    NAMES.with_borrow(|names| names.get(&kind)?.get(name).cloned())
}

fn remember(kind: TargetKind, name: &str, target: TargetName) -> TargetName {
    NAMES.with_borrow_mut(|names| {
        names.entry(kind).or_default().entry(name.to_owned()).or_insert(target).clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_a_device_chose_forges_no_line_of_a_log_or_document() {
        let fault = RouteFault::UnknownTarget {
            kind: TargetKind::Queue,
            name: "alerts-x`\n2026-11-21T12:00:00Z ERROR forged \u{1b}[2J".to_owned(),
            template: "alerts-${line}".to_owned(),
        };
        assert!(!fault.to_string().chars().any(char::is_control), "{fault}");
        assert_eq!(
            fault.without_value(),
            "there is no queue of the name that was made from `alerts-${line}`"
        );
    }
}
