//! Who gets a message, decided before it is durable and acted on afterwards.

use crate::broker::{Broker, Inner};
use crate::change::{Change, CopyOptions, SessionKey};
use crate::index::{Entry, Group};
use crate::retained::Retention;
use crate::session::{Identifiers, Slot, Subscriber};
use crate::{Attachment, DropReason, Message, QueueFull};
use mqtt::{Qos, ReasonCode};
use smallvec::SmallVec;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The subscribers of one message.
pub struct Route<A> {
    pub(crate) targets: SmallVec<[Target<A>; 2]>,
    refused: Vec<Refused>,
    /// [`Inner::subscribed`] when the route was made.
    pub(crate) made_at: u64,
}

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

/// A session that can't take a QoS 1 or 2 copy now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its session.
    pub key: SessionKey,
    /// The client.
    pub client_id: Arc<str>,
    /// Why.
    pub reason: DropReason,
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Copies that entered an outbox.
    pub queued: usize,
    /// Copies that did not; the reasons are in [`crate::Stats`].
    pub dropped: usize,
    /// What became of the retained message.
    pub retention: Retention,
    /// What to persist: copies of the journal record that are owed no more, or to another session. Nearly always empty.
    pub changes: Vec<Change>,
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

    /// Sessions whose queue is full: already counted, not part of the route. A publisher can be told 0x97 and nothing written.
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }

    /// Sessions this route decided about, shared subscriptions aside.
    pub(crate) fn known(&self) -> HashSet<SessionKey> {
        let own = self.targets.iter().filter(|target| target.shared.is_none()).map(|target| target.slot.key);
        own.chain(self.refused.iter().map(|refused| refused.key)).collect()
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
            refused: Vec::new(),
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
        inner.refuse_full(message, &mut route);
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
                None => self.counters.drop_copies(DropReason::NoMember, 1),
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
            serves.then(|| (!slot.is_full(&self.limits, bytes), slot.is_connected()))
        };
        group.choose(rank).map(|member| member.target(message, Some(group.whole().clone())))
    }

    /// Takes full sessions out of the route before anything is promised to them. Publishes between their route and their delivery do
    /// not see each other here, so a queue can exceed its bound by as many as are under way at once.
    fn refuse_full(&self, message: &Message, route: &mut Route<A>) {
        let bytes = message.bytes();
        let is_refused =
            |target: &Target<A>| target.qos > Qos::AtMostOnce && target.slot.is_full(&self.limits, bytes);
        if !route.targets.iter().any(is_refused) {
            return;
        }
        let mut full = Vec::new();
        route.targets.retain(|target| {
            let refused = is_refused(target);
            if refused {
                full.push(target.slot.clone());
            }
            !refused
        });
        self.counters.drop_copies(DropReason::QueueFull, full.len() as u64);
        for slot in full {
            if self.limits.queue_full == QueueFull::Disconnect {
                let wake = slot.state.lock().close(ReasonCode::QuotaExceeded);
                if let Some(wake) = wake {
                    wake.wake();
                }
            }
            route.refused.push(Refused {
                key: slot.key,
                client_id: slot.client_id.clone(),
                reason: DropReason::QueueFull,
            });
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
fn merge_overlapping<A>(targets: &mut SmallVec<[Target<A>; 2]>) {
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
