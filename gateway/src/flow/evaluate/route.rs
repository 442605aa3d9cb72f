//! From an action of a rule to the way an event takes.

use bus::{Format, Route, TargetName};
use rules::definition::Action;
use rules::{Fault, Message};
use std::collections::HashMap;

/// Where `action` sends what the rule made of `message`.
pub(super) fn route(action: &Action, message: &Message<'_>) -> Result<Route, Fault> {
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
