//! Who gets a message, decided before it is durable and acted on afterwards.

use crate::broker::{Broker, DueWill, Inner};
use crate::change::{Change, CopyOptions, SessionKey};
use crate::index::{Entry, Group};
use crate::retained::Retention;
use crate::session::{Identifiers, Slot, Subscriber};
use crate::{Attachment, DropReason, Message, QueueFull};
use mqtt::Qos;
use smallvec::SmallVec;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The subscribers of one message.
pub struct Route<A> {
    pub(crate) targets: Targets<A>,
    /// Sessions without room for their copy, and whether it came by a shared subscription.
    pub(crate) full: Vec<(Arc<Slot<A>>, bool)>,
    refuses: bool,
    /// Shared groups without a member that could take it: counted when the message is delivered, for it may not be accepted.
    pub(crate) without_member: u64,
    /// [`Inner::subscribed`] when the route was made.
    pub(crate) made_at: u64,
}

/// Mostly there is one.
pub(crate) type Targets<A> = SmallVec<[Target<A>; 2]>;

/// One session that gets the message.
pub(crate) struct Target<A> {
    pub(crate) slot: Arc<Slot<A>>,
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    pub(crate) identifiers: Identifiers,
    pub(crate) shared: Option<Arc<str>>,
}

/// A durable session that is owed a copy: it must be in the journal before the publisher gets its acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    /// The session.
    pub key: SessionKey,
    /// How it gets the message; give it back to [`crate::Restore::copy`].
    pub options: CopyOptions,
}

/// A session that ended because it had no room for a QoS 1 or 2 copy.
#[derive(Debug)]
pub struct Overflowed<A> {
    /// The client.
    pub client_id: Arc<str>,
    /// Copies lost with it: those that waited or were not acknowledged yet and found no other member of their shared group, and the one
    /// there was no room for. Each is counted under its reason.
    pub copies_lost: usize,
    /// Its will, due now.
    pub will: Option<DueWill<A>>,
}

/// What became of a delivery.
#[derive(Debug)]
pub struct Delivered<A> {
    /// Copies that entered an outbox.
    pub queued: usize,
    /// Copies that did not; the reasons are in [`crate::Stats`].
    pub dropped: usize,
    /// What became of the retained message.
    pub retention: Retention,
    /// What to persist before the publisher is told that its message was taken: copies of the journal record that are owed no more, or to
    /// another session, and sessions that ended. Nearly always empty.
    pub changes: Vec<Change>,
    /// Sessions that ended for want of room ([`QueueFull::EndSession`]): log them, publish their wills.
    pub overflowed: Vec<Overflowed<A>>,
}

impl<A> Route<A> {
    /// Number of copies.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether nobody gets it.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Whether [`Broker::deliver`] has anything to do for a message that is not retained.
    pub fn has_work(&self) -> bool {
        !self.targets.is_empty() || !self.full.is_empty() || self.without_member > 0
    }

    /// The durable sessions that are owed a copy.
    pub fn owed(&self) -> impl Iterator<Item = Owed> + '_ {
        self.targets.iter().filter(|target| target.qos > Qos::AtMostOnce && target.slot.is_durable()).map(
            |target| Owed {
                key: target.slot.key,
                options: CopyOptions {
                    qos: target.qos,
                    retain: target.retain,
                    identifiers: target.identifiers.to_vec(),
                    shared: target.shared.clone(),
                },
            },
        )
    }

    /// A client whose session has no room, where the policy is [`QueueFull::Refuse`]: the message is not to be accepted (0x97, quota
    /// exceeded), and nothing is to be written. Nothing was counted, and the same message can be routed again later.
    pub fn refusal(&self) -> Option<&str> {
        self.full.first().filter(|_| self.refuses).map(|(slot, _)| &*slot.client_id)
    }

    /// Sessions this route decided about, shared subscriptions aside.
    pub(crate) fn known(&self) -> HashSet<SessionKey> {
        let own = self.targets.iter().filter(|target| target.shared.is_none()).map(|target| target.slot.key);
        let full = self.full.iter().filter(|(_, is_shared)| !is_shared).map(|(slot, _)| slot.key);
        own.chain(full).collect()
    }
}

impl<A: Attachment> Broker<A> {
    /// Who gets `message`. Takes no session's lock and changes nothing but the turn of shared groups.
    ///
    /// A client with several subscriptions that match gets one copy: with the highest quality of service among them
    /// `[MQTT-3.3.4-2]`, all their subscription identifiers `[MQTT-3.3.4-3]`, and the retain flag as published if one of them asks
    /// for that. Each shared subscription is a copy of its own for one member (section 4.8.2). A subscription with No Local
    /// takes no part when the client published the message itself `[MQTT-3.8.3-3]`.
    pub fn route(&self, message: &Message) -> Route<A> {
        let inner = &*self.inner;
        let mut route = Route {
            targets: SmallVec::new(),
            full: Vec::new(),
            refuses: inner.limits.queue_full == QueueFull::Refuse,
            without_member: 0,
            made_at: inner.subscribed.load(Ordering::Acquire),
        };
        let mut filters = 0;
        inner.index.matching(&message.topic, |entry| {
            filters += usize::from(!entry.plain().is_empty());
            inner.collect(entry, message, &mut route);
        });
        if filters > 1 {
            merge_overlapping(&mut route.targets);
        }
        inner.take_out_full(message, &mut route);
        route
    }
}

impl<A: Attachment> Inner<A> {
    fn collect(&self, entry: &Entry<Subscriber<A>>, message: &Message, route: &mut Route<A>) {
        for subscriber in entry.plain() {
            if subscriber.hears(message) {
                route.targets.push(subscriber.target(message, None));
            }
        }
        for group in entry.groups() {
            match self.pick(group, message, |_| true) {
                Some(target) => route.targets.push(target),
                None => route.without_member += 1,
            }
        }
    }

    /// The member of a shared group that gets a message: in turn, connected ones with room first.
    pub(crate) fn pick(
        &self,
        group: &Group<Subscriber<A>>,
        message: &Message,
        allowed: impl Fn(&Slot<A>) -> bool,
    ) -> Option<Target<A>> {
        let bytes = message.bytes();
        let rank = |member: &Subscriber<A>| {
            let slot = &member.slot;
            let waits_offline = message.qos.min(member.options.qos) > Qos::AtMostOnce && slot.is_durable();
            let serves = allowed(slot) && (slot.is_connected() || waits_offline);
            serves.then(|| (!self.is_full(slot, bytes), slot.is_connected()))
        };
        group.choose(rank).map(|member| member.target(message, Some(group.whole().clone())))
    }

    /// Whether a session has no room for a copy of `bytes` more.
    pub(crate) fn is_full(&self, slot: &Slot<A>, bytes: usize) -> bool {
        let (messages, held) = slot.gauge();
        let after = held.saturating_add(bytes);
        if messages >= self.limits.queue_messages_max || after > self.limits.queue_bytes_max {
            return true;
        }
        let all = self.counters.queued_bytes.load(Ordering::Relaxed) as usize;
        let shared = self.limits.queued_bytes_max / 2;
        if all <= shared {
            return false;
        }
        let backlogged = self.counters.backlogged.load(Ordering::Relaxed).max(1) as usize;
        all.saturating_add(bytes) > self.limits.queued_bytes_max || after > shared / backlogged
    }

    /// Takes full sessions out of the route before anything is promised to them. Publishes between their route and their delivery do
    /// not see each other here, so a queue can exceed its bound by as many as are under way at once.
    fn take_out_full(&self, message: &Message, route: &mut Route<A>) {
        let bytes = message.bytes();
        let is_full = |target: &Target<A>| target.qos > Qos::AtMostOnce && self.is_full(&target.slot, bytes);
        if !route.targets.iter().any(is_full) {
            return;
        }
        let Route { targets, full, .. } = route;
        targets.retain(|target| {
            let is_full = is_full(target);
            if is_full {
                full.push((target.slot.clone(), target.shared.is_some()));
            }
            !is_full
        });
        if !route.refuses {
            self.counters.drop_copies(DropReason::QueueFull, route.full.len() as u64);
        }
    }
}

impl<A> Subscriber<A> {
    /// Whether the subscription takes part, given who published `[MQTT-3.8.3-3]`.
    pub(crate) fn hears(&self, message: &Message) -> bool {
        !(self.options.no_local && self.slot.client_id == message.publisher)
    }

    pub(crate) fn target(&self, message: &Message, shared: Option<Arc<str>>) -> Target<A> {
        let mut identifiers = Identifiers::new();
        if self.identifier != 0 {
            identifiers.push(self.identifier);
        }
        Target {
            slot: self.slot.clone(),
            qos: message.qos.min(self.options.qos),
            retain: message.retain && self.options.retain_as_published,
            identifiers,
            shared,
        }
    }
}

/// One target for each session that came in by more than one filter.
pub(crate) fn merge_overlapping<A>(targets: &mut Targets<A>) {
    targets.sort_by_key(|target| (target.shared.is_some(), target.slot.key));
    targets.dedup_by(|next, kept| {
        let same = next.shared.is_none() && kept.shared.is_none() && next.slot.key == kept.slot.key;
        if same {
            kept.qos = kept.qos.max(next.qos);
            kept.retain |= next.retain;
            kept.identifiers.extend(next.identifiers.drain(..));
        }
        same
    });
}
