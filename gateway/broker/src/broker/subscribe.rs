//! SUBSCRIBE and UNSUBSCRIBE.

use super::{Broker, Inner, Subscribed};
use crate::change::{Change, SavedSubscription};
use crate::index::Place;
use crate::retained::Feed;
use crate::session::{Session, Slot, State, Subscriber};
use crate::{Attachment, Denial, Limits, Violation};
use mqtt::topic::Filter;
use mqtt::{
    Packet, PropertiesBuilder, Qos, ReasonCode, RetainHandling, SubAck, Subscribe, SubscribeFilter, UnsubAck,
    Unsubscribe, Version,
};
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl<A: Attachment> Broker<A> {
    /// Makes the subscriptions a client asked for. `permit` is asked for each well-formed filter, as sent; no lock is held.
    ///
    /// # Errors
    /// When the request breaks the protocol; the connection has to close.
    pub fn subscribe(
        &self,
        session: &Session<A>,
        request: &Subscribe,
        mut permit: impl FnMut(&SubscribeFilter) -> Result<(), Denial>,
    ) -> Result<Subscribed, Violation> {
        let limits = &self.inner.limits;
        check(request, session.version, limits)?;
        let mut sentence = String::new();
        let mut verdicts = Vec::with_capacity(request.filters.len());
        for (at, asked) in request.filters.iter().enumerate() {
            let verdict = judge(asked, at, limits)?.and_then(|()| permit(asked));
            verdicts.push(verdict.map_err(|denial| {
                if sentence.is_empty() {
                    sentence = denial.sentence;
                }
                denial.reason
            }));
        }
        let identifier = request.properties.subscription_identifiers().next();
        let mut subscribed = Subscribed {
            ack: SubAck { packet_id: request.packet_id, properties: Default::default(), reasons: Vec::new() },
            granted: Vec::new(),
            retained_follows: false,
        };
        let mut state = session.slot.state.lock();
        for (asked, verdict) in request.filters.iter().zip(verdicts) {
            let reason = match verdict {
                Ok(()) => self.inner.grant(session, &mut state, asked, identifier, &mut subscribed),
                Err(reason) => reason,
            };
            subscribed.ack.reasons.push(reason);
        }
        if !sentence.is_empty() {
            let bare = SubAck { properties: PropertiesBuilder::new().build(), ..subscribed.ack.clone() };
            subscribed.ack.properties =
                state.reason_string(&sentence, |properties| Packet::SubAck(SubAck { properties, ..bare }));
        }
        Ok(subscribed)
    }

    /// Ends subscriptions: one UNSUBACK for the request, one code for each filter `[MQTT-3.10.4-4]`. Copies that already wait are
    /// still sent.
    pub fn unsubscribe(&self, session: &Session<A>, request: &Unsubscribe) -> UnsubAck {
        let mut state = session.slot.state.lock();
        let end = |filter: &mqtt::Text| {
            if !state.is_current(session.generation) {
                return ReasonCode::UnspecifiedError;
            }
            if Filter::parse(filter).is_err() {
                return ReasonCode::TopicFilterInvalid;
            }
            match self.inner.revoke(&session.slot, &mut state, filter) {
                true => ReasonCode::Success,
                false => ReasonCode::NoSubscriptionExisted,
            }
        };
        let reasons = request.filters.iter().map(end).collect();
        UnsubAck { packet_id: request.packet_id, properties: Default::default(), reasons }
    }
}

/// Whether the request as a whole may be served.
fn check(request: &Subscribe, version: Version, limits: &Limits) -> Result<(), Violation> {
    let compatibility = limits.compatibility;
    if !compatibility.has_subscription_identifiers()
        && request.properties.subscription_identifiers().next().is_some()
    {
        let reason = ReasonCode::SubscriptionIdentifiersNotSupported;
        return Err(Violation::new(reason, "subscription identifier", "3.2.2.3.12"));
    }
    if !compatibility.subscribing_too_much_closes(version) {
        return Ok(());
    }
    if request.filters.len() > limits.filters_per_subscribe_max {
        let sentence = "more filters in one SUBSCRIBE than this server takes";
        return Err(Violation::new(ReasonCode::QuotaExceeded, sentence, "compatibility with AWS IoT Core"));
    }
    if request.filters.iter().any(|asked| asked.options.qos > limits.qos_max) {
        let sentence = "subscription above the maximum QoS";
        return Err(Violation::new(ReasonCode::QosNotSupported, sentence, "compatibility with AWS IoT Core"));
    }
    Ok(())
}

/// Whether a filter may be subscribed at all: the outer error closes the connection, the inner one is answered in the SUBACK.
fn judge(asked: &SubscribeFilter, at: usize, limits: &Limits) -> Result<Result<(), Denial>, Violation> {
    let deny = |reason, sentence: &str| Ok(Err(Denial::new(reason, sentence)));
    let filter = match Filter::parse(&asked.filter) {
        Ok(filter) => filter,
        Err(error) => return Ok(Err(Denial::new(ReasonCode::TopicFilterInvalid, error.to_string()))),
    };
    if filter.share_name().is_some() && asked.options.no_local {
        let sentence = "No Local on a shared subscription";
        return Err(Violation::new(ReasonCode::ProtocolError, sentence, "MQTT-3.8.3-4"));
    }
    if at >= limits.filters_per_subscribe_max {
        return deny(ReasonCode::QuotaExceeded, "more filters in one SUBSCRIBE than this server takes");
    }
    if asked.filter.as_bytes().len() > limits.filter_bytes_max
        || filter.levels().count() > limits.filter_levels_max
    {
        return deny(ReasonCode::TopicFilterInvalid, "filter longer or deeper than this server takes");
    }
    if filter.share_name().is_some() && !limits.shared_subscriptions_available {
        return deny(ReasonCode::SharedSubscriptionsNotSupported, "shared subscriptions are switched off");
    }
    if filter.has_wildcard() && !limits.wildcard_subscriptions_available {
        return deny(
            ReasonCode::WildcardSubscriptionsNotSupported,
            "wildcard subscriptions are switched off",
        );
    }
    Ok(Ok(()))
}

impl<A: Attachment> Inner<A> {
    fn grant(
        &self,
        session: &Session<A>,
        state: &mut State<A>,
        asked: &SubscribeFilter,
        identifier: Option<u32>,
        subscribed: &mut Subscribed,
    ) -> ReasonCode {
        if !state.is_current(session.generation) {
            return ReasonCode::UnspecifiedError;
        }
        let slot = &session.slot;
        let place = state.subscription_place(&asked.filter);
        if place.is_err()
            && (state.subscriptions.len() >= self.limits.subscriptions_per_session_max
                || self.counters.subscriptions.load(Ordering::Relaxed)
                    >= self.limits.subscriptions_max as u64)
        {
            return ReasonCode::QuotaExceeded;
        }
        let mut options = asked.options;
        options.qos = options.qos.min(self.limits.qos_max);
        // A subscription that is replaced keeps its place in the index, so it keeps the text that is there.
        let filter = match place {
            Ok(at) => state.subscriptions[at].filter.clone(),
            Err(_) => Arc::from(asked.filter.as_str()),
        };
        let held = SavedSubscription { filter, options, identifier };
        let feed = self.enter(slot, &held, place.is_err());
        state.hold(place, held.clone());
        subscribed.granted.push(held.filter.clone());
        if let Some(feed) = feed {
            self.replace_feed(slot, state, feed);
            subscribed.retained_follows = true;
        }
        state.record(self, slot, || Change::Subscribed(slot.key, held));
        match options.qos {
            Qos::AtMostOnce => ReasonCode::Success,
            Qos::AtLeastOnce => ReasonCode::GrantedQos1,
            Qos::ExactlyOnce => ReasonCode::GrantedQos2,
        }
    }

    /// Puts a subscription in the index; gives the feed of retained messages it is due `[MQTT-3.3.1-9]`.
    pub(crate) fn enter(&self, slot: &Arc<Slot<A>>, held: &SavedSubscription, is_new: bool) -> Option<Feed> {
        let place = Place::of(&held.filter);
        if is_new {
            self.counters.subscribed(place);
        }
        let enter = |clock| {
            let subscriber = Subscriber {
                slot: slot.clone(),
                options: held.options,
                identifier: held.identifier.unwrap_or(0),
                born: clock,
            };
            self.index.insert(place, subscriber);
            self.subscribed.fetch_add(1, Ordering::Release);
            clock
        };
        let clock = self.retained.with_clock(place.filter, enter);
        let wanted = match held.options.retain_handling {
            RetainHandling::SendAtSubscribe => true,
            RetainHandling::SendIfNew => is_new,
            RetainHandling::DoNotSend => false,
        };
        // Retained messages are not sent to shared subscriptions (section 4.8.2).
        let is_served = !place.has_wildcard() || self.limits.compatibility.wildcards_get_retained();
        (wanted && is_served && place.shared.is_none()).then(|| Feed::new(held.clone(), clock))
    }

    fn replace_feed(&self, slot: &Slot<A>, state: &mut State<A>, mut feed: Feed) {
        let filter = feed.subscription.filter.clone();
        let is_same = |other: &Feed| other.subscription.filter == filter;
        // What the store knows of the old feed is replaced with what it is told of the new one; it is told nothing of one at QoS 0.
        let is_known = state.feeds.iter().any(|other| is_same(other) && other.is_known());
        state.feeds.retain(|other| !is_same(other));
        if is_known && !feed.replace_known() {
            state.record(self, slot, || Change::Fed(slot.key, filter.clone()));
        }
        state.feeds.push_back(feed);
    }

    fn revoke(&self, slot: &Arc<Slot<A>>, state: &mut State<A>, filter: &str) -> bool {
        let Ok(at) = state.subscription_place(filter) else { return false };
        let held = state.subscriptions.remove(at);
        let place = Place::of(&held.filter);
        self.index.remove(place, slot.key);
        self.counters.unsubscribed(place);
        state.feeds.retain(|feed| feed.subscription.filter != held.filter);
        state.record(self, slot, || Change::Unsubscribed(slot.key, held.filter));
        true
    }
}

impl<A: Attachment> State<A> {
    /// Keeps a subscription at the place [`State::subscription_place`] gave.
    pub(crate) fn hold(&mut self, place: Result<usize, usize>, held: SavedSubscription) {
        match place {
            Ok(at) => self.subscriptions[at] = held,
            Err(at) => {
                // Most sessions have one subscription; the usual growth by four would be the larger part of their memory.
                if self.subscriptions.is_empty() {
                    self.subscriptions.reserve_exact(1);
                }
                self.subscriptions.insert(at, held);
            }
        }
    }
}
