//! Bytes to records. Bytes are not trusted: every length is checked before it is used, and nothing is
//! allocated for a count that the remaining bytes can't fill.

use bytes::Bytes;
use thiserror::Error;

use super::encode::{
    FLAG_ORIGIN_DETAIL, FLAG_REPLAY, FLAG_REPUBLISHED, FLAG_RESEND, FLAG_RETAINED, FLAG_TRACEPARENT,
    ORIGIN_DEVICE, ORIGIN_DIRECT, ORIGIN_ERROR_ACTION, ORIGIN_GATEWAY, ORIGIN_REDRIVEN, ORIGIN_REPLAYED,
};
use super::{Attribute, Event, Format, Head, Message, Origin, Owed, Record, Replay, ResendKey, Route};
use crate::TargetName;
use crate::name::TargetNameError;

/// Why bytes are not a record.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// Written by a newer build.
    #[error("record version `{0}` is not known; it was written by a newer gateway, start that one")]
    Version(u8),
    /// The bytes end in the middle.
    #[error("the record ends {0} bytes too early")]
    Short(usize),
    /// Bytes are left over.
    #[error("the record has {0} bytes too many")]
    Trailing(usize),
    /// A text is not UTF-8.
    #[error("a text in the record is not UTF-8")]
    Utf8,
    /// A number has no meaning in its place.
    #[error("the record's {0} has a number without meaning")]
    Number(&'static str),
    /// A target name is not one.
    #[error("the record names a target that can't exist: {0}")]
    Target(#[from] TargetNameError),
}

impl Record {
    /// Reads a record; data and payload are slices of `bytes`.
    ///
    /// # Errors
    /// When the bytes are not a record of a version this build knows.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let head = Head::decode(bytes)?;
        let (mut record, mut body) = Self::decode_events_and_rest(&head, bytes)?;
        record.message = if head.holds_message() { Some(message(&mut body)?) } else { None };
        record.owed = body.list32(6, owed)?;
        if body.remaining() > 0 {
            return Err(DecodeError::Trailing(body.remaining()));
        }
        Ok(record)
    }

    /// Reads a record but for the message and the owed copies, which are left empty.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), for the part that is read.
    pub fn decode_events(bytes: &Bytes) -> Result<Self, DecodeError> {
        Self::decode_events_behind(&Head::decode(bytes)?, bytes)
    }

    /// The same for whoever has read the head of these bytes already.
    ///
    /// # Errors
    /// As [`decode_events`](Self::decode_events).
    pub fn decode_events_behind(head: &Head, bytes: &Bytes) -> Result<Self, DecodeError> {
        Self::decode_events_and_rest(head, bytes).map(|(record, _)| record)
    }

    fn decode_events_and_rest<'a>(head: &Head, bytes: &'a Bytes) -> Result<(Self, Cursor<'a>), DecodeError> {
        let mut body = Cursor::new(bytes);
        body.pass(head.body_at)?;
        let flag = |flag: u8| head.flags & flag != 0;
        let targets: Vec<TargetName> = head.targets().map(TargetName::parse).collect::<Result<_, _>>()?;
        let (client_id, principal, topic) = (body.text()?, body.text()?, body.text()?);
        let traceparent = if flag(FLAG_TRACEPARENT) { Some(body.text()?) } else { None };
        let resend = if flag(FLAG_RESEND) {
            Some(ResendKey { packet_id: body.u16()?, content_digest: body.u64()? })
        } else {
            None
        };
        let detail = if flag(FLAG_ORIGIN_DETAIL) { Some(body.text()?) } else { None };
        let origin = origin(head.version, head.origin, detail)?;
        let republished = if head.version >= 3 && flag(FLAG_REPUBLISHED) { body.u8()? } else { 0 };
        let replay = if head.version >= 4 && flag(FLAG_REPLAY) {
            Some(Replay { at_ms: body.u64()?, name: body.text()? })
        } else {
            None
        };
        let events = body.list16(15, |body| event(body, head, &targets))?;
        let record = Self {
            base: head.base,
            accepted_at_ms: head.accepted_at_ms,
            origin,
            client_id,
            principal,
            topic,
            traceparent,
            resend,
            republished,
            replay,
            source: head.source,
            events,
            retained: flag(FLAG_RETAINED),
            message: None,
            owed: Vec::new(),
        };
        Ok((record, body))
    }
}

fn origin(version: u8, number: u8, detail: Option<String>) -> Result<Origin, DecodeError> {
    match (number, detail) {
        (ORIGIN_DEVICE, None) => Ok(Origin::Device),
        (ORIGIN_DIRECT, None) => Ok(Origin::Direct),
        (ORIGIN_GATEWAY, None) => Ok(Origin::Gateway),
        (ORIGIN_REDRIVEN, Some(event_id)) => Ok(Origin::Redriven { event_id }),
        (ORIGIN_REPLAYED, Some(event_id)) if version >= 4 => Ok(Origin::Replayed { event_id }),
        (ORIGIN_ERROR_ACTION, Some(failed)) => {
            Ok(Origin::ErrorAction { failed_target: TargetName::parse(&failed)? })
        }
        _ => Err(DecodeError::Number("origin")),
    }
}

fn event(body: &mut Cursor<'_>, head: &Head, targets: &[TargetName]) -> Result<Event, DecodeError> {
    let rule = head.rules.get(usize::from(body.u16()?)).ok_or(DecodeError::Number("rule"))?;
    let rule = owned(rule)?;
    let number = body.u16()?;
    let content_type = body.text()?;
    let data = body.bytes()?;
    let attributes = body.list16(8, |body| {
        Ok(Attribute { name: body.text()?, data_type: body.text()?, value: body.bytes()? })
    })?;
    let routes = body.list16(4, |body| {
        let target = targets.get(usize::from(body.u16()?)).ok_or(DecodeError::Number("target"))?;
        destination(body, head, target.clone())
    })?;
    let error_route = if body.flag()? {
        let target = TargetName::parse(&body.text()?)?;
        Some(destination(body, head, target)?)
    } else {
        None
    };
    Ok(Event { rule, number, data, content_type, attributes, routes, error_route })
}

fn owned(text: &[u8]) -> Result<String, DecodeError> {
    std::str::from_utf8(text).map(str::to_owned).map_err(|_| DecodeError::Utf8)
}

fn destination(body: &mut Cursor<'_>, head: &Head, target: TargetName) -> Result<Route, DecodeError> {
    let format = match body.u8()? {
        0 => Format::Data,
        1 => Format::CloudEvents,
        _ => return Err(DecodeError::Number("format")),
    };
    let partition_key = if body.flag()? { Some(body.text()?) } else { None };
    let parameters = match head.version {
        0..3 => Vec::new(),
        _ => body.list16(6, |body| Ok((body.text()?, body.long_text()?)))?,
    };
    Ok(Route { target, partition_key, format, parameters })
}

fn message(body: &mut Cursor<'_>) -> Result<Message, DecodeError> {
    Ok(Message {
        payload: body.bytes()?,
        properties: body.bytes()?,
        quality_of_service: body.quality_of_service()?,
        retain: body.flag()?,
        expires_at_ms: match body.u64()? {
            0 => None,
            at => Some(at),
        },
    })
}

fn owed(body: &mut Cursor<'_>) -> Result<Owed, DecodeError> {
    Ok(Owed {
        session: body.text()?,
        quality_of_service: body.quality_of_service()?,
        retain: body.flag()?,
        subscription_ids: body.list16(4, Cursor::u32)?,
    })
}

/// Takes values off the front of untrusted bytes. Only what is handed out as [`Bytes`] touches the count of those who share them.
pub(super) struct Cursor<'a> {
    bytes: &'a Bytes,
    at: usize,
    end: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a Bytes) -> Self {
        Self { bytes, at: 0, end: bytes.len() }
    }

    /// Where the next value stands.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn remaining(&self) -> usize {
        self.end - self.at
    }

    /// Passes over so many bytes and says where they began.
    fn pass(&mut self, count: usize) -> Result<usize, DecodeError> {
        match count.checked_sub(self.remaining()) {
            None | Some(0) => {
                let began = self.at;
                self.at += count;
                Ok(began)
            }
            Some(missing) => Err(DecodeError::Short(missing)),
        }
    }

    fn slice(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let began = self.pass(count)?;
        Ok(&self.bytes[began..self.at])
    }

    pub(super) fn take(&mut self, count: usize) -> Result<Bytes, DecodeError> {
        let began = self.pass(count)?;
        Ok(self.bytes.slice(began..self.at))
    }

    /// The next so many bytes as a cursor of their own.
    pub(super) fn part(&mut self, count: usize) -> Result<Self, DecodeError> {
        let at = self.pass(count)?;
        Ok(Self { bytes: self.bytes, at, end: self.at })
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.slice(N)?);
        Ok(array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_le_bytes)
    }

    fn flag(&mut self) -> Result<bool, DecodeError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Number("flag")),
        }
    }

    fn quality_of_service(&mut self) -> Result<u8, DecodeError> {
        match self.u8()? {
            level @ 0..=2 => Ok(level),
            _ => Err(DecodeError::Number("quality of service")),
        }
    }

    pub(super) fn text_bytes(&mut self) -> Result<Bytes, DecodeError> {
        let length = usize::from(self.u16()?);
        let began = self.pass(length)?;
        std::str::from_utf8(&self.bytes[began..self.at]).map_err(|_| DecodeError::Utf8)?;
        Ok(self.bytes.slice(began..self.at))
    }

    fn text(&mut self) -> Result<String, DecodeError> {
        let length = usize::from(self.u16()?);
        owned(self.slice(length)?)
    }

    fn long_text(&mut self) -> Result<String, DecodeError> {
        let length = self.u32()? as usize;
        owned(self.slice(length)?)
    }

    fn bytes(&mut self) -> Result<Bytes, DecodeError> {
        let length = self.u32()? as usize;
        self.take(length)
    }

    fn list16<T>(
        &mut self,
        item_bytes_min: usize,
        item: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count = usize::from(self.u16()?);
        self.list(count, item_bytes_min, item)
    }

    fn list32<T>(
        &mut self,
        item_bytes_min: usize,
        item: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count = self.u32()? as usize;
        self.list(count, item_bytes_min, item)
    }

    fn list<T>(
        &mut self,
        count: usize,
        item_bytes_min: usize,
        mut item: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let mut list = Vec::with_capacity(count.min(self.remaining() / item_bytes_min));
        for _ in 0..count {
            list.push(item(self)?);
        }
        Ok(list)
    }
}
