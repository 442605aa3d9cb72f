//! Records to bytes.

use std::collections::HashMap;

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

use super::{Event, Format, Message, Origin, Owed, Record, Route, Source, VERSION};

pub(super) const FLAG_RETAINED: u8 = 1;
pub(super) const FLAG_TRACEPARENT: u8 = 2;
pub(super) const FLAG_RESEND: u8 = 4;
pub(super) const FLAG_MESSAGE: u8 = 8;
pub(super) const FLAG_ORIGIN_DETAIL: u8 = 16;
pub(super) const FLAG_SOURCE: u8 = 32;
pub(super) const FLAG_REPUBLISHED: u8 = 64;
pub(super) const FLAG_REPLAY: u8 = 128;

pub(super) const SOURCE_EXCHANGE: u8 = 1;
pub(super) const SOURCE_WILL: u8 = 2;

pub(super) const ORIGIN_DEVICE: u8 = 1;
pub(super) const ORIGIN_DIRECT: u8 = 2;
pub(super) const ORIGIN_REDRIVEN: u8 = 3;
pub(super) const ORIGIN_ERROR_ACTION: u8 = 4;
pub(super) const ORIGIN_GATEWAY: u8 = 5;
pub(super) const ORIGIN_REPLAYED: u8 = 6;

/// A part of a record is larger than its length field can say.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the record's {part} is {size} long; the format holds at most {size_max}")]
pub struct EncodeError {
    part: &'static str,
    size: usize,
    size_max: usize,
}

impl Record {
    /// The record as it stands in the journal.
    ///
    /// # Errors
    /// When a text, a list or the data are larger than the format can hold.
    pub fn encode(&self) -> Result<Bytes, EncodeError> {
        let mut writer = Writer { out: BytesMut::with_capacity(self.size_hint()) };
        let names = Names::of(self);
        writer.head(self, &names)?;
        writer.body(self, &names)?;
        Ok(writer.out.freeze())
    }

    fn size_hint(&self) -> usize {
        let events: usize =
            self.events.iter().map(|event| event.data.len() + 64 + 48 * event.routes.len()).sum();
        let message = self.message.as_ref().map_or(0, |message| message.payload.len() + 64);
        128 + self.topic.len()
            + self.client_id.len()
            + self.principal.len()
            + events
            + message
            + 64 * self.owed.len()
    }
}

/// The rules and targets of a record, each once, in order of first appearance.
struct Names<'a> {
    targets: Interned<'a>,
    rules: Interned<'a>,
}

#[derive(Default)]
struct Interned<'a> {
    order: Vec<&'a str>,
    /// Where each name stands; only once there are so many that looking at all of them takes longer.
    index: HashMap<&'a str, u16>,
}

/// As many names are looked through faster than they are hashed.
const LOOKED_THROUGH_MAX: usize = 16;

impl<'a> Interned<'a> {
    fn add(&mut self, text: &'a str) {
        if self.find(text).is_some() {
            return;
        }
        self.order.push(text);
        let numbered = (0..=u16::MAX).zip(&self.order);
        match self.order.len() - 1 {
            0..LOOKED_THROUGH_MAX => {}
            LOOKED_THROUGH_MAX => self.index = numbered.map(|(number, name)| (*name, number)).collect(),
            // More than a `u16` of names is refused when their count is written.
            last => _ = self.index.insert(text, u16::try_from(last).unwrap_or(u16::MAX)),
        }
    }

    fn find(&self, text: &str) -> Option<u16> {
        if self.index.is_empty() {
            return (0..).zip(&self.order).find(|(_, name)| **name == text).map(|(number, _)| number);
        }
        self.index.get(text).copied()
    }

    fn number(&self, text: &str) -> u16 {
        self.find(text).unwrap_or(u16::MAX)
    }
}

impl<'a> Names<'a> {
    fn of(record: &'a Record) -> Self {
        let mut names = Self { targets: Interned::default(), rules: Interned::default() };
        for event in &record.events {
            names.rules.add(&event.rule);
            event.routes.iter().for_each(|route| names.targets.add(route.target.as_str()));
        }
        names
    }
}

struct Writer {
    out: BytesMut,
}

impl Writer {
    fn head(&mut self, record: &Record, names: &Names<'_>) -> Result<(), EncodeError> {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let flags = flag(record.retained, FLAG_RETAINED)
            | flag(record.traceparent.is_some(), FLAG_TRACEPARENT)
            | flag(record.resend.is_some(), FLAG_RESEND)
            | flag(record.message.is_some(), FLAG_MESSAGE)
            | flag(has_detail(&record.origin), FLAG_ORIGIN_DETAIL)
            | flag(record.source.is_some(), FLAG_SOURCE)
            | flag(record.republished > 0, FLAG_REPUBLISHED)
            | flag(record.replay.is_some(), FLAG_REPLAY);
        self.out.put_slice(&[VERSION, origin_number(&record.origin), flags, 0]);
        let length_at = self.out.len();
        self.out.put_u32_le(0);
        self.out.put_slice(record.base.as_bytes());
        self.out.put_u64_le(record.accepted_at_ms);
        self.source(record.source);
        self.names("list of targets", &names.targets)?;
        self.names("list of rules", &names.rules)?;
        let routes: usize = record.events.iter().map(|event| event.routes.len()).sum();
        self.count("list of routes", routes)?;
        for (index, event) in record.events.iter().enumerate() {
            for route in &event.routes {
                self.out.put_u16_le(narrow("list of events", index)?);
                self.out.put_u16_le(names.rules.number(&event.rule));
                self.out.put_u16_le(names.targets.number(route.target.as_str()));
                self.out.put_u32_le(wide("event data", event.data.len())?);
            }
        }
        let rest = wide("head", self.out.len() - length_at - 4)?;
        self.out[length_at..length_at + 4].copy_from_slice(&rest.to_le_bytes());
        Ok(())
    }

    fn source(&mut self, source: Option<Source>) {
        match source {
            None => {}
            Some(Source::Exchange { session, packet_id }) => {
                self.out.put_u8(SOURCE_EXCHANGE);
                self.out.put_u64_le(session);
                self.out.put_u16_le(packet_id);
            }
            Some(Source::Will { will }) => {
                self.out.put_u8(SOURCE_WILL);
                self.out.put_u64_le(will);
            }
        }
    }

    fn names(&mut self, part: &'static str, names: &Interned<'_>) -> Result<(), EncodeError> {
        self.count(part, names.order.len())?;
        names.order.iter().try_for_each(|name| self.text(part, name))
    }

    fn body(&mut self, record: &Record, names: &Names<'_>) -> Result<(), EncodeError> {
        self.text("client id", &record.client_id)?;
        self.text("principal", &record.principal)?;
        self.text("topic", &record.topic)?;
        if let Some(traceparent) = &record.traceparent {
            self.text("traceparent", traceparent)?;
        }
        if let Some(resend) = record.resend {
            self.out.put_u16_le(resend.packet_id);
            self.out.put_u64_le(resend.content_digest);
        }
        match &record.origin {
            Origin::Device | Origin::Direct | Origin::Gateway => {}
            Origin::Redriven { event_id } | Origin::Replayed { event_id } => {
                self.text("event id", event_id)?;
            }
            Origin::ErrorAction { failed_target } => self.text("failed target", failed_target.as_str())?,
        }
        if record.republished > 0 {
            self.out.put_u8(record.republished);
        }
        if let Some(replay) = &record.replay {
            self.out.put_u64_le(replay.at_ms);
            self.text("name of the replay", &replay.name)?;
        }
        self.count("list of events", record.events.len())?;
        record.events.iter().try_for_each(|event| self.event(event, names))?;
        if let Some(message) = &record.message {
            self.message(message)?;
        }
        self.out.put_u32_le(wide("list of owed copies", record.owed.len())?);
        record.owed.iter().try_for_each(|owed| self.owed(owed))
    }

    fn event(&mut self, event: &Event, names: &Names<'_>) -> Result<(), EncodeError> {
        self.out.put_u16_le(names.rules.number(&event.rule));
        self.out.put_u16_le(event.number);
        self.text("content type", &event.content_type)?;
        self.bytes("event data", &event.data)?;
        self.count("list of attributes", event.attributes.len())?;
        for attribute in &event.attributes {
            self.text("attribute name", &attribute.name)?;
            self.text("attribute type", &attribute.data_type)?;
            self.bytes("attribute value", &attribute.value)?;
        }
        self.count("list of routes", event.routes.len())?;
        for route in &event.routes {
            self.out.put_u16_le(names.targets.number(route.target.as_str()));
            self.destination(route)?;
        }
        self.out.put_u8(u8::from(event.error_route.is_some()));
        if let Some(route) = &event.error_route {
            self.text("error target", route.target.as_str())?;
            self.destination(route)?;
        }
        Ok(())
    }

    fn destination(&mut self, route: &Route) -> Result<(), EncodeError> {
        self.out.put_u8(match route.format {
            Format::Data => 0,
            Format::CloudEvents => 1,
        });
        self.out.put_u8(u8::from(route.partition_key.is_some()));
        route.partition_key.as_ref().map_or(Ok(()), |key| self.text("partition key", key))?;
        self.count("list of parameters", route.parameters.len())?;
        route.parameters.iter().try_for_each(|(name, value)| {
            self.text("parameter name", name)?;
            self.bytes("parameter value", value.as_bytes())
        })
    }

    fn message(&mut self, message: &Message) -> Result<(), EncodeError> {
        self.bytes("payload", &message.payload)?;
        self.bytes("properties", &message.properties)?;
        self.out.put_u8(message.quality_of_service);
        self.out.put_u8(u8::from(message.retain));
        self.out.put_u64_le(message.expires_at_ms.unwrap_or(0));
        Ok(())
    }

    fn owed(&mut self, owed: &Owed) -> Result<(), EncodeError> {
        self.text("session", &owed.session)?;
        self.out.put_u8(owed.quality_of_service);
        self.out.put_u8(u8::from(owed.retain));
        self.count("list of subscription ids", owed.subscription_ids.len())?;
        owed.subscription_ids.iter().for_each(|id| self.out.put_u32_le(*id));
        Ok(())
    }

    fn count(&mut self, part: &'static str, count: usize) -> Result<(), EncodeError> {
        self.out.put_u16_le(narrow(part, count)?);
        Ok(())
    }

    fn text(&mut self, part: &'static str, text: &str) -> Result<(), EncodeError> {
        self.count(part, text.len())?;
        self.out.put_slice(text.as_bytes());
        Ok(())
    }

    fn bytes(&mut self, part: &'static str, bytes: &[u8]) -> Result<(), EncodeError> {
        self.out.put_u32_le(wide(part, bytes.len())?);
        self.out.put_slice(bytes);
        Ok(())
    }
}

fn origin_number(origin: &Origin) -> u8 {
    match origin {
        Origin::Device => ORIGIN_DEVICE,
        Origin::Direct => ORIGIN_DIRECT,
        Origin::Redriven { .. } => ORIGIN_REDRIVEN,
        Origin::ErrorAction { .. } => ORIGIN_ERROR_ACTION,
        Origin::Gateway => ORIGIN_GATEWAY,
        Origin::Replayed { .. } => ORIGIN_REPLAYED,
    }
}

fn has_detail(origin: &Origin) -> bool {
    matches!(origin, Origin::Redriven { .. } | Origin::Replayed { .. } | Origin::ErrorAction { .. })
}

fn narrow(part: &'static str, size: usize) -> Result<u16, EncodeError> {
    u16::try_from(size).map_err(|_| EncodeError { part, size, size_max: usize::from(u16::MAX) })
}

fn wide(part: &'static str, size: usize) -> Result<u32, EncodeError> {
    u32::try_from(size).map_err(|_| EncodeError { part, size, size_max: u32::MAX as usize })
}
