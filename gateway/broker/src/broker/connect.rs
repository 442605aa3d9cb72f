//! Taking a connection in: its terms, the session it finds or begins, the connection it replaces.

use super::{Broker, Connected, DueWill, Inner};
use crate::change::{Change, WillKey};
use crate::session::{Connection, PendingWill, Session, Slot, State};
use crate::{Attachment, Limits, Refusal, Wake};
use mqtt::{ConnAck, Connect, Properties, PropertiesBuilder, Property, Qos, ReasonCode, Text, Version};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// What a CONNECT gets, within the limits.
struct Terms {
    keep_alive_secs: u16,
    asked_expiry_secs: u32,
    expiry_secs: u32,
    quota: u16,
    packet_bytes_max: u32,
    outbound_aliases_max: u16,
    problem_information: bool,
}

impl Terms {
    fn of(connect: &Connect, limits: &Limits) -> Self {
        let properties = &connect.properties;
        let asked_expiry_secs = match connect.version {
            Version::V5 => properties.session_expiry_secs().unwrap_or(0),
            Version::V3_1_1 if connect.clean_start => 0,
            Version::V3_1_1 => u32::MAX,
        };
        let window = properties.receive_maximum().unwrap_or(u16::MAX);
        Self {
            keep_alive_secs: keep_alive_secs(connect, limits),
            asked_expiry_secs,
            expiry_secs: asked_expiry_secs.min(limits.session_expiry_secs_max),
            quota: window.min(limits.outbound_window_messages_max),
            packet_bytes_max: properties.packet_bytes_max().unwrap_or(u32::MAX),
            outbound_aliases_max: properties
                .topic_alias_maximum()
                .unwrap_or(0)
                .min(limits.outbound_topic_aliases_max),
            problem_information: properties.request_problem_information().unwrap_or(true),
        }
    }
}

/// The keep alive in force. Only MQTT 5 can tell a client that it is another one `[MQTT-3.1.2-21]`.
fn keep_alive_secs(connect: &Connect, limits: &Limits) -> u16 {
    let (asked, min, max) = (connect.keep_alive_secs, limits.keep_alive_secs_min, limits.keep_alive_secs_max);
    match connect.version {
        Version::V3_1_1 if !limits.compatibility.keep_alive_is_imposed() => asked,
        _ if max != 0 && (asked == 0 || asked > max) => max,
        _ if asked != 0 => asked.max(min),
        _ => asked,
    }
}

fn check(connect: &Connect, limits: &Limits) -> Result<(), Refusal> {
    let refuse = |reason, sentence| Err(Refusal { reason, sentence });
    if connect.client_id.as_bytes().len() > limits.client_id_bytes_max {
        return refuse(
            ReasonCode::ClientIdentifierNotValid,
            "client identifier longer than this server takes",
        );
    }
    if connect.client_id.starts_with('$') && !limits.compatibility.client_id_may_begin_with_dollar() {
        return refuse(ReasonCode::ClientIdentifierNotValid, "client identifier begins with `$`");
    }
    if connect.client_id.is_empty() && connect.version == Version::V3_1_1 && !connect.clean_start {
        // [MQTT-3.1.3-8] of MQTT 3.1.1.
        return refuse(
            ReasonCode::ClientIdentifierNotValid,
            "a session to be kept needs a client identifier; give one, or set clean session",
        );
    }
    let Some(will) = &connect.will else { return Ok(()) };
    if will.qos > limits.qos_max {
        return refuse(ReasonCode::QosNotSupported, "will above the maximum QoS");
    }
    if will.retain && !limits.retain_available {
        return refuse(ReasonCode::RetainNotSupported, "retained will on a server without retained messages");
    }
    Ok(())
}

impl<A: Attachment> Broker<A> {
    /// Takes in a connection whose CONNECT was authorised, after any exchange that its Authentication Method asked for. The session is resumed unless the client wants a clean start; a connection
    /// that has it is told to close, its handle is stale from now on.
    ///
    /// A session belongs to whoever it was made by ([`Attachment::owns`]), not to a client identifier alone: for anybody else it ends,
    /// and a new one begins. Refusing instead would let whoever comes first keep others from an identifier that they may use as well.
    ///
    /// # Errors
    /// The reason for the CONNACK when the client can't be served as it asks; nothing has changed then.
    pub fn connect(
        &self,
        connect: &Connect,
        attachment: A,
        wake: Arc<dyn Wake>,
        now_ms: u64,
    ) -> Result<Connected<A>, Refusal> {
        let inner = &self.inner;
        check(connect, &inner.limits)?;
        let terms = Terms::of(connect, &inner.limits);
        let is_assigned = connect.client_id.is_empty();
        let client_id: Arc<str> =
            if is_assigned { inner.assign_client_id() } else { connect.client_id.as_str().into() };
        let mut arrival =
            Arrival { connect, terms: &terms, connection: new_connection(connect, &terms, attachment, wake) };
        let entered = loop {
            let slot = inner.slot_of(&client_id)?;
            match inner.take_in(&slot, arrival, now_ms) {
                Ok(entered) => break entered,
                // The session ended between finding it and locking it.
                Err(refused) => arrival = refused,
            }
            inner.forget(&slot);
        };
        if let Some(replaced) = &entered.replaced {
            replaced.wake.wake();
        }
        let properties =
            connack_properties(connect, &inner.limits, &terms, is_assigned.then_some(&*client_id));
        let (taken_over, taken_over_from) =
            entered.replaced.map(|replaced| (replaced.session, replaced.attachment)).unzip();
        Ok(Connected {
            session: entered.session,
            connack: ConnAck {
                session_present: entered.session_present,
                reason: ReasonCode::Success,
                properties,
            },
            keep_alive_secs: terms.keep_alive_secs,
            taken_over,
            taken_over_from,
            displaced: entered.is_foreign,
            will: entered.will,
            changes: entered.changes,
        })
    }
}

/// A connection on its way to its session.
struct Arrival<'a, A> {
    connect: &'a Connect,
    terms: &'a Terms,
    connection: Box<Connection<A>>,
}

/// A connection that lost its session to another one.
struct Replaced<A> {
    session: Session<A>,
    attachment: A,
    wake: Arc<dyn Wake>,
}

/// A connection that has its session, and what it put an end to.
struct Entered<A> {
    session: Session<A>,
    session_present: bool,
    replaced: Option<Replaced<A>>,
    /// The session that ended was somebody else's.
    is_foreign: bool,
    will: Option<DueWill<A>>,
    changes: Vec<Change>,
}

fn new_connection<A>(
    connect: &Connect,
    terms: &Terms,
    attachment: A,
    wake: Arc<dyn Wake>,
) -> Box<Connection<A>> {
    Box::new(Connection {
        attachment,
        wake,
        asleep: false,
        closing: None,
        quota: terms.quota,
        packet_bytes_max: terms.packet_bytes_max,
        outbound_aliases_max: terms.outbound_aliases_max,
        inbound_aliases: Default::default(),
        outbound_aliases: Default::default(),
        unacknowledged: 0,
        problem_information: terms.problem_information,
        asked_expiry_secs: terms.asked_expiry_secs,
        authentication_method: connect
            .properties
            .authentication_method()
            .map(|method| method.as_str().into()),
        control: Vec::new(),
    })
}

impl<A: Attachment> Inner<A> {
    /// Gives the session of `slot` to a connection, or a new one in its place; gives the connection back when the session has ended.
    ///
    /// A session that is replaced stays locked until the new one is in the map, so of several connections that want the same client
    /// identifier at once each replaces exactly one. The new session is locked meanwhile too, but nobody else knows of it yet.
    fn take_in<'a>(
        self: &Arc<Self>,
        slot: &Arc<Slot<A>>,
        arrival: Arrival<'a, A>,
        now_ms: u64,
    ) -> Result<Entered<A>, Arrival<'a, A>> {
        let mut state = slot.state.lock();
        if state.ended {
            return Err(arrival);
        }
        let replaced = self.supersede(slot, &mut state);
        let session_present = state.generation > 0;
        let is_foreign = state.is_foreign_to(&arrival.connection.attachment);
        // A session that does not outlive its connection is over with it; it may not be continued [MQTT-4.1.0-2]. Nor may one whose time
        // is over, which [`Broker::tick`] may not have seen yet.
        let goes_on = state.expiry_secs > 0 && now_ms < state.expires_at_ms;
        if !session_present || (!arrival.connect.clean_start && goes_on && !is_foreign) {
            let will = self.resume_will(slot, &mut state, replaced.is_some(), now_ms);
            let (session, changes) = self.attach(slot, &mut state, arrival);
            return Ok(Entered { session, session_present, replaced, is_foreign: false, will, changes });
        }
        let ended = self.end(slot, &mut state, now_ms);
        let fresh = Arc::new(Slot::new(self.new_key(), slot.client_id.clone()));
        let (session, begun) = self.attach(&fresh, &mut fresh.state.lock(), arrival);
        self.sessions.insert(slot.client_id.clone(), fresh);
        drop(state);
        let mut changes = self.wind_up(ended.estate, slot, now_ms).0;
        changes.extend(begun);
        Ok(Entered { session, session_present: false, replaced, is_foreign, will: ended.will, changes })
    }

    /// The slot of a client identifier, made if there is none.
    fn slot_of(&self, client_id: &Arc<str>) -> Result<Arc<Slot<A>>, Refusal> {
        if let Some(slot) = self.sessions.get(client_id) {
            return Ok(slot.clone());
        }
        if self.counters.sessions.load(Relaxed) >= self.limits.sessions_max as u64 {
            return Err(Refusal {
                reason: ReasonCode::QuotaExceeded,
                sentence: "this server keeps no more sessions",
            });
        }
        let entry = self.sessions.entry(client_id.clone()).or_insert_with(|| {
            self.counters.sessions.fetch_add(1, Relaxed);
            Arc::new(Slot::new(self.new_key(), client_id.clone()))
        });
        Ok(entry.clone())
    }

    /// Takes the session from the connection that has it, if one has.
    fn supersede(self: &Arc<Self>, slot: &Arc<Slot<A>>, state: &mut State<A>) -> Option<Replaced<A>> {
        let connection = state.connection.take()?;
        // What the old connection's policies allowed says nothing about the new one's.
        state.queue.withdraw_permits();
        slot.connected.store(false, Relaxed);
        self.counters.connected.fetch_sub(1, Relaxed);
        let session = Session {
            broker: self.clone(),
            slot: slot.clone(),
            generation: state.generation,
            version: state.version,
        };
        state.bequeath(connection.attachment.clone());
        Some(Replaced { session, attachment: connection.attachment, wake: connection.wake })
    }

    /// The will found at a session that goes on: one that waits is dropped `[MQTT-3.1.3-9]`, unless its time has come; that of a
    /// connection just replaced is published, unless it has a delay, which the new connection cuts short.
    fn resume_will(
        &self,
        slot: &Slot<A>,
        state: &mut State<A>,
        is_takeover: bool,
        now_ms: u64,
    ) -> Option<DueWill<A>> {
        let is_due = |will: &PendingWill<A>| {
            (is_takeover && will.delay_secs(&self.limits) == 0) || will.is_due(now_ms)
        };
        let due = state.will.take_if(|will| is_due(will)).map(|will| will.due(&slot.client_id, now_ms));
        state.forget_will(self);
        due
    }

    /// Gives a session to a connection; what to persist for it.
    fn attach(
        self: &Arc<Self>,
        slot: &Arc<Slot<A>>,
        state: &mut State<A>,
        arrival: Arrival<'_, A>,
    ) -> (Session<A>, Vec<Change>) {
        let Arrival { connect, terms, connection } = arrival;
        let will = connect.will.as_ref().map(|will| PendingWill::new(WillKey(self.new_key().0), will));
        state.generation += 1;
        state.version = connect.version;
        state.owner = (terms.expiry_secs > 0).then(|| connection.attachment.owner());
        state.expires_at_ms = u64::MAX;
        state.will = will.map(Box::new);
        state.connection = Some(connection);
        state.window.begin_repeats();
        self.set_timer(slot, state, u64::MAX);
        slot.connected.store(true, Relaxed);
        self.counters.connected.fetch_add(1, Relaxed);
        state.expiry_secs = terms.expiry_secs;
        // A durable session that is to end with this connection stays in the store until it does: its copies may still go to others. The
        // other way round there is nothing to store yet: a session that ends with its connection is not continued.
        if terms.expiry_secs > 0 {
            slot.durable.store(true, Relaxed);
        }
        let header = state.header(slot);
        state.record(self, slot, || Change::Header(Box::new(header)));
        state.record_will(self, slot);
        let session = Session {
            broker: self.clone(),
            slot: slot.clone(),
            generation: state.generation,
            version: connect.version,
        };
        (session, state.drain_changes(slot, self.recording))
    }
}

impl<A: Attachment> State<A> {
    /// Whether the session is another's. Of a session from before owners were kept nobody knows, so it is whose client comes first.
    fn is_foreign_to(&self, attachment: &A) -> bool {
        self.owner.as_deref().is_some_and(|owner| !attachment.owns(owner))
    }
}

/// What the CONNACK tells an MQTT 5 client; what is as the client would assume anyway is left out.
fn connack_properties(
    connect: &Connect,
    limits: &Limits,
    terms: &Terms,
    assigned: Option<&str>,
) -> Properties {
    let mut properties = PropertiesBuilder::new();
    if connect.version == Version::V3_1_1 {
        return properties.build();
    }
    if terms.expiry_secs != terms.asked_expiry_secs {
        properties.push(Property::SessionExpiryInterval(terms.expiry_secs));
    }
    if limits.inbound_window_messages_max != u16::MAX {
        properties.push(Property::ReceiveMaximum(limits.inbound_window_messages_max));
    }
    if limits.qos_max != Qos::ExactlyOnce {
        properties.push(Property::MaximumQos(limits.qos_max));
    }
    if !limits.retain_available {
        properties.push(Property::RetainAvailable(false));
    }
    properties.push(Property::MaximumPacketSize(limits.packet_bytes_max));
    if let Some(Ok(text)) = assigned.map(Text::try_from) {
        properties.push(Property::AssignedClientIdentifier(text));
    }
    if limits.inbound_topic_aliases_max > 0 {
        properties.push(Property::TopicAliasMaximum(limits.inbound_topic_aliases_max));
    }
    if !limits.wildcard_subscriptions_available {
        properties.push(Property::WildcardSubscriptionAvailable(false));
    }
    if !limits.compatibility.has_subscription_identifiers() {
        properties.push(Property::SubscriptionIdentifierAvailable(false));
    }
    if !limits.shared_subscriptions_available {
        properties.push(Property::SharedSubscriptionAvailable(false));
    }
    if terms.keep_alive_secs != connect.keep_alive_secs {
        properties.push(Property::ServerKeepAlive(terms.keep_alive_secs));
    }
    properties.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a client that asks for a keep alive is held to; MQTT 3.1.1 gives no way to tell it.
    #[test]
    fn keep_alive() {
        use Version::{V3_1_1, V5};
        let bounded = Limits { keep_alive_secs_max: 1_200, ..Limits::default() };
        for (limits, version, asked, held_to) in [
            (Limits::default(), V3_1_1, 0, 0),
            (Limits::default(), V5, 65_535, 65_535),
            (bounded.clone(), V3_1_1, 0, 0),
            (bounded.clone(), V3_1_1, 2_000, 2_000),
            (bounded.clone(), V5, 0, 1_200),
            (bounded, V5, 5, 5),
            (Limits::aws(), V3_1_1, 0, 1_200),
            (Limits::aws(), V3_1_1, 5, 30),
            (Limits::aws(), V3_1_1, 2_000, 1_200),
            (Limits::aws(), V3_1_1, 60, 60),
            (Limits::aws(), V5, 5, 30),
        ] {
            let connect = Connect {
                version,
                clean_start: true,
                keep_alive_secs: asked,
                properties: Properties::default(),
                client_id: Text::default(),
                will: None,
                username: None,
                password: None,
            };
            assert_eq!(keep_alive_secs(&connect, &limits), held_to, "{version:?} asks for {asked}");
        }
    }
}
