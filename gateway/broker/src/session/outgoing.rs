//! What may be sent to the client now.

use super::Session;
use super::alias::Naming;
use super::queue::{Identifiers, Queued};
use super::receive::ack;
use super::slot::{Slot, State};
use super::window::Stage;
use crate::broker::Inner;
use crate::change::{Carried, Change, Flight, FlightStage};
use crate::retained::{Feed, Next};
use crate::{Attachment, DropReason, Message};
use bytes::BytesMut;
use mqtt::{OutboundAlias, Packet, PacketId, PublishCopy, Qos, ReasonCode, Version, encode, encode_publish};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Packets and copies dealt with while the session is locked, written or not: retained messages that a client may not receive cost
/// time and write nothing.
const STEPS_MAX: usize = 512;

/// What [`Session::poll_outgoing`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outgoing {
    /// Packets written.
    pub packets: usize,
    /// Whether more could be written already: poll again once the buffer is flushed. When `false`, the connection is woken when there is.
    pub more: bool,
    /// The connection must close with this reason; nothing was written.
    pub closing: Option<ReasonCode>,
}

impl<A: Attachment> Session<A> {
    /// Appends what may be sent now to `out`: at least one packet if there is one, then until `bytes_max` more bytes are reached.
    ///
    /// Bounded by the client's Receive Maximum, its maximum packet size and its topic alias maximum; expired messages are left out and
    /// the interval of the others is counted down; what was in flight on an earlier connection is repeated first, in its order and with
    /// its identifiers. Call it after connecting, after each [`Session::receive`], and when woken.
    pub fn poll_outgoing(&self, now_ms: u64, bytes_max: usize, out: &mut BytesMut) -> Outgoing {
        let mut state = self.slot.state.lock();
        if !state.is_current(self.generation) {
            return Outgoing { closing: Some(state.lost_to()), ..Outgoing::default() };
        }
        if let Some(reason) = state.connection.as_ref().and_then(|connection| connection.closing) {
            return Outgoing { closing: Some(reason), ..Outgoing::default() };
        }
        let before = state.gauge(&self.slot);
        let start = out.len();
        let state = &mut *state;
        let mut sender = Sender {
            broker: &self.broker,
            slot: &self.slot,
            state,
            version: self.version,
            now_ms,
            packets: 0,
            copies: 0,
            payload_bytes: 0,
            out,
        };
        let mut more = true;
        let mut steps = 0;
        while more && steps < STEPS_MAX && sender.out.len().saturating_sub(start) < bytes_max {
            more = sender.step();
            steps += 1;
        }
        let Sender { packets, copies, payload_bytes, .. } = sender;
        if let Some(connection) = &mut state.connection {
            connection.asleep = !more;
        }
        self.broker.counters.apply(before, state.gauge(&self.slot));
        if copies > 0 {
            self.broker.counters.sent.fetch_add(copies, Relaxed);
            self.broker.counters.sent_payload_bytes.fetch_add(payload_bytes, Relaxed);
        }
        Outgoing { packets, more, closing: None }
    }
}

/// One round of sending, with the session locked.
struct Sender<'a, A> {
    broker: &'a Inner<A>,
    slot: &'a Slot<A>,
    state: &'a mut State<A>,
    version: Version,
    now_ms: u64,
    packets: usize,
    copies: u64,
    payload_bytes: u64,
    out: &'a mut BytesMut,
}

impl<A: Attachment> Sender<'_, A> {
    /// Deals with one packet or copy; whether there may be more.
    fn step(&mut self) -> bool {
        self.send_control() || self.repeat() || self.feed() || self.send_queued()
    }

    fn quota(&mut self) -> &mut u16 {
        &mut self.state.connection.as_mut().expect("a session is polled by its connection").quota
    }

    /// Whether a QoS 1 or 2 publish may go out: everything in flight was repeated, and both windows have room.
    fn window_is_open(&mut self) -> bool {
        *self.quota() > 0
            && self.state.window.next_repeat().is_none()
            && self.state.window.len() < usize::from(self.broker.limits.outbound_window_messages_max)
    }

    fn write(&mut self, packet: &Packet) {
        if encode(packet, self.version, self.out).is_ok() {
            self.packets += 1;
        }
    }

    fn send_control(&mut self) -> bool {
        let Some(connection) = &mut self.state.connection else { return false };
        let control = std::mem::take(&mut connection.control);
        for packet in &control {
            self.write(packet);
        }
        !control.is_empty()
    }

    /// Repeats the next exchange of an earlier connection `[MQTT-4.4.0-1]`.
    fn repeat(&mut self) -> bool {
        let Some(at) = self.state.window.next_repeat() else { return false };
        let flying = self.state.window.get_mut(at);
        let packet_id = flying.packet_id();
        let copy = match &flying.stage {
            Stage::Released => {
                self.state.window.mark_repeated();
                self.write(&Packet::PubRel(ack(packet_id, ReasonCode::Success)));
                return true;
            }
            Stage::Published(copy) => copy.clone(),
        };
        if *self.quota() == 0 {
            return false;
        }
        let connection = self.state.connection.as_ref();
        let repeated = if connection.is_some_and(|it| it.attachment.may_receive(&copy.message.topic)) {
            self.publish(&copy, Some(packet_id), true)
        } else {
            Err(DropReason::NotPermitted)
        };
        if let Err(reason) = repeated {
            self.state.window.remove(at);
            self.state.record(self.broker, self.slot, || Change::Landed(self.slot.key, packet_id));
            self.give_up(&copy, reason);
            return true;
        }
        *self.quota() -= 1;
        self.state.window.get_mut(at).counted = true;
        self.state.window.mark_repeated();
        true
    }

    /// Sends the next retained message of a new subscription.
    fn feed(&mut self) -> bool {
        let open = self.window_is_open();
        let Some(feed) = self.state.feeds.front_mut() else { return false };
        let options = feed.subscription.options;
        if !open && options.qos > Qos::AtMostOnce {
            return false;
        }
        match self.broker.retained.next(feed, self.now_ms) {
            Next::End => {
                if let Some(over) = self.state.feeds.pop_front().filter(Feed::is_known) {
                    let filter = over.subscription.filter;
                    self.state.record(self.broker, self.slot, || Change::Fed(self.slot.key, filter));
                }
                if self.state.feeds.is_empty() {
                    self.state.feeds = std::collections::VecDeque::new();
                }
            }
            Next::Unknown => {}
            // No Local holds for retained messages too [MQTT-3.8.3-3].
            Next::Message(message) if options.no_local && message.publisher == self.slot.client_id => {}
            Next::Message(message) => {
                feed.moved();
                let copy = Queued {
                    qos: message.qos.min(options.qos),
                    message,
                    retain: true,
                    permitted: false,
                    identifiers: feed.subscription.identifier.into_iter().collect::<Identifiers>(),
                    shared: None,
                    offset: None,
                    arrival: 0,
                };
                self.slot.count_in(copy.message.bytes());
                self.send(copy);
            }
        }
        true
    }

    fn send_queued(&mut self) -> bool {
        let open = self.window_is_open();
        match self.state.queue.pop(open) {
            Some(copy) => {
                self.send(copy);
                true
            }
            None => false,
        }
    }

    /// Sends a copy for the first time, or drops it for a reason that is counted.
    fn send(&mut self, copy: Queued) {
        if let Err(reason) = self.admit(&copy) {
            self.give_up(&copy, reason);
            return;
        }
        let packet_id = (copy.qos > Qos::AtMostOnce).then(|| self.state.window.next_id());
        if let Err(reason) = self.publish(&copy, packet_id, false) {
            self.give_up(&copy, reason);
            return;
        }
        let Some(packet_id) = packet_id else {
            self.slot.count_out(copy.message.bytes());
            return;
        };
        *self.quota() -= 1;
        if copy.offset.is_none() {
            self.state.record(self.broker, self.slot, || {
                let carried = Carried { message: copy.message.clone(), options: copy.options() };
                Change::Carried(self.slot.key, packet_id, Box::new(carried))
            });
        }
        self.state.record(self.broker, self.slot, || {
            let (offset, shared) = (copy.offset, copy.shared.clone());
            Change::Flying(self.slot.key, Flight { packet_id, stage: FlightStage::Published, offset, shared })
        });
        self.state.window.launch(copy);
    }

    fn admit(&self, copy: &Queued) -> Result<(), DropReason> {
        if copy.message.is_expired(self.now_ms) {
            return Err(DropReason::Expired);
        }
        let attachment = self.state.connection.as_ref().map(|connection| &connection.attachment);
        let permitted = copy.permitted || attachment.is_some_and(|who| who.may_receive(&copy.message.topic));
        if permitted { Ok(()) } else { Err(DropReason::NotPermitted) }
    }

    /// The copy is not sent, as though it had been `[MQTT-3.1.2-25]`; counted, and owed no more.
    fn give_up(&mut self, copy: &Queued, reason: DropReason) {
        self.slot.count_out(copy.message.bytes());
        self.broker.counters.drop_copies(reason, 1);
        self.state.settle(self.broker, self.slot, copy.offset, copy.shared.as_ref());
    }

    /// Writes the PUBLISH, if the client takes one so large.
    fn publish(&mut self, copy: &Queued, packet_id: Option<PacketId>, dup: bool) -> Result<(), DropReason> {
        let connection = self.state.connection.as_mut().expect("a session is polled by its connection");
        let message: &Arc<Message> = &copy.message;
        let packet_bytes_max = connection.packet_bytes_max as usize;
        let mut naming = match self.version {
            Version::V3_1_1 => Naming::Topic,
            Version::V5 => {
                connection.outbound_aliases.naming(&message.topic, connection.outbound_aliases_max)
            }
        };
        let alias = match naming {
            Naming::Topic => None,
            Naming::Introduce(alias) => NonZeroU16::new(alias).map(OutboundAlias::Introduces),
            Naming::Alias(alias) => NonZeroU16::new(alias).map(OutboundAlias::Replaces),
        };
        let mut packet = PublishCopy {
            topic: &message.topic,
            properties: &message.properties,
            payload: &message.payload,
            dup,
            qos: copy.qos,
            retain: copy.retain,
            packet_id,
            alias,
            subscription_ids: &copy.identifiers,
            message_expiry_secs: message.expires_at_ms.map(|at_ms| remaining_secs(at_ms, self.now_ms)),
        };
        if packet.encoded_bytes(self.version) > packet_bytes_max {
            // An alias takes bytes too, more than a short topic does.
            (naming, packet.alias) = (Naming::Topic, None);
            if packet.encoded_bytes(self.version) > packet_bytes_max {
                return Err(DropReason::TooLarge);
            }
        }
        encode_publish(&packet, self.version, self.out).map_err(|_| DropReason::TooLarge)?;
        if let Naming::Introduce(alias) = naming {
            connection.outbound_aliases.introduced(&message.topic, alias);
        }
        self.packets += 1;
        self.copies += 1;
        self.payload_bytes += message.payload.len() as u64;
        Ok(())
    }
}

/// Whole seconds until `at_ms`, begun ones included `[MQTT-3.3.2-6]`.
fn remaining_secs(at_ms: u64, now_ms: u64) -> u32 {
    u32::try_from(at_ms.saturating_sub(now_ms).div_ceil(1_000)).unwrap_or(u32::MAX)
}
