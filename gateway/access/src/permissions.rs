//! The policies of one principal bound to one connection, and the decisions they make.
//!
//! Explicit Deny wins; what nothing allows is denied. Everything but the CONNECT is decided on patterns made when the
//! connection was bound, without allocation.
//!
//! - `iot:Publish` is checked against the topic; a retained publish needs `iot:RetainPublish` on it as well.
//! - `iot:Receive` is checked at every delivery, so a changed policy acts on subscriptions that exist already.
//! - `iot:Subscribe` is checked against the text of the filter, in which `+` and `#` are letters like others. Of a shared
//!   subscription `$share/{group}/{filter}` both the whole text and the filter are tried: a Deny of either denies, an
//!   Allow of either allows. So a policy need not know groups, and may yet name one.
//! - A will is checked at CONNECT, against the connect attribute `LastWill` and as the publish that it is to become, and
//!   again when it is published: a device that may not publish its will learns so while somebody listens.

use crate::policy::{Action, Effect, Facts, Pattern, Resource, ResourceKind, Statement};
use crate::policy::{Bound, Truth};
use crate::{Cause, ConnectAttributes, Denied, Permitted, Principal, Publication};
use std::net::IpAddr;
use std::sync::Arc;

/// Whether something is allowed, without the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A statement allows it and none denies it.
    Allowed,
    /// A statement denies it: the positions of policy and statement, counted from 0.
    ExplicitlyDenied {
        /// Which of the principal's policies.
        policy: usize,
        /// Which of its statements.
        statement: usize,
    },
    /// No statement allows it.
    NotAllowed,
}

impl Decision {
    /// Whether it is [`Decision::Allowed`].
    pub fn is_allowed(self) -> bool {
        self == Self::Allowed
    }
}

/// What one connection may do. See the [crate documentation](crate) for the language, this module's for each check.
#[derive(Debug)]
pub struct Permissions {
    principal: Principal,
    client_id: Box<str>,
    source_ip: IpAddr,
    /// Denies first.
    grants: Box<[Grant]>,
    unresolved: Vec<Unresolved>,
}

/// One resource of one statement that takes part on this connection.
#[derive(Debug)]
struct Grant {
    effect: Effect,
    actions: crate::policy::ActionSet,
    kind: ResourceKind,
    name: Arc<Pattern>,
    policy: usize,
    statement: usize,
}

/// A resource of an Allow that cannot match because of a variable.
#[derive(Debug)]
struct Unresolved {
    actions: crate::policy::ActionSet,
    kind: ResourceKind,
    policy: usize,
    statement: usize,
    why: String,
}

impl Permissions {
    /// Binds the policies of the principal to a connection: puts in the values of the variables and leaves out the
    /// statements whose conditions do not hold on it.
    pub fn bind(principal: &Principal, client_id: &str, source_ip: IpAddr) -> Self {
        let mut bound = Self {
            principal: principal.clone(),
            client_id: client_id.into(),
            source_ip,
            grants: Box::default(),
            unresolved: Vec::new(),
        };
        let mut grants = Vec::new();
        bound.unresolved = bound.collect(None, &mut grants);
        bound.grants = sorted(grants);
        bound
    }

    /// Whether the client may publish to the topic, retained or not.
    pub fn publish(&self, topic: &str, retain: bool) -> Decision {
        let publish = decide(&self.grants, Action::Publish, &[topic]);
        if !retain || !publish.is_allowed() {
            return publish;
        }
        decide(&self.grants, Action::RetainPublish, &[topic])
    }

    /// Whether a message on the topic may be delivered to the client.
    pub fn receive(&self, topic: &str) -> Decision {
        decide(&self.grants, Action::Receive, &[topic])
    }

    /// Whether the client may subscribe to the filter.
    pub fn subscribe(&self, filter: &str) -> Decision {
        match shared_filter(filter) {
            Some(bare) => decide(&self.grants, Action::Subscribe, &[filter, bare]),
            None => decide(&self.grants, Action::Subscribe, &[filter]),
        }
    }

    /// Checks a publish or a will that is due, and vouches for it.
    ///
    /// # Errors
    /// When the policies do not allow it; the publication is dropped.
    pub fn authorise_publish<T: Publication>(&self, publication: T) -> Result<Permitted<T>, Denied> {
        self.check_publish(publication.topic(), publication.retain())?;
        Ok(Permitted::new(publication))
    }

    /// Checks one filter of a SUBSCRIBE.
    ///
    /// # Errors
    /// When the policies do not allow it.
    pub fn authorise_subscribe(&self, filter: &str) -> Result<(), Denied> {
        self.explain(self.subscribe(filter), Action::Subscribe, filter, &self.unresolved)
    }

    /// Checks a delivery, with the words for a refusal. [`receive`](Self::receive) is cheaper.
    ///
    /// # Errors
    /// When the policies do not allow it.
    pub fn authorise_receive(&self, topic: &str) -> Result<(), Denied> {
        self.explain(self.receive(topic), Action::Receive, topic, &self.unresolved)
    }

    /// Checks a CONNECT: the client id, what it asks for, and its will.
    ///
    /// # Errors
    /// When the policies do not allow it.
    pub fn authorise_connect(&self, attributes: ConnectAttributes<'_>) -> Result<(), Denied> {
        let mut grants = Vec::new();
        let unresolved = self.collect(Some(&attributes), &mut grants);
        let decision = decide(&sorted(grants), Action::Connect, &[&self.client_id]);
        self.explain(decision, Action::Connect, &self.client_id, &unresolved)?;
        attributes.will.map_or(Ok(()), |(topic, retain)| self.check_publish(topic, retain))
    }

    fn check_publish(&self, topic: &str, retain: bool) -> Result<(), Denied> {
        let publish = decide(&self.grants, Action::Publish, &[topic]);
        self.explain(publish, Action::Publish, topic, &self.unresolved)?;
        if !retain {
            return Ok(());
        }
        let retained = decide(&self.grants, Action::RetainPublish, &[topic]);
        self.explain(retained, Action::RetainPublish, topic, &self.unresolved)
    }

    /// Binds every statement: for a CONNECT when its attributes are given, for all else when they are not.
    fn collect(&self, connect: Option<&ConnectAttributes<'_>>, grants: &mut Vec<Grant>) -> Vec<Unresolved> {
        let facts = Facts {
            certificate: &self.principal.certificate,
            user: self.principal.user.as_ref().map(|user| user.name.as_str()),
            thing: self.principal.connected_thing(&self.client_id).map(|thing| &**thing),
            client_id: &self.client_id,
            source_ip: self.source_ip,
        };
        let mut unresolved = Vec::new();
        for (policy_at, policy) in self.principal.policies.iter().enumerate() {
            for (statement_at, statement) in policy.statements.iter().enumerate() {
                if !takes_part(statement, &facts, connect) {
                    continue;
                }
                let wanted = |kind| (kind == ResourceKind::Client) == connect.is_some();
                for Resource { kind, name } in
                    statement.resources.iter().filter(|resource| wanted(resource.kind))
                {
                    let (kind, actions) = (*kind, statement.actions);
                    let (policy, statement, effect) = (policy_at, statement_at, statement.effect);
                    match name.bind(&facts, effect) {
                        Bound::Pattern(name) => {
                            grants.push(Grant { effect, actions, kind, name, policy, statement });
                        }
                        Bound::Unresolved(why) => {
                            unresolved.push(Unresolved { actions, kind, policy, statement, why });
                        }
                    }
                }
            }
        }
        unresolved
    }

    fn explain(
        &self,
        decision: Decision,
        action: Action,
        name: &str,
        unresolved: &[Unresolved],
    ) -> Result<(), Denied> {
        let cause = match decision {
            Decision::Allowed => return Ok(()),
            Decision::ExplicitlyDenied { policy, statement } => {
                let policy = &self.principal.policies[policy];
                let sid = policy.statements[statement].sid.clone();
                Cause::ExplicitDeny { policy: policy.name().to_owned(), statement: statement + 1, sid }
            }
            Decision::NotAllowed if self.principal.policies.is_empty() => Cause::NoPolicy,
            Decision::NotAllowed => {
                let kind = action.resource_kind();
                let near = unresolved
                    .iter()
                    .find(|unresolved| unresolved.actions.contains(action) && unresolved.kind == kind);
                let unresolved = near.map(|Unresolved { policy, statement, why, .. }| {
                    let name = self.principal.policies[*policy].name();
                    format!("in statement {} of policy `{name}`, {why}", statement + 1)
                });
                Cause::NotAllowed { policies: self.principal.policies.len(), unresolved }
            }
        };
        Err(Denied::new(action, format!("{}{name}", action.resource_kind().prefix()), cause))
    }
}

fn takes_part(statement: &Statement, facts: &Facts<'_>, connect: Option<&ConnectAttributes<'_>>) -> bool {
    let truths = statement.conditions.iter().map(|condition| condition.evaluate(facts, connect));
    Truth::all(truths).admits(statement.effect)
}

fn sorted(mut grants: Vec<Grant>) -> Box<[Grant]> {
    grants.sort_by_key(|grant| grant.effect == Effect::Allow);
    grants.into_boxed_slice()
}

/// The first grant that matches decides, for denies stand first.
fn decide(grants: &[Grant], action: Action, names: &[&str]) -> Decision {
    let kind = action.resource_kind();
    let matches = |grant: &&Grant| {
        grant.kind == kind
            && grant.actions.contains(action)
            && names.iter().any(|name| grant.name.matches(name))
    };
    match grants.iter().find(matches) {
        Some(Grant { effect: Effect::Allow, .. }) => Decision::Allowed,
        Some(Grant { policy, statement, .. }) => {
            Decision::ExplicitlyDenied { policy: *policy, statement: *statement }
        }
        None => Decision::NotAllowed,
    }
}

/// The filter of a shared subscription.
fn shared_filter(filter: &str) -> Option<&str> {
    filter.strip_prefix("$share/")?.split_once('/').map(|(_, filter)| filter)
}

#[cfg(test)]
mod tests;
