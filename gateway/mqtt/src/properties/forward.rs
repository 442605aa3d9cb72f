//! Properties of a publish on its way to subscribers: what must not travel is dropped, what differs for each subscriber is added.

use super::Properties;
use super::catalogue::{Place, id};
use super::wire::Span;
use crate::error::Failure;
use crate::{DecodeError, PacketType, Version};
use bytes::{Bytes, BytesMut};

/// What belongs to one hop only: the alias `[MQTT-3.3.2-7]` and the identifiers of the sender's subscriptions.
const HOP: u64 = 1 << id::TOPIC_ALIAS | 1 << id::SUBSCRIPTION_IDENTIFIER;
const EXPIRY: u64 = 1 << id::MESSAGE_EXPIRY_INTERVAL;
/// A will's properties that stay with the server.
const WILL: u64 = 1 << id::WILL_DELAY_INTERVAL;

impl Properties {
    /// The properties of a received PUBLISH, or of a will, as they are passed on: without Topic Alias, Subscription Identifiers and
    /// Will Delay Interval, the rest in the order sent `[MQTT-3.3.2-18]`. Shares the bytes when there is nothing to drop.
    #[must_use]
    pub fn forwarded(&self) -> Self {
        let dropped = HOP | WILL;
        if self.present() & dropped == 0 {
            return self.clone();
        }
        if self.present() & !dropped == 0 {
            return Self::default();
        }
        let mut kept = BytesMut::with_capacity(self.len_bytes());
        for span in self.spans().filter(|span| span.kind.bit() & dropped == 0) {
            kept.extend_from_slice(&self.as_bytes()[span.whole]);
        }
        Self { bytes: kept.freeze(), present: self.present & !dropped }
    }

    /// The properties of a PUBLISH that [`Properties::as_bytes`] gave and a store kept.
    ///
    /// # Errors
    /// When the bytes are not properties a PUBLISH may carry.
    pub fn from_publish_bytes(bytes: Bytes) -> Result<Self, DecodeError> {
        Self::checked(bytes, Place::Packet(PacketType::Publish))
            .map_err(|failure: Failure| failure.in_packet(Some(Version::V5), Some(PacketType::Publish)))
    }

    /// The properties of a will that [`Properties::as_bytes`] gave and a store kept.
    ///
    /// # Errors
    /// When the bytes are not properties a will may carry.
    pub fn from_will_bytes(bytes: Bytes) -> Result<Self, DecodeError> {
        Self::checked(bytes, Place::Will)
            .map_err(|failure: Failure| failure.in_packet(Some(Version::V5), Some(PacketType::Connect)))
    }

    /// The name of the refused property, if any.
    pub(crate) fn refused_name(&self) -> Option<&'static str> {
        self.refused().and_then(super::catalogue::find).map(|kind| kind.name)
    }
}

/// The published properties as one subscriber gets them: nothing is copied but to the wire.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forwarded<'a> {
    properties: &'a Properties,
    /// Properties left out.
    dropped: u64,
}

impl<'a> Forwarded<'a> {
    /// `rewrites_expiry` leaves the published Message Expiry Interval out, for the caller writes the seconds that remain.
    pub(crate) fn new(properties: &'a Properties, rewrites_expiry: bool) -> Self {
        Self { properties, dropped: if rewrites_expiry { HOP | EXPIRY } else { HOP } }
    }

    /// Gives `put` the bytes that travel, in order.
    pub(crate) fn for_each_part(self, mut put: impl FnMut(&[u8])) {
        let bytes = self.properties.as_bytes();
        if self.properties.present() & self.dropped == 0 {
            put(bytes);
            return;
        }
        for Span { kind, whole, .. } in self.properties.spans() {
            if kind.bit() & self.dropped == 0 {
                put(&bytes[whole]);
            }
        }
    }

    /// Bytes that travel.
    pub(crate) fn len_bytes(self) -> usize {
        let mut length = 0;
        self.for_each_part(|part| length += part.len());
        length
    }
}
