//! Why something was not allowed, in words for the log, the metric and the device.

use crate::Action;
use std::fmt;

/// The reason string for a device is cut to this length: it travels in acknowledgements, whose size the client bounds.
const REASON_CHARACTERS_MAX: usize = 200;

/// What made the decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A Deny statement matched; it wins over every Allow.
    ExplicitDeny {
        /// The policy's name.
        policy: String,
        /// The statement's position in the policy, counted from 1.
        statement: usize,
        /// The statement's `Sid`, if it has one.
        sid: Option<String>,
    },
    /// No Allow statement matched.
    NotAllowed {
        /// How many policies are attached.
        policies: usize,
        /// Why a statement that might have matched could not: a variable without a usable value.
        unresolved: Option<String>,
    },
    /// No policy is attached to the certificate or user.
    NoPolicy,
}

/// A refusal. [`Display`](fmt::Display) is the full account for the log; [`reason_string`](Denied::reason_string) is what the
/// device is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    details: Box<Details>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Details {
    action: Action,
    resource: String,
    cause: Cause,
}

impl Denied {
    pub(crate) fn new(action: Action, resource: String, cause: Cause) -> Self {
        Self { details: Box::new(Details { action, resource, cause }) }
    }

    /// The action that was refused.
    pub fn action(&self) -> Action {
        self.details.action
    }

    /// The resource that a statement would have to allow, in its short form, like `topic/plant/1`.
    pub fn resource(&self) -> &str {
        &self.details.resource
    }

    /// What made the decision.
    pub fn cause(&self) -> &Cause {
        &self.details.cause
    }

    /// The cause as the value of a metric label, one of three.
    pub fn label(&self) -> &'static str {
        match self.details.cause {
            Cause::ExplicitDeny { .. } => "explicit_deny",
            Cause::NotAllowed { .. } => "not_allowed",
            Cause::NoPolicy => "no_policy",
        }
    }

    /// The reason string of MQTT 5: what was refused and whether by a Deny, without the names of policies.
    pub fn reason_string(&self) -> String {
        let Details { action, resource, cause } = &*self.details;
        let verdict = match cause {
            Cause::ExplicitDeny { .. } => "is denied by a policy",
            Cause::NotAllowed { .. } => "is not allowed by any policy",
            Cause::NoPolicy => "is not allowed, no policy is attached",
        };
        format!("{action} on {} {verdict}", shown(resource, REASON_CHARACTERS_MAX))
    }
}

/// The text without control characters and not longer than the limit, for it comes from the peer.
fn shown(text: &str, characters_max: usize) -> String {
    let mut shown: String =
        text.chars().take(characters_max).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(characters_max).is_some() {
        shown.push('…');
    }
    shown
}

impl fmt::Display for Denied {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details { action, resource, cause } = &*self.details;
        let resource = shown(resource, 1_024);
        match cause {
            Cause::ExplicitDeny { policy, statement, sid } => {
                write!(formatter, "`{action}` on `{resource}` is denied by statement {statement}")?;
                if let Some(sid) = sid {
                    write!(formatter, " (`{sid}`)")?;
                }
                write!(formatter, " of policy `{policy}`")
            }
            Cause::NotAllowed { policies, unresolved } => {
                let policies = match policies {
                    1 => "the attached policy".to_owned(),
                    many => format!("the {many} attached policies"),
                };
                write!(formatter, "no statement of {policies} allows `{action}` on `{resource}`")?;
                unresolved.iter().try_for_each(|unresolved| write!(formatter, "; {unresolved}"))
            }
            Cause::NoPolicy => {
                write!(
                    formatter,
                    "`{action}` on `{resource}` is not allowed: no policy is attached to the certificate or user, attach one"
                )
            }
        }
    }
}

impl std::error::Error for Denied {}
