//! What stands in a side journal for one record of the journal.
//!
//! ```text
//! u8   version = 1
//! u64  offset of the record in the journal            (little endian, like the next)
//! u64  when the journal took it, milliseconds since the Unix epoch
//!      the record, in the format of [`record`](crate::record), with the events for this target alone
//! ```
//!
//! An event keeps its number and its place among the events for this target, so id and position stay what they were. Of
//! the message as it was published only what an error document needs is kept.

use bytes::{BufMut, Bytes, BytesMut};

use crate::record::{DecodeError, EncodeError};
use crate::{Offset, Record, TargetName};

/// The version this build writes, and the only one it reads.
pub(crate) const VERSION: u8 = 1;

/// Bytes before the record.
pub(crate) const HEAD_BYTES: usize = 1 + 8 + 8;

/// A record that was moved aside.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Moved {
    /// Where it stood in the journal.
    pub(crate) offset: Offset,
    pub(crate) at_ms: u64,
    pub(crate) record: Bytes,
}

impl Moved {
    /// The part of `record` that is owed to `target`, and how many events that is.
    pub(crate) fn part_of(
        mut record: Record,
        target: &TargetName,
        offset: Offset,
        at_ms: u64,
    ) -> Result<(Self, u64), EncodeError> {
        for event in &mut record.events {
            event.routes.retain(|route| route.target == *target);
        }
        record.events.retain(|event| !event.routes.is_empty());
        let events = record.events.iter().map(|event| event.routes.len() as u64).sum();
        record.owed = Vec::new();
        record.retained = false;
        record.resend = None;
        record.source = None;
        if record.events.iter().all(|event| event.error_route.is_none()) {
            record.message = None;
        }
        Ok((Self { offset, at_ms, record: record.encode()? }, events))
    }

    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(HEAD_BYTES + self.record.len());
        bytes.put_u8(VERSION);
        bytes.put_u64_le(self.offset.0);
        bytes.put_u64_le(self.at_ms);
        bytes.put_slice(&self.record);
        bytes.freeze()
    }

    pub(crate) fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let Some((head, _)) = bytes.split_at_checked(HEAD_BYTES) else {
            return Err(DecodeError::Short(HEAD_BYTES - bytes.len()));
        };
        if head[0] != VERSION {
            return Err(DecodeError::Version(head[0]));
        }
        let number =
            |at: usize| head[at..at + 8].iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        Ok(Self { offset: Offset(number(1)), at_ms: number(9), record: bytes.slice(HEAD_BYTES..) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Delivery, Event, Message, Origin, Owed, Route};

    const GOLDEN_VERSION_1: &str = include_str!("../../tests/golden/aside-1.hex");

    fn target(text: &str) -> TargetName {
        TargetName::parse(text).unwrap()
    }

    /// Three events of two rules, of which two go to `http/hook`, one of them twice; a retained message that is owed to a session.
    fn record() -> Record {
        let mut record = Record::new(Origin::Device, 1_720_000_000_123);
        record.base = uuid::Uuid::from_u128(7);
        record.client_id = "kiln-7".to_owned();
        let (hook, other) = (Route::to(target("http/hook")), Route::to(target("queue/alerts")));
        record.add(Event { routes: vec![other.clone()], ..Event::json("hot", "1") });
        record.add(Event { routes: vec![hook.clone(), other, hook.clone()], ..Event::json("hot", "2") });
        record.add(Event { routes: vec![hook], ..Event::json("cold", "3") });
        record.retained = true;
        record.message = Some(Message {
            payload: Bytes::from_static(b"{}"),
            properties: Bytes::new(),
            quality_of_service: 1,
            retain: true,
            expires_at_ms: None,
        });
        record.owed = vec![Owed {
            session: "panel".to_owned(),
            quality_of_service: 1,
            retain: false,
            subscription_ids: Vec::new(),
        }];
        record
    }

    fn moved(record: Record) -> (Moved, u64) {
        Moved::part_of(record, &target("http/hook"), Offset(513), 1_720_000_000_456).unwrap()
    }

    #[test]
    fn an_event_keeps_its_id_its_position_and_its_data() {
        let (hook, offset) = (target("http/hook"), Offset(513));
        let (moved, events) = moved(record());
        let read = Moved::decode(&moved.encode()).unwrap();
        assert_eq!((events, &read), (3, &moved));
        let part = Record::decode(&read.record).unwrap();
        assert_eq!(
            Delivery::all_from_record(&part, &hook, read.offset),
            Delivery::all_from_record(&record(), &hook, offset)
        );
        assert_eq!((part.message, part.owed.len(), part.retained), (None, 0, false));
    }

    #[test]
    fn what_an_error_document_needs_is_kept() {
        let mut record = record();
        record.events[2].error_route = Some(Route::to(target("queue/errors")));
        let part = Record::decode(&moved(record.clone()).0.record).unwrap();
        assert_eq!(part.message, record.message);
    }

    #[test]
    fn version_1_is_read_as_it_was_written() {
        let bytes: Vec<u8> = GOLDEN_VERSION_1
            .split_whitespace()
            .flat_map(|line| {
                (0..line.len() / 2).map(|at| u8::from_str_radix(&line[at * 2..at * 2 + 2], 16).unwrap())
            })
            .collect();
        let read = Moved::decode(&Bytes::from(bytes)).unwrap();
        let expected = Moved {
            offset: Offset(0x0102_0304_0506_0708),
            at_ms: 1_720_000_000_456,
            record: Bytes::from_static(b"the record"),
        };
        assert_eq!(read, expected);
        assert_eq!(expected.encode(), read.encode());
    }

    #[test]
    fn what_is_no_side_record_is_refused() {
        for (bytes, said) in [
            (&b""[..], "the record ends 17 bytes too early"),
            (&[1; 16], "the record ends 1 bytes too early"),
            (&[2; 17], "record version `2` is not known; it was written by a newer gateway, start that one"),
        ] {
            assert_eq!(Moved::decode(&Bytes::copy_from_slice(bytes)).unwrap_err().to_string(), said);
        }
    }
}
